#include "common/shared/spool_budget.h"

#include <algorithm>

#include "common/base/crash_point.h"

namespace baton {

namespace {

constexpr std::uint32_t kOnDisk = std::uint32_t{1} << 31;
constexpr std::uint64_t kMostPages = kOnDisk - 1;

std::int64_t pages(std::uint32_t charge, std::uint32_t medium) {
  return (charge & kOnDisk) == medium ? static_cast<std::int64_t>(charge & ~kOnDisk) : 0;
}

// Wraps instead of overflowing, whatever a stray write has left in the ledger.
std::int64_t sum_of(const std::atomic<std::int64_t>& ledger, std::int64_t more) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(ledger.load(std::memory_order_relaxed)) +
                                   static_cast<std::uint64_t>(more));
}

// Makes the noted change. Sequentially consistent, so other processes see it before this one looks at
// theirs: see charge().
void apply(SpoolLedger& ledger, std::span<std::uint32_t> charges) {
  // Read once: the master does this for a dead worker, and another worker that has gone wrong may be
  // writing there.
  const std::int32_t fd = std::atomic_ref(ledger.fd).load(std::memory_order_relaxed);
  if (fd >= 0 && static_cast<std::size_t>(fd) < charges.size())
    charges[static_cast<std::size_t>(fd)] = ledger.charge;
  ledger.memory.store(ledger.memory_after, std::memory_order_seq_cst);
  ledger.disk.store(ledger.disk_after, std::memory_order_seq_cst);
}

}  // namespace

void SpoolBudget::change(int fd, std::uint32_t charge) const {
  SpoolLedger& ledger = ledgers_[own_];
  const std::uint32_t before = charges_[static_cast<std::size_t>(fd)];
  ledger.fd = fd;
  ledger.charge = charge;
  ledger.memory_after = sum_of(ledger.memory, pages(charge, 0) - pages(before, 0));
  ledger.disk_after = sum_of(ledger.disk, pages(charge, kOnDisk) - pages(before, kOnDisk));
  ledger.pending.store(1, std::memory_order_release);
  crash_point("charge-noted");
  std::atomic_signal_fence(std::memory_order_seq_cst);
  apply(ledger, charges_);
  crash_point("charge-made");
  ledger.pending.store(0, std::memory_order_release);
}

// Takes first and looks second. If two processes take the last room at once, each sees the other's charge.
bool SpoolBudget::charge(int fd, SpoolMedium medium, std::uint64_t bytes) const {
  if (!counts(fd)) return true;
  const bool disk = medium == SpoolMedium::kDisk;
  const auto wanted = static_cast<std::uint32_t>(std::min((bytes + kPageBytes - 1) / kPageBytes, kMostPages) |
                                                 (disk ? kOnDisk : 0));
  const std::uint32_t before = charges_[static_cast<std::size_t>(fd)];
  if (wanted == before) return true;
  change(fd, wanted);
  const bool more = pages(wanted, disk ? kOnDisk : 0) > pages(before, disk ? kOnDisk : 0);
  const std::uint64_t limit = (disk ? limits_->disk : limits_->memory).load(std::memory_order_relaxed);
  if (!more || sum(disk ? &SpoolLedger::disk : &SpoolLedger::memory) <= limit) return true;
  change(fd, before);
  return false;
}

void SpoolBudget::charge_like(int fd, int first) const {
  if (!counts(fd) || !counts(first) || charges_[static_cast<std::size_t>(first)] == 0) return;
  change(fd, charges_[static_cast<std::size_t>(first)]);
}

void SpoolBudget::give_back(int fd) const {
  if (counts(fd) && charges_[static_cast<std::size_t>(fd)] != 0) change(fd, 0);
}

std::optional<SpoolMedium> SpoolBudget::medium_of(int fd) const {
  const std::uint32_t charge = counts(fd) ? charges_[static_cast<std::size_t>(fd)] : 0;
  if (charge == 0) return std::nullopt;
  return (charge & kOnDisk) != 0 ? SpoolMedium::kDisk : SpoolMedium::kMemory;
}

void SpoolBudget::settle() const {
  if (own_ >= ledgers_.size()) return;
  SpoolLedger& ledger = ledgers_[own_];
  if (ledger.pending.load(std::memory_order_acquire) != 0) apply(ledger, charges_);
  ledger.pending.store(0, std::memory_order_release);
}

std::uint64_t SpoolBudget::sum(std::atomic<std::int64_t> SpoolLedger::*member) const {
  // Unsigned, so the negative ledgers are added by wrapping.
  std::uint64_t all = 0;
  for (const SpoolLedger& ledger : ledgers_)
    all += static_cast<std::uint64_t>((ledger.*member).load(std::memory_order_seq_cst));
  return static_cast<std::int64_t>(all) < 0 ? 0 : all;
}

SpoolBudget::Use SpoolBudget::use() const {
  if (limits_ == nullptr) return {};
  return {sum(&SpoolLedger::memory) * kPageBytes, sum(&SpoolLedger::disk) * kPageBytes,
          limits_->memory.load(std::memory_order_relaxed) * kPageBytes,
          limits_->disk.load(std::memory_order_relaxed) * kPageBytes};
}

}  // namespace baton
