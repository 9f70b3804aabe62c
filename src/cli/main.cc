#include "milvus_backup/cli/main.h"

namespace milvus_backup::cli {

int Main(int /*argc*/, char** /*argv*/) { return 2; }

}  // namespace milvus_backup::cli
