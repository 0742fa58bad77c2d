// What the kernel knows of a TCP socket whose user has died: how many bytes it wrote and how many it
// consumed.
#pragma once

#include <cstdint>

namespace baton::facts {

// bytes written = tcpi_bytes_acked + SIOCOUTQ, as the kernel states them, with none of the corrections below:
//   + 1 for the SYN at the end that called connect(), never at the end that was accepted;
//   + 1 once this end has sent its FIN.
// Correct while nobody writes. An acknowledgement that comes between the two questions would be missed by
// both, so SIOCOUTQ is asked before and after, until it has not moved.
[[nodiscard]] std::uint64_t raw_bytes_written(int fd);

// bytes consumed = tcpi_bytes_received - SIOCINQ, the same way; correct while nobody reads.
//   + 1 once the peer's FIN has arrived, whether or not its end of file has been read.
[[nodiscard]] std::uint64_t raw_bytes_consumed(int fd);

}  // namespace baton::facts
