/// A listing that is asked for one object after the other.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

namespace milvus_backup::storage {

/// The objects of a range in key order, page by page; the next page is fetched while the current
/// one is read, so two pages are held. Used by one thread. Destroying it ends the fetch.
class ObjectStream {
 public:
  /// `backend` must outlive the stream. Sends nothing before the first Next.
  ObjectStream(const CallContext& ctx, Backend& backend, KeyRange range);
  ObjectStream(const ObjectStream&) = delete;
  ObjectStream& operator=(const ObjectStream&) = delete;
  ~ObjectStream();

  /// The next object, null after the last; valid until the next call. kDataLoss when the service
  /// does not keep the order of keys. Not to be called again after an error.
  Result<const ObjectInfo*> Next();

 private:
  void Fetch();
  /// Wait for the page on its way; false when there is none.
  Result<bool> TakePage();

  Backend& backend_;
  const KeyRange range_;
  ListRequest request_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> on_parent_stop_;
  const CallContext ctx_;
  std::optional<Result<ListPage>> fetched_;
  bool begun_ = false;
  ListPage page_;
  size_t position_ = 0;
  std::string previous_;
  std::jthread fetch_;
};

}  // namespace milvus_backup::storage
