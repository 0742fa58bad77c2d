// Libraries that a module has in common with baton: nothing of baton's can be reached through them.
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/support/modules.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// The dynamic section's view of a program: the symbols that it defines for others, and the libraries it
// needs.
struct Exports {
  std::vector<std::string> symbols;
  std::vector<std::string> needed;
};

template <typename T>
std::vector<T> table(const std::string& bytes, const Elf64_Shdr& section) {
  std::vector<T> entries(section.sh_size / sizeof(T));
  std::memcpy(entries.data(), bytes.data() + section.sh_offset, entries.size() * sizeof(T));
  return entries;
}

Exports exports_of(const std::string& program) {
  std::ifstream file(program, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), bytes.data() + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
  Exports exports;
  for (const Elf64_Shdr& section : sections) {
    const auto text = [&](std::size_t at) {
      return std::string(bytes.data() + sections[section.sh_link].sh_offset + at);
    };
    if (section.sh_type == SHT_DYNSYM) {
      for (const Elf64_Sym& symbol : table<Elf64_Sym>(bytes, section))
        if (symbol.st_shndx != SHN_UNDEF && symbol.st_name != 0)
          exports.symbols.push_back(text(symbol.st_name));
    } else if (section.sh_type == SHT_DYNAMIC) {
      for (const Elf64_Dyn& entry : table<Elf64_Dyn>(bytes, section))
        if (entry.d_tag == DT_NEEDED) exports.needed.push_back(text(entry.d_un.d_val));
    }
  }
  return exports;
}

// Members and functions of namespace std, and what of the C library a program has a copy of. A sanitizer's
// are its own.
bool may_be_exported(const std::string& symbol) {
  for (const char* prefix : {"_ZNSt", "_ZNKSt", "_ZSt", "_ZTVSt", "_ZTVNSt", "_ZTTSt", "_ZTTNSt", "_ZTISt",
                             "_ZTINSt", "_ZTSSt", "_ZTSNSt", "_ZNVSt"}) {
    if (symbol.starts_with(prefix)) return true;
  }
  for (const char* name : {"environ", "__environ", "_environ", "stdin", "stdout", "stderr",
                           "__libc_single_threaded", "__progname", "optarg", "optind"}) {
    if (symbol == name) return true;
  }
  return symbol.starts_with("__asan_") || symbol.starts_with("__ubsan_") || symbol.starts_with("__odr_asan");
}

TEST(Exports, AreNothingButWhatTheSystemsLibrariesShare) {
  const Exports exports = exports_of(baton_binary());
  std::vector<std::string> others;
  for (const std::string& symbol : exports.symbols)
    if (!may_be_exported(symbol)) others.push_back(symbol);
  EXPECT_THAT(others, IsEmpty());
  EXPECT_THAT(exports.symbols, Not(IsEmpty())) << "the table has not been read";
  EXPECT_THAT(exports.needed, Contains(StartsWith("libstdc++.so")));
  EXPECT_THAT(exports.needed,
              Each(Not(AnyOf(StartsWith("libspdlog"), StartsWith("libfmt"), StartsWith("libboost")))));
}

class ModuleLibraries : public ::testing::Test {
 protected:
  [[nodiscard]] Server start(const std::string& module) const {
    return Server(folder_,
                  "[server]\nworkers = 1\n[log]\naccess = \"access.log\"\nerror = \"error.log\"\n[[site]]\n" +
                      module_route("/", module_file(module)));
  }
  [[nodiscard]] std::string log() const { return folder_.read("error.log"); }
  // That baton still logs for the module, in its own form.
  void expect_logging(const Server& server, const std::string& text) const {
    EXPECT_EQ(server.connect().get("/say/" + text).body, "said");
    EXPECT_THAT(log(), HasSubstr(" [warning] worker 0: said: " + text + "\n"));
  }

  TempDir folder_;
};

TEST_F(ModuleLibraries, AModuleThatLogsWithSpdlogWritesIntoNoFileOfAnotherTable) {
  const Server server = start("spdlogger");
  EXPECT_NE(server.connect().get("/open").body, "");
  EXPECT_EQ(server.connect().get("/log").body, "logged");
  expect_logging(server, "one");
  EXPECT_EQ(server.workers().size(), 1U);
  for (int i = 0; i < 40; ++i)
    EXPECT_THAT(folder_.read("database-" + std::to_string(i)), IsEmpty()) << "written to by a logger";
  EXPECT_THAT(log(), Not(HasSubstr("a line of the module's own")));
  EXPECT_THAT(folder_.read("stdout.txt"), HasSubstr("a line of the module's own"));
}

TEST_F(ModuleLibraries, WhatAModuleDoesToSpdlogIsNotDoneToBaton) {
  const Server server = start("spdlogger");
  const std::vector<pid_t> before = server.workers();
  for (const char* what : {"set", "log", "drop", "shutdown"}) {
    SCOPED_TRACE(what);
    EXPECT_EQ(server.connect().get("/" + std::string(what == std::string("log") ? "say/x" : what)).status,
              200);
    expect_logging(server, what);
  }
  EXPECT_EQ(server.workers(), before) << log();
  EXPECT_THAT(log(), Not(HasSubstr("crashed")));
  EXPECT_THAT(folder_.read("module.log"), IsEmpty());
}

TEST_F(ModuleLibraries, AModulesOwnVersionsOfThemAreItsOwn) {
  const Server server = start("namesakes");
  const std::vector<pid_t> before = server.workers();
  EXPECT_EQ(server.connect().get("/all").body, "fmt spdlog nlohmann boost 17 baton 1");
  expect_logging(server, "one");
  EXPECT_EQ(server.connect().get("/all").body, "fmt spdlog nlohmann boost 17 baton 1")
      << "and again, stood in for";
  EXPECT_EQ(server.workers(), before) << log();
}

}  // namespace
}  // namespace baton::test
