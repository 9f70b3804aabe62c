#include "source_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

namespace milvus_backup::config {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxSecretBytes = size_t{64} * 1024;

/// Where a file that is called without a directory may be, the first one that is there wins.
std::vector<fs::path> CandidatesOf(const LoadOptions& options) {
  const fs::path given(options.path);
  std::vector<fs::path> candidates = {given};
  // Another file of the same name elsewhere is not what somebody means who names a directory.
  if (given.has_parent_path()) return candidates;
  if (const auto directory = options.environment("MILVUSCONF")) {
    candidates.push_back(fs::path(*directory) / given.filename());
  }
  candidates.push_back(fs::path("configs") / given.filename());
  return candidates;
}

Result<std::string> FindFile(const LoadOptions& options) {
  const fs::path given(options.path);
  std::error_code ignored;
  if (given.has_parent_path() && !fs::is_regular_file(given, ignored)) {
    return ConfigError(fmt::format("the configuration file {} {}", options.path,
                                   fs::exists(given, ignored) ? "is no file" : "does not exist"))
        .WithAdvice(
            "check --config; only a bare file name is also looked for in $MILVUSCONF and configs/");
  }
  std::string tried;
  for (const fs::path& candidate : CandidatesOf(options)) {
    if (fs::is_regular_file(candidate, ignored)) return candidate.string();
    tried += (tried.empty() ? "" : ", ") + candidate.string();
  }
  return ConfigError(fmt::format("no configuration file found; tried {}", tried))
      .WithAdvice("name it with --config, or start from the sample configs/" +
                  given.filename().string());
}

}  // namespace

Result<std::string> ReadConfigFile(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return ConfigError(path + " is a directory");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.good()) {
    return ConfigError(
        fmt::format("{} is larger than {} bytes: no configuration", path, kMaxFileBytes));
  }
  if (!file.eof()) {
    const std::string why = errno == 0 ? "reading fails" : std::generic_category().message(errno);
    return ConfigError(fmt::format("cannot read {}: {}", path, why));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

bool HasConfigFile(const LoadOptions& options) {
  std::error_code ignored;
  return std::ranges::any_of(CandidatesOf(options), [&ignored](const fs::path& candidate) {
    return fs::is_regular_file(candidate, ignored);
  });
}

Result<SourceFile> ReadKeys(const LoadOptions& options) {
  SourceFile source;
  MB_ASSIGN_OR_RETURN(source.path, FindFile(options));
  MB_ASSIGN_OR_RETURN(const std::string text, ReadConfigFile(source.path));
  MB_ASSIGN_OR_RETURN(source.keys, ParseYaml(text, source.path));
  source.is_empty = source.keys.empty();
  return source;
}

Result<SourceFile> ReadSourceFile(const LoadOptions& options) {
  MB_ASSIGN_OR_RETURN(SourceFile source, ReadKeys(options));
  const auto version = source.keys.find("configversion");
  if (version == source.keys.end()) return source;
  const std::string& given = version->second.text;
  if (given != "v1" && given != "v2") {
    return ConfigError(fmt::format("{}: configVersion is '{}'; use v1 or v2", source.path, given));
  }
  source.version = given == "v2" ? Version::kV2 : Version::kV1;
  source.keys.erase(version);
  return source;
}

Result<std::string> ReadSecretFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string secret(kMaxSecretBytes + 1, '\0');
  file.read(secret.data(), static_cast<std::streamsize>(secret.size()));
  secret.resize(static_cast<size_t>(file.gcount()));
  if (!file.eof()) {
    return ConfigError(secret.empty() ? fmt::format("cannot read {}", path)
                                      : fmt::format("{} is too large to be a secret", path));
  }
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.empty()) return ConfigError(path + " is empty");
  return secret;
}

}  // namespace milvus_backup::config
