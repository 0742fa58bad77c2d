// What the test modules are made of, with nothing but the C boundary.
#pragma once

#include <baton/abi.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <string_view>

namespace test_module {

inline const baton_host* host = nullptr;
inline std::string folder;  // of the configuration

inline baton_text text(std::string_view view) {
  return {view.data(), view.size()};
}
inline std::string_view view(baton_text text) {
  return text.size == 0 ? std::string_view{} : std::string_view{text.data, text.size};
}

inline std::string_view param(const baton_request& request, std::string_view name) {
  for (std::size_t i = 0; i < request.param_count; ++i) {
    if (view(request.params[i].name) == name) return view(request.params[i].value);
  }
  return {};
}
inline std::size_t number(const baton_request& request, std::string_view name) {
  return std::stoul(std::string(param(request, name)));
}

inline std::string path_of(std::string_view name) {
  return folder + "/" + std::string(name);
}
// One byte more in a file beside the configuration: how often something has happened.
inline void count(std::string_view name) {
  const int fd = ::open(path_of(name).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  [[maybe_unused]] const ssize_t ignored = ::write(fd, ".", 1);
  ::close(fd);
}
// Returns when the test has made the file.
inline void await(std::string_view name) {
  while (::access(path_of(name).c_str(), F_OK) != 0) ::usleep(500);
}

inline baton_route route(std::string_view method, std::string_view pattern, baton_handler handler) {
  return {sizeof(baton_route), text(method), text(pattern), handler,     nullptr,
          BATON_UNSET,         BATON_UNSET,  BATON_UNSET,   BATON_UNSET, BATON_UNSET};
}
inline void add(baton_setup* setup, const baton_route& route) {
  host->add_route(setup, &route);
}
// A handler for "/say/:text": a line for the server's log.
inline void say(void*, const baton_request* q, baton_response* r) {
  host->log(BATON_LOG_WARN, text("said: " + std::string(param(*q, "text"))));
  host->set_body(r, text("said"));
}
inline void begin(const baton_host* functions, baton_setup* setup) {
  host = functions;
  folder = view(host->config_folder(setup));
}

}  // namespace test_module
