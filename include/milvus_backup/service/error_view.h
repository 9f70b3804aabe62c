/// How an error stands in a result that is JSON. Pure functions.
#pragma once

#include "milvus_backup/base/status.h"

#include <string>

namespace milvus_backup::service {

/// `{"code","message","service_code","advice"}`; `message` is without the advice. What is no UTF-8
/// is replaced.
std::string EncodeError(const Status& status);

}  // namespace milvus_backup::service
