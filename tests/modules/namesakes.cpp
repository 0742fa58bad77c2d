// A module with libraries of its own that have the names of baton's, but are something else: as if it had
// been compiled with other versions of them. It exports them, as a module does that was built without care.
// Each call goes by the name that the linker sees, and is to find the module's.
#include <string>

#include "tests/modules/module.h"

#define OWN __attribute__((visibility("default")))
#define OWN_FUNCTION __attribute__((visibility("default"), noinline))

extern "C" {
OWN_FUNCTION void* make_fcontext(void*, std::size_t, void (*)(void*)) {
  static char own = 0;
  return &own;
}
OWN_FUNCTION int jump_fcontext(int) {
  return 1;
}
}

namespace fmt {
inline namespace v9 {

template <typename Char>
struct OWN basic_string_view {
  int other_layout[5];
};
struct OWN appender {};
template <typename Out, typename Char>
struct OWN basic_format_context {};
template <typename Context>
struct OWN basic_format_args {
  char other_layout[100];
};
OWN_FUNCTION std::string vformat(basic_string_view<char>,
                                 basic_format_args<basic_format_context<appender, char>>) {
  return "fmt ";
}

}  // namespace v9
}  // namespace fmt

namespace spdlog {

struct OWN logger {
  char other_layout[3];
};
namespace details {
struct OWN registry {
  static OWN_FUNCTION registry& instance() {
    static registry one;
    return one;
  }
  OWN_FUNCTION std::string name() const { return name_; }
  std::string name_ = "spdlog ";
};
}  // namespace details

}  // namespace spdlog

namespace nlohmann {
inline namespace json_abi_v3_11_2 {
namespace detail {

struct OWN exception {
  OWN_FUNCTION static std::string name(const std::string&, int) { return "nlohmann "; }
};

}  // namespace detail
}  // namespace json_abi_v3_11_2
}  // namespace nlohmann

namespace boost::interprocess {

struct OWN mapped_region {
  OWN_FUNCTION std::string get_name() const { return "boost "; }
  OWN_FUNCTION static std::size_t get_page_size() { return page_size_holder; }
  static inline OWN std::size_t page_size_holder = 17;
};

}  // namespace boost::interprocess

namespace baton::log {

OWN_FUNCTION std::string write(int) {
  return "baton ";
}

}  // namespace baton::log

namespace {

using namespace test_module;

void call_all(void*, const baton_request*, baton_response* r) {
  std::string answers = fmt::vformat({}, {}) + spdlog::details::registry::instance().name() +
                        nlohmann::detail::exception::name("", 0) +
                        boost::interprocess::mapped_region().get_name() +
                        std::to_string(boost::interprocess::mapped_region::get_page_size()) + ' ' +
                        baton::log::write(0) + std::to_string(jump_fcontext(0));
  if (make_fcontext(nullptr, 0, nullptr) == nullptr) answers += " no fcontext";
  host->set_body(r, text(answers));
}

int setup(const baton_host* functions, baton_setup* setup) {
  begin(functions, setup);
  add(setup, route("GET", "/all", call_all));
  add(setup, route("GET", "/say/:text", say));
  return 0;
}

constexpr baton_module kModule{sizeof(baton_module), BATON_ABI_MAJOR, BATON_ABI_MINOR, setup};

}  // namespace

const baton_module* baton_module_entry() {
  return &kModule;
}
