#include "common/dict/shared_dict.h"

#include <charconv>
#include <limits>
#include <optional>

#include "common/shared/scoreboard.h"

namespace baton {

namespace {

constexpr int kMostTries = 3;
// How many expired entries a call drops by the way. More than one, because each call can add one: so they
// do not pile up.
constexpr int kSweptByTheWay = 4;

std::uint64_t expiry(std::uint64_t now_ns, std::uint64_t ttl_ms) {
  constexpr std::uint64_t kNsPerMs = 1'000'000;
  if (ttl_ms == 0 || ttl_ms > (std::numeric_limits<std::uint64_t>::max() - now_ns) / kNsPerMs) return 0;
  return now_ns + ttl_ms * kNsPerMs;
}

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

}  // namespace

// The critical section. What a dead owner left is repaired before the mutex is marked consistent: if the
// repairer dies in between, the next owner repairs.
class SharedDict::Lock {
 public:
  explicit Lock(SharedDict& dict) : dict_(dict), mutex_(dict.memory_.mutex()) {
    const bool orphaned = mutex_.lock() == RobustMutex::Taken::kOwnerDied;
    dict_.memory_.forget_damage();
    dict_.done_ = false;
    if (!orphaned) return;
    if (const std::uint64_t lost = dict_.memory_.rebuild(false); lost != 0) {
      bump(dict_.counters_.damages);
      bump(dict_.counters_.lost, lost);
    }
    bump(dict_.counters_.repairs);
    dict_.show();
    mutex_.mark_consistent();
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() { mutex_.unlock(); }

 private:
  SharedDict& dict_;
  RobustMutex& mutex_;
};

SharedDict::SharedDict(void* memory, DictCounters& counters, Clock clock)
    : memory_(memory), counters_(counters), clock_(clock) {}

// -- calls

SharedDict::Status SharedDict::get(std::string_view key, std::string& value) {
  if (key.size() > kMaxKeyBytes) return Status::kNotFound;
  const std::uint32_t hash = memory_.hash(key);
  return run([&] {
    const CellIndex entry = lookup(key, hash, clock_());
    if (entry != 0) {
      memory_.touch(entry);
      memory_.copy_value(entry, value);
    }
    if (!memory_.damaged()) bump(entry != 0 ? counters_.hits : counters_.misses);
    return entry != 0 ? Status::kOk : Status::kNotFound;
  });
}

SharedDict::Status SharedDict::set(std::string_view key, std::string_view value, std::uint64_t ttl_ms) {
  if (!memory_.can_hold(key.size(), value.size())) return Status::kTooLarge;
  const std::uint32_t hash = memory_.hash(key);
  return run([&] {
    const std::uint64_t now = clock_();
    return store(key, value, expiry(now, ttl_ms), hash, now, lookup(key, hash, now));
  });
}

SharedDict::Status SharedDict::add(std::string_view key, std::string_view value, std::uint64_t ttl_ms) {
  if (!memory_.can_hold(key.size(), value.size())) return Status::kTooLarge;
  const std::uint32_t hash = memory_.hash(key);
  return run([&] {
    const std::uint64_t now = clock_();
    const CellIndex old = lookup(key, hash, now);
    if (old == 0) return store(key, value, expiry(now, ttl_ms), hash, now, 0);
    memory_.touch(old);
    return Status::kExists;
  });
}

SharedDict::Status SharedDict::increment(std::string_view key, std::int64_t delta, std::int64_t initial,
                                         std::uint64_t ttl_ms, std::int64_t* result) {
  constexpr std::size_t kMostDigits = std::numeric_limits<std::int64_t>::digits10 + 2;
  if (!memory_.can_hold(key.size(), kMostDigits)) return Status::kTooLarge;
  const std::uint32_t hash = memory_.hash(key);
  return run([&] {
    const std::uint64_t now = clock_();
    const CellIndex old = lookup(key, hash, now);
    std::optional<std::int64_t> before = initial;
    std::uint64_t expires = expiry(now, ttl_ms);
    if (old != 0) {
      memory_.touch(old);
      before.reset();
      if (memory_.value_bytes(old) <= kMostDigits) {
        std::string text;
        memory_.copy_value(old, text);
        before = number_of(text);
      }
      expires = memory_.expires_ns(old);
    }
    std::int64_t sum = 0;
    if (!before || __builtin_add_overflow(*before, delta, &sum)) return Status::kNotANumber;
    const Status status = store(key, std::to_string(sum), expires, hash, now, old);
    if (done_ && result != nullptr) *result = sum;
    return status;
  });
}

SharedDict::Status SharedDict::compare_and_swap(std::string_view key, std::string_view expected,
                                                std::string_view value, std::uint64_t ttl_ms) {
  if (!memory_.can_hold(key.size(), value.size())) return Status::kTooLarge;
  const std::uint32_t hash = memory_.hash(key);
  return run([&] {
    const std::uint64_t now = clock_();
    const CellIndex old = lookup(key, hash, now);
    if (old == 0) return Status::kNotFound;
    memory_.touch(old);
    if (!memory_.value_is(old, expected)) return Status::kMismatch;
    return store(key, value, expiry(now, ttl_ms), hash, now, old);
  });
}

SharedDict::Status SharedDict::remove(std::string_view key) {
  if (key.size() > kMaxKeyBytes) return Status::kNotFound;
  const std::uint32_t hash = memory_.hash(key);
  return run([&] {
    const CellIndex entry = lookup(key, hash, clock_());
    if (entry == 0) return Status::kNotFound;
    if (memory_.damaged()) return Status::kOk;
    done_ = true;
    drop(entry);
    return Status::kOk;
  });
}

void SharedDict::clear() {
  run([&] {
    memory_.clear();
    done_ = !memory_.damaged();
    return Status::kOk;
  });
}

// -- one call

// A call that meets damage has had no effect yet, unless `done_` is set. It begins again after the repair.
template <typename Work>
SharedDict::Status SharedDict::run(Work work) {
  const Lock lock(*this);
  Status status = work();
  for (int tries = 1; memory_.damaged() && tries < kMostTries; ++tries) {
    put_right(tries == kMostTries - 1);
    if (done_) break;
    status = work();
  }
  show();
  return status;
}

void SharedDict::put_right(bool give_up) {
  const std::uint64_t before = counters_.entries.load(std::memory_order_relaxed);
  memory_.rebuild(true);
  if (give_up || memory_.damaged()) {
    memory_.forget_damage();
    memory_.clear();
  }
  bump(counters_.damages);
  if (before > memory_.entries()) bump(counters_.lost, before - memory_.entries());
  show();
}

void SharedDict::show() {
  counters_.entries.store(memory_.entries(), std::memory_order_relaxed);
  counters_.bytes_used.store(memory_.bytes_used(), std::memory_order_relaxed);
}

// -- entries

bool SharedDict::expired(CellIndex entry, std::uint64_t now_ns) {
  const std::uint64_t at = memory_.expires_ns(entry);
  return at != 0 && at <= now_ns;
}

CellIndex SharedDict::lookup(std::string_view key, std::uint32_t hash, std::uint64_t now_ns) {
  const CellIndex entry = memory_.find(key, hash);
  if (entry == 0 || !expired(entry, now_ns)) return entry;
  drop(entry);
  bump(counters_.expired);
  return 0;
}

void SharedDict::drop(CellIndex entry) {
  memory_.withdraw(entry);
  memory_.delist(entry);
}

// The new entry is written while the old one exists, so at every instant exactly one counts: the newer,
// while both exist. The old one was just used, so it is not evicted: half of the dictionary is enough for
// the new one.
SharedDict::Status SharedDict::store(std::string_view key, std::string_view value, std::uint64_t expires_ns,
                                     std::uint32_t hash, std::uint64_t now_ns, CellIndex old) {
  if (old != 0) memory_.touch(old);
  make_room(DictMemory::cells_of(key.size() + value.size()), now_ns);
  if (memory_.damaged()) return Status::kOk;
  const CellIndex entry = memory_.make(key, value, expires_ns, hash);
  if (memory_.damaged()) return Status::kOk;
  memory_.publish(entry);
  done_ = true;
  memory_.enlist(entry);
  if (old != 0) drop(old);
  return Status::kOk;
}

void SharedDict::make_room(std::uint32_t cells, std::uint64_t now_ns) {
  for (int swept = 0; swept < kSweptByTheWay || memory_.free_cells() < cells; ++swept) {
    const CellIndex soonest = memory_.soonest();
    if (soonest == 0 || !expired(soonest, now_ns) || memory_.damaged()) break;
    drop(soonest);
    bump(counters_.expired);
  }
  while (memory_.free_cells() < cells && !memory_.damaged()) {
    drop(memory_.oldest());
    bump(counters_.evictions);
  }
}

}  // namespace baton
