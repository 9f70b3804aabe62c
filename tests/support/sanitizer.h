/// MB_UNDER_SANITIZER under AddressSanitizer and ThreadSanitizer, and MB_UNDER_THREAD_SANITIZER
/// under the latter; g++ and clang tell of them differently.
#pragma once

#include <cstdint>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define MB_UNDER_SANITIZER
#endif
#if __has_feature(thread_sanitizer)
#define MB_UNDER_SANITIZER
#define MB_UNDER_THREAD_SANITIZER
#endif
#else
#ifdef __SANITIZE_ADDRESS__
#define MB_UNDER_SANITIZER
#endif
#ifdef __SANITIZE_THREAD__
#define MB_UNDER_SANITIZER
#define MB_UNDER_THREAD_SANITIZER
#endif
#endif

namespace milvus_backup::testing {

/// How many of `all` random cases to try of a function that has one thread: under ThreadSanitizer,
/// which is slow and has nothing to find there, a tenth.
constexpr uint32_t Cases(uint32_t all) {
#ifdef MB_UNDER_THREAD_SANITIZER
  return all / 10;
#else
  return all;
#endif
}

}  // namespace milvus_backup::testing
