// What BATON_MODULE's body registers, and that nothing it throws crosses into baton.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/sdk/module_under_test.h"

namespace baton::test {
namespace {

using namespace baton::literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;
using testing::Pair;

TEST(SdkModule, EachMethodHasItsFunction) {
  const auto nothing = [](const Request&, Response&) {};
  const ModuleUnderTest module([&](Module& m) {
    m.get("/a", nothing);
    m.post("/a", nothing);
    m.put("/a", nothing);
    m.patch("/a", nothing);
    m.del("/a", nothing);
    m.any("/:b/*rest", nothing);
    m.route("POST", "/c", nothing);
  });
  ASSERT_EQ(module.set_up_result, 0);
  std::vector<std::pair<std::string, std::string>> routes;
  for (const FakeRoute& route : module.host.routes) {
    routes.emplace_back(route.method, route.pattern);
    EXPECT_EQ(route.route.struct_size, sizeof(baton_route));
    EXPECT_EQ(route.route.timeout_ms, BATON_UNSET);
    EXPECT_EQ(route.route.max_body, BATON_UNSET);
    EXPECT_EQ(route.route.max_concurrency, BATON_UNSET);
    EXPECT_EQ(route.route.retries, BATON_UNSET);
    EXPECT_EQ(route.route.idempotent, BATON_UNSET);
  }
  EXPECT_THAT(routes,
              ElementsAre(Pair("GET", "/a"), Pair("POST", "/a"), Pair("PUT", "/a"), Pair("PATCH", "/a"),
                          Pair("DELETE", "/a"), Pair("*", "/:b/*rest"), Pair("POST", "/c")));
}

TEST(SdkModule, OptionsArePassedOn) {
  const auto nothing = [](auto&, auto&) {};
  const ModuleUnderTest module([&](Module& m) {
    m.get("/a", {.timeout = 30s, .max_body = 3_GiB}, nothing);
    m.post("/b", {.timeout = 0ms, .max_concurrency = 2, .retries = 0, .idempotent = true}, nothing);
    m.put("/c", {.max_body = 16_KiB, .idempotent = false}, nothing);
    m.any("/d", {.timeout = 1500ms}, nothing);
  });
  ASSERT_EQ(module.host.routes.size(), 4U);
  const auto& [a, b, c, d] = std::tie(module.host.routes[0].route, module.host.routes[1].route,
                                      module.host.routes[2].route, module.host.routes[3].route);
  EXPECT_EQ(a.timeout_ms, 30'000);
  EXPECT_EQ(a.max_body, 3'221'225'472);
  EXPECT_EQ(a.idempotent, BATON_UNSET);
  EXPECT_EQ(b.timeout_ms, 0);
  EXPECT_EQ(b.max_concurrency, 2);
  EXPECT_EQ(b.retries, 0);
  EXPECT_EQ(b.idempotent, 1);
  EXPECT_EQ(c.max_body, 16'384);
  EXPECT_EQ(c.idempotent, 0);
  EXPECT_EQ(d.timeout_ms, 1500);
}

TEST(SdkModule, OptionsThatWouldMeanSomethingElseRefuseTheModule) {
  const auto nothing = [](auto&, auto&) {};
  const auto refused = [&](const Options& options) {
    const ModuleUnderTest module([&](Module& m) { m.get("/", options, nothing); });
    return module.set_up_result != 0 && module.host.refused.has_value() && module.host.routes.empty();
  };
  EXPECT_TRUE(refused({.timeout = -1ms}));
  EXPECT_TRUE(refused({.max_body = UINT64_MAX}));
  EXPECT_TRUE(refused({.max_concurrency = -1}));
  EXPECT_TRUE(refused({.retries = -1}));
}

void plain_function(const Request&, Response& r) {
  r.text("function");
}

TEST(SdkModule, AnyCallableIsAHandler) {
  struct Counter {
    int count = 0;
    void operator()(const Request&, Response& r) { r.text(std::to_string(++count)); }
  };
  ModuleUnderTest module([](Module& m) {
    m.get("/function", plain_function);
    m.get("/state", Counter{});
    m.get("/move-only", [text = std::make_unique<std::string>("moved")](auto&, auto& r) { r.text(*text); });
    m.get("/mutable", [n = 0](auto&, Response& r) mutable { r.text(std::to_string(++n)); });
  });
  EXPECT_EQ(module.host.call("/function").body, "function");
  EXPECT_EQ(module.host.call("/state").body, "1");
  EXPECT_EQ(module.host.call("/state").body, "2");
  EXPECT_EQ(module.host.call("/move-only").body, "moved");
  EXPECT_EQ(module.host.call("/mutable").body, "1");
  EXPECT_EQ(module.host.call("/mutable").body, "2");
}

TEST(SdkModule, ExceptionsOfAHandlerAreFailuresWithTheReason) {
  FakeResponse response = run_handler([](auto&, auto&) { throw std::runtime_error("database is gone"); });
  EXPECT_EQ(response.failed, "database is gone");
  response = run_handler([](auto&, auto&) { (void)std::string().at(1); });
  EXPECT_THAT(response.failed, Optional(HasSubstr("std::out_of_range: ")));
  response = run_handler([](auto&, auto&) { throw 42; });
  EXPECT_EQ(response.failed, "an exception that is no std::exception");
}

TEST(SdkModule, AnHttpErrorAfterAFlushIsAFailure) {
  const FakeResponse response = run_handler([](auto&, auto& r) {
    r.write("begun").flush();
    throw HttpError(404, "too late");
  });
  EXPECT_THAT(response.failed, Optional(HasSubstr("too late")));
  EXPECT_EQ(response.body, "begun");
}

TEST(SdkModule, ExceptionsOfTheBodyRefuseTheModule) {
  const ModuleUnderTest module([](Module&) { throw std::runtime_error("not today"); });
  EXPECT_NE(module.set_up_result, 0);
  EXPECT_THAT(module.host.refused, Optional(HasSubstr("not today")));
  const ModuleUnderTest other([](Module&) { throw 1; });
  EXPECT_NE(other.set_up_result, 0);
  EXPECT_NE(other.host.refused, std::nullopt);
}

TEST(SdkModule, WorkerStartSeesTheConfiguration) {
  std::string seen;
  int plain = 0;
  ModuleUnderTest module(
      [&](Module& m) {
        m.on_worker_start([&](const Config& c) { seen = c.string("dsn"); });
        m.on_worker_start([&] { ++plain; });
        EXPECT_EQ(m.config().string("dsn"), "db:1");
      },
      R"({"dsn": "db:1"})");
  EXPECT_EQ(seen, "");
  EXPECT_EQ(module.host.start_worker(), 0);
  EXPECT_EQ(seen, "db:1");
  EXPECT_EQ(plain, 1);
}

TEST(SdkModule, AWorkerStartThatThrowsRefusesTheWorker) {
  ModuleUnderTest module(
      [](Module& m) { m.on_worker_start([](const Config& c) { (void)c.string("dsn"); }); });
  EXPECT_EQ(module.set_up_result, 0);
  EXPECT_NE(module.host.start_worker(), 0);
  EXPECT_THAT(module.host.refused, Optional(HasSubstr("\"dsn\"")));
}

TEST(SdkModule, WorkerStopIsCalledAndMayNotThrowIntoBaton) {
  int stopped = 0;
  ModuleUnderTest module([&](Module& m) {
    m.on_worker_stop([&] { ++stopped; });
    m.on_worker_stop([] { throw std::runtime_error("cannot close"); });
  });
  module.host.stop_worker();
  EXPECT_EQ(stopped, 1);
  EXPECT_THAT(module.host.log, ElementsAre(Pair(BATON_LOG_ERROR, HasSubstr("cannot close"))));
}

TEST(SdkModule, SeveralRoutesOfTheConfigurationMayNameIt) {
  const auto body = [](Module& m) {
    m.get("/", [name = m.config().string("name")](auto&, auto& r) { r.text(name); });
  };
  ModuleUnderTest first(body, R"({"name": "first"})");
  ModuleUnderTest second(body, R"({"name": "second"})");
  EXPECT_EQ(first.host.call("/").body, "first");
  EXPECT_EQ(second.host.call("/").body, "second");
}

TEST(SdkLog, LinesHaveTheirLevel) {
  const ModuleUnderTest module([](Module& m) {
    m.log("set up");
    log::debug("d");
    log::warn("w");
    log::error("e");
  });
  EXPECT_THAT(module.host.log, ElementsAre(Pair(BATON_LOG_INFO, "set up"), Pair(BATON_LOG_DEBUG, "d"),
                                           Pair(BATON_LOG_WARN, "w"), Pair(BATON_LOG_ERROR, "e")));
}

}  // namespace
}  // namespace baton::test
