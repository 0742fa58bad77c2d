/* The boundary between baton and a handler module: plain C, one exported function. C++ users want
 * <baton/module.h>, which is built on this.
 *
 * A module is a shared object that a route of the configuration names. Each worker loads it into its app
 * thread. That thread has a descriptor table of its own: the descriptors that a module opens are its own, and
 * a wrong number in a module cannot reach those of clients and listeners. This protects against faults, not
 * against malice. A module is trusted code: one that means harm can do all that the server's user can
 * (docs/security.md).
 *
 * Threads. Everything here is called on the app thread, one call at a time, except where it says "any
 * thread".
 *
 * Exceptions. No C++ type and no exception may cross the boundary. An exception that leaves a function of the
 * module ends the worker, and with it the request, as a crash does.
 *
 * Text. A baton_text is a pointer and a length, with no NUL at the end; `data` may be null when `size` is 0.
 * Text from baton lives as long as the function says. Baton copies text from the module before the call
 * returns, except where the function says otherwise.
 *
 * Versions. A module says with which version of this file it was compiled. baton loads the module if the
 * major versions are the same and the module's minor version is not above baton's; otherwise it refuses the
 * module at start or reload. Structures and the function table grow at their ends only, with the minor
 * version. `struct_size`, the size of the structure as its maker knows it, tells which members are there.
 */
#ifndef BATON_ABI_H
#define BATON_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BATON_ABI_MAJOR 1
#define BATON_ABI_MINOR 1

typedef struct baton_text {
  const char* data;
  size_t size;
} baton_text;

typedef struct baton_pair {
  baton_text name;
  baton_text value;
} baton_pair;

/* One module being set up; valid during baton_module::setup. */
typedef struct baton_setup baton_setup;
/* The response in the making; valid during the handler's call. */
typedef struct baton_response baton_response;
/* A shared dictionary; valid as long as the worker lives. */
typedef struct baton_dict baton_dict;

/* The request in hand. The structure and all that it points to are valid during the handler's call. The
 * module must not write to them. */
typedef struct baton_request {
  uint32_t struct_size;
  uint32_t http_minor; /* 0: HTTP/1.0, 1: HTTP/1.1 */
  baton_text method;   /* "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH" */
  baton_text target;   /* as the client sent it; but bytes that a URI cannot hold are written as %XX */
  baton_text path;     /* percent-decoded, without "." and ".." segments; begins with "/" */
  baton_text mount;    /* the route's path in the configuration without its last "/": "" or "/api" */
  baton_text query;    /* what follows the "?", not decoded */
  baton_text host;     /* without the port; empty when the client named none */
  baton_text peer;     /* the client's address: "192.0.2.1", "2001:db8::1" or "unix" */
  /* In the order sent. Names are as sent; compare them without regard to case. */
  const baton_pair* headers;
  size_t header_count;
  const baton_pair* params; /* what the pattern of the route has captured, percent-decoded */
  size_t param_count;
  /* The whole body, decoded. A large one is a mapping of the file that baton wrote it to. */
  baton_text body;
} baton_request;

/* Fills in the response. baton sends it when the handler has returned, or from the first flush() on. */
typedef void (*baton_handler)(void* user, const baton_request* request, baton_response* response);

/* For an option that a route leaves open: then `module = {..}` of the configuration decides, and if that
 * leaves it open as well, [timeouts] and [limits]. */
#define BATON_UNSET (-1)

typedef struct baton_route {
  uint32_t struct_size;
  /* "GET", "POST", "PUT", "DELETE", "PATCH"; "*": all of them. A route for GET answers HEAD as well, without
   * the body. baton itself answers OPTIONS, and methods for which a path has no route. */
  baton_text method;
  /* Matched with the path behind the mount. A segment is a literal, or ":name" for any one segment; the last
   * may be "*name" for all that remains, also for nothing. For each segment a literal goes before a
   * parameter, and a parameter before the rest: the order of registration does not matter. */
  baton_text pattern;
  baton_handler handler;
  void* user; /* passed to the handler */
  /* Milliseconds, at least 1; 0: no limit. If a handler runs longer, the watchdog ends its worker, and the
   * client gets 504. */
  int64_t timeout_ms;
  /* Bytes. A larger body gets 413; where its length is known, before it is read. */
  int64_t max_body;
  /* 1 to 64: how many workers may be in this handler at a time; further requests get 503 with Retry-After.
   * 0: no limit. */
  int64_t max_concurrency;
  /* 0 to 10: how many times an idempotent request is begun again after its worker died, before the client
   * gets 500. */
  int64_t retries;
  /* 1: the request may be begun again; 0: it may not; BATON_UNSET: its method decides (POST and PATCH may
   * not). */
  int64_t idempotent;
} baton_route;

enum { BATON_LOG_DEBUG = 0, BATON_LOG_INFO = 1, BATON_LOG_WARN = 2, BATON_LOG_ERROR = 3 };

/* What try_flush() returns when the client takes less than the handler makes. */
#define BATON_FLUSH_FULL (-1)

/* The results of the calls on a dictionary. */
enum {
  BATON_DICT_OK = 0,
  BATON_DICT_NOT_FOUND = 1, /* no such key, or it has expired */
  BATON_DICT_EXISTS = 2,    /* add: the key is there already */
  BATON_DICT_MISMATCH = 3,  /* compare_and_swap: the value is another one */
  /* increment: the value is no decimal 64-bit integer, or the sum would not be one. */
  BATON_DICT_NOT_A_NUMBER = 4,
  /* The entry can never fit: a key has at most 1,024 bytes, an entry at most half of the dictionary. */
  BATON_DICT_TOO_LARGE = 5
};

typedef struct baton_dict_stats {
  uint32_t struct_size; /* set by the caller */
  uint32_t reserved;
  uint64_t entries;
  uint64_t bytes_used;
  uint64_t bytes_total;
  uint64_t hits;
  uint64_t misses;
  /* Entries dropped before their time because there was no room; the least recently used go first. */
  uint64_t evictions;
  uint64_t expired;
  /* How many times a worker died in the middle of a change, and the next user repaired the dictionary. */
  uint64_t repairs;
} baton_dict_stats;

typedef struct baton_host {
  uint32_t struct_size;
  uint16_t abi_major;
  uint16_t abi_minor;

  /* -- setting up: during baton_module::setup only -- */

  /* Adds a route. The setup fails if the pattern is invalid, or if the method has that pattern already. */
  void (*add_route)(baton_setup* setup, const baton_route* route);
  /* Registers `call` to be called in each worker before it serves, in the order registered. If it returns
   * anything but 0, the worker cannot start; say why with setup_failed or log. */
  void (*on_worker_start)(baton_setup* setup, int (*call)(void* user), void* user);
  /* Registers `call` to be called in each worker that retires, after its last request. Not called when a
   * worker dies. */
  void (*on_worker_stop)(baton_setup* setup, void (*call)(void* user), void* user);
  /* The `config = {..}` of the route, as JSON; "{}" when there is none. Valid as long as the worker lives. */
  baton_text (*config)(baton_setup* setup);
  /* The absolute path of the configuration file's folder, where its relative paths start. Valid as long as
   * the worker lives. */
  baton_text (*config_folder)(baton_setup* setup);
  /* Says why the module cannot be used. For baton_module::setup, and for the functions that on_worker_start
   * registers; both use the same `setup`. */
  void (*setup_failed)(baton_setup* setup, baton_text reason);

  /* -- any time, any thread -- */

  /* Writes a line to the error log. */
  void (*log)(int level, baton_text line);

  /* -- responses: during the handler's call -- */

  /* `status`: 200 to 599. A response whose status is never set has 200. Once the response streams, this has
   * no effect; nor have set_header() and all functions that replace the body. */
  void (*set_status)(baton_response* response, int status);
  /* Adds a header line, or replaces all of the same name if `replace` is not 0. Blanks around the value are
   * left out. Returns 1. Refused are a name that is no token, a value with control characters, and the
   * headers that are baton's business: Content-Length, Transfer-Encoding, Connection, Date, Host, Server,
   * Keep-Alive, Upgrade and Trailer. Then it returns 0 and adds nothing, and refusal() says why. */
  int (*set_header)(baton_response* response, baton_text name, baton_text value, int replace);
  /* Makes `bytes` the body, in place of the body so far. */
  void (*set_body)(baton_response* response, baton_text bytes);
  /* Adds to the body. What does not fit in memory waits in a file: a response may be of any size. */
  void (*write)(baton_response* response, baton_text bytes);
  /* Makes a regular file the body. If the status is 200, baton answers conditional and range requests.
   * Returns 0, or errno of open(2): then the response is as it was. A relative path starts in the worker's
   * working folder. */
  int (*send_file)(baton_response* response, baton_text path);
  /* Makes the response baton's own page for an error, in place of status, headers and body so far. `status`:
   * 400 to 599. The page is HTML or JSON, as the client prefers. `detail` is UTF-8 for the client to read,
   * and may be empty. */
  void (*set_error)(baton_response* response, int status, baton_text detail);
  /* Begins to stream, or goes on: hands over the head and all of the body so far, chunked if the client knows
   * HTTP/1.1. baton keeps what the client does not take now, and sends it while the client takes it, also
   * after the handler has returned. So this waits for the client only if more than `stream_backlog`
   * ([limits]) is kept for it, and only until less is. Once a response streams, its request cannot be begun
   * again, and a crash ends the connection. Returns 1; or 0 if the client is gone, or has taken nothing for
   * as long as [timeouts] send allows: then the handler may as well stop. */
  int (*flush)(baton_response* response);
  /* For a handler that failed: the response becomes a plain 500; if it streams already, the connection ends.
   * The reason goes to the log only. */
  void (*fail)(baton_response* response, baton_text reason);

  /* -- shared dictionaries: any thread -- */

  /* Calls that return int return one of BATON_DICT_.... */

  /* Returns the dictionary of this name in the configuration ([[dict]]), or null. */
  baton_dict* (*dict_open)(baton_text name);
  /* `value` is valid until the next call on a dictionary from this thread. */
  int (*dict_get)(baton_dict* dict, baton_text key, baton_text* value);
  /* Replaces the value and its expiry. `ttl_ms`: milliseconds until the entry expires; 0: never. */
  int (*dict_set)(baton_dict* dict, baton_text key, baton_text value, uint64_t ttl_ms);
  /* As set, but only if the key is not there. */
  int (*dict_add)(baton_dict* dict, baton_text key, baton_text value, uint64_t ttl_ms);
  /* Adds `delta` to a decimal integer, which keeps its expiry. If the key is not there, the value becomes
   * `initial` + `delta`, and expires after `ttl_ms`. `result` receives the sum; it may be null. */
  int (*dict_increment)(baton_dict* dict, baton_text key, int64_t delta, int64_t initial, uint64_t ttl_ms,
                        int64_t* result);
  /* As set, but only if the present value is `expected`. */
  int (*dict_compare_and_swap)(baton_dict* dict, baton_text key, baton_text expected, baton_text value,
                               uint64_t ttl_ms);
  int (*dict_remove)(baton_dict* dict, baton_text key);
  void (*dict_clear)(baton_dict* dict);
  void (*dict_stats)(baton_dict* dict, baton_dict_stats* stats);

  /* -- since 1.1 -- */

  /* During the handler's call. Why set_header() last returned 0, for people to read; empty if it never has.
   * Valid until set_header() is called again. */
  baton_text (*refusal)(baton_response* response);
  /* During the handler's call. As flush(), but never waits. Returns 1; or 0 if the client is gone; or
   * BATON_FLUSH_FULL if more than `stream_backlog` is kept for the client: then nothing has been handed over,
   * and what was written goes with a later flush. write() waits where it has to hand something over. */
  int (*try_flush)(baton_response* response);
  /* During the handler's call. Whether the client has hung up: 1, or 0. baton looks at most once in 10 ms, so
   * every turn of a loop can afford this call. A client that has closed its side only, and would still read,
   * looks as if it had hung up; a client whose machine has died without a word looks alive. What the handler
   * makes is sent all the same. */
  int (*client_gone)(baton_response* response);
  /* Any thread, at any time once on_worker_start is called. Whether this worker is to go: 1, or 0. It is when
   * the server stops, or when a reload, an upgrade or recycling puts another worker in its place. A handler
   * that takes long, such as a stream without an end, should then come to its end. If it does not, a stop
   * ends it after shutdown_timeout; otherwise it goes on until its own timeout. */
  int (*stopping)(void);
} baton_host;

typedef struct baton_module {
  uint32_t struct_size;
  /* BATON_ABI_MAJOR and BATON_ABI_MINOR of the header that the module was compiled with. */
  uint16_t abi_major;
  uint16_t abi_minor;
  /* Called in each worker, once for each route of the configuration that names the module. `host` is valid as
   * long as the worker lives. If it returns anything but 0, the module cannot be used. */
  int (*setup)(const baton_host* host, baton_setup* setup);
} baton_module;

/* The one function that a module exports. It must always return the same structure, which must not change. */
#define BATON_MODULE_ENTRY "baton_module_entry"
#if defined(__GNUC__)
#define BATON_EXPORT __attribute__((visibility("default")))
#else
#define BATON_EXPORT
#endif
BATON_EXPORT const baton_module* baton_module_entry(void);

#ifdef __cplusplus
}
#endif

#endif
