/// What can be said of the arguments of the program without, or before, parsing them.
#pragma once

#include "milvus_backup/base/status.h"

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace milvus_backup::cli {

/// The arguments that are neither values of options of `app` and its commands nor behind `--`.
std::vector<std::string_view> WordsOf(int argc, char** argv, const CLI::App& app);

/// Parse `arguments`, which are without the name of the program. `--name=` is an empty value, where
/// CLI11 takes the next argument; of a flag that has no values it is an error. Throws as CLI11.
void ParseArguments(CLI::App& app, const std::vector<std::string>& arguments);

/// Overwrite the values of --set: they may be secrets, and every user of the machine can read the
/// argument list.
void HideSecrets(int argc, char** argv);
/// The same for the values of another option: of `--name` and, when not empty, of `-n`.
void HideValues(int argc, char** argv, std::string_view long_name, std::string_view short_name);

/// Add a command of the reference tools that only says that this version does not have it, whatever
/// follows it.
void AddUnbuiltCommand(CLI::App& parent, const std::string& name);

/// A flag of the reference tool that does not work yet.
struct UnbuiltFlag {
  std::string names;
  bool takes_value = false;
};

/// Accept such flags on a command line only to refuse them with a text that says so.
void AddUnbuiltFlags(CLI::App& command, const std::vector<UnbuiltFlag>& flags);

/// An option of a command, such as `create` and `--strategy`; of the program itself when the
/// command is empty.
struct CommandOption {
  const char* command;
  const char* option;
};

/// Refuse an empty value of every option of `app` and its commands but `exceptions`, which the
/// tools that this program takes after give a meaning: a variable of a script that is not set must
/// not mean the default. To be called once all options are there. Throws as CLI11 for an exception
/// that is no option.
void RefuseEmptyValues(CLI::App& app, std::initializer_list<CommandOption> exceptions);

/// `validate` in the form that CLI11 takes: the text of the error, empty when there is none.
std::function<std::string(const std::string&)> Checker(
    std::function<Status(std::string_view)> validate);

}  // namespace milvus_backup::cli
