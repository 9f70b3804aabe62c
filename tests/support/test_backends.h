/// The backends that the conformance suite runs against, and what they may do differently.
#pragma once

#include "milvus_backup/storage/backend.h"
#include "milvus_backup/storage/s3_options.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace milvus_backup::testing {

/// A backend ready for one test, with what it needs to stay alive.
struct OpenedBackend {
  /// Directories, servers and the like; destroyed last.
  std::shared_ptr<void> keep_alive;
  std::unique_ptr<storage::Backend> backend;
  /// Another bucket or directory of the same service.
  std::unique_ptr<storage::Backend> neighbour;
  /// Opens the backend once more with other options; empty where it has none.
  std::function<Result<std::unique_ptr<storage::Backend>>(
      const std::function<void(storage::S3Options&)>& change)>
      reopen;
  /// Not empty: why the test has to be skipped.
  std::string skip;
};

struct BackendCase {
  std::string name;
  std::function<OpenedBackend()> open;
  /// Control characters, `//` and the like are legal in keys.
  bool any_key = true;
  /// Dead uploads and part copies past the end are refused.
  bool checks_parts = true;
  /// Copies honour CopySource::if_match.
  bool guards_copies = true;
  /// Damaged bodies are refused.
  bool verifies_checksums = true;
  /// Wrong keys are refused.
  bool checks_credentials = false;
};

std::vector<BackendCase> AllBackendCases();

}  // namespace milvus_backup::testing
