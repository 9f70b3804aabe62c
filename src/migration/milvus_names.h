/// Names that Milvus 2.x accepts: a letter or `_`, then letters, digits and `_`. Pure functions.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::migration {

/// Other characters become `_`; a digit in front gets one before it.
std::string MilvusName(std::string_view name);

/// What each of `names` is called in Milvus 2.x. Names that are right stay; where two others would
/// meet, or meet one of those, the later one gets `_2`, `_3` and so on. The same names in the same
/// order always give the same result.
std::map<std::string, std::string> MilvusNames(const std::vector<std::string>& names);

}  // namespace milvus_backup::migration
