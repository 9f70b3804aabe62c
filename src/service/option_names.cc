#include "milvus_backup/service/option_names.h"

#include <algorithm>

namespace milvus_backup::service {

std::string OptionName(std::string_view key, OptionStyle style) {
  if (style == OptionStyle::kKey) return std::string(key);
  if (key == "backup_name") return "-n";
  std::string flag = "--";
  flag += key;
  std::ranges::replace(flag, '_', '-');
  return flag;
}

}  // namespace milvus_backup::service
