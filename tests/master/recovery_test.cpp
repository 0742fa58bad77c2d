#include "master/recovery.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "common/http/chunked.h"
#include "tests/support/client.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_segment.h"
#include "tests/support/wait.h"
#include "worker/connection/outbox.h"
#include "worker/h1/turn.h"

namespace baton {
namespace {

using test::Client;

constexpr Holder kWorker = 0;  // runs in this process
constexpr Holder kDead = 1;

const char kConfig[] =
    "[[listen]]\naddress = \"127.0.0.1:0\"\n[[site]]\n[[site.route]]\npath = \"/\"\n"
    "respond = { body = \"x\" }\n";

// One connection whose worker has died at a statement of the test's choice, and another worker to go on.
class RecoveryTest : public testing::Test {
 protected:
  RecoveryTest() {
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    client_ = std::make_unique<Client>(Client::connect_tcp(ntohs(address.sin_port)));
    fd_ = ::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    segment_.header().highest_fd = fd_;
    segment_.header().max_connections = 10;
    segment_.header().connections = 1;
  }
  ~RecoveryTest() override {
    if (table_.claim(fd_).state != SlotState::kFree) ::close(fd_);
  }

  [[nodiscard]] Slot& slot() const { return table_.at(fd_); }
  [[nodiscard]] bool closed() const { return table_.claim(fd_).state == SlotState::kFree; }

  // Accepted, and served as far as it has arrived.
  void accepted() {
    table_.open(fd_, kWorker);
    slot().deadline = tick_of(monotonic_ns()) + 600;
    worker_.handle_accepted(fd_, monotonic_ns());
  }

  // Handles events until there is none.
  void serve() {
    while (const auto event = epoll_.wait(0, nullptr)) {
      worker_.handle(static_cast<int>(event->fd), event->generation, monotonic_ns());
    }
  }

  // A request whose body does not come with its head.
  void begin_upload(std::string_view head) {
    client_->send(head);
    arrived(head.size());
    accepted();
    ASSERT_EQ(slot().phase, Phase::kBody);
  }

  void arrived(std::size_t bytes) const {
    ASSERT_TRUE(test::wait_until([&] {
      char scratch[4096];
      return ::recv(fd_, scratch, sizeof scratch, MSG_PEEK | MSG_DONTWAIT) == static_cast<ssize_t>(bytes);
    }));
  }

  // The worker that is to die gets hold of the connection.
  void held_by_the_dead() { ASSERT_TRUE(table_.try_claim(fd_, table_.claim(fd_).generation, kDead)); }
  // What its flight record says it was doing.
  void working(FlightPhase phase) const {
    FlightRecord& flight = segment_.scoreboard()[kDead].flight;
    flight.connection = static_cast<std::uint32_t>(fd_);
    flight.phase = phase;
    flight.retries = config_.limits.retries;
  }
  void consume(std::size_t bytes) const {
    ASSERT_EQ(::recv(fd_, nullptr, bytes, MSG_TRUNC), static_cast<ssize_t>(bytes));
  }

  void die() {
    recover(segment_, epoll_, kDead, death_, config_, -1);
    serve();
  }

  test::TempDir folder_;
  Config config_ = *load_config(folder_.write("baton.toml", kConfig)).config;
  test::SegmentName name_;
  Segment segment_ = Segment::create(name_.text(), {1024, 2});
  ConnectionTable table_ = segment_.connections();
  UniqueFd set_{::epoll_create1(EPOLL_CLOEXEC)};
  EpollSet epoll_{set_.get(), table_};
  serve::Router router_{config_};
  WorkerContext context_{segment_, config_, router_, epoll_, kWorker, 1, -1, -1};
  AccessLog log_{segment_.log_buffers()[kWorker], LogConfig::AccessFormat::kCombined, -1,
                 segment_.header().access_log};
  app::ModuleHost modules_{config_, router_};
  h1::Turn worker_{context_, modules_, log_};
  Death death_{Cause::kCrashed, SIGSEGV, false};
  std::unique_ptr<Client> client_;
  int fd_ = -1;
};

constexpr std::string_view kUpload = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n";
constexpr std::string_view kChunkedUpload =
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view kChunks = "5\r\nhello\r\n0\r\n\r\n";

// This server may have no listener with TLS, and no memory for it.
TEST_F(RecoveryTest, AConnectionThatAWildWriteMadeOneWithTlsIsClosed) {
  accepted();
  held_by_the_dead();
  slot().socket = SocketKind::kTls;
  die();
  EXPECT_TRUE(closed());
}

// Nothing more arrives for it: waiting for EPOLLIN would be waiting for the deadline.
TEST_F(RecoveryTest, ABodyThatWasCompleteIsAnsweredAtOnce) {
  begin_upload(kUpload);
  client_->send("hello");
  arrived(5);
  held_by_the_dead();
  consume(5);  // and not noted
  die();
  EXPECT_EQ(client_->receive().body, "x");
  client_->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(
      test::wait_until([&] { return serve(), client_->readable_within(std::chrono::milliseconds(0)); }));
  EXPECT_EQ(client_->receive().body, "x");
}

TEST_F(RecoveryTest, AChunkedBodyThatWasCompleteIsAnsweredAtOnce) {
  begin_upload(kChunkedUpload);
  client_->send(kChunks);
  arrived(kChunks.size());
  held_by_the_dead();
  http::ChunkState state;
  http::ChunkStep step;
  for (std::size_t taken = 0; step.kind != http::ChunkStep::Kind::kDone; taken += step.consumed) {
    step = http::decode_chunked(kChunks.substr(taken), state);
  }
  ChunkProgress& next = table_.notes(fd_).chunks[1];
  next.phase = state.phase;
  next.remaining = state.remaining;
  next.at = slot().bytes_in + kChunks.size();
  consume(kChunks.size());  // and not noted
  die();
  EXPECT_EQ(client_->receive().body, "x");
}

// Begun again as a head, it would take the next request for its body.
TEST_F(RecoveryTest, ARequestWithABodyIsBegunAgainBehindItsBody) {
  begin_upload(kUpload);
  client_->send("hello");
  arrived(5);
  held_by_the_dead();
  consume(5);
  slot().bytes_in += 5;
  working(FlightPhase::kServing);
  constexpr std::string_view kNext = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  client_->send(kNext);
  arrived(kNext.size());
  die();
  EXPECT_EQ(client_->receive().body, "x");
  EXPECT_EQ(client_->receive().body, "x");
  EXPECT_EQ(slot().requests, 2U);
}

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kResponse = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";

// A worker that made kResponse for kRequest and died when it had sent and consumed so much.
class ResponseRecovery : public RecoveryTest {
 protected:
  void respond_and_die(std::size_t sent, std::size_t consumed, bool parked = false) {
    accepted();
    client_->send(kRequest);
    arrived(kRequest.size());
    held_by_the_dead();
    Outbox outbox(segment_.outboxes()[kDead]);
    outbox.append(kResponse.substr(0, kResponse.size() - 10));
    outbox.append_file(file_.get(), 2, 10);
    outbox.last().bytes = kResponse.size();
    slot().request_bytes = kRequest.size();
    slot().response_bytes = kResponse.size();
    slot().phase = Phase::kResponse;
    if (sent > 0) {
      ASSERT_EQ(::send(fd_, kResponse.data(), sent, 0), static_cast<ssize_t>(sent));
    }
    if (consumed > 0) consume(consumed);
    if (parked) {
      ASSERT_TRUE(outbox.park(slot()));
    }
    die();
  }

  void expect_whole_and_alive() {
    EXPECT_EQ(client_->receive().body, "0123456789");
    client_->send(kRequest);
    ASSERT_TRUE(
        test::wait_until([&] { return serve(), client_->readable_within(std::chrono::milliseconds(0)); }));
    EXPECT_EQ(client_->receive().body, "x");
    EXPECT_FALSE(client_->readable_within(std::chrono::milliseconds(0)));
    EXPECT_EQ(slot().bytes_in, 2 * kRequest.size());
  }

  UniqueFd file_{::open(folder_.write("file", "__0123456789__").c_str(), O_RDONLY | O_CLOEXEC)};
};

class ResponseCutAnywhere : public ResponseRecovery, public testing::WithParamInterface<std::size_t> {};

TEST_P(ResponseCutAnywhere, IsSentToItsEnd) {
  respond_and_die(GetParam(), 0);
  expect_whole_and_alive();
}

INSTANTIATE_TEST_SUITE_P(AfterBytes, ResponseCutAnywhere,
                         testing::Range(std::size_t{0}, kResponse.size() + 1));

class RequestConsumedSoFar : public ResponseRecovery, public testing::WithParamInterface<std::size_t> {};

TEST_P(RequestConsumedSoFar, IsConsumedToItsEnd) {
  respond_and_die(kResponse.size(), GetParam());
  expect_whole_and_alive();
}

INSTANTIATE_TEST_SUITE_P(Bytes, RequestConsumedSoFar, testing::Range(std::size_t{0}, kRequest.size() + 1));

TEST_F(ResponseRecovery, WhatWasParkedAlreadyIsParkedAnew) {
  respond_and_die(20, 5, true);
  expect_whole_and_alive();
}

TEST_F(ResponseRecovery, MoreSentThanThereIsIsNotBelieved) {
  respond_and_die(kResponse.size(), 0);
  held_by_the_dead();
  slot().phase = Phase::kResponse;
  slot().response_bytes = 1;
  slot().bytes_out = 0;
  die();
  EXPECT_TRUE(closed());
}

// Two numbers that were to change together after a response, of which only the phase had.
TEST_F(RecoveryTest, TheNumbersFollowTheKernel) {
  accepted();
  client_->send(kRequest);
  arrived(kRequest.size());
  held_by_the_dead();
  consume(kRequest.size());
  ASSERT_EQ(::send(fd_, kResponse.data(), kResponse.size(), 0), static_cast<ssize_t>(kResponse.size()));
  die();
  EXPECT_EQ(client_->receive().body, "0123456789");
  EXPECT_EQ(slot().bytes_in, kRequest.size());
  EXPECT_EQ(slot().bytes_out, kResponse.size());
  EXPECT_FALSE(closed());
}

TEST_F(RecoveryTest, ARequestThatIsNotIdempotentIsNotBegunAgain) {
  constexpr std::string_view kPost = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
  accepted();
  client_->send(std::string(kPost) + std::string(kRequest));
  arrived(kPost.size() + kRequest.size());
  held_by_the_dead();
  slot().request_bytes = kPost.size();
  slot().phase = Phase::kHandling;
  death_.cause = Cause::kKilled;
  die();
  EXPECT_EQ(client_->receive().status, 500);
  EXPECT_EQ(client_->receive().body, "x") << "the connection goes on behind it";
}

TEST_F(RecoveryTest, AWatchdogsVictimIsAnsweredWith504) {
  accepted();
  client_->send(kRequest);
  arrived(kRequest.size());
  held_by_the_dead();
  working(FlightPhase::kServing);
  death_.cause = Cause::kWatchdog;
  die();
  EXPECT_EQ(client_->receive().status, 504);
  EXPECT_FALSE(closed());
}

TEST_F(RecoveryTest, ARequestThatCrashesItsWorkersIsAnsweredWith500) {
  accepted();
  client_->send(kRequest);
  arrived(kRequest.size());
  for (std::uint32_t deaths = 0; deaths <= config_.limits.retries; ++deaths) {
    held_by_the_dead();
    working(FlightPhase::kServing);
    recover(segment_, epoll_, kDead, death_, config_, -1);
  }
  serve();
  EXPECT_EQ(client_->receive().status, 500);
  EXPECT_FALSE(closed());
}

TEST_F(RecoveryTest, AnOperatorsKillsAreNotTheRequestsDoing) {
  accepted();
  client_->send(kRequest);
  arrived(kRequest.size());
  death_ = {Cause::kKilled, SIGKILL, false};
  for (std::uint32_t deaths = 0; deaths <= config_.limits.retries + 2; ++deaths) {
    held_by_the_dead();
    working(FlightPhase::kServing);
    recover(segment_, epoll_, kDead, death_, config_, -1);
  }
  serve();
  EXPECT_EQ(client_->receive().body, "x");
}

// The one in hand was not the first of its batch: the first must not be answered with 500 for it.
TEST_F(RecoveryTest, InABatchOnlyTheRequestInHandIsBlamed) {
  accepted();
  client_->send(std::string(kRequest) + std::string(kRequest));
  arrived(2 * kRequest.size());
  for (std::uint32_t deaths = 0; deaths <= config_.limits.retries; ++deaths) {
    held_by_the_dead();
    slot().batch_offset = kRequest.size();
    working(FlightPhase::kServing);
    recover(segment_, epoll_, kDead, death_, config_, -1);
  }
  EXPECT_NE(slot().flags & SlotFlags::kOneAtATime, 0);
  serve();
  EXPECT_EQ(client_->receive().body, "x");
  EXPECT_EQ(client_->receive().body, "x");
  EXPECT_EQ(slot().flags & SlotFlags::kOneAtATime, 0);
}

// A verdict is obeyed by whoever comes, and the answer that crashes is not tried for ever.
TEST_F(RecoveryTest, AVerdictThatCrashesIsGivenUp) {
  accepted();
  client_->send(kRequest);
  arrived(kRequest.size());
  held_by_the_dead();
  slot().verdict = Verdict::kFailed;
  slot().crashes = 9;
  working(FlightPhase::kReading);
  die();
  EXPECT_TRUE(closed());
  EXPECT_TRUE(client_->closed());
}

TEST_F(RecoveryTest, BodyBytesTakenAndNotNotedAreCounted) {
  begin_upload(kUpload);
  client_->send("h");
  arrived(1);
  held_by_the_dead();
  consume(1);
  die();
  client_->send("ello");
  ASSERT_TRUE(
      test::wait_until([&] { return serve(), client_->readable_within(std::chrono::milliseconds(0)); }));
  EXPECT_EQ(client_->receive().body, "x");
}

// Of the two progresses of a chunked body neither is the kernel's: what was decoded is not known.
TEST_F(RecoveryTest, AChunkedBodyThatWasPartlyTakenIsNotBelieved) {
  begin_upload(kChunkedUpload);
  client_->send(kChunks);
  arrived(kChunks.size());
  held_by_the_dead();
  consume(3);
  die();
  EXPECT_TRUE(closed());
}

TEST_F(RecoveryTest, TheEndOfTheClientsSideIsNotTakenForAByte) {
  accepted();
  client_->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  client_->shutdown_write();
  arrived(27);
  held_by_the_dead();
  die();
  EXPECT_EQ(client_->receive().body, "x");
}

// Neither who the peer is nor a deadline may be left over from the last connection with this number.
TEST_F(RecoveryTest, AConnectionThatWasNotFilledInIsFilledIn) {
  table_.notes(fd_).peer = {};
  table_.open(fd_, kDead);
  client_->send(kRequest);
  arrived(kRequest.size());
  die();
  EXPECT_EQ(client_->receive().body, "x");
  char text[64];
  EXPECT_EQ(table_.notes(fd_).peer.format_full(text).substr(0, 10), "127.0.0.1:");
}

// Released by who accepted it, but not added to the set: no event would ever come.
TEST_F(RecoveryTest, AConnectionThatWasNotWatchedYetIsWatched) {
  table_.open(fd_, kDead);
  slot().deadline = tick_of(monotonic_ns()) + 600;
  table_.release(fd_, SlotState::kArmedRead);
  client_->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  arrived(27);
  die();
  EXPECT_EQ(client_->receive().body, "x");
}

// Its successor names what it finds there as its own, until it has begun.
TEST_F(RecoveryTest, WhatTheDeadHadMadeIsNobodysAnyMore) {
  accepted();
  held_by_the_dead();
  OutboxRecord& record = segment_.outboxes()[kDead];
  record.spill_fd = 17;
  record.stored_fd = 18;
  die();
  EXPECT_EQ(record.spill_fd, -1);
  EXPECT_EQ(record.stored_fd, -1);
}

// Dropped when its request was answered: the phase changes after it.
TEST_F(RecoveryTest, AHalfDroppedSpoolIsForgotten) {
  begin_upload(kUpload);
  held_by_the_dead();
  ::close(slot().spool_fd);
  slot().spool_fd = -1;
  slot().phase = Phase::kHead;
  die();
  client_->send(kRequest);
  ASSERT_TRUE(
      test::wait_until([&] { return serve(), client_->readable_within(std::chrono::milliseconds(0)); }));
  EXPECT_EQ(client_->receive().body, "x");
  EXPECT_EQ(slot().spool_bytes, 0U);
}

TEST_F(RecoveryTest, AHeadThatWasBeingSpooledIsWhole) {
  accepted();
  client_->send(kUpload);
  arrived(kUpload.size());
  held_by_the_dead();
  slot().spool_fd = ::memfd_create("head", MFD_CLOEXEC);
  ASSERT_EQ(::pwrite(slot().spool_fd, kUpload.data(), kUpload.size(), 0),
            static_cast<ssize_t>(kUpload.size()));
  consume(20);  // of them, and none noted
  die();
  client_->send("hello");
  ASSERT_TRUE(
      test::wait_until([&] { return serve(), client_->readable_within(std::chrono::milliseconds(0)); }));
  EXPECT_EQ(client_->receive().body, "x");
}

}  // namespace
}  // namespace baton
