/// The backends that the conformance suite runs against, and what they may do differently.
#pragma once

#include "milvus_backup/storage/backend.h"

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
  /// Not empty: why the test has to be skipped.
  std::string skip;
};

struct BackendCase {
  std::string name;
  std::function<OpenedBackend()> open;
  /// Control characters, `//` and the like are legal in keys.
  bool any_key = true;
  /// A part sent again replaces the first one, and ListParts tells sizes.
  bool checks_parts = true;
  /// Damaged bodies are refused.
  bool verifies_checksums = true;
  /// Wrong keys are refused.
  bool checks_credentials = false;
  /// ListUploads finds uploads.
  bool lists_uploads = true;
  /// An upload can be created only if its key is absent.
  bool conditional_upload = true;
};

std::vector<BackendCase> AllBackendCases();

}  // namespace milvus_backup::testing
