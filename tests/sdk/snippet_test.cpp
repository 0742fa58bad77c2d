// The few lines that a user writes, with nothing but the header in front.
#include <baton/module.h>

static std::string load(std::string_view id) {
  return "user " + std::string(id);
}

static std::string stored;
static void store(std::string_view body) {
  stored = body;
}

static std::string db;
static std::string connect(const std::string& dsn) {
  return "connected to " + dsn;
}

// clang-format off
BATON_MODULE(m) {
  m.get("/users/:id", [](const baton::Request& q, baton::Response& r) { r.json(load(q.param("id"))); });
  m.post("/upload", {.timeout = 30s, .max_body = 1_GiB}, [](auto& q, auto& r) { store(q.body()); r.status(201); });
  m.on_worker_start([](const baton::Config& c) { db = connect(c.string("dsn")); });
}
// clang-format on

// What is below is the test, which no module has.
#include <gtest/gtest.h>

#include "tests/sdk/fake_host.h"

namespace baton::test {
namespace {

TEST(SdkSnippet, IsAModule) {
  const baton_module& module = *baton_module_entry();
  EXPECT_EQ(module.struct_size, sizeof(baton_module));
  EXPECT_EQ(module.abi_major, BATON_ABI_MAJOR);
  EXPECT_EQ(module.abi_minor, BATON_ABI_MINOR);

  FakeHost host;
  host.config = R"({"dsn": "here"})";
  ASSERT_EQ(host.set_up(module), 0);
  EXPECT_EQ(host.start_worker(), 0);
  EXPECT_EQ(db, "connected to here");

  FakeRequest request;
  request.params = {{"id", "7"}};
  EXPECT_EQ(host.call("/users/:id", request).body, "\"user 7\"");
  request.method = "POST";
  request.body = "bytes";
  EXPECT_EQ(host.call("/upload", request).status, 201);
  EXPECT_EQ(stored, "bytes");
  EXPECT_EQ(host.routes[1].route.timeout_ms, 30'000);
  EXPECT_EQ(host.routes[1].route.max_body, 1'073'741'824);
}

}  // namespace
}  // namespace baton::test
