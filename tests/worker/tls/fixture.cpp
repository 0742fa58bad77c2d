#include "tests/worker/tls/fixture.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <ctime>
#include <stdexcept>

namespace {

std::atomic<std::int64_t> g_shift{0};

}  // namespace

// The C library's own is not linked in where the program has one.
extern "C" std::time_t time(std::time_t* out) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const std::time_t shifted = now.tv_sec + g_shift.load();
  if (out != nullptr) *out = shifted;
  return shifted;
}

namespace baton::test {

ShiftedClock::ShiftedClock(std::int64_t seconds) {
  g_shift.store(seconds);
}

ShiftedClock::~ShiftedClock() {
  g_shift.store(0);
}

namespace {

std::unique_ptr<TlsState> seeded(std::uint8_t seed) {
  auto state = std::make_unique<TlsState>();
  std::memset(state->handshake.seed, seed, sizeof state->handshake.seed);
  return state;
}

}  // namespace

ServerEnd::ServerEnd(const tls::Credentials& credentials, std::uint8_t seed)
    : state_(seeded(seed)), handshake_(credentials, *state_) {}

std::string ServerEnd::take(std::string_view from_client) {
  client_bytes_ += from_client;
  const std::size_t fed = handshake_.fed();
  const std::size_t sent = handshake_.output().size();
  step_ = handshake_.advance(client_bytes_);
  std::string fresh(handshake_.output().substr(sent));
  if (handshake_.fed() != fed || !fresh.empty()) {
    moments_.push_back({*state_, client_bytes_, std::string(handshake_.output()), sent, step_});
  }
  state_->written = handshake_.output().size();
  return fresh;
}

void converse(TlsClient& client, ServerEnd& server, std::size_t piece) {
  for (;;) {
    client.advance();
    std::string sent = client.take();
    if (sent.empty()) return;
    const std::size_t size = piece != 0 ? piece : sent.size();
    for (std::size_t i = 0; i < sent.size(); i += size) {
      client.give(server.take(std::string_view(sent).substr(i, size)));
    }
  }
}

void expect_same_connection(const TlsState& a, const TlsState& b) {
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.aead, b.aead);
  EXPECT_EQ(a.hash_bytes, b.hash_bytes);
  EXPECT_EQ(a.suite, b.suite);
  EXPECT_EQ(a.resumed, b.resumed);
  EXPECT_EQ(a.max_plain, b.max_plain);
  EXPECT_EQ(a.explicit_base, b.explicit_base);
  EXPECT_EQ(a.reading[0].at, b.reading[0].at);
  EXPECT_EQ(a.reading[0].sequence, b.reading[0].sequence);
  EXPECT_EQ(a.reading[1].at, b.reading[1].at);
  EXPECT_EQ(a.writing.at, b.writing.at);
  EXPECT_EQ(a.writing.sequence, b.writing.sequence);
  EXPECT_EQ(std::memcmp(a.read_keys, b.read_keys, sizeof a.read_keys), 0);
  EXPECT_EQ(std::memcmp(a.write_keys, b.write_keys, sizeof a.write_keys), 0);
  EXPECT_EQ(a.handshake.final_bytes, b.handshake.final_bytes);
}

void expect_replays(ServerEnd& original, const tls::Credentials& credentials) {
  ASSERT_FALSE(original.moments().empty());
  const ServerEnd::Moment& last = original.moments().back();
  for (const ServerEnd::Moment& moment : original.moments()) {
    for (const std::size_t written :
         {moment.flight, (moment.flight + moment.output.size()) / 2, moment.output.size()}) {
      SCOPED_TRACE("client bytes " + std::to_string(moment.client.size()) + ", written " +
                   std::to_string(written));
      auto state = std::make_unique<TlsState>(moment.state);
      state->written = written;
      tls::Handshake again(credentials, *state);
      ASSERT_EQ(again.advance(moment.client), moment.step) << again.reason();
      ASSERT_EQ(again.output(), moment.output);
      state->written = moment.output.size();
      ASSERT_EQ(again.advance(original.client_bytes()), last.step) << again.reason();
      ASSERT_EQ(again.output(), last.output);
      ASSERT_EQ(again.fed(), original.handshake().fed());
      ASSERT_EQ(again.alert(), original.handshake().alert());
      if (last.step != ServerEnd::Step::kDone) continue;
      expect_same_connection(*state, last.state);
      EXPECT_EQ(again.server_name(), original.handshake().server_name());
      EXPECT_EQ(again.client_subject(), original.handshake().client_subject());
      EXPECT_EQ(again.cipher(), original.handshake().cipher());
    }
  }
}

TlsTest::TlsTest() {
  tickets_.make();
  config_.file = "test.toml";
  config_.sites.push_back(site({}));
}

SiteConfig TlsTest::site(const std::vector<std::string>& hosts, Kind kind) {
  SiteConfig made;
  made.hosts = hosts;
  made.certificates.push_back(certificate(hosts.empty() ? "default" : hosts.front(), kind));
  return made;
}

CertificateConfig TlsTest::certificate(const std::string& subject, Kind kind) {
  const CertificateFiles files =
      ca_.issue(dir_, "c" + std::to_string(++files_), {.subject = subject, .kind = kind});
  CertificateConfig made;
  made.chain = files.chain;
  made.key = files.key;
  return made;
}

TlsClient::Options TlsTest::with_certificate(const TestCa& ca, const std::string& subject, long valid_until) {
  const CertificateFiles files =
      ca.issue(dir_, "client" + std::to_string(++files_), {.subject = subject, .valid_until = valid_until});
  TlsClient::Options options;
  options.certificate = files.chain;
  options.key = files.key;
  return options;
}

std::unique_ptr<tls::Credentials> TlsTest::credentials() const {
  return std::make_unique<tls::Credentials>(config_, &tickets_);
}

std::string TlsTest::refusal() const {
  try {
    static_cast<void>(credentials());
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

}  // namespace baton::test
