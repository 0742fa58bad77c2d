// What one descriptor table means for the processes that share it, and for the epoll set.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "tests/epoll/facts_fixture.h"

namespace baton::facts {
namespace {

class SharedTable : public ::testing::Test {
 protected:
  EpollSet set_;
};

TEST_F(SharedTable, ClosingRemovesTheConnectionFromTheSetForEverybody) {
  Connection tcp;
  const int fd = tcp.server.get();
  ASSERT_EQ(set_.add(fd, kEdge), 0);
  Actor closer(Table::kShared);
  Actor other(Table::kShared);
  ASSERT_TRUE(say(tcp.client.get(), "x"));
  ASSERT_EQ(collects(closer, set_).fd, fd);
  ASSERT_EQ(closer.run([fd] { return ::close(fd); }), 0);
  static_cast<void>(tcp.server.release());

  EXPECT_EQ(set_.rearm(fd, kEdge), EBADF);
  EXPECT_EQ(other.run([set = &set_, fd] { return set->rearm(fd, kEdge); }), EBADF);
  ASSERT_TRUE(reset_arrived(tcp.client.get())) << "one close is the close: unread data makes it a reset";
  ASSERT_TRUE(waits_in(other, set_));
  set_.raise_fence();
  EXPECT_EQ(collected(other).fd, set_.fence());
}

TEST_F(SharedTable, WithCopiedTablesAClosedDescriptorKeepsReportingAndCannotBeRemovedByItsCloser) {
  const Connection tcp;
  const int fd = tcp.server.get();
  ASSERT_EQ(set_.add(fd, kEdge), 0);
  Actor closer(Table::kCopy);
  ASSERT_EQ(closer.run([fd] { return ::close(fd); }), 0);
  EXPECT_EQ(closer.run([set = &set_, fd] { return set->remove(fd); }), EBADF);
  ASSERT_TRUE(waits_in(closer, set_));
  ASSERT_TRUE(say(tcp.client.get(), "x"));
  EXPECT_EQ(collected(closer).fd, fd) << "reported to the process that has closed it";
}

std::int64_t accept_from(const EpollSet& set, int listener) {
  if (set.next().fd != listener) return -1;
  return ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

TEST_F(SharedTable, AConnectionOutlivesTheProcessThatAcceptedIt) {
  const UniqueFd listener = listen_on_loopback();
  ASSERT_EQ(set_.add(listener.get(), EPOLLIN | EPOLLET), 0);
  Actor heir(Table::kShared);
  Actor acceptor(Table::kShared);
  const UniqueFd client = connect_to(listener.get());
  const UniqueFd server(
      static_cast<int>(acceptor.run([set = &set_, fd = listener.get()] { return accept_from(*set, fd); })));
  ASSERT_GE(server.get(), 0);
  ASSERT_EQ(acceptor.run([set = &set_, fd = server.get()] { return set->add(fd, kOneshot); }), 0);
  ASSERT_TRUE(say(client.get(), "ping"));
  ASSERT_EQ(collects(acceptor, set_).fd, server.get());
  ASSERT_EQ(acceptor.kill(), -SIGKILL);

  ASSERT_EQ(set_.rearm(server.get(), kOneshot), 0);
  ASSERT_EQ(collects(heir, set_).fd, server.get()) << "a process older than the connection serves it";
  ASSERT_EQ(heir.run([fd = server.get()] { return consume(fd, 4); }), 4);
  ASSERT_EQ(heir.run([fd = server.get()] { return say(fd, "pong") ? 1 : 0; }), 1);
  std::array<char, 4> answer{};
  EXPECT_EQ(::recv(client.get(), answer.data(), answer.size(), MSG_WAITALL), 4);
}

TEST_F(SharedTable, WithCopiedTablesTheConnectionDiesWithItsProcess) {
  const UniqueFd listener = listen_on_loopback();
  ASSERT_EQ(set_.add(listener.get(), EPOLLIN | EPOLLET), 0);
  Actor acceptor(Table::kCopy);
  const UniqueFd client = connect_to(listener.get());
  ASSERT_GE(acceptor.run([set = &set_, fd = listener.get()] { return accept_from(*set, fd); }), 0);
  ASSERT_EQ(acceptor.kill(), -SIGKILL);
  char byte = 0;
  EXPECT_EQ(::recv(client.get(), &byte, 1, 0), 0);
}

// Why handlers must not run on the shared table: POSIX record locks belong to the table.
TEST_F(SharedTable, RecordLocksDoNotExcludeProcessesThatShareATable) {
  const UniqueFd file(::memfd_create("lock", MFD_CLOEXEC));
  const auto lock = [fd = file.get()] {
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    return ::fcntl(fd, F_SETLK, &whole) == 0 ? 0 : errno;
  };
  Actor holder(Table::kShared);
  Actor intruder(Table::kShared);
  Actor outsider(Table::kCopy);
  EXPECT_EQ(holder.run(lock), 0);
  EXPECT_EQ(intruder.run(lock), 0);
  EXPECT_EQ(outsider.run(lock), EAGAIN);
}

}  // namespace
}  // namespace baton::facts
