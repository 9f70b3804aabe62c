/// Two trees of objects side by side, in the order of their keys.
#pragma once

#include "milvus_backup/backup/copy.h"
#include "milvus_backup/storage/object_stream.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::backup {

/// One key that at least one of two trees has.
struct KeyPair {
  /// Below the directories of both trees. Like the objects valid until the next pair.
  std::string_view key;
  const storage::ObjectInfo* source = nullptr;
  const storage::ObjectInfo* destination = nullptr;
};

/// Reads both listings page by page. Used by one thread.
class MergedListing {
 public:
  using Objects = std::vector<storage::ObjectInfo>;

  /// Lists what is below `below`, relative to both trees; empty for everything. Without a backend
  /// the destination has nothing. `passed_over` is called in Next for what the source has that is
  /// neither an object nor a directory, by its relative key.
  MergedListing(const CallContext& ctx, const Tree& source, const Tree& destination,
                const std::string& below = "",
                const std::function<void(std::string_view key)>& passed_over = nullptr);
  /// Lists everything but the source, whose objects are given, in the order of their keys.
  MergedListing(const CallContext& ctx, Objects source_objects, const Tree& source,
                const Tree& destination);

  /// The next key; neither side has an object after the last one. Errors say which side could not
  /// be listed.
  Result<KeyPair> Next();

 private:
  struct Side {
    Side(const CallContext& ctx, const Tree& tree, const std::string& below,
         const std::function<void(std::string_view key)>& passed_over = nullptr);
    Side(Objects objects, const Tree& tree)
        : given(std::move(objects)), dir_length(tree.dir.size()) {}

    /// Where there is none, the objects are those given.
    std::optional<storage::ObjectStream> stream;
    Objects given;
    size_t given_taken = 0;
    size_t dir_length = 0;
    const storage::ObjectInfo* object = nullptr;
    bool wanted = true;

    std::string_view key() const { return std::string_view(object->key).substr(dir_length); }
    Result<const storage::ObjectInfo*> Read();
    Status Advance(std::string_view what);
  };

  Side source_;
  Side destination_;
};

}  // namespace milvus_backup::backup
