// What a stop cuts off: all of it is counted and told, and nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "tests/support/bulk.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

// Four workers; what a test has them do, no one brings to an end.
class StopCuts : public testing::Test {
 protected:
  void SetUp() override {
    write_pattern(folder_, "root/big", 24 << 20);
    server_.emplace(
        folder_,
        "[server]\nworkers = 4\nshutdown_timeout = \"300ms\"\n[timeouts]\nsend = \"1h\"\n[[site]]\n" +
            module_route("/", module_file("good")) +
            "[[site.route]]\npath = \"/static/\"\nstatic = { root = \"root\" }\n");
  }

  // A connection in the middle of something, once `there` is so.
  void begin(const std::string& bytes, const std::function<bool()>& there) {
    clients_.push_back(connect_narrow(server_->port(), 1'400));
    clients_.back().send(bytes);
    ASSERT_TRUE(wait_until(there)) << bytes;
  }
  void begin_stream() {
    begin(get("/steps/never"), [this] { return held_in(Phase::kStreaming) == 1; });
  }
  void begin_handler() {
    begin(get("/gate/never"), [this] { return counted(folder_, "entered-never") == 1; });
  }
  void begin_handler_of_post() {
    begin("POST /hang HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
          [this] { return held_in(Phase::kHandling) == 1; });
  }
  void begin_download() {
    begin(get("/static/big"), [this] { return count_armed(*server_, Phase::kParked) >= 1; });
  }
  void begin_upload() {
    begin("POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc",
          [this] { return count_armed(*server_, Phase::kBody) == 1; });
  }
  void begin_lingering() {
    begin("POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc",
          [this] { return count_armed(*server_, Phase::kLingering) == 1; });
  }
  int held_in(Phase phase) {
    int count = 0;
    const ConnectionTable table = server_->segment().connections();
    for (int fd = 0; fd <= server_->header().highest_fd.load(); ++fd) {
      if (table.claim(fd).state == SlotState::kHeld && table.at(fd).phase == phase) ++count;
    }
    return count;
  }

  // Stops it, and expects exactly these.
  void expect_cut(int count, const std::vector<std::string>& lines) {
    EXPECT_EQ(server_->stop(), count > 0 ? 124 : 0) << server_->log();
    const std::string log = server_->log();
    if (count == 0) {
      EXPECT_THAT(log, Not(HasSubstr("cut off")));
    } else {
      EXPECT_THAT(log,
                  HasSubstr("stopped; " + std::to_string(count) + " requests and responses were cut off"));
    }
    for (const std::string& line : lines) EXPECT_THAT(log, HasSubstr("cut off: " + line + " of 127.0.0.1:"));
    std::size_t told = 0;
    for (std::size_t at = 0; (at = log.find(": cut off: ", at)) != std::string::npos; ++at) ++told;
    EXPECT_EQ(told, lines.size()) << log;
  }

  TempDir folder_;
  std::optional<Server> server_;
  std::vector<Client> clients_;
};

TEST_F(StopCuts, AStreamWithoutEnd) {
  begin_stream();
  expect_cut(1, {"streaming \"GET /steps/never HTTP/1.1\""});
}

TEST_F(StopCuts, AHandlerThatHangs) {
  begin_handler();
  expect_cut(1, {"handling \"GET /gate/never HTTP/1.1\""});
}

TEST_F(StopCuts, AHandlerThatHangsAndMayNotBeBegunAgain) {
  begin_handler_of_post();
  expect_cut(1, {"handling \"POST /hang HTTP/1.1\""});
}

TEST_F(StopCuts, ADownloadThatIsNotRead) {
  begin_download();
  expect_cut(1, {"writing \"GET /static/big HTTP/1.1\""});
}

TEST_F(StopCuts, AnUpload) {
  begin_upload();
  expect_cut(1, {"reading \"\""});
}

TEST_F(StopCuts, AClientThatHasItsAnswerAndDoesNotGoIsNothing) {
  begin_lingering();
  expect_cut(0, {});
}

TEST_F(StopCuts, EachOfManyOnce) {
  begin_stream();
  begin_handler();
  begin_handler_of_post();
  begin_download();
  begin_upload();
  begin_lingering();
  begin("", [this] { return count_armed(*server_, Phase::kHead) == 1; });
  expect_cut(5, {"streaming \"GET /steps/never HTTP/1.1\"", "handling \"GET /gate/never HTTP/1.1\"",
                 "handling \"POST /hang HTTP/1.1\"", "writing \"GET /static/big HTTP/1.1\"", "reading \"\""});
}

}  // namespace
}  // namespace baton::test
