#include "milvus_backup/cli/main.h"

int main(int argc, char** argv) { return milvus_backup::cli::Main(argc, argv); }
