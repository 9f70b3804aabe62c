/// Where a migration reads from and writes to.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/options.h"
#include "milvus_backup/storage/backend.h"

#include <memory>
#include <string>

namespace milvus_backup::migration {

/// A place inside a storage. Does not own the backend; as thread-safe as that.
struct Store {
  storage::Backend* backend = nullptr;
  /// In front of every key; empty, or with a slash at its end.
  std::string prefix;
  /// In front of a key of `backend` for a Milvus that is to read the object: empty for a bucket,
  /// the absolute directory with a slash for a disk.
  std::string milvus_prefix;
  /// Of a disk, its root; empty for a bucket.
  std::string local_root;
};

struct OpenedStore {
  std::unique_ptr<storage::Backend> backend;
  Store store;
};

/// The tables directory of the old Milvus. Sends nothing. kInvalidArgument for credentials this
/// version cannot get.
Result<OpenedStore> OpenSource(const StorePlace& place);

/// `<output directory>/migration/`, where dumps go. Sends and creates nothing. Errors as above.
Result<OpenedStore> OpenTarget(const StorePlace& place);

}  // namespace milvus_backup::migration
