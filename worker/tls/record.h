// Seals and opens single records of a connection whose handshake is over (RFC 8446 5.2, RFC 5246 6.2.3).
#pragma once

#include <openssl/types.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/shared/tls_state.h"
#include "worker/tls/record_header.h"

namespace baton::tls {

// RFC 8446 6.
enum class Alert : std::uint8_t {
  kCloseNotify = 0,
  kUnexpectedMessage = 10,
  kBadRecordMac = 20,
  kRecordOverflow = 22,
  kIllegalParameter = 47,
  kDecodeError = 50,
  kInternalError = 80,
  kUserCanceled = 90,
  kNoRenegotiation = 100,
};

constexpr std::size_t kTagBytes = 16;

// How many bytes a record that is sent is longer than its plaintext.
std::size_t overhead(const TlsState& state);
// How far into such a record its plaintext begins.
std::size_t plain_offset(const TlsState& state);
// One per process, for one thread. Holds no key longer than a call.
class RecordLayer {
 public:
  RecordLayer();
  ~RecordLayer();
  RecordLayer(const RecordLayer&) = delete;
  RecordLayer& operator=(const RecordLayer&) = delete;

  // Makes a record of `plain` at `to`, which has room for overhead() more bytes. `plain` may lie at its place in
  // the record already (to + plain_offset()), and nowhere else in it. Returns the record's length. The same
  // arguments make the same bytes.
  std::size_t seal(const TlsState& state, std::uint32_t generation, std::uint64_t sequence, RecordType type,
                   std::string_view plain, char* to);

  struct Opened {
    bool ok = false;
    Alert alert = Alert::kBadRecordMac;  // what to tell the peer, if not ok
    RecordType type = RecordType::kApplicationData;
    std::size_t bytes = 0;  // of plaintext
  };
  // Opens a whole record to `to`, which has room for record.size() bytes.
  Opened open(const TlsState& state, std::uint32_t generation, std::uint64_t sequence,
              std::string_view record, char* to);

 private:
  static constexpr std::size_t kAeads = 3;
  EVP_CIPHER* ciphers_[kAeads];
  EVP_CIPHER_CTX* sealing_[kAeads];
  EVP_CIPHER_CTX* opening_[kAeads];
};

}  // namespace baton::tls
