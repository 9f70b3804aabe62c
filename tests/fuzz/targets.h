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
/// Metas, records of runs, tombstones and tags: the first byte says which.
void MetaJson(ByteView bytes);
/// Index, lines and parts of manifests: the first byte says which.
void Manifest(ByteView bytes);
/// Configuration files.
void ConfigYaml(ByteView bytes);
/// Replies of the S3 API.
void S3Xml(ByteView bytes);
/// Faiss index files of small dimensions.
void Faiss(ByteView bytes);
/// HDF5 files that libhdf5 writes by a recipe, which the bytes are: see hdf5_target.cc.
void Hdf5(ByteView bytes);
/// Object keys, names of backups, places on command lines, URLs.
void Keys(ByteView bytes);

}  // namespace milvus_backup::fuzz
