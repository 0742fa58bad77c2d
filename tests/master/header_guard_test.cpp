#include "master/header_guard.h"

#include <gtest/gtest.h>

#include <memory>

namespace baton {
namespace {

TEST(HeaderGuard, PutsRightWhatTheMasterHasNotWritten) {
  const auto header = std::make_unique<SegmentHeader>();
  HeaderGuard guard(*header);
  EXPECT_EQ(guard.mend(), 0U) << "nothing is noted yet";
  header->generation = 3;
  header->listener_count = 1;
  guard.note();
  EXPECT_EQ(guard.mend(), 0U);
  header->generation = 4;
  header->slot_count = 0xffffffff;
  EXPECT_EQ(guard.mend(), 5U);
  EXPECT_EQ(header->generation, 3U);
  EXPECT_EQ(header->slot_count, 0U);
  EXPECT_EQ(guard.mend(), 0U);
}

TEST(HeaderGuard, LeavesAloneWhatWorkersWrite) {
  const auto header = std::make_unique<SegmentHeader>();
  HeaderGuard guard(*header);
  guard.note();
  header->connections = 7;
  header->highest_fd = 70;
  header->accept_paused = 1;
  header->access_log.lines = 4;
  header->retired.requests = 9;
  EXPECT_EQ(guard.mend(), 0U);
  EXPECT_EQ(header->connections, 7U);
}

}  // namespace
}  // namespace baton
