#include "tests/support/beast_oracle.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <utility>
#include <vector>

namespace baton::testing {
namespace {

namespace beast = boost::beast;
using beast::error_code;

std::string text(beast::string_view view) {
  return {view.data(), view.size()};
}

// Beast's own message type groups fields of one name together; this keeps them as they came.
class Reader : public beast::http::basic_parser<true> {
 public:
  Reader() {
    header_limit(std::numeric_limits<std::uint32_t>::max());
    // Not boost::none: without a limit, Beast 1.74 takes every length to be above it.
    body_limit(std::numeric_limits<std::uint64_t>::max());
  }

  std::string method;
  std::string target;
  int version = 0;
  std::vector<std::pair<std::string, std::string>> fields;  // of the head; trailers are dropped
  std::string body;

 private:
  void on_request_impl(beast::http::verb, beast::string_view method_text, beast::string_view target_text,
                       int version_number, error_code&) override {
    method = text(method_text);
    target = text(target_text);
    version = version_number;
  }
  void on_response_impl(int, beast::string_view, int, error_code&) override {}
  void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                     error_code&) override {
    if (!in_body_) fields.emplace_back(text(name), text(value));
  }
  void on_header_impl(error_code&) override { in_body_ = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(beast::string_view data, error_code&) override {
    body += text(data);
    return data.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view data, error_code&) override {
    body += text(data);
    return data.size();
  }
  void on_finish_impl(error_code&) override {}

  bool in_body_ = false;
};

bool has_proxy_connection(const http::Request& request) {
  for (const auto& field : request.fields) {
    if (beast::iequals(beast::string_view(field.name.data(), field.name.size()), "proxy-connection")) {
      return true;
    }
  }
  return false;
}

// HTTP/1.0 with both options; see the header.
bool keeps_against_close(const http::Request& request) {
  bool close = false;
  bool keep = false;
  for (const auto& field : request.fields) {
    if (!beast::iequals(beast::string_view(field.name.data(), field.name.size()), "connection")) continue;
    for (const auto& option :
         beast::http::opt_token_list(beast::string_view(field.value.data(), field.value.size()))) {
      close = close || beast::iequals(option, "close");
      keep = keep || beast::iequals(option, "keep-alive");
    }
  }
  return request.minor == 0 && close && keep;
}

// The head as Beast wants it: without empty lines in front, and with a version that it knows.
std::string for_beast(std::string_view head) {
  std::string bytes(head.substr(head.find_first_not_of("\r\n")));
  const auto minor = bytes.find("\r\n") - 1;
  if (bytes.at(minor) != '0') bytes[minor] = '1';
  return bytes;
}

// Bytes that a target may not hold: Beast leaves them as they are, ours percent-encodes them in paths and
// queries.
std::string encoded(const std::string& target) {
  constexpr std::string_view kStray = "\"<>[\\]^`{|}";
  std::size_t path = 0;
  if (!target.starts_with('/')) {
    path = target.find("://");
    path = path == std::string::npos ? target.size() : target.find_first_of("/?", path + 3);
  }
  std::string result = target.substr(0, path);
  for (; path < target.size(); ++path) {
    const char c = target[path];
    if (static_cast<unsigned char>(c) < 0x80 && kStray.find(c) == std::string_view::npos) {
      result += c;
    } else {
      char escape[4];
      std::snprintf(escape, sizeof escape, "%%%02X", static_cast<unsigned char>(c));
      result += escape;
    }
  }
  return result;
}

std::string field_disagreement(const Reader& beast_read, const http::Request& request) {
  if (beast_read.fields.size() != request.fields.size()) return "number of fields";
  std::size_t i = 0;
  for (const auto& field : request.fields) {
    if (beast_read.fields[i].first != field.name) return "name of field " + std::to_string(i);
    if (beast_read.fields[i].second != field.value) return "value of field " + std::to_string(i);
    ++i;
  }
  return "";
}

std::string framing_disagreement(const Reader& beast_read, const http::Request& request) {
  if (beast_read.chunked() != (request.framing == http::BodyFraming::kChunked)) return "chunked";
  const auto length = beast_read.content_length();
  if (length.has_value() != (request.framing == http::BodyFraming::kLength)) return "presence of a length";
  if (length.has_value() && *length != request.content_length) return "content length";
  return "";
}

}  // namespace

std::string head_disagreement(std::string_view head, const http::Request& request) {
  const auto bytes = for_beast(head);
  Reader reader;
  error_code error;
  const auto taken = reader.put(boost::asio::buffer(bytes), error);
  const bool proxy_connection = has_proxy_connection(request);
  if (error == beast::http::error::bad_value && proxy_connection) return "";
  if (error) return "refused: " + error.message();
  if (!reader.is_header_done() || taken != bytes.size()) return "end of the head";
  if (reader.method != request.method_text) return "method";
  if (encoded(reader.target) != request.target) return "target";
  if (reader.version != 10 + request.minor) return "version";
  if (auto found = field_disagreement(reader, request); !found.empty()) return found;
  if (auto found = framing_disagreement(reader, request); !found.empty()) return found;
  const bool comparable = !proxy_connection && !keeps_against_close(request);
  if (comparable && reader.keep_alive() != request.keep_alive) return "keep-alive";
  return "";
}

std::string chunked_disagreement(std::string_view coded, std::string_view body) {
  std::string bytes = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  bytes += coded;
  Reader reader;
  reader.eager(true);
  error_code error;
  const auto taken = reader.put(boost::asio::buffer(bytes), error);
  if (error == beast::http::error::bad_value) return "";
  if (error) return "refused: " + error.message();
  if (!reader.is_done() || taken != bytes.size()) return "end of the body";
  if (reader.body != body) return "body";
  return "";
}

}  // namespace baton::testing
