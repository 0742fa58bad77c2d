// The C functions that modules are given: what they pass on, and what they make of bad arguments.
#include "worker/app/host_dicts.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/dict/object.h"
#include "tests/support/test_dict.h"

namespace baton::app {
namespace {

baton_text text(std::string_view view) {
  return {view.data(), view.size()};
}
std::string string(baton_text text) {
  return text.size == 0 ? std::string() : std::string(text.data, text.size);
}

class HostDicts : public testing::Test {
 protected:
  HostDicts() {
    for (const char* name : {"sessions", "limits"}) add(name);
    add_functions_of_dicts(host_, dicts_);
    dict_ = host_.dict_open(text("sessions"));
  }
  ~HostDicts() override { add_functions_of_dicts(host_, {}); }

  void add(const char* name) {
    const test::SegmentName object;
    DictEntry& entry = entries_[dicts_.size()];
    std::strcpy(entry.name, name);
    dicts_.push_back(std::make_shared<OpenDict>(create_dict(object.text(), name, test::kSmallDict), entry));
  }
  std::string get(std::string_view key) const {
    baton_text value{};
    return host_.dict_get(dict_, text(key), &value) == BATON_DICT_OK ? string(value) : "(none)";
  }

  DictEntry entries_[2];
  DictSet dicts_;
  baton_host host_{};
  baton_dict* dict_ = nullptr;
};

TEST_F(HostDicts, AreFoundByName) {
  EXPECT_NE(dict_, nullptr);
  EXPECT_NE(host_.dict_open(text("limits")), nullptr);
  EXPECT_NE(host_.dict_open(text("limits")), dict_);
  EXPECT_EQ(host_.dict_open(text("limit")), nullptr);
  EXPECT_EQ(host_.dict_open({nullptr, 0}), nullptr);
}

TEST_F(HostDicts, PassCallsAndResultsOn) {
  EXPECT_EQ(host_.dict_set(dict_, text("a"), text("1"), 0), BATON_DICT_OK);
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(host_.dict_add(dict_, text("a"), text("2"), 0), BATON_DICT_EXISTS);
  EXPECT_EQ(host_.dict_compare_and_swap(dict_, text("a"), text("2"), text("3"), 0), BATON_DICT_MISMATCH);
  EXPECT_EQ(host_.dict_compare_and_swap(dict_, text("a"), text("1"), text("3"), 0), BATON_DICT_OK);
  std::int64_t sum = 0;
  EXPECT_EQ(host_.dict_increment(dict_, text("a"), 4, 0, 0, &sum), BATON_DICT_OK);
  EXPECT_EQ(sum, 7);
  EXPECT_EQ(host_.dict_increment(dict_, text("a"), 1, 0, 0, nullptr), BATON_DICT_OK);
  EXPECT_EQ(host_.dict_set(dict_, text("x"), text("x"), 0), BATON_DICT_OK);
  EXPECT_EQ(host_.dict_increment(dict_, text("x"), 1, 0, 0, &sum), BATON_DICT_NOT_A_NUMBER);
  EXPECT_EQ(host_.dict_remove(dict_, text("x")), BATON_DICT_OK);
  EXPECT_EQ(host_.dict_remove(dict_, text("x")), BATON_DICT_NOT_FOUND);
  EXPECT_EQ(get("a"), "8");
  host_.dict_clear(dict_);
  EXPECT_EQ(get("a"), "(none)");
}

TEST_F(HostDicts, PassTheExpiryOn) {
  EXPECT_EQ(host_.dict_set(dict_, text("a"), text("1"), 1), BATON_DICT_OK);
  EXPECT_EQ(host_.dict_set(dict_, text("b"), text("1"), 3'600'000), BATON_DICT_OK);
  while (get("a") != "(none)") std::this_thread::yield();
  EXPECT_EQ(get("b"), "1");
}

TEST_F(HostDicts, AValueStaysUntilTheThreadsNextCall) {
  host_.dict_set(dict_, text("a"), text("value of a"), 0);
  host_.dict_set(dict_, text("b"), text("value of b"), 0);
  baton_text value{};
  ASSERT_EQ(host_.dict_get(dict_, text("a"), &value), BATON_DICT_OK);
  std::thread other([this] { EXPECT_EQ(get("b"), "value of b"); });
  other.join();
  EXPECT_EQ(string(value), "value of a");
  // It may be what the next call is about.
  EXPECT_EQ(host_.dict_set(dict_, text("c"), value, 0), BATON_DICT_OK);
  EXPECT_EQ(get("c"), "value of a");
}

TEST_F(HostDicts, TellWhatDoesNotFit) {
  const std::string key(1'025, 'k');
  const std::string value(test::kSmallDict, 'v');
  EXPECT_EQ(host_.dict_set(dict_, text(key), text(""), 0), BATON_DICT_TOO_LARGE);
  EXPECT_EQ(host_.dict_add(dict_, text("k"), text(value), 0), BATON_DICT_TOO_LARGE);
  EXPECT_EQ(host_.dict_compare_and_swap(dict_, text("k"), text(""), text(value), 0), BATON_DICT_TOO_LARGE);
  EXPECT_EQ(host_.dict_increment(dict_, text(key), 1, 0, 0, nullptr), BATON_DICT_TOO_LARGE);
}

TEST_F(HostDicts, NullIsADictionaryWithoutRoom) {
  baton_text value = text("untouched");
  EXPECT_EQ(host_.dict_get(nullptr, text("a"), &value), BATON_DICT_NOT_FOUND);
  EXPECT_EQ(string(value), "");
  EXPECT_EQ(host_.dict_set(nullptr, text("a"), text("1"), 0), BATON_DICT_TOO_LARGE);
  EXPECT_EQ(host_.dict_add(nullptr, text("a"), text("1"), 0), BATON_DICT_TOO_LARGE);
  EXPECT_EQ(host_.dict_increment(nullptr, text("a"), 1, 0, 0, nullptr), BATON_DICT_TOO_LARGE);
  EXPECT_EQ(host_.dict_compare_and_swap(nullptr, text("a"), text(""), text(""), 0), BATON_DICT_NOT_FOUND);
  EXPECT_EQ(host_.dict_remove(nullptr, text("a")), BATON_DICT_NOT_FOUND);
  host_.dict_clear(nullptr);
  baton_dict_stats stats{};
  stats.struct_size = sizeof stats;
  stats.entries = 99;
  host_.dict_stats(nullptr, &stats);
  EXPECT_EQ(stats.entries, 0U);
}

TEST_F(HostDicts, EmptyAndAbsentTextsAreTheSame) {
  EXPECT_EQ(host_.dict_set(dict_, {nullptr, 0}, {nullptr, 0}, 0), BATON_DICT_OK);
  EXPECT_EQ(get(""), "");
  EXPECT_EQ(host_.dict_get(dict_, text(""), nullptr), BATON_DICT_OK);
  host_.dict_stats(dict_, nullptr);
}

TEST_F(HostDicts, StatsFillWhatTheirCallerKnows) {
  host_.dict_set(dict_, text("a"), text("1"), 0);
  get("a");
  get("b");
  baton_dict_stats stats{};
  stats.struct_size = sizeof stats;
  host_.dict_stats(dict_, &stats);
  EXPECT_EQ(stats.struct_size, sizeof stats);
  EXPECT_EQ(stats.entries, 1U);
  EXPECT_EQ(stats.bytes_used, 128U);
  EXPECT_EQ(stats.bytes_total, dicts_[0]->dict().bytes_total());
  EXPECT_EQ(stats.hits, 1U);
  EXPECT_EQ(stats.misses, 1U);
  EXPECT_EQ(stats.evictions + stats.expired + stats.repairs, 0U);

  std::memset(&stats, 0x55, sizeof stats);
  stats.struct_size = offsetof(baton_dict_stats, bytes_used);  // of a module from before that
  host_.dict_stats(dict_, &stats);
  EXPECT_EQ(stats.entries, 1U);
  EXPECT_EQ(stats.bytes_used, 0x5555555555555555U);
}

}  // namespace
}  // namespace baton::app
