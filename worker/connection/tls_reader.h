// Reads the application data of TLS connections. The records stay in the socket until their data is used, as the
// bytes of other connections do.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "common/shared/connection_table.h"
#include "common/shared/tls_state.h"
#include "worker/connection/tls_writer.h"
#include "worker/tls/record.h"

namespace baton {

// One per process, for its event thread. All functions are for the holder of the slot's claim.
class TlsReader {
 public:
  TlsReader(tls::RecordLayer& layer, TlsWriter& writer);

  // As recv(2) with MSG_PEEK, but of the data in whole records. `most` is at least kTlsMaxPlain. Obeys what
  // records of other kinds say (KeyUpdate, alerts) and consumes them.
  //
  // 0: the client has ended its side. -1 with EAGAIN: no whole record is there. -1 with another errno: the
  // connection is over, and the client has been told why (TlsWriter::end_with()).
  ssize_t peek(int fd, Slot& slot, TlsState& state, char* to, std::size_t most);

  // Where reading goes on when the first `plain` bytes of the last peek are used. Nowhere (TlsReading::kNowhere):
  // it did not have so many.
  [[nodiscard]] TlsReading after(std::uint64_t plain) const;

  // Takes the first `plain` bytes of the last peek out. False: the connection is broken.
  [[nodiscard]] bool consume(int fd, TlsState& state, std::uint64_t plain);

  // Call before the connection is armed for reading: an incomplete record wakes nobody before it is complete,
  // as far as the kernel can do that. False: the kernel refuses.
  [[nodiscard]] bool arm_low_water(int fd, TlsState& state);

  // Whether the last peek stopped at an incomplete record.
  [[nodiscard]] bool record_begun(const TlsState& state) const { return need_ > state.taken; }

  // Forgets the last peek. Call at the beginning of a turn.
  void forget();

 private:
  // Of a record that was opened.
  struct End {
    std::uint64_t at;     // as TlsReading::at
    std::uint64_t plain;  // as TlsReading::plain
  };
  enum class Control : std::uint8_t { kDone, kIncomplete, kClosed, kBroken };

  // The ciphertext from base_.at on.
  ssize_t load(int fd, TlsState& state, std::size_t most);
  [[nodiscard]] std::string_view record_at(std::size_t offset);
  tls::RecordLayer::Opened open(const TlsState& state, std::string_view record, std::uint64_t ahead,
                                char* to);
  ssize_t open_all(TlsState& state, char* to, std::size_t most);
  Control obey(int fd, Slot& slot, TlsState& state);
  Control obey_alert(int fd, Slot& slot, TlsState& state, const tls::RecordLayer::Opened& alert);
  Control obey_handshake(int fd, Slot& slot, TlsState& state, tls::RecordLayer::Opened record);
  Control refuse(tls::Alert alert, int fd, Slot& slot, TlsState& state);
  bool move_to(int fd, TlsState& state, const TlsReading& next);

  tls::RecordLayer& layer_;
  TlsWriter& writer_;
  std::unique_ptr<char[]> raw_;      // ciphertext
  std::unique_ptr<char[]> scratch_;  // plaintext of one record
  std::size_t raw_bytes_ = 0;
  std::size_t kept_ = 0;  // how much of raw_ is not in the socket any more

  TlsReading base_;         // where the last peek began
  std::vector<End> ends_;   // of the records that it opened and that are not consumed
  std::uint64_t need_ = 0;  // where the incomplete record ends that it stopped at; 0: at none
  tls::Alert bad_{};        // why the record that it stopped at is refused
  bool is_bad_ = false;
  bool other_kind_ = false;  // it stopped at a record of another kind
};

// Makes `next` the current reading: consumes up to it, and closes the file with the ciphertext before it. Also for the master, in the place of a dead holder.
[[nodiscard]] bool consume_to(int fd, TlsState& state, const TlsReading& next);

// Takes `bytes` bytes of ciphertext out of the socket, which are there. False: the connection is broken.
[[nodiscard]] bool consume_bytes(int fd, std::uint64_t bytes);

// Sets SO_RCVLOWAT. False: the kernel refuses.
[[nodiscard]] bool set_low_water(int fd, TlsState& state, std::uint32_t mark);

// Moves `fresh`, which is all that is in the socket, to the file TlsState::cipher_fd, where `kept` bytes are already. So the
// rest of an incomplete record finds room in the socket. Written first, then consumed, as with a head
// (worker/connection/inbox.cpp). False, with errno: the connection is broken, or, with EAGAIN, another process can
// do it.
[[nodiscard]] bool keep_ciphertext(int fd, TlsState& state, std::string_view fresh, std::uint64_t kept);

// Closes the file with the ciphertext of an incomplete record.
void drop_ciphertext(TlsState& state);

}  // namespace baton
