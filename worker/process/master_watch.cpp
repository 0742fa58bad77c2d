#include "worker/process/master_watch.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/log.h"
#include "common/shared/descriptor_motion.h"

namespace baton {

void MasterWatch::look_now() {
  if (::getppid() == master_) return;
  SegmentHeader& header = segment_.header();
  header.state.store(MasterState::kEnding, std::memory_order_release);
  // In the descriptor table of an orphan, a worker from before an upgrade, the numbers mean something else.
  if (DescriptorMotion::table_lost()) return;
  // Only the worker that gets the count closes: right after, the numbers may be in use for something else.
  const std::uint32_t count = header.listener_count.exchange(0, std::memory_order_acq_rel);
  if (count == 0) return;
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(count, kMaxListeners); ++i) {
    const int fd = header.listener_fds[i].load(std::memory_order_relaxed);
    if (!segment_.connections().contains(fd)) continue;
    epoll_.remove(fd);
    ::shutdown(fd, SHUT_RDWR);  // an orphan may have the socket too, so a close alone would not end it
    segment_.connections().free_listener(fd);
    ::close(fd);
  }
  log::critical("the master (pid {}) has died: its workers finish the requests in hand and end", master_);
}

}  // namespace baton
