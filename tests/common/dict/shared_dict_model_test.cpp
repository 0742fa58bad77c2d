// Random calls, each compared with a plain map and a list that say what it has to come to, evictions and
// expiry included.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <list>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>

#include "common/dict/shared_dict.h"
#include "tests/support/dict_check.h"
#include "tests/support/test_dict.h"

namespace baton {
namespace {

using test::TestDict;
using Status = SharedDict::Status;
using enum SharedDict::Status;

class Model {
 public:
  struct Entry {
    std::string key;
    std::string value;
    std::uint64_t expires_ns = 0;
  };

  explicit Model(std::uint64_t cells) : cells_(cells) {}

  Status get(const std::string& key, std::string& value) {
    const Entry* const entry = find(key);
    ++(entry != nullptr ? hits : misses);
    if (entry == nullptr) return kNotFound;
    value = entry->value;
    return kOk;
  }
  Status set(const std::string& key, const std::string& value, std::uint64_t ttl) {
    if (!fits(key, value)) return kTooLarge;
    return find(key), store(key, value, expiry(ttl));
  }
  Status add(const std::string& key, const std::string& value, std::uint64_t ttl) {
    if (!fits(key, value)) return kTooLarge;
    return find(key) != nullptr ? kExists : store(key, value, expiry(ttl));
  }
  Status increment(const std::string& key, std::int64_t delta, std::int64_t initial, std::uint64_t ttl,
                   std::int64_t& sum) {
    const Entry* const entry = find(key);
    if (entry == nullptr) {
      sum = initial + delta;
      return store(key, std::to_string(sum), expiry(ttl));
    }
    std::int64_t before = 0;
    const char* const end = entry->value.data() + entry->value.size();
    const auto [stop, error] = std::from_chars(entry->value.data(), end, before);
    if (error != std::errc{} || stop != end || entry->value.size() > 20) return kNotANumber;
    sum = before + delta;
    return store(key, std::to_string(sum), entry->expires_ns);
  }
  Status compare_and_swap(const std::string& key, const std::string& expected, const std::string& value,
                          std::uint64_t ttl) {
    if (!fits(key, value)) return kTooLarge;
    const Entry* const entry = find(key);
    if (entry == nullptr) return kNotFound;
    return entry->value == expected ? store(key, value, expiry(ttl)) : kMismatch;
  }
  Status remove(const std::string& key) {
    if (find(key) == nullptr) return kNotFound;
    erase(index_.at(key));
    return kOk;
  }
  void clear() {
    entries_.clear();
    index_.clear();
    used_ = 0;
  }

  [[nodiscard]] const std::list<Entry>& by_use() const { return entries_; }

  std::uint64_t hits = 0, misses = 0, evictions = 0, expired = 0;

 private:
  using Place = std::list<Entry>::iterator;

  static std::uint64_t cells_of(const std::string& key, const std::string& value) {
    std::uint64_t cells = 1;
    for (std::size_t room = 68; room < key.size() + value.size(); room += 112) ++cells;
    return cells;
  }
  [[nodiscard]] bool fits(const std::string& key, const std::string& value) const {
    return key.size() <= 1'024 && cells_of(key, value) <= cells_ / 2;
  }
  static std::uint64_t expiry(std::uint64_t ttl) {
    return ttl == 0 ? 0 : test::test_time_ns + ttl * 1'000'000;
  }
  static bool over(const Entry& entry) {
    return entry.expires_ns != 0 && entry.expires_ns <= test::test_time_ns;
  }

  // Finding is using.
  const Entry* find(const std::string& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    if (over(*found->second)) {
      erase(found->second);
      ++expired;
      return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return &entries_.front();
  }
  void erase(Place place) {
    used_ -= cells_of(place->key, place->value);
    index_.erase(place->key);
    entries_.erase(place);
  }
  // The old value, which find() has put in front, stays until the new one is there.
  Status store(const std::string& key, const std::string& value, std::uint64_t expires_ns) {
    const std::uint64_t cells = cells_of(key, value);
    for (int swept = 0; swept < 4 || used_ + cells > cells_; ++swept) {
      const auto soonest = std::min_element(entries_.begin(), entries_.end(), [](auto& a, auto& b) {
        return (a.expires_ns - 1) < (b.expires_ns - 1);  // 0 comes last
      });
      if (soonest == entries_.end() || !over(*soonest)) break;
      erase(soonest);
      ++expired;
    }
    for (; used_ + cells > cells_; ++evictions) erase(std::prev(entries_.end()));
    if (const auto old = index_.find(key); old != index_.end()) erase(old->second);
    entries_.push_front({key, value, expires_ns});
    index_[key] = entries_.begin();
    used_ += cells;
    return kOk;
  }

  std::uint64_t cells_;
  std::uint64_t used_ = 0;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<std::string, Place> index_;
};

class SharedDictModel : public testing::TestWithParam<unsigned> {
 protected:
  unsigned below(unsigned limit) { return std::uniform_int_distribution<unsigned>(0, limit - 1)(random_); }

  std::string key() {
    std::string text = "k" + std::to_string(below(150));
    if (text.back() == '7') text.append(below(900), 'x');
    if (text.back() == '3') text += '\0';
    return text;
  }
  std::string value() {
    if (below(4) == 0) return std::to_string(below(1'000));
    const unsigned bytes = below(50) == 0 ? below(30'000) : below(500);
    return std::string(bytes, static_cast<char>(below(256)));
  }
  std::uint64_t ttl() { return below(2) == 0 ? 0 : 1 + below(300); }

  void one_call() {
    const std::string k = key();
    switch (below(20)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4: return get(k);
      case 5:
      case 6: {
        const std::string v = value();
        const std::uint64_t t = ttl();
        ASSERT_EQ(dict_->add(k, v, t), model_.add(k, v, t));
        return;
      }
      case 7:
      case 8: return increment(k);
      case 9:
      case 10: return compare_and_swap(k);
      case 11:
      case 12: ASSERT_EQ(dict_->remove(k), model_.remove(k)); return;
      case 13:
        if (below(60) != 0) return get(k);
        dict_->clear();
        model_.clear();
        return;
      default: {
        const std::string v = value();
        const std::uint64_t t = ttl();
        ASSERT_EQ(dict_->set(k, v, t), model_.set(k, v, t));
      }
    }
  }
  void get(const std::string& k) {
    std::string got;
    std::string expected;
    ASSERT_EQ(dict_->get(k, got), model_.get(k, expected));
    ASSERT_EQ(got, expected);
  }
  void increment(const std::string& k) {
    std::int64_t sum = 0;
    std::int64_t expected = 0;
    const auto delta = static_cast<std::int64_t>(below(100)) - 50;
    const std::uint64_t t = ttl();
    ASSERT_EQ(dict_->increment(k, delta, 7, t, &sum), model_.increment(k, delta, 7, t, expected));
    ASSERT_EQ(sum, expected);
  }
  void compare_and_swap(const std::string& k) {
    std::string expected = value();
    if (below(2) == 0) {  // often what is there
      dict_.get(k);
      model_.get(k, expected);
    }
    const std::string v = value();
    const std::uint64_t t = ttl();
    ASSERT_EQ(dict_->compare_and_swap(k, expected, v, t), model_.compare_and_swap(k, expected, v, t));
  }

  void compare() {
    ASSERT_EQ(test::problem_of(dict_.memory()), "");
    std::vector<std::string> keys;
    std::map<std::string, test::DictContent> contents;
    for (const Model::Entry& entry : model_.by_use()) {
      keys.push_back(entry.key);
      contents[entry.key] = {entry.value, entry.expires_ns};
    }
    ASSERT_TRUE(test::keys_by_use(dict_.memory()) == keys);
    ASSERT_TRUE(test::contents_of(dict_.memory()) == contents);
    const DictCounters& counters = dict_.counters();
    ASSERT_EQ(counters.entries, keys.size());
    ASSERT_EQ(counters.hits, model_.hits);
    ASSERT_EQ(counters.misses, model_.misses);
    ASSERT_EQ(counters.evictions, model_.evictions);
    ASSERT_EQ(counters.expired, model_.expired);
  }

  std::mt19937 random_{GetParam()};
  TestDict dict_;
  Model model_{dict_->bytes_total() / sizeof(DictCell)};
};

TEST_P(SharedDictModel, DoesWhatAMapWould) {
  for (int i = 0; i < 6'000 && !HasFatalFailure(); ++i) {
    // No two calls in the same millionth of a millisecond, so that no two entries expire at the same time.
    test::test_time_ns += 1 + (below(10) == 0 ? below(20) * 1'000'000ULL : 0);
    one_call();
    if (i % 20 == 0) compare();
  }
  compare();
  EXPECT_GT(model_.evictions, 100U);
  EXPECT_GT(model_.expired, 100U);
  EXPECT_EQ(dict_.counters().damages, 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SharedDictModel, testing::Range(1U, 9U));

}  // namespace
}  // namespace baton
