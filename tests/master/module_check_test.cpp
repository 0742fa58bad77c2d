#include "master/module_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/modules.h"
#include "tests/support/temp_dir.h"

namespace baton {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ModuleCheckTest : public testing::Test {
 protected:
  std::vector<ConfigError> check(const std::string& routes,
                                 std::chrono::milliseconds patience = kModulePatience) {
    const auto loaded = load_config(
        folder_.write("baton.toml", "[[listen]]\naddress = \"127.0.0.1:0\"\n[[site]]\n" + routes));
    EXPECT_TRUE(loaded.config);
    return check_modules(*loaded.config, patience);
  }
  // That there is one error, and its text.
  std::string only_error(const std::string& routes, std::chrono::milliseconds patience = kModulePatience) {
    const auto errors = check(routes, patience);
    EXPECT_THAT(errors, SizeIs(1));
    return errors.empty() ? "" : errors.front().to_string();
  }

  test::TempDir folder_;
};

TEST_F(ModuleCheckTest, GoodOnesAreGood) {
  EXPECT_THAT(check(test::module_route("/a/", test::module_file("crasher")) +
                    test::module_route("/b/", test::module_file("faulty_setup"))),
              IsEmpty());
}

TEST_F(ModuleCheckTest, WhatAWorkerDoesWhenItStartsIsNotDone) {
  EXPECT_THAT(
      check(test::module_route("/", test::module_file("faulty_setup"), "config = { do = \"start\" }")),
      IsEmpty());
}

TEST_F(ModuleCheckTest, EachBadOneIsToldWithItsReason) {
  const auto errors =
      check(test::module_route("/a/", test::module_file("faulty_setup"), "config = { do = \"fail\" }") +
            test::module_route("/b/", test::module_file("crasher")) +
            test::module_route("/c/", test::module_file("future_abi")));
  ASSERT_THAT(errors, SizeIs(2));
  EXPECT_THAT(
      errors[0].to_string(),
      ContainsRegex("baton.toml: route /a/: the module .*faulty_setup.so: no table named after a cat$"));
  EXPECT_THAT(errors[1].to_string(),
              ContainsRegex("route /c/: the module .*future_abi.so: it was compiled for "
                            "version 2.7 of the module interface, and this server has 1."));
}

TEST_F(ModuleCheckTest, OneThatCrashesEndsNobodyElse) {
  EXPECT_THAT(
      only_error(test::module_route("/", test::module_file("faulty_setup"), "config = { do = \"crash\" }")),
      ContainsRegex("the module .*faulty_setup.so: the process that loads it and sets it up"));
}

TEST_F(ModuleCheckTest, OneThatEndsTheProcessIsNoSuccess) {
  EXPECT_THAT(
      only_error(test::module_route("/", test::module_file("faulty_setup"), "config = { do = \"exit\" }")),
      HasSubstr("ends with status 3"));
}

TEST_F(ModuleCheckTest, OneThatHangsIsGivenUp) {
  EXPECT_THAT(
      only_error(test::module_route("/", test::module_file("faulty_setup"), "config = { do = \"hang\" }"),
                 std::chrono::milliseconds(200)),
      HasSubstr("takes more than"));
}

}  // namespace
}  // namespace baton
