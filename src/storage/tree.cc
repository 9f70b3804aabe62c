#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>

#include <vector>

namespace milvus_backup::storage {

Result<uint64_t> DeleteTree(const CallContext& ctx, Backend& backend, const std::string& prefix) {
  MB_CHECK(prefix.size() > 1 && prefix.back() == '/');
  uint64_t deleted = 0;
  std::string start_after;
  for (;;) {
    // Listed anew after every batch: a continuation token may not survive deletions.
    MB_ASSIGN_OR_RETURN(const ListPage page, backend.List(ctx, {.prefix = prefix,
                                                                .start_after = start_after,
                                                                .links_as_objects = true}));
    std::vector<std::string> keys;
    keys.reserve(page.objects.size());
    for (const ObjectInfo& object : page.objects) keys.push_back(object.key);
    MB_ASSIGN_OR_RETURN(const std::vector<DeleteFailure> failures, backend.DeleteMany(ctx, keys));
    if (!failures.empty()) {
      return failures.front().status.Annotate("deleting " + failures.front().key);
    }
    deleted += keys.size();
    if (page.next_token.empty()) break;
    if (!keys.empty()) start_after = keys.back();
  }
  MB_RETURN_IF_ERROR(backend.RemoveRemains(ctx, prefix));
  return deleted;
}

}  // namespace milvus_backup::storage
