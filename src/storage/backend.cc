#include "milvus_backup/storage/backend.h"

#include "milvus_backup/base/bytes.h"

#include <thread>
#include <utility>

namespace milvus_backup::storage {

Status Backend::RemoveRemains(const CallContext& ctx, const std::string& prefix) {
  static_cast<void>(prefix);
  return ctx.Check();
}

const Backend& Innermost(const Backend& backend) {
  const Backend* innermost = &backend;
  while (const Backend* inner = innermost->Unwrap()) innermost = inner;
  return *innermost;
}

Status ForEachObject(const CallContext& ctx, Backend& backend, const std::string& prefix,
                     const std::function<Status(const ObjectInfo&)>& visit) {
  return ForEachObject(ctx, backend, KeyRange{.prefix = prefix}, visit);
}

Status ForEachObject(const CallContext& ctx, Backend& backend, const KeyRange& range,
                     const std::function<Status(const ObjectInfo&)>& visit) {
  const auto is_past = [&range](const ObjectInfo& object) {
    return !range.last.empty() && object.key > range.last;
  };
  // Ends the page on its way when the visit fails, so that nobody waits for it.
  std::stop_source stop;
  const std::stop_callback on_parent_stop(ctx.stop, [&stop] { stop.request_stop(); });
  const CallContext page_ctx{stop.get_token(), ctx.deadline};
  ListRequest request;
  request.prefix = range.prefix;
  request.start_after = range.after;
  request.links_as_objects = range.links_as_objects;
  Result<ListPage> page = backend.List(page_ctx, request);
  for (;;) {
    if (!page.ok()) return std::move(page).status();
    std::optional<Result<ListPage>> next;
    std::jthread fetch;
    request.token = page->next_token;
    if (!page->objects.empty() && is_past(page->objects.back())) request.token.clear();
    if (!request.token.empty()) {
      fetch = std::jthread([&] { next.emplace(backend.List(page_ctx, request)); });
    }
    for (const ObjectInfo& object : page->objects) {
      if (is_past(object)) return Status::Ok();
      if (Status status = visit(object); !status.ok()) {
        stop.request_stop();
        return status;
      }
    }
    if (!fetch.joinable()) return Status::Ok();
    fetch.join();
    page = *std::move(next);
  }
}

Result<std::string> ReadAll(const CallContext& ctx, Backend& backend, const std::string& key,
                            size_t max_bytes) {
  std::string text;
  const Sink sink = [&](const ReadInfo& info, ByteView chunk) -> Status {
    if (info.object_size > max_bytes) {
      return {Code::kOutOfRange, key + " is larger than " + std::to_string(max_bytes) + " bytes"};
    }
    if (text.empty()) text.reserve(info.object_size);
    text.append(AsText(chunk));
    return Status::Ok();
  };
  MB_ASSIGN_OR_RETURN(const ReadInfo info, backend.Read(ctx, key, {}, sink));
  if (text.size() != info.object_size) {
    return DataLossError(key + ": read " + std::to_string(text.size()) + " of " +
                         std::to_string(info.object_size) + " bytes")
        .WithOrigin(Origin::kStorage);
  }
  return text;
}

}  // namespace milvus_backup::storage
