/// What a run has to say although it succeeds.
#pragma once

#include "milvus_backup/base/log.h"

#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::backup {

/// Sentences for the report, logged as they come. Thread-safe.
class Warnings {
 public:
  void Add(std::string text) {
    log::Warn("{}", text);
    const std::scoped_lock lock(mutex_);
    texts_.push_back(std::move(text));
  }
  std::vector<std::string> Take() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(texts_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> texts_;
};

}  // namespace milvus_backup::backup
