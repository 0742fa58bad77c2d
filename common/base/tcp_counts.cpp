#include "common/base/tcp_counts.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace baton {

namespace {

// Whether a FIN has arrived, which the kernel counts as one more received byte. <netinet/tcp.h> names these
// states, but cannot be included together with <linux/tcp.h>.
bool fin_arrived(const tcp_info& info) {
  constexpr int kTimeWait = 6;
  constexpr int kCloseWait = 8;
  constexpr int kLastAck = 9;
  constexpr int kClosing = 11;
  const int state = info.tcpi_state;
  return state == kTimeWait || state == kCloseWait || state == kLastAck || state == kClosing;
}

}  // namespace

std::optional<StreamCounts> stream_counts(int fd) {
  // The queues and the counters are read one after the other. An acknowledgement or a segment in between
  // would be missed, so look again until the queues have not moved.
  for (int tries = 0; tries < 100; ++tries) {
    int unsent = 0;
    int unread = 0;
    int unsent_after = 0;
    int unread_after = 0;
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::ioctl(fd, SIOCOUTQ, &unsent) != 0 || ::ioctl(fd, SIOCINQ, &unread) != 0 ||
        ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        ::ioctl(fd, SIOCOUTQ, &unsent_after) != 0 || ::ioctl(fd, SIOCINQ, &unread_after) != 0) {
      return std::nullopt;
    }
    if (unsent != unsent_after || unread != unread_after) continue;
    const std::uint64_t received = info.tcpi_bytes_received - (fin_arrived(info) ? 1 : 0);
    return StreamCounts{info.tcpi_bytes_acked + static_cast<std::uint64_t>(unsent),
                        received - static_cast<std::uint64_t>(unread)};
  }
  return std::nullopt;
}

}  // namespace baton
