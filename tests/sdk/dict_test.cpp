#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/sdk/module_under_test.h"

namespace baton::test {
namespace {

using namespace baton::literals;
using testing::HasSubstr;
using testing::Optional;
using testing::ThrowsMessage;

class SdkDict : public testing::Test {
 protected:
  ModuleUnderTest module_{[](Module&) {}};
  SharedDict dict_ = SharedDict::open("sessions");
};

TEST_F(SdkDict, SetGetRemoveClearCount) {
  EXPECT_EQ(dict_.get("a"), std::nullopt);
  dict_.set("a", std::string_view("1\0", 2));
  EXPECT_THAT(dict_.get("a"), Optional(std::string("1\0", 2)));
  EXPECT_EQ(dict_.count(), 1U);
  EXPECT_TRUE(dict_.remove("a"));
  EXPECT_FALSE(dict_.remove("a"));
  dict_.set("b", "");
  dict_.clear();
  EXPECT_EQ(dict_.stats().entries, 0U);
}

TEST_F(SdkDict, AddAndCompareAndSwapTellWhetherTheyDid) {
  EXPECT_TRUE(dict_.add("a", "1"));
  EXPECT_FALSE(dict_.add("a", "2"));
  EXPECT_FALSE(dict_.compare_and_swap("a", "2", "3"));
  EXPECT_TRUE(dict_.compare_and_swap("a", "1", "3"));
  EXPECT_FALSE(dict_.compare_and_swap("none", "", "3"));
  EXPECT_THAT(dict_.get("a"), Optional(std::string("3")));
}

TEST_F(SdkDict, IncrementBeginsAtTheInitialValue) {
  EXPECT_EQ(dict_.increment("n"), 1);
  EXPECT_EQ(dict_.increment("n", 5), 6);
  EXPECT_EQ(dict_.increment("m", -1, 10), 9);
}

TEST_F(SdkDict, TimesToLive) {
  dict_.set("a", "1");
  EXPECT_EQ(module_.host.dict_ttl, 0U);
  dict_.set("a", "1", 2s);
  EXPECT_EQ(module_.host.dict_ttl, 2000U);
  dict_.increment("n", 1, 0, 5ms);
  EXPECT_EQ(module_.host.dict_ttl, 5U);
  EXPECT_THROW(dict_.set("a", "2", 0ms), std::invalid_argument) << "would be for ever";
  EXPECT_THROW(dict_.set("a", "2", -1s), std::invalid_argument);
  EXPECT_THAT(dict_.get("a"), Optional(std::string("1")));
}

TEST_F(SdkDict, WhatCannotBeIsAnException) {
  module_.host.dict_result = BATON_DICT_TOO_LARGE;
  EXPECT_THROW(dict_.set("a", "1"), std::length_error);
  EXPECT_THROW((void)dict_.get("a"), std::length_error);
  module_.host.dict_result = BATON_DICT_NOT_A_NUMBER;
  EXPECT_THROW(dict_.increment("a"), std::domain_error);
  module_.host.dict_result = 99;
  EXPECT_THROW(dict_.set("a", "1"), std::runtime_error);
}

TEST_F(SdkDict, OnlyADictionaryOfTheConfigurationCanBeOpened) {
  EXPECT_THAT([] { (void)SharedDict::open("other"); },
              ThrowsMessage<std::runtime_error>(HasSubstr("\"other\"")));
  const SharedDict unopened;
  EXPECT_THROW((void)unopened.get("a"), std::logic_error);
}

}  // namespace
}  // namespace baton::test
