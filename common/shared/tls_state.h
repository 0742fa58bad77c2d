// The state of one TLS connection after its handshake, and of a handshake that is under way, in shared memory:
// one TlsState per descriptor number, beside its Slot. docs/architecture.md, "TLS".
//
// A position in the record stream is computed, never counted. The kernel tells how many bytes of ciphertext
// were consumed and written since the connection was made. What is frozen here says which record, and which
// byte of it, that is. So there is no running sequence number that a death could leave torn.
//
// Thread and process safety: as for the slot (common/shared/connection_table.h). Only the holder of the claim
// writes, and a phase reads only what was stored before the phase was entered.
//
// References: RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2), RFC 5288 and RFC 7905 (its AEADs).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace baton {

enum class TlsVersion : std::uint8_t { kNone, kTls12, kTls13 };
enum class TlsAead : std::uint8_t { kAes128Gcm, kAes256Gcm, kChaCha20Poly1305 };

// The most plaintext of one record (RFC 8446 5.1).
constexpr std::uint32_t kTlsMaxPlain = 16'384;
// The most ciphertext of one record, header included: 5 + 2^14 + 256 (1.3). With 1.2 it is up to 5 + 2^14 + 2048
// by the letter of RFC 5246; AEADs add 24 at most, so more than this is refused.
constexpr std::uint32_t kTlsMaxRecord = 5 + kTlsMaxPlain + 256;

// The keys of one direction in one generation (a KeyUpdate begins the next). Wiped when the slot is freed.
struct TlsKeys {
  std::uint8_t secret[48];  // 1.3: the traffic secret, hash_bytes long
  std::uint8_t key[32];
  std::uint8_t iv[12];  // 1.2 with GCM: the first 4 are used
};

// Where reading stands: at the beginning of a record, some plaintext of which may have been used.
//
// Of two of these, the current one is the one with the larger `plain` among those whose `at` is not beyond what
// the kernel says was consumed. A step writes the other one, then consumes: consuming makes it the current one.
// If nothing has to be consumed, storing `at`, which is stored last, does.
struct TlsReading {
  static constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

  std::uint64_t at = kNowhere;   // ciphertext consumed up to here: a record's first byte
  std::uint64_t sequence = 0;    // of that record
  std::uint64_t plain = 0;       // application data used, from the connection's beginning on
  std::uint32_t skip = 0;        // how much of that is of the record at `at`
  std::uint32_t generation = 0;  // of the keys
};

// Where writing stood after the last response. Since then only whole records of kTlsInterimPlain bytes can have
// been sent (100 Continue), so their number follows from what was written.
struct TlsWriting {
  std::uint64_t at = 0;  // ciphertext written up to there: a record's first byte
  std::uint64_t sequence = 0;
  std::uint32_t generation = 0;
};
constexpr std::size_t kTlsInterimPlain = 25;  // "HTTP/1.1 100 Continue" and two line ends

// A response as a stream of records, fixed before its first byte is sent:
//
//   [KeyUpdate]  first record: `first` bytes  further records: max_plain bytes each, the last one less
//   [close_notify]
struct TlsResponse {
  std::uint64_t at = 0;        // ciphertext written before it
  std::uint64_t sequence = 0;  // of its first record
  std::uint64_t plain = 0;     // how much plaintext it has
  std::uint32_t generation = 0;
  std::uint32_t first = 0;  // plaintext of the first record; 0: max_plain
  bool key_update = false;  // a KeyUpdate comes first, and the records behind it are of the next generation
  bool close_notify = false;
  TlsReading next;  // where reading goes on once the request is consumed
};

struct TlsResponses {
  TlsResponse sending;  // kResponse, kStreaming
  TlsResponse parked;   // kParked
};

// What a keyholder has sent for one step of a handshake. A replay has to make the same bytes.
struct TlsFlight {
  std::uint64_t bytes;  // sent up to the end of this flight; 0: there was none yet. Stored last
  std::uint64_t hash;   // the first 8 bytes of SHA-256 over all bytes up to there
};

struct TlsHandshake {
  static constexpr std::size_t kFlights = 3;
  std::uint8_t seed[32];  // of all randomness of the handshake; wiped when it is over
  // When the handshake began, in seconds since 1970, and TicketKeys::generation() of then. A replay goes by these
  // two, whatever the time is meanwhile. `started` is stored last; 0: neither is known yet.
  std::int64_t started;
  std::uint64_t ticket_generation;
  TlsFlight flights[kFlights];
  // How many bytes the server sends in all. 0: not known yet. Stored when everything that the connection needs
  // after the handshake is in place.
  std::uint64_t final_bytes;
};

struct alignas(64) TlsState {
  // -- frozen after the handshake
  TlsVersion version = TlsVersion::kNone;
  TlsAead aead = TlsAead::kAes128Gcm;
  std::uint8_t hash_bytes = 0;  // 32 or 48: of the suite's hash
  bool resumed = false;
  std::uint16_t suite = 0;          // as registered with IANA
  std::uint16_t max_plain = 0;      // most plaintext of a record that is sent; at most kTlsMaxPlain
  std::uint64_t explicit_base = 0;  // 1.2 with GCM: the explicit nonce of the record with sequence number 0

  // -- what the kernel counts: these follow, and recovery corrects them
  std::uint64_t taken = 0;    // ciphertext consumed
  std::uint64_t written = 0;  // ciphertext written

  TlsReading reading[2];
  TlsWriting writing;
  union {
    TlsHandshake handshake;  // kHandshake
    TlsResponses responses;  // all other phases
  };

  // 1: the client asked for a KeyUpdate of ours, which goes before the next response.
  std::uint8_t key_update_wanted = 0;
  // Which keyholder's set the connection is in, during its handshake.
  std::uint8_t keyholder = 0;
  // SO_RCVLOWAT of the socket.
  std::uint32_t low_water = 1;
  // A memfd with the `taken` - reading.at bytes of an incomplete record that had to leave the socket; -1: none.
  // During the handshake: all `taken` bytes.
  std::int32_t cipher_fd = -1;

  // By the parity of the generation.
  TlsKeys read_keys[2];
  TlsKeys write_keys[2];

  TlsState();
};

static_assert(sizeof(TlsState) <= 704);

// Wipes keys and seed, and everything else: as after construction.
void reset(TlsState& state);

}  // namespace baton
