#include "common/base/log_lines.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "common/base/log_file.h"
#include "common/base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace baton {
namespace {

class LogLinesTest : public testing::Test {
 protected:
  LogLinesTest() {
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);
  }
  ~LogLinesTest() override {
    ::signal(SIGPIPE, SIG_DFL);
    ::signal(SIGXFSZ, SIG_DFL);
  }

  void make_pipe() {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    reader_ = UniqueFd(ends[0]);
    writer_ = UniqueFd(ends[1]);
    ::fcntl(reader_.get(), F_SETFL, O_NONBLOCK);
  }
  void make_sockets(int type) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, type, 0, ends.data()), 0);
    reader_ = UniqueFd(ends[0]);
    writer_ = UniqueFd(ends[1]);
    ::fcntl(reader_.get(), F_SETFL, O_NONBLOCK);
  }
  [[nodiscard]] std::string take() const {
    std::string text;
    std::array<char, 4096> buffer;
    for (ssize_t n = 0; (n = ::read(reader_.get(), buffer.data(), buffer.size())) > 0;)
      text.append(buffer.data(), static_cast<std::size_t>(n));
    return text;
  }
  // Lines until one is dropped; returns those that were not.
  std::string write_until_dropped(const std::string& line) {
    std::string written;
    while (write_lines(writer_.get(), line, losses_) == 0) written += line;
    EXPECT_EQ(losses_.lines, 1U);
    return written;
  }

  UniqueFd reader_;
  UniqueFd writer_;
  LogLosses losses_;
};

const std::string kLine = std::string(99, 'x') + '\n';

TEST_F(LogLinesTest, AFullPipeGetsWholeLinesAndNobodyWaits) {
  make_pipe();  // a descriptor that waits, which is not ours to change
  const std::string written = write_until_dropped(kLine);
  EXPECT_EQ(losses_.error, EAGAIN);
  EXPECT_EQ(losses_.torn_fd, -1);
  EXPECT_EQ(::fcntl(writer_.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(take(), written);
  EXPECT_EQ(write_lines(writer_.get(), kLine, losses_), 0U);
  EXPECT_EQ(take(), kLine);
}

TEST_F(LogLinesTest, ManyLinesAtOnceAreDroppedFromTheFirstThatDoesNotFit) {
  make_pipe();
  std::string lines;
  for (int i = 0; i < 2'000; ++i) lines += std::to_string(100'000 + i) + kLine;
  const std::size_t dropped = write_lines(writer_.get(), lines, losses_);
  EXPECT_GT(dropped, 0U);
  EXPECT_EQ(losses_.lines, dropped);
  const std::string text = take();
  EXPECT_EQ(text, lines.substr(0, text.size()));
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(text.size(), (2'000 - dropped) * 106);
}

TEST_F(LogLinesTest, ALineThatIsLongerThanAPipeTakesIsTornAndEnded) {
  make_pipe();
  const std::string longer = std::string(200'000, 'y') + '\n';
  EXPECT_EQ(write_lines(open_standard_log(writer_.get()).get(), longer, losses_), 1U);
  const std::string start = take();
  EXPECT_EQ(start, longer.substr(0, start.size()));
  losses_.torn_fd = writer_.get();  // that it was above was closed
  EXPECT_EQ(write_lines(writer_.get(), kLine, losses_), 0U);
  EXPECT_EQ(take(), '\n' + kLine);
  EXPECT_EQ(losses_.torn_fd, -1);
}

TEST_F(LogLinesTest, ThatALineIsTornIsKeptWhereItCannotBeEnded) {
  make_pipe();
  write_until_dropped(kLine);
  losses_.torn_fd = writer_.get();
  EXPECT_EQ(write_lines(writer_.get(), kLine, losses_), 1U);
  EXPECT_FALSE(try_line(writer_.get(), kLine, losses_));
  EXPECT_EQ(losses_.lines, 2U) << "what is only tried is not counted";
  EXPECT_EQ(losses_.torn_fd, writer_.get());
  static_cast<void>(take());
  EXPECT_TRUE(try_line(writer_.get(), kLine, losses_));
  EXPECT_EQ(take(), '\n' + kLine);
}

TEST_F(LogLinesTest, ATornLineOfAnotherFileIsNotEndedHere) {
  make_pipe();
  losses_.torn_fd = reader_.get();
  EXPECT_EQ(write_lines(writer_.get(), kLine, losses_), 0U);
  EXPECT_EQ(take(), kLine);
  EXPECT_EQ(losses_.torn_fd, reader_.get());
}

TEST_F(LogLinesTest, APipeWithoutAReader) {
  make_pipe();
  reader_.reset();
  EXPECT_EQ(write_lines(writer_.get(), kLine + kLine, losses_), 2U);
  EXPECT_EQ(losses_.error, EPIPE);
}

TEST_F(LogLinesTest, AStreamOfASocket) {
  make_sockets(SOCK_STREAM);
  ::signal(SIGPIPE, SIG_DFL);  // not sent
  const std::string written = write_until_dropped(kLine);
  const std::string text = take();
  EXPECT_EQ(text.substr(0, written.size()), written);
  const bool torn = text.size() > written.size();
  EXPECT_EQ(losses_.torn_fd, torn ? writer_.get() : -1);
  EXPECT_EQ(write_lines(writer_.get(), kLine, losses_), 0U);
  EXPECT_EQ(take(), (torn ? "\n" : "") + kLine);
  reader_.reset();
  EXPECT_EQ(write_lines(writer_.get(), kLine, losses_), 1U);
}

TEST_F(LogLinesTest, PacketsHoldALineEach) {
  make_sockets(SOCK_SEQPACKET);
  EXPECT_EQ(write_lines(writer_.get(), "one\ntwo\n", losses_), 0U);
  std::array<char, 100> packet;
  EXPECT_EQ(::read(reader_.get(), packet.data(), packet.size()), 4);
  EXPECT_EQ(::read(reader_.get(), packet.data(), packet.size()), 4);
  write_until_dropped(kLine);
}

TEST_F(LogLinesTest, AFileThatHasNoMoreRoom) {
  const test::TempDir folder;
  writer_ = open_log_file((folder.path() / "log").string());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit little{150, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &little), 0);
  EXPECT_EQ(write_lines(writer_.get(), kLine + kLine + kLine, losses_), 2U);
  EXPECT_EQ(write_lines(writer_.get(), kLine, losses_), 1U);
  EXPECT_EQ(losses_.error, EFBIG);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(ends_in_torn_line(writer_.get()));
  EXPECT_EQ(write_lines(writer_.get(), kLine, losses_), 0U);
  EXPECT_EQ(folder.read("log"), kLine + kLine.substr(0, 50) + '\n' + kLine);
  EXPECT_FALSE(ends_in_torn_line(writer_.get()));
}

TEST_F(LogLinesTest, ADeviceThatIsFull) {
  writer_ = open_log_file("/dev/full");
  EXPECT_EQ(write_lines(writer_.get(), kLine, losses_), 1U);
  EXPECT_EQ(losses_.error, ENOSPC);
}

TEST_F(LogLinesTest, AStoppedTerminalHoldsUpNobody) {
  const UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(master);
  ASSERT_EQ(::grantpt(master.get()), 0);
  ASSERT_EQ(::unlockpt(master.get()), 0);
  const UniqueFd terminal(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(terminal);
  writer_ = open_standard_log(terminal.get());
  EXPECT_EQ(write_lines(writer_.get(), kLine, losses_), 0U);
  ASSERT_EQ(::tcflow(terminal.get(), TCOOFF), 0);
  EXPECT_EQ(write_lines(writer_.get(), kLine, losses_), 1U);
  EXPECT_EQ(::fcntl(terminal.get(), F_GETFL) & O_NONBLOCK, 0) << "it is another's as well";
  ASSERT_EQ(::tcflow(terminal.get(), TCOON), 0);
  EXPECT_EQ(write_lines(writer_.get(), kLine, losses_), 0U);
}

}  // namespace
}  // namespace baton
