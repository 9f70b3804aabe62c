#include "milvus_words.h"

#include "keys.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <utility>

namespace milvus_backup::config {
namespace {

using migration::Metric;

constexpr int64_t kMaxDim = 32768;
constexpr size_t kMaxName = 255;
constexpr std::pair<std::string_view, Metric> kMetrics[] = {
    {"l2", Metric::kL2},
    {"ip", Metric::kIp},
    {"hamming", Metric::kHamming},
    {"jaccard", Metric::kJaccard},
    {"tanimoto", Metric::kTanimoto},
    {"substructure", Metric::kSubstructure},
    {"superstructure", Metric::kSuperstructure}};

}  // namespace

std::optional<Metric> MetricNamed(std::string_view word) {
  const std::string lower = ToLower(word);
  for (const auto& [name, metric] : kMetrics) {
    if (name == lower) return metric;
  }
  return std::nullopt;
}

int64_t MaxDimension(Metric metric) { return migration::IsBinary(metric) ? kMaxDim * 8 : kMaxDim; }

bool IsMilvusName(std::string_view name) {
  const auto is_plain = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  return !name.empty() && name.size() <= kMaxName && std::ranges::all_of(name, is_plain) &&
         std::isdigit(static_cast<unsigned char>(name.front())) == 0;
}

}  // namespace milvus_backup::config
