#include "local_file_internal.h"
#include "local_list_internal.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::storage {
namespace {

struct DirectoryCloser {
  void operator()(DIR* directory) const { closedir(directory); }
};

/// One entry, its name with a `/` behind directories: that is how keys below them sort.
struct Entry {
  std::string name;
  bool is_directory = false;
  /// A symbolic link to anything but a file.
  bool is_link = false;
  /// Neither a file nor a directory.
  bool is_special = false;
  uint64_t size = 0;
  std::string etag;
  std::chrono::system_clock::time_point modified;
};

class Walk {
 public:
  Walk(const CallContext& ctx, const std::string& root, const ListRequest& request)
      : ctx_(ctx),
        root_(root),
        request_(request),
        after_(std::max(request.start_after, request.token)),
        limit_(std::max<uint32_t>(request.max_keys, 1)) {}

  Result<ListPage> Run();

 private:
  Status Visit(const std::string& key_prefix);
  Status VisitEntry(const std::string& key_prefix, Entry& entry);
  /// The smallest entries behind `after_entry` that may matter to the page, ascending; `*more` when
  /// some were left out. A large directory is read again rather than held in memory.
  Status ReadEntries(const std::string& key_prefix, const std::string& after_entry, bool* more,
                     std::vector<Entry>* entries);
  Status Describe(int directory, const std::string& key_prefix, Entry* entry, bool* exists) const;
  /// Whether any key starts with `key_prefix`: directories may be empty or hold temporaries only.
  /// One that must not be looked into counts as if there were.
  Result<bool> HasKeys(const std::string& key_prefix);
  bool Matters(const std::string& name) const;
  bool full() const {
    return page_.objects.size() + page_.prefixes.size() + page_.passed_over.size() >= limit_;
  }

  const CallContext& ctx_;
  const std::string& root_;
  const ListRequest& request_;
  const std::string after_;
  const size_t limit_;
  bool more_ = false;
  ListPage page_;
  std::string last_;
};

bool Walk::Matters(const std::string& name) const {
  const std::string& prefix = request_.prefix;
  const bool below_prefix = name.size() >= prefix.size()
                                ? name.starts_with(prefix)
                                : name.back() == '/' && prefix.starts_with(name);
  if (!below_prefix) return false;
  if (name > after_) return true;
  // A directory sorts before what is in it.
  return name.back() == '/' && after_.starts_with(name);
}

Status Walk::Describe(int directory, const std::string& key_prefix, Entry* entry,
                      bool* exists) const {
  struct stat info {};
  const auto look = [&](int flags) {
    if (fstatat(directory, entry->name.c_str(), &info, flags) == 0) return 0;
    return errno;
  };
  int error = look(AT_SYMLINK_NOFOLLOW);
  bool is_link = error == 0 && S_ISLNK(info.st_mode);
  if (is_link) error = look(0);
  const bool leads_nowhere = is_link && (error == ENOENT || error == ELOOP || error == ENOTDIR);
  *exists = error == 0 || leads_nowhere;
  if (error == ENOENT && !is_link) return Status::Ok();  // gone since the directory was read
  if (!*exists) return FileError(error, "looking at", root_ + "/" + key_prefix + entry->name);
  if (leads_nowhere || S_ISDIR(info.st_mode)) {
    entry->is_link = is_link;
    entry->is_directory = !is_link || !request_.links_as_objects;
    if (entry->is_directory) entry->name += '/';
    return Status::Ok();
  }
  entry->is_special = !S_ISREG(info.st_mode);
  *exists = !entry->is_special || request_.names_passed_over;
  entry->size = static_cast<uint64_t>(info.st_size);
  entry->etag = EtagOf(info);
  entry->modified = std::chrono::system_clock::from_time_t(info.st_mtim.tv_sec);
  return Status::Ok();
}

Status Walk::ReadEntries(const std::string& key_prefix, const std::string& after_entry, bool* more,
                         std::vector<Entry>* entries) {
  const std::string path = root_ + "/" + key_prefix;
  const std::unique_ptr<DIR, DirectoryCloser> directory(opendir(path.c_str()));
  if (!directory) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return Status::Ok();
    return FileError(errno, "listing", path);
  }
  const size_t keep = limit_ + 1;
  const auto by_name = [](const Entry& a, const Entry& b) { return a.name < b.name; };
  errno = 0;
  // The stream belongs to this call alone, and readdir is safe on distinct streams (POSIX.1-2024).
  while (const dirent* found = readdir(directory.get())) {  // NOLINT(concurrency-mt-unsafe)
    const std::string_view name = found->d_name;
    if (name == "." || name == ".." || IsTemporaryName(name)) continue;
    if (key_prefix.empty() && name == kUploadsDirectory) continue;
    Entry entry;
    entry.name = name;
    // Before the costly look at it; which of the two names it is, only that look tells.
    if (!Matters(key_prefix + entry.name + "/") && !Matters(key_prefix + entry.name)) continue;
    bool exists = false;
    MB_RETURN_IF_ERROR(Describe(dirfd(directory.get()), key_prefix, &entry, &exists));
    if (!exists || entry.name <= after_entry || !Matters(key_prefix + entry.name)) continue;
    entries->push_back(std::move(entry));
    std::push_heap(entries->begin(), entries->end(), by_name);
    if (entries->size() > keep) {
      std::pop_heap(entries->begin(), entries->end(), by_name);
      entries->pop_back();
      *more = true;
    }
    errno = 0;
  }
  if (errno != 0) return FileError(errno, "listing", path);
  std::sort_heap(entries->begin(), entries->end(), by_name);
  return Status::Ok();
}

Result<bool> Walk::HasKeys(const std::string& key_prefix) {
  ListRequest request;
  request.prefix = key_prefix;
  request.max_keys = 1;
  request.links_as_objects = true;
  const Result<ListPage> page = Walk(ctx_, root_, request).Run();
  if (page.status().code() == Code::kPermissionDenied) return true;
  if (!page.ok()) return page.status();
  return !page->objects.empty();
}

Status Walk::VisitEntry(const std::string& key_prefix, Entry& entry) {
  std::string name = key_prefix + entry.name;
  const bool grouped =
      entry.is_directory && request_.delimiter == "/" && name.size() > request_.prefix.size();
  if (entry.is_directory && !grouped) {
    return entry.is_link ? LinkError(root_ + "/" + name) : Visit(name);
  }
  if (grouped && name <= after_) return Status::Ok();
  if (grouped && !entry.is_link) {
    MB_ASSIGN_OR_RETURN(const bool has_keys, HasKeys(name));
    if (!has_keys) return Status::Ok();
  }
  if (full()) {
    more_ = true;
    return Status::Ok();
  }
  last_ = name;
  if (entry.is_special) {
    page_.passed_over.push_back(std::move(name));
  } else if (grouped) {
    page_.prefixes.push_back(std::move(name));
  } else {
    page_.objects.push_back(
        {std::move(name), entry.size, std::move(entry.etag), entry.modified, std::nullopt});
  }
  return Status::Ok();
}

Status Walk::Visit(const std::string& key_prefix) {
  std::string after_entry;
  for (bool more = true; more && !more_;) {
    MB_RETURN_IF_ERROR(ctx_.Check());
    more = false;
    std::vector<Entry> entries;
    MB_RETURN_IF_ERROR(ReadEntries(key_prefix, after_entry, &more, &entries));
    for (Entry& entry : entries) {
      MB_RETURN_IF_ERROR(VisitEntry(key_prefix, entry));
      if (more_) return Status::Ok();
    }
    if (more) after_entry = entries.back().name;
  }
  return Status::Ok();
}

Result<ListPage> Walk::Run() {
  if (!request_.delimiter.empty() && request_.delimiter != "/") {
    return InvalidArgumentError("local storage knows the delimiter / only");
  }
  const std::string start = request_.prefix.substr(0, request_.prefix.rfind('/') + 1);
  if (!start.empty()) {
    MB_RETURN_IF_ERROR(CheckLocalKey(start.substr(0, start.size() - 1)));
  }
  MB_RETURN_IF_ERROR(Visit(start));
  if (more_) page_.next_token = last_;
  return std::move(page_);
}

}  // namespace

Result<ListPage> ListLocal(const CallContext& ctx, const std::string& root,
                           const ListRequest& request) {
  return Walk(ctx, root, request).Run();
}

}  // namespace milvus_backup::storage
