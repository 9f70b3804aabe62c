#include "arguments.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace milvus_backup::cli {
namespace {

struct OptionNames {
  // `-n`, `--name` and so on of every option that takes the next argument, whatever that is.
  std::set<std::string> with_value;
  std::set<std::string> without_value;
};

void AddNames(const CLI::App& app, OptionNames& names) {
  for (const CLI::Option* option : app.get_options()) {
    std::set<std::string>& kind =
        option->get_items_expected_min() < 1 ? names.without_value : names.with_value;
    for (const std::string& name : option->get_snames()) kind.insert("-" + name);
    for (const std::string& name : option->get_lnames()) kind.insert("--" + name);
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    AddNames(*command, names);
  }
}

OptionNames NamesOf(const CLI::App& app) {
  OptionNames names;
  AddNames(app, names);
  return names;
}

bool TakesNext(std::string_view word, const std::set<std::string>& value_options) {
  if (word.starts_with("--")) return value_options.contains(std::string(word));
  if (!word.starts_with('-')) return false;
  // In `-fn` flags may precede; in `-nfoo` the value is here already.
  for (size_t i = 1; i < word.size(); ++i) {
    if (value_options.contains(std::string("-") + word[i])) return i + 1 == word.size();
  }
  return false;
}

/// The option of `--name=`; empty when the word is something else.
std::string_view NameWithoutValue(std::string_view word) {
  if (!word.starts_with("--") || word.find('=') != word.size() - 1) return {};
  return word.substr(0, word.size() - 1);
}

void RefuseEmptyValuesBut(CLI::App& app, const std::set<const CLI::Option*>& allowed) {
  const auto check = [](const std::string& text) {
    return std::string(text.empty() ? "it is empty" : "");
  };
  for (CLI::Option* option : app.get_options()) {
    const bool takes_value = option->get_items_expected_min() > 0;
    if (takes_value && !allowed.contains(option)) option->check(check);
  }
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    RefuseEmptyValuesBut(*command, allowed);
  }
}

}  // namespace

void ParseArguments(CLI::App& app, const std::vector<std::string>& arguments) {
  const OptionNames names = NamesOf(app);
  std::vector<std::string> spelt;
  for (auto it = arguments.begin(); it != arguments.end(); ++it) {
    if (*it == "--") {
      spelt.insert(spelt.end(), it, arguments.end());
      break;
    }
    const std::string name(NameWithoutValue(*it));
    const bool takes_value = names.with_value.contains(name);
    if (!takes_value && names.without_value.contains(name)) {
      throw CLI::ValidationError(
          fmt::format("{}= has no value: write {} or {}=false", name, name, name));
    }
    spelt.push_back(takes_value ? name : *it);
    if (takes_value) {
      spelt.emplace_back();
    } else if (TakesNext(*it, names.with_value) && std::next(it) != arguments.end()) {
      spelt.push_back(*++it);
    }
  }
  std::ranges::reverse(spelt);  // as CLI11 wants them
  app.parse(std::move(spelt));
}

std::vector<std::string_view> WordsOf(int argc, char** argv, const CLI::App& app) {
  const OptionNames names = NamesOf(app);
  std::vector<std::string_view> words;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") break;
    words.push_back(word);
    if (TakesNext(word, names.with_value)) ++i;
  }
  return words;
}

void HideSecrets(int argc, char** argv) { HideValues(argc, argv, "--set", ""); }

void HideValues(int argc, char** argv, std::string_view long_name, std::string_view short_name) {
  bool is_value = false;
  for (int i = 1; i < argc; ++i) {
    char* text = argv[i];
    const std::string_view word = text;
    size_t begin = is_value ? 0 : word.size();
    if (!is_value && word.starts_with(long_name) &&
        word.substr(long_name.size()).starts_with('=')) {
      begin = long_name.size() + 1;
    } else if (!is_value && !short_name.empty() && word.starts_with(short_name)) {
      begin = short_name.size();
    }
    is_value = !is_value && (word == long_name || (!short_name.empty() && word == short_name));
    for (char* c = text + begin; *c != '\0'; ++c) *c = '*';
  }
}

void AddUnbuiltCommand(CLI::App& parent, const std::string& name) {
  const bool is_nested = parent.get_parent() != nullptr;
  const std::string full_name = is_nested ? parent.get_name() + " " + name : name;
  // An empty group keeps it out of --help.
  parent.add_subcommand(name)->group("")->preparse_callback([full_name](size_t) {
    throw CLI::ValidationError(full_name + " is not built yet in this version");
  });
}

void AddUnbuiltFlags(CLI::App& command, const std::vector<UnbuiltFlag>& flags) {
  for (const UnbuiltFlag& flag : flags) {
    const auto refuse = [names = flag.names, name = command.get_name()] {
      throw CLI::ValidationError(
          fmt::format("{} {} is not built yet in this version", name, names));
    };
    if (flag.takes_value) {
      command
          .add_option_function<std::string>(flag.names, [refuse](const std::string&) { refuse(); })
          ->group("");
    } else {
      command.add_flag_callback(flag.names, refuse)->group("");
    }
  }
}

void RefuseEmptyValues(CLI::App& app, std::initializer_list<CommandOption> exceptions) {
  std::set<const CLI::Option*> allowed;
  for (const auto& [command, option] : exceptions) {
    const bool is_global = std::string_view(command).empty();
    CLI::App* const owner = is_global ? &app : app.get_subcommand(std::string(command));
    allowed.insert(owner->get_option(option));
  }
  RefuseEmptyValuesBut(app, allowed);
}

std::function<std::string(const std::string&)> Checker(
    std::function<Status(std::string_view)> validate) {
  return [validate = std::move(validate)](const std::string& text) {
    const Status status = validate(text);
    return status.ok() ? std::string() : status.ToString();
  };
}

}  // namespace milvus_backup::cli
