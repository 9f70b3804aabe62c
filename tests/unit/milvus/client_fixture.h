/// A FakeMilvus and a client of it.
#pragma once

#include "support/fake_milvus.h"
#include "support/status_matchers.h"

#include "milvus_backup/milvus/client.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace milvus_backup::milvus {

class ClientTest : public ::testing::Test {
 protected:
  using FakeMilvus = testing::FakeMilvus;

  /// For tests that exhaust the patience.
  static ClientOptions Impatient(const FakeMilvus& server) {
    ClientOptions options = server.client_options();
    options.retry_patience = std::chrono::milliseconds(600);
    options.throttle_patience = std::chrono::milliseconds(600);
    return options;
  }

  /// Start a server and connect to it.
  void Start(testing::FakeMilvusOptions options = {}) {
    server_ = std::make_unique<FakeMilvus>(std::move(options));
    auto client = Connect(ctx_, server_->client_options());
    ASSERT_THAT(client, testing::IsOk());
    client_ = *std::move(client);
  }

  static FieldSchema Field(const std::string& name, int32_t type) {
    FieldSchema field;
    field.name = name;
    field.data_type = type;
    return field;
  }

  static testing::FakeCollection SmallCollection(const std::string& name) {
    testing::FakeCollection collection;
    FieldSchema id = Field("id", data_type::kInt64);
    id.field_id = 100;
    id.is_primary_key = true;
    FieldSchema vector = Field("v", data_type::kFloatVector);
    vector.field_id = 101;
    vector.type_params = {{.key = "dim", .value = "4"}};
    collection.info.schema.name = name;
    collection.info.schema.fields = {id, vector};
    return collection;
  }

  static std::chrono::milliseconds Since(std::chrono::steady_clock::time_point begun) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 begun);
  }

  CallContext ctx_;
  std::unique_ptr<FakeMilvus> server_;
  std::unique_ptr<Client> client_;
};

}  // namespace milvus_backup::milvus
