// Sends records: responses whose shape is fixed, and what is sent between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "common/shared/connection_table.h"
#include "common/shared/tls_state.h"
#include "worker/tls/record.h"

namespace baton {

// The plaintext of a response.
class PlainSource {
 public:
  virtual ~PlainSource() = default;
  // Copies `bytes` bytes from number `at` on. The same bytes every time, or false: they cannot be read any more.
  virtual bool read(std::uint64_t at, char* to, std::size_t bytes) = 0;
};

// One per process, for its event thread. All functions are for the holder of the slot's claim.
class TlsWriter {
 public:
  explicit TlsWriter(tls::RecordLayer& layer);

  enum class Sent : std::uint8_t { kAll, kBlocked, kBroken };

  // Sends the response from byte number state.written - response.at of its ciphertext on. A record that was begun is
  // sealed again and sent on; `source` has to give the same bytes for it. kBlocked: the socket is full, or
  // `most` bytes were sent.
  Sent send(int fd, TlsState& state, const TlsResponse& response, PlainSource& source, std::size_t most);

  // Sends kTlsInterimPlain bytes between two responses. False: not all could be sent, and the connection has to
  // be closed.
  [[nodiscard]] bool send_interim(int fd, TlsState& state, std::string_view plain);

  // Ends our side of the stream with an alert, if that can be done. Enters Phase::kLingering first: once the
  // alert may have been sent, nothing else may be sealed with its sequence number.
  void end_with(tls::Alert alert, int fd, Slot& slot, TlsState& state);

 private:
  static constexpr std::size_t kRecords = 4;  // per system call
  static constexpr std::size_t kBytes = kRecords * kTlsMaxRecord;

  bool seal_all(TlsState& state, const TlsResponse& response, PlainSource& source, std::uint64_t from);

  tls::RecordLayer& layer_;
  std::unique_ptr<char[]> buffer_;
  std::size_t used_ = 0;  // of the buffer
};

}  // namespace baton
