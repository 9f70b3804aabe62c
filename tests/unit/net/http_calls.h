/// What tests of the HTTP client and of its loops begin with.
#pragma once

#include "support/fake_http.h"
#include "support/status_matchers.h"

#include "milvus_backup/net/http_client.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace milvus_backup::net {

inline std::unique_ptr<HttpClient> MakeClient(HttpOptions options = {}) {
  Result<std::unique_ptr<HttpClient>> client = HttpClient::Create(std::move(options));
  EXPECT_OK(client);
  return *std::move(client);
}

inline HttpRequest Get(const std::string& url) {
  HttpRequest request;
  request.method = "GET";
  request.url = url;
  return request;
}

/// Of a server that takes requests and says nothing.
inline testing::FakeReply Silence() {
  testing::FakeReply reply;
  reply.silent = true;
  reply.cut_after = 0;
  reply.ending = testing::FakeReply::Ending::kStall;
  return reply;
}

}  // namespace milvus_backup::net
