#include "common/shared/log_buffer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <memory>
#include <string>

#include "common/base/unique_fd.h"

namespace baton {
namespace {

class LogBufferTest : public testing::Test {
 protected:
  std::string written() const {
    const off_t size = ::lseek(file_.get(), 0, SEEK_END);
    std::string text(static_cast<std::size_t>(size), '\0');
    EXPECT_EQ(::pread(file_.get(), text.data(), text.size(), 0), size);
    return text;
  }

  std::unique_ptr<LogBuffer> buffer_ = std::make_unique<LogBuffer>();
  LogLosses losses_;
  UniqueFd file_{::memfd_create("log", MFD_CLOEXEC)};
};

TEST_F(LogBufferTest, ALengthThatCannotBeLeadsNowhere) {
  buffer_->length = 0xffffffff;
  EXPECT_FALSE(buffer_->append("one\n", 10));
  buffer_->flush(file_.get(), losses_);
  EXPECT_EQ(written().size(), LogBuffer::kBytes);
  EXPECT_TRUE(buffer_->append("one\n", 10));
}

TEST_F(LogBufferTest, LinesComeOutInOrderAndOnce) {
  ASSERT_TRUE(buffer_->append("one\n", 10));
  ASSERT_TRUE(buffer_->append("two\n", 20));
  EXPECT_EQ(buffer_->oldest_ns, 10U);
  EXPECT_EQ(written(), "");
  buffer_->flush(file_.get(), losses_);
  EXPECT_EQ(written(), "one\ntwo\n");
  EXPECT_EQ(buffer_->length, 0U);
  buffer_->flush(file_.get(), losses_);
  EXPECT_EQ(written(), "one\ntwo\n");
}

TEST_F(LogBufferTest, TheAgeIsThatOfTheFirstLineSinceTheFlush) {
  ASSERT_TRUE(buffer_->append("one\n", 10));
  buffer_->flush(file_.get(), losses_);
  ASSERT_TRUE(buffer_->append("two\n", 30));
  EXPECT_EQ(buffer_->oldest_ns, 30U);
}

TEST_F(LogBufferTest, ALineFitsWholeOrNotAtAll) {
  const std::string half(LogBuffer::kBytes / 2, 'a');
  ASSERT_TRUE(buffer_->append(half, 1));
  EXPECT_FALSE(buffer_->append(std::string(LogBuffer::kBytes - half.size() + 1, 'b'), 2));
  EXPECT_EQ(buffer_->length, half.size());
  EXPECT_TRUE(buffer_->append(std::string(LogBuffer::kBytes - half.size(), 'c'), 3));
  EXPECT_EQ(buffer_->length, LogBuffer::kBytes);
  EXPECT_FALSE(buffer_->append("d", 4));
  buffer_->flush(file_.get(), losses_);
  EXPECT_EQ(written().size(), LogBuffer::kBytes);
  EXPECT_TRUE(buffer_->append("e", 5));
}

TEST_F(LogBufferTest, AFullDiskCostsTheLinesAndNothingElse) {
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full);
  ASSERT_TRUE(buffer_->append("lost\n", 1));
  buffer_->flush(full.get(), losses_);
  EXPECT_EQ(losses_.lines, 1U);
  EXPECT_EQ(buffer_->length, 0U);
  ASSERT_TRUE(buffer_->append("kept\n", 2));
  buffer_->flush(file_.get(), losses_);
  EXPECT_EQ(written(), "kept\n");
}

}  // namespace
}  // namespace baton
