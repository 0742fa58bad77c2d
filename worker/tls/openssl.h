// Owners for OpenSSL's objects, and what it says went wrong.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/ocsp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace baton::tls {

template <auto kFree>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using BioPtr = std::unique_ptr<BIO, FreeWith<::BIO_free>>;
using CipherPtr = std::unique_ptr<EVP_CIPHER, FreeWith<::EVP_CIPHER_free>>;
using KdfContextPtr = std::unique_ptr<EVP_KDF_CTX, FreeWith<::EVP_KDF_CTX_free>>;
using KdfPtr = std::unique_ptr<EVP_KDF, FreeWith<::EVP_KDF_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeWith<::EVP_PKEY_free>>;
using OcspBasicPtr = std::unique_ptr<OCSP_BASICRESP, FreeWith<::OCSP_BASICRESP_free>>;
using OcspResponsePtr = std::unique_ptr<OCSP_RESPONSE, FreeWith<::OCSP_RESPONSE_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, FreeWith<::SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, FreeWith<::SSL_free>>;
using X509Ptr = std::unique_ptr<X509, FreeWith<::X509_free>>;

// Prepares OpenSSL in the calling process and its children. Call before the first child is cloned: otherwise each
// would open OpenSSL's configuration file when it is first needed. In a descriptor table that others share, they would
// take it for what a dead process has left, close it, and OpenSSL would then close another client's socket. Here the
// file is not read at all: what is spoken is said in baton's own. Throws std::runtime_error.
void prepare_openssl();

// The reason of the latest error in this thread's queue, which is emptied; "unknown error" if it is empty.
std::string take_error();

}  // namespace baton::tls
