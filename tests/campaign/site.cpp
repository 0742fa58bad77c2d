#include "tests/campaign/site.h"

#include "tests/support/bulk.h"
#include "tests/support/certificates.h"

namespace baton::survive {

Site::Site() {
  test::write_pattern(folder, "root/huge", kHugeBytes);
  test::write_pattern(folder, "root/large", kLargeBytes);
  test::write_pattern(folder, "root/medium", kMediumBytes);
  (void)test::TestCa().issue(folder, "certificate", {});
  for (int i = 0; i < kSmallFiles; ++i)
    test::write_pattern(folder, "root/small" + std::to_string(i), small_bytes(i));
}

std::string Site::config(unsigned workers, unsigned max_connections, bool tls) const {
  const std::string certificate =
      tls ? "certificates = [{ chain = \"certificate.pem\", key = \"certificate.key\" }]\n" : "";
  return "[server]\nworkers = " + std::to_string(workers) +
         "\nmax_connections = " + std::to_string(max_connections) +
         // A request that meets a second and a third kill is still to be answered.
         "\n[limits]\nretries = 10\nbody_bytes = \"4M\"\n[log]\naccess = \"access.log\"\n"
         "[[listen]]\naddress = \"127.0.0.1:0\"\ntls = " +
         (tls ? "true" : "false") + "\n[[listen]]\naddress = \"unix:" + socket() + "\"\n[[site]]\n" +
         certificate +
         "[[site.route]]\npath = \"/hello\"\nrespond = { body = \"hello\" }\n"
         "[[site.route]]\npath = \"/files/\"\nstatic = { root = \"root\", listing = true }\n";
}

}  // namespace baton::survive
