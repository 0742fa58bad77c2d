// One server for a whole test suite: a start costs more than most tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/server.h"

namespace baton::test {

// A worker's death costs no connection, so that a test may pass in spite of a crash.
void expect_no_worker_died(const Server& server);

// `static std::string Suite::prepare(const TempDir&)` makes the files and returns the configuration.
template <typename Suite>
class SharedServer : public ::testing::Test {
 public:
  static Response get(const std::string& target, const std::string& fields = "") {
    return server_->connect().get(target, fields);
  }
  static Response ask(const std::string& method, const std::string& target, const std::string& fields = "",
                      std::string_view body = "") {
    return server_->connect().ask(method, target, fields, body);
  }

 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempDir>();
    server_ = std::make_unique<Server>(*folder_, Suite::prepare(*folder_));
  }
  static void TearDownTestSuite() {
    expect_no_worker_died(*server_);
    server_.reset();
    folder_.reset();
  }

  static inline std::unique_ptr<TempDir> folder_;
  static inline std::unique_ptr<Server> server_;
};

// Bytes that look like no others at another place or with another seed.
std::string noise(std::size_t bytes, unsigned seed);

// A configuration with two workers and one site of the given routes: each is the text below [[site.route]].
std::string site_config(const std::vector<std::string>& routes, const std::string& settings = "");

}  // namespace baton::test
