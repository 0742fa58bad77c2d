// Part of <baton/module.h>. The response in the making.
#pragma once

#include <cerrno>
#include <chrono>
#include <concepts>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include "error.h"
#include "host.h"

namespace baton::inline sdk {

// The result of try_flush().
enum class Flushed {
  kDone,
  kFull,  // the client takes less than the handler makes; what was written goes with a later flush
  kGone,  // the client is gone
};

enum class SameSite { kStrict, kLax, kNone };

// The attributes of a cookie. By default it is for the whole site, scripts cannot read it, the browser does
// not send it with requests that other sites make (except links), and it is gone when the browser closes.
struct CookieOptions {
  std::optional<std::chrono::seconds> max_age = std::nullopt;  // 0s deletes the cookie
  std::string_view path = "/";
  std::string_view domain = {};  // "": this host only
  bool secure = false;           // over TLS only
  bool http_only = true;
  SameSite same_site = SameSite::kLax;  // kNone needs `secure`
};

// The response: at first 200 with an empty body. It is sent when the handler has returned; if the handler
// throws, nothing of it remains. Valid during the handler's call.
//
// A function that refuses its arguments throws: that is a mistake in the module, so the client gets 500 and
// the log a line.
class Response {
 public:
  explicit Response(baton_response* response) : response_(response) {}
  Response(const Response&) = delete;
  Response& operator=(const Response&) = delete;

  // `status`: 200 to 599, else std::out_of_range.
  Response& status(int status) {
    if (status < 200 || status > 599) throw std::out_of_range("status " + std::to_string(status));
    detail::host->set_status(response_, status);
    return *this;
  }

  // Sets a header, in place of all of the same name. Blanks around the value are left out. Refused
  // (std::invalid_argument, whose text says why) are names that are no token, values with control characters,
  // and the headers that are baton's business: Content-Length, Transfer-Encoding, Connection, Date, Host,
  // Server, Keep-Alive, Upgrade and Trailer.
  Response& header(std::string_view name, std::string_view value) { return put_header(name, value, 1); }
  // Adds a header, and leaves those of the same name.
  Response& add_header(std::string_view name, std::string_view value) { return put_header(name, value, 0); }

  // Refused (std::invalid_argument) are a name that is no token, and a value with control characters, spaces,
  // quotes, commas, semicolons, backslashes or bytes beyond ASCII: encode those.
  Response& set_cookie(std::string_view name, std::string_view value, const CookieOptions& options = {});

  // Sets the body and its type, in place of the body so far.
  void text(std::string_view body) { bytes(body, "text/plain; charset=utf-8"); }
  void html(std::string_view body) { bytes(body, "text/html; charset=utf-8"); }
  void bytes(std::string_view body, std::string_view type = "application/octet-stream") {
    header("Content-Type", type);
    detail::host->set_body(response_, detail::text(body));
  }
  // `value`: anything that nlohmann::json can be made of. Text that is no UTF-8 is repaired.
  void json(const nlohmann::json& value) { dump(value); }
  // The same for an ordered_json, which keeps its members in order.
  template <std::same_as<nlohmann::ordered_json> Ordered>
  void json(const Ordered& value) {
    dump(value);
  }

  // Sends a regular file; baton does not read it into memory, and answers conditional and range requests if
  // the status is 200. Without `type` the name of the file decides. Throws HttpError 404 if the file does not
  // exist, std::system_error if it cannot be opened. Give absolute paths (Config::path).
  void file(const std::string& path, std::string_view type = {}) {
    const int error = detail::host->send_file(response_, detail::text(path));
    if (error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG || error == EISDIR) throw HttpError(404);
    if (error != 0) throw std::system_error(error, std::generic_category(), path);
    if (!type.empty()) header("Content-Type", type);
  }

  // `code`: 301, 302, 303, 307 or 308. After a form was handled, 303 makes the browser GET `location`.
  void redirect(std::string_view location, int code = 302) {
    if (code < 300 || code > 399) throw std::out_of_range("redirect with status " + std::to_string(code));
    status(code).header("Location", location);
    detail::host->set_body(response_, {});
  }

  // Makes the response baton's own page for an error, HTML or JSON as the client prefers, in place of all
  // that was set. `status`: 400 to 599, else std::out_of_range. `message` is for the client to read.
  void error(int status, std::string_view message = {}) {
    if (status < 400 || status > 599) throw std::out_of_range("error with status " + std::to_string(status));
    detail::host->set_error(response_, status, detail::text(message));
  }

  // Adds to the body, which may grow to any size.
  Response& write(std::string_view bytes) {
    detail::host->write(response_, detail::text(bytes));
    return *this;
  }
  // Sends what there is, and streams from here on: later write()s are sent with the next flush() or when the
  // handler returns. baton keeps what the client does not take yet, up to `stream_backlog` ([limits]); past
  // that this waits for the client. Returns false if the client is gone, or has taken nothing for as long as
  // [timeouts] send allows. Once the response streams, status, headers, and functions that replace the body
  // have no effect, and an error ends the connection.
  bool flush() {
    streams_ = true;
    return detail::host->flush(response_) != 0;
  }
  // The same, but never waits: for data that a slow client can do without, or get less often.
  Flushed try_flush() {
    streams_ = true;
    const int result = detail::host->try_flush(response_);
    return result == BATON_FLUSH_FULL ? Flushed::kFull : result != 0 ? Flushed::kDone : Flushed::kGone;
  }
  // Whether the client has hung up, also while there is nothing to send. baton looks at most once in 10 ms,
  // so every turn of a loop can ask. A client that has closed its own side only, and still reads, looks as if
  // it had hung up.
  [[nodiscard]] bool client_gone() const { return detail::host->client_gone(response_) != 0; }
  [[nodiscard]] bool streams() const { return streams_; }

 private:
  Response& put_header(std::string_view name, std::string_view value, int replace) {
    if (detail::host->set_header(response_, detail::text(name), detail::text(value), replace) == 0 &&
        !streams_) {
      throw std::invalid_argument("header refused: " +
                                  std::string(detail::view(detail::host->refusal(response_))));
    }
    return *this;
  }

  template <typename Json>
  void dump(const Json& value) {
    bytes(value.dump(-1, ' ', false, Json::error_handler_t::replace), "application/json");
  }

  baton_response* response_;
  bool streams_ = false;
};

namespace detail {

inline bool is_cookie_value(std::string_view value) {
  for (const char c : value) {
    if (c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\') return false;
  }
  return true;
}

// A cookie's name is a token (RFC 9110 5.6.2).
inline bool is_token(std::string_view name) {
  constexpr std::string_view kSeparators = "\"(),/:;<=>?@[\\]{}";
  for (const char c : name) {
    if (c <= ' ' || c >= 0x7f || kSeparators.find(c) != std::string_view::npos) return false;
  }
  return !name.empty();
}

}  // namespace detail

inline Response& Response::set_cookie(std::string_view name, std::string_view value,
                                      const CookieOptions& options) {
  const auto require = [&](bool holds, const char* why) {
    if (!holds) throw std::invalid_argument("cookie \"" + std::string(name) + "\": " + why);
  };
  require(detail::is_token(name), "the name is no token");
  require(detail::is_cookie_value(value), "the value has characters that cookies cannot hold");
  require(options.path.find(';') == std::string_view::npos, "the path has a semicolon");
  require(options.domain.find(';') == std::string_view::npos, "the domain has a semicolon");
  require(options.same_site != SameSite::kNone || options.secure, "SameSite=None needs Secure");

  std::string line = std::string(name).append("=").append(value);
  if (!options.path.empty()) line.append("; Path=").append(options.path);
  if (!options.domain.empty()) line.append("; Domain=").append(options.domain);
  if (options.max_age) line.append("; Max-Age=").append(std::to_string(options.max_age->count()));
  if (options.secure) line += "; Secure";
  if (options.http_only) line += "; HttpOnly";
  switch (options.same_site) {
    case SameSite::kStrict: line += "; SameSite=Strict"; break;
    case SameSite::kLax: line += "; SameSite=Lax"; break;
    case SameSite::kNone: line += "; SameSite=None"; break;
  }
  return add_header("Set-Cookie", line);
}

}  // namespace baton::inline sdk
