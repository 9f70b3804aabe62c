/// HTTP as the APIs of this program see it: plain requests and replies, no sockets.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace milvus_backup::service {

struct HttpRequest {
  /// Upper case.
  std::string method;
  /// Decoded, without the query.
  std::string path;
  /// Decoded; of a parameter that is there twice, the first.
  std::map<std::string, std::string> query;
  /// By lower-case name; of a header that is there twice, the first.
  std::map<std::string, std::string> headers;
  std::string body;

  /// Empty when there is none.
  std::string Query(const std::string& name) const { return Find(query, name); }
  std::string Header(const std::string& name) const { return Find(headers, name); }

 private:
  static std::string Find(const std::map<std::string, std::string>& values,
                          const std::string& name) {
    const auto found = values.find(name);
    return found == values.end() ? "" : found->second;
  }
};

struct HttpReply {
  int status = 200;
  std::string content_type = "application/json; charset=utf-8";
  std::string body;
  std::map<std::string, std::string> headers;
};

/// `{"error":"…"}` with this status.
HttpReply ErrorReply(int status, const std::string& error);

/// Called by several threads at once.
using HttpHandler = std::function<HttpReply(const HttpRequest& request)>;

}  // namespace milvus_backup::service
