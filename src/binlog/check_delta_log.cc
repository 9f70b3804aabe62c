#include "check_internal.h"

#include "milvus_backup/binlog/delta_log.h"

#include <fmt/format.h>

#include <algorithm>

namespace milvus_backup::binlog {
namespace {

bool IsTextKey(const LogFacts& facts) {
  const auto key = std::ranges::find(*facts.fields, true, &FieldFacts::is_primary_key);
  return key != facts.fields->end() && key->type != DataType::kInt64;
}

/// Keys of the collection's type, texts in UTF-8.
class DeleteCheck {
 public:
  explicit DeleteCheck(bool is_text) : is_text_(is_text) {}

  void Look(const Delete& record) {
    if (record.key.is_text != is_text_) ++other_type_;
    if (record.key.is_text && !IsUtf8(record.key.text)) ++not_utf8_;
    ++rows_;
  }

  void Finish(const FindingSink& report) const {
    if (other_type_ > 0) {
      report({Severity::kError, "keys of deletes", is_text_ ? "texts" : "integers",
              fmt::format("{} of another type", other_type_)});
    }
    if (not_utf8_ > 0) {
      report({Severity::kError, "keys of deletes", "UTF-8", fmt::format("{} others", not_utf8_)});
    }
  }
  uint64_t rows() const { return rows_; }

 private:
  bool is_text_;
  uint64_t rows_ = 0;
  uint64_t other_type_ = 0;
  uint64_t not_utf8_ = 0;
};

Result<DeltaLogReport> Unreadable(ByteSource& source, const LogFacts& facts, const Status& status,
                                  const FindingSink& report) {
  DeltaLogReport result;
  if (status.code() == Code::kUnimplemented && source.size() >= 4) {
    const Result<Descriptor> descriptor = ReadDescriptor(source);
    if (descriptor.ok() && descriptor->encrypted) {
      CheckIds(*descriptor, facts, report);
      report({Severity::kWarning, "content", "deletes", "encrypted, not checked"});
      result.encrypted = true;
      return result;
    }
  }
  MB_RETURN_IF_ERROR(ReportDamage(status, report));
  return result;
}

}  // namespace

Result<DeltaLogReport> CheckDeltaLog(ByteSource& source, const LogFacts& facts,
                                     const Limits& limits, const FindingSink& report) {
  DeleteCheck check(IsTextKey(facts));
  const Result<DeltaLog> log = ReadDeltaLog(source, limits, [&](const Delete& record) {
    check.Look(record);
    return Status::Ok();
  });
  if (!log.ok()) return Unreadable(source, facts, log.status(), report);
  if (log->descriptor) {
    LogFacts in_log = facts;
    in_log.field_id = -1;
    // Compaction of Milvus 2.3 gives its result the deletes that are left under the id of the
    // segment they were made for. That one is gone: a log of a segment that the backup has too is
    // at the wrong key, and its deletes would apply to rows they were not made for.
    in_log.segment_id = log->descriptor->segment_id;
    if (in_log.segment_id != facts.segment_id) {
      const bool is_anothers =
          facts.listed_segments != nullptr &&
          std::ranges::binary_search(*facts.listed_segments, in_log.segment_id);
      report({is_anothers ? Severity::kError : Severity::kWarning, "segment id",
              std::to_string(facts.segment_id), std::to_string(in_log.segment_id)});
    }
    CheckIds(*log->descriptor, in_log, report);
  }
  check.Finish(report);
  return DeltaLogReport{.rows = check.rows()};
}

}  // namespace milvus_backup::binlog
