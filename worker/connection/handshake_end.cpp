#include "worker/connection/handshake_end.h"

#include <string.h>
#include <sys/socket.h>

#include "common/base/crash_point.h"
#include "worker/connection/tls_reader.h"

namespace baton {

bool end_handshake(int fd, Slot& slot, TlsState& state) {
  const TlsReading begin = state.reading[0];
  if (begin.at == TlsReading::kNowhere || begin.at < state.taken) return false;
  if (begin.at > state.taken && !consume_bytes(fd, begin.at - state.taken)) return false;
  crash_point("handshake-consumed");
  state.taken = begin.at;
  drop_ciphertext(state);
  if (state.low_water != 1) {
    const int mark = 1;
    if (::setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark) != 0) return false;
    state.low_water = 1;
  }
  slot.enter(Phase::kHead);
  crash_point("handshake-over");
  ::explicit_bzero(&state.handshake, sizeof state.handshake);
  return true;
}

}  // namespace baton
