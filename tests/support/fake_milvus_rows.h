/// The rows that a FakeMilvus holds: what it takes, and what it finds. Refusals in the words of
/// Milvus 2.3.5. Functions on the state of a server, to be called under its lock.
#pragma once

#include "support/fake_milvus_state.h"

#include "milvus_backup/milvus/types.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace milvus_backup::testing {

struct FakeWrite {
  /// `num_rows` of the request.
  size_t rows = 0;
  std::string partition;
  std::vector<milvus::Column> columns;
  bool is_upsert = false;
};

/// Rows of a request into the collection; automatic keys come from `new_key`.
Refusal WriteRows(FakeCollection& collection, const FakeWrite& write,
                  const std::function<int64_t()>& new_key);

/// Knows the conditions `KEY > x`, `KEY >= x`, `KEY < x`, `KEY <= x`, `KEY == x` and
/// `KEY in [x, y]` on the primary key, joined by `&&` or `and`.
/// `max_rows` are answered with more than keys, 0 for any number.
Refusal FindRows(const FakeCollection& collection, const milvus::QueryRequest& request,
                 size_t max_rows, std::vector<milvus::Column>& found);

}  // namespace milvus_backup::testing
