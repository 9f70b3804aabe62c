/// A bound on how many threads do something at once.
#pragma once

#include <cstddef>
#include <semaphore>

namespace milvus_backup::backup {

/// Thread-safe.
class Seats {
 public:
  explicit Seats(size_t count) : free_(static_cast<std::ptrdiff_t>(count)) {}

  /// Holds a seat for as long as it lives.
  class Seat {
   public:
    explicit Seat(Seats& seats) : seats_(seats) { seats_.free_.acquire(); }
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    ~Seat() { seats_.free_.release(); }

   private:
    Seats& seats_;
  };

  /// Gives the seat of its thread to others for as long as it lives.
  class Standing {
   public:
    explicit Standing(Seats& seats) : seats_(seats) { seats_.free_.release(); }
    Standing(const Standing&) = delete;
    Standing& operator=(const Standing&) = delete;
    ~Standing() { seats_.free_.acquire(); }

   private:
    Seats& seats_;
  };

 private:
  std::counting_semaphore<> free_;
};

}  // namespace milvus_backup::backup
