#include "name_swap.h"

#include "milvus_backup/base/encoding.h"

#include <fmt/format.h>

#include <utility>

namespace milvus_backup::backup {
namespace {

/// Renames that may fail although their outcome is right: a request of a killed run may still have
/// been on its way.
constexpr int kSurprises = 2;
/// Milvus' own limit (proxy.maxNameLength).
constexpr size_t kMaxName = 255;
constexpr size_t kRandomDigits = 8;

std::string_view HeadOf(std::string_view target, std::string_view mark) {
  return target.substr(0, kMaxName - mark.size() - kRandomDigits);
}

class Swapper {
 public:
  Swapper(const CallContext& ctx, milvus::Client& client, const NameSwap& swap)
      : ctx_(ctx), client_(client), swap_(swap) {}

  Status Run() {
    for (int surprises = 0;;) {
      MB_ASSIGN_OR_RETURN(const int64_t holder, IdOf(swap_.target));
      if (holder == swap_.restored_id) return Status::Ok();
      MB_RETURN_IF_ERROR(CheckRestored(holder));
      const Status status = holder == 0 ? Rename(swap_.filled_as, swap_.target)
                                        : Rename(swap_.target, swap_.retired_as);
      if (status.ok()) continue;
      MB_ASSIGN_OR_RETURN(const int64_t now, IdOf(swap_.target));
      if (now == holder || ++surprises > kSurprises) return Undo(status);
    }
  }

 private:
  /// 0 when nobody has the name.
  Result<int64_t> IdOf(const std::string& name) {
    auto found = client_.DescribeCollection(ctx_, swap_.db, name);
    if (found.status().code() == Code::kNotFound) return 0;
    MB_RETURN_IF_ERROR(found.status());
    return found->id;
  }

  Status CheckRestored(int64_t holder) {
    MB_ASSIGN_OR_RETURN(const int64_t filled, IdOf(swap_.filled_as));
    if (filled != swap_.restored_id) {
      return FailedPreconditionError(
          fmt::format("the restored collection {}.{} is gone", swap_.db, swap_.filled_as));
    }
    if (holder == 0 || holder == swap_.replaced_id) return Status::Ok();
    return FailedPreconditionError(fmt::format("{}.{} is not the collection any more that was to "
                                               "be replaced",
                                               swap_.db, swap_.target))
        .WithAdvice(WhereRestored());
  }

  Status Rename(const std::string& from, const std::string& to) {
    return client_.RenameCollection(ctx_, swap_.db, from, to);
  }

  Status Undo(Status status) {
    const auto holder = IdOf(swap_.target);
    if (!holder.ok()) return std::move(status).WithAdvice(WhereRestored());
    if (*holder == swap_.replaced_id) {
      return std::move(status).WithAdvice(WhereRestored() + "; the old one is untouched");
    }
    const bool undone = Rename(swap_.retired_as, swap_.target).ok();
    return std::move(status).WithAdvice(fmt::format("{}, the old one {}.{}", WhereRestored(),
                                                    swap_.db,
                                                    undone ? swap_.target : swap_.retired_as));
  }

  std::string WhereRestored() const {
    return fmt::format("the restored collection is {}.{}", swap_.db, swap_.filled_as);
  }

  const CallContext& ctx_;
  milvus::Client& client_;
  const NameSwap& swap_;
};

}  // namespace

std::string NameBeside(std::string_view target, std::string_view mark) {
  return fmt::format("{}{}{}", HeadOf(target, mark), mark, RandomHex(kRandomDigits));
}

bool IsNameBeside(std::string_view name, std::string_view target, std::string_view mark) {
  const std::string start = fmt::format("{}{}", HeadOf(target, mark), mark);
  if (!name.starts_with(start) || name.size() != start.size() + kRandomDigits) return false;
  return name.substr(start.size()).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Status SwapNames(const CallContext& ctx, milvus::Client& client, const NameSwap& swap) {
  return Swapper(ctx, client, swap).Run();
}

}  // namespace milvus_backup::backup
