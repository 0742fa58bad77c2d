// Sessions that are resumed by tickets.
#include "tests/worker/tls/fixture.h"

namespace baton::test {
namespace {

class TicketsTest : public TlsTest, public ::testing::WithParamInterface<int> {
 protected:
  // A conversation with the site of this name. Keeps the latest ticket.
  void connect(const tls::Credentials& with, TlsClient::Options options = {}) {
    options.min_version = options.max_version = GetParam();
    client_ = std::make_unique<TlsClient>(options);
    server_ = std::make_unique<ServerEnd>(with, ++seed_);
    converse(*client_, *server_);
    client_->read();
  }
  void resume(const tls::Credentials& with, const SessionPtr& session, TlsClient::Options options = {}) {
    options.session = session;
    connect(with, std::move(options));
  }
  // The latest one; null: none came.
  [[nodiscard]] SessionPtr ticket() const {
    if (!is13()) return client_->session();
    return client_->sessions().empty() ? nullptr : client_->sessions().back();
  }
  static std::string bytes_of(const SessionPtr& session) {
    const unsigned char* bytes = nullptr;
    std::size_t size = 0;
    ::SSL_SESSION_get0_ticket(session.get(), &bytes, &size);
    return {reinterpret_cast<const char*>(bytes), size};
  }
  // Whether it is done, and the session was resumed. Both ends have to agree.
  [[nodiscard]] bool resumed() const {
    EXPECT_EQ(server_->step(), Step::kDone) << server_->handshake().reason();
    EXPECT_EQ(client_->resumed(), server_->state().resumed);
    return server_->state().resumed;
  }
  [[nodiscard]] bool is13() const { return GetParam() == TLS1_3_VERSION; }

  std::uint8_t seed_ = 0;
  std::unique_ptr<TlsClient> client_;
  std::unique_ptr<ServerEnd> server_;
};

INSTANTIATE_TEST_SUITE_P(Tls, TicketsTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& param) {
                           return param.param == TLS1_3_VERSION ? std::string("V13") : std::string("V12");
                         });

TEST_P(TicketsTest, AnotherProcessResumes) {
  connect(*credentials());
  EXPECT_FALSE(resumed());
  EXPECT_EQ(server_->state().writing.sequence, is13() ? 2U : 1U);
  resume(*credentials(), ticket());
  EXPECT_TRUE(resumed());
  EXPECT_EQ(server_->state().writing.sequence, 1U);
  EXPECT_EQ(server_->state().reading[0].sequence, is13() ? 0U : 1U);
}

TEST_P(TicketsTest, WithOneThreeAClientAlwaysGetsAnotherTicket) {
  const auto ours = credentials();
  connect(*ours);
  const SessionPtr first = ticket();
  resume(*ours, first);
  EXPECT_TRUE(resumed());
  EXPECT_EQ(bytes_of(ticket()) == bytes_of(first), !is13());
}

TEST_P(TicketsTest, AfterARotationTheTicketIsRenewed) {
  const auto ours = credentials();
  connect(*ours);
  const SessionPtr old = ticket();
  tickets_.rotate();
  resume(*ours, old);
  EXPECT_TRUE(resumed());
  const SessionPtr renewed = ticket();
  EXPECT_NE(bytes_of(renewed), bytes_of(old));
  expect_replays(*server_, *ours);
  tickets_.rotate();
  resume(*ours, renewed);
  EXPECT_TRUE(resumed());
}

TEST_P(TicketsTest, AfterTwoRotationsTheSessionIsOver) {
  const auto ours = credentials();
  connect(*ours);
  const SessionPtr old = ticket();
  tickets_.rotate();
  tickets_.rotate();
  resume(*ours, old);
  EXPECT_FALSE(resumed());
  EXPECT_NE(bytes_of(ticket()), "");
  expect_replays(*server_, *ours);
}

TEST_P(TicketsTest, AReplayAfterARotationGoesByTheOldKeys) {
  const auto ours = credentials();
  connect(*ours);
  const SessionPtr first = ticket();
  ServerEnd& full = *server_;
  const auto full_kept = std::move(server_);
  const auto client_kept = std::move(client_);
  tickets_.rotate();
  resume(*ours, first);
  const auto renewed_kept = std::move(server_);
  tickets_.rotate();
  expect_replays(*renewed_kept, *ours);
  // Two rotations after its beginning a handshake is not repeatable any more, and says so.
  TlsState state = full.moments().back().state;
  state.written = full.moments().back().output.size();
  tls::Handshake again(*ours, state);
  EXPECT_EQ(again.advance(full.client_bytes()), Step::kDiverged);
}

TEST_P(TicketsTest, ATicketIsTooOldByTheTimeOfTheHandshake) {
  const auto ours = credentials();
  connect(*ours);
  const SessionPtr old = ticket();
  {
    const ShiftedClock shifted(kTicketLifetimeSeconds - 60);
    resume(*ours, old);
    EXPECT_TRUE(resumed());
    const ShiftedClock later(kTicketLifetimeSeconds + 60);
    expect_replays(*server_, *ours);
  }
  // The client would not offer a session that is so old by its own clock.
  const SessionPtr young(::SSL_SESSION_dup(old.get()), ::SSL_SESSION_free);
  const ShiftedClock shifted(kTicketLifetimeSeconds + 60);
  ::SSL_SESSION_set_time(young.get(), ::time(nullptr));
  resume(*ours, young);
  EXPECT_FALSE(resumed());
}

TEST_P(TicketsTest, TheyCanBeOff) {
  config_.tls.session_tickets = false;
  const tls::Credentials without(config_, nullptr);
  connect(without);
  EXPECT_FALSE(resumed());
  EXPECT_EQ(server_->state().writing.sequence, is13() ? 0U : 1U);
  for (const SessionPtr& one : client_->sessions()) EXPECT_EQ(::SSL_SESSION_has_ticket(one.get()), 0);
  expect_replays(*server_, without);
}

TEST_P(TicketsTest, ATicketFromBeforeIsIgnoredWhereTheyAreOff) {
  connect(*credentials());
  const SessionPtr old = ticket();
  config_.tls.session_tickets = false;
  resume(*credentials(), old);
  EXPECT_FALSE(resumed());
}

TEST_P(TicketsTest, ADamagedTicketIsIgnored) {
  const auto ours = credentials();
  connect(*ours);
  const SessionPtr old = ticket();
  TicketKeys others;
  others.make();
  resume(tls::Credentials(config_, &others), old);
  EXPECT_FALSE(resumed());
}

// A session of a site that asks for no certificate is not resumed where one is required (CVE-2025-23419).
TEST_P(TicketsTest, ASessionIsOfOneSite) {
  const TestCa people("people");
  config_.sites = {site({"open.example"}), site({"closed.example"})};
  config_.sites[1].client_ca = dir_.write("people.pem", people.pem());
  config_.sites[1].client_auth = SiteConfig::ClientAuth::kRequire;
  const auto ours = credentials();
  TlsClient::Options open;
  open.server_name = "open.example";
  connect(*ours, open);
  const SessionPtr session = ticket();
  resume(*ours, session, open);
  EXPECT_TRUE(resumed());

  TlsClient::Options closed;
  closed.server_name = "closed.example";
  resume(*ours, session, closed);
  EXPECT_EQ(server_->step(), Step::kFailed);
  EXPECT_EQ(server_->handshake().alert(), is13() ? SSL_AD_CERTIFICATE_REQUIRED : SSL_AD_HANDSHAKE_FAILURE);

  auto ada = with_certificate(people, "Ada");
  ada.server_name = "closed.example";
  resume(*ours, session, ada);
  EXPECT_FALSE(resumed());
  const SessionPtr hers = ticket();
  resume(*ours, hers, closed);
  EXPECT_TRUE(resumed());
  EXPECT_EQ(server_->handshake().client_subject(), "CN=Ada");
  expect_replays(*server_, *ours);
}

TEST_P(TicketsTest, ASessionIsOfOneSetOfRules) {
  const TestCa people("people");
  const TestCa others("others");
  config_.sites[0].client_ca = dir_.write("people.pem", people.pem());
  config_.sites[0].client_auth = SiteConfig::ClientAuth::kOptional;
  connect(*credentials(), with_certificate(people, "Ada"));
  const SessionPtr session = ticket();
  resume(*credentials(), session);
  EXPECT_TRUE(resumed());
  dir_.write("people.pem", others.pem());
  resume(*credentials(), session);
  EXPECT_FALSE(resumed());
}

}  // namespace
}  // namespace baton::test
