#include "worker/tls/openssl.h"

#include <openssl/err.h>

#include <stdexcept>

namespace baton::tls {

void prepare_openssl() {
  if (::OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr) != 1)
    throw std::runtime_error("OpenSSL cannot be used: " + take_error());
}

std::string take_error() {
  const char* reason = ::ERR_reason_error_string(::ERR_peek_last_error());
  std::string text = reason != nullptr ? reason : "unknown error";
  ::ERR_clear_error();
  return text;
}

}  // namespace baton::tls
