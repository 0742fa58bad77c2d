// A module writes through wild pointers: whatever stands in the memory afterwards, calls return, stay within
// the memory, and leave a dictionary that works.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

#include "common/dict/shared_dict.h"
#include "tests/support/dict_check.h"
#include "tests/support/test_dict.h"

namespace baton {
namespace {

using test::TestDict;
using enum SharedDict::Status;

class SharedDictDamage : public testing::Test {
 protected:
  SharedDictDamage() {
    for (int i = 0; i < 40; ++i)
      dict_->set(std::to_string(i), std::string(static_cast<std::size_t>(i) * 20, 'v'),
                 static_cast<std::uint64_t>(i % 2) * 50);
    dict_->remove("3");
    dict_->remove("20");
  }

  [[nodiscard]] DictCell& cell(CellIndex index) const {
    const DictLayout at = DictLayout::of(dict_.header().total_bytes);
    return reinterpret_cast<DictCell*>(static_cast<char*>(dict_.memory()) + at.cells)[index];
  }
  [[nodiscard]] CellIndex cell_of(const std::string& key) const {
    for (CellIndex i = 1; i < dict_.header().fresh; ++i) {
      const DictCell& c = cell(i);
      if (c.sequence.load() != 0 && c.key_bytes == key.size() &&
          std::memcmp(c.text, key.data(), key.size()) == 0)
        return i;
    }
    return 0;
  }

  // Uses all of it, so that what is wrong is met.
  void use() {
    for (int i = 0; i < 40; ++i) dict_.get(std::to_string(i));
    for (int i = 0; i < 60; ++i)
      ASSERT_EQ(dict_->set("new" + std::to_string(i), std::string(900, 'n'), 0), kOk);
    dict_->remove("new1");
    dict_->increment("n", 1, 0, 0, nullptr);
  }
  void expect_working() {
    EXPECT_EQ(test::problem_of(dict_.memory()), "");
    EXPECT_EQ(dict_->set("a", "1", 0), kOk);
    EXPECT_EQ(dict_.get("a"), "1");
  }
  // What use() meets is noticed and put right.
  void expect_put_right() {
    use();
    EXPECT_GT(dict_.counters().damages, 0U);
    expect_working();
  }

  TestDict dict_;
};

TEST_F(SharedDictDamage, AChainThatLeadsNowhere) {
  cell(cell_of("39")).next = 0xfffffff0;
  expect_put_right();
  EXPECT_EQ(dict_.get("39"), "(none)");
  EXPECT_EQ(dict_.counters().lost, 1U);
}

TEST_F(SharedDictDamage, AChainThatLeadsIntoAnotherEntry) {
  cell(cell_of("39")).next = cell(cell_of("38")).next;
  expect_put_right();
}

TEST_F(SharedDictDamage, AValueLongerThanItsChain) {
  cell(cell_of("39")).value_bytes += 1'000;
  expect_put_right();
}

TEST_F(SharedDictDamage, AValueLongerThanMemory) {
  cell(cell_of("39")).value_bytes = 0xffffffff;
  expect_put_right();
}

TEST_F(SharedDictDamage, AnIndexThatRunsInCircles) {
  const CellIndex entry = cell_of("10");
  cell(entry).chain = entry;
  cell(entry).key_bytes = 3;
  expect_put_right();
}

TEST_F(SharedDictDamage, AListOfUsesThatRunsInCircles) {
  cell(dict_.header().oldest).older = dict_.header().newest;
  dict_.header().oldest = dict_.header().newest;
  expect_put_right();
}

TEST_F(SharedDictDamage, AHeapOfAnything) {
  dict_.header().heap_size = 0xffffffff;
  test::pass_ms(1'000);
  expect_put_right();
}

TEST_F(SharedDictDamage, FreeCellsThatAreNotFree) {
  dict_.header().free_first = cell_of("12");
  expect_put_right();
}

TEST_F(SharedDictDamage, FreeCellsInACircle) {
  cell(dict_.header().free_first).next = dict_.header().free_first;
  expect_put_right();
}

TEST_F(SharedDictDamage, CountsThatPromiseRoom) {
  dict_.header().free_count = 1'000'000;
  expect_put_right();
}

TEST_F(SharedDictDamage, AClockAtItsEnd) {
  dict_.header().clock = ~std::uint64_t{0};
  dict_.header().newest = 0xffffff;
  use();
  expect_working();
}

TEST_F(SharedDictDamage, EverythingClearedForEver) {
  dict_.header().cleared = ~std::uint64_t{0} - 5;
  use();
  EXPECT_GT(dict_.counters().damages, 0U);
  expect_working();
}

TEST_F(SharedDictDamage, IncrementIsDoneOnceAllTheSame) {
  ASSERT_EQ(dict_->increment("n", 41, 0, 0, nullptr), kOk);
  cell(cell_of("n")).newer = 0x7fffffff;
  const CellIndex before = cell(cell_of("n")).older;
  ASSERT_NE(before, 0U);
  dict_.get("5");  // another one is the newest
  std::int64_t sum = 0;
  EXPECT_EQ(dict_->increment("n", 1, 0, 0, &sum), kOk);
  EXPECT_EQ(sum, 42);
  EXPECT_EQ(dict_.get("n"), "42");
  expect_working();
}

// The mutex is among what may be written to: the lock is got all the same.
TEST_F(SharedDictDamage, TheMutexOfNoOne) {
  auto* const mutex = reinterpret_cast<unsigned char*>(&dict_.header().mutex);
  for (const int byte : {0x00, 0x01, 0x55, 0x80, 0xff}) {
    std::memset(mutex, byte, sizeof(RobustMutex));
    if (byte == 0x01) mutex[0] = mutex[1] = 0x41;
    EXPECT_EQ(dict_->set("a", "1", 0), kOk) << byte;
    EXPECT_EQ(dict_.get("a"), "1");
  }
  expect_working();
}

class SharedDictNoise : public testing::TestWithParam<unsigned> {};

TEST_P(SharedDictNoise, RandomBytesAnywhere) {
  std::mt19937 random(GetParam());
  const auto below = [&random](std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
  };
  TestDict dict;
  for (int round = 0; round < 150; ++round) {
    for (int i = 0; i < 20; ++i) {
      const std::string key = std::to_string(below(40));
      dict->set(key, std::string(below(900), 'v'), below(2) * 50);
      dict.get(std::to_string(below(40)));
      dict->increment("n" + key, 1, 0, 20, nullptr);
      if (below(10) == 0) dict->remove(key);
      test::pass_ms(3);
    }
    char* const from = static_cast<char*>(dict.memory()) + offsetof(DictHeader, clock);
    const std::size_t room = dict.bytes() - offsetof(DictHeader, clock);
    const std::size_t span = below(3) == 0 ? sizeof(DictHeader) - offsetof(DictHeader, clock) : room;
    for (std::size_t writes = 1 + below(20); writes > 0; --writes) {
      char* const at = from + below(span - 8);
      const auto value = static_cast<char>(below(2) == 0 ? below(256) : below(4));
      std::fill_n(at, 1 + below(8), value);
    }
  }
  // One more that is surely met, so that whatever was not met yet is put right with it.
  const DictLayout at = DictLayout::of(dict.bytes());
  std::memset(static_cast<char*>(dict.memory()) + at.buckets, 0xff, sizeof(CellIndex) * at.cell_count);
  dict.get("a");
  EXPECT_EQ(test::problem_of(dict.memory()), "");
  EXPECT_EQ(dict->set("a", "1", 0), kOk);
  EXPECT_EQ(dict.get("a"), "1");
  EXPECT_GT(dict.counters().damages, 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SharedDictNoise, testing::Range(1U, 21U));

}  // namespace
}  // namespace baton
