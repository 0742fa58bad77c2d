// A module is built as docs/modules.md says, from what `make install` installs and nothing of the source
// tree.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "tests/sdk/fake_host.h"
#include "tests/support/server.h"
#include "tests/support/temp_dir.h"

namespace baton::test {
namespace {

constexpr const char* kModule = R"(#include <baton/module.h>
BATON_MODULE(m) {
  m.get("/", {.timeout = 1s, .max_body = 1_KiB}, [](auto&, auto& r) { r.json({{"made", "elsewhere"}}); });
}
)";

// Runs a line of shell outside of the source tree; what it wrote.
std::string shell(const std::string& line) {
  // The make that runs the tests has flags and jobs for its own children.
  const Finished finished = run_program({"/bin/sh", "-c", "unset MAKEFLAGS MFLAGS MAKELEVEL; " + line});
  EXPECT_EQ(finished.status, 0) << line << "\n" << finished.out << finished.err;
  return finished.out;
}

TEST(SdkInstalled, AModuleIsBuiltWithPkgConfig) {
  const TempDir folder;
  const std::string prefix = (folder.path() / "usr").string();
  const std::string tree = std::filesystem::current_path().string();
  shell("make -s -C '" + tree + "' install-sdk PREFIX='" + prefix + "'");

  const std::string source = folder.write("work/made.cpp", kModule);
  const std::string there = "cd '" + folder.path().string() + "/work' && export PKG_CONFIG_PATH='" + prefix +
                            "/share/pkgconfig' && ";
  EXPECT_THAT(shell(there + "pkg-config --cflags baton"), testing::HasSubstr("-I" + prefix + "/include"));
  shell(there + "pkg-config --atleast-version=0.1 baton");
  shell(there +
        "g++ -std=c++20 -fPIC -fvisibility=hidden -shared $(pkg-config --cflags baton) made.cpp -o made.so");

  const std::unique_ptr<void, int (*)(void*)> library(
      dlopen((folder.path() / "work/made.so").c_str(), RTLD_NOW | RTLD_LOCAL), dlclose);
  ASSERT_NE(library, nullptr) << dlerror();
  const auto entry =
      reinterpret_cast<const baton_module* (*)(void)>(dlsym(library.get(), BATON_MODULE_ENTRY));
  ASSERT_NE(entry, nullptr);
  FakeHost host;
  ASSERT_EQ(host.set_up(*entry()), 0);
  EXPECT_EQ(host.call("/").body, R"({"made":"elsewhere"})");
}

}  // namespace
}  // namespace baton::test
