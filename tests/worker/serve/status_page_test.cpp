#include "worker/serve/status_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "tests/support/test_segment.h"

namespace baton::serve {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class StatusPageTest : public testing::Test {
 protected:
  void SetUp() override {
    std::strcpy(segment_.header().name, "demo");
    segment_.header().state = MasterState::kServing;
    segment_.header().retired.requests = 1'000'000;
    WorkerEntry& entry = segment_.scoreboard()[0];
    entry.pid = 4711;
    entry.counters.requests = 234'567;
    entry.state = WorkerState::kReady;
  }
  void serve(std::string_view request) {
    FlightRecord& flight = segment_.scoreboard()[0].flight;
    flight.set_request(request);
    flight.since_ns = monotonic_ns();
    flight.connection = 9;
    flight.phase = FlightPhase::kServing;
  }

  test::SegmentName name_;
  Segment segment_ = Segment::create(name_.text(), test::kSmall);
};

TEST_F(StatusPageTest, JsonIsTheStatsDocument) {
  serve("GET /\xff HTTP/1.1");
  const auto document = nlohmann::json::parse(status_json(segment_));
  EXPECT_EQ(document.at("server").at("name"), "demo");
  EXPECT_EQ(document.at("totals").at("requests"), 1'234'567);
  EXPECT_EQ(document.at("workers").at(0).at("pid"), 4711);
}

TEST_F(StatusPageTest, PageShowsServerTotalsAndWorkers) {
  const std::string page = status_html(segment_);
  EXPECT_THAT(page, StartsWith("<!doctype html>"));
  EXPECT_THAT(page, HasSubstr("<h1>demo</h1>"));
  EXPECT_THAT(page, HasSubstr("1,234,567"));
  EXPECT_THAT(page, HasSubstr("<td>4711</td>"));
  EXPECT_THAT(page, HasSubstr("waiting"));
  EXPECT_THAT(page, HasSubstr("width=device-width"));
}

TEST_F(StatusPageTest, PageShowsDictionariesWhereThereAre) {
  EXPECT_THAT(status_html(segment_), Not(HasSubstr("Dictionaries")));
  DictEntry& entry = segment_.dicts()[0];
  std::strcpy(entry.name, "sessions");
  entry.counters.entries = 4'321;
  entry.used = 1;
  const std::string page = status_html(segment_);
  EXPECT_THAT(page, HasSubstr("<td class=\"text\">sessions</td><td>4,321</td>"));
  EXPECT_EQ(nlohmann::json::parse(status_json(segment_)).at("dicts").at(0).at("name"), "sessions");
}

TEST_F(StatusPageTest, PageEscapesWhateverCameFromOutside) {
  serve("GET /<script>alert('x')</script>&\"\xff\x1b HTTP/1.1");
  std::strcpy(segment_.header().config_file, "/etc/<b>.toml");
  std::strcpy(segment_.header().reload.message, "no such key <i>");
  segment_.header().reload.sequence = 2;
  const std::string page = status_html(segment_);
  EXPECT_THAT(page, HasSubstr("GET /&lt;script&gt;alert("));
  EXPECT_THAT(page, HasSubstr("&lt;/script&gt;&amp;&quot;\\xff\\x1b HTTP/1.1"));
  EXPECT_THAT(page, HasSubstr("/etc/&lt;b&gt;.toml"));
  EXPECT_THAT(page, HasSubstr("no such key &lt;i&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
}

TEST_F(StatusPageTest, PageFetchesNothingFromElsewhere) {
  const std::string page = status_html(segment_);
  EXPECT_THAT(page, Not(HasSubstr("src=")));
  EXPECT_THAT(page, Not(HasSubstr("href=\"")));
  EXPECT_THAT(page, Not(HasSubstr("://")));
}

}  // namespace
}  // namespace baton::serve
