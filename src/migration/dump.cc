#include "milvus_backup/migration/dump.h"

#include "dump_layout.h"
#include "load_traces.h"
#include "segment_dump.h"
#include "segment_files.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/base/memory_budget.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/migration/export.h"
#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <sstream>
#include <stop_token>
#include <system_error>
#include <utility>

namespace milvus_backup::migration {
namespace {

/// Problems of segments that are logged one by one.
constexpr size_t kLoggedProblems = 100;

Result<std::string> ReadLocalFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::error_code error;
  if (!file || !std::filesystem::is_regular_file(path, error)) {
    return NotFoundError("cannot read " + path)
        .WithOrigin(Origin::kConfig)
        .WithAdvice("write it with milvus-migration export");
  }
  if (std::filesystem::file_size(path, error) > kMaxMetaBytes) {
    return DataLossError(path + " is too large to be a meta.json");
  }
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

Result<SourceMeta> FromText(const Result<std::string>& text, const std::string& what) {
  MB_RETURN_IF_ERROR(text.status());
  MB_ASSIGN_OR_RETURN(Meta meta, DecodeMeta(*text, what));
  if (meta.tables.empty())
    return FailedPreconditionError("empty collections, pls check meta config");
  return SourceMeta{std::move(meta), {}};
}

Result<SourceMeta> FromDatabase(Result<ReadMeta> read) {
  MB_RETURN_IF_ERROR(read.status());
  return SourceMeta{std::move(read->meta), std::move(read->warnings)};
}

/// Runs `work` for every segment, several at a time.
using SegmentWork = std::function<Status(const CallContext& ctx, size_t table, size_t segment)>;
Status ForEachSegment(const CallContext& ctx, const Meta& meta, size_t width,
                      const SegmentWork& work) {
  TaskGroup group(width, ctx.stop);
  for (size_t table = 0; table < meta.tables.size(); ++table) {
    for (size_t segment = 0; segment < meta.tables[table].segments.size(); ++segment) {
      const bool taken = group.Submit([&work, table, segment](const std::stop_token& stop) {
        return work({.stop = stop}, table, segment);
      });
      if (!taken) return group.Wait();
    }
  }
  return group.Wait();
}

class DumpJob {
 public:
  DumpJob(const Meta& meta, const Store& source, const Store& target, const DumpRules& rules)
      : meta_(meta),
        rules_(rules),
        budget_(rules.buffer_bytes),
        run_{source, target, rules, budget_} {
    for (const Table& table : meta.tables) {
      report_.tables.push_back({.collection = table.collection(),
                                .partition = table.owner.empty() ? "_default" : table.partition_tag,
                                .segments = table.segments.size()});
      report_.segments += table.segments.size();
    }
  }

  Result<DumpReport> Run(const CallContext& ctx) {
    const auto started = std::chrono::steady_clock::now();
    MB_RETURN_IF_ERROR(CheckPlaces(ctx));
    if (report_.was_loaded) return std::move(report_);
    rules_.NotePlanned(report_.segments);
    MB_RETURN_IF_ERROR(Survey(ctx));
    MB_RETURN_IF_ERROR(CheckSpace());
    if (!rules_.dry_run) {
      MB_RETURN_IF_ERROR(rules_.CheckBeforeWriting(ctx));
      MB_RETURN_IF_ERROR(WriteMeta(ctx));
      MB_RETURN_IF_ERROR(WriteSegments(ctx));
    }
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return std::move(report_);
  }

 private:
  const Store& source() const { return run_.source; }
  const Store& target() const { return run_.target; }

  Status CheckPlaces(const CallContext& ctx) {
    MB_RETURN_IF_ERROR(source().backend->CheckAccess(ctx).Annotate("opening the source"));
    if (!target().local_root.empty()) {
      // Made when the first file is written.
      std::error_code error;
      if (!std::filesystem::exists(target().local_root, error)) return Status::Ok();
    }
    MB_RETURN_IF_ERROR(target().backend->CheckAccess(ctx).Annotate("opening the target"));
    MB_ASSIGN_OR_RETURN(const LoadTraces traces, FindLoadTraces(ctx, target(), {kMetaName}));
    run_.is_loading = traces.is_loading;
    const bool is_other = !traces.dump_text.empty() && traces.dump_text != EncodeMeta(meta_);
    if (!traces.was_loaded || is_other) return Status::Ok();
    if (!rules_.then_load) {
      report_.warnings.push_back(LoadedBefore(target()));
      return Status::Ok();
    }
    if (traces.is_unclear) return UnclearTraces(target());
    report_.was_loaded = true;
    return rules_.dry_run ? Status::Ok() : RemoveLoaded(ctx, target());
  }

  /// Open every segment; nothing has been written yet when one is damaged.
  Status Survey(const CallContext& ctx) {
    const auto look = [this](const CallContext& call, size_t table, size_t segment) {
      const Table& of = meta_.tables[table];
      const auto files = OpenSegment(call, source(), of, of.segments[segment]);
      if (files.status().code() == Code::kCancelled) return files.status();
      const std::scoped_lock lock(mutex_);
      if (files.ok()) {
        Count(table, segment, *files);
      } else {
        NoteProblem(files.status());
      }
      return Status::Ok();
    };
    MB_RETURN_IF_ERROR(ForEachSegment(ctx, meta_, rules_.parallel_segments, look));
    if (problems_ == 0) return Status::Ok();
    if (problems_ == 1) return problem_;
    return problem_.Annotate(fmt::format("{} of {} segments cannot be dumped, one of them",
                                         problems_, report_.segments));
  }

  void NoteProblem(const Status& problem) {
    if (problems_++ == 0) problem_ = problem;
    if (problems_ <= kLoggedProblems) log::Error("{}", problem.ToString());
  }

  void Count(size_t table, size_t segment, const SegmentFiles& files) {
    const Table& of = meta_.tables[table];
    DumpedTable& dumped = report_.tables[table];
    dumped.rows += files.live_rows();
    dumped.deleted_rows += files.deleted.size();
    if (files.live_rows() > 0) {
      dumped.bytes += VectorsBytes(of, files.live_rows()) + IdsBytes(files.live_rows());
    }
    const std::optional<int64_t>& told = of.segments[segment].rows;
    if (!told || static_cast<uint64_t>(*told) == files.live_rows()) return;
    report_.warnings.push_back(
        fmt::format("collection '{}' segment {}: the meta counts {} rows, the files hold {}, which "
                    "are taken",
                    of.id, of.segments[segment].id, *told, files.live_rows()));
  }

  Status CheckSpace() const {
    if (target().local_root.empty()) return Status::Ok();
    std::filesystem::path place = target().local_root;
    std::error_code error;
    while (!std::filesystem::exists(place, error) && place.has_relative_path()) {
      place = place.parent_path();
    }
    const std::filesystem::space_info space = std::filesystem::space(place, error);
    const uint64_t copies = rules_.then_load ? std::min(rules_.load_bytes, report_.bytes()) : 0;
    const uint64_t needed = report_.bytes() + copies;
    // What an earlier dump has written counts as needed again, so only a new one can be judged.
    if (error || std::filesystem::exists(target().local_root + "/" + target().prefix, error) ||
        space.available >= needed) {
      return Status::Ok();
    }
    return Status(Code::kResourceExhausted,
                  fmt::format("the dump needs {} bytes{} and {} has {}", needed,
                              copies == 0 ? "" : ", what the load copies of it included,",
                              place.string(), space.available))
        .WithAdvice("set target.local.outputDir to a larger disk");
  }

  Status WriteMeta(const CallContext& ctx) {
    const std::string key = target().prefix + kMetaName;
    const std::string text = EncodeMeta(meta_);
    const auto there = storage::ReadAll(ctx, *target().backend, key, kMaxMetaBytes);
    if (there.ok() && *there == text) return Status::Ok();
    if (run_.is_loading) {
      return FailedPreconditionError("another dump in this place is being loaded")
          .WithAdvice("finish that with load, or remove " + target().prefix + " at the target");
    }
    MB_RETURN_IF_ERROR(
        storage::DeleteTree(ctx, *target().backend, target().prefix + kLoadDir).status());
    return target().backend->Put(ctx, key, AsBytes(text), {}).status();
  }

  Status WriteSegments(const CallContext& ctx) {
    const auto write = [this](const CallContext& call, size_t table, size_t segment) -> Status {
      const Table& of = meta_.tables[table];
      MB_ASSIGN_OR_RETURN(const DumpedSegment dumped,
                          DumpSegment(call, run_, of, of.segments[segment]));
      rules_.NoteSegmentDone();
      const std::scoped_lock lock(mutex_);
      if (dumped.kept) ++report_.kept_segments;
      report_.tables[table].rows -= dumped.record.bad_rows;
      report_.tables[table].bad_rows += dumped.record.bad_rows;
      if (dumped.record.bad_rows > 0) {
        report_.warnings.push_back(
            fmt::format("collection '{}' segment {}: {} rows with NaN or infinity are left out",
                        of.id, of.segments[segment].id, dumped.record.bad_rows));
      }
      return Status::Ok();
    };
    return ForEachSegment(ctx, meta_, rules_.parallel_segments, write);
  }

  const Meta& meta_;
  const DumpRules& rules_;
  MemoryBudget budget_;
  DumpRun run_;
  std::mutex mutex_;
  DumpReport report_;
  size_t problems_ = 0;
  Status problem_;
};

void LogMeta(const Meta& meta) {
  log::Event(log::Level::kInfo, "[Meta Static] Total",
             {{"allRowsCount", fmt::format("{}", meta.rows())},
              {"allCollections", fmt::format("{}", meta.tables.size())}});
  for (const Table& table : meta.tables) {
    log::Event(log::Level::kInfo, "[Meta Static] Collection: ",
               {{"collection", table.id}, {"colRows", fmt::format("{}", RowsOf(table))}});
  }
}

}  // namespace

Status DumpRules::CheckBeforeWriting(const CallContext& ctx) const {
  return before_writing ? before_writing(ctx) : Status::Ok();
}

void DumpRules::NotePlanned(size_t segments) const {
  if (progress == nullptr) return;
  progress->segments_planned = segments;
  if (then_load) progress->imports_planned = segments;
}

void DumpRules::NoteSegmentDone() const {
  if (progress != nullptr) ++progress->segments_done;
}

uint64_t DumpReport::rows() const {
  uint64_t sum = 0;
  for (const DumpedTable& table : tables) sum += table.rows;
  return sum;
}

uint64_t DumpReport::bytes() const {
  uint64_t sum = 0;
  for (const DumpedTable& table : tables) sum += table.bytes;
  return sum;
}

Result<SourceMeta> ReadSourceMeta(const CallContext& ctx, const MetaSource& place,
                                  const OpenedStore& source) {
  const auto read = [&]() -> Result<SourceMeta> {
    switch (place.mode) {
      case MetaMode::kFile:
        return FromText(ReadLocalFile(place.path), place.path);
      case MetaMode::kRemote:
        return FromText(storage::ReadAll(ctx, *source.backend, place.path, kMaxMetaBytes),
                        place.path);
      case MetaMode::kSqlite:
        return FromDatabase(ReadMetaFromSqlite(ctx, place.path));
      case MetaMode::kMysql:
        return FromDatabase(ReadMetaFromMysql(ctx, place.dsn));
    }
    return InternalError("no such mode");
  };
  auto meta = read();
  if (!meta.ok()) return meta.status().Annotate(place.key);
  return meta;
}

Result<DumpReport> Dump(const CallContext& ctx, const Meta& meta, const Store& source,
                        const Store& target, const DumpRules& rules) {
  LogMeta(meta);
  return DumpJob(meta, source, target, rules).Run(ctx);
}

}  // namespace milvus_backup::migration
