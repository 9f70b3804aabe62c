/// What commands print: results on stdout, as text or, with --json, as one JSON object.
#pragma once

#include "milvus_backup/base/status.h"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <string>
#include <string_view>

namespace milvus_backup::cli {

/// Before anything is printed or opened: put /dev/null in the place of closed standard streams, so
/// that no file of ours gets their numbers, and have a broken pipe reported as an error.
void OpenStandardStreams();

/// Onto stdout, for a terminal as PrintableLines makes it, else byte for byte. Never throws for a
/// failed write: see StdoutStatus.
void PrintLine(std::string_view text);
/// The same without a newline at its end.
void PrintText(std::string_view text);
/// Onto stderr, as PrintableLines makes it. What cannot be written there is lost.
void PrintErrorLine(std::string_view text);
/// The same, but byte for byte and without a newline.
void PrintErrorText(std::string_view text);

/// The program's stdout, for bytes that are no text; the caller closes it. What is printed from now
/// on, results and errors too, goes to stderr.
Result<int> TakeStdout();

/// Remember what has been done, such as `the backup is complete`, for StdoutStatus.
void NoteDone(std::string what);

/// Whether everything printed since OpenStandardStreams has reached stdout. The error says what was
/// done nevertheless.
Status StdoutStatus();

/// On one line of stdout. What is no UTF-8 is replaced.
void PrintJson(const nlohmann::ordered_json& document);

/// What --json says of an error. `message` is without the advice.
nlohmann::ordered_json ErrorJson(const Status& status);

/// `{"status":"error","exit_code":…,"error":{…}}` on stdout.
void PrintErrorJson(const Status& status, int exit_code);

/// `1.5 MiB`, `812 B`.
std::string FormatBytes(double bytes);

}  // namespace milvus_backup::cli
