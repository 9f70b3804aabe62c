/// What commands print: results on stdout, as text or, with --json, as one JSON object.
#pragma once

#include "milvus_backup/base/status.h"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <string>
#include <string_view>

namespace milvus_backup::cli {

void PrintLine(std::string_view text);
/// As it is, without a newline at its end.
void PrintText(std::string_view text);
void PrintErrorLine(std::string_view text);

/// What --json says of an error.
nlohmann::ordered_json ErrorJson(const Status& status);

/// `{"status":"error","exit_code":…,"error":{…}}` on stdout.
void PrintErrorJson(const Status& status, int exit_code);

/// `1.5 MiB`, `812 B`.
std::string FormatBytes(double bytes);

}  // namespace milvus_backup::cli
