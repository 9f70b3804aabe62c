#include "milvus_backup/service/error_view.h"

#include "envelope.h"
#include "error_json.h"

#include <nlohmann/json.hpp>

namespace milvus_backup::service {

nlohmann::ordered_json ErrorJson(const Status& status) {
  return {{"code", CodeName(status.code())},
          {"message", Status(status).WithAdvice("").ToString()},
          {"service_code", status.service_code()},
          {"advice", status.advice()}};
}

std::string EncodeError(const Status& status) { return DumpJson(ErrorJson(status)); }

}  // namespace milvus_backup::service
