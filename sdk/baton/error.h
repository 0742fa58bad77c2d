// Part of <baton/module.h>. The exception that a handler throws to answer with an error.
#pragma once

#include <stdexcept>
#include <string>

namespace baton::inline sdk {

// If a handler throws this, the response becomes baton's page for `status`, with `message` for the client to
// read; what the handler has set is forgotten. Any other exception becomes a plain 500, whose reason goes to
// the log only. Once the response streams, both end the connection.
class HttpError : public std::runtime_error {
 public:
  // `status`: 400 to 599, else std::out_of_range.
  explicit HttpError(int status, const std::string& message = {})
      : std::runtime_error(message), status_(checked(status)) {}

  [[nodiscard]] int status() const noexcept { return status_; }

 private:
  static int checked(int status) {
    if (status >= 400 && status <= 599) return status;
    throw std::out_of_range("an HttpError has a status from 400 to 599, not " + std::to_string(status));
  }

  int status_;
};

}  // namespace baton::inline sdk
