#include "worker/outbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "common/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace baton {
namespace {

// A response of three pieces, parked before a byte of it was sent.
class ParkedScript : public testing::Test {
 protected:
  ParkedScript() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    ours_ = UniqueFd(ends[0]);
    theirs_ = UniqueFd(ends[1]);
    file_ = UniqueFd(::open(folder_.write("file", "0123456789").c_str(), O_RDONLY | O_CLOEXEC));
    Outbox outbox(*record_);
    outbox.append("head,");
    outbox.append_file(file_.get(), 2, 3);
    outbox.append(",tail");
    EXPECT_TRUE(outbox.park(slot_));
  }
  ~ParkedScript() override { drop_parked(slot_); }

  std::string resume() {
    std::uint64_t sent = 0;
    EXPECT_EQ(resume_parked(ours_.get(), slot_, sent), SendResult::kDone);
    char bytes[100];
    const ssize_t n = ::recv(theirs_.get(), bytes, sizeof bytes, 0);
    EXPECT_EQ(static_cast<ssize_t>(sent), n);
    return {bytes, n < 0 ? 0 : static_cast<std::size_t>(n)};
  }

  test::TempDir folder_;
  UniqueFd ours_, theirs_, file_;
  std::unique_ptr<OutboxRecord> record_ = std::make_unique<OutboxRecord>();
  Slot slot_;
};

TEST_F(ParkedScript, IsSentWhole) {
  EXPECT_EQ(resume(), "head,234,tail");
}

// The slot as a worker leaves it that is killed after each store on the way from the first piece to the
// second.
TEST_F(ParkedScript, GoesOnExactlyWhereAWorkerDiedBetweenTwoPieces) {
  const off_t first_end = slot_.body_end;
  for (int stores = 1; stores <= 3; ++stores) {
    slot_.script_next = stores >= 2 ? 2 : 1;
    slot_.body_end = stores >= 3 ? 5 : first_end;
    slot_.body_offset = -2;  // on to the piece with index 1
    EXPECT_EQ(resume(), "234,tail") << stores;
  }
}

}  // namespace
}  // namespace baton
