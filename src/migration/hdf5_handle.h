/// What reading and writing HDF5 files have in common. libhdf5 is called by one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace milvus_backup::migration {

/// An object of libhdf5, closed at the end of its life.
class Hdf5Handle {
 public:
  /// hid_t and herr_t, without the header.
  using Id = int64_t;
  using Close = int (*)(Id);

  Hdf5Handle() = default;
  Hdf5Handle(Id id, Close close) : id_(id), close_(close) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept
      : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    if (this != &other) {
      Reset();
      id_ = std::exchange(other.id_, -1);
      close_ = other.close_;
    }
    return *this;
  }
  Hdf5Handle(const Hdf5Handle&) = delete;
  Hdf5Handle& operator=(const Hdf5Handle&) = delete;
  ~Hdf5Handle() { Reset(); }

  bool ok() const { return id_ >= 0; }
  Id id() const { return id_; }
  /// Close it now; false when that fails, which for a file means that it was not written.
  bool Reset() {
    const Id id = std::exchange(id_, -1);
    return id < 0 || close_(id) >= 0;
  }

 private:
  Id id_ = -1;
  Close close_ = nullptr;
};

/// Before every group of calls: errors are told by what is returned, not printed, and no code is
/// loaded from plugin directories because a file asks for it.
void QuietHdf5();

/// What libhdf5 said last, innermost first.
std::string LastHdf5Error();

}  // namespace milvus_backup::migration
