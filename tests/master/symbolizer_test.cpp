#include "master/symbolizer.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

#include "common/base/clock.h"
#include "common/base/unique_fd.h"
#include "tests/support/modules.h"
#include "tests/support/wait.h"

namespace baton {

__attribute__((noinline)) int a_function_to_be_named(int number) {
  return std::printf("%d", number);
}

namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::StartsWith;

std::uint64_t inside(int (*function)(int)) {
  return reinterpret_cast<std::uint64_t>(function) + 1;
}

TEST(Symbolizer, NamesFunctionsAndTheirPlaceInTheSource) {
  Symbolizer symbolizer;
  const Symbolizer::Backtrace backtrace{inside(a_function_to_be_named), inside(a_function_to_be_named) + 1};
  EXPECT_FALSE(symbolizer.knows(backtrace));
  EXPECT_THAT(symbolizer.describe(backtrace).front(), StartsWith("unit_tests+0x"));
  ASSERT_TRUE(symbolizer.start(backtrace, monotonic_ns()));
  ASSERT_TRUE(test::wait_until([&] { return !symbolizer.busy(); }));
  ASSERT_TRUE(symbolizer.knows(backtrace));
  for (const std::string& text : symbolizer.describe(backtrace)) {
    EXPECT_THAT(text, ContainsRegex("^baton::a_function_to_be_named\\(int\\) at "
                                    ".*tests/master/symbolizer_test.cpp:[0-9]+"));
  }
}

// Never loaded by the master, but by its workers: where in the file it is is all that there is to go by.
TEST(Symbolizer, NamesFunctionsOfModules) {
  const auto image = app::ModuleImage::read(test::module_file("crasher"));
  const auto again = app::ModuleImage::read(test::module_file("crasher"));
  EXPECT_NE(image->number(), again->number());
  void* const loaded = ::dlopen(test::module_file("crasher").c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(loaded, nullptr) << ::dlerror();
  Dl_info info{};
  ASSERT_NE(::dladdr(::dlsym(loaded, "baton_module_entry"), &info), 0);
  const std::uint64_t place =
      reinterpret_cast<std::uint64_t>(info.dli_saddr) - reinterpret_cast<std::uint64_t>(info.dli_fbase);
  ::dlclose(loaded);

  Symbolizer symbolizer;
  const Symbolizer::Backtrace backtrace{{place, "todo.so", image}, {place + 1, "todo.so", image}};
  EXPECT_FALSE(symbolizer.knows(backtrace));
  EXPECT_THAT(symbolizer.describe(backtrace).front(), StartsWith("todo.so+0x"));
  ASSERT_TRUE(symbolizer.start(backtrace, monotonic_ns()));
  ASSERT_TRUE(test::wait_until([&] { return !symbolizer.busy(); }));
  ASSERT_TRUE(symbolizer.knows(backtrace));
  EXPECT_FALSE(symbolizer.knows({{place, "todo.so", again}})) << "may be other code";
  for (const std::string& text : symbolizer.describe(backtrace)) {
    EXPECT_THAT(text, ContainsRegex("^todo.so: baton_module_entry at tests/modules/crasher.c:[0-9]+$"));
  }
}

TEST(Symbolizer, OfAnObjectThatIsNotThereThePlaceIsTold) {
  const Symbolizer symbolizer;
  const Symbolizer::Backtrace backtrace{{0x1234, "old.so", nullptr}};
  EXPECT_TRUE(symbolizer.knows(backtrace)) << "there is nothing to look up";
  EXPECT_EQ(symbolizer.describe(backtrace).front(), "old.so+0x1234");
}

TEST(Symbolizer, WhatIsNoCodeStaysANumber) {
  Symbolizer symbolizer;
  const Symbolizer::Backtrace backtrace{0x10};
  ASSERT_TRUE(symbolizer.start(backtrace, monotonic_ns()));
  ASSERT_TRUE(test::wait_until([&] { return !symbolizer.busy(); }));
  EXPECT_TRUE(symbolizer.knows(backtrace)) << "and is not looked up again";
  EXPECT_EQ(symbolizer.describe(backtrace).front(), "0x10");
}

TEST(Symbolizer, LooksUpOneAtATimeAndOneASecond) {
  Symbolizer symbolizer;
  const std::uint64_t now = monotonic_ns();
  ASSERT_TRUE(symbolizer.start({0x10}, now));
  EXPECT_FALSE(symbolizer.start({0x20}, now + 2 * Symbolizer::kIntervalNs)) << "one is in progress";
  ASSERT_TRUE(test::wait_until([&] { return !symbolizer.busy(); }));
  EXPECT_FALSE(symbolizer.start({0x20}, now + Symbolizer::kIntervalNs - 1));
  EXPECT_TRUE(symbolizer.start({0x20}, now + Symbolizer::kIntervalNs));
}

// The clients' sockets are in the descriptor table that it begins with.
TEST(Symbolizer, KeepsNoDescriptorsOpen) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  Symbolizer symbolizer;
  ASSERT_TRUE(symbolizer.start({inside(a_function_to_be_named)}, monotonic_ns()));
  writer.reset();
  char byte = 0;
  EXPECT_EQ(::read(reader.get(), &byte, 1), 0) << "the end comes at once, or as soon as it has its own table";
  EXPECT_TRUE(test::wait_until([&] { return !symbolizer.busy(); }));
}

TEST(Symbolizer, CanBeStopped) {
  Symbolizer symbolizer;
  ASSERT_TRUE(symbolizer.start({inside(a_function_to_be_named)}, monotonic_ns()));
  symbolizer.stop();
  EXPECT_FALSE(symbolizer.busy());
  EXPECT_FALSE(symbolizer.knows({inside(a_function_to_be_named)}));
}

}  // namespace
}  // namespace baton
