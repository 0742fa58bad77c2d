#include <baton/module.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace baton {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

const Config kConfig(nlohmann::json::parse(R"({"text": "x", "whole": 3, "part": 0.5, "yes": true, "list": [1],
                                               "relative": "data/a.db", "absolute": "/srv/a.db"})"),
                     "/etc/baton");

TEST(SdkConfig, ValuesOfTheirTypes) {
  EXPECT_EQ(kConfig.string("text"), "x");
  EXPECT_EQ(kConfig.integer("whole"), 3);
  EXPECT_EQ(kConfig.number("part"), 0.5);
  EXPECT_EQ(kConfig.number("whole"), 3.0);
  EXPECT_TRUE(kConfig.boolean("yes"));
  EXPECT_EQ(kConfig.json()["list"][0], 1);
  EXPECT_TRUE(kConfig.has("list"));
  EXPECT_FALSE(kConfig.has("other"));
}

TEST(SdkConfig, FallbacksStandInForWhatIsNotThereOnly) {
  EXPECT_EQ(kConfig.string("text", "y"), "x");
  EXPECT_EQ(kConfig.string("other", "y"), "y");
  EXPECT_EQ(kConfig.integer("whole", 4), 3);
  EXPECT_EQ(kConfig.integer("other", 4), 4);
  EXPECT_EQ(kConfig.number("other", 0.25), 0.25);
  EXPECT_FALSE(kConfig.boolean("other", false));
  EXPECT_TRUE(kConfig.boolean("yes", false));
  EXPECT_THROW((void)kConfig.string("whole", "y"), std::runtime_error);
}

TEST(SdkConfig, PathsStartInTheFolderOfTheConfiguration) {
  EXPECT_EQ(kConfig.path("relative"), "/etc/baton/data/a.db");
  EXPECT_EQ(kConfig.path("absolute"), "/srv/a.db");
  EXPECT_EQ(kConfig.path("other", "b.db"), "/etc/baton/b.db");
}

TEST(SdkConfig, ErrorsNameTheKey) {
  const auto throws = [](auto matcher) { return ThrowsMessage<std::runtime_error>(matcher); };
  EXPECT_THAT([] { (void)kConfig.string("dsn"); },
              throws(AllOf(HasSubstr("\"dsn\""), HasSubstr("a string"))));
  EXPECT_THAT([] { (void)kConfig.integer("text"); },
              throws(AllOf(HasSubstr("\"text\""), HasSubstr("an integer"))));
  EXPECT_THAT([] { (void)kConfig.integer("part"); }, throws(HasSubstr("\"part\"")));
  EXPECT_THAT([] { (void)kConfig.boolean("whole"); }, throws(HasSubstr("true or false")));
  EXPECT_THAT([] { (void)kConfig.path("none"); }, throws(HasSubstr("\"none\"")));
}

}  // namespace
}  // namespace baton
