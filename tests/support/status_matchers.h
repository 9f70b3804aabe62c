/// gMock matchers and assertion macros for Status and Result.
#pragma once

#include "milvus_backup/base/status.h"

#include <gmock/gmock.h>

#include <string>

namespace milvus_backup::testing {

inline Status StatusOf(const Status& status) { return status; }
template <typename T>
Status StatusOf(const Result<T>& result) {
  return result.ok() ? Status::Ok() : result.status();
}

MATCHER(IsOk, "is OK") {
  const Status status = StatusOf(arg);
  *result_listener << status.ToString();
  return status.ok();
}

/// Matches a Status or Result with this code and a full text that has `text_part` in it.
MATCHER_P2(IsError, code, text_part,
           std::string("is ") + std::string(CodeName(code)) + " mentioning '" + text_part + "'") {
  const Status status = StatusOf(arg);
  *result_listener << CodeName(status.code()) << ": " << status.ToString();
  return status.code() == code && status.ToString().find(text_part) != std::string::npos;
}

}  // namespace milvus_backup::testing

#define EXPECT_OK(expr) EXPECT_THAT(expr, ::milvus_backup::testing::IsOk())
#define ASSERT_OK(expr) ASSERT_THAT(expr, ::milvus_backup::testing::IsOk())
/// Assign the value of a Result or fail the test.
#define ASSERT_OK_AND_ASSIGN(lhs, expr) \
  ASSERT_OK_AND_ASSIGN_IMPL(MB_CONCAT(mb_assert_result_, __LINE__), lhs, expr)
#define ASSERT_OK_AND_ASSIGN_IMPL(result, lhs, expr) \
  auto result = (expr);                              \
  ASSERT_OK(result);                                 \
  lhs = *std::move(result)
