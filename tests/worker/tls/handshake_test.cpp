#include "worker/tls/handshake.h"

#include <gmock/gmock.h>

#include "tests/worker/tls/fixture.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Variant {
  const char* name;
  int version;
  const char* cipher;  // for 1.2, or the suite for 1.3
  const char* standard_name;
  TestCa::Kind kind;
  TlsAead aead;
  std::uint16_t suite;
  int hash_bytes;

  [[nodiscard]] TlsClient::Options options() const {
    TlsClient::Options made;
    made.min_version = made.max_version = version;
    (version == TLS1_3_VERSION ? made.suites : made.ciphers) = cipher;
    return made;
  }
};

constexpr auto kEcdsa = TestCa::Kind::kEcdsa;
constexpr auto kRsa = TestCa::Kind::kRsa;
constexpr Variant kVariants[] = {
    {"Tls12Ecdsa128", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256",
     "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", kEcdsa, TlsAead::kAes128Gcm, 0xc02b, 32},
    {"Tls12Ecdsa256", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384",
     "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", kEcdsa, TlsAead::kAes256Gcm, 0xc02c, 48},
    {"Tls12EcdsaChaCha", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305",
     "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", kEcdsa, TlsAead::kChaCha20Poly1305, 0xcca9, 32},
    {"Tls12Rsa128", TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
     kRsa, TlsAead::kAes128Gcm, 0xc02f, 32},
    {"Tls12Rsa256", TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
     kRsa, TlsAead::kAes256Gcm, 0xc030, 48},
    {"Tls12RsaChaCha", TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305",
     "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", kRsa, TlsAead::kChaCha20Poly1305, 0xcca8, 32},
    {"Tls13Ecdsa128", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", kEcdsa,
     TlsAead::kAes128Gcm, 0x1301, 32},
    {"Tls13Ecdsa384Aes256", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384",
     TestCa::Kind::kEcdsa384, TlsAead::kAes256Gcm, 0x1302, 48},
    {"Tls13RsaAes256", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", kRsa,
     TlsAead::kAes256Gcm, 0x1302, 48},
    {"Tls13RsaChaCha", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256", kRsa,
     TlsAead::kChaCha20Poly1305, 0x1303, 32},
};

class EveryCipher : public TlsTest, public ::testing::WithParamInterface<Variant> {
 protected:
  EveryCipher() { config_.sites = {site({}, GetParam().kind)}; }

  // For two conversations, so that tickets carry over.
  SessionPtr session_;
};

INSTANTIATE_TEST_SUITE_P(Handshake, EveryCipher, ::testing::ValuesIn(kVariants),
                         [](const auto& param) { return std::string(param.param.name); });

TEST_P(EveryCipher, IsNegotiatedAndReplayed) {
  const auto ours = credentials();
  TlsClient client(GetParam().options());
  ServerEnd server(*ours);
  converse(client, server);
  ASSERT_EQ(server.step(), Step::kDone) << server.handshake().reason();
  ASSERT_EQ(client.state(), TlsClient::State::kOpen) << client.error();
  const TlsState& state = server.state();
  EXPECT_EQ(state.version, GetParam().version == TLS1_3_VERSION ? TlsVersion::kTls13 : TlsVersion::kTls12);
  EXPECT_EQ(state.aead, GetParam().aead);
  EXPECT_EQ(state.suite, GetParam().suite);
  EXPECT_EQ(state.hash_bytes, GetParam().hash_bytes);
  EXPECT_EQ(state.max_plain, kTlsMaxPlain);
  EXPECT_FALSE(state.resumed);
  EXPECT_EQ(server.handshake().cipher(), GetParam().standard_name);
  EXPECT_EQ(state.handshake.final_bytes, server.handshake().output().size());
  EXPECT_EQ(state.reading[0].at, server.client_bytes().size());
  EXPECT_EQ(state.reading[1].at, TlsReading::kNowhere);
  EXPECT_EQ(state.writing.at, server.handshake().output().size());
  expect_replays(server, *ours);
  expect_replays(server, *credentials());
}

TEST_P(EveryCipher, IsResumedAndReplayed) {
  const auto ours = credentials();
  TlsClient first(GetParam().options());
  ServerEnd before(*ours);
  converse(first, before);
  first.read();
  ASSERT_FALSE(first.sessions().empty());
  auto options = GetParam().options();
  options.session = first.sessions().back();
  TlsClient client(options);
  ServerEnd server(*ours, 2);
  converse(client, server);
  ASSERT_EQ(server.step(), Step::kDone) << server.handshake().reason();
  EXPECT_TRUE(client.resumed());
  EXPECT_TRUE(server.state().resumed);
  expect_replays(server, *ours);
  expect_replays(server, *credentials());
}

TEST_P(EveryCipher, IsReplayedByAnotherClock) {
  const auto ours = credentials();
  TlsClient first(GetParam().options());
  ServerEnd before(*ours);
  converse(first, before);
  first.read();
  auto options = GetParam().options();
  options.session = first.sessions().back();
  TlsClient client(options);
  ServerEnd server(*ours, 2);
  converse(client, server);
  for (const std::int64_t seconds : {2, 3'600, 24 * 3'600, -3'600}) {
    SCOPED_TRACE(seconds);
    const ShiftedClock shifted(seconds);
    expect_replays(before, *ours);
    expect_replays(server, *ours);
  }
}

// A process that has used its RSA key may have to make a new blinding for it, which takes random bytes.
TEST_P(EveryCipher, IsReplayedWhateverTheProcessDidBefore) {
  const auto ours = credentials();
  TlsClient client(GetParam().options());
  ServerEnd server(*ours);
  converse(client, server);
  for (int i = 0; i < 40; ++i) expect_replays(server, *ours);
}

class HandshakeTest : public TlsTest {
 protected:
  // A whole conversation, which succeeds, is replayed.
  void expect_success(const TlsClient::Options& options, std::size_t piece = 0) {
    const auto ours = credentials();
    TlsClient client(options);
    ServerEnd server(*ours);
    converse(client, server, piece);
    ASSERT_EQ(server.step(), Step::kDone) << server.handshake().reason();
    ASSERT_EQ(client.state(), TlsClient::State::kOpen) << client.error();
    expect_replays(server, *ours);
    last_ = server.state();
    subject_ = server.handshake().client_subject();
  }
  // One that the server ends with this alert is replayed, too.
  void expect_failure(const TlsClient::Options& options, int alert) {
    const auto ours = credentials();
    TlsClient client(options);
    ServerEnd server(*ours);
    converse(client, server);
    EXPECT_EQ(server.step(), Step::kFailed);
    EXPECT_EQ(server.handshake().alert(), alert) << server.handshake().reason();
    EXPECT_EQ(client.state() == TlsClient::State::kFailed || !(client.read(), client.error()).empty(), true);
    expect_replays(server, *ours);
  }
  // Bytes that are no handshake.
  Step give(std::string_view bytes) {
    const auto ours = credentials();
    ServerEnd server(*ours);
    server.take(bytes);
    expect_replays(server, *ours);
    output_ = server.handshake().output();
    alert_ = server.handshake().alert();
    return server.step();
  }
  static TlsClient::Options version(int version) {
    TlsClient::Options options;
    options.min_version = options.max_version = version;
    return options;
  }

  TlsState last_;
  std::string subject_;
  std::string output_;
  int alert_ = -2;
};

TEST_F(HandshakeTest, ByteForByte) {
  expect_success(version(TLS1_2_VERSION), 1);
  expect_success(version(TLS1_3_VERSION), 1);
}

TEST_F(HandshakeTest, SaysHowManyBytesItNeeds) {
  const auto ours = credentials();
  TlsClient client({});
  client.advance();
  const std::string hello = client.take();
  TlsState state;
  tls::Handshake handshake(*ours, state);
  EXPECT_EQ(handshake.needed(), 5U);
  EXPECT_EQ(handshake.advance(std::string_view(hello).substr(0, 4)), Step::kNeedsMore);
  EXPECT_EQ(handshake.needed(), 5U);
  EXPECT_EQ(handshake.advance(std::string_view(hello).substr(0, 7)), Step::kNeedsMore);
  EXPECT_EQ(handshake.needed(), hello.size());
  EXPECT_EQ(handshake.fed(), 0U);
  EXPECT_EQ(handshake.advance(hello), Step::kNeedsMore);
  EXPECT_EQ(handshake.fed(), hello.size());
  EXPECT_EQ(handshake.needed(), hello.size() + 5);
  EXPECT_FALSE(handshake.output().empty());
}

TEST_F(HandshakeTest, HelloRetryRequest) {
  auto options = version(TLS1_3_VERSION);
  options.groups = "P-521:P-256";
  const auto ours = credentials();
  TlsClient client(options);
  ServerEnd server(*ours);
  converse(client, server);
  ASSERT_EQ(server.step(), Step::kDone);
  EXPECT_NE(server.state().handshake.flights[2].bytes, 0U);
  EXPECT_EQ(server.state().writing.sequence, 2U);
  expect_replays(server, *ours);
}

TEST_F(HandshakeTest, SequenceNumbersWithoutTickets) {
  config_.tls.session_tickets = false;
  expect_success(version(TLS1_3_VERSION));
  EXPECT_EQ(last_.writing.sequence, 0U);
  EXPECT_EQ(last_.reading[0].sequence, 0U);
  expect_success(version(TLS1_2_VERSION));
  EXPECT_EQ(last_.writing.sequence, 1U);
  EXPECT_EQ(last_.reading[0].sequence, 1U);
}

TEST_F(HandshakeTest, MaxFragmentLength) {
  for (const int which : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    auto options = version(which);
    options.max_fragment = TLSEXT_max_fragment_length_512;
    expect_success(options);
    EXPECT_EQ(last_.max_plain, 512);
    options.max_fragment = TLSEXT_max_fragment_length_4096;
    expect_success(options);
    EXPECT_EQ(last_.max_plain, 4'096);
  }
}

TEST_F(HandshakeTest, NothingBehindTheFinishedIsUsed) {
  for (const int which : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto ours = credentials();
    TlsClient client(version(which));
    ServerEnd server(*ours);
    client.advance();
    client.give(server.take(client.take()));
    client.advance();
    const std::string finished = client.take();
    // Any bytes of the right form: nobody may try to read them.
    const std::string data = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
    server.take(finished + data + data);
    EXPECT_EQ(server.step(), Step::kDone);
    EXPECT_EQ(server.handshake().fed() + 2 * data.size(), server.client_bytes().size());
    EXPECT_EQ(server.state().reading[0].at, server.handshake().fed());
    expect_replays(server, *ours);
  }
}

TEST_F(HandshakeTest, ClientCertificateRequired) {
  const TestCa people("people");
  config_.sites[0].client_ca = dir_.write("people.pem", people.pem());
  config_.sites[0].client_auth = SiteConfig::ClientAuth::kRequire;
  for (const int which : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    auto options = with_certificate(people, "Ada");
    options.min_version = options.max_version = which;
    expect_success(options);
    EXPECT_EQ(subject_, "CN=Ada");
    options.certificate.clear();
    expect_failure(options, which == TLS1_3_VERSION ? SSL_AD_CERTIFICATE_REQUIRED : SSL_AD_HANDSHAKE_FAILURE);
    options = with_certificate(TestCa("strangers"), "Eve");
    options.min_version = options.max_version = which;
    expect_failure(options, SSL_AD_UNKNOWN_CA);
    options = with_certificate(people, "Old", -60);
    options.min_version = options.max_version = which;
    expect_failure(options, SSL_AD_CERTIFICATE_EXPIRED);
  }
}

TEST_F(HandshakeTest, ClientCertificateOptional) {
  const TestCa people("people");
  config_.sites[0].client_ca = dir_.write("people.pem", people.pem());
  config_.sites[0].client_auth = SiteConfig::ClientAuth::kOptional;
  expect_success({});
  EXPECT_EQ(subject_, "");
  expect_success(with_certificate(people, "Ada"));
  EXPECT_EQ(subject_, "CN=Ada");
  expect_failure(with_certificate(TestCa("strangers"), "Eve"), SSL_AD_UNKNOWN_CA);
}

TEST_F(HandshakeTest, ClientCertificateUnasked) {
  expect_success(with_certificate(TestCa("people"), "Ada"));
  EXPECT_EQ(subject_, "");
}

// The client's certificate is judged by the handshake's time.
TEST_F(HandshakeTest, ClientCertificateExpiresDuringAReplay) {
  const TestCa people("people");
  config_.sites[0].client_ca = dir_.write("people.pem", people.pem());
  config_.sites[0].client_auth = SiteConfig::ClientAuth::kRequire;
  const auto ours = credentials();
  TlsClient client(with_certificate(people, "Ada", 3'600));
  ServerEnd server(*ours);
  converse(client, server);
  ASSERT_EQ(server.step(), Step::kDone);
  const ShiftedClock shifted(2 * 3'600);
  expect_replays(server, *ours);
}

TEST_F(HandshakeTest, RenegotiationIsRefused) {
  const auto ours = credentials();
  TlsClient client(version(TLS1_2_VERSION));
  ServerEnd server(*ours);
  converse(client, server);
  ASSERT_EQ(server.step(), Step::kDone);
  // The handshake is over: what a client sends from here on is the record layer's, which knows no second one.
  ::SSL_renegotiate(client.ssl());
  ::SSL_do_handshake(client.ssl());
  const std::string hello = client.take();
  ASSERT_FALSE(hello.empty());
  const std::size_t fed = server.handshake().fed();
  EXPECT_EQ(server.take(hello), "");
  EXPECT_EQ(server.handshake().fed(), fed);
}

TEST_F(HandshakeTest, EarlyDataIsPassedOver) {
  const auto ours = credentials();
  TlsClient first(version(TLS1_3_VERSION));
  ServerEnd before(*ours);
  converse(first, before);
  first.read();
  auto options = version(TLS1_3_VERSION);
  options.session = first.sessions().back();
  EXPECT_EQ(::SSL_SESSION_get_max_early_data(options.session.get()), 0U);
  options.early_data = "GET / HTTP/1.1\r\n\r\n";
  TlsClient client(options);
  ServerEnd server(*ours, 2);
  converse(client, server);
  ASSERT_EQ(server.step(), Step::kDone) << server.handshake().reason();
  ASSERT_EQ(client.state(), TlsClient::State::kOpen) << client.error();
  EXPECT_EQ(::SSL_get_early_data_status(client.ssl()), SSL_EARLY_DATA_REJECTED);
  EXPECT_EQ(server.state().reading[0].sequence, 0U);
  expect_replays(server, *ours);
}

TEST_F(HandshakeTest, OldVersionsAreRefused) {
  auto options = version(TLS1_1_VERSION);
  options.ciphers = "ALL:@SECLEVEL=0";
  expect_failure(options, SSL_AD_PROTOCOL_VERSION);
}

TEST_F(HandshakeTest, NoCommonCipher) {
  auto options = version(TLS1_2_VERSION);
  options.ciphers = "AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256";
  expect_failure(options, SSL_AD_HANDSHAKE_FAILURE);
}

TEST_F(HandshakeTest, ProtocolNegotiation) {
  const auto ours = credentials();
  TlsClient::Options options;
  options.protocols = {"h2", "http/1.1"};
  TlsClient client(options);
  ServerEnd server(*ours);
  converse(client, server);
  EXPECT_EQ(server.step(), Step::kDone);
  EXPECT_EQ(client.protocol(), "http/1.1");
  options.protocols = {"h2", "smtp"};
  expect_failure(options, SSL_AD_NO_APPLICATION_PROTOCOL);
}

TEST_F(HandshakeTest, PlainHttpIsAnsweredAsSuch) {
  for (const char* request :
       {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /form HTTP/1.1\r\n", "CONNECT a:443 HTTP/1.1\r\n"}) {
    EXPECT_EQ(give(request), Step::kFailed);
    EXPECT_THAT(output_, StartsWith("HTTP/1.1 400 Bad Request\r\n"));
    EXPECT_THAT(output_, HasSubstr("https://"));
    EXPECT_EQ(alert_, -1);
  }
}

TEST_F(HandshakeTest, GarbageIsRefused) {
  EXPECT_EQ(give("\x80\x2e\x01\x03\x01 SSL 2"), Step::kFailed);
  EXPECT_EQ(give("SSH-2.0-OpenSSH_9.2\r\n"), Step::kFailed);
  EXPECT_EQ(give(std::string(100, '\0')), Step::kFailed);
  EXPECT_EQ(give(std::string("\x17\x03\x03\x00\x02hi", 7)), Step::kFailed);
  EXPECT_EQ(alert_, SSL_AD_UNEXPECTED_MESSAGE);
  EXPECT_EQ(give(std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10)), Step::kFailed);
  EXPECT_EQ(alert_, SSL_AD_DECODE_ERROR);
}

TEST_F(HandshakeTest, ARecordThatIsTooLongGetsItsAlertAtOnce) {
  for (const char* header : {"\x16\x03\x01\xff\xff", "\x16\x03\x01\x41\x01"}) {
    EXPECT_EQ(give(header), Step::kFailed);
    EXPECT_EQ(alert_, SSL_AD_RECORD_OVERFLOW);
    EXPECT_EQ(output_.size(), 7U);
  }
}

TEST_F(HandshakeTest, AHandshakeHasABound) {
  const auto ours = credentials();
  ServerEnd server(*ours);
  // A ClientHello of 128 KiB, a byte in each record.
  std::string bytes("\x16\x03\x01\x00\x04\x01\x02\x00\x00", 9);
  while (bytes.size() <= tls::Handshake::kMaxClientBytes) bytes += std::string("\x16\x03\x01\x00\x01\x00", 6);
  server.take(bytes);
  EXPECT_EQ(server.step(), Step::kFailed);
  EXPECT_LE(server.handshake().fed(), tls::Handshake::kMaxClientBytes);
}

// -- a replay that makes other bytes

class DivergedTest : public HandshakeTest {
 protected:
  // A conversation up to its end, and credentials with another certificate.
  void prepare(int which) {
    original_certificates_ = config_.sites[0].certificates;
    ours_ = credentials();
    client_ = std::make_unique<TlsClient>(version(which));
    server_ = std::make_unique<ServerEnd>(*ours_);
    converse(*client_, *server_);
    ASSERT_EQ(server_->step(), Step::kDone);
    config_.sites[0].certificates = {certificate("another")};
    others_ = credentials();
  }
  // A replay at the moment after the first flight, when so much was written of it.
  Step replay(std::size_t written) {
    const ServerEnd::Moment& moment = server_->moments().front();
    state_ = moment.state;
    state_.written = written;
    tls::Handshake again(*others_, state_);
    const Step step = again.advance(moment.client);
    output_ = again.output();
    return step;
  }

  std::vector<CertificateConfig> original_certificates_;
  std::unique_ptr<tls::Credentials> ours_, others_;
  std::unique_ptr<TlsClient> client_;
  std::unique_ptr<ServerEnd> server_;
  TlsState state_;
};

TEST_F(DivergedTest, NothingHadLeft) {
  for (const int which : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    prepare(which);
    EXPECT_EQ(replay(0), Step::kNeedsMore);
    EXPECT_NE(output_, server_->moments().front().output);
    EXPECT_EQ(state_.handshake.flights[0].bytes, output_.size());
    // It is noted: the next replay compares with it.
    const std::string noted = output_;
    TlsState next = state_;
    next.written = 1;
    tls::Handshake again(*others_, next);
    EXPECT_EQ(again.advance(server_->moments().front().client), Step::kNeedsMore);
    EXPECT_EQ(again.output(), noted);
    tls::Handshake back(*ours_, next);
    EXPECT_EQ(back.advance(server_->moments().front().client), Step::kDiverged);
  }
}

TEST_F(DivergedTest, SomethingHadLeft) {
  for (const int which : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    prepare(which);
    const std::size_t size = server_->moments().front().output.size();
    for (const std::size_t written : {std::size_t{1}, size / 2, size})
      EXPECT_EQ(replay(written), Step::kDiverged);
  }
}

// The bytes up to there are the same, the next ones are not.
TEST_F(DivergedTest, OnlyTheLastFlightDiffers) {
  prepare(TLS1_2_VERSION);
  const ServerEnd::Moment& last = server_->moments().back();
  ASSERT_GT(last.flight, 0U);
  TicketKeys other_tickets;
  other_tickets.make();
  config_.sites[0].certificates = original_certificates_;
  const tls::Credentials rotated(config_, &other_tickets);
  for (const std::size_t left : {0, 1}) {
    TlsState state = last.state;
    state.written = last.flight + left;
    tls::Handshake again(rotated, state);
    EXPECT_EQ(again.advance(last.client), left == 0 ? Step::kDone : Step::kDiverged);
  }
}

TEST_F(DivergedTest, AReplayThatFailsSaysNothingMore) {
  prepare(TLS1_3_VERSION);
  config_.tls.tls13 = false;
  others_ = credentials();
  EXPECT_EQ(replay(0), Step::kFailed);
  EXPECT_EQ(output_.size(), 7U);
  EXPECT_EQ(replay(1), Step::kDiverged);
}

}  // namespace
}  // namespace baton::test
