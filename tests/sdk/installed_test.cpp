// A module is built as docs/modules.md says, from what `make install` installs and nothing of the source
// tree.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "tests/sdk/fake_host.h"
#include "tests/support/temp_dir.h"

namespace baton::test {
namespace {

constexpr const char* kModule = R"(#include <baton/module.h>
BATON_MODULE(m) {
  m.get("/", {.timeout = 1s, .max_body = 1_KiB}, [](auto&, auto& r) { r.json({{"made", "elsewhere"}}); });
}
)";

constexpr const char* kBuildInC =
    "gcc -std=c99 -O2 -g -shared -fPIC hello.c $(pkg-config --cflags --libs baton) -o hello.so";

// Runs a line of shell outside of the source tree; what it wrote. A compiler may take long: there is no
// limit.
std::string shell(const std::string& line) {
  // The make that runs the tests has flags and jobs for its own children.
  FILE* const pipe = ::popen(("unset MAKEFLAGS MFLAGS MAKELEVEL; " + line).c_str(), "re");
  EXPECT_NE(pipe, nullptr);
  if (pipe == nullptr) return "";
  std::string out;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) out += static_cast<char>(c);
  EXPECT_EQ(::pclose(pipe), 0) << line << "\n" << out;
  return out;
}

// What `make install` would give those who write modules, and a shell that knows where it is.
class SdkInstalled : public testing::Test {
 protected:
  SdkInstalled() {
    const std::string tree = std::filesystem::current_path().string();
    shell("make -s -C '" + tree + "' install-sdk PREFIX='" + prefix_ + "'");
    std::filesystem::create_directory(folder_.path() / "work");
  }

  // In a folder without anything of the source tree.
  std::string in_work(const std::string& line) const {
    return shell("cd '" + (folder_.path() / "work").string() + "' && export PKG_CONFIG_PATH='" + prefix_ +
                 "/share/pkgconfig' && " + line);
  }

  // Loads the module and sets it up.
  void load(const std::string& name, FakeHost& host) {
    library_.reset(dlopen((folder_.path() / "work" / name).c_str(), RTLD_NOW | RTLD_LOCAL));
    ASSERT_NE(library_, nullptr) << dlerror();
    const auto entry =
        reinterpret_cast<const baton_module* (*)(void)>(dlsym(library_.get(), BATON_MODULE_ENTRY));
    ASSERT_NE(entry, nullptr);
    ASSERT_EQ(host.set_up(*entry()), 0);
  }

  struct Close {
    void operator()(void* library) const { dlclose(library); }
  };

  TempDir folder_;
  std::string prefix_ = (folder_.path() / "usr").string();
  std::unique_ptr<void, Close> library_;
};

// The lines of docs/modules.md from the one that is `first` to the one before `last`, without their
// indentation.
std::string documented(const std::string& first, const std::string& last) {
  std::ifstream file("docs/modules.md");
  std::string text;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("    ")) line.erase(0, 4);
    if (line == first) inside = true;
    if (inside && line == last) return text;
    if (inside) text += line + "\n";
  }
  ADD_FAILURE() << "docs/modules.md has no lines from '" << first << "' to '" << last << "'";
  return {};
}

TEST_F(SdkInstalled, AModuleIsBuiltWithPkgConfig) {
  EXPECT_THAT(in_work("pkg-config --cflags baton"), testing::HasSubstr("-I" + prefix_ + "/include"));
  in_work("pkg-config --atleast-version=0.1 baton");
  folder_.write("work/made.cpp", kModule);
  in_work("g++ -std=c++20 -fPIC -shared $(pkg-config --cflags baton) made.cpp -o made.so");
  FakeHost host;
  load("made.so", host);
  EXPECT_EQ(host.call("/").body, R"({"made":"elsewhere"})");
}

TEST_F(SdkInstalled, TheDocumentedModuleIsOne) {
  folder_.write("work/write.sh", documented("cat > app.cpp <<'END'", "cat > baton.toml <<'END'"));
  in_work("sh -e write.sh");
  in_work(
      "g++ -std=c++20 -Wall -Wextra -Werror -fPIC -shared $(pkg-config --cflags baton) app.cpp -o app.so");
  FakeHost host;
  load("app.so", host);
  FakeRequest request;
  request.params = {{"name", "world"}};
  EXPECT_THAT(host.call("/hello/:name", request).body, testing::StartsWith("Hello world from worker "));
}

// Also not of a static library that knows nothing of the flags, nor what a library calls by the same names
// that the process has loaded before.
TEST_F(SdkInstalled, TwoModulesBuiltWithItsFlagsShareNoVariable) {
  folder_.write("work/number.h", R"(struct Base { virtual ~Base() = default; };
struct Number : Base { char pad[LAYOUT * 64] = {}; int value = LAYOUT; };
inline Number inline_variable;
template <typename T> struct Holder { static T held; };
template <typename T> T Holder<T>::held{};
inline Number& of_function() { static Number number; return number; }
inline int inline_function() { return LAYOUT; }
int of_library();
)");
  folder_.write("work/library.cpp", R"(#include "number.h"
Number of_the_library;
int of_library() { return inline_variable.value * 10000 + Holder<Number>::held.value * 1000 + of_function().value * 100 +
                          of_the_library.value * 10 + inline_function(); }
)");
  folder_.write("work/module.cpp", R"(#include "number.h"
extern "C" __attribute__((visibility("default"))) int numbers() {
  return inline_variable.value * 10000 + Holder<Number>::held.value * 1000 + of_function().value * 100 + inline_function();
}
extern "C" __attribute__((visibility("default"))) int numbers_of_library() { return of_library(); }
)");
  in_work("g++ -DLAYOUT=3 -fPIC -shared library.cpp -o libearlier.so");
  for (const std::string layout : {"1", "2"}) {
    in_work("g++ -DLAYOUT=" + layout + " -fPIC -c library.cpp -o library.o && ar rc lib" + layout +
            ".a library.o && g++ -std=c++20 -DLAYOUT=" + layout + " -fPIC -shared module.cpp lib" + layout +
            ".a $(pkg-config --cflags --libs baton) -o " + layout + ".so");
  }
  const auto open = [this](const std::string& name, int how) {
    void* const library = dlopen((folder_.path() / "work" / name).c_str(), RTLD_NOW | how);
    EXPECT_NE(library, nullptr) << dlerror();
    return std::unique_ptr<void, Close>(library);
  };
  const auto earlier = open("libearlier.so", RTLD_GLOBAL);
  const auto one = open("1.so", RTLD_LOCAL);
  const auto two = open("2.so", RTLD_LOCAL);
  const auto call = [](const std::unique_ptr<void, Close>& library, const char* name) {
    return reinterpret_cast<int (*)()>(dlsym(library.get(), name))();
  };
  EXPECT_EQ(call(one, "numbers"), 11101);
  EXPECT_EQ(call(two, "numbers"), 22202);
  EXPECT_EQ(call(one, "numbers_of_library"), 11111);
  EXPECT_EQ(call(two, "numbers_of_library"), 22222);
}

TEST_F(SdkInstalled, TheDocumentedModuleInCIsOne) {
  folder_.write("work/hello.c", documented("#include <baton/abi.h>", kBuildInC));
  in_work(kBuildInC);
  FakeHost host;
  load("hello.so", host);
  FakeRequest request;
  request.path = "/a/b";
  EXPECT_EQ(host.call("/*path", request).body, "/a/b");
}

}  // namespace
}  // namespace baton::test
