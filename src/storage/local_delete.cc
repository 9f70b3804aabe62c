#include "local_delete_internal.h"
#include "local_file_internal.h"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace milvus_backup::storage {
namespace {

struct DirectoryCloser {
  void operator()(DIR* directory) const { closedir(directory); }
};

bool IsLink(int directory, const std::string& name) {
  struct stat info {};
  return fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);
}

/// The directory `name`, opened in `mode`; one that is not valid when there is none.
Result<FileDescriptor> OpenDirectory(int parent, const std::string& name, int mode,
                                     const std::string& path) {
  FileDescriptor fd(openat(parent, name.c_str(), mode | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.valid()) return fd;
  const int error = errno;
  if (error == ENOENT) return fd;
  if (error != ENOTDIR && error != ELOOP) return FileError(error, "opening", path);
  if (IsLink(parent, name)) return LinkError(path);
  return fd;
}

/// The directories on the way to a key, each opened from the one before.
class Chain {
 public:
  /// Open `root` and the directories of `key`, all but its last element; stops early at one that is
  /// missing.
  static Result<Chain> Open(const std::string& root, const std::string& key) {
    Chain chain;
    FileDescriptor top(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!top.valid()) {
      if (errno == ENOENT) return chain;
      return FileError(errno, "opening", root);
    }
    chain.levels_.push_back({std::move(top), ""});
    size_t start = 0;
    for (size_t slash = key.find('/'); slash != std::string::npos; slash = key.find('/', start)) {
      std::string name = key.substr(start, slash - start);
      MB_ASSIGN_OR_RETURN(FileDescriptor next, OpenDirectory(chain.last(), name, O_PATH,
                                                             root + "/" + key.substr(0, slash)));
      if (!next.valid()) return chain;
      chain.levels_.push_back({std::move(next), std::move(name)});
      start = slash + 1;
    }
    chain.complete_ = true;
    return chain;
  }

  /// Whether every directory is there.
  bool complete() const { return complete_; }
  int last() const { return levels_.back().directory.get(); }

  /// Remove directories from the last one upwards while they are empty; not the root.
  void RemoveEmpty() {
    while (levels_.size() > 1) {
      const std::string name = std::move(levels_.back().name);
      levels_.pop_back();
      if (unlinkat(last(), name.c_str(), AT_REMOVEDIR) != 0) return;
    }
  }

 private:
  struct Level {
    FileDescriptor directory;
    std::string name;
  };

  std::vector<Level> levels_;
  bool complete_ = false;
};

std::string LastElement(const std::string& key) { return key.substr(key.rfind('/') + 1); }

/// The temporaries in `directory`, and what may be a directory.
Result<std::vector<std::string>> NamesToLookAt(const FileDescriptor& directory,
                                               const std::string& path) {
  const int copy = fcntl(directory.get(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return FileError(errno, "opening", path);
  const std::unique_ptr<DIR, DirectoryCloser> stream(fdopendir(copy));
  if (!stream) {
    close(copy);
    return FileError(errno, "listing", path);
  }
  std::vector<std::string> names;
  // The stream belongs to this call alone, and readdir is safe on distinct streams (POSIX.1-2024).
  while (const dirent* found = readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe)
    const std::string_view name = found->d_name;
    if (name == "." || name == "..") continue;
    const bool may_be_directory = found->d_type == DT_DIR || found->d_type == DT_UNKNOWN;
    if (may_be_directory || IsTemporaryName(name)) names.emplace_back(name);
  }
  return names;
}

std::string Inside(const std::string& path, const std::string& name) { return path + "/" + name; }

/// The directory `name` of `directory`, not through a link; one that is not valid when there is
/// none.
Result<FileDescriptor> OpenInner(const FileDescriptor& directory, const std::string& name,
                                 const std::string& path) {
  if (IsLink(directory.get(), name)) return FileDescriptor();
  return OpenDirectory(directory.get(), name, O_RDONLY, path);
}

/// Everything in `directory` that is no object; links are left alone.
Status Clear(FileDescriptor directory, const std::string& path) {
  MB_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesToLookAt(directory, path));
  for (const std::string& name : names) {
    if (IsTemporaryName(name)) {
      unlinkat(directory.get(), name.c_str(), 0);
      continue;
    }
    const std::string inner_path = Inside(path, name);
    MB_ASSIGN_OR_RETURN(FileDescriptor inner, OpenInner(directory, name, inner_path));
    if (!inner.valid()) continue;
    MB_RETURN_IF_ERROR(Clear(std::move(inner), inner_path));
    unlinkat(directory.get(), name.c_str(), AT_REMOVEDIR);
  }
  return Status::Ok();
}

/// Clears directories of what dead writers left; an error in one does not keep it from the others.
class DeadWrites {
 public:
  explicit DeadWrites(const CallContext& ctx) : ctx_(ctx) {}

  /// Below `directory`; whether something in it itself is gone.
  bool ClearIn(FileDescriptor directory, const std::string& path) {
    const auto names = NamesToLookAt(directory, path);
    if (!names.ok()) Note(names.status());
    if (!names.ok()) return false;
    bool removed = false;
    for (const std::string& name : *names) {
      if (!ctx_.Check().ok()) break;
      if (IsTemporaryName(name)) {
        removed = RemoveDeadTemporary(directory.get(), name) || removed;
        continue;
      }
      const std::string inner_path = Inside(path, name);
      Result<FileDescriptor> inner = OpenInner(directory, name, inner_path);
      if (!inner.ok()) Note(inner.status());
      if (!inner.ok() || !inner->valid()) continue;
      const bool cleared = ClearIn(*std::move(inner), inner_path);
      // One that was empty before is somebody's.
      if (cleared && unlinkat(directory.get(), name.c_str(), AT_REMOVEDIR) == 0) removed = true;
    }
    return removed;
  }

  /// That of the context, or else the first one.
  Status status() const {
    MB_RETURN_IF_ERROR(ctx_.Check());
    return first_;
  }

 private:
  void Note(const Status& error) {
    if (first_.ok()) first_ = error;
  }

  const CallContext& ctx_;
  Status first_;
};

}  // namespace

Status DeleteLocal(const std::string& root, const std::string& key) {
  MB_ASSIGN_OR_RETURN(Chain chain, Chain::Open(root, key));
  if (!chain.complete()) return Status::Ok();
  // Also without the object: a failed write may have made its directories.
  if (unlinkat(chain.last(), LastElement(key).c_str(), 0) != 0 && errno != ENOENT) {
    // A directory is no object, so there is nothing to delete.
    if (errno == EISDIR) return Status::Ok();
    return FileError(errno, "deleting", root + "/" + key);
  }
  chain.RemoveEmpty();
  return Status::Ok();
}

Status CheckLocalDeletable(const std::string& root, const std::string& key) {
  // As the directory of a key below it.
  return Chain::Open(root, key + "/x").status();
}

Status RemoveLocalRemains(const std::string& root, const std::string& key) {
  // As the directory of a key below it.
  MB_ASSIGN_OR_RETURN(Chain chain, Chain::Open(root, key + "/x"));
  if (chain.complete()) {
    const std::string path = root + "/" + key;
    MB_ASSIGN_OR_RETURN(FileDescriptor directory, OpenDirectory(chain.last(), ".", O_RDONLY, path));
    if (directory.valid()) MB_RETURN_IF_ERROR(Clear(std::move(directory), path));
  }
  chain.RemoveEmpty();
  return Status::Ok();
}

Status RemoveDeadLocalWrites(const CallContext& ctx, const std::string& root,
                             const std::string& key) {
  MB_ASSIGN_OR_RETURN(Chain chain, Chain::Open(root, key.empty() ? "x" : key + "/x"));
  if (!chain.complete()) return Status::Ok();
  const std::string path = key.empty() ? root : root + "/" + key;
  MB_ASSIGN_OR_RETURN(FileDescriptor directory, OpenDirectory(chain.last(), ".", O_RDONLY, path));
  if (!directory.valid()) return Status::Ok();
  DeadWrites dead(ctx);
  if (dead.ClearIn(std::move(directory), path)) chain.RemoveEmpty();
  return dead.status();
}

}  // namespace milvus_backup::storage
