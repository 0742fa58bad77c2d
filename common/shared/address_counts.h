// How many connections each client address has, over all workers: limits.connections_per_address is the
// limit. A part of the segment.
//
// There is no table of addresses. Each address has two counters, found by a keyed hash that nobody outside
// can predict, and its number of connections is the smaller counter. That is never too low. It is too high
// only while other addresses share both counters: beside 10,000 connections from as many addresses, one
// address in 40 is seen with one connection more than it has, and one in 10,000 with two.
//
// A worker counts an address before it opens the slot, and takes it off after the slot is free. A death in
// between leaves a count that is off by one, which the master's sweep finds and corrects (AddressAudit).
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/address.h"
#include "common/base/siphash.h"

namespace baton {

// Names the two counters of an address, one in each row. kNone: not counted (a Unix socket).
using AddressKey = std::uint32_t;

struct AddressCounts {
  static constexpr AddressKey kNone = 0;
  static constexpr std::size_t kRow = 1U << 16;

  SipKey key;  // written by the master, before the first clone
  std::atomic<std::uint32_t> counters[2 * kRow] = {};

  // An IPv4 address counts by itself, an IPv6 address by its first 64 bits: a network has all addresses
  // below such a prefix, so a client may use any of them.
  [[nodiscard]] AddressKey key_of(const Peer& peer) const;

  // Adds a connection and returns how many there are with it. For kNone it returns 1.
  std::uint32_t add(AddressKey address);
  // Takes a connection off.
  void remove(AddressKey address);

  [[nodiscard]] static std::size_t first_row(AddressKey address) { return address % kRow; }
  [[nodiscard]] static std::size_t second_row(AddressKey address) { return kRow + address / kRow; }
};

// The master compares the counters with the slots, now and then, and corrects what stays wrong.
class AddressAudit {
 public:
  explicit AddressAudit(AddressCounts& counts) : counts_(counts) {}

  // One look: begin(), then count() for the address of each connection, then end(). The workers go on
  // meanwhile, so a counter may differ for a moment. It is corrected by the difference that all of kLooks
  // looks in a row have shown.
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
