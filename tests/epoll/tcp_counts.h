// What the kernel knows about a TCP socket whose user has died: how many bytes the user wrote, and how many
// it consumed.
#pragma once

#include <cstdint>

namespace baton::facts {

// Returns tcpi_bytes_acked + SIOCOUTQ as the kernel states them. That is the number of bytes written, plus:
//   + 1 for the SYN at the end that called connect(), never at the end that was accepted;
//   + 1 once this end has sent its FIN.
// Correct while no process writes. Both numbers would miss an acknowledgement that comes between the two
// calls, so SIOCOUTQ is read before and after, until it has not moved.
[[nodiscard]] std::uint64_t raw_bytes_written(int fd);

// Returns tcpi_bytes_received - SIOCINQ, read in the same way. That is the number of bytes consumed, plus:
//   + 1 once the peer's FIN has arrived, whether or not its end of file has been read.
// Correct while no process reads.
[[nodiscard]] std::uint64_t raw_bytes_consumed(int fd);

}  // namespace baton::facts
