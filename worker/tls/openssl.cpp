#include "worker/tls/openssl.h"

#include <openssl/err.h>

namespace baton::tls {

std::string take_error() {
  const char* reason = ::ERR_reason_error_string(::ERR_peek_last_error());
  std::string text = reason != nullptr ? reason : "unknown error";
  ::ERR_clear_error();
  return text;
}

}  // namespace baton::tls
