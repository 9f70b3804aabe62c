#include "milvus_backup/service/metrics.h"

#include "milvus_backup/base/process.h"
#include "milvus_backup/storage/open.h"

#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::service {
namespace {

using prometheus::MetricType;
using Labels = std::vector<std::pair<std::string, std::string>>;

constexpr uint64_t kMaxFileBytes = kMiB;
constexpr char kScheduleSuccess[] = "milvus_backup_schedule_last_success_timestamp_seconds";
constexpr char kLastSuccess[] = "milvus_backup_last_success_timestamp_seconds";

double Seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

/// Collects samples; those of one name are one family.
class Samples {
 public:
  void Counter(const std::string& name, const std::string& help, const Labels& labels,
               double value) {
    Add(name, help, MetricType::Counter, labels).counter.value = value;
  }
  void Gauge(const std::string& name, const std::string& help, const Labels& labels, double value) {
    Add(name, help, MetricType::Gauge, labels).gauge.value = value;
  }

  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  prometheus::ClientMetric& Add(const std::string& name, const std::string& help, MetricType type,
                                const Labels& labels) {
    auto family = std::ranges::find(families_, name, &prometheus::MetricFamily::name);
    if (family == families_.end()) {
      families_.push_back({.name = name, .help = help, .type = type, .metric = {}});
      family = families_.end() - 1;
    }
    prometheus::ClientMetric& sample = family->metric.emplace_back();
    for (const auto& [label, value] : labels) {
      sample.label.push_back({.name = label, .value = value});
    }
    return sample;
  }

  std::vector<prometheus::MetricFamily> families_;
};

/// Of the methods that were called at all.
template <typename Visit>
void ForEachMethod(const StorageCounts& storage, const Visit& visit) {
  for (size_t i = 0; i < storage::kMethodCount; ++i) {
    const auto method = static_cast<storage::Method>(i);
    const storage::MethodCounts tries = storage.tries->Of(method);
    if (tries.calls == 0) continue;
    visit(std::string(storage::MethodName(method)), storage.calls->Of(method), tries);
  }
}

/// A try is counted when it ends, its call after that, so between the two there is one more.
uint64_t Retries(const storage::MethodCounts& calls, const storage::MethodCounts& tries) {
  return tries.calls - std::min(tries.calls, calls.calls);
}

/// The value of the series `name` in a file that this program wrote; none where that cannot be
/// told.
std::optional<double> ValueIn(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.starts_with(name)) continue;
    const std::string_view number = line.substr(line.rfind(' ') + 1);
    double value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error == std::errc() && end == number.data() + number.size()) return value;
  }
  return std::nullopt;
}

std::string EncodeRun(const RunFacts& run, std::optional<double> last_success,
                      const StorageCounts& storage) {
  Samples samples;
  const auto gauge = [&](const std::string& name, const std::string& help, double value) {
    samples.Gauge("milvus_backup_last_run_" + name, help, {{"command", run.command}}, value);
  };
  gauge("timestamp_seconds", "When the last run ended, unix time.", Seconds(run.ended));
  gauge("exit_status", "What the last run ended with.", run.exit_status);
  gauge("duration_seconds", "How long the last run took.",
        Seconds(run.ended) - Seconds(run.started));
  gauge("objects", "Objects that the last run copied.", static_cast<double>(run.objects));
  gauge("bytes", "Bytes that the last run copied.", static_cast<double>(run.bytes));
  gauge("peak_memory_bytes", "The most memory that the last run had.",
        static_cast<double>(PeakMemory()));
  if (last_success) {
    samples.Gauge(kLastSuccess, "When a run with exit status 0 ended, unix time.",
                  {{"command", run.command}}, *last_success);
  }
  ForEachMethod(storage, [&](const std::string& method, const storage::MethodCounts& calls,
                             const storage::MethodCounts& tries) {
    const Labels labels = {{"command", run.command}, {"method", method}};
    const std::string prefix = "milvus_backup_last_run_storage_";
    samples.Gauge(prefix + "requests", "Requests of the last run to storages.", labels,
                  static_cast<double>(calls.calls));
    samples.Gauge(prefix + "errors", "Those that failed in the end.", labels,
                  static_cast<double>(calls.errors));
    samples.Gauge(prefix + "retries", "Repetitions.", labels,
                  static_cast<double>(Retries(calls, tries)));
  });
  return samples.Text();
}

void AddStorage(const StorageCounts& storage, Samples& samples) {
  ForEachMethod(storage, [&](const std::string& method, const storage::MethodCounts& calls,
                             const storage::MethodCounts& tries) {
    const Labels labels = {{"method", method}};
    const std::string prefix = "milvus_backup_storage_";
    samples.Counter(prefix + "requests_total", "Requests to storages.", labels,
                    static_cast<double>(calls.calls));
    samples.Counter(prefix + "errors_total", "Those that failed in the end.", labels,
                    static_cast<double>(calls.errors));
    samples.Counter(prefix + "retries_total", "Repetitions.", labels,
                    static_cast<double>(Retries(calls, tries)));
    samples.Counter(prefix + "bytes_total", "Bytes of objects, read or written.", labels,
                    static_cast<double>(calls.bytes));
    samples.Counter(prefix + "request_seconds_total", "Time that requests took, added up.", labels,
                    std::chrono::duration<double>(calls.time).count());
  });
}

/// Leave a file for the textfile collector.
Status WriteFile(const std::string& directory, const std::string& name,
                 const std::function<std::string(storage::Backend& files)>& text) {
  const auto write = [&]() -> Status {
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<storage::Backend> files,
                        storage::OpenLocal({.root = directory}));
    MB_RETURN_IF_ERROR(files->CheckAccess({}));
    const std::string bytes = text(*files);
    return files->Put({}, name, AsBytes(bytes), {}).status();
  };
  Status status = write();
  if (status.ok()) return status;
  return Status(Code::kFailedPrecondition,
                fmt::format("metrics.textfileDir {}: {}", directory, status.ToString()))
      .WithOrigin(Origin::kConfig);
}

void AddScheduleSuccess(const std::string& schedule, std::chrono::sys_seconds time,
                        Samples& samples) {
  samples.Gauge(kScheduleSuccess,
                "When a run of the schedule last ended with every step done, unix time.",
                {{"schedule", schedule}}, Seconds(time));
}

void AddTasks(const JobRunner& jobs, Samples& samples) {
  std::map<JobState, int> now = {{JobState::kQueued, 0}, {JobState::kRunning, 0}};
  std::map<std::string, int64_t> last_success;
  for (const JobSummary& job : jobs.Summaries()) {
    if (!IsFinal(job.state)) ++now[job.state];
    if (job.state != JobState::kSucceeded) continue;
    int64_t& last = last_success[job.kind];
    last = std::max(last, job.ended);
  }
  for (const auto& [state, count] : now) {
    samples.Gauge("milvus_backup_tasks", "Tasks that have not ended.",
                  {{"state", std::string(NameOf(state))}}, count);
  }
  for (const auto& [kind, ended] : last_success) {
    samples.Gauge("milvus_backup_task_last_success_timestamp_seconds",
                  "When a task of the kind last succeeded, unix time, earlier servers included.",
                  {{"kind", kind}}, static_cast<double>(ended));
  }
  for (const auto& [kind, totals] : jobs.Totals()) {
    for (const auto& [state, count] : totals.ended) {
      samples.Counter("milvus_backup_tasks_ended_total", "Tasks that have ended.",
                      {{"kind", kind}, {"state", std::string(NameOf(state))}},
                      static_cast<double>(count));
    }
    const Labels labels = {{"kind", kind}};
    samples.Counter("milvus_backup_task_seconds_total", "Time that ended tasks took, added up.",
                    labels, totals.time.count());
    samples.Counter("milvus_backup_task_objects_total", "Objects that ended tasks copied.", labels,
                    static_cast<double>(totals.objects));
    samples.Counter("milvus_backup_task_bytes_total", "Bytes that ended tasks copied.", labels,
                    static_cast<double>(totals.bytes));
  }
}

}  // namespace

const StorageCounts& ProcessStorageCounts() {
  static const StorageCounts counts;
  return counts;
}

Status WriteRunMetrics(const std::string& directory, const RunFacts& run,
                       const StorageCounts& storage) {
  const std::string name = fmt::format("milvus_backup_{}.prom", run.command);
  return WriteFile(directory, name, [&](storage::Backend& files) {
    std::optional<double> last_success;
    if (run.exit_status == 0) {
      last_success = Seconds(run.ended);
    } else if (const auto before = storage::ReadAll({}, files, name, kMaxFileBytes); before.ok()) {
      last_success = ValueIn(*before, kLastSuccess);
    }
    return EncodeRun(run, last_success, storage);
  });
}

Status WriteScheduleMetrics(const std::string& directory, const std::string& schedule,
                            std::chrono::sys_seconds last_success) {
  return WriteFile(directory, fmt::format("milvus_backup_schedule_{}.prom", schedule),
                   [&](storage::Backend&) {
                     Samples samples;
                     AddScheduleSuccess(schedule, last_success, samples);
                     return samples.Text();
                   });
}

std::string ServerMetrics(const JobRunner& jobs, const StorageCounts& storage,
                          const std::map<std::string, std::chrono::sys_seconds>& schedules) {
  Samples samples;
  AddTasks(jobs, samples);
  for (const auto& [schedule, time] : schedules) AddScheduleSuccess(schedule, time, samples);
  AddStorage(storage, samples);
  samples.Gauge("process_resident_memory_bytes", "Memory that the process has now.", {},
                static_cast<double>(ResidentMemory()));
  return samples.Text();
}

}  // namespace milvus_backup::service
