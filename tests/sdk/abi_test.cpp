// The layout of the boundary is a promise to modules that were compiled long ago: it is written down here,
// and may only grow at the ends. A change of any number below is a new major version.
#include "sdk/baton/abi.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <type_traits>

#include "tests/sdk/fake_host.h"

extern "C" const baton_module* baton_c99_module(void);

namespace baton::test {
namespace {

// x86-64 and AArch64 lay these out alike.
static_assert(sizeof(void*) == 8 && sizeof(std::size_t) == 8);

#define EXPECT_AT(type, member, offset) static_assert(offsetof(type, member) == (offset))

static_assert(sizeof(baton_text) == 16 && std::is_trivial_v<baton_text>);
EXPECT_AT(baton_text, data, 0);
EXPECT_AT(baton_text, size, 8);

static_assert(sizeof(baton_pair) == 32);
EXPECT_AT(baton_pair, name, 0);
EXPECT_AT(baton_pair, value, 16);

static_assert(sizeof(baton_request) == 168);
EXPECT_AT(baton_request, struct_size, 0);
EXPECT_AT(baton_request, http_minor, 4);
EXPECT_AT(baton_request, method, 8);
EXPECT_AT(baton_request, target, 24);
EXPECT_AT(baton_request, path, 40);
EXPECT_AT(baton_request, mount, 56);
EXPECT_AT(baton_request, query, 72);
EXPECT_AT(baton_request, host, 88);
EXPECT_AT(baton_request, peer, 104);
EXPECT_AT(baton_request, headers, 120);
EXPECT_AT(baton_request, header_count, 128);
EXPECT_AT(baton_request, params, 136);
EXPECT_AT(baton_request, param_count, 144);
EXPECT_AT(baton_request, body, 152);

static_assert(sizeof(baton_route) == 96);
EXPECT_AT(baton_route, struct_size, 0);
EXPECT_AT(baton_route, method, 8);
EXPECT_AT(baton_route, pattern, 24);
EXPECT_AT(baton_route, handler, 40);
EXPECT_AT(baton_route, user, 48);
EXPECT_AT(baton_route, timeout_ms, 56);
EXPECT_AT(baton_route, max_body, 64);
EXPECT_AT(baton_route, max_concurrency, 72);
EXPECT_AT(baton_route, retries, 80);
EXPECT_AT(baton_route, idempotent, 88);

static_assert(sizeof(baton_dict_stats) == 72);
EXPECT_AT(baton_dict_stats, struct_size, 0);
EXPECT_AT(baton_dict_stats, entries, 8);
EXPECT_AT(baton_dict_stats, bytes_used, 16);
EXPECT_AT(baton_dict_stats, bytes_total, 24);
EXPECT_AT(baton_dict_stats, hits, 32);
EXPECT_AT(baton_dict_stats, misses, 40);
EXPECT_AT(baton_dict_stats, evictions, 48);
EXPECT_AT(baton_dict_stats, expired, 56);
EXPECT_AT(baton_dict_stats, repairs, 64);

static_assert(sizeof(baton_host) == 232);
EXPECT_AT(baton_host, struct_size, 0);
EXPECT_AT(baton_host, abi_major, 4);
EXPECT_AT(baton_host, abi_minor, 6);
EXPECT_AT(baton_host, add_route, 8);
EXPECT_AT(baton_host, on_worker_start, 16);
EXPECT_AT(baton_host, on_worker_stop, 24);
EXPECT_AT(baton_host, config, 32);
EXPECT_AT(baton_host, config_folder, 40);
EXPECT_AT(baton_host, setup_failed, 48);
EXPECT_AT(baton_host, log, 56);
EXPECT_AT(baton_host, set_status, 64);
EXPECT_AT(baton_host, set_header, 72);
EXPECT_AT(baton_host, set_body, 80);
EXPECT_AT(baton_host, write, 88);
EXPECT_AT(baton_host, send_file, 96);
EXPECT_AT(baton_host, set_error, 104);
EXPECT_AT(baton_host, flush, 112);
EXPECT_AT(baton_host, fail, 120);
EXPECT_AT(baton_host, dict_open, 128);
EXPECT_AT(baton_host, dict_get, 136);
EXPECT_AT(baton_host, dict_set, 144);
EXPECT_AT(baton_host, dict_add, 152);
EXPECT_AT(baton_host, dict_increment, 160);
EXPECT_AT(baton_host, dict_compare_and_swap, 168);
EXPECT_AT(baton_host, dict_remove, 176);
EXPECT_AT(baton_host, dict_clear, 184);
EXPECT_AT(baton_host, dict_stats, 192);
EXPECT_AT(baton_host, refusal, 200);
EXPECT_AT(baton_host, try_flush, 208);
EXPECT_AT(baton_host, client_gone, 216);
EXPECT_AT(baton_host, stopping, 224);

static_assert(sizeof(baton_module) == 16);
EXPECT_AT(baton_module, struct_size, 0);
EXPECT_AT(baton_module, abi_major, 4);
EXPECT_AT(baton_module, abi_minor, 6);
EXPECT_AT(baton_module, setup, 8);

static_assert(BATON_UNSET == -1);
static_assert(BATON_LOG_DEBUG == 0 && BATON_LOG_INFO == 1 && BATON_LOG_WARN == 2 && BATON_LOG_ERROR == 3);
static_assert(BATON_DICT_OK == 0 && BATON_DICT_NOT_FOUND == 1 && BATON_DICT_EXISTS == 2 &&
              BATON_DICT_MISMATCH == 3 && BATON_DICT_NOT_A_NUMBER == 4 && BATON_DICT_TOO_LARGE == 5);

// Compiled as C99 with -pedantic -Werror (Makefile).
TEST(SdkAbi, AModuleCanBeWrittenInC) {
  FakeHost host;
  ASSERT_EQ(host.set_up(*baton_c99_module()), 0);
  FakeRequest request;
  request.path = "/hello";
  const FakeResponse response = host.call("/hello", request);
  EXPECT_EQ(response.body, "hello from C to /hello");
  EXPECT_EQ(response.header("Content-Type"), "text/plain\n");
}

}  // namespace
}  // namespace baton::test
