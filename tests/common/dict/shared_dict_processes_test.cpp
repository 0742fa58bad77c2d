// Many processes at once: no change is lost, and none is seen in part.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "common/dict/shared_dict.h"
#include "tests/support/dict_check.h"
#include "tests/support/test_dict.h"

namespace baton {
namespace {

using test::TestDict;
using enum SharedDict::Status;

constexpr int kProcesses = 4;
constexpr int kRounds = 2'000;

// Runs `work(i)` in each of kProcesses forked processes; true when all have returned true.
bool all_succeed(const std::function<bool(int)>& work) {
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(::fork());
    if (children.back() == 0) ::_exit(work(i) ? 0 : 1);
  }
  bool good = true;
  for (const pid_t child : children) {
    int status = -1;
    good = ::waitpid(child, &status, 0) == child && status == 0 && good;
  }
  return good;
}

TEST(SharedDictProcesses, NoIncrementIsLost) {
  TestDict dict;
  EXPECT_TRUE(all_succeed([&](int) {
    bool good = true;
    for (int i = 0; i < kRounds; ++i)
      good = dict->increment("n" + std::to_string(i % 3), 1, 0, 0, nullptr) == kOk && good;
    return good;
  }));
  int sum = 0;
  for (const char* key : {"n0", "n1", "n2"}) sum += std::stoi(dict.get(key));
  EXPECT_EQ(sum, kProcesses * kRounds);
  EXPECT_EQ(test::problem_of(dict.memory()), "");
}

TEST(SharedDictProcesses, ASwapSeesEveryOther) {
  TestDict dict;
  ASSERT_EQ(dict->set("n", "0", 0), kOk);
  EXPECT_TRUE(all_succeed([&](int) {
    for (int done = 0; done < kRounds;) {
      const std::string before = dict.get("n");
      const std::string after = std::to_string(std::stoi(before) + 1);
      const auto status = dict->compare_and_swap("n", before, after, 0);
      if (status != kOk && status != kMismatch) return false;
      done += status == kOk ? 1 : 0;
    }
    return true;
  }));
  EXPECT_EQ(dict.get("n"), std::to_string(kProcesses * kRounds));
}

TEST(SharedDictProcesses, OnlyOneAddSucceeds) {
  TestDict dict(std::uint64_t{1} << 20);
  EXPECT_TRUE(all_succeed([&](int process) {
    for (int i = 0; i < kRounds; ++i) {
      const std::string key = std::to_string(i);
      if (dict->add(key, std::to_string(process), 0) == kOk) dict->increment("wins", 1, 0, 0, nullptr);
      if (dict.get(key) == "(none)") return false;
    }
    return true;
  }));
  EXPECT_EQ(dict.get("wins"), std::to_string(kRounds));
  EXPECT_EQ(dict.counters().evictions, 0U);
}

// Values of many cells, each made of one letter, in a dictionary too small for all of them.
TEST(SharedDictProcesses, NoValueIsSeenInPart) {
  TestDict dict;
  EXPECT_TRUE(all_succeed([&](int process) {
    for (int i = 0; i < kRounds; ++i) {
      const std::string key = std::to_string((i + process) % 11);
      const auto letter = static_cast<char>('a' + i % 26);
      dict->set(key, std::string(static_cast<std::size_t>(5'000 + 200 * letter), letter), 0);
      const std::string value = dict.get(std::to_string(i % 11));
      if (value == "(none)") continue;
      if (value.find_first_not_of(value[0]) != std::string::npos ||
          value.size() != static_cast<std::size_t>(5'000 + 200 * value[0]))
        return false;
    }
    return true;
  }));
  EXPECT_GT(dict.counters().evictions, 0U);
  EXPECT_EQ(dict.counters().damages, 0U);
  EXPECT_EQ(test::problem_of(dict.memory()), "");
}

TEST(SharedDictProcesses, ThreadsOfOneProcessToo) {
  TestDict dict;
  std::vector<std::thread> threads;
  for (int t = 0; t < kProcesses; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) dict->increment("n", 1, 0, 0, nullptr);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(dict.get("n"), std::to_string(kProcesses * kRounds));
}

}  // namespace
}  // namespace baton
