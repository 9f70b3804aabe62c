/// EncodeError as a member of a larger document. Pure functions.
#pragma once

#include "milvus_backup/base/status.h"

#include <nlohmann/json_fwd.hpp>

namespace milvus_backup::service {

nlohmann::ordered_json ErrorJson(const Status& status);

}  // namespace milvus_backup::service
