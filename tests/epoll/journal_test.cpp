// The kernel is the journal: what it knows exactly of a socket when the process that served it was killed.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <random>
#include <vector>

#include "tests/epoll/facts_fixture.h"
#include "tests/epoll/tcp_counts.h"

namespace baton::facts {
namespace {

constexpr std::array<char, 65536> kZeros{};
constexpr std::uint64_t kSyn = 1;
constexpr std::uint64_t kFin = 1;

void shrink_buffers(const Connection& tcp) {
  const int bytes = 65536;
  ASSERT_EQ(::setsockopt(tcp.server.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
  ASSERT_EQ(::setsockopt(tcp.server.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), 0);
  ASSERT_EQ(::setsockopt(tcp.client.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
  ASSERT_EQ(::setsockopt(tcp.client.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), 0);
}

// The true counts, kept by adding up what send() and recv() returned.
struct End {
  int fd;
  std::uint64_t syn;  // what the handshake adds to the count of written bytes
  std::uint64_t written = 0;
  std::uint64_t consumed = 0;
  void expect_formulas(std::uint64_t fin_sent = 0, std::uint64_t fin_received = 0) const {
    EXPECT_EQ(raw_bytes_written(fd), written + syn + fin_sent);
    EXPECT_EQ(raw_bytes_consumed(fd), consumed + fin_received);
  }
};

class Journal : public AmongProcesses {
 protected:
  // Lets `process` write to or consume from one end, as much as the socket takes or has.
  static void step(Actor& process, End& end, std::size_t bytes, bool write) {
    const std::int64_t count = process.run([fd = end.fd, bytes, write]() -> std::int64_t {
      if (!write) return consume(fd, bytes);
      const ssize_t sent = ::send(fd, kZeros.data(), bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
      return sent >= 0 ? sent : -errno;
    });
    ASSERT_TRUE(count >= 0 || count == -EAGAIN) << count;
    if (count > 0) (write ? end.written : end.consumed) += static_cast<std::uint64_t>(count);
  }
};
INSTANTIATE_TEST_SUITE_P(Tables, Journal, both_tables(), table_name);

TEST_P(Journal, FormulasHoldAfterEachOfManyRandomSteps) {
  constexpr int kSteps = 400;
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const Connection tcp;
  shrink_buffers(tcp);
  std::array<End, 2> ends{End{.fd = tcp.server.get(), .syn = 0}, End{.fd = tcp.client.get(), .syn = kSyn}};
  std::array<Actor, 2> processes{Actor(GetParam()), Actor(GetParam())};
  for (const End& end : ends) end.expect_formulas();
  for (int i = 0; i < kSteps && !HasFailure(); ++i) {
    SCOPED_TRACE(i);
    const std::size_t bytes = 1 + random() % (random() % 4 == 0 ? kZeros.size() : 2000);
    step(processes[random() % 2], ends[random() % 2], bytes, random() % 2 == 0);
    for (const End& end : ends) end.expect_formulas();
  }
  EXPECT_GT(ends[0].written + ends[1].written, 100'000U);
}

TEST_P(Journal, AFinCountsOneAtBothEndsBeforeAndAfterItIsRead) {
  const Connection tcp;
  End server{.fd = tcp.server.get(), .syn = 0};
  End client{.fd = tcp.client.get(), .syn = kSyn};
  Actor process(GetParam());
  step(process, client, 1000, true);
  step(process, server, 2000, true);
  ASSERT_TRUE(arrived(server.fd, 1000));
  step(process, server, 400, false);
  ASSERT_EQ(::shutdown(client.fd, SHUT_WR), 0);
  ASSERT_TRUE(fin_arrived(server.fd));
  EXPECT_EQ(unread(server.fd), 600) << "SIOCINQ leaves the FIN out";
  server.expect_formulas(0, kFin);
  client.expect_formulas(kFin, 0);
  step(process, server, 600, false);
  server.expect_formulas(0, kFin);
  ASSERT_EQ(consume(server.fd, 1), 0);
  server.expect_formulas(0, kFin);

  ASSERT_EQ(::shutdown(server.fd, SHUT_WR), 0);
  step(process, client, 2000, false);
  ASSERT_TRUE(eventually([&] { return unacknowledged(server.fd) == 0; }));
  server.expect_formulas(kFin, kFin);
  client.expect_formulas(kFin, kFin);
}

// Kills of processes that share the table: the socket stays, and the test asks it what they did.
class KilledMidway : public ::testing::Test {
 protected:
  static constexpr int kKills = 48;
  void SetUp() override { shrink_buffers(tcp_); }

  // Reads exactly `bytes` at the client's end.
  void read_at_client(std::uint64_t bytes) {
    std::vector<char> buffer(65536);
    while (bytes > 0) {
      const ssize_t count = ::recv(tcp_.client.get(), buffer.data(), std::min(bytes, buffer.size()), 0);
      ASSERT_GT(count, 0);
      check(buffer.data(), static_cast<std::size_t>(count));
      received_ += static_cast<std::uint64_t>(count);
      bytes -= static_cast<std::uint64_t>(count);
    }
  }
  // Reads up to what the formula says, and proves that this was all.
  void read_all_that_was_written() {
    const std::uint64_t written = raw_bytes_written(tcp_.server.get());
    ASSERT_GE(written, received_);
    read_at_client(written - received_);
    ASSERT_TRUE(eventually([&] { return unacknowledged(tcp_.server.get()) == 0; }));
    ASSERT_EQ(unread(tcp_.client.get()), 0);
  }
  virtual void check(const char*, std::size_t) {}

  Connection tcp_;
  std::uint64_t received_ = 0;
  std::mt19937 random_{std::random_device{}()};
};

// Consumes until all that the client sent has arrived and been consumed.
std::uint64_t drain(int fd, int client) {
  std::uint64_t total = 0;
  EXPECT_TRUE(eventually([&] {
    // Asked first: with nothing on its way, an empty socket stays empty.
    const bool all_arrived = unacknowledged(client) == 0;
    const std::int64_t count = consume(fd, kZeros.size());
    if (count > 0) total += static_cast<std::uint64_t>(count);
    return all_arrived && count == -EAGAIN;
  }));
  return total;
}

void await_writable(int fd) {
  pollfd room{.fd = fd, .events = POLLOUT, .revents = 0};
  ::poll(&room, 1, kGuardMs);
}

TEST_F(KilledMidway, AWriterHasWrittenExactlyWhatTheFormulaSays) {
  for (int i = 0; i < kKills && !HasFailure(); ++i) {
    const std::size_t bytes = 1 + random_() % kZeros.size();
    Child writer(Table::kShared, [fd = tcp_.server.get(), bytes] {
      while (true) {
        const ssize_t sent = ::send(fd, kZeros.data(), bytes, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return 1;
        if (sent < 0) await_writable(fd);
      }
    });
    read_at_client(1 + random_() % 200'000);
    ASSERT_EQ(writer.kill(), -SIGKILL);
    read_all_that_was_written();
  }
  ASSERT_EQ(::shutdown(tcp_.server.get(), SHUT_WR), 0);
  char extra = 0;
  EXPECT_EQ(::recv(tcp_.client.get(), &extra, 1, 0), 0);
}

TEST_F(KilledMidway, AReaderHasConsumedExactlyWhatTheFormulaSays) {
  const int fd = tcp_.server.get();
  std::uint64_t sent = 0;
  std::uint64_t read_by_test = 0;
  for (int i = 0; i < kKills && !HasFailure(); ++i) {
    const std::size_t bytes = 1 + random_() % 5000;
    Child reader(Table::kShared, [fd, bytes] {
      while (true) {
        const std::int64_t count = consume(fd, bytes);
        if (count == 0 || (count < 0 && count != -EAGAIN)) return 1;
        if (count < 0) ::sched_yield();
      }
    });
    for (auto left = 1 + random_() % 200'000; left > 0;) {
      const ssize_t count =
          ::send(tcp_.client.get(), kZeros.data(), std::min(left, kZeros.size()), MSG_NOSIGNAL);
      ASSERT_GT(count, 0);
      sent += static_cast<std::uint64_t>(count);
      left -= static_cast<std::size_t>(count);
    }
    ASSERT_EQ(reader.kill(), -SIGKILL);
    const std::uint64_t consumed = raw_bytes_consumed(fd);
    const std::uint64_t rest = drain(fd, tcp_.client.get());
    EXPECT_EQ(consumed + rest, sent);
    read_by_test += rest;
    EXPECT_EQ(raw_bytes_consumed(fd), sent);
  }
  EXPECT_LT(read_by_test, sent) << "the readers never consumed anything";
}

// sendfile() from a file of which each byte tells its place, with the offset in shared memory.
class KilledInSendfile : public KilledMidway {
 protected:
  static constexpr std::size_t kFileBytes = std::size_t{64} << 20;
  static char byte_at(std::uint64_t place) { return static_cast<char>((place * 0x9E3779B97F4A7C15U) >> 56U); }

  void SetUp() override {
    KilledMidway::SetUp();
    ASSERT_EQ(::ftruncate(file_.get(), kFileBytes), 0);
    void* memory = ::mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
    ASSERT_NE(memory, MAP_FAILED);
    char* bytes = static_cast<char*>(memory);
    for (std::size_t i = 0; i < kFileBytes; ++i) bytes[i] = byte_at(i);
    ::munmap(memory, kFileBytes);
  }
  void check(const char* bytes, std::size_t count) override {
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(bytes[i], byte_at(received_ + i)) << "at byte " << received_ + i;
    }
  }

  UniqueFd file_{::memfd_create("journal", MFD_CLOEXEC)};
  Shared<off_t> offset_;
};

TEST_F(KilledInSendfile, TheSharedOffsetIsExactlyWhatTheSocketWasGiven) {
  for (int i = 0; i < kKills && !HasFailure(); ++i) {
    // In turn: killed inside a sendfile() that waits for room, and between calls that do not wait.
    ASSERT_EQ(::fcntl(tcp_.server.get(), F_SETFL, i % 2 == 0 ? O_NONBLOCK : 0), 0);
    Child sender(Table::kShared, [&, chunk = 1 + random_() % 400'000] {
      while (true) {
        const ssize_t sent = ::sendfile(tcp_.server.get(), file_.get(), offset_.get(), chunk);
        if (sent == 0 || (sent < 0 && errno != EAGAIN)) return 1;
        if (sent < 0) await_writable(tcp_.server.get());
      }
    });
    read_at_client(1 + random_() % 300'000);
    ASSERT_EQ(sender.kill(), -SIGKILL);
    EXPECT_EQ(raw_bytes_written(tcp_.server.get()), static_cast<std::uint64_t>(*offset_)) << "kill " << i;
    read_all_that_was_written();
    EXPECT_EQ(received_, static_cast<std::uint64_t>(*offset_));
  }
}

}  // namespace
}  // namespace baton::facts
