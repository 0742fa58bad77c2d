#include "worker/tls/certificate.h"

#include <fcntl.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <limits>
#include <stdexcept>
#include <system_error>

#include "common/base/unique_fd.h"

namespace baton::tls {

namespace {

[[noreturn]] void fail(const std::string& file, const std::string& reason) {
  throw std::runtime_error(file + ": " + reason);
}

BioPtr over(const std::string& bytes) {
  return BioPtr(::BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

// A key that is encrypted is refused. Without this, OpenSSL would ask for its password at the terminal.
int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

KeyPtr load_key(const std::string& file) {
  std::string pem = read_small_file(file);
  bool encrypted = false;
  KeyPtr key(::PEM_read_bio_PrivateKey(over(pem).get(), nullptr, no_password, &encrypted));
  ::OPENSSL_cleanse(pem.data(), pem.size());
  if (encrypted)
    fail(file, "the key is encrypted; store it without a password (openssl pkey -in ... -out ...)");
  if (!key) fail(file, "no private key in PEM format: " + take_error());
  ::ERR_clear_error();
  return key;
}

// Until when a response may be shown, by its earliest nextUpdate.
std::int64_t staple_expiry(const std::string& der, const std::string& file) {
  BioPtr bio = over(der);
  const OcspResponsePtr response(d2i_OCSP_RESPONSE_bio(bio.get(), nullptr));
  if (!response) fail(file, "no OCSP response in DER format: " + take_error());
  if (::OCSP_response_status(response.get()) != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    fail(file, "the OCSP response reports an error of the responder; fetch it again");
  }
  const OcspBasicPtr basic(::OCSP_response_get1_basic(response.get()));
  if (!basic) fail(file, "the OCSP response has no basic response: " + take_error());
  std::int64_t expires = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < ::OCSP_resp_count(basic.get()); ++i) {
    ASN1_GENERALIZEDTIME* next = nullptr;
    ::OCSP_single_get0_status(::OCSP_resp_get0(basic.get(), i), nullptr, nullptr, nullptr, &next);
    if (next != nullptr) expires = std::min(expires, unix_time(*next));
  }
  return expires;
}

}  // namespace

std::string read_small_file(const std::string& file) {
  constexpr std::size_t kMostBytes = 1 << 20;
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) fail(file, "cannot open it: " + std::generic_category().message(errno));
  std::string bytes(kMostBytes + 1, '\0');
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t n = ::read(fd.get(), bytes.data() + size, bytes.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(file, "cannot read it: " + std::generic_category().message(errno));
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size > kMostBytes) fail(file, "larger than 1 MiB");
  // The rest of the buffer holds nothing, so nothing of a key is left in memory that was given back.
  bytes.resize(size);
  return bytes;
}

std::vector<X509Ptr> parse_certificates(const std::string& pem, const std::string& file) {
  const BioPtr bio = over(pem);
  std::vector<X509Ptr> certificates;
  ::ERR_clear_error();
  while (X509* one = ::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    certificates.emplace_back(one);
  const bool at_end = ERR_GET_REASON(::ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!at_end) fail(file, "damaged certificate: " + take_error());
  ::ERR_clear_error();
  if (certificates.empty()) fail(file, "no certificate in PEM format");
  return certificates;
}

std::int64_t unix_time(const ASN1_TIME& time) {
  std::tm parts{};
  if (::ASN1_TIME_to_tm(&time, &parts) != 1) return 0;
  return ::timegm(&parts);
}

Certificate Certificate::load(const CertificateConfig& config) {
  Certificate made;
  made.file = config.chain;
  made.chain = parse_certificates(read_small_file(config.chain), config.chain);
  made.leaf = std::move(made.chain.front());
  made.chain.erase(made.chain.begin());
  made.key = load_key(config.key);
  if (::X509_check_private_key(made.leaf.get(), made.key.get()) != 1) {
    fail(config.key, "does not fit the certificate in " + config.chain + ": " + take_error());
  }
  if (!config.ocsp.empty()) {
    made.staple = read_small_file(config.ocsp);
    made.staple_expires = staple_expiry(made.staple, config.ocsp);
  }
  return made;
}

}  // namespace baton::tls
