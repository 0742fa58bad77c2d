#include "master/dictionaries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "common/dict/object.h"
#include "tests/support/captured_log.h"
#include "tests/support/test_segment.h"

namespace baton {
namespace {

using test::SegmentName;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t k64K = 64 << 10;

class DictionariesTest : public testing::Test {
 protected:
  [[nodiscard]] bool exists(const std::string& dict) const {
    return std::filesystem::exists("/dev/shm/" + dict_object_name(name_.text(), dict));
  }
  std::string said() { return log_.said(); }
  static std::string get(OpenDict& dict, const char* key) {
    std::string value;
    return dict.dict().get(key, value) == SharedDict::Status::kOk ? value : "(none)";
  }

  test::CapturedLog log_;
  SegmentName name_;
  Segment segment_ = Segment::create(name_.text(), test::kSmall);
};

TEST_F(DictionariesTest, TheSameNameIsTheSameDictionary) {
  Dictionaries dictionaries(segment_);
  DictSet first = dictionaries.prepare({{"a", k64K}, {"b", k64K}});
  first[0]->dict().set("k", "1", 0);
  const DictSet second = dictionaries.prepare({{"c", k64K}, {"a", 2 * k64K}});
  EXPECT_EQ(second[1], first[0]);
  EXPECT_EQ(get(*second[1], "k"), "1");
  EXPECT_THAT(dictionaries.remarks({{"c", k64K}, {"a", 2 * k64K}}), HasSubstr("'a' keeps its 64K"));
  EXPECT_EQ(dictionaries.remarks({{"c", k64K}, {"a", k64K}}), "");

  dictionaries.forget_unused();
  EXPECT_TRUE(exists("b"));
  first.clear();
  dictionaries.forget_unused();
  EXPECT_FALSE(exists("b"));
  EXPECT_TRUE(exists("a"));
  EXPECT_TRUE(exists("c"));
}

TEST_F(DictionariesTest, TheBoardTellsOfThoseThatLive) {
  const auto told = [this] {
    std::vector<std::string> names;
    for (const DictEntry& entry : segment_.dicts())
      if (entry.used.load() != 0) names.emplace_back(entry.name);
    return names;
  };
  Dictionaries dictionaries(segment_);
  DictSet dicts = dictionaries.prepare({{"a", k64K}, {"b", k64K}});
  EXPECT_THAT(told(), testing::ElementsAre("a", "b"));
  dicts[0]->dict().set("k", "1", 0);
  dicts.erase(dicts.begin());
  dictionaries.forget_unused();
  EXPECT_THAT(told(), testing::ElementsAre("b"));
  dicts = dictionaries.prepare({{"longer-name", 2 * k64K}, {"b", k64K}});
  EXPECT_THAT(told(), testing::ElementsAre("longer-name", "b"));
  EXPECT_EQ(segment_.dicts()[0].counters.entries, 0U) << "another one's numbers";
  EXPECT_EQ(segment_.dicts()[0].size, 2 * k64K);
  EXPECT_EQ(segment_.dicts()[0].bytes_total, dicts[0]->dict().bytes_total());
}

TEST_F(DictionariesTest, AllOfThemCanBeReplacedAtOnce) {
  Dictionaries dictionaries(segment_);
  std::vector<DictConfig> configs;
  for (std::size_t i = 0; i < 2 * DictConfig::kMost; ++i) configs.push_back({"d" + std::to_string(i), k64K});
  const DictSet all = dictionaries.prepare(configs);
  EXPECT_EQ(all.size(), 2 * DictConfig::kMost);
  try {
    dictionaries.prepare({{"new", k64K}, {"more", k64K}});
    ADD_FAILURE() << "there is no entry for it";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("too many dictionaries"));
  }
  EXPECT_FALSE(exists("new"));
}

TEST_F(DictionariesTest, NothingIsLeftAtTheEnd) {
  {
    Dictionaries dictionaries(segment_);
    dictionaries.prepare({{"a", k64K}});
    EXPECT_TRUE(exists("a"));
  }
  EXPECT_FALSE(exists("a"));
}

TEST_F(DictionariesTest, AnotherProgramTakesThemOver) {
  Dictionaries before(segment_);  // as after execve(2), nobody's destructor has run
  DictSet dicts = before.prepare({{"good", k64K}, {"strange", k64K}});
  dicts[0]->dict().set("k", "1", 0);
  static_cast<DictHeader*>(static_cast<void*>(dicts[1]->memory().data()))->layout_version += 1;

  Dictionaries after(segment_);
  after.take_over();
  EXPECT_THAT(said(),
              HasSubstr("error: the dictionary 'strange' cannot go on, and begins empty: its layout"));
  EXPECT_EQ(after.all().size(), 1U);
  const DictSet now = after.prepare_possible({{"strange", k64K}, {"good", k64K}});
  ASSERT_EQ(now.size(), 2U);
  EXPECT_EQ(get(*now[1], "k"), "1");
  EXPECT_EQ(get(*now[0], "k"), "(none)");
  after.watch(kSecondNs);
  EXPECT_THAT(said(), IsEmpty());
}

TEST_F(DictionariesTest, RehearsingFindsWhatCannotGoOn) {
  Dictionaries dictionaries(segment_);
  const DictSet dicts = dictionaries.prepare({{"a", k64K}});
  EXPECT_NO_THROW(Dictionaries::rehearse(segment_, {{"a", k64K}, {"new", k64K}}));
  const auto why = [this](const std::vector<DictConfig>& configs) -> std::string {
    try {
      Dictionaries::rehearse(segment_, configs);
      return "";
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  };
  // More than any machine has; what lives already needs no more room.
  EXPECT_EQ(why({{"a", std::uint64_t{1} << 60}}), "");
  EXPECT_THAT(why({{"new", std::uint64_t{1} << 60}}), HasSubstr("need 1.0E of /dev/shm, which has"));
  static_cast<DictHeader*>(static_cast<void*>(dicts[0]->memory().data()))->fingerprint += 1;
  EXPECT_THAT(why({}), HasSubstr("cannot go on with the dictionary 'a': its layout"));
}

TEST_F(DictionariesTest, NewsAreToldAtOnceAndThenOnceAMinute) {
  Dictionaries dictionaries(segment_);
  const DictSet dicts = dictionaries.prepare({{"a", k64K}, {"b", k64K}});
  DictCounters& counters = dicts[0]->entry().counters;
  std::uint64_t now = 1'000 * kSecondNs;
  dictionaries.watch(now);
  EXPECT_EQ(said(), "");
  counters.evictions = 1;
  dictionaries.watch(now);
  EXPECT_EQ(said(), "warning: the dictionary 'a' of 64K is full: entries dropped before their time: 1\n");
  counters.evictions = 1'000;
  dictionaries.watch(now + kSecondNs);
  dicts[1]->entry().counters.evictions = 5;
  dictionaries.watch(now + 59 * kSecondNs);
  EXPECT_EQ(said(), "warning: the dictionary 'b' of 64K is full: entries dropped before their time: 5\n");
  counters.evictions = 2'001;
  dictionaries.watch(now + 60 * kSecondNs);
  EXPECT_EQ(said(), "warning: the dictionary 'a' of 64K is full: entries dropped before their time: 2,000\n");
  dictionaries.watch(now + 600 * kSecondNs);
  EXPECT_EQ(said(), "");

  now += 1'000 * kSecondNs;
  counters.repairs = 1;
  counters.damages = 1;
  counters.lost = 7;
  dictionaries.watch(now);
  EXPECT_EQ(said(),
            "warning: the dictionary 'a': a worker died in the middle of a call, put in order again\n"
            "error: the dictionary 'a' was damaged, as by a wild write of a module: put in order again, 7 "
            "entries lost since it was made\n");
  counters.repairs = 4;
  dictionaries.watch(now + 61 * kSecondNs);
  EXPECT_EQ(said(),
            "warning: the dictionary 'a': a worker died in the middle of a call, put in order again (3 "
            "times)\n");
}

}  // namespace
}  // namespace baton
