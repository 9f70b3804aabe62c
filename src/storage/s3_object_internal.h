/// Calls on single objects of an S3 bucket that more than one source needs.
#pragma once

#include "s3_client_internal.h"

#include "milvus_backup/storage/backend.h"

#include <chrono>
#include <string>

namespace milvus_backup::storage {

/// HEAD. kNotFound when absent. Replies to HEAD have no body, so the reason of another refusal is
/// asked for with a GET of one byte.
Result<ObjectInfo> HeadObject(const CallContext& ctx, S3Client& client, const std::string& key);
/// Size of part 1, by a HEAD that names it. Services that do not know the parameter answer with the
/// whole object, which is kUnimplemented.
Result<uint64_t> HeadFirstPart(const CallContext& ctx, S3Client& client, const std::string& key,
                               const std::string& if_match);
Result<ReadInfo> GetObject(const CallContext& ctx, S3Client& client, const std::string& key,
                           const ReadOptions& options, const Sink& sink);
Result<ObjectInfo> PutObject(const CallContext& ctx, S3Client& client, const std::string& key,
                             ByteView body, const PutOptions& options);
/// The last two begun on a loop: Backend::StartRead and StartPut.
void StartGetObject(RequestLoop& loop, const CallContext& ctx, S3Client& client,
                    const std::string& key, const ReadOptions& options, Sink sink, ReadDone done);
void StartPutObject(RequestLoop& loop, const CallContext& ctx, S3Client& client,
                    const std::string& key, ByteView body, const PutOptions& options, PutDone done);
Result<ObjectInfo> CopyObject(const CallContext& ctx, S3Client& client, const CopySource& source,
                              const std::string& key);

/// The Date header of a reply, or the epoch.
std::chrono::system_clock::time_point ServerTime(const net::HttpResponse& response);
/// Whether a checksum the server calls CRC32C is one: moto puts CRC32 there unless a Python package
/// is installed, and repeats what clients send without looking at it.
bool ComputesCrc32c(const net::HttpResponse& response);
/// kAlreadyExists in place of the 412 or 409 a conditional write was refused with.
Status AlreadyExists(const S3Place& place, const std::string& key, const Status& refused);

}  // namespace milvus_backup::storage
