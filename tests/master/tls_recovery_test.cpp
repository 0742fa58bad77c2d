// Random schedules for a TLS connection: requests, responses of all shapes, a slow client, and workers that die
// anywhere. What is left after a death are the kernel's counts and the shared memory; the master goes by them. OpenSSL's
// client has to get every byte, in one stream without a flaw.
#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "common/base/clock.h"
#include "master/recovery.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_segment.h"
#include "tests/worker/connection/tls_pair.h"
#include "tests/worker/tls/fixture.h"
#include "worker/connection/deadlines.h"
#include "worker/connection/inbox.h"
#include "worker/connection/outbox.h"
#include "worker/connection/spool.h"
#include "worker/connection/transport.h"
#include "worker/tls/record.h"

namespace baton::test {
namespace {

constexpr Holder kWorker = 1;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::size_t kFileBytes = 300'000;

std::string noise(std::size_t bytes) {
  std::mt19937 random(1);
  std::string made(bytes, '\0');
  for (char& c : made) c = static_cast<char>(random());
  return made;
}

// What all schedules share.
struct World {
  TempDir folder;
  std::string content = noise(kFileBytes);
  UniqueFd file{::open(folder.write("file", content).c_str(), O_RDONLY | O_CLOEXEC)};
  Config config;
  SegmentName name;
  Segment segment = Segment::create(name.text(), {1'024, 2});
  ConnectionTable table = segment.connections();
  UniqueFd set{::epoll_create1(EPOLL_CLOEXEC)};
  EpollSet epoll{set.get(), table};
};

class Schedule {
 public:
  Schedule(World& world, const tls::Credentials& credentials, const TlsPair::Options& options, unsigned seed)
      : world_(world), random_(seed), is_13_(options.version == TLS1_3_VERSION), pair_(credentials, options) {
    world_.segment.header().highest_fd = fd();
    world_.table.open(fd(), kWorker);
    slot().socket = SocketKind::kTls;
    slot().deadline = tick_of(monotonic_ns()) + 600;
    outbox_.emplace(record());
  }
  ~Schedule() {
    outbox_->clear();
    drop_parked(slot());
    world_.table.free(fd());
  }

  // False: something was wrong, and a failure says what.
  bool run(int turns) {
    for (int i = 0; i < turns && !over_ && good(); ++i) {
      client_turn();
      turn();
    }
    dies_ = false;
    while (!over_ && good() && (slot().phase != Phase::kHead || pair_.received().size() < due_.size())) {
      pair_.await();
      pair_.receive();
      turn();
    }
    if (over_ && good()) receive_end();
    EXPECT_TRUE(due_.starts_with(pair_.received()));
    EXPECT_TRUE(!complete_ || pair_.received().size() == due_.size());
    return good();
  }

  int deaths = 0;
  int split = 0;  // responses that did not leave at once

 private:
  [[nodiscard]] int fd() const { return pair_.fd(); }
  [[nodiscard]] Slot& slot() const { return world_.table.at(fd()); }
  [[nodiscard]] OutboxRecord& record() const { return world_.segment.outboxes()[kWorker]; }
  [[nodiscard]] Transport socket() const { return {fd(), slot()}; }
  [[nodiscard]] TlsState& state() const { return pair_.state(); }
  std::size_t below(std::size_t n) { return random_() % n; }
  bool chance(std::size_t percent) { return below(100) < percent; }
  [[nodiscard]] bool good() {
    EXPECT_TRUE(pair_.client().error().empty() || ((over_ || last_) && pair_.client().error() == "closed"))
        << pair_.client().error();
    return !testing::Test::HasFailure();
  }

  // -- the client

  void client_turn() {
    if (chance(60) && requests_.size() - consumed_ < 30'000) {
      const std::size_t bytes = 1 + below(chance(30) ? 5'000 : 200);
      const std::string request = world_.content.substr(requests_.size() % 200'000, bytes);
      if (is_13_ && chance(20))
        ::SSL_key_update(pair_.client().ssl(),
                         chance(50) ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
      pair_.write(request);
      requests_ += request;
    }
    pair_.push_some(1 + below(4'000));
    if (chance(70)) pair_.receive(1 + below(chance(50) ? 500 : 9'000));
  }

  // All of a connection that is closed on our side.
  void receive_end() {
    socket().end_stream();
    const std::uint64_t written = end_;
    while (pair_.received_bytes() < written && pair_.client().error().empty()) {
      pair_.await();
      pair_.receive();
    }
    EXPECT_TRUE(!says_goodbye_ || pair_.client().error() == "closed");
  }

  // -- the worker

  void turn() {
    if (over_) return;
    socket().forget_input();
    before_ = {state().written, state().taken};
    switch (slot().phase) {
      case Phase::kHead: return head();
      case Phase::kHandling: return head();
      case Phase::kParked: return resume();
      default: ADD_FAILURE() << "phase " << static_cast<int>(slot().phase);
    }
  }

  void head() {
    static char buffer[Inbox::kBytes];
    if (dies()) return;
    const ssize_t n = socket().peek(buffer, sizeof buffer);
    if (n <= 0) {
      EXPECT_EQ(n, -1);
      EXPECT_EQ(errno, EAGAIN);
      socket().arm_low_water();
      dies();
      return;
    }
    const auto bytes = static_cast<std::size_t>(n);
    ASSERT_TRUE(std::string_view(buffer, bytes) == std::string_view(requests_).substr(consumed_, bytes));
    if (dies()) return;
    const std::size_t request = chance(40) ? bytes : 1 + below(bytes);
    const bool failed = slot().verdict.load() != Verdict::kNone;
    if (!failed && chance(15)) return take(request);
    if (!failed && chance(10)) return interim();
    if (!failed && chance(10)) return stream(request);
    if (!failed && chance(20)) {
      slot().request_bytes = static_cast<std::uint32_t>(request);
      slot().enter(Phase::kHandling);
      if (dies()) return;
    }
    respond(request);
  }

  // As a part of a body, or as a head that goes to the spool.
  void take(std::size_t bytes) {
    ASSERT_TRUE(socket().consume(bytes));
    consumed_ += bytes;
    if (dies()) return;
    slot().bytes_in += bytes;
    dies();
  }

  void interim() {
    if (socket().send(kContinue, false) != static_cast<ssize_t>(kContinue.size())) return close();
    due_ += kContinue;
    if (dies()) return;
    slot().bytes_out += kContinue.size();
    dies();
  }

  // Nothing more comes, and the client is told if that is possible.
  void close() {
    const std::uint64_t written = state().written;
    socket().say_goodbye();
    const std::uint64_t whole = 2 + tls::overhead(state());
    says_goodbye_ = state().written == written + whole;
    finish(false);
  }
  void finish(bool complete) {
    over_ = true;
    complete_ = complete;
    end_ = state().written;
  }

  std::string part() {
    const std::size_t most = chance(60) ? 300 : chance(60) ? 6'000 : 70'000;
    return world_.content.substr(below(kFileBytes - most), below(most + 1));
  }
  std::string append_pieces() {
    std::string whole;
    const std::size_t pieces = below(5);
    for (std::size_t i = 0; i < pieces; ++i) {
      if (chance(50)) {
        const std::string bytes = part();
        outbox_->append(bytes);
        whole += bytes;
      } else {
        const std::size_t length = below(chance(70) ? 3'000 : 40'000);
        const std::size_t offset = below(kFileBytes - length);
        outbox_->append_file(world_.file.get(), static_cast<off_t>(offset), static_cast<off_t>(length));
        whole += world_.content.substr(offset, length);
      }
    }
    return whole;
  }

  void respond(std::size_t request) {
    outbox_->clear();
    const std::string response = append_pieces();
    ASSERT_EQ(outbox_->total(), response.size());
    if (dies()) return;
    begin_sending(request, response);
  }

  // A response that is sent before it is complete. Whoever makes it may not die.
  void stream(std::size_t request) {
    outbox_->clear();
    socket().plan_response(0, 0, false);
    slot().enter(Phase::kStreaming);
    const std::size_t parts = 1 + below(12);
    for (std::size_t i = 0; i < parts && good(); ++i) {
      if (chance(10) && dies()) return;
      const std::string bytes = part();
      outbox_->append(bytes);
      due_ += bytes;
      const std::size_t sends = 1 + below(3);  // more than one: while the descriptor table is lost
      for (std::size_t k = 0; k < sends; ++k) {
        ASSERT_NE(outbox_->send(fd(), slot()), SendResult::kBroken);
        if (chance(50)) pair_.receive(1 + below(6'000));
      }
      slot().bytes_out += outbox_->forget_sent();
      outbox_->reclaim();
    }
    const std::string last = part();
    outbox_->append(last);
    begin_sending(request, last);
  }

  // As Responder::flush().
  void begin_sending(std::size_t request, const std::string& fresh) {
    last_ = chance(4);
    const bool streams = slot().phase == Phase::kStreaming;
    slot().request_bytes = static_cast<std::uint32_t>(request);
    slot().response_bytes = outbox_->total();
    socket().plan_response(outbox_->total(), request, last_);
    if (!streams && dies()) return;
    slot().enter(Phase::kResponse);
    due_ += fresh;
    consumed_ += request;
    slot().verdict.store(Verdict::kNone);
    if (dies()) return;
    SendResult result = outbox_->send(fd(), slot());
    ASSERT_NE(result, SendResult::kBroken);
    if (dies()) return;
    if (result == SendResult::kBlocked && chance(20)) {
      pair_.receive();
      result = outbox_->send(fd(), slot());
      ASSERT_NE(result, SendResult::kBroken);
      if (dies()) return;
    }
    ASSERT_TRUE(result == SendResult::kDone || outbox_->park(slot()));
    if (dies()) return;
    ASSERT_TRUE(consume_request(fd(), slot(), request));
    if (dies()) return;
    if (result == SendResult::kDone) return end_response();
    ++split;
    socket().plan_parked();
    if (dies()) return;
    slot().enter(Phase::kParked);
    slot().bytes_in += std::exchange(slot().request_bytes, 0);
    outbox_->clear();
    dies();
  }

  void resume() {
    if (dies()) return;
    std::uint64_t sent = 0;
    const SendResult result = resume_parked(fd(), slot(), sent);
    ASSERT_NE(result, SendResult::kBroken);
    if (dies() || result == SendResult::kBlocked) return;
    drop_parked(slot());
    end_response();
  }

  void end_response() {
    const std::uint32_t generation = state().writing.generation;
    const bool wanted = state().key_update_wanted != 0;
    socket().end_response();
    if (dies()) return;
    EXPECT_FALSE(wanted && generation == state().writing.generation) << "no KeyUpdate, though one was wanted";
    EXPECT_EQ(state().key_update_wanted, 0);
    slot().enter(last_ ? Phase::kLingering : Phase::kHead);
    slot().bytes_out += std::exchange(slot().response_bytes, 0);
    slot().bytes_in += std::exchange(slot().request_bytes, 0);
    outbox_->clear();
    if (!last_) {
      dies();
      return;
    }
    says_goodbye_ = true;
    finish(true);
  }

  // Now and then, the worker dies here. True: it is dead, and the master has seen to the connection.
  bool dies() {
    if (!dies_ || !chance(4)) return false;
    ++deaths;
    if (chance(50)) {  // before it could note what it had moved
      state().written = before_.written;
      state().taken = before_.consumed;
    }
    const Phase phase = slot().phase;
    slot().kills = slot().crashes = 0;
    const int left_open[] = {record().spill_fd.load(), record().stored_fd.load(), state().cipher_fd};
    const int parked[] = {slot().body_fd, slot().script_fd};
    const bool owned = slot().has(SlotFlags::kOwnsBodyFd);
    // Crashing over the answer to a crash would close the connection.
    const bool answers = slot().verdict.load() != Verdict::kNone;
    const Death death{answers ? Cause::kKilled : Cause::kCrashed, answers ? SIGKILL : SIGSEGV, false};
    recover(world_.segment, world_.epoll, kWorker, death, world_.config, -1);
    reclaim(left_open[0]);
    reclaim(left_open[1]);
    if (state().cipher_fd != left_open[2]) reclaim(left_open[2]);
    if (owned && slot().body_fd != parked[0]) reclaim(parked[0]);
    if (owned && slot().script_fd != parked[1]) reclaim(parked[1]);
    outbox_.emplace(record());
    EXPECT_TRUE(world_.table.try_claim(fd(), world_.table.claim(fd()).generation, kWorker));
    socket().forget_input();
    if (phase == Phase::kStreaming) {
      EXPECT_EQ(slot().phase, Phase::kLingering);
      finish(false);
      return true;
    }
    const Phase expected = phase == Phase::kResponse ? Phase::kParked : phase;
    EXPECT_EQ(slot().phase, expected);
    EXPECT_EQ(slot().bytes_in, consumed_) << static_cast<int>(phase);
    EXPECT_EQ(slot().verdict.load() != Verdict::kNone, phase == Phase::kHandling);
    before_ = {state().written, state().taken};
    return true;
  }
  // The reclaimer's work.
  static void reclaim(int left_open) {
    if (left_open >= 0) close_spool(left_open);
  }

  World& world_;
  std::mt19937 random_;
  const bool is_13_;
  TlsPair pair_;
  std::optional<Outbox> outbox_;
  std::string requests_, due_;
  std::size_t consumed_ = 0;  // of the requests
  StreamCounts before_;       // when the turn began
  std::uint64_t end_ = 0;
  bool last_ = false;
  bool dies_ = true;
  bool over_ = false;
  bool complete_ = true;
  bool says_goodbye_ = false;
};

class TlsRecovery : public TlsTest {
 protected:
  // `count` schedules from this seed on.
  void run(const TlsPair::Options& options, unsigned seed, unsigned count) {
    const auto ours = credentials();
    World world;
    int deaths = 0;
    int split = 0;
    for (unsigned i = 0; i < count; ++i) {
      SCOPED_TRACE("seed " + std::to_string(seed + i));
      Schedule schedule(world, *ours, options, seed + i);
      if (!schedule.run(60)) return;
      deaths += schedule.deaths;
      split += schedule.split;
    }
    EXPECT_GT(deaths, static_cast<int>(count));
    EXPECT_GT(split, static_cast<int>(count) / 2);
  }
};

constexpr int k512 = TLSEXT_max_fragment_length_512;

TEST_F(TlsRecovery, V13InLargeRecords) {
  run({.version = TLS1_3_VERSION, .cipher = "", .max_fragment = 0, .narrow = true}, 1'000, 75);
}
TEST_F(TlsRecovery, V13InSmallRecords) {
  run({.version = TLS1_3_VERSION, .cipher = "", .max_fragment = k512, .narrow = true}, 2'000, 75);
}
TEST_F(TlsRecovery, V12InLargeRecords) {
  run({.version = TLS1_2_VERSION, .cipher = "", .max_fragment = 0, .narrow = true}, 3'000, 75);
}
TEST_F(TlsRecovery, V12InSmallRecords) {
  run({.version = TLS1_2_VERSION, .cipher = "", .max_fragment = k512, .narrow = true}, 4'000, 75);
}

// The first part of the record has left the socket. Its request is answered, the next one is in it too.
TEST_F(TlsRecovery, ARecordInAFileThatHoldsAPartOfTheNextRequest) {
  const auto ours = credentials();
  World world;
  TlsPair pair(*ours, {});
  const int fd = pair.fd();
  world.segment.header().highest_fd = fd;
  world.table.open(fd, kWorker);
  Slot& slot = world.table.at(fd);
  slot.socket = SocketKind::kTls;
  slot.deadline = tick_of(monotonic_ns()) + 600;
  const Transport socket(fd, slot);
  char buffer[Inbox::kBytes];
  pair.write("first,second");
  pair.push(10);
  EXPECT_LT(socket.peek(buffer, sizeof buffer), 0);
  socket.arm_low_water();
  pair.push(1);
  EXPECT_LT(socket.peek(buffer, sizeof buffer), 0);
  const int beginning = pair.state().cipher_fd;
  ASSERT_GE(beginning, 0);
  pair.push();
  ASSERT_EQ(socket.peek(buffer, sizeof buffer), 12);

  Outbox outbox(world.segment.outboxes()[kWorker]);
  outbox.append("response");
  slot.request_bytes = 6;
  slot.response_bytes = outbox.total();
  socket.plan_response(outbox.total(), 6, false);
  slot.enter(Phase::kResponse);
  recover(world.segment, world.epoll, kWorker, {Cause::kKilled, SIGKILL, false}, world.config, -1);
  ASSERT_EQ(slot.phase, Phase::kParked);
  EXPECT_EQ(pair.state().cipher_fd, beginning);
  ASSERT_TRUE(socket.counts().has_value());
  std::uint64_t sent = 0;
  ASSERT_EQ(resume_parked(fd, slot, sent), SendResult::kDone);
  drop_parked(slot);
  socket.end_response();
  slot.enter(Phase::kHead);
  socket.forget_input();
  ASSERT_EQ(socket.peek(buffer, sizeof buffer), 6);
  EXPECT_EQ(std::string_view(buffer, 6), "second");
  ASSERT_TRUE(socket.consume(6));
  EXPECT_EQ(pair.state().cipher_fd, -1) << "not needed any more";
  pair.receive();
  EXPECT_EQ(pair.received(), "response");
  world.table.free(fd);
}

}  // namespace
}  // namespace baton::test
