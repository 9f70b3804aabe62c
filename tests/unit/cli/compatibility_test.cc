// docs/compatibility.md has a row for every flag of the reference tool, and for every flag of ours
// of the commands that it has too.
#include "cli/commands.h"
#include "support/test_paths.h"

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace milvus_backup::cli {
namespace {

// Commands and long names of the flags of releases 0.4 to 0.6.
constexpr const char* kOfTheReference[] = {
    "--config",
    "--set",
    "--yaml",
    "check",
    "check config",
    "config show",
    "config migrate",
    "config migrate --output",
    "config migrate --force",
    "config migrate --strict",
    "create",
    "create --name",
    "create --filter",
    "create --strategy",
    "create --format",
    "create --backup_index_extra",
    "create --rbac",
    "create --colls",
    "create --databases",
    "create --database_collections",
    "create --force",
    "create --meta_only",
    "list",
    "list --collection",
    "get",
    "get --name",
    "get --detail",
    "delete",
    "delete --name",
    "restore",
    "restore --name",
    "restore --filter",
    "restore --suffix",
    "restore --rename",
    "restore --rebuild_index",
    "restore --restore_index",
    "restore --use_auto_index",
    "restore --meta_only",
    "restore --drop_exist_collection",
    "restore --drop_exist_index",
    "restore --skip_create_collection",
    "restore --rbac",
    "restore --use_v2_restore",
    "restore --collections",
    "restore --databases",
    "restore --database_collections",
    "restore secondary",
    "restore secondary --name",
    "restore secondary --source_cluster_id",
    "restore secondary --target_cluster_id",
    "l0compact",
    "l0compact --name",
    "l0compact --output",
    "l0compact --force",
    "migrate",
    "migrate --name",
    "migrate --cluster_id",
    "server",
    "server --port",
};

std::string ReadDocument() {
  std::ifstream file(testing::ConfigsDir() + "/../docs/compatibility.md", std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class CompatibilityTest : public ::testing::Test {
 protected:
  void ExpectRow(const std::string& name) const {
    EXPECT_NE(document_.find("`" + name + "`"), std::string::npos) << name << " has no row";
  }
  void ExpectRows(const CLI::App& command, const std::string& name) const {
    for (const CLI::Option* option : command.get_options()) {
      for (const std::string& flag : option->get_lnames()) {
        if (flag != "help") ExpectRow(name + " --" + flag);
      }
    }
    for (const CLI::App* below : command.get_subcommands([](const CLI::App*) { return true; })) {
      ExpectRow(name + " " + below->get_name());
      ExpectRows(*below, name + " " + below->get_name());
    }
  }

 private:
  const std::string document_ = ReadDocument();
};

TEST_F(CompatibilityTest, EveryFlagOfTheReferenceHasARow) {
  for (const char* name : kOfTheReference) ExpectRow(name);
}

TEST_F(CompatibilityTest, EveryFlagOfItsCommandsHasARow) {
  CLI::App app;
  AddCheck(app);
  AddConfig(app);
  AddCreate(app);
  AddDelete(app);
  AddGet(app);
  AddList(app);
  AddRestore(app);
  AddServer(app);
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    ExpectRows(*command, command->get_name());
  }
}

}  // namespace
}  // namespace milvus_backup::cli
