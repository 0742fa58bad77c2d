#include "tests/support/listening.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "common/base/address.h"

namespace baton {

UniqueFd listen_on(const std::string& text, bool shared) {
  const auto address = Address::parse(text);
  UniqueFd socket(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (shared) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (address->family() == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(socket.get(), address->data(), address->size()) != 0 || ::listen(socket.get(), 1) != 0)
    return UniqueFd();
  return socket;
}

std::string address_of(const UniqueFd& socket) {
  return Address::of_socket(socket.get()).to_string();
}

}  // namespace baton
