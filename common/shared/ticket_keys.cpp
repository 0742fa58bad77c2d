#include "common/shared/ticket_keys.h"

#include <string.h>  // explicit_bzero() of glibc
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace baton {

namespace {

TicketKeySet random_set() {
  TicketKeySet set;
  ssize_t n = 0;
  // A request of up to 256 bytes is answered whole once the kernel's generator is ready.
  static_assert(sizeof set <= 256);
  do n = ::getrandom(&set, sizeof set, 0);
  while (n < 0 && errno == EINTR);
  if (n != ssize_t{sizeof set}) {
    throw std::runtime_error("cannot make keys for session tickets: getrandom: " +
                             std::generic_category().message(errno));
  }
  return set;
}

}  // namespace

void TicketKeys::make() {
  for (TicketKeySet& set : sets_) set = random_set();
  generation_.store(1, std::memory_order_release);
}

void TicketKeys::rotate() {
  const std::uint64_t now = generation_.load(std::memory_order_relaxed);
  TicketKeySet set = random_set();
  place(now + 2) = set;
  ::explicit_bzero(&set, sizeof set);
  generation_.store(now + 1, std::memory_order_release);
}

bool TicketKeys::intact(std::uint64_t generation) const {
  // The copy is made before this load. If it has bytes of set generation + 4 or later, this sees what was published
  // before they were written: generation + 2 at least.
  std::atomic_thread_fence(std::memory_order_acquire);
  const std::uint64_t now = generation_.load(std::memory_order_relaxed);
  return generation == now || generation + 1 == now;
}

TicketKeys::Found TicketKeys::current(std::uint64_t generation) const {
  for (;;) {
    const Found found{place(generation), true};
    if (intact(generation)) return found;
    generation = this->generation();
  }
}

std::optional<TicketKeys::Found> TicketKeys::find(std::uint64_t generation,
                                                  std::span<const std::uint8_t, 16> name) const {
  for (;;) {
    std::optional<Found> found;
    for (const std::uint64_t n : {generation, generation - 1, generation + 1}) {
      const Found copy{place(n), n == generation};
      if (!found && std::equal(name.begin(), name.end(), copy.set.name)) found = copy;
    }
    if (intact(generation)) return found;
    generation = this->generation();
  }
}

}  // namespace baton
