// The client's side of the record layer, for records that OpenSSL would not send.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "common/shared/tls_state.h"
#include "worker/tls/key_schedule.h"
#include "worker/tls/record.h"

namespace baton::test {

class Sealer {
 public:
  // `server`: right after the handshake. What the client has sent by itself must be read already.
  explicit Sealer(const TlsState& server) : state_(server) {
    std::copy(std::begin(server.read_keys), std::end(server.read_keys), state_.write_keys);
    const TlsReading& reading = server.reading[0];
    sequence_ = reading.sequence;
  }

  // The next record. `padding`: so many zeroes behind it, with 1.3.
  std::string record(tls::RecordType type, std::string_view plain, std::size_t padding = 0) {
    if (padding == 0) return seal(type, plain);
    std::string inner(plain);
    inner += static_cast<char>(type);
    inner.append(padding - 1, '\0');
    return seal(tls::RecordType{0}, inner);  // the last zero
  }
  std::string data(std::string_view plain) { return record(tls::RecordType::kApplicationData, plain); }

  // A KeyUpdate in records of `piece` bytes. What comes behind it has the next keys.
  std::string key_update(bool wants_ours, std::size_t piece = 5) {
    const std::string message("\x18\0\0\1", 4);
    const std::string whole = message + (wants_ours ? '\1' : '\0');
    std::string records;
    for (std::size_t i = 0; i < whole.size(); i += piece)
      records += record(tls::RecordType::kHandshake, std::string_view(whole).substr(i, piece));
    tls::derive_next(state_, state_.write_keys[generation_ & 1], state_.write_keys[(generation_ + 1) & 1]);
    ++generation_;
    sequence_ = 0;
    return records;
  }

 private:
  std::string seal(tls::RecordType type, std::string_view plain) {
    std::string made(plain.size() + tls::overhead(state_), '\0');
    layer_.seal(state_, generation_, sequence_++, type, plain, made.data());
    return made;
  }

  tls::RecordLayer layer_;
  TlsState state_;
  std::uint64_t sequence_ = 0;
  std::uint32_t generation_ = 0;
};

}  // namespace baton::test
