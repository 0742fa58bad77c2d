// Every rule of http_cases.h, as raw bytes, sent in three ways; and requests that stop coming at any byte.
#include "tests/integration/http_cases.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <tuple>

#include "tests/integration/shared_server.h"
#include "tests/support/server.h"

namespace baton::test {

namespace {

enum class Way { kInOneWrite, kByteByByte, kPipelined };

constexpr const char* kGoodRequest = "GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n";

std::vector<HttpCase> all_cases() {
  std::vector<HttpCase> all;
  for (const auto& some : {request_line_cases(), host_and_field_cases(), framing_cases(), chunk_cases(),
                           connection_cases(), resource_cases()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

void expect_ok(const Response& response) {
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "ok\n");
}

class HttpCases : public ::testing::TestWithParam<std::tuple<HttpCase, Way>> {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempDir>();
    server_ = std::make_unique<Server>(*folder_, http_cases_config(*folder_));
  }
  static void TearDownTestSuite() {
    expect_no_worker_died(*server_);
    server_.reset();
    folder_.reset();
  }

  static void send(Client& client, const std::string& request, Way way) {
    switch (way) {
      case Way::kInOneWrite: return client.send(request);
      case Way::kByteByByte: return client.send_byte_by_byte(request);
      case Way::kPipelined: break;
    }
    client.send(kGoodRequest + request);
    expect_ok(client.receive());
  }

  static inline std::unique_ptr<TempDir> folder_;
  static inline std::unique_ptr<Server> server_;
};

void check_rest(Client& client, After after) {
  switch (after) {
    case After::kCloses: EXPECT_TRUE(client.closed()); return;
    case After::kKeeps: return expect_ok(client.exchange(kGoodRequest));
    case After::kEither: break;
  }
  client.shutdown_write();
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_P(HttpCases, IsAnsweredAsItMustBe) {
  const auto& [expected, way] = GetParam();
  Client client = server_->connect();
  send(client, expected.request, way);
  if (expected.cut) client.shutdown_write();
  Response response = client.receive(expected.head);
  if (expected.may_continue && response.status == 100) response = client.receive(expected.head);
  EXPECT_EQ(response.status, expected.status) << response.head;
  EXPECT_TRUE(response.has("date"));
  if (expected.check != nullptr) expected.check(response);
  check_rest(client, expected.after);
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<HttpCase, Way>>& info) {
  const auto& [expected, way] = info.param;
  const char* const ways[] = {"InOneWrite", "ByteByByte", "Pipelined"};
  char row[16];
  std::snprintf(row, sizeof row, "Row%02d_", expected.row);
  return row + expected.what + "_" + ways[static_cast<int>(way)];
}

INSTANTIATE_TEST_SUITE_P(Rules, HttpCases,
                         ::testing::Combine(::testing::ValuesIn(all_cases()),
                                            ::testing::Values(Way::kInOneWrite, Way::kByteByByte,
                                                              Way::kPipelined)),
                         name_of);

// -- row 40: requests that stop coming

const char* const kShortTimeouts = "[timeouts]\nheader = \"300ms\"\nbody = \"300ms\"\n";

// One connection for every byte of `request` behind which it can stop: each is answered with 408 at the
// deadline.
void expect_408_wherever_cut(const Server& server, std::size_t listener, const std::string& request) {
  std::vector<Client> clients;
  for (std::size_t bytes = 1; bytes < request.size(); ++bytes) {
    clients.push_back(server.connect(listener));
    clients.back().send(std::string_view(request).substr(0, bytes));
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    SCOPED_TRACE("cut behind byte " + std::to_string(i + 1));
    const Response response = clients[i].receive();
    EXPECT_EQ(response.status, 408);
    EXPECT_EQ(response.field("connection"), "close");
    EXPECT_TRUE(clients[i].closed());
  }
}

class SlowRequests : public ::testing::TestWithParam<std::size_t> {
 protected:
  SlowRequests()
      : server_(folder_,
                http_cases_config(folder_) + kShortTimeouts +
                    "[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\naddress = \"unix:socket\"\n") {}

  TempDir folder_;
  Server server_;
};

TEST_P(SlowRequests, CutInTheHead) {
  expect_408_wherever_cut(server_, GetParam(),
                          "\r\nGET /ok?q HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nX-Empty:\r\n\r\n");
}

TEST_P(SlowRequests, CutInALengthBody) {
  expect_408_wherever_cut(server_, GetParam(),
                          "POST /ok HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n12345789a");
}

TEST_P(SlowRequests, CutInAChunkedBody) {
  expect_408_wherever_cut(server_, GetParam(),
                          "POST /ok HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "5;a=\"b\"\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
}

TEST_P(SlowRequests, CutBehindAGoodRequest) {
  Client client = server_.connect(GetParam());
  client.send(kGoodRequest + std::string("GET /ok HT"));
  expect_ok(client.receive());
  EXPECT_EQ(client.receive().status, 408);
  EXPECT_TRUE(client.closed());
}

TEST_P(SlowRequests, TrickledHeadDoesNotMoveItsDeadline) {
  Client client = server_.connect(GetParam());
  client.send("GET /ok HTTP/1.1\r\nHost: localhost\r\nX: ");
  while (!client.readable_within(std::chrono::milliseconds(20))) client.send("x");
  EXPECT_EQ(client.receive().status, 408);
  EXPECT_TRUE(client.closed());
}

TEST_P(SlowRequests, SaysNothingToASilentClient) {
  Client client = server_.connect(GetParam());
  EXPECT_TRUE(client.closed());
}

INSTANTIATE_TEST_SUITE_P(Listeners, SlowRequests, ::testing::Values(0, 1),
                         [](const auto& listener) { return listener.param == 0 ? "Tcp" : "UnixSocket"; });

}  // namespace

}  // namespace baton::test
