// Reads certificates and keys with OpenSSL and says what is wrong with them. For a process that has no other
// purpose (master/certificate_check.h): the private keys are in its memory.
#pragma once

#include "common/config/config.h"
#include "master/certificate_check.h"

namespace baton {

// Throws std::bad_alloc only.
CertificateReport inspect_certificates(const Config& config);

}  // namespace baton
