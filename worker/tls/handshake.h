// One handshake that is under way, in a keyholder's own memory. Another keyholder can go on with it at any byte.
//
// Client bytes stay in the socket until the end. All randomness comes from the seed in TlsState, and the time is frozen
// there. So whoever is given the same client bytes makes the same server bytes: a replay. What a handshake makes for
// one record of the client is a flight. Its length and hash are noted in TlsState before advance() returns, that is
// before its first byte can leave. A replay compares each flight with its note:
//
//                          flight as noted      flight differs
//   no byte of it left     goes on              goes on, with a new note
//   a byte of it left      goes on              kDiverged: nothing may be written any more
//
// They differ if a certificate, the configuration or OpenSSL changed meanwhile. Two flights that are encrypted
// with the same key and nonce never both leave.
//
// Process safety: one process at a time uses a TlsState, the one that has the connection's claim.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/shared/tls_state.h"
#include "worker/tls/credentials.h"
#include "worker/tls/openssl.h"

namespace baton::tls {

class Handshake {
 public:
  enum class Step : std::uint8_t {
    kNeedsMore,  // send output(), then wait for client bytes beyond needed()
    kDone,       // send output(), consume fed() bytes; TlsState has everything for the connection
    kFailed,     // send output(), which ends with an alert if OpenSSL made one; close
    kDiverged,   // close, send nothing
  };

  // How many bytes a client may send in a handshake. OpenSSL bounds messages; this also bounds what comes in tiny records.
  static constexpr std::size_t kMaxClientBytes = 256 << 10;

  // Takes up a handshake, or goes on with one. TlsState::handshake has a random seed; otherwise it is zero at first, and
  // what the last process left later. TlsState::written says what the kernel was given until now. Both arguments outlive
  // this.
  Handshake(const Credentials& credentials, TlsState& state);
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  // `client`: all bytes that the client has sent, from its first. Whole records that are new are used, up to the end of
  // the handshake and never beyond. After any result except kNeedsMore, further calls return the same.
  Step advance(std::string_view client);

  // All bytes that the server sends, from its first. The caller sends from TlsState::written on. With kNeedsMore and
  // kDone there are at least so many. With kFailed there may be less: then there is nothing to send.
  [[nodiscard]] std::string_view output() const { return output_; }

  // How many client bytes were used.
  [[nodiscard]] std::size_t fed() const { return fed_; }
  // How many client bytes there have to be before another advance() can do anything.
  [[nodiscard]] std::size_t needed() const { return needed_; }

  // After kFailed. The alert that was sent (RFC 8446 6.2), or -1; and why, in OpenSSL's words.
  [[nodiscard]] int alert() const { return conversation_.alert; }
  [[nodiscard]] const std::string& reason() const { return reason_; }

  // What the client asked for (SNI), in lower case, or empty. Known after the ClientHello.
  [[nodiscard]] const std::string& server_name() const { return conversation_.server_name; }
  // After kDone. The cipher's name with IANA, and the subject of the client's certificate (RFC 2253), or empty.
  [[nodiscard]] const std::string& cipher() const { return cipher_; }
  [[nodiscard]] const std::string& client_subject() const { return client_subject_; }

 private:
  // What OpenSSL is given next.
  struct Piece {
    std::string_view bytes;
    bool whole = true;  // a whole record; otherwise the beginning of what OpenSSL is to refuse
  };
  [[nodiscard]] std::optional<Piece> next_piece(std::string_view client);
  [[nodiscard]] Step feed(const Piece& piece, std::string_view client);
  bool make_ssl();
  void take_output();
  [[nodiscard]] Step settle(int result, int error, std::size_t flight_start, bool whole,
                            std::string_view client);
  // Notes output() from `start` on, or compares it with its note. False: it differs from what left.
  [[nodiscard]] bool settle_flight(std::size_t start);
  [[nodiscard]] bool conclude(std::size_t flight_start, std::string_view client);

  const Credentials& credentials_;
  TlsState& state_;
  Conversation conversation_;
  SslPtr ssl_;
  Step step_ = Step::kNeedsMore;
  std::uint64_t steps_ = 0;  // records fed
  std::size_t flights_ = 0;  // made until now
  std::string output_;
  std::size_t fed_ = 0;
  std::size_t needed_;
  std::string reason_;
  std::string cipher_;
  std::string client_subject_;
};

}  // namespace baton::tls
