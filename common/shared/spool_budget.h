// How much memory and disk all spooled bodies and responses together may take, counted over all processes.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

namespace baton {

enum class SpoolMedium : std::uint8_t { kMemory, kDisk };

// In pages of 4 KiB. The master writes them at the start and at a reload.
struct SpoolLimits {
  std::atomic<std::uint64_t> memory{0};
  std::atomic<std::uint64_t> disk{0};
};

// What one process has taken of the budget less what it has given back, in pages. It is negative where
// other processes took what this one closed. The process writes it, and after its death the master; its
// successor under the same number goes on with it. The sum over all ledgers is what is in use.
struct alignas(64) SpoolLedger {
  std::atomic<std::int64_t> memory{0};
  std::atomic<std::int64_t> disk{0};
  // The change in progress, noted before it is made. 1: the four members below describe a change to make.
  std::atomic<std::uint32_t> pending{0};
  std::int32_t fd = -1;
  std::uint32_t charge = 0;
  std::int64_t memory_after = 0;
  std::int64_t disk_after = 0;
};

// A view for one process. What a file costs stands at its descriptor's number, and the owner of the file
// changes it: it charges before it writes bytes, and gives back before it closes the file. So the process
// that finds and closes a file of a dead worker gives its charge back, too. A change is two stores, the
// file's charge and the ledger; if a death comes between them, settle() makes both.
//
// Copyable; owns nothing. Without a segment it counts nothing and refuses nothing.
class SpoolBudget {
 public:
  static constexpr std::uint64_t kPageBytes = 4'096;

  SpoolBudget() = default;
  SpoolBudget(const SpoolLimits& limits, std::span<SpoolLedger> ledgers, std::size_t own,
              std::span<std::uint32_t> charges)
      : limits_(&limits), ledgers_(ledgers), own_(own), charges_(charges) {}

  // Makes `bytes` the file's whole charge. False: the budget has less room, and nothing has changed. Of two
  // processes that ask for the last room at the same time, both may be refused, but never are both granted.
  [[nodiscard]] bool charge(int fd, SpoolMedium medium, std::uint64_t bytes) const;
  // Charges a second descriptor of a file like the first, whatever the limit, because the first is about to
  // be closed.
  void charge_like(int fd, int first) const;
  void give_back(int fd) const;
  // The medium of a charged file; nothing for a file without a charge.
  [[nodiscard]] std::optional<SpoolMedium> medium_of(int fd) const;

  // Completes the change that the ledger's process was making when it died.
  void settle() const;

  struct Use {
    std::uint64_t memory = 0;  // in bytes, like the others
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
