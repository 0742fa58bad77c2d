#include "master/recovery.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <memory>

#include "tests/support/client.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_segment.h"
#include "tests/support/wait.h"
#include "worker/connection.h"
#include "worker/http/chunked.h"
#include "worker/outbox.h"

namespace baton {
namespace {

using test::Client;

constexpr Holder kWorker = 0;  // runs in this process
constexpr Holder kDead = 1;
constexpr std::uint32_t kRetries = 3;

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
      worker_.handle(static_cast<int>(event->key.fd), event->key.generation, monotonic_ns());
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
  void consume(std::size_t bytes) const {
    ASSERT_EQ(::recv(fd_, nullptr, bytes, MSG_TRUNC), static_cast<ssize_t>(bytes));
  }

  void die() {
    recover(segment_, epoll_, kDead, {Cause::kCrashed, SIGSEGV, false}, kRetries, -1);
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
  AccessLog log_{segment_.log_buffers()[kWorker], LogConfig::AccessFormat::kCombined, -1};
  ConnectionHandler worker_{context_, log_};
  std::unique_ptr<Client> client_;
  int fd_ = -1;
};

constexpr std::string_view kUpload = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n";
constexpr std::string_view kChunkedUpload =
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view kChunks = "5\r\nhello\r\n0\r\n\r\n";

// Nothing more arrives for it: waiting for EPOLLIN would be waiting for the deadline.
TEST_F(RecoveryTest, ABodyThatWasCompleteIsAnsweredAtOnce) {
  begin_upload(kUpload);
  client_->send("hello");
  arrived(5);
  held_by_the_dead();
  consume(5);
  slot().body_left = 0;
  slot().bytes_in += 5;
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
  slot().chunk_phase = state.phase;
  slot().chunk_remaining = state.remaining;
  consume(kChunks.size());
  slot().bytes_in += kChunks.size();
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
  slot().body_left = 0;
  slot().bytes_in += 5;
  slot().request_bytes = slot().spool_bytes;
  slot().phase = Phase::kResponse;
  constexpr std::string_view kNext = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  client_->send(kNext);
  arrived(kNext.size());
  die();
  EXPECT_EQ(client_->receive().body, "x");
  EXPECT_EQ(client_->receive().body, "x");
  EXPECT_EQ(slot().requests, 2U);
}

// A response can be parked without a byte of it sent. What is parked belongs to the slot, and what is
// consumed will not be asked again.
TEST_F(RecoveryTest, AResponseThatWasBeingParkedIsNotBegunAgain) {
  accepted();
  client_->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  arrived(27);
  held_by_the_dead();
  Outbox outbox;
  outbox.append("HTTP/1.1 200 OK\r\n\r\n");
  ASSERT_TRUE(outbox.park(slot()));
  slot().request_bytes = 27;
  slot().phase = Phase::kResponse;
  consume(27);
  slot().bytes_in += 27;
  die();
  EXPECT_TRUE(closed());
  EXPECT_TRUE(client_->closed());
}

// One byte that was consumed and not noted looks like a FIN, if only the counts are looked at.
TEST_F(RecoveryTest, AByteTooManyIsNotTakenForTheEnd) {
  begin_upload(kUpload);
  client_->send("h");
  arrived(1);
  held_by_the_dead();
  consume(1);
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
TEST_F(RecoveryTest, AConnectionThatWasNotFilledInIsClosed) {
  table_.open(fd_, kDead);
  client_->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  arrived(27);
  die();
  EXPECT_TRUE(closed());
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

TEST_F(RecoveryTest, AHalfDroppedSpoolIsNotBelieved) {
  begin_upload(kUpload);
  held_by_the_dead();
  ::close(slot().spool_fd);
  slot().spool_fd = -1;
  slot().phase = Phase::kHead;
  die();
  EXPECT_TRUE(closed());
}

}  // namespace
}  // namespace baton
