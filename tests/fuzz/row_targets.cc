#include "migration/faiss_rows.h"
#include "targets.h"

#include "milvus_backup/storage/memory_backend.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace milvus_backup::fuzz {
namespace {

void CheckStatus(const Status& status) {
  MB_CHECK(status.ok() || status.code() == Code::kDataLoss ||
           status.code() == Code::kFailedPrecondition || status.code() == Code::kInvalidArgument);
}

void ReadIndex(const migration::Store& store, const migration::Table& table) {
  constexpr uint64_t kBatch = 64;
  auto file = migration::OpenStoredBytes({}, store, "f");
  MB_CHECK(file.ok());
  const auto source = migration::OpenFaissRows({}, *std::move(file), table);
  CheckStatus(source.status());
  if (!source.ok()) return;
  std::vector<int64_t> ids(kBatch);
  std::vector<std::byte> vectors(kBatch * table.vector_bytes());
  for (uint64_t row = 0; row < (*source)->rows(); row += kBatch) {
    const uint64_t count = std::min(kBatch, (*source)->rows() - row);
    // All of it was found to be in the file.
    const Status status = (*source)->Read({}, std::span(ids).first(count),
                                          std::span(vectors).first(count * table.vector_bytes()));
    MB_CHECK(status.ok());
  }
}

}  // namespace

void Faiss(ByteView bytes) {
  const auto backend = storage::MakeMemoryBackend();
  MB_CHECK(backend->Put({}, "f", bytes, {}).ok());
  const migration::Store store{.backend = backend.get()};
  int32_t dim = 0;
  if (bytes.size() >= 8) std::memcpy(&dim, bytes.data() + 4, sizeof(dim));
  dim = std::clamp(dim, 1, 1024);
  ReadIndex(store, {.metric = migration::Metric::kL2, .dim = dim});
  ReadIndex(store, {.metric = migration::Metric::kHamming, .dim = (dim + 7) / 8 * 8});
}

}  // namespace milvus_backup::fuzz
