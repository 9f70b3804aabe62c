/// What Backend::StartRead and StartPut are driven by.
#pragma once

#include "milvus_backup/net/http_loop.h"

namespace milvus_backup::storage {

using RequestLoop = net::HttpLoop;

}  // namespace milvus_backup::storage
