/// What the dump and the load of a Faiss file have in common. Pure functions.
#pragma once

#include "milvus_backup/migration/faiss.h"
#include "milvus_backup/migration/meta.h"

#include <string>
#include <vector>

namespace milvus_backup::migration {

/// The collection's own directory, which holds all of its dump.
Store FaissStore(const Store& target, const FaissSource& faiss);
/// See LoadPlan::needed.
std::vector<std::string> FaissNeeded();
Table FaissTable(const FaissSource& faiss);

}  // namespace milvus_backup::migration
