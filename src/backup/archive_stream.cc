#include "archive_stream.h"

#include "archive_path.h"

#include <fmt/format.h>

#include <archive.h>
#include <archive_entry.h>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

/// What is asked of the feed, and handed to the sink, at once.
constexpr size_t kBlockBytes = 128 * kKiB;
/// xz compresses in 17 MiB of memory with this level; the default one takes 94 (man xz,
/// "Compression preset levels").
constexpr char kXzLevel[] = "2";

using Writer = std::unique_ptr<archive, decltype(&archive_write_free)>;
using Reader = std::unique_ptr<archive, decltype(&archive_read_free)>;
using Entry = std::unique_ptr<archive_entry, decltype(&archive_entry_free)>;

std::string_view ErrorText(archive* from) {
  const char* text = archive_error_string(from);
  return text == nullptr ? "unknown error" : text;
}

int AddFilter(archive* to, Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return archive_write_add_filter_none(to);
    case Compression::kGzip:
      // Without the time of writing: equal backups become equal files.
      if (const int added = archive_write_add_filter_gzip(to); added != ARCHIVE_OK) return added;
      return archive_write_set_filter_option(to, "gzip", "timestamp", nullptr);
    case Compression::kZstd:
      return archive_write_add_filter_zstd(to);
    case Compression::kXz:
      if (const int added = archive_write_add_filter_xz(to); added != ARCHIVE_OK) return added;
      return archive_write_set_filter_option(to, "xz", "compression-level", kXzLevel);
  }
  return ARCHIVE_FATAL;
}

}  // namespace

struct ArchiveWriter::State {
  explicit State(ByteSink to) : sink(std::move(to)) {}

  /// The sink's error, or else that of libarchive.
  Status Failure() const {
    if (!failure.ok()) return failure;
    return InternalError(fmt::format("writing the archive: {}", ErrorText(writer.get())));
  }
  Status Check(int result) const { return result == ARCHIVE_OK ? Status::Ok() : Failure(); }

  static la_ssize_t OnBytes(archive* self, void* client, const void* bytes, size_t size) {
    auto* state = static_cast<State*>(client);
    Status status = state->failure;
    if (status.ok()) status = state->sink({static_cast<const std::byte*>(bytes), size});
    if (status.ok()) {
      state->written += size;
      return static_cast<la_ssize_t>(size);
    }
    state->failure = std::move(status);
    archive_set_error(self, EIO, "the sink has failed");
    return ARCHIVE_FATAL;
  }

  ByteSink sink;
  Status failure;
  uint64_t written = 0;
  uint64_t left_in_entry = 0;
  Writer writer{archive_write_new(), archive_write_free};
  Entry entry{archive_entry_new(), archive_entry_free};
};

ArchiveWriter::ArchiveWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}

ArchiveWriter::~ArchiveWriter() {
  // Freeing alone would write an end that makes half an archive look whole.
  if (state_->writer != nullptr) archive_write_fail(state_->writer.get());
}

Result<std::unique_ptr<ArchiveWriter>> ArchiveWriter::Create(Compression compression,
                                                             ByteSink sink) {
  std::unique_ptr<ArchiveWriter> made(new ArchiveWriter(std::make_unique<State>(std::move(sink))));
  State& state = *made->state_;
  archive* const writer = state.writer.get();
  MB_CHECK(writer != nullptr && state.entry != nullptr);
  MB_RETURN_IF_ERROR(state.Check(archive_write_set_format_pax_restricted(writer)));
  MB_RETURN_IF_ERROR(state.Check(AddFilter(writer, compression)));
  MB_RETURN_IF_ERROR(state.Check(archive_write_set_bytes_per_block(writer, kBlockBytes)));
  MB_RETURN_IF_ERROR(state.Check(archive_write_set_bytes_in_last_block(writer, 1)));
  MB_RETURN_IF_ERROR(
      state.Check(archive_write_open(writer, &state, nullptr, State::OnBytes, nullptr)));
  return made;
}

Status ArchiveWriter::Begin(const ArchiveEntry& entry) {
  MB_CHECK(state_->left_in_entry == 0);
  archive_entry* const header = archive_entry_clear(state_->entry.get());
  archive_entry_copy_pathname(header, entry.name.c_str());
  archive_entry_set_size(header, static_cast<la_int64_t>(entry.size));
  archive_entry_set_filetype(header, AE_IFREG);
  archive_entry_set_perm(header, 0644);
  archive_entry_set_mtime(header, std::chrono::system_clock::to_time_t(entry.modified), 0);
  state_->left_in_entry = entry.size;
  // A warning says that the locale cannot express the name, which is then written byte for byte.
  const int written = archive_write_header(state_->writer.get(), header);
  return state_->Check(written == ARCHIVE_WARN ? ARCHIVE_OK : written);
}

Status ArchiveWriter::Write(ByteView bytes) {
  MB_CHECK(bytes.size() <= state_->left_in_entry);
  state_->left_in_entry -= bytes.size();
  const la_ssize_t taken = archive_write_data(state_->writer.get(), bytes.data(), bytes.size());
  if (taken == static_cast<la_ssize_t>(bytes.size())) return Status::Ok();
  return state_->Failure();
}

Status ArchiveWriter::Finish() {
  MB_CHECK(state_->left_in_entry == 0);
  return state_->Check(archive_write_close(state_->writer.get()));
}

uint64_t ArchiveWriter::bytes_written() const { return state_->written; }

struct ArchiveReader::State {
  explicit State(ByteFeed from) : feed(std::move(from)), block(kBlockBytes) {}

  /// The feed's error, or else that of libarchive.
  Status Failure() const {
    if (!failure.ok()) return failure;
    std::string text = fmt::format("the archive is damaged: {}", ErrorText(reader.get()));
    if (!last_name.empty()) text += fmt::format(" (at {})", ForMessage(last_name));
    return DataLossError(std::move(text));
  }
  Status Check(int result) const { return result == ARCHIVE_OK ? Status::Ok() : Failure(); }

  static la_ssize_t OnBytes(archive* self, void* client, const void** bytes) {
    auto* state = static_cast<State*>(client);
    const Result<size_t> got = state->feed(state->block);
    if (got.ok()) {
      *bytes = state->block.data();
      return static_cast<la_ssize_t>(*got);
    }
    state->failure = got.status();
    archive_set_error(self, EIO, "the feed has failed");
    return ARCHIVE_FATAL;
  }

  ByteFeed feed;
  std::vector<std::byte> block;
  Status failure;
  std::string last_name;
  uint64_t left_in_entry = 0;
  Reader reader{archive_read_new(), archive_read_free};
};

ArchiveReader::ArchiveReader(std::unique_ptr<State> state) : state_(std::move(state)) {}

ArchiveReader::~ArchiveReader() = default;

Result<std::unique_ptr<ArchiveReader>> ArchiveReader::Open(ByteFeed feed) {
  std::unique_ptr<ArchiveReader> made(new ArchiveReader(std::make_unique<State>(std::move(feed))));
  State& state = *made->state_;
  archive* const reader = state.reader.get();
  MB_CHECK(reader != nullptr);
  MB_RETURN_IF_ERROR(state.Check(archive_read_support_format_tar(reader)));
  for (const auto support : {archive_read_support_filter_gzip, archive_read_support_filter_zstd,
                             archive_read_support_filter_xz}) {
    MB_RETURN_IF_ERROR(state.Check(support(reader)));
  }
  // So that all of the feed is read and looked at, also what is behind the end of the archive.
  MB_RETURN_IF_ERROR(state.Check(
      archive_read_set_format_option(reader, "tar", "read_concatenated_archives", "1")));
  const int opened = archive_read_open(reader, &state, nullptr, State::OnBytes, nullptr);
  if (opened == ARCHIVE_OK) return made;
  if (!state.failure.ok()) return state.failure;
  return DataLossError(fmt::format("this is no archive: {}", ErrorText(reader)))
      .WithAdvice("`import` reads what `export` has written");
}

Result<std::optional<ArchiveEntry>> ArchiveReader::Next() {
  MB_CHECK(state_->left_in_entry == 0);
  archive* const reader = state_->reader.get();
  archive_entry* entry = nullptr;
  const int result = archive_read_next_header(reader, &entry);
  if (result == ARCHIVE_EOF) {
    MB_RETURN_IF_ERROR(state_->failure);
    MB_ASSIGN_OR_RETURN(const size_t more, state_->feed(state_->block));
    if (more == 0) return std::optional<ArchiveEntry>();
    return DataLossError("the archive goes on after its end");
  }
  if (result != ARCHIVE_OK) return state_->Failure();
  const char* name = archive_entry_pathname(entry);
  if (name == nullptr || *name == '\0') {
    return DataLossError("the archive has an entry whose name cannot be read");
  }
  state_->last_name = name;
  const bool is_file = archive_entry_filetype(entry) == AE_IFREG &&
                       archive_entry_hardlink(entry) == nullptr &&
                       archive_entry_symlink(entry) == nullptr;
  if (!is_file || archive_entry_size_is_set(entry) == 0 || archive_entry_size(entry) < 0) {
    return DataLossError(
        fmt::format("{} in the archive is no regular file", ForMessage(state_->last_name)));
  }
  state_->left_in_entry = static_cast<uint64_t>(archive_entry_size(entry));
  return std::optional(
      ArchiveEntry{.name = state_->last_name,
                   .size = state_->left_in_entry,
                   .modified = std::chrono::system_clock::from_time_t(archive_entry_mtime(entry))});
}

Status ArchiveReader::Read(const std::function<Status(ByteView)>& sink) {
  const uint64_t size = std::exchange(state_->left_in_entry, 0);
  uint64_t read = 0;
  while (true) {
    const void* bytes = nullptr;
    size_t length = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(state_->reader.get(), &bytes, &length, &offset);
    if (result == ARCHIVE_EOF) break;
    if (result != ARCHIVE_OK) return state_->Failure();
    if (length == 0) continue;
    // A hole would be filled with as many zeros as an entry likes to claim.
    if (offset < 0 || static_cast<uint64_t>(offset) != read || length > size - read) {
      return DataLossError(
          fmt::format("{} in the archive is no plain file", ForMessage(state_->last_name)));
    }
    read += length;
    MB_RETURN_IF_ERROR(sink({static_cast<const std::byte*>(bytes), length}));
  }
  MB_RETURN_IF_ERROR(state_->failure);
  if (read == size) return Status::Ok();
  return DataLossError(fmt::format("{} in the archive has {} bytes and not the {} it claims",
                                   ForMessage(state_->last_name), read, size));
}

}  // namespace milvus_backup::backup
