#include "common/shared/connection_table.h"

#include <algorithm>

#include "common/shared/tls_table.h"

namespace baton {

namespace {

// Stores as much as fits; returns how many bytes that is.
std::uint16_t store_text(ResponseNote& note, std::size_t& used, std::string_view text, std::size_t most) {
  const std::size_t length = std::min({text.size(), most, sizeof note.text - used});
  std::copy_n(text.data(), length, note.text + used);
  used += length;
  return static_cast<std::uint16_t>(length);
}

void reset(Slot& slot) {
  slot.deadline.store(0, std::memory_order_relaxed);
  slot.verdict.store(Verdict::kNone, std::memory_order_relaxed);
  slot.deadline_kind = Deadline::kNone;
  slot.phase = Phase::kHead;
  slot.flags = 0;
  slot.bytes_in = slot.bytes_out = 0;
  slot.requests = slot.request_bytes = slot.batch_offset = 0;
  slot.socket = SocketKind::kTcp;
  slot.response_bytes = 0;
  slot.script_fd = slot.body_fd = slot.spool_fd = -1;
  slot.body = {};
  slot.peeked = slot.spool_bytes = 0;
  slot.crashes = slot.kills = slot.chunked = 0;
  slot.missed.store(0, std::memory_order_relaxed);
  slot.queued = 0;
  slot.accepted = slot.linger_end = 0;
  slot.address = 0;
}

}  // namespace

void ResponseNote::set_text(std::string_view request_line, std::string_view referer, std::string_view agent) {
  std::size_t used = 0;
  request_length = store_text(*this, used, request_line, 240);
  referer_length = store_text(*this, used, referer, 72);
  agent_length = store_text(*this, used, agent, sizeof text);
}

Claim ConnectionTable::open(int fd, Holder holder, SlotRole role) const {
  Slot& slot = at(fd);
  Claim claim = Claim::unpack(slot.claim.load(std::memory_order_acquire));
  claim = {claim.generation + 1, holder, SlotState::kHeld, role};
  // reset() comes first: nobody looks into a FREE slot, so a death in the middle leaves only a descriptor,
  // which the sweep reclaims. In the other order recovery would find a HELD slot with the last connection's
  // phase, parked response and descriptor numbers, and would send one client what was meant for another.
  reset(slot);
  if (role == SlotRole::kHandshake) {
    TlsState& state = TlsTable::at(fd);
    const std::uint8_t keyholder = state.keyholder;  // whoever accepts says which set is meant
    baton::reset(state);
    state.keyholder = keyholder;
    slot.socket = SocketKind::kTls;
    slot.phase = Phase::kHandshake;
  }
  slot.claim.store(claim.pack(), std::memory_order_release);
  return claim;
}

void ConnectionTable::make_client(int fd) const {
  Slot& slot = at(fd);
  Claim claim = Claim::unpack(slot.claim.load(std::memory_order_relaxed));
  claim.role = SlotRole::kClient;
  slot.claim.store(claim.pack(), std::memory_order_release);
}

std::optional<SlotState> ConnectionTable::try_claim(int fd, std::uint32_t generation, Holder holder) const {
  Slot& slot = at(fd);
  std::uint64_t word = slot.claim.load(std::memory_order_relaxed);
  const Claim seen = Claim::unpack(word);
  if (seen.generation != generation || !seen.armed()) return std::nullopt;
  const Claim wanted{generation, holder, SlotState::kHeld, seen.role};
  if (!slot.claim.compare_exchange_strong(word, wanted.pack(), std::memory_order_acq_rel,
                                          std::memory_order_relaxed)) {
    return std::nullopt;
  }
  return seen.state;
}

std::optional<SlotState> ConnectionTable::claim_or_tell(int fd, std::uint32_t generation,
                                                        Holder holder) const {
  std::optional<SlotState> state = try_claim(fd, generation, holder);
  // Also where the slot is armed by now: its holder has released it since, and may not look any more.
  if (!state && claim(fd).is_client()) {
    tell(fd);
    state = try_claim(fd, generation, holder);
  }
  // The new holder clears it before it arms, so whatever is told from then on is for this holder. It must
  // not be cleared after a release: that would take away what is told to the next holder.
  if (state) at(fd).missed.store(0, std::memory_order_relaxed);
  return state;
}

// Either the holder sees this after its release, or the caller sees the release.
void ConnectionTable::tell(int fd) const {
  at(fd).missed.store(1, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

bool ConnectionTable::release(int fd, SlotState armed) const {
  Slot& slot = at(fd);
  Claim claim = Claim::unpack(slot.claim.load(std::memory_order_relaxed));
  claim.holder = kNoHolder;
  claim.state = armed;
  slot.claim.store(claim.pack(), std::memory_order_seq_cst);
  return slot.missed.load(std::memory_order_seq_cst) != 0;
}

void ConnectionTable::free(int fd) const {
  Slot& slot = at(fd);
  const Claim claim = Claim::unpack(slot.claim.load(std::memory_order_relaxed));
  slot.claim.store(Claim{claim.generation, kNoHolder, SlotState::kFree, SlotRole::kClient}.pack(),
                   std::memory_order_release);
}

std::uint32_t ConnectionTable::open_listener(int fd, SlotRole role) const {
  Slot& slot = at(fd);
  const Claim claim = open(fd, kMasterHolder, role);
  slot.claim.store(Claim{claim.generation, kNoHolder, SlotState::kListener, role}.pack(),
                   std::memory_order_release);
  return claim.generation;
}

}  // namespace baton
