#include "master/oom_counter.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace baton {
namespace {

TEST(OomCounter, TellsWhetherThereWasOneSinceTheLastLook) {
  const test::TempDir folder;
  OomCounter counter(folder.write("memory.events", "low 0\nhigh 0\nmax 7\noom 1\noom_kill 3\n"));
  EXPECT_FALSE(counter.moved());
  folder.write("memory.events", "low 0\nhigh 0\nmax 9\noom 2\noom_kill 3\n");
  EXPECT_FALSE(counter.moved()) << "the other counters are of no matter";
  folder.write("memory.events", "low 0\nhigh 0\nmax 9\noom 2\noom_kill 5\n");
  EXPECT_TRUE(counter.moved());
  EXPECT_FALSE(counter.moved());
}

TEST(OomCounter, WithoutAFileThereNeverIsOne) {
  OomCounter counter("/nonexistent");
  EXPECT_FALSE(counter.moved());
}

TEST(OomCounter, ThisMachineHasOne) {
  OomCounter counter;
  EXPECT_FALSE(counter.moved() && counter.moved()) << "nobody is killed all the time";
}

}  // namespace
}  // namespace baton
