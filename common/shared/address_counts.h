// How many connections each client address has, all workers together: what limits.connections_per_address is
// held against. A part of the segment.
//
// There is no table of addresses. Each has two counters, found by a keyed hash that nobody outside can
// foresee, and has as many connections as the smaller one says. That is never too few. It is too many only
// while others share both counters with it: beside 10,000 connections of as many addresses, one address in 40
// is seen with one connection more than it has, and one in 10,000 with two.
//
// Workers count an address before a slot is opened for it, and after the slot is free: a death in between
// leaves a count that is off by one, which the master's sweep finds and takes back (AddressAudit).
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/address.h"
#include "common/base/siphash.h"

namespace baton {

// Names the two counters of an address: the numbers of one in either row. kNone: not counted (a Unix socket).
using AddressKey = std::uint32_t;

struct AddressCounts {
  static constexpr AddressKey kNone = 0;
  static constexpr std::size_t kRow = 1U << 16;

  SipKey key;  // by the master, before the first clone
  std::atomic<std::uint32_t> counters[2 * kRow] = {};

  // IPv4 by the address, IPv6 by its first 64 bits: a network has that many, and whoever has one has them
  // all.
  [[nodiscard]] AddressKey key_of(const Peer& peer) const;

  // One connection more; returns how many there are with it. Of kNone there is always one.
  std::uint32_t add(AddressKey address);
  // One less.
  void remove(AddressKey address);

  [[nodiscard]] static std::size_t first_row(AddressKey address) { return address % kRow; }
  [[nodiscard]] static std::size_t second_row(AddressKey address) { return kRow + address / kRow; }
};

// The master's: compares the counters with the slots, now and then, and corrects what stays wrong.
class AddressAudit {
 public:
  explicit AddressAudit(AddressCounts& counts) : counts_(counts) {}

  // One look: begin(), count() for the address of each connection there is, end(). Workers go on meanwhile,
  // so a counter may differ for a moment; it is corrected by what it has differed by in each of kLooks looks
  // in a row.
  void begin();
  void count(AddressKey address);
  void end();

  static constexpr int kLooks = 5;

 private:
  struct Drift {
    std::int32_t least = 0, most = 0;  // since the last correction
  };

  AddressCounts& counts_;
  std::vector<std::uint32_t> found_;
  std::vector<Drift> drifts_;
  int looks_ = 0;
};

}  // namespace baton
