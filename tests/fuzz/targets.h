/// The bodies of the fuzz targets, one per parser of foreign bytes. Each reads everything it can
/// out of `bytes` and aborts when a promise of the parser is broken. Used by libFuzzer (preset
/// `fuzz`) and, with the corpus and mutations of it, by the unit tests.
#pragma once

#include "milvus_backup/base/bytes.h"

namespace milvus_backup::fuzz {

/// Insert logs: containers, Thrift, pages, levels, dictionaries, values.
void InsertLog(ByteView bytes);
/// Delta logs of every form.
void DeltaLog(ByteView bytes);
/// A Parquet file by itself.
void Parquet(ByteView bytes);
/// Single values: the first byte says of which kind.
void Values(ByteView bytes);

}  // namespace milvus_backup::fuzz
