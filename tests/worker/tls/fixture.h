// Sites with certificates, and a conversation between a client of OpenSSL and the handshake that is tested.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "common/shared/ticket_keys.h"
#include "common/shared/tls_state.h"
#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tls_client.h"
#include "worker/tls/credentials.h"
#include "worker/tls/handshake.h"

namespace baton::test {

// While it lives, time(2) says so many seconds more, in this program and the OpenSSL that is linked with it.
class ShiftedClock {
 public:
  explicit ShiftedClock(std::int64_t seconds);
  ShiftedClock(const ShiftedClock&) = delete;
  ShiftedClock& operator=(const ShiftedClock&) = delete;
  ~ShiftedClock();
};

// The server's end of one connection. What it sends counts as written at once.
class ServerEnd {
 public:
  using Step = tls::Handshake::Step;

  // What was in shared memory when advance() had returned, and what it had got and made by then.
  struct Moment {
    TlsState state;
    std::string client;
    std::string output;
    std::size_t flight = 0;  // where the latest flight begins in `output`
    Step step = Step::kNeedsMore;
  };

  explicit ServerEnd(const tls::Credentials& credentials, std::uint8_t seed = 1);

  // The client sent this, too. Returns what is to be sent to it.
  std::string take(std::string_view from_client);

  [[nodiscard]] Step step() const { return step_; }
  [[nodiscard]] const tls::Handshake& handshake() const { return handshake_; }
  [[nodiscard]] TlsState& state() { return *state_; }
  [[nodiscard]] const std::string& client_bytes() const { return client_bytes_; }
  // One for each call of take() that changed anything.
  [[nodiscard]] const std::vector<Moment>& moments() const { return moments_; }

 private:
  std::unique_ptr<TlsState> state_;
  tls::Handshake handshake_;
  Step step_ = Step::kNeedsMore;
  std::string client_bytes_;
  std::vector<Moment> moments_;
};

// Carries bytes until neither end has anything to say. With `piece`, at most so many bytes at a time.
void converse(TlsClient& client, ServerEnd& server, std::size_t piece = 0);

// Another process goes on with the conversation at each moment of it, with no byte, some or all bytes of the latest
// flight written. Expects the same bytes and the same state in the end.
void expect_replays(ServerEnd& original, const tls::Credentials& credentials);

// Whether both would go on in the same way.
void expect_same_connection(const TlsState& a, const TlsState& b);

class TlsTest : public ::testing::Test {
 protected:
  using Step = tls::Handshake::Step;
  using Kind = TestCa::Kind;

  // One site for every name, with an ECDSA certificate.
  TlsTest();

  // A site for these hosts, with one certificate whose subject is the first of them.
  SiteConfig site(const std::vector<std::string>& hosts, Kind kind = Kind::kEcdsa);
  CertificateConfig certificate(const std::string& subject, Kind kind = Kind::kEcdsa);
  // A client's certificate of this CA, as a client presents it.
  TlsClient::Options with_certificate(const TestCa& ca, const std::string& subject, long valid_until = 3'600);
  [[nodiscard]] std::unique_ptr<tls::Credentials> credentials() const;
  // What the constructor of Credentials says of this configuration; empty: it takes it.
  [[nodiscard]] std::string refusal() const;

  TempDir dir_;
  TestCa ca_;
  TicketKeys tickets_;
  Config config_;
  int files_ = 0;
};

}  // namespace baton::test
