/// A bucket of an S3 service. Protocol: Amazon S3 API Reference and Signature Version 4; deviations
/// of other services are handled where they are known.
#pragma once

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"
#include "milvus_backup/storage/s3_options.h"

#include <memory>

namespace milvus_backup::storage {

/// Create a client; nothing is sent yet. The backend does not retry (see open.h), except that it
/// follows a region the service names, corrects a wrong clock once per call, and repeats a call on
/// a connection that had died while idle.
///
/// Errors of all calls have Origin::kStorage, name bucket and endpoint and, where it helps, the
/// config keys to check. Wrong keys are kUnauthenticated, missing rights kPermissionDenied, a
/// missing bucket kNotFound with service_code() NoSuchBucket; all permanent. Refused bytes
/// (BadDigest) are kDataLoss.
///
/// CanCopyFrom accepts S3 backends of the same scheme, host and port (and region, outside AWS):
/// the credentials of *this* backend read the source, so they must be allowed to.
///
/// Uploads and the copy sources given to them must not outlive their backend. An upload that is
/// dropped unfinished is aborted, for which the destructor waits up to 5 s. `clock` dates the
/// signatures and must outlive the backend.
///
/// kInvalidArgument when the options are not valid.
Result<std::unique_ptr<Backend>> CreateS3Backend(S3Options options, Clock& clock = Clock::Real());

}  // namespace milvus_backup::storage
