/// A sub-tree as a backend of its own: `key` here is `prefix + key` inside. Thread-safe.
#pragma once

#include "milvus_backup/storage/backend.h"

#include <memory>
#include <string>

namespace milvus_backup::storage {

/// `prefix` is put in front as it stands; end it with "/" for a directory. Errors of the inner
/// backend name its own keys. Listings and infos carry the short keys.
std::unique_ptr<Backend> MakePrefixBackend(std::unique_ptr<Backend> inner, std::string prefix);

}  // namespace milvus_backup::storage
