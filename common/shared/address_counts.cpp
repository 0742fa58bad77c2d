#include "common/shared/address_counts.h"

#include <algorithm>
#include <string_view>

namespace baton {

AddressKey AddressCounts::key_of(const Peer& peer) const {
  if (peer.kind == Peer::Kind::kUnix) return kNone;
  const std::size_t bytes = peer.kind == Peer::Kind::kIpv6 ? 8 : peer.ip.size();
  const std::string_view text(reinterpret_cast<const char*>(peer.ip.data()), bytes);
  const auto hash = static_cast<AddressKey>(siphash(key, text));
  return hash != kNone ? hash : 1;
}

std::uint32_t AddressCounts::add(AddressKey address) {
  if (address == kNone) return 1;
  const std::uint32_t one = counters[first_row(address)].fetch_add(1, std::memory_order_relaxed);
  const std::uint32_t two = counters[second_row(address)].fetch_add(1, std::memory_order_relaxed);
  // A death may have left a counter below 0, until the audit finds it.
  const std::int32_t before = std::min(static_cast<std::int32_t>(one), static_cast<std::int32_t>(two));
  return static_cast<std::uint32_t>(std::max(0, before)) + 1;
}

void AddressCounts::remove(AddressKey address) {
  if (address == kNone) return;
  counters[first_row(address)].fetch_sub(1, std::memory_order_relaxed);
  counters[second_row(address)].fetch_sub(1, std::memory_order_relaxed);
}

void AddressAudit::begin() {
  found_.assign(std::size(counts_.counters), 0);
  drifts_.resize(found_.size());
}

void AddressAudit::count(AddressKey address) {
  if (address == AddressCounts::kNone) return;
  ++found_[AddressCounts::first_row(address)];
  ++found_[AddressCounts::second_row(address)];
}

void AddressAudit::end() {
  const bool first = looks_ == 0;
  looks_ = (looks_ + 1) % kLooks;
  for (std::size_t i = 0; i < found_.size(); ++i) {
    std::atomic<std::uint32_t>& counter = counts_.counters[i];
    const auto drift = static_cast<std::int32_t>(counter.load(std::memory_order_relaxed) - found_[i]);
    Drift& seen = drifts_[i];
    seen.least = first ? drift : std::min(seen.least, drift);
    seen.most = first ? drift : std::max(seen.most, drift);
    if (looks_ != 0) continue;
    const std::int32_t wrong = seen.least > 0 ? seen.least : std::min(seen.most, 0);
    if (wrong != 0) counter.fetch_sub(static_cast<std::uint32_t>(wrong), std::memory_order_relaxed);
  }
}

}  // namespace baton
