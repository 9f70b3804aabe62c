#include "targets.h"

#include <cstddef>
#include <cstdint>

// MB_FUZZ_TARGET is a function of targets.h, set by CMake.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  milvus_backup::fuzz::MB_FUZZ_TARGET({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
