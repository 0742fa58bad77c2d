// A folder of its own for each configuration test, with what configurations commonly refer to.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include "common/config/config.h"

namespace baton {

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "baton-config-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    folder_ = std::filesystem::canonical(pattern);
    std::filesystem::create_directories(folder_ / "site" / "files");
  }
  ~ConfigTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  ConfigTest(const ConfigTest&) = delete;
  ConfigTest& operator=(const ConfigTest&) = delete;

  [[nodiscard]] std::string path(std::string_view name) const { return (folder_ / name).string(); }

  std::string write(std::string_view text, std::string_view name = "baton.toml") const {
    std::ofstream{path(name), std::ios::binary} << text;
    return path(name);
  }

  ConfigResult load(std::string_view text) const { return load_config(write(text)); }

  // The configuration of a good text; one with nothing in it, and a failure, for a bad one.
  Config good(std::string_view text) const {
    ConfigResult result = load(text);
    for (const ConfigError& error : result.errors) ADD_FAILURE() << error.to_string();
    return result.config.value_or(Config{});
  }

  std::filesystem::path folder_;
};

}  // namespace baton
