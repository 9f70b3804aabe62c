#include "hdf5_handle.h"

#include <hdf5.h>

#include <type_traits>

namespace milvus_backup::migration {
namespace {

static_assert(std::is_same_v<hid_t, Hdf5Handle::Id> && std::is_same_v<herr_t, int>);

herr_t TakeFirst(unsigned /*number*/, const H5E_error2_t* error, void* text) {
  static_cast<std::string*>(text)->assign(error->desc != nullptr ? error->desc : "");
  return 1;  // enough
}

}  // namespace

void QuietHdf5() {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  H5PLset_loading_state(0);
}

std::string LastHdf5Error() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, TakeFirst, &text);
  return text.empty() ? "no reason given" : text;
}

}  // namespace milvus_backup::migration
