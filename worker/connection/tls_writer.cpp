#include "worker/connection/tls_writer.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "common/base/crash_point.h"
#include "worker/tls/record_stream.h"

namespace baton {

using tls::Alert;
using tls::RecordStream;
using tls::RecordType;

namespace {

constexpr std::string_view kKeyUpdate{"\x18\0\0\x01\0", 5};  // that asks for none in return (RFC 8446 4.6.3)
constexpr std::string_view kCloseNotify{"\x01\0", 2};

ssize_t send_bytes(int fd, const char* bytes, std::size_t count) {
  return ::send(fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

TlsWriter::TlsWriter(tls::RecordLayer& layer) : layer_(layer), buffer_(new char[kBytes]) {}

// Fills the buffer with the records from the one on that begins at byte number `from`.
bool TlsWriter::seal_all(TlsState& state, const TlsResponse& response, PlainSource& source,
                         std::uint64_t from) {
  const RecordStream stream(state, response);
  used_ = 0;
  while (from + used_ < stream.bytes()) {
    const RecordStream::Place place = stream.place_of(from + used_);
    const std::uint32_t generation = stream.generation_of(place);
    const std::uint64_t sequence = stream.sequence_of(place);
    char* const to = buffer_.get() + used_;
    switch (place.item) {
      case RecordStream::Item::kKeyUpdate:
        used_ += layer_.seal(state, generation, sequence, RecordType::kHandshake, kKeyUpdate, to);
        break;
      case RecordStream::Item::kPlain: {
        if (kBytes - used_ < place.length + tls::overhead(state)) return true;
        char* const plain = to + tls::plain_offset(state);
        if (!source.read(place.plain, plain, place.length)) return false;
        used_ +=
            layer_.seal(state, generation, sequence, RecordType::kApplicationData, {plain, place.length}, to);
        break;
      }
      case RecordStream::Item::kCloseNotify:
        if (kBytes - used_ < kCloseNotify.size() + tls::overhead(state)) return true;
        used_ += layer_.seal(state, generation, sequence, RecordType::kAlert, kCloseNotify, to);
        break;
      case RecordStream::Item::kNone: return true;
    }
  }
  return true;
}

TlsWriter::Sent TlsWriter::send(int fd, TlsState& state, const TlsResponse& response, PlainSource& source,
                                std::size_t most) {
  const RecordStream stream(state, response);
  if (state.written < response.at) return Sent::kBroken;
  for (std::uint64_t position; (position = state.written - response.at) < stream.bytes();) {
    if (most == 0) return Sent::kBlocked;
    const std::uint64_t start = stream.place_of(position).start;
    if (!seal_all(state, response, source, start)) return Sent::kBroken;
    const auto skip = static_cast<std::size_t>(position - start);
    const ssize_t n = send_bytes(fd, buffer_.get() + skip, used_ - skip);
    if (n < 0) return errno == EAGAIN || errno == EINTR ? Sent::kBlocked : Sent::kBroken;
    crash_point("tls-sent");
    const auto sent = static_cast<std::size_t>(n);
    state.written += sent;
    if (sent < used_ - skip) return Sent::kBlocked;
    most -= std::min(most, sent);
  }
  return Sent::kAll;
}

bool TlsWriter::send_interim(int fd, TlsState& state, std::string_view plain) {
  TlsWriting now;
  if (plain.size() != kTlsInterimPlain || !tls::writing_now(state, now)) return false;
  const std::size_t bytes =
      layer_.seal(state, now.generation, now.sequence, RecordType::kApplicationData, plain, buffer_.get());
  const ssize_t n = send_bytes(fd, buffer_.get(), bytes);
  if (n < 0) return false;
  crash_point("tls-interim-sent");
  // Also if it is a part only: then end_with() sees that nothing more can be sealed.
  state.written += static_cast<std::size_t>(n);
  return static_cast<std::size_t>(n) == bytes;
}

void TlsWriter::end_with(Alert alert, int fd, Slot& slot, TlsState& state) {
  const bool between_responses =
      slot.phase == Phase::kHead || slot.phase == Phase::kBody || slot.phase == Phase::kHandling;
  TlsWriting now;
  const bool possible = between_responses && tls::writing_now(state, now);
  slot.enter(Phase::kLingering);
  crash_point("tls-ending");
  if (!possible) return;
  const char message[2] = {alert == Alert::kCloseNotify ? '\1' : '\2', static_cast<char>(alert)};
  const std::size_t bytes = layer_.seal(state, now.generation, now.sequence, RecordType::kAlert,
                                        {message, sizeof message}, buffer_.get());
  const ssize_t n = send_bytes(fd, buffer_.get(), bytes);
  if (n > 0) state.written += static_cast<std::size_t>(n);
}

}  // namespace baton
