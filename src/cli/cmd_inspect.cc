#include "arguments.h"
#include "backup_source.h"
#include "commands.h"
#include "output.h"

#include "milvus_backup/backup/inspect.h"
#include "milvus_backup/backup/selection.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/partial.h"
#include "milvus_backup/service/services.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::cli {
namespace {

using backup::BackupSummary;
using backup::CollectionSummary;
using backup::RowFormat;

struct InspectFlags {
  SourceFlags source;
  std::string name;
  std::string collections;
  std::optional<uint64_t> rows;
  std::string format = "table";
  std::vector<std::string> diff;
};

Status Validate(const InspectFlags& flags) {
  const int given = (flags.name.empty() ? 0 : 1) + (flags.source.place.empty() ? 0 : 1) +
                    (flags.diff.empty() ? 0 : 1);
  if (given != 1) {
    return InvalidArgumentError("inspect takes one of -n NAME, PLACE and --diff A B");
  }
  if (!flags.rows) return Status::Ok();
  if (!flags.diff.empty()) return InvalidArgumentError("--diff compares no rows: drop --rows");
  MB_ASSIGN_OR_RETURN(const backup::Selection selection,
                      backup::Selection::ParseCollections(flags.collections));
  if (selection.named().size() == 1) return Status::Ok();
  return InvalidArgumentError("--rows shows one collection: name it with -c");
}

std::string DescribeField(const backup::FieldSummary& field) {
  return fmt::format("{} {}{}{}{}{}", field.name, field.type,
                     field.is_primary_key ? " primary key" : "", field.auto_id ? " auto id" : "",
                     field.is_partition_key ? " partition key" : "",
                     field.nullable ? " nullable" : "");
}

void PrintCollection(const CollectionSummary& collection) {
  PrintLine("");
  PrintLine(fmt::format("{}  {} rows, {} live, {} files, {}", collection.name.ToString(),
                        collection.rows, collection.live_rows, collection.files,
                        FormatBytes(static_cast<double>(collection.bytes))));
  for (const backup::FieldSummary& field : collection.fields) {
    PrintLine("  field " + DescribeField(field));
  }
  if (collection.has_dynamic_field) PrintLine("  dynamic fields");
  for (const std::string& index : collection.indexes) PrintLine("  index " + index);
  if (!collection.aliases.empty()) {
    PrintLine(fmt::format("  aliases {}", fmt::join(collection.aliases, ", ")));
  }
  for (const backup::PartitionSummary& partition : collection.partitions) {
    PrintLine(fmt::format("  partition {}  {} rows, {} live, {} segments, {}", partition.name,
                          partition.rows, partition.live_rows, partition.segments,
                          FormatBytes(static_cast<double>(partition.bytes))));
  }
}

nlohmann::ordered_json ToJson(const CollectionSummary& collection) {
  nlohmann::ordered_json fields = nlohmann::ordered_json::array();
  for (const backup::FieldSummary& field : collection.fields) {
    fields.push_back({{"id", field.id},
                      {"name", field.name},
                      {"type", field.type},
                      {"primary_key", field.is_primary_key},
                      {"auto_id", field.auto_id},
                      {"partition_key", field.is_partition_key},
                      {"nullable", field.nullable}});
  }
  nlohmann::ordered_json partitions = nlohmann::ordered_json::array();
  for (const backup::PartitionSummary& partition : collection.partitions) {
    partitions.push_back({{"name", partition.name},
                          {"rows", partition.rows},
                          {"live_rows", partition.live_rows},
                          {"segments", partition.segments},
                          {"files", partition.files},
                          {"bytes", partition.bytes}});
  }
  return {{"database", collection.name.db},
          {"collection", collection.name.collection},
          {"id", collection.collection_id},
          {"rows", collection.rows},
          {"live_rows", collection.live_rows},
          {"files", collection.files},
          {"bytes", collection.bytes},
          {"shards", collection.shards},
          {"storage_version", collection.storage_version},
          {"dynamic_fields", collection.has_dynamic_field},
          {"fields", fields},
          {"indexes", collection.indexes},
          {"aliases", collection.aliases},
          {"partitions", partitions}};
}

void PrintSummary(const BackupSummary& summary, bool json) {
  if (!json) {
    PrintLine(fmt::format("{}  Milvus {}, {} collections, {}", summary.name,
                          summary.milvus_version.empty() ? "?" : summary.milvus_version,
                          summary.collections.size(),
                          FormatBytes(static_cast<double>(summary.bytes))));
    if (summary.partial) {
      PrintLine(fmt::format("partial: missing {}", meta::MissingText(summary.failed_collections)));
    }
    for (const CollectionSummary& collection : summary.collections) PrintCollection(collection);
    return;
  }
  nlohmann::ordered_json collections = nlohmann::ordered_json::array();
  for (const CollectionSummary& each : summary.collections) collections.push_back(ToJson(each));
  PrintJson({{"status", "ok"},
             {"name", summary.name},
             {"milvus_version", summary.milvus_version},
             {"bytes", summary.bytes},
             {"partial", summary.partial},
             {"failed_collections", summary.failed_collections},
             {"collections", collections}});
}

RowFormat FormatOf(const InspectFlags& flags, bool json) {
  if (json || flags.format == "json") return RowFormat::kJson;
  return flags.format == "csv" ? RowFormat::kCsv : RowFormat::kTable;
}

/// Runs the command on the backups of one storage.
class Inspect {
 public:
  /// `name` is that of the backup, unless two are to be compared.
  Inspect(const CommandContext& context, const backup::Place& place, const std::string& name,
          const InspectFlags& flags)
      : context_(context), place_(place), name_(name), flags_(flags) {}

  Status Run() {
    if (!flags_.diff.empty()) return Diff();
    if (!flags_.rows) {
      MB_ASSIGN_OR_RETURN(const BackupSummary summary, Summarize(name_));
      PrintSummary(summary, context_.json);
      return Status::Ok();
    }
    MB_ASSIGN_OR_RETURN(const backup::Selection selection,
                        backup::Selection::ParseCollections(flags_.collections));
    MB_ASSIGN_OR_RETURN(const backup::BackupLocation location, Locate(name_));
    return backup::InspectRows(context_.call, location, *selection.named().begin(), *flags_.rows,
                               FormatOf(flags_, context_.json),
                               [](std::string_view text) {
                                 PrintText(text);
                                 return StdoutStatus();
                               })
        .status();
  }

 private:
  Result<backup::BackupLocation> Locate(const std::string& name) const {
    MB_ASSIGN_OR_RETURN(std::string dir, meta::BackupDir(place_.root, name));
    return backup::BackupLocation{.backend = place_.backend, .dir = std::move(dir)};
  }

  Result<BackupSummary> Summarize(const std::string& name) const {
    MB_ASSIGN_OR_RETURN(const backup::BackupLocation location, Locate(name));
    MB_ASSIGN_OR_RETURN(const backup::Selection selection,
                        backup::Selection::ParseCollections(flags_.collections));
    return backup::InspectBackup(context_.call, location, selection);
  }

  Status Diff() const {
    MB_ASSIGN_OR_RETURN(const BackupSummary first, Summarize(flags_.diff[0]));
    MB_ASSIGN_OR_RETURN(const BackupSummary second, Summarize(flags_.diff[1]));
    const std::vector<std::string> lines = backup::CompareSummaries(first, second);
    if (context_.json) {
      PrintJson({{"status", "ok"}, {"equal", lines.empty()}, {"differences", lines}});
      return Status::Ok();
    }
    if (lines.empty()) PrintLine("no differences");
    for (const std::string& line : lines) PrintLine(line);
    return Status::Ok();
  }

  const CommandContext& context_;
  const backup::Place& place_;
  const std::string& name_;
  const InspectFlags& flags_;
};

Status RunInspect(const CommandContext& context, const InspectFlags& flags) {
  MB_RETURN_IF_ERROR(Validate(flags));
  MB_ASSIGN_OR_RETURN(const BackupSource source, FindSource(context.config, flags.source, false));
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<service::Services> services,
                      service::Services::Create(context.call, source.config,
                                                service::Services::Needs::kBackupStorage));
  const std::string& name = flags.name.empty() ? source.name : flags.name;
  return Inspect(context, services->site().backup_storage, name, flags).Run();
}

}  // namespace

Command AddInspect(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("inspect", "Show collections and rows of a backup, read from its files");
  auto flags = std::make_shared<InspectFlags>();  // shared with the returned function
  const auto is_name =
      Checker([](std::string_view text) { return meta::BackupDir("", text).status(); });
  command->add_option("-n,--name", flags->name, "Name of the backup")->check(is_name);
  AddSourceFlags(*command, flags->source);
  command
      ->add_option("-c,--colls,--collections", flags->collections,
                   "Collections, comma-separated: COLL or DB.COLL; default all")
      ->check(Checker([](std::string_view text) {
        return backup::Selection::ParseCollections(text).status();
      }));
  command->add_option("--rows", flags->rows, "Print so many rows of the collection of -c");
  command->add_option("--format", flags->format, "How rows are printed")
      ->check(CLI::IsMember({"json", "csv", "table"}))
      ->capture_default_str();
  command->add_option("--diff", flags->diff, "Two backups to compare")->expected(2)->check(is_name);
  return [flags](const CommandContext& context) { return RunInspect(context, *flags); };
}

}  // namespace milvus_backup::cli
