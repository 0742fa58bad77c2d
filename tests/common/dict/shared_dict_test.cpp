// What each call does, seen from outside; and that the memory fits together after it.
#include "common/dict/shared_dict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "tests/support/dict_check.h"
#include "tests/support/test_dict.h"

namespace baton {
namespace {

using test::keys_by_use;
using test::pass_ms;
using test::TestDict;
using testing::ElementsAre;
using enum SharedDict::Status;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

class SharedDictTest : public testing::Test {
 protected:
  ~SharedDictTest() override { EXPECT_EQ(test::problem_of(dict_.memory()), ""); }

  TestDict dict_;
};

TEST_F(SharedDictTest, AnEmptyOneHasNothing) {
  EXPECT_EQ(test::problem_of(dict_.memory()), "");
  EXPECT_EQ(dict_.get("a"), "(none)");
  EXPECT_EQ(dict_->remove("a"), kNotFound);
  EXPECT_EQ(dict_->compare_and_swap("a", "", "x", 0), kNotFound);
  EXPECT_EQ(dict_.counters().entries, 0U);
  EXPECT_EQ(dict_.counters().bytes_used, 0U);
}

TEST_F(SharedDictTest, SetReplaces) {
  EXPECT_EQ(dict_->set("a", "1", 0), kOk);
  EXPECT_EQ(dict_->set("b", "2", 0), kOk);
  EXPECT_EQ(dict_->set("a", "one", 0), kOk);
  EXPECT_EQ(dict_.get("a"), "one");
  EXPECT_EQ(dict_.get("b"), "2");
  EXPECT_EQ(dict_.counters().entries, 2U);
  EXPECT_EQ(dict_.counters().bytes_used, 2 * sizeof(DictCell));
}

TEST_F(SharedDictTest, KeysAndValuesAreAnyBytes) {
  const std::string key("\0k\xff\n", 4);
  const std::string value("\0\0v", 3);
  EXPECT_EQ(dict_->set(key, value, 0), kOk);
  EXPECT_EQ(dict_->set(std::string_view(key).substr(0, 1), "", 0), kOk);
  EXPECT_EQ(dict_->set("", "of the empty key", 0), kOk);
  EXPECT_EQ(dict_.get(key), value);
  EXPECT_EQ(dict_.get(std::string_view(key).substr(0, 1)), "");
  EXPECT_EQ(dict_.get(""), "of the empty key");
  EXPECT_EQ(dict_.counters().entries, 3U);
}

// Around each length at which one more cell is needed.
TEST_F(SharedDictTest, ValuesOfEveryLength) {
  for (const std::size_t key_bytes : {1U, 68U, 69U, 180U, 1024U}) {
    const std::string key(key_bytes, 'k');
    for (std::size_t bytes = 0; bytes < 800; ++bytes) {
      std::string value;
      for (std::size_t i = 0; i < bytes; ++i) value += static_cast<char>(i * 7 + bytes);
      ASSERT_EQ(dict_->set(key, value, 0), kOk);
      ASSERT_EQ(dict_.get(key), value);
      ASSERT_EQ(dict_.get(key + "x"), "(none)");
    }
    EXPECT_EQ(test::problem_of(dict_.memory()), "");
  }
}

TEST_F(SharedDictTest, AddLeavesWhatIsThere) {
  EXPECT_EQ(dict_->add("a", "1", 0), kOk);
  EXPECT_EQ(dict_->add("a", "2", 0), kExists);
  EXPECT_EQ(dict_.get("a"), "1");
  EXPECT_EQ(dict_->remove("a"), kOk);
  EXPECT_EQ(dict_->add("a", "3", 0), kOk);
  EXPECT_EQ(dict_.get("a"), "3");
}

TEST_F(SharedDictTest, IncrementBeginsAtItsInitialValue) {
  std::int64_t sum = 0;
  EXPECT_EQ(dict_->increment("n", 2, 40, 0, &sum), kOk);
  EXPECT_EQ(sum, 42);
  EXPECT_EQ(dict_->increment("n", -50, 40, 0, &sum), kOk);
  EXPECT_EQ(sum, -8);
  EXPECT_EQ(dict_.get("n"), "-8");
  EXPECT_EQ(dict_->increment("n", 1, 0, 0, nullptr), kOk);
  EXPECT_EQ(dict_.get("n"), "-7");
}

TEST_F(SharedDictTest, IncrementRefusesWhatIsNoNumber) {
  std::int64_t sum = 4711;
  for (const std::string value :
       {"", "x", "1x", " 1", "+1", "1.0", "9223372036854775808", "--1", "000000000000000000000000001"}) {
    ASSERT_EQ(dict_->set("n", value, 0), kOk);
    EXPECT_EQ(dict_->increment("n", 1, 0, 0, &sum), kNotANumber) << value;
    EXPECT_EQ(dict_.get("n"), value);
  }
  EXPECT_EQ(sum, 4711);
}

TEST_F(SharedDictTest, IncrementStaysWithin64Bits) {
  std::int64_t sum = 0;
  EXPECT_EQ(dict_->increment("n", 1, kMost, 0, &sum), kNotANumber);
  EXPECT_EQ(dict_.get("n"), "(none)");
  EXPECT_EQ(dict_->increment("n", 0, kMost, 0, &sum), kOk);
  EXPECT_EQ(dict_->increment("n", 1, 0, 0, &sum), kNotANumber);
  EXPECT_EQ(dict_.get("n"), std::to_string(kMost));
  EXPECT_EQ(dict_->set("n", std::to_string(kLeast), 0), kOk);
  EXPECT_EQ(dict_->increment("n", -1, 0, 0, &sum), kNotANumber);
  EXPECT_EQ(dict_->increment("n", kMost, 0, 0, &sum), kOk);
  EXPECT_EQ(sum, -1);
}

TEST_F(SharedDictTest, CompareAndSwapNeedsTheWholeValue) {
  ASSERT_EQ(dict_->set("a", "old", 0), kOk);
  EXPECT_EQ(dict_->compare_and_swap("a", "ol", "new", 0), kMismatch);
  EXPECT_EQ(dict_->compare_and_swap("a", "old2", "new", 0), kMismatch);
  EXPECT_EQ(dict_->compare_and_swap("a", "olD", "new", 0), kMismatch);
  EXPECT_EQ(dict_.get("a"), "old");
  EXPECT_EQ(dict_->compare_and_swap("a", "old", "new", 0), kOk);
  EXPECT_EQ(dict_.get("a"), "new");
  const std::string large(2'000, 'x');
  EXPECT_EQ(dict_->compare_and_swap("a", "new", large, 0), kOk);
  EXPECT_EQ(dict_->compare_and_swap("a", large.substr(1) + "y", "", 0), kMismatch);
  EXPECT_EQ(dict_->compare_and_swap("a", large, "", 0), kOk);
  EXPECT_EQ(dict_.get("a"), "");
}

TEST_F(SharedDictTest, RemoveGivesTheMemoryBack) {
  ASSERT_EQ(dict_->set("a", std::string(10'000, 'x'), 0), kOk);
  EXPECT_EQ(dict_->remove("a"), kOk);
  EXPECT_EQ(dict_->remove("a"), kNotFound);
  EXPECT_EQ(dict_.get("a"), "(none)");
  EXPECT_EQ(dict_.counters().bytes_used, 0U);
}

TEST_F(SharedDictTest, ClearEmpties) {
  for (int i = 0; i < 100; ++i) ASSERT_EQ(dict_->set(std::to_string(i), std::string(200, 'x'), i), kOk);
  dict_->clear();
  EXPECT_EQ(test::problem_of(dict_.memory()), "");
  EXPECT_EQ(dict_.counters().entries, 0U);
  EXPECT_EQ(dict_.counters().bytes_used, 0U);
  EXPECT_EQ(dict_.get("1"), "(none)");
  EXPECT_EQ(dict_->add("1", "new", 0), kOk);
  EXPECT_EQ(dict_.get("1"), "new");
  EXPECT_EQ(dict_.counters().evictions, 0U);
}

TEST_F(SharedDictTest, ValuesMayLieInWhatGetHasFilled) {
  std::string buffer;
  ASSERT_EQ(dict_->set("a", "a", 0), kOk);
  ASSERT_EQ(dict_->get("a", buffer), kOk);
  ASSERT_EQ(dict_->get(buffer, buffer), kOk);
  ASSERT_EQ(dict_->compare_and_swap(buffer, buffer, buffer, 0), kOk);
  EXPECT_EQ(buffer, "a");
}

// -- expiry

TEST_F(SharedDictTest, EntriesExpireOnTime) {
  ASSERT_EQ(dict_->set("a", "1", 100), kOk);
  ASSERT_EQ(dict_->set("b", "2", 0), kOk);
  pass_ms(99);
  EXPECT_EQ(dict_.get("a"), "1");
  pass_ms(1);
  EXPECT_EQ(dict_.get("a"), "(none)");
  EXPECT_EQ(dict_.get("b"), "2");
  EXPECT_EQ(dict_.counters().expired, 1U);
  EXPECT_EQ(dict_.counters().entries, 1U);
}

TEST_F(SharedDictTest, AnExpiredEntryIsNotThereForAnyCall) {
  const auto expire = [this](const std::string& value) {
    ASSERT_EQ(dict_->set("a", value, 10), kOk);
    pass_ms(10);
  };
  expire("1");
  EXPECT_EQ(dict_->add("a", "2", 0), kOk);
  expire("5");
  std::int64_t sum = 0;
  EXPECT_EQ(dict_->increment("a", 1, 0, 0, &sum), kOk);
  EXPECT_EQ(sum, 1);
  expire("1");
  EXPECT_EQ(dict_->compare_and_swap("a", "1", "2", 0), kNotFound);
  expire("1");
  EXPECT_EQ(dict_->remove("a"), kNotFound);
  EXPECT_EQ(dict_.counters().expired, 4U);
}

TEST_F(SharedDictTest, EachCallSetsOrKeepsTheExpiry) {
  ASSERT_EQ(dict_->set("set", "1", 10), kOk);
  ASSERT_EQ(dict_->set("set", "1", 0), kOk);
  ASSERT_EQ(dict_->set("swap", "1", 10), kOk);
  ASSERT_EQ(dict_->compare_and_swap("swap", "1", "2", 30), kOk);
  ASSERT_EQ(dict_->increment("n", 1, 0, 20, nullptr), kOk);
  ASSERT_EQ(dict_->increment("n", 1, 0, 500, nullptr), kOk);
  pass_ms(10);
  EXPECT_EQ(dict_.get("set"), "1");
  EXPECT_EQ(dict_.get("swap"), "2");
  EXPECT_EQ(dict_.get("n"), "2");
  pass_ms(10);
  EXPECT_EQ(dict_.get("n"), "(none)");
  pass_ms(10);
  EXPECT_EQ(dict_.get("swap"), "(none)");
}

TEST_F(SharedDictTest, TheLongestTimesAreForEver) {
  ASSERT_EQ(dict_->set("a", "1", std::numeric_limits<std::uint64_t>::max()), kOk);
  pass_ms(1'000'000'000);
  EXPECT_EQ(dict_.get("a"), "1");
}

TEST_F(SharedDictTest, ExpiredEntriesGoByTheWay) {
  for (int i = 0; i < 100; ++i) ASSERT_EQ(dict_->set(std::to_string(i), "x", 10), kOk);
  pass_ms(10);
  for (int i = 0; i < 25; ++i) ASSERT_EQ(dict_->set("one", "x", 0), kOk);
  EXPECT_EQ(dict_.counters().entries, 1U);
  EXPECT_EQ(dict_.counters().expired, 100U);
}

// -- no room

TEST_F(SharedDictTest, TooLargeForEver) {
  const std::uint64_t cells = dict_->bytes_total() / sizeof(DictCell) / 2;
  const std::size_t most = DictCell::kFirstBytes + (cells - 1) * DictCell::kFurtherBytes - 1;
  EXPECT_EQ(dict_->set("k", std::string(most, 'x'), 0), kOk);
  EXPECT_EQ(dict_->set("k", std::string(most, 'y'), 0), kOk) << "replacing one needs room for two";
  EXPECT_EQ(dict_.get("k"), std::string(most, 'y'));
  const std::string more(most + 1, 'z');
  EXPECT_EQ(dict_->set("k", more, 0), kTooLarge);
  EXPECT_EQ(dict_->add("k", more, 0), kTooLarge);
  EXPECT_EQ(dict_->compare_and_swap("k", "", more, 0), kTooLarge);
  EXPECT_EQ(dict_->set("k", std::string_view("x", std::numeric_limits<std::size_t>::max()), 0), kTooLarge);
  EXPECT_EQ(dict_.get("k"), std::string(most, 'y'));

  const std::string key(SharedDict::kMaxKeyBytes + 1, 'k');
  EXPECT_EQ(dict_->set(key, "", 0), kTooLarge);
  EXPECT_EQ(dict_->add(key, "", 0), kTooLarge);
  EXPECT_EQ(dict_->increment(key, 1, 0, 0, nullptr), kTooLarge);
  EXPECT_EQ(dict_->remove(key), kNotFound);
  EXPECT_EQ(dict_.get(key), "(none)");
  EXPECT_EQ(dict_->set(std::string_view(key).substr(1), "", 0), kOk);
}

TEST_F(SharedDictTest, TheLeastRecentlyUsedGoFirst) {
  const std::string quarter(dict_->bytes_total() / 5, 'x');  // four fit
  for (const char* key : {"a", "b", "c", "d"}) ASSERT_EQ(dict_->set(key, quarter, 0), kOk);
  EXPECT_EQ(dict_.counters().evictions, 0U);
  dict_.get("a");
  EXPECT_EQ(dict_->add("b", "", 0), kExists);
  EXPECT_THAT(keys_by_use(dict_.memory()), ElementsAre("b", "a", "d", "c"));
  ASSERT_EQ(dict_->set("e", quarter, 0), kOk);
  EXPECT_THAT(keys_by_use(dict_.memory()), ElementsAre("e", "b", "a", "d"));
  EXPECT_EQ(dict_->compare_and_swap("d", "another", "", 0), kMismatch);
  ASSERT_EQ(dict_->set("f", quarter, 0), kOk);
  EXPECT_THAT(keys_by_use(dict_.memory()), ElementsAre("f", "d", "e", "b"));
  EXPECT_EQ(dict_.counters().evictions, 2U);
}

TEST_F(SharedDictTest, ExpiredEntriesGoBeforeLiveOnes) {
  const std::string quarter(dict_->bytes_total() / 5, 'x');
  ASSERT_EQ(dict_->set("old", quarter, 0), kOk);
  ASSERT_EQ(dict_->set("later", quarter, 20), kOk);
  ASSERT_EQ(dict_->set("soon", quarter, 10), kOk);
  ASSERT_EQ(dict_->set("live", quarter, 1'000), kOk);
  pass_ms(15);
  ASSERT_EQ(dict_->set("new", quarter, 0), kOk);
  EXPECT_THAT(keys_by_use(dict_.memory()), ElementsAre("new", "live", "later", "old"));
  EXPECT_EQ(dict_.counters().expired, 1U);
  EXPECT_EQ(dict_.counters().evictions, 0U);
}

TEST_F(SharedDictTest, AReplacedValueIsNotEvictedForItsSuccessor) {
  const std::string third(dict_->bytes_total() / 3, 'x');
  ASSERT_EQ(dict_->set("a", third, 0), kOk);
  ASSERT_EQ(dict_->set("b", third, 0), kOk);
  ASSERT_EQ(dict_->set("a", third + "y", 0), kOk);
  EXPECT_EQ(dict_.get("a"), third + "y");
  EXPECT_EQ(dict_.get("b"), "(none)") << "the one that had to go";
}

// Entries of all sizes come and go: with cells of one size nothing is lost to fragments.
TEST_F(SharedDictTest, AllOfTheMemoryCanBeUsedAfterAnyHistory) {
  for (int i = 0; i < 2'000; ++i)
    ASSERT_EQ(dict_->set(std::to_string(i), std::string(static_cast<std::size_t>(i % 1'700), 'x'), 0), kOk);
  dict_->clear();
  for (int i = 0; i < 2'000; ++i)
    ASSERT_EQ(dict_->set(std::to_string(i), std::string(static_cast<std::size_t>(i % 1'300), 'x'), 0), kOk);
  for (int i = 0; i < 2'000; i += 2) dict_->remove(std::to_string(i));
  const std::uint64_t evictions = dict_.counters().evictions;
  const std::uint64_t cells = dict_->bytes_total() / sizeof(DictCell);
  const std::uint64_t used = dict_.counters().bytes_used / sizeof(DictCell);
  for (std::uint64_t i = used; i < cells; ++i) ASSERT_EQ(dict_->set("new" + std::to_string(i), "x", 0), kOk);
  EXPECT_EQ(dict_.counters().bytes_used, dict_->bytes_total());
  EXPECT_EQ(dict_.counters().evictions, evictions);
}

TEST_F(SharedDictTest, CountsHitsAndMisses) {
  ASSERT_EQ(dict_->set("a", "1", 0), kOk);
  dict_.get("a");
  dict_.get("a");
  dict_.get("b");
  dict_->remove("b");
  EXPECT_EQ(dict_.counters().hits, 2U);
  EXPECT_EQ(dict_.counters().misses, 1U);
  EXPECT_EQ(dict_.counters().repairs, 0U);
}

}  // namespace
}  // namespace baton
