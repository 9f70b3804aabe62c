#include "copy_merge.h"

#include <string>
#include <utility>

namespace milvus_backup::backup {

MergedListing::Side::Side(const CallContext& ctx, const Tree& tree, const std::string& below,
                          const std::function<void(std::string_view key)>& passed_over)
    : dir_length(tree.dir.size()), wanted(tree.backend != nullptr) {
  if (!wanted) return;
  storage::KeyRange range{.prefix = tree.dir + below};
  if (passed_over) {
    range.passed_over = [passed_over, length = dir_length](const std::string& key) {
      passed_over(std::string_view(key).substr(length));
    };
  }
  stream.emplace(ctx, *tree.backend, std::move(range));
}

MergedListing::MergedListing(const CallContext& ctx, const Tree& source, const Tree& destination,
                             const std::string& below,
                             const std::function<void(std::string_view key)>& passed_over)
    : source_(ctx, source, below, passed_over), destination_(ctx, destination, below) {}

MergedListing::MergedListing(const CallContext& ctx, Objects source_objects, const Tree& source,
                             const Tree& destination)
    : source_(std::move(source_objects), source), destination_(ctx, destination, "") {}

Result<const storage::ObjectInfo*> MergedListing::Side::Read() {
  if (stream) return stream->Next();
  return given_taken < given.size() ? &given[given_taken++] : nullptr;
}

Status MergedListing::Side::Advance(std::string_view what) {
  if (!wanted) return Status::Ok();
  wanted = false;
  const auto next = Read();
  if (!next.ok()) return next.status().Annotate("listing the " + std::string(what));
  object = *next;
  return Status::Ok();
}

Result<KeyPair> MergedListing::Next() {
  // Both are asked first, so that the fetches of their pages overlap.
  MB_RETURN_IF_ERROR(source_.Advance("source"));
  MB_RETURN_IF_ERROR(destination_.Advance("destination"));
  const bool from_source = source_.object != nullptr &&
                           (destination_.object == nullptr || source_.key() <= destination_.key());
  const bool from_destination = destination_.object != nullptr &&
                                (source_.object == nullptr || destination_.key() <= source_.key());
  KeyPair pair;
  if (from_source) {
    pair.key = source_.key();
    pair.source = source_.object;
    source_.wanted = true;
  }
  if (from_destination) {
    pair.key = destination_.key();
    pair.destination = destination_.object;
    destination_.wanted = true;
  }
  return pair;
}

}  // namespace milvus_backup::backup
