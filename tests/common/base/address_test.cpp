#include "common/base/address.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

#include "common/base/unique_fd.h"

namespace baton {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

static_assert(std::is_trivially_copyable_v<Peer>);
static_assert(sizeof(Peer) == 20);

struct Good {
  std::string text;
  std::string printed;
  int family;
};

TEST(Address, ReadsWhatItPrints) {
  const std::vector<Good> cases{
      {"127.0.0.1:8080", "127.0.0.1:8080", AF_INET},
      {"0.0.0.0:0", "0.0.0.0:0", AF_INET},
      {"255.255.255.255:65535", "255.255.255.255:65535", AF_INET},
      {"*:80", "0.0.0.0:80", AF_INET},
      {"[::]:80", "[::]:80", AF_INET6},
      {"[::1]:8080", "[::1]:8080", AF_INET6},
      {"[2001:DB8:0:0:0:0:0:1]:443", "[2001:db8::1]:443", AF_INET6},
      {"[1111:2222:3333:4444:5555:6666:7777:8888]:65535", "[1111:2222:3333:4444:5555:6666:7777:8888]:65535",
       AF_INET6},
      {"[::ffff:255.255.255.255]:65535", "[::ffff:255.255.255.255]:65535", AF_INET6},
      {"unix:/run/x.sock", "unix:/run/x.sock", AF_UNIX},
      {"unix:x", "unix:x", AF_UNIX},
      {"unix:" + std::string(107, 'p'), "unix:" + std::string(107, 'p'), AF_UNIX},
  };
  for (const Good& good : cases) {
    const auto address = Address::parse(good.text);
    ASSERT_TRUE(address) << good.text;
    EXPECT_EQ(address->to_string(), good.printed);
    EXPECT_EQ(address->family(), good.family);
    EXPECT_EQ(address->is_unix(), good.family == AF_UNIX);
    const auto again = Address::parse(address->to_string());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->to_string(), good.printed);
    EXPECT_EQ(again->size(), address->size());
  }
}

TEST(Address, HasTheSizeOfItsFamily) {
  EXPECT_EQ(Address::parse("127.0.0.1:1")->size(), sizeof(sockaddr_in));
  EXPECT_EQ(Address::parse("[::1]:1")->size(), sizeof(sockaddr_in6));
  EXPECT_EQ(Address::parse("unix:/a")->size(), offsetof(sockaddr_un, sun_path) + 3);
  EXPECT_EQ(Address::parse("unix:/a")->unix_path(), "/a");
  EXPECT_EQ(Address::parse("127.0.0.1:1")->unix_path(), "");
  EXPECT_EQ(Address{}.to_string(), "");
}

TEST(Address, SaysWhyItRefuses) {
  struct Bad {
    std::string text;
    std::string why;
  };
  const std::vector<Bad> cases{
      {"localhost:8080", "'localhost' is not an IP address, and names are not looked up"},
      {"example.com:80", "names are not looked up"},
      {"1.2.3:80", "'1.2.3' is not an IP address"},
      {"1.2.3.4.5:80", "is not an IP address"},
      {"1.2.3.256:80", "is not an IP address"},
      {"01.2.3.4:80", "is not an IP address"},
      {" 1.2.3.4:80", "is not an IP address"},
      {std::string("1.2.3.4\0:80", 11), "is not an IP address"},
      {"", "no port in ''"},
      {"8080", "no port in '8080'"},
      {"127.0.0.1", "no port in '127.0.0.1'"},
      {"[::1]", "no port in '[::1]'"},
      {":8080", "no address before the port"},
      {"127.0.0.1:", "the port is not a number from 0 to 65535"},
      {"127.0.0.1:65536", "the port is not"},
      {"127.0.0.1:99999999999999999999", "the port is not"},
      {"127.0.0.1:+80", "the port is not"},
      {"127.0.0.1:-1", "the port is not"},
      {"127.0.0.1: 80", "the port is not"},
      {"127.0.0.1:80 ", "the port is not"},
      {"127.0.0.1:0x50", "the port is not"},
      {"*:http", "the port is not"},
      {"[::1]:", "the port is not"},
      {"::1:80", "an IPv6 address is written in brackets"},
      {"[::1:80", "'[::1' is not an IPv6 address in brackets"},
      {"[]:80", "'[]' is not an IPv6 address"},
      {"[:80", "'[' is not an IPv6 address"},
      {"[127.0.0.1]:80", "is not an IPv6 address"},
      {"[::1%lo]:80", "is not an IPv6 address"},
      {"unix:", "no path after unix:"},
      {"unix:" + std::string(108, 'p'), "longer than 107 bytes"},
      {std::string("unix:a\0b", 8), "NUL"},
      {"/run/x.sock", "no port"},
  };
  for (const Bad& bad : cases) {
    std::string why;
    EXPECT_FALSE(Address::parse(bad.text, &why)) << bad.text;
    EXPECT_THAT(why, HasSubstr(bad.why)) << bad.text;
    EXPECT_THAT(why, HasSubstr("expected 127.0.0.1:8080, ")) << bad.text;
    EXPECT_FALSE(Address::parse(bad.text)) << bad.text;
  }
}

TEST(Address, OfSocketShowsThePortTheKernelChose) {
  const auto asked = Address::parse("127.0.0.1:0");
  ASSERT_TRUE(asked);
  const UniqueFd fd{socket(asked->family(), SOCK_STREAM | SOCK_CLOEXEC, 0)};
  ASSERT_TRUE(fd);
  ASSERT_EQ(bind(fd.get(), asked->data(), asked->size()), 0) << std::strerror(errno);
  const Address bound = Address::of_socket(fd.get());
  EXPECT_THAT(bound.to_string(), StartsWith("127.0.0.1:"));
  EXPECT_NE(bound.to_string(), "127.0.0.1:0");
  EXPECT_EQ(bound.size(), asked->size());
  EXPECT_TRUE(Address::parse(bound.to_string()));
}

TEST(Address, OfSocketCopesWithUnnamedSocketsAndNoSockets) {
  const UniqueFd unnamed{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  EXPECT_EQ(Address::of_socket(unnamed.get()).to_string(), "unix:");
  EXPECT_EQ(Address::of_socket(-1).to_string(), "");
}

Peer peer_of(const Address& address) {
  sockaddr_storage storage{};
  std::memcpy(&storage, address.data(), address.size());
  return Peer::from_sockaddr(storage);
}

Peer peer_of(std::string_view text) {
  return peer_of(Address::parse(text).value());
}

TEST(Peer, FormatsEveryKind) {
  struct Case {
    std::string address;
    Peer::Kind kind;
    std::string ip;
    std::string full;
  };
  const std::vector<Case> cases{
      {"127.0.0.1:4711", Peer::Kind::kIpv4, "127.0.0.1", "127.0.0.1:4711"},
      {"255.255.255.255:65535", Peer::Kind::kIpv4, "255.255.255.255", "255.255.255.255:65535"},
      {"0.10.9.100:1", Peer::Kind::kIpv4, "0.10.9.100", "0.10.9.100:1"},
      {"[::1]:4711", Peer::Kind::kIpv6, "::1", "[::1]:4711"},
      {"[1111:2222:3333:4444:5555:6666:7777:8888]:65535", Peer::Kind::kIpv6,
       "1111:2222:3333:4444:5555:6666:7777:8888", "[1111:2222:3333:4444:5555:6666:7777:8888]:65535"},
      {"[::ffff:192.0.2.1]:80", Peer::Kind::kIpv4, "192.0.2.1", "192.0.2.1:80"},
      {"unix:/run/x.sock", Peer::Kind::kUnix, "unix:", "unix:"},
  };
  for (const Case& c : cases) {
    const Peer peer = peer_of(c.address);
    std::array<char, Peer::kTextBytes> buffer{};
    EXPECT_EQ(peer.kind, c.kind) << c.address;
    EXPECT_EQ(peer.format_ip(buffer), c.ip);
    EXPECT_EQ(peer.format_full(buffer), c.full);
  }
}

TEST(Peer, EveryIpv4ByteIsPrintedInFull) {
  for (int byte = 0; byte < 256; ++byte) {
    Peer peer = peer_of("1.2.3.4:5");
    peer.ip[13] = static_cast<std::uint8_t>(byte);
    std::array<char, Peer::kTextBytes> buffer{};
    EXPECT_EQ(peer.format_ip(buffer), "1." + std::to_string(byte) + ".3.4");
  }
}

TEST(Peer, WritesNothingIntoABufferThatMightBeTooSmall) {
  std::array<char, Peer::kTextBytes - 1> small{};
  EXPECT_EQ(peer_of("127.0.0.1:1").format_ip(small), "");
  EXPECT_EQ(peer_of("127.0.0.1:1").format_full(small), "");
  EXPECT_EQ(small[0], '\0');
}

struct Membership {
  std::string network;
  std::string peer;
  bool inside;
};

TEST(Network, ContainsThePeersOfItsPrefix) {
  const std::vector<Membership> cases{
      {"10.0.0.0/8", "10.255.0.1:1", true},
      {"10.0.0.0/8", "11.0.0.1:1", false},
      {"10.1.2.3/8", "10.9.9.9:1", true},
      {"192.0.2.128/25", "192.0.2.127:1", false},
      {"192.0.2.128/25", "192.0.2.128:1", true},
      {"192.0.2.7", "192.0.2.7:1", true},
      {"192.0.2.7", "192.0.2.6:1", false},
      {"192.0.2.6/31", "192.0.2.7:1", true},
      {"192.0.2.7/32", "192.0.2.7:1", true},
      {"0.0.0.0/0", "203.0.113.9:1", true},
      {"0.0.0.0/0", "[::1]:1", false},
      {"0.0.0.0/0", "unix:/x", false},
      {"::/0", "[2001:db8::1]:1", true},
      {"::/0", "203.0.113.9:1", false},
      {"::/0", "unix:/x", false},
      {"::ffff:0:0/96", "203.0.113.9:1", true},
      {"::ffff:203.0.113.0/120", "203.0.113.9:1", true},
      {"127.0.0.1", "[::ffff:127.0.0.1]:1", true},
      {"2001:db8::/32", "[2001:db8:ffff::1]:1", true},
      {"2001:db8::/32", "[2001:db9::1]:1", false},
      {"2001:db8::/33", "[2001:db8:8000::1]:1", false},
      {"::1", "[::1]:1", true},
      {"::1/128", "[::2]:1", false},
      {"unix", "unix:/x", true},
      {"unix", "127.0.0.1:1", false},
      {"unix", "[::1]:1", false},
  };
  for (const Membership& c : cases) {
    const auto network = Network::parse(c.network);
    ASSERT_TRUE(network) << c.network;
    EXPECT_EQ(network->contains(peer_of(c.peer)), c.inside) << c.peer << " in " << c.network;
  }
}

TEST(Network, RefusesWhatIsNoNetwork) {
  for (const char* text : {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8",
                           "10.0.0/8", "10.0.0.0 /8", "::/129", "[::1]", "localhost", "UNIX", "unix:/x",
                           "10.0.0.1-10.0.0.9", "10.0.0.0/255.0.0.0", "::1%lo"}) {
    EXPECT_FALSE(Network::parse(text)) << text;
  }
}

}  // namespace
}  // namespace baton
