// The keys of session tickets (RFC 5077, RFC 8446 4.6.1), in shared memory: a session is resumed by any process, also
// after a reload or an upgrade.
//
// Generation n encrypts with set n and decrypts with the sets n - 1 (previous), n (current) and n + 1 (next). Set n is
// at place n % 5. rotate() makes set n + 2 where set n - 3 was, and then publishes n + 1 by one store. So a set stays
// readable for a whole generation after it left use: a handshake that goes by the generation in which it began
// never reads a set that is being written.
//
// Thread and process safety: only the master calls make() and rotate(). Any process calls the others at any time.
// What a process that has gone wrong writes here breaks resumption, and nothing else: a set is never an index.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

namespace baton {

// How long a session may be resumed. The master rotates as often. So a ticket's key lives at least as long as it does.
constexpr std::int64_t kTicketLifetimeSeconds = std::int64_t{12} * 3'600;

struct TicketKeySet {
  std::uint8_t name[16];
  std::uint8_t aes[32];
  std::uint8_t hmac[32];
};

class TicketKeys {
 public:
  // New keys. Throws std::runtime_error if the kernel gives no random bytes.
  void make();

  // The next set becomes the current one. Throws as make() does, and then nothing has changed.
  void rotate();

  // At least 1 after make().
  [[nodiscard]] std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  // A copy of a set, and whether it is the one that its generation encrypts with.
  struct Found {
    TicketKeySet set;
    bool current = false;
  };

  // The set that `generation` encrypts with. Where that generation is over for a whole rotation or longer, the
  // set that the latest generation encrypts with.
  [[nodiscard]] Found current(std::uint64_t generation) const;

  // The set of this name among those that `generation` decrypts with, or the latest generation as above.
  [[nodiscard]] std::optional<Found> find(std::uint64_t generation,
                                          std::span<const std::uint8_t, 16> name) const;

 private:
  static constexpr std::size_t kPlaces = 5;

  [[nodiscard]] TicketKeySet& place(std::uint64_t n) { return sets_[n % kPlaces]; }
  [[nodiscard]] const TicketKeySet& place(std::uint64_t n) const { return sets_[n % kPlaces]; }
  // Whether all sets of `generation` still are, or were until now, what they were during it.
  [[nodiscard]] bool intact(std::uint64_t generation) const;

  std::atomic<std::uint64_t> generation_{0};
  TicketKeySet sets_[kPlaces] = {};
};

}  // namespace baton
