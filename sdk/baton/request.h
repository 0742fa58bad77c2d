// Part of <baton/module.h>. The request in hand.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "error.h"
#include "form.h"
#include "host.h"
#include "input.h"
#include "text.h"

namespace baton::inline sdk {

namespace detail {

// The whole of `text` as a decimal number; nothing if it is none, or does not fit.
template <std::integral Number>
std::optional<Number> to_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace detail

// Valid during the handler's call, as is every string_view that it returns: copy what must live longer.
// Query, cookies and form are decoded when they are first asked for.
class Request {
 public:
  explicit Request(const baton_request& request) : request_(request) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  // "GET", "HEAD", "POST", "PUT", "PATCH" or "DELETE".
  [[nodiscard]] std::string_view method() const { return detail::view(request_.method); }
  // The path, percent-decoded, without "." and ".." segments. Begins with "/", and with mount().
  [[nodiscard]] std::string_view path() const { return detail::view(request_.path); }
  // The path of the configuration's route, without its last "/": put it before paths of links and redirects.
  [[nodiscard]] std::string_view mount() const { return detail::view(request_.mount); }
  // Path and query as the client sent them, not decoded. Bytes that a URI cannot hold, but that clients send
  // all the same, such as raw UTF-8, '"', '<' or '[', are written as %XX.
  [[nodiscard]] std::string_view target() const { return detail::view(request_.target); }
  // The host without the port; "" if the client named none.
  [[nodiscard]] std::string_view host() const { return detail::view(request_.host); }
  // The client's address: "192.0.2.1", "2001:db8::1" or "unix".
  [[nodiscard]] std::string_view peer() const { return detail::view(request_.peer); }
  // Whether this worker is to go: the server stops, or a reload, an upgrade or recycling puts another worker
  // in its place. A handler that takes long should then come to its end. This costs next to nothing.
  [[nodiscard]] bool stopping() const { return detail::host->stopping() != 0; }
  // 1 for HTTP/1.1, 0 for HTTP/1.0.
  [[nodiscard]] unsigned http_minor() const { return request_.http_minor; }

  // What the route's pattern has captured, percent-decoded. Throws std::logic_error if the pattern has no
  // such parameter: that is a mistake in the module.
  [[nodiscard]] std::string_view param(std::string_view name) const {
    for (std::size_t i = 0; i < request_.param_count; ++i) {
      const baton_pair& param = request_.params[i];
      if (detail::view(param.name) == name) return detail::view(param.value);
    }
    throw std::logic_error("the route's pattern has no parameter \"" + std::string(name) + "\"");
  }
  // The same as a number. Throws HttpError 404 if it is none, or does not fit: the site has no such path.
  template <std::integral Number>
  [[nodiscard]] Number param(std::string_view name) const {
    if (const auto number = detail::to_number<Number>(param(name))) return *number;
    throw HttpError(404);
  }

  // The first parameter of this name behind the "?", decoded; nothing if there is none.
  [[nodiscard]] std::optional<std::string_view> query(std::string_view name) const {
    return find_field(queries(), name);
  }
  // The same as a number. Throws HttpError 400 if it is none, or does not fit.
  template <std::integral Number>
  [[nodiscard]] std::optional<Number> query(std::string_view name) const {
    const auto value = query(name);
    if (!value) return std::nullopt;
    if (const auto number = detail::to_number<Number>(*value)) return number;
    throw HttpError(400, std::string(name) + " is to be a whole number");
  }
  // All parameters behind the "?", decoded, in the order sent.
  [[nodiscard]] const std::vector<Field>& queries() const {
    if (!queries_) {
      detail::parse_urlencoded(query_string(), SIZE_MAX, queries_.emplace());
    }
    return queries_->fields;
  }
  // What follows the "?", not decoded.
  [[nodiscard]] std::string_view query_string() const { return detail::view(request_.query); }

  // The first header of this name, without regard to case; nothing if there is none.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const {
    for (std::size_t i = 0; i < request_.header_count; ++i) {
      if (detail::same_name(detail::view(request_.headers[i].name), name)) {
        return detail::view(request_.headers[i].value);
      }
    }
    return std::nullopt;
  }
  // All headers, in the order sent.
  [[nodiscard]] std::vector<Field> headers() const {
    std::vector<Field> all;
    all.reserve(request_.header_count);
    for (std::size_t i = 0; i < request_.header_count; ++i) {
      all.push_back({detail::view(request_.headers[i].name), detail::view(request_.headers[i].value)});
    }
    return all;
  }

  // The value of the first cookie of this name; nothing if there is none.
  [[nodiscard]] std::optional<std::string_view> cookie(std::string_view name) const {
    return find_field(cookies(), name);
  }
  [[nodiscard]] const std::vector<Field>& cookies() const {
    if (cookies_) return *cookies_;
    std::vector<Field>& cookies = cookies_.emplace();
    for (std::size_t i = 0; i < request_.header_count; ++i) {
      const baton_pair& header = request_.headers[i];
      if (detail::same_name(detail::view(header.name), "Cookie")) {
        detail::parse_cookies(detail::view(header.value), cookies);
      }
    }
    return cookies;
  }

  // The whole body, of any size: a large one is a mapping of the file that baton wrote it to, not memory.
  [[nodiscard]] std::string_view body() const { return detail::view(request_.body); }

  // The body as JSON, read anew at each call. Throws HttpError 400 if the body is no JSON, has a number that
  // no double can hold, or is nested more than 100 deep (copying and writing JSON use the stack at each
  // level). An exception of nlohmann::json itself, as for a missing member, becomes a 500 like any other; see
  // input().
  [[nodiscard]] nlohmann::json json() const {
    constexpr std::size_t kMaxDepth = 100;
    if (detail::json_depth(body()) > kMaxDepth) throw HttpError(400, "the body's JSON is nested too deep");
    try {
      return nlohmann::json::parse(body());
    } catch (const nlohmann::json::parse_error& error) {
      throw HttpError(400, "the body is no JSON: byte " + std::to_string(error.byte));
    } catch (const nlohmann::json::out_of_range&) {
      throw HttpError(400, "the body's JSON has a number that is too large");
    }
  }
  // The same, read once. The handler asks it for what it needs; a value that is missing or of another type
  // throws HttpError 400, which says where.
  [[nodiscard]] Input input() const {
    if (!json_) json_ = json();
    return Input(*json_);
  }

  // The body as an HTML form, read at the first call. Throws HttpError if it is none (see Form::parse).
  [[nodiscard]] const Form& form(std::size_t max_fields = 1000) const {
    if (!form_) form_ = Form::parse(header("Content-Type").value_or(""), body(), max_fields);
    return *form_;
  }

 private:
  const baton_request& request_;
  mutable std::optional<detail::DecodedFields> queries_;
  mutable std::optional<std::vector<Field>> cookies_;
  mutable std::optional<nlohmann::json> json_;
  mutable std::optional<Form> form_;
};

}  // namespace baton::inline sdk
