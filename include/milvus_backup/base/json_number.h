/// Whole numbers of JSON that others have written. Knows no JSON library; `Json` is nlohmann's.
#pragma once

#include <cstdint>
#include <utility>

namespace milvus_backup {

/// `value` as a T. Where it is no whole number, or not one of T, throws what `value.get` throws for
/// a value of another type: the library itself casts whatever number stands there.
template <typename T, typename Json>
T WholeNumber(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.template get<uint64_t>();
    if (std::in_range<T>(number)) return static_cast<T>(number);
  } else if (value.is_number_integer()) {
    const auto number = value.template get<int64_t>();
    if (std::in_range<T>(number)) return static_cast<T>(number);
  }
  throw Json::type_error::create(302, "a whole number is wanted, not " + value.dump(), &value);
}

}  // namespace milvus_backup
