// The header of a TLS record (RFC 8446 5.1): type, version, length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace baton::tls {

constexpr std::size_t kRecordHeaderBytes = 5;

enum class RecordType : std::uint8_t {
  kChangeCipherSpec = 20,
  kAlert = 21,
  kHandshake = 22,
  kApplicationData = 23
};

struct RecordHeader {
  RecordType type;
  std::uint8_t major = 0;
  std::size_t length = 0;  // of what follows

  [[nodiscard]] std::size_t whole() const { return kRecordHeaderBytes + length; }

  // `bytes` has at least kRecordHeaderBytes.
  static RecordHeader read(std::string_view bytes) {
    const auto at = [bytes](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
    return {RecordType{at(0)}, at(1), std::size_t{at(3)} << 8 | at(4)};
  }
};

// Calls `fn(header, record)` for each record of `bytes`, which are whole records.
template <typename Function>
void for_each_record(std::string_view bytes, Function&& fn) {
  while (bytes.size() >= kRecordHeaderBytes) {
    const RecordHeader header = RecordHeader::read(bytes);
    if (header.whole() > bytes.size()) return;
    fn(header, bytes.substr(0, header.whole()));
    bytes.remove_prefix(header.whole());
  }
}

}  // namespace baton::tls
