#include "worker/tls/record_stream.h"

#include <algorithm>
#include <atomic>

#include "worker/tls/record.h"

namespace baton::tls {

namespace {

constexpr std::uint64_t kMostPlain = std::uint64_t{1} << 60;  // longer than any file

}  // namespace

RecordStream::RecordStream(const TlsState& state, const TlsResponse& response)
    : response_(response),
      overhead_(overhead(state)),
      max_plain_(std::clamp<std::uint64_t>(state.max_plain, 1, kTlsMaxPlain)) {
  response_.plain = std::min(response_.plain, kMostPlain);
  first_ = std::min<std::uint64_t>(response_.first != 0 ? response_.first : max_plain_, response_.plain);
  const std::uint64_t others = (response_.plain - first_ + max_plain_ - 1) / max_plain_;
  records_ = response_.plain == 0 ? 0 : 1 + others;
  end_ = key_update_bytes() + response_.plain + records_ * overhead_;
}

RecordStream::Place RecordStream::place_of(std::uint64_t offset) const {
  Place place;
  place.start = key_update_bytes();
  if (offset < place.start) return {.item = Item::kKeyUpdate};
  if (offset >= end_) {
    place.item = offset < bytes() ? Item::kCloseNotify : Item::kNone;
    place.index = records_;
    place.start = place.item == Item::kNone ? bytes() : end_;
    place.plain = response_.plain;
    return place;
  }
  place.item = Item::kPlain;
  place.length = static_cast<std::uint32_t>(first_);
  const std::uint64_t first_bytes = first_ + overhead_;
  if (const std::uint64_t behind = offset - place.start; behind >= first_bytes) {
    const std::uint64_t further = (behind - first_bytes) / (max_plain_ + overhead_);
    place.index = 1 + further;
    place.start += first_bytes + further * (max_plain_ + overhead_);
    place.plain = first_ + further * max_plain_;
    place.length = static_cast<std::uint32_t>(std::min(max_plain_, response_.plain - place.plain));
  }
  return place;
}

std::uint64_t RecordStream::sequence_of(const Place& place) const {
  if (place.item == Item::kKeyUpdate) return response_.sequence;
  return (response_.key_update ? 0 : response_.sequence) + place.index;
}

std::uint32_t RecordStream::generation_of(const Place& place) const {
  return response_.generation + (response_.key_update && place.item != Item::kKeyUpdate ? 1 : 0);
}

TlsResponse RecordStream::rest(std::uint64_t sent) const {
  const Place place = place_of(sent);
  TlsResponse rest = response_;
  if (place.item == Item::kKeyUpdate) return rest;
  rest.at += place.start;
  rest.sequence = sequence_of(place) + (place.item == Item::kNone && response_.close_notify ? 1 : 0);
  rest.plain -= place.plain;
  rest.generation = generation_of(place);
  rest.first = place.item == Item::kPlain && sent > place.start ? place.length : 0;
  rest.key_update = false;
  rest.close_notify = response_.close_notify && place.item != Item::kNone;
  return rest;
}

TlsWriting RecordStream::after() const {
  const TlsResponse behind = rest(bytes());
  return {behind.at, behind.sequence, behind.generation};
}

bool writing_now(const TlsState& state, TlsWriting& now) {
  now = state.writing;
  const std::uint64_t interim = kTlsInterimPlain + overhead(state);
  const std::uint64_t since = state.written - now.at;
  if (state.written < now.at || since % interim != 0) return false;
  now.at = state.written;
  now.sequence += since / interim;
  return true;
}

const TlsReading& reading_now(const TlsState& state) {
  const TlsReading& one = state.reading[0];
  const TlsReading& two = state.reading[1];
  if (one.at > state.taken) return two;
  if (two.at > state.taken) return one;
  return two.plain != one.plain ? (two.plain > one.plain ? two : one) : (two.at > one.at ? two : one);
}

void store_reading(TlsState& state, const TlsReading& next) {
  TlsReading& other = state.reading[&reading_now(state) == &state.reading[0] ? 1 : 0];
  other.at = TlsReading::kNowhere;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  other.sequence = next.sequence;
  other.plain = next.plain;
  other.skip = next.skip;
  other.generation = next.generation;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  other.at = next.at;
}

}  // namespace baton::tls
