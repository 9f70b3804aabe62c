/// Which method of an API answers which request.
#pragma once

#include "milvus_backup/service/http.h"

#include <fmt/format.h>

#include <span>
#include <string_view>

namespace milvus_backup::service {

/// The reference tools have all their requests below it.
inline constexpr std::string_view kApiPrefix = "/api/v1";

template <typename Api>
struct Route {
  std::string_view method;
  /// Below kApiPrefix.
  std::string_view path;
  HttpReply (Api::*handle)(const HttpRequest&);
};

/// The answer of the route, 404 when there is none. HEAD is answered as GET.
template <typename Api>
HttpReply Dispatch(Api& api, std::span<const Route<Api>> routes, const HttpRequest& request) {
  if (request.path.starts_with(kApiPrefix)) {
    const std::string_view path = std::string_view(request.path).substr(kApiPrefix.size());
    std::string_view method = request.method;
    if (method == "HEAD") method = "GET";
    for (const Route<Api>& route : routes) {
      if (route.path == path && route.method == method) return (api.*route.handle)(request);
    }
  }
  return ErrorReply(404, fmt::format("there is no {} {}", request.method, request.path));
}

}  // namespace milvus_backup::service
