// How much memory and disk all spooled bodies and responses together may take, counted over all processes.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

namespace baton {

enum class SpoolMedium : std::uint8_t { kMemory, kDisk };

// Pages of 4 KiB. By the master, at the start and with a reload.
struct SpoolLimits {
  std::atomic<std::uint64_t> memory{0};
  std::atomic<std::uint64_t> disk{0};
};

// What one process has taken of the budget, less what it has given back: pages, negative where others took
// what it closed. Written by that process, and after its death by the master; its successor under the same
// number goes on with it. The sum over all ledgers is what is in use.
struct alignas(64) SpoolLedger {
  std::atomic<std::int64_t> memory{0};
  std::atomic<std::int64_t> disk{0};
  // The change that is being made, noted before it is: 1 while the four below are to come true.
  std::atomic<std::uint32_t> pending{0};
  std::int32_t fd = -1;
  std::uint32_t charge = 0;
  std::int64_t memory_after = 0;
  std::int64_t disk_after = 0;
};

// A view for one process. What a file costs stands at its descriptor's number, and is changed by whoever owns
// the file: charged before bytes are written, given back before it is closed. So whoever finds and closes
// what a dead worker left open gives its charge back, too. The two stores of a change, the file's charge and
// the ledger, are made by settle() where a death has come between them.
//
// Copyable; owns nothing. Without a segment nothing is counted and nothing refused.
class SpoolBudget {
 public:
  static constexpr std::uint64_t kPageBytes = 4'096;

  SpoolBudget() = default;
  SpoolBudget(const SpoolLimits& limits, std::span<SpoolLedger> ledgers, std::size_t own,
              std::span<std::uint32_t> charges)
      : limits_(&limits), ledgers_(ledgers), own_(own), charges_(charges) {}

  // Has the file charged for `bytes` in all. False: more than there is, and nothing has changed. Two
  // processes that ask for the last of it at the same time may both be refused; never do both get it.
  [[nodiscard]] bool charge(int fd, SpoolMedium medium, std::uint64_t bytes) const;
  // Charges a second descriptor of a file like the first, limit or not: that one is about to be closed.
  void charge_like(int fd, int first) const;
  void give_back(int fd) const;
  // Where a charged file is; nothing of one that costs nothing.
  [[nodiscard]] std::optional<SpoolMedium> medium_of(int fd) const;

  // Ends what the ledger's process was in the middle of when it died.
  void settle() const;

  struct Use {
    std::uint64_t memory = 0;  // bytes, of limit
    std::uint64_t disk = 0;
    std::uint64_t memory_limit = 0;
    std::uint64_t disk_limit = 0;
  };
  [[nodiscard]] Use use() const;

 private:
  [[nodiscard]] bool counts(int fd) const {
    return fd >= 0 && static_cast<std::size_t>(fd) < charges_.size() && own_ < ledgers_.size();
  }
  void change(int fd, std::uint32_t charge) const;
  [[nodiscard]] std::uint64_t sum(std::atomic<std::int64_t> SpoolLedger::*pages) const;

  const SpoolLimits* limits_ = nullptr;
  std::span<SpoolLedger> ledgers_;
  std::size_t own_ = 0;
  std::span<std::uint32_t> charges_;  // by descriptor: pages, and kOnDisk
};

}  // namespace baton
