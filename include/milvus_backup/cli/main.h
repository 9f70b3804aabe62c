/// The command line programs. `milvus-backup`, `milvus-migration` and `milvusdm` are one
/// executable.
#pragma once

namespace milvus_backup::cli {

/// Run the command the arguments name; returns the exit status of docs/cli.md.
int Main(int argc, char** argv);

}  // namespace milvus_backup::cli
