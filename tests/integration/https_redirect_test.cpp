// Requests without TLS are led to https, except for what certificate authorities look for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/shared_server.h"
#include "tests/support/certificate_maker.h"
#include "tests/support/listening.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// In the order of the [[listen]] tables below.
enum Listener : std::size_t { kRedirecting, kPlain, kTls };

// A port that nobody uses: redirects lead to a fixed one only.
std::string free_address() {
  return address_of(listen_on("127.0.0.1:0"));
}

void write_certificate(const TempDir& folder) {
  const MadeCertificate made = make_certificate({});
  folder.write("chain.pem", made.pem());
  folder.write("key.pem", made.key_pem());
}

std::string configuration(const std::string& tls_address, bool redirects) {
  return std::string("[server]\nworkers = 2\n[[listen]]\naddress = \"127.0.0.1:0\"\nredirect_to_https = ") +
         (redirects ? "true" : "false") +
         "\n[[listen]]\naddress = \"127.0.0.2:0\"\n[[listen]]\naddress = \"" + tls_address + R"("
tls = true

[[site]]
certificates = [{ chain = "chain.pem", key = "key.pem" }]
[[site.route]]
path = "/"
respond = { body = "plain" }
deny = ["10.0.0.0/8"]
[[site.route]]
path = "/.well-known/acme-challenge/"
static = { root = "acme" }

[[site]]
hosts = ["leads.example", "*.leads.example"]
redirect_to_https = true
certificates = [{ chain = "chain.pem", key = "key.pem" }]
[[site.route]]
path = "/only"
respond = { body = "plain" }
[[site.route]]
path = "/.well-known/acme-challenge/"
static = { root = "acme" }
)";
}

class HttpsRedirect : public SharedServer<HttpsRedirect> {
 public:
  static std::string prepare(const TempDir& folder) {
    folder.write("acme/token", "proof");
    write_certificate(folder);
    address_ = free_address();
    return configuration(address_, true);
  }

 protected:
  static Response ask_for(std::size_t listener, const std::string& method, const std::string& target,
                          const std::string& host, const std::string& body = "") {
    std::string request = method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n";
    if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    Client client = listener == kPlain ? Client::connect_tcp(server_->port(kPlain), "127.0.0.2")
                                       : Client::connect_tcp(server_->port(listener));
    return client.exchange(request + "\r\n" + body, method == "HEAD");
  }
  // Where the request is led: "" if it is not led to https.
  static std::string led(std::size_t listener, const std::string& target, const std::string& host,
                         const std::string& method = "GET") {
    return ask_for(listener, method, target, host).field("location");
  }
  static std::string port() { return address_.substr(address_.rfind(':')); }

  static inline std::string address_;
};

TEST_F(HttpsRedirect, AListenerLeadsEveryRequestToHttps) {
  const Response moved = ask_for(kRedirecting, "GET", "/a%20b?c=d", "example.com");
  EXPECT_EQ(moved.status, 301);
  EXPECT_EQ(moved.field("location"), "https://example.com" + port() + "/a%20b?c=d");
  EXPECT_THAT(moved.body, HasSubstr("301"));
  EXPECT_EQ(led(kRedirecting, "/", "example.com:8080"), "https://example.com" + port() + "/");
  EXPECT_EQ(led(kRedirecting, "/", "[::1]:8080"), "https://[::1]" + port() + "/");
  EXPECT_EQ(led(kRedirecting, "/nowhere", "leads.example"), "https://leads.example" + port() + "/nowhere");
  EXPECT_EQ(led(kRedirecting, "//evil.example/", "example.com"),
            "https://example.com" + port() + "//evil.example/");
}

TEST_F(HttpsRedirect, MethodsThatAreNotGetKeepTheirMethodAndBody) {
  EXPECT_EQ(ask_for(kRedirecting, "HEAD", "/", "example.com").status, 301);
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    const Response moved = ask_for(kRedirecting, method, "/form", "example.com", "body");
    EXPECT_EQ(moved.status, 308) << method;
    EXPECT_EQ(moved.field("location"), "https://example.com" + port() + "/form") << method;
  }
}

TEST_F(HttpsRedirect, WithoutAHostThereIsNowhereToGo) {
  Client client = server_->connect(kRedirecting);
  const Response refused = client.exchange("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("the request names none"));
  EXPECT_FALSE(refused.has("location"));
}

TEST_F(HttpsRedirect, ConnectionsGoOnBehindIt) {
  Client client = server_->connect(kRedirecting);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.ask("POST", "/", "", "body").status, 308);
  EXPECT_EQ(client.get("/").status, 301);
}

TEST_F(HttpsRedirect, ChallengesAreServedAsRouted) {
  for (const char* host : {"example.com", "leads.example"}) {
    const Response proof = ask_for(kRedirecting, "GET", "/.well-known/acme-challenge/token", host);
    EXPECT_EQ(proof.status, 200);
    EXPECT_EQ(proof.body, "proof");
    EXPECT_EQ(ask_for(kRedirecting, "GET", "/.well-known/acme-challenge/none", host).status, 404);
  }
  EXPECT_THAT(led(kRedirecting, "/.well-known/acme-challenge", "example.com"), HasSubstr("https://"));
  EXPECT_THAT(led(kRedirecting, "/.well-known/acme-challenge/../x", "example.com"), HasSubstr("https://"));
  EXPECT_THAT(led(kRedirecting, "/.well-known/acme-challenge%2f..%2fx", "example.com"),
              HasSubstr("https://"));
}

TEST_F(HttpsRedirect, ASiteLeadsItsOwnRequests) {
  EXPECT_EQ(led(kPlain, "/only", "leads.example"), "https://leads.example" + port() + "/only");
  EXPECT_EQ(led(kPlain, "/", "A.Leads.Example"), "https://A.Leads.Example" + port() + "/");
  EXPECT_EQ(ask_for(kPlain, "GET", "/.well-known/acme-challenge/token", "leads.example").body, "proof");
  const Response plain = ask_for(kPlain, "GET", "/", "example.com");
  EXPECT_EQ(plain.status, 200);
  EXPECT_EQ(plain.body, "plain");
}

TEST(HttpsRedirectReload, TheListenersTakeItUpAndDropIt) {
  const TempDir folder;
  folder.write("acme/token", "proof");
  write_certificate(folder);
  const std::string address = free_address();
  const Server server(folder, configuration(address, false));
  EXPECT_EQ(server.connect().get("/").status, 200);
  ASSERT_EQ(server.reload(configuration(address, true)).status, 0);
  EXPECT_EQ(server.connect().get("/").status, 301);
  ASSERT_EQ(server.reload(configuration(address, false)).status, 0);
  EXPECT_EQ(server.connect().get("/").status, 200);
}

}  // namespace
}  // namespace baton::test
