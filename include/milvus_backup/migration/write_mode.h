/// What becomes of rows that are where new ones are to go.
#pragma once

namespace milvus_backup::migration {

enum class WriteMode {
  kAppend,     ///< they stay, and the new ones are added
  kSkip,       ///< they stay, and nothing is added
  kOverwrite,  ///< they are dropped first
};

}  // namespace milvus_backup::migration
