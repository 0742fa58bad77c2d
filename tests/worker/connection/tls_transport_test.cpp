// Sending over TLS, step by step. Random schedules with deaths are in tests/master/tls_recovery_test.cpp.
#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>

#include "common/base/tcp_counts.h"
#include "common/shared/outbox_record.h"
#include "tests/worker/connection/tls_pair.h"
#include "tests/worker/tls/fixture.h"
#include "worker/connection/outbox.h"
#include "worker/connection/transport.h"
#include "worker/tls/record.h"

namespace baton::test {
namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string text(std::size_t bytes, std::size_t salt = 0) {
  std::string made(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) made[i] = static_cast<char>((i + salt) * 31 % 251);
  return made;
}

class TlsTransport : public TlsTest, public ::testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    ours_ = credentials();
    connect();
  }
  void connect() {
    drop_parked(slot_ ? *slot_ : *(slot_ = std::make_unique<Slot>()));
    connection_.reset();
    slot_ = std::make_unique<Slot>();
    slot_->socket = SocketKind::kTls;
    TlsPair::Options options;
    options.version = GetParam();
    options.narrow = true;
    connection_ = std::make_unique<TlsPair>(*ours_, options);
  }
  void TearDown() override {
    outbox_.clear();
    drop_parked(*slot_);
  }

  [[nodiscard]] static bool is_13() { return GetParam() == TLS1_3_VERSION; }
  [[nodiscard]] TlsPair& pair() const { return *connection_; }
  [[nodiscard]] TlsState& state() const { return connection_->state(); }
  [[nodiscard]] Slot& slot() const { return *slot_; }
  [[nodiscard]] Transport socket() const { return {pair().fd(), *slot_}; }
  [[nodiscard]] std::uint64_t written() const { return stream_counts(pair().fd())->written; }
  SendResult send() { return outbox_.send(pair().fd(), *slot_); }

  void plan(bool last = false) {
    socket().plan_response(outbox_.total(), 0, last);
    slot_->enter(Phase::kResponse);
  }
  void end() {
    socket().end_response();
    slot_->enter(Phase::kHead);
    outbox_.clear();
  }
  void park() {
    ASSERT_TRUE(outbox_.park(*slot_));
    socket().plan_parked();
    slot_->enter(Phase::kParked);
    outbox_.clear();
  }
  void resume_to_the_end() {
    std::uint64_t sent = 0;
    SendResult result;
    while ((result = resume_parked(pair().fd(), *slot_, sent)) == SendResult::kBlocked) {
      pair().await();
      pair().receive();
    }
    ASSERT_EQ(result, SendResult::kDone);
    drop_parked(*slot_);
    end();
  }
  void receive_all() {
    while (pair().received_bytes() < state().written && pair().client().error().empty()) {
      pair().await();
      pair().receive();
    }
  }
  void peek() {
    char buffer[80 * 1024];
    while (socket().peek(buffer, sizeof buffer) > 0) ASSERT_TRUE(socket().consume(1));
  }

  std::unique_ptr<tls::Credentials> ours_;
  std::unique_ptr<TlsPair> connection_;
  std::unique_ptr<Slot> slot_;
  std::unique_ptr<OutboxRecord> record_ = std::make_unique<OutboxRecord>();
  Outbox outbox_{*record_};
};

INSTANTIATE_TEST_SUITE_P(Tls, TlsTransport, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& param) {
                           return param.param == TLS1_3_VERSION ? std::string("V13") : std::string("V12");
                         });

// Nothing may follow a record that was begun: what does would be sealed with its sequence number.
TEST_P(TlsTransport, NothingIsSealedBehindAPartOfAnInterimResponse) {
  int cut = 0;
  for (std::size_t filled = 2'000; filled < 2'040; ++filled) {
    connect();
    const int room = 40'000;
    ASSERT_EQ(::setsockopt(pair().fd(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
    outbox_.append(text(filled));
    plan();
    ASSERT_EQ(send(), SendResult::kDone);
    end();
    while (socket().send(kContinue, false) > 0) {
    }
    const std::uint64_t sent = written();
    EXPECT_EQ(state().written, sent);
    const std::uint64_t interim = kContinue.size() + tls::overhead(state());
    if ((sent - state().writing.at) % interim == 0) continue;
    ++cut;
    EXPECT_LT(socket().send(kContinue, false), 0);
    socket().say_goodbye();
    EXPECT_EQ(slot().phase, Phase::kLingering);
    EXPECT_EQ(written(), sent);
  }
  EXPECT_GT(cut, 0) << "no interim response was cut by the kernel";
}

// While the descriptor table is lost, Responder::send_all() sends on and on.
TEST_P(TlsTransport, AStreamIsSentOnWithoutForgettingWhatWasSent) {
  socket().plan_response(0, 0, false);
  slot().enter(Phase::kStreaming);
  const std::string all = text(120'000);
  outbox_.append(all);
  int rounds = 0;
  while (send() == SendResult::kBlocked && pair().client().error().empty()) {
    ++rounds;
    pair().await();
    pair().receive();
  }
  EXPECT_GT(rounds, 3);
  EXPECT_EQ(outbox_.sent(), all.size());
  EXPECT_EQ(outbox_.forget_sent(), all.size());
  receive_all();
  EXPECT_TRUE(pair().received() == all) << pair().client().error();
}

// What was begun stays as it is. What is added later begins behind it.
TEST_P(TlsTransport, AStreamThatGrowsWhileARecordIsBegun) {
  socket().plan_response(0, 0, false);
  slot().enter(Phase::kStreaming);
  std::string all;
  for (std::size_t i = 0; i < 300; ++i) {
    const std::string part = text(1 + i * 37 % 900, i);
    outbox_.append(part);
    all += part;
    ASSERT_NE(send(), SendResult::kBroken);
    if (i % 3 != 0) (void)outbox_.forget_sent();
    if (i % 5 == 0) pair().receive(1'500);
  }
  (void)outbox_.forget_sent();
  plan(true);
  while (send() == SendResult::kBlocked && pair().client().error().empty()) {
    pair().await();
    pair().receive();
  }
  receive_all();
  EXPECT_TRUE(pair().received() == all);
  EXPECT_EQ(pair().client().error(), "closed");
}

TEST_P(TlsTransport, CloseNotifyIsAPartOfTheLastResponse) {
  outbox_.append("the last one");
  plan(true);
  ASSERT_EQ(send(), SendResult::kDone);
  receive_all();
  EXPECT_EQ(pair().received(), "the last one");
  EXPECT_EQ(pair().client().error(), "closed");
}

TEST_P(TlsTransport, InterimResponsesBetweenResponses) {
  std::string all;
  for (std::size_t i = 0; i < 5; ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      ASSERT_EQ(socket().send(kContinue, false), static_cast<ssize_t>(kContinue.size()));
      all += kContinue;
      receive_all();
    }
    const auto counts = socket().counts();
    ASSERT_TRUE(counts.has_value());
    EXPECT_EQ(counts->written, i * kContinue.size());
    outbox_.append("a response");
    all += "a response";
    plan();
    ASSERT_EQ(send(), SendResult::kDone);
    end();
    receive_all();
  }
  EXPECT_EQ(pair().received(), all);
}

TEST_P(TlsTransport, AKeyUpdateThatIsAskedForComesOnce) {
  if (!is_13()) return;
  for (const std::size_t bytes : {10U, 100'000U}) {  // sent at once, or parked behind the KeyUpdate
    ASSERT_EQ(::SSL_key_update(pair().client().ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    pair().write("x");
    pair().push();
    peek();
    EXPECT_EQ(state().key_update_wanted, 1);
    const std::uint32_t generation = state().writing.generation;
    const std::string response = text(bytes);
    outbox_.append(response);
    plan();
    if (send() == SendResult::kDone) {
      end();
    } else {
      park();
      resume_to_the_end();
    }
    EXPECT_EQ(state().writing.generation, generation + 1);
    EXPECT_EQ(state().key_update_wanted, 0);
    outbox_.append("next");
    plan();
    while (send() == SendResult::kBlocked && pair().client().error().empty()) receive_all();
    end();
    EXPECT_EQ(state().writing.generation, generation + 1);
    receive_all();
    EXPECT_TRUE(pair().received().ends_with(response + "next")) << pair().client().error();
  }
}

TEST_P(TlsTransport, AKeyIsReplacedAfterManyRecords) {
  state().writing.sequence = std::uint64_t{1} << 22;
  outbox_.append("x");
  plan();
  EXPECT_EQ(state().responses.sending.key_update, is_13());
}

// A record that was begun is finished with what the file says now. The client sees that, and nobody sees two plaintexts
// under one key and number: of each byte of the record one version was sent.
TEST_P(TlsTransport, AFileThatChangesUnderABegunRecordIsABadRecord) {
  const std::string before = text(60'000);
  const UniqueFd file(::memfd_create("file", MFD_CLOEXEC));
  ASSERT_EQ(::pwrite(file.get(), before.data(), before.size(), 0), static_cast<ssize_t>(before.size()));
  outbox_.append_file(file.get(), 0, static_cast<off_t>(before.size()));
  plan();
  ASSERT_EQ(send(), SendResult::kBlocked);
  const std::uint64_t whole = socket().planned_sent();
  park();
  const std::string after(before.size(), '!');
  ASSERT_EQ(::pwrite(file.get(), after.data(), after.size(), 0), static_cast<ssize_t>(after.size()));
  std::uint64_t sent = 0;
  while (pair().client().error().empty() &&
         resume_parked(pair().fd(), slot(), sent) == SendResult::kBlocked) {
    pair().await();
    pair().receive();
  }
  receive_all();
  EXPECT_EQ(pair().received(), before.substr(0, whole));
  EXPECT_NE(pair().client().error().find("bad record mac"), std::string::npos) << pair().client().error();
}

TEST_P(TlsTransport, AFileThatShrinksEndsTheConnection) {
  const UniqueFd file(::memfd_create("file", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(file.get(), 60'000), 0);
  outbox_.append_file(file.get(), 0, 60'000);
  plan();
  ASSERT_EQ(send(), SendResult::kBlocked);
  ASSERT_EQ(::ftruncate(file.get(), 100), 0);
  receive_all();
  EXPECT_EQ(send(), SendResult::kBroken);
  const std::uint64_t sent = written();
  socket().say_goodbye();
  EXPECT_EQ(written(), sent) << "no alert behind a record that was begun";
}

TEST_P(TlsTransport, AGoodbyeBetweenResponses) {
  socket().say_goodbye();
  EXPECT_EQ(slot().phase, Phase::kLingering);
  const std::uint64_t sent = written();
  socket().say_goodbye();
  EXPECT_EQ(written(), sent) << "said once";
  receive_all();
  EXPECT_EQ(pair().client().error(), "closed");
}

// A plan for a connection that cannot go on fails, whatever is planned upon it.
TEST_P(TlsTransport, NoPlanGoesOnBehindAPartOfARecord) {
  state().key_update_wanted = 1;
  state().written += 1;
  const std::uint64_t sent = written();
  socket().plan_response(0, 0, false);
  slot().enter(Phase::kStreaming);
  outbox_.append(text(1'000));
  EXPECT_EQ(send(), SendResult::kBroken);
  EXPECT_EQ(send(), SendResult::kBroken);
  plan(true);
  EXPECT_EQ(send(), SendResult::kBroken);
  EXPECT_EQ(written(), sent);
}

}  // namespace
}  // namespace baton::test
