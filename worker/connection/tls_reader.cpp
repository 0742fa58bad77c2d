#include "worker/connection/tls_reader.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string>

#include "common/base/crash_point.h"
#include "common/shared/descriptor_motion.h"
#include "worker/connection/spool.h"
#include "worker/tls/key_schedule.h"
#include "worker/tls/record_stream.h"

namespace baton {

using tls::Alert;
using tls::RecordType;

namespace {

// Of one peek. More than the plaintext that is wanted, because records are longer than that.
constexpr std::size_t kRawBytes = std::size_t{100} * 1024;
// Of one consume_bytes(): more than a peek, and than a handshake takes.
constexpr std::uint64_t kMostConsumed = std::uint64_t{512} * 1024;
// How many records without data one peek passes over.
constexpr int kMostRounds = 16;
constexpr std::size_t kKeyUpdateBytes = 5;
constexpr char kKeyUpdateType = 24;

}  // namespace

TlsReader::TlsReader(tls::RecordLayer& layer, TlsWriter& writer)
    : layer_(layer), writer_(writer), raw_(new char[kRawBytes]), scratch_(new char[kTlsMaxRecord]) {}

void TlsReader::forget() {
  ends_.clear();
  base_ = {};
  need_ = 0;
}

ssize_t TlsReader::peek(int fd, Slot& slot, TlsState& state, char* to, std::size_t most) {
  for (int round = 0; round < kMostRounds; ++round) {
    forget();
    base_ = tls::reading_now(state);
    const ssize_t n = load(fd, state, most);
    if (n <= 0) return n;
    const ssize_t plain = open_all(state, to, most);
    if (plain > 0) return plain;
    Control control = Control::kIncomplete;
    if (!ends_.empty()) {
      control = consume(fd, state, 0) ? Control::kDone : Control::kBroken;
    } else if (is_bad_) {
      control = refuse(bad_, fd, slot, state);
    } else if (other_kind_) {
      control = obey(fd, slot, state);
    }
    switch (control) {
      case Control::kDone: continue;
      case Control::kClosed: return 0;
      case Control::kBroken: errno = EPROTO; return -1;
      case Control::kIncomplete: break;
    }
    // Woken below the mark: the window is shut, or the client has ended its side within a record.
    const bool stuck = state.low_water > 1 && static_cast<std::size_t>(n) < state.low_water;
    if (stuck && !keep_ciphertext(fd, state, {raw_.get() + kept_, raw_bytes_ - kept_}, kept_)) return -1;
    break;
  }
  errno = EAGAIN;
  return -1;
}

ssize_t TlsReader::load(int fd, TlsState& state, std::size_t most) {
  kept_ = raw_bytes_ = 0;
  if (state.taken > base_.at) {
    kept_ = static_cast<std::size_t>(std::min<std::uint64_t>(state.taken - base_.at, kRawBytes));
    if (kept_ >= kTlsMaxRecord || state.cipher_fd < 0 ||
        ::pread(state.cipher_fd, raw_.get(), kept_, 0) != static_cast<ssize_t>(kept_)) {
      errno = EPROTO;
      return -1;
    }
  }
  const std::size_t want = std::min(most + kTlsMaxRecord, kRawBytes - kept_);
  const ssize_t n = ::recv(fd, raw_.get() + kept_, want, MSG_PEEK | MSG_DONTWAIT);
  raw_bytes_ = kept_ + static_cast<std::size_t>(std::max<ssize_t>(n, 0));
  if (n < 0) (void)record_at(0);  // notes how much is missing
  return n;
}

// Empty: it is not all there, and need_ says where it ends.
std::string_view TlsReader::record_at(std::size_t offset) {
  const std::string_view rest(raw_.get() + offset, raw_bytes_ - offset);
  const std::size_t bytes =
      rest.size() < tls::kRecordHeaderBytes ? tls::kRecordHeaderBytes : tls::RecordHeader::read(rest).whole();
  if (rest.size() >= bytes || bytes > kTlsMaxRecord) return rest.substr(0, bytes);
  // Where nothing has arrived of it, anything is news.
  need_ = rest.empty() ? 0 : base_.at + offset + bytes;
  return {};
}

// `ahead`: how many records are between this one and base_.
tls::RecordLayer::Opened TlsReader::open(const TlsState& state, std::string_view record, std::uint64_t ahead,
                                         char* to) {
  if (record.size() > kTlsMaxRecord || tls::RecordHeader::read(record).whole() > kTlsMaxRecord)
    return {.alert = Alert::kRecordOverflow};
  return layer_.open(state, base_.generation, base_.sequence + ahead, record, to);
}

// Opens records until one of another kind. Returns how much data they had.
ssize_t TlsReader::open_all(TlsState& state, char* to, std::size_t most) {
  is_bad_ = other_kind_ = false;
  std::size_t offset = 0;
  std::size_t plain = 0;
  std::size_t skip = base_.skip;
  while (true) {
    const std::string_view record = record_at(offset);
    if (record.empty()) break;
    const bool in_place = skip == 0 && most - plain >= record.size();
    char* const place = in_place ? to + plain : scratch_.get();
    const tls::RecordLayer::Opened opened = open(state, record, ends_.size(), place);
    if (!opened.ok) {
      is_bad_ = true;
      bad_ = opened.alert;
      break;
    }
    if (opened.type != RecordType::kApplicationData) {
      other_kind_ = true;
      break;
    }
    if (skip > opened.bytes) {
      is_bad_ = true;
      bad_ = Alert::kInternalError;
      break;
    }
    const std::size_t fresh = opened.bytes - skip;
    if (fresh > most - plain) break;
    if (!in_place) std::memcpy(to + plain, place + skip, fresh);
    plain += fresh;
    offset += record.size();
    skip = 0;
    ends_.push_back({base_.at + offset, base_.plain + plain});
  }
  return static_cast<ssize_t>(plain);
}

TlsReading TlsReader::after(std::uint64_t plain) const {
  TlsReading next = base_;
  next.plain += plain;
  std::uint64_t begun = base_.plain - base_.skip;  // where the record begins that next.at is in
  for (const End& end : ends_) {
    if (end.plain > next.plain) break;
    next.at = end.at;
    ++next.sequence;
    begun = end.plain;
  }
  next.skip = static_cast<std::uint32_t>(next.plain - begun);
  const std::uint64_t peeked = ends_.empty() ? base_.plain : ends_.back().plain;
  if (next.plain > peeked) next.at = TlsReading::kNowhere;
  return next;
}

bool TlsReader::consume(int fd, TlsState& state, std::uint64_t plain) {
  const TlsReading next = after(plain);
  return next.at != TlsReading::kNowhere && move_to(fd, state, next);
}

bool TlsReader::move_to(int fd, TlsState& state, const TlsReading& next) {
  if (!consume_to(fd, state, next)) return false;
  const auto used = static_cast<std::ptrdiff_t>(next.sequence - base_.sequence);
  if (next.generation == base_.generation && used <= static_cast<std::ptrdiff_t>(ends_.size()))
    ends_.erase(ends_.begin(), ends_.begin() + used);
  base_ = next;
  return true;
}

TlsReader::Control TlsReader::refuse(Alert alert, int fd, Slot& slot, TlsState& state) {
  writer_.end_with(alert, fd, slot, state);
  return Control::kBroken;
}

// A record of another kind is the next one.
TlsReader::Control TlsReader::obey(int fd, Slot& slot, TlsState& state) {
  const tls::RecordLayer::Opened opened = open(state, record_at(0), 0, scratch_.get());
  switch (opened.type) {
    case RecordType::kAlert: return obey_alert(fd, slot, state, opened);
    case RecordType::kHandshake:
      if (state.version == TlsVersion::kTls13) return obey_handshake(fd, slot, state, opened);
      return refuse(Alert::kNoRenegotiation, fd, slot, state);
    default: return refuse(Alert::kUnexpectedMessage, fd, slot, state);
  }
}

TlsReader::Control TlsReader::obey_alert(int fd, Slot& slot, TlsState& state,
                                         const tls::RecordLayer::Opened& alert) {
  if (alert.bytes != 2)
    return refuse(alert.bytes == 0 ? Alert::kUnexpectedMessage : Alert::kDecodeError, fd, slot, state);
  const auto level = static_cast<unsigned char>(scratch_[0]);
  const auto what = static_cast<Alert>(scratch_[1]);
  if (what == Alert::kCloseNotify) return Control::kClosed;
  constexpr unsigned char kWarning = 1;  // means something in 1.2 only
  const bool harmless =
      what == Alert::kUserCanceled || (state.version == TlsVersion::kTls12 && level == kWarning);
  if (!harmless) return Control::kBroken;
  TlsReading next = base_;
  next.at += record_at(0).size();
  ++next.sequence;
  return move_to(fd, state, next) ? Control::kDone : Control::kBroken;
}

// Only a KeyUpdate may come after the handshake. It may be spread over several records, which are consumed together.
TlsReader::Control TlsReader::obey_handshake(int fd, Slot& slot, TlsState& state,
                                             tls::RecordLayer::Opened record) {
  std::string message;
  std::size_t offset = 0;
  std::uint64_t records = 0;
  while (true) {
    message.append(scratch_.get(), record.bytes);
    offset += record_at(offset).size();
    ++records;
    const bool is_key_update = record.bytes > 0 && message.front() == kKeyUpdateType;
    if (!is_key_update || message.size() > kKeyUpdateBytes)
      return refuse(Alert::kUnexpectedMessage, fd, slot, state);
    if (message.size() >= 4 && message.compare(1, 3, std::string_view("\0\0\1", 3)) != 0)
      return refuse(Alert::kDecodeError, fd, slot, state);
    if (message.size() == kKeyUpdateBytes) break;
    const std::string_view further = record_at(offset);
    if (further.empty()) {
      if (need_ == 0) need_ = base_.at + offset + tls::kRecordHeaderBytes;
      return Control::kIncomplete;
    }
    record = open(state, further, records, scratch_.get());
    if (!record.ok) return refuse(record.alert, fd, slot, state);
    if (record.type != RecordType::kHandshake) return refuse(Alert::kUnexpectedMessage, fd, slot, state);
  }
  const char request = message.back();
  if (request != 0 && request != 1) return refuse(Alert::kIllegalParameter, fd, slot, state);
  TlsReading next = base_;
  next.at += offset;
  next.sequence = 0;
  ++next.generation;
  tls::derive_next(state, state.read_keys[base_.generation & 1], state.read_keys[next.generation & 1]);
  // Before the record is consumed: afterwards nobody could tell that it was asked for.
  if (request == 1) state.key_update_wanted = 1;
  crash_point("tls-key-update");
  return move_to(fd, state, next) ? Control::kDone : Control::kBroken;
}

bool TlsReader::arm_low_water(int fd, TlsState& state) {
  // Where data of whole records is left, anything is to wake a worker.
  const bool waits = need_ > state.taken && ends_.empty();
  const std::uint32_t mark = waits ? static_cast<std::uint32_t>(need_ - state.taken) : 1;
  return set_low_water(fd, state, mark);
}

bool set_low_water(int fd, TlsState& state, std::uint32_t mark) {
  if (mark == state.low_water) return true;
  const int value = static_cast<int>(mark);
  // A mark that is higher than the state says would make a worker sleep over what it waits for. The other way
  // round it only wakes one for nothing.
  if (mark > state.low_water) state.low_water = mark;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value) != 0) return false;
  crash_point("tls-marked");
  state.low_water = mark;
  return true;
}

bool consume_bytes(int fd, std::uint64_t bytes) {
  // More than was ever peeked: a worker that has gone wrong has written it. The master must not follow a fast sender.
  if (bytes > kMostConsumed) return false;
  while (bytes > 0) {
    const ssize_t n = ::recv(fd, nullptr, bytes, MSG_TRUNC | MSG_DONTWAIT);
    if (n <= 0) return false;
    crash_point("mid-consume");
    bytes -= static_cast<std::uint64_t>(n);
  }
  return true;
}

bool keep_ciphertext(int fd, TlsState& state, std::string_view fresh, std::uint64_t kept) {
  static const std::string no_folder;
  static const SpoolPlace in_memory{no_folder, std::numeric_limits<std::uint64_t>::max()};
  if (state.cipher_fd < 0) {
    const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
    if (!motion) {
      errno = EAGAIN;
      return false;
    }
    SpoolFile file = open_spool("baton-record", {kTlsMaxRecord, kTlsMaxRecord}, in_memory);
    if (!file) return false;
    state.cipher_fd = file.release();
    crash_point("tls-cipher-opened");
  }
  if (!write_all(state.cipher_fd, fresh.data(), fresh.size(), static_cast<off_t>(kept))) return false;
  crash_point("tls-cipher-written");
  errno = EPROTO;
  if (!consume_bytes(fd, fresh.size())) return false;
  crash_point("tls-cipher-taken");
  state.taken += fresh.size();
  return true;
}

bool consume_to(int fd, TlsState& state, const TlsReading& next) {
  const bool drops = next.at > tls::reading_now(state).at;
  tls::store_reading(state, next);
  crash_point("tls-reading-stored");
  if (next.at > state.taken) {
    if (!consume_bytes(fd, next.at - state.taken)) return false;
    crash_point("tls-consumed");
    state.taken = next.at;
  }
  if (drops) drop_ciphertext(state);
  return true;
}

void drop_ciphertext(TlsState& state) {
  if (state.cipher_fd < 0) return;
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  const SpoolFile dropped(state.cipher_fd);
  state.cipher_fd = -1;  // before `dropped` closes it: see drop_parked()
  crash_point("tls-cipher-dropped");
}

}  // namespace baton
