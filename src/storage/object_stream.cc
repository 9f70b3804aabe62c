#include "milvus_backup/storage/object_stream.h"

#include <utility>

namespace milvus_backup::storage {

ObjectStream::ObjectStream(const CallContext& ctx, Backend& backend, KeyRange range)
    : backend_(backend),
      range_(std::move(range)),
      on_parent_stop_(ctx.stop, [this] { stop_.request_stop(); }),
      ctx_{stop_.get_token(), ctx.deadline} {
  request_.prefix = range_.prefix;
  request_.start_after = range_.after;
  request_.links_as_objects = range_.links_as_objects;
  request_.names_passed_over = range_.passed_over != nullptr;
}

ObjectStream::~ObjectStream() { stop_.request_stop(); }

void ObjectStream::Fetch() {
  fetch_ = std::jthread([this] { fetched_.emplace(backend_.List(ctx_, request_)); });
}

Result<bool> ObjectStream::TakePage() {
  if (!begun_) {
    begun_ = true;
    fetched_.emplace(backend_.List(ctx_, request_));
  } else if (fetch_.joinable()) {
    fetch_.join();
  } else {
    return false;
  }
  Result<ListPage> page = *std::exchange(fetched_, std::nullopt);
  MB_RETURN_IF_ERROR(page.status());
  page_ = *std::move(page);
  for (const std::string& key : page_.passed_over) range_.passed_over(key);
  position_ = 0;
  request_.token = page_.next_token;
  const bool is_past =
      !range_.last.empty() && !page_.objects.empty() && page_.objects.back().key > range_.last;
  if (!request_.token.empty() && !is_past) Fetch();
  return true;
}

Result<const ObjectInfo*> ObjectStream::Next() {
  // An empty page may be followed by others.
  while (position_ == page_.objects.size()) {
    MB_ASSIGN_OR_RETURN(const bool more, TakePage());
    if (!more) return nullptr;
  }
  const ObjectInfo& object = page_.objects[position_++];
  if (!range_.last.empty() && object.key > range_.last) return nullptr;
  if (!previous_.empty() && object.key <= previous_) {
    return DataLossError("the listing is not in the order of keys: " + object.key + " after " +
                         previous_)
        .WithOrigin(Origin::kStorage);
  }
  previous_ = object.key;
  return &object;
}

}  // namespace milvus_backup::storage
