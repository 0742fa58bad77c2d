// TCP connections over loopback, and functions that wait until something has arrived.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/unique_fd.h"

namespace baton::facts {

// A listener on a free port of 127.0.0.1; non-blocking.
[[nodiscard]] UniqueFd listen_on_loopback();
// A client connected to `listener`; blocking.
[[nodiscard]] UniqueFd connect_to(int listener);

struct Connection {
  Connection();  // connected; the server's end is non-blocking
  UniqueFd client;
  UniqueFd server;
};

// Sends all of `bytes`; false if it cannot.
bool say(int fd, std::string_view bytes);
// Bytes received and not yet consumed (SIOCINQ); bytes written and not yet acknowledged (SIOCOUTQ).
[[nodiscard]] int unread(int fd);
[[nodiscard]] int unacknowledged(int fd);

// Waits until exactly `bytes` are unread. The kernel reads the number under the socket's lock, and it wakes
// epoll before it releases that lock. So once this returns true, every report that the arrival causes has
// been queued.
[[nodiscard]] bool arrived(int fd, int bytes);
// The same for a FIN, and for a RST.
[[nodiscard]] bool fin_arrived(int fd);
[[nodiscard]] bool reset_arrived(int fd);

// Consumes up to `bytes`. Returns how many, or minus the errno value.
std::int64_t consume(int fd, std::size_t bytes);
// Writes to a non-blocking socket until the kernel refuses more. Returns the number of bytes written.
std::int64_t fill(int fd);

}  // namespace baton::facts
