#include "worker/connection/outbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
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
  const off_t first_end = slot_.parked.end;
  for (int stores = 1; stores <= 3; ++stores) {
    slot_.parked.script_next = stores >= 2 ? 2 : 1;
    slot_.parked.end = stores >= 3 ? 5 : first_end;
    slot_.parked.offset = -2;  // on to the piece with index 1
    EXPECT_EQ(resume(), "234,tail") << stores;
  }
}

// -- a response that is sent before it is complete, to a client that takes it slowly

class Streamed : public testing::Test {
 protected:
  Streamed() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    ours_ = UniqueFd(ends[0]);
    theirs_ = UniqueFd(ends[1]);
  }
  ~Streamed() override {
    outbox_.clear();
    drop_parked(slot_);
  }

  void append(std::string_view bytes) {
    outbox_.append(bytes);
    due_ += bytes;
  }
  SendResult send() {
    const SendResult result = outbox_.send(ours_.get(), slot_);
    sent_ += outbox_.forget_sent();
    return result;
  }
  void receive() {
    char bytes[64 * 1024];
    ssize_t n = 0;
    while ((n = ::recv(theirs_.get(), bytes, sizeof bytes, 0)) > 0)
      received_.append(bytes, static_cast<std::size_t>(n));
  }
  // Bytes that differ from place to place, and from part to part.
  std::string part(std::size_t bytes) {
    std::string text(bytes, '\0');
    for (char& c : text) c = static_cast<char>(++written_ % 251);
    return text;
  }
  void fill_socket() {
    while (send() == SendResult::kDone) append(part(50'000));
  }
  [[nodiscard]] bool on_disk() const { return ::fcntl(record_->spill_fd.load(), F_GET_SEALS) < 0; }

  test::TempDir folder_;
  std::string path_ = folder_.path().string();
  SpoolPlace place_{path_, 1'000'000};
  UniqueFd ours_, theirs_;
  std::unique_ptr<OutboxRecord> record_ = std::make_unique<OutboxRecord>();
  Outbox outbox_{*record_, place_};
  Slot slot_;
  std::uint64_t written_ = 0;
  std::uint64_t sent_ = 0;
  std::string due_, received_;
};

TEST_F(Streamed, ManySmallPartsWhileNothingIsTaken) {
  fill_socket();
  for (int i = 0; i < 20'000; ++i) {
    append(part(7));
    EXPECT_EQ(send(), SendResult::kBlocked);
    ASSERT_LT(record_->piece_count, 4U);
  }
  EXPECT_EQ(outbox_.total(), due_.size() - sent_);
  while (send() != SendResult::kDone) receive();
  receive();
  EXPECT_TRUE(received_ == due_);
  EXPECT_EQ(sent_, due_.size());
  EXPECT_EQ(record_->piece_count, 0U);
}

TEST_F(Streamed, InTurns) {
  for (int i = 0; i < 3'000; ++i) {
    append(part(1 + written_ % 3'000));
    send();
    if (i % 7 == 0) receive();
  }
  while (send() != SendResult::kDone) receive();
  receive();
  EXPECT_TRUE(received_ == due_);
}

TEST_F(Streamed, ALargeBacklogIsOnDisk) {
  fill_socket();
  append(part(600'000));
  EXPECT_FALSE(on_disk());
  send();
  append(part(600'000));
  EXPECT_TRUE(on_disk());
  append(part(3'000'000));
  EXPECT_TRUE(outbox_.parkable());
  while (send() != SendResult::kDone) receive();
  receive();
  EXPECT_TRUE(received_ == due_);
}

TEST_F(Streamed, WhatIsLeftIsParked) {
  fill_socket();
  for (int i = 0; i < 40; ++i) {
    append(part(100'000));
    send();
  }
  ASSERT_TRUE(outbox_.park(slot_));
  outbox_.clear();
  std::uint64_t rest = 0;
  while (resume_parked(ours_.get(), slot_, rest) != SendResult::kDone) receive();
  receive();
  EXPECT_TRUE(received_ == due_);
  EXPECT_EQ(sent_ + rest, due_.size());
}

// The client stays behind all the time, so the file is never empty.
TEST_F(Streamed, TheRoomOfWhatHasBeenSentIsGivenBack) {
  fill_socket();
  off_t largest = 0;
  for (int i = 0; i < 300; ++i) {
    append(part(100'000));
    while (outbox_.total() > 2'000'000) {
      receive();
      send();
      outbox_.reclaim();
    }
    const off_t size = ::lseek(record_->spill_fd.load(), 0, SEEK_END);
    largest = std::max(largest, size);
  }
  EXPECT_GT(due_.size(), 30'000'000U);
  EXPECT_LT(largest, 6'000'000);
  while (send() != SendResult::kDone) receive();
  receive();
  EXPECT_TRUE(received_ == due_);
}

TEST_F(Streamed, WithoutAPlaceOnDiskItStaysInMemory) {
  const std::string missing = path_ + "/missing";
  const SpoolPlace nowhere{missing, 0};
  Outbox outbox(*record_, nowhere);
  outbox.append(part(5'000'000));
  EXPECT_TRUE(outbox.parkable());
  EXPECT_FALSE(on_disk());
  outbox.clear();
}

TEST_F(Streamed, WhatIsParkedIsNotCopied) {
  append(part(1'000));
  append(part(5'000'000));
  ASSERT_EQ(record_->piece_count, 2U);
  ASSERT_TRUE(outbox_.park(slot_));
  EXPECT_GE(slot_.script_fd, 0);
  EXPECT_LT(::lseek(slot_.script_fd, 0, SEEK_END), 10'000);
  outbox_.clear();
  std::uint64_t rest = 0;
  while (resume_parked(ours_.get(), slot_, rest) != SendResult::kDone) receive();
  receive();
  EXPECT_TRUE(received_ == due_);
}

// -- a body that is set aside

TEST_F(Streamed, AStoredBodyMovesToDiskAndIsSentFromThere) {
  for (int i = 0; i < 30; ++i) {
    due_ += part(100'000);
    ASSERT_TRUE(outbox_.store(std::string_view(due_).substr(due_.size() - 100'000)));
    EXPECT_EQ(::fcntl(outbox_.stored_fd(), F_GET_SEALS) < 0, due_.size() > place_.memory_bytes);
  }
  EXPECT_EQ(outbox_.stored_bytes(), due_.size());
  outbox_.append_file(outbox_.stored_fd(), 0, static_cast<off_t>(outbox_.stored_bytes()));
  ASSERT_EQ(outbox_.send(ours_.get(), slot_), SendResult::kBlocked);
  ASSERT_TRUE(outbox_.park(slot_));
  outbox_.clear();
  EXPECT_EQ(outbox_.stored_fd(), -1);
  std::uint64_t rest = 0;
  while (resume_parked(ours_.get(), slot_, rest) != SendResult::kDone) receive();
  receive();
  EXPECT_TRUE(received_ == due_);
}

TEST_F(Streamed, WhatFollowsAStoredBodyGoesBehindIt) {
  append("head");
  due_ += part(2'000'000);
  ASSERT_TRUE(outbox_.store(std::string_view(due_).substr(4)));
  outbox_.append_stored();
  EXPECT_EQ(outbox_.stored_bytes(), 0U);
  for (int i = 0; i < 50; ++i) {
    append(part(70'000));
    send();
    ASSERT_LT(record_->piece_count, 5U);
  }
  ASSERT_TRUE(outbox_.park(slot_));
  EXPECT_TRUE(slot_.script_fd < 0 || ::lseek(slot_.script_fd, 0, SEEK_END) < 100'000);
  outbox_.clear();
  std::uint64_t rest = 0;
  while (resume_parked(ours_.get(), slot_, rest) != SendResult::kDone) receive();
  receive();
  EXPECT_TRUE(received_ == due_);
}

TEST_F(Streamed, AStoredBodyThatIsDiscarded) {
  ASSERT_TRUE(outbox_.store(part(2'000'000)));
  const int fd = outbox_.stored_fd();
  outbox_.discard_stored();
  EXPECT_EQ(outbox_.stored_bytes(), 0U);
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
  ASSERT_TRUE(outbox_.store("short"));
  EXPECT_GE(::fcntl(outbox_.stored_fd(), F_GET_SEALS), 0) << "in memory again";
}

TEST_F(Streamed, NoRoomForAStoredBodyIsTold) {
  const std::string missing = path_ + "/missing";
  const SpoolPlace nowhere{missing, 1'000};
  Outbox outbox(*record_, nowhere);
  EXPECT_TRUE(outbox.store(part(1'000)));
  EXPECT_FALSE(outbox.store(part(1)));
  EXPECT_EQ(outbox.stored_bytes(), 1'000U);
  outbox.clear();
}

// What a dead worker has left may be anything.
TEST(OutboxRecordOfADeadWorker, IsParkedOnlyIfItCanBeOne) {
  constexpr off_t kFar = std::numeric_limits<off_t>::max();
  const std::string folder = "/tmp";
  const SpoolPlace place{folder, 1 << 20};
  const UniqueFd file(::memfd_create("file", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(file.get(), 10 << 20), 0);
  const auto parks = [&](const std::vector<OutboxRecord::Piece>& pieces, std::uint64_t sent = 0) {
    const auto record = std::make_unique<OutboxRecord>();
    std::copy(pieces.begin(), pieces.end(), record->pieces);
    record->piece_count = static_cast<std::uint32_t>(pieces.size());
    Slot slot;
    const bool parked = park_rest(*record, sent, slot, place, 4 << 20);
    drop_parked(slot);
    return parked;
  };
  EXPECT_TRUE(parks({{-1, 0, 10}, {file.get(), 0, 8 << 20}}));
  EXPECT_TRUE(parks({{-1, OutboxRecord::kMemoryBytes - 1, 1}}));
  EXPECT_FALSE(parks({{-1, OutboxRecord::kMemoryBytes, 1}})) << "past the memory";
  EXPECT_FALSE(parks({{-1, 1, OutboxRecord::kMemoryBytes}}));
  EXPECT_FALSE(parks({{-1, -8, 4}}));
  EXPECT_FALSE(parks({{-1, 0, -4}}));
  EXPECT_FALSE(parks({{-1, kFar, kFar}}));
  EXPECT_FALSE(parks({{-1, 0, 1}, {file.get(), kFar, 1}}));
  EXPECT_FALSE(parks({{-2, 0, 1}})) << "in the worker's own memory";
  EXPECT_FALSE(parks({{-1, 0, 1}}, ~std::uint64_t{0}));
  const UniqueFd other(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
  EXPECT_FALSE(parks({{file.get(), 0, 1}, {other.get(), 0, 8 << 20}})) << "more than is copied";
  const auto record = std::make_unique<OutboxRecord>();
  record->piece_count = 0xffffffff;
  Slot slot;
  EXPECT_TRUE(park_rest(*record, 0, slot, place, 4 << 20)) << "as many as there can be, all empty";
  drop_parked(slot);
}

}  // namespace
}  // namespace baton
