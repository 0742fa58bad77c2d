// Any bytes in place of a configuration file: either a configuration within its documented ranges or at least
// one error, in file order, never both. Looks at the file system only as the loader does, and opens nothing.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <tuple>

#include "common/config/text.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const baton::Config& config) {
  require(config.server.workers >= 1 && config.server.workers <= baton::kMaxWorkersPerGeneration);
  require(config.server.max_connections >= 1 && config.server.max_connections <= baton::kMaxConnections);
  require(config.limits.header_bytes >= 1'024 && config.limits.header_bytes <= 65'536);
  require(config.limits.retries <= baton::kMaxRetries);
  require(config.timeouts.header > baton::Duration::zero() && config.timeouts.send > baton::Duration::zero());
  require(!config.listen.empty() && !config.sites.empty());
  for (const auto& listen : config.listen)
    require(baton::Address::parse(listen.address.to_string()).has_value());
  for (const auto& site : config.sites) {
    for (const auto& route : site.routes) {
      require(route.path.starts_with('/'));
      for (const auto& field : route.headers) {
        require(!field.name.empty() && field.value.find_first_of("\r\n") == std::string::npos);
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const baton::ConfigResult result =
      baton::load_config_text({reinterpret_cast<const char*>(data), size}, "/nonexistent/baton.toml");
  require(result.config.has_value() == result.errors.empty());
  require(
      std::ranges::is_sorted(result.errors, {}, [](const auto& e) { return std::tie(e.line, e.column); }));
  for (const auto& error : result.errors)
    require(error.line > 0 && error.column > 0 && !error.message.empty());
  if (result.config) check(*result.config);
  return 0;
}
