/// Lets reads pass and refuses everything that would change the storage, for dry runs. Thread-safe.
#pragma once

#include "milvus_backup/storage/intercepting_backend.h"

#include <memory>

namespace milvus_backup::storage {

/// Writing calls are kFailedPrecondition and reach no service. Looking at unfinished uploads is
/// allowed, resuming one is not.
class ReadOnlyBackend final : public InterceptingBackend {
 public:
  explicit ReadOnlyBackend(std::unique_ptr<Backend> inner)
      : InterceptingBackend(std::move(inner)) {}

 protected:
  Status Around(const CallContext& ctx, const CallInfo& info, CallRef call) override;
};

}  // namespace milvus_backup::storage
