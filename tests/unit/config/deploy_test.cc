// The samples of configs/deploy, read as those do that will use them.
#include "config_fixture.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>
#include <string_view>

namespace milvus_backup::config {
namespace {

using Texts = std::vector<std::string>;

class DeployTest : public ConfigFixture {
 protected:
  static std::string Read(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(testing::ConfigsDir() + "/deploy/" + name, std::ios::binary).rdbuf();
    EXPECT_FALSE(text.str().empty()) << name;
    return text.str();
  }
  static Texts LinesOf(const std::string& text) {
    Texts lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
  }
};

/// What systemd.unit(5), systemd.service(5) and systemd.exec(5) call their keys, as far as they are
/// used here.
const std::map<std::string, std::set<std::string>> kUnitKeys = {
    {"Unit", {"Description", "Wants", "After"}},
    {"Service",
     {"ExecStart", "User", "KillSignal", "TimeoutStopSec", "Restart", "RestartSec",
      "StateDirectory", "LogsDirectory", "WorkingDirectory", "NoNewPrivileges", "PrivateTmp",
      "ProtectSystem", "ProtectHome", "LimitNOFILE"}},
    {"Install", {"WantedBy"}}};

TEST_F(DeployTest, TheUnitIsOne) {
  std::map<std::string, std::map<std::string, std::string>> unit;
  std::string section;
  for (const std::string& line : LinesOf(Read("milvus-backup.service"))) {
    if (line.empty() || line.front() == '#') continue;
    if (line.front() == '[' && line.back() == ']') {
      section = line.substr(1, line.size() - 2);
      EXPECT_TRUE(kUnitKeys.contains(section)) << line;
      continue;
    }
    const size_t equals = line.find('=');
    ASSERT_NE(equals, std::string::npos) << line;
    const std::string key = line.substr(0, equals);
    EXPECT_TRUE(kUnitKeys.at(section).contains(key)) << line;
    EXPECT_TRUE(unit[section].emplace(key, line.substr(equals + 1)).second) << line;
  }
  const std::map<std::string, std::string>& service = unit["Service"];
  const std::string& command = service.at("ExecStart");
  EXPECT_TRUE(command.starts_with("/usr/local/bin/milvus-backup --config ")) << command;
  EXPECT_NE(command.find(" server --state-dir /var/lib/milvus-backup"), std::string::npos);
  EXPECT_EQ(service.at("StateDirectory"), "milvus-backup");
}

TEST_F(DeployTest, SystemdTakesTheUnit) {
  if (!std::filesystem::exists("/usr/bin/systemd-analyze")) {
    GTEST_SKIP() << "systemd-analyze is not installed";
  }
  // It looks for the program.
  std::string text = Read("milvus-backup.service");
  const std::string program = "/usr/local/bin/milvus-backup";
  text.replace(text.find("ExecStart=" + program) + 10, program.size(), "/bin/true");
  const std::string path = WriteFile("milvus-backup.service", text);
  const std::string command = "systemd-analyze verify --man=no " + path + " 2>&1";
  const std::unique_ptr<FILE, int (*)(FILE*)> output(popen(command.c_str(), "r"), pclose);
  ASSERT_NE(output, nullptr);
  std::string said;
  std::array<char, 4096> buffer{};
  while (fgets(buffer.data(), buffer.size(), output.get()) != nullptr) said += buffer.data();
  for (const std::string& line : LinesOf(said)) {
    EXPECT_EQ(line.find("milvus-backup.service"), std::string::npos) << line;
  }
}

/// A mapping of the Kubernetes API: its keys, and what each holds. A key that ends with `!` must be
/// there; a kind that ends with `[]` is a list. `text`, `number`, `flag` and `texts` are values.
using Schema = std::map<std::string, std::map<std::string, std::string>>;
const Schema kKubernetes = {
    {"ConfigMap",
     {{"apiVersion!", "text"}, {"kind!", "text"}, {"metadata!", "Meta"}, {"data!", "Data"}}},
    {"PersistentVolumeClaim",
     {{"apiVersion!", "text"}, {"kind!", "text"}, {"metadata!", "Meta"}, {"spec!", "ClaimSpec"}}},
    {"CronJob",
     {{"apiVersion!", "text"}, {"kind!", "text"}, {"metadata!", "Meta"}, {"spec!", "CronJobSpec"}}},
    {"Meta", {{"name!", "text"}}},
    {"Data", {{"backup.yaml!", "text"}}},
    {"ClaimSpec", {{"accessModes!", "texts"}, {"resources!", "Resources"}}},
    {"Resources", {{"requests", "Amounts"}, {"limits", "Amounts"}}},
    {"Amounts", {{"cpu", "text"}, {"memory", "text"}, {"storage", "text"}}},
    {"CronJobSpec",
     {{"schedule!", "text"},
      {"timeZone", "text"},
      {"concurrencyPolicy", "text"},
      {"startingDeadlineSeconds", "number"},
      {"successfulJobsHistoryLimit", "number"},
      {"failedJobsHistoryLimit", "number"},
      {"jobTemplate!", "JobTemplate"}}},
    {"JobTemplate", {{"spec!", "JobSpec"}}},
    {"JobSpec", {{"backoffLimit", "number"}, {"template!", "PodTemplate"}}},
    {"PodTemplate", {{"spec!", "PodSpec"}}},
    {"PodSpec",
     {{"restartPolicy!", "text"},
      {"securityContext", "Security"},
      {"containers!", "Container[]"},
      {"volumes", "Volume[]"}}},
    {"Security", {{"runAsNonRoot", "flag"}, {"runAsUser", "number"}, {"fsGroup", "number"}}},
    {"Container",
     {{"name!", "text"},
      {"image!", "text"},
      {"args", "texts"},
      {"resources", "Resources"},
      {"volumeMounts", "Mount[]"}}},
    {"Mount", {{"name!", "text"}, {"mountPath!", "text"}, {"readOnly", "flag"}}},
    {"Volume",
     {{"name!", "text"},
      {"configMap", "Meta"},
      {"secret", "SecretSource"},
      {"persistentVolumeClaim", "ClaimSource"}}},
    {"SecretSource", {{"secretName!", "text"}}},
    {"ClaimSource", {{"claimName!", "text"}}}};

void Check(const YAML::Node& node, const std::string& kind, const std::string& path) {
  if (kind.ends_with("[]")) {
    ASSERT_TRUE(node.IsSequence()) << path;
    for (const auto& item : node) Check(item, kind.substr(0, kind.size() - 2), path + "[]");
    return;
  }
  if (kind == "texts") return Check(node, "text[]", path);
  if (!kKubernetes.contains(kind)) {
    ASSERT_TRUE(node.IsScalar()) << path;
    bool flag = false;
    int64_t number = 0;
    if (kind == "flag") {
      EXPECT_TRUE(YAML::convert<bool>::decode(node, flag)) << path;
    }
    if (kind == "number") {
      EXPECT_TRUE(YAML::convert<int64_t>::decode(node, number)) << path;
    }
    return;
  }
  ASSERT_TRUE(node.IsMap()) << path;
  const auto& keys = kKubernetes.at(kind);
  for (const auto& entry : node) {
    const std::string key = entry.first.Scalar();
    const auto required = keys.find(key + "!");
    const auto known = required == keys.end() ? keys.find(key) : required;
    ASSERT_NE(known, keys.end()) << path << "." << key;
    Check(entry.second, known->second, path + "." + key);
  }
  for (const auto& [key, unused] : keys) {
    if (!key.ends_with('!')) continue;
    EXPECT_TRUE(node[key.substr(0, key.size() - 1)].IsDefined()) << path << "." << key;
  }
}

TEST_F(DeployTest, TheCronJobIsOfTheApi) {
  const std::map<std::string, std::string> versions = {
      {"ConfigMap", "v1"}, {"PersistentVolumeClaim", "v1"}, {"CronJob", "batch/v1"}};
  std::map<std::string, YAML::Node> found;
  for (const YAML::Node& document : YAML::LoadAll(Read("cronjob.yaml"))) {
    const std::string kind = document["kind"].Scalar();
    ASSERT_TRUE(versions.contains(kind)) << kind;
    EXPECT_EQ(document["apiVersion"].Scalar(), versions.at(kind));
    Check(document, kind, kind);
    found[kind] = document;
  }
  ASSERT_EQ(found.size(), 3U);
  const YAML::Node spec = found["CronJob"]["spec"];
  EXPECT_EQ(spec["concurrencyPolicy"].Scalar(), "Forbid");
  const YAML::Node pod = spec["jobTemplate"]["spec"]["template"]["spec"];
  const YAML::Node container = pod["containers"][0];
  std::set<std::string> volumes;
  for (const auto& volume : pod["volumes"]) {
    EXPECT_EQ(volume.size(), 2U);
    volumes.insert(volume["name"].Scalar());
    if (volume["configMap"]) {
      EXPECT_EQ(volume["configMap"]["name"].Scalar(),
                found["ConfigMap"]["metadata"]["name"].Scalar());
    }
    if (volume["persistentVolumeClaim"]) {
      EXPECT_EQ(volume["persistentVolumeClaim"]["claimName"].Scalar(),
                found["PersistentVolumeClaim"]["metadata"]["name"].Scalar());
    }
  }
  std::set<std::string> mounted;
  for (const auto& mount : container["volumeMounts"]) {
    EXPECT_TRUE(volumes.contains(mount["name"].Scalar())) << mount["name"].Scalar();
    mounted.insert(mount["mountPath"].Scalar());
  }

  // Its configuration, with the secrets where this test has them.
  std::string yaml = found["ConfigMap"]["data"]["backup.yaml"].Scalar();
  const std::string secrets = "/run/secrets/milvus-backup";
  EXPECT_TRUE(mounted.contains(secrets));
  WriteFile("access-key", "key");
  WriteFile("secret-key", "secret");
  for (size_t at = yaml.find(secrets); at != std::string::npos; at = yaml.find(secrets, at)) {
    yaml.replace(at, secrets.size(), dir_.path());
  }
  ASSERT_OK_AND_ASSIGN(const Config config, LoadText(yaml));
  EXPECT_EQ(config.milvus_storage.access_key, "key");
  EXPECT_TRUE(mounted.contains(config.server.state_dir)) << config.server.state_dir;
  ASSERT_EQ(config.schedules.size(), 1U);
  EXPECT_EQ(config.schedules[0].cron, spec["schedule"].Scalar());
  EXPECT_EQ(container["args"].as<Texts>(),
            (Texts{"schedule", "run-now", config.schedules[0].name, "--json"}));
}

TEST_F(DeployTest, TheDockerfileSaysWhatIsThere) {
  Texts lines;
  bool goes_on = false;
  for (std::string line : LinesOf(Read("Dockerfile"))) {
    if (line.empty() || line.front() == '#') continue;
    const bool was = goes_on;
    goes_on = line.ends_with('\\');
    if (goes_on) line.pop_back();
    if (was) {
      lines.back() += line;
    } else {
      lines.push_back(line);
    }
  }
  const std::set<std::string> instructions = {"FROM",   "RUN",    "WORKDIR",    "COPY", "USER",
                                              "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD"};
  std::set<std::string> stages;
  std::map<std::string, std::string> last;
  for (const std::string& line : lines) {
    std::istringstream words(line);
    std::string instruction;
    std::string word;
    words >> instruction;
    EXPECT_TRUE(instructions.contains(instruction)) << line;
    last[instruction] = line.substr(instruction.size() + 1);
    if (instruction == "FROM" && line.find(" AS ") != std::string::npos) {
      stages.insert(line.substr(line.find(" AS ") + 4));
    }
    if (instruction != "COPY") continue;
    words >> word;
    if (word.starts_with("--from=")) {
      EXPECT_TRUE(stages.contains(word.substr(7))) << line;
    } else {
      EXPECT_TRUE(std::filesystem::exists(testing::ConfigsDir() + "/../" + word)) << line;
    }
  }
  EXPECT_TRUE(lines.front().starts_with("FROM ")) << lines.front();
  for (const char* list : {"ENTRYPOINT", "CMD", "VOLUME"}) {
    EXPECT_TRUE(YAML::Load(last[list]).IsSequence()) << last[list];
  }
  EXPECT_EQ(YAML::Load(last["CMD"]).as<Texts>(), (Texts{"schedule", "run"}));
  EXPECT_EQ(last["USER"], "milvus-backup");
}

}  // namespace
}  // namespace milvus_backup::config
