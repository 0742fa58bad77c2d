#include "master/port_sharing.h"

#include <linux/filter.h>
#include <netinet/in.h>

#include <utility>

#include "common/base/address_overlap.h"
#include "common/base/unique_fd.h"

namespace baton {

namespace {

constexpr int kOn = 1;

// Addresses for documentation (RFC 5737, RFC 3849): no machine has them.
void bind_elsewhere(int family, std::uint16_t port) {
  const auto nowhere =
      Address::parse((family == AF_INET ? "192.0.2.1:" : "[2001:db8::1]:") + std::to_string(port));
  const UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (family == AF_INET6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &kOn, sizeof kOn);
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_FREEBIND, &kOn, sizeof kOn);
  } else {
    ::setsockopt(fd.get(), IPPROTO_IP, IP_FREEBIND, &kOn, sizeof kOn);
  }
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &kOn, sizeof kOn);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &kOn, sizeof kOn);
  static_cast<void>(::bind(fd.get(), nowhere->data(), nowhere->size()));
}

}  // namespace

PortSharing::PortSharing(std::vector<int> sockets) : sockets_(std::move(sockets)) {
  set(1);
}

PortSharing::~PortSharing() {
  for (const int fd : sockets_) {
    const Address bound = Address::of_socket(fd);
    if (port_of(bound) == 0) continue;
    bind_elsewhere(bound.family() == AF_INET ? AF_INET6 : AF_INET, port_of(bound));
    break;
  }
  set(0);
}

void PortSharing::set(int on) const {
  for (const int fd : sockets_) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

void refuse_newcomers(int fd) {
  // The flags of the TCP header: SYN without ACK.
  sock_filter code[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0),
                        BPF_STMT(BPF_RET | BPF_K, 0xffffffff)};
  const sock_fprog program{std::size(code), code};
  ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

void admit_newcomers(int fd) {
  ::setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &kOn, sizeof kOn);
}

}  // namespace baton
