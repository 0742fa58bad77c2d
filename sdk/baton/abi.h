/* The boundary between baton and a handler module: plain C, one exported function.
 *
 * A module is a shared object that a route of the configuration names. Each worker loads it into its app
 * thread, which has a descriptor table of its own: descriptors that a module opens are its own, and no
 * mistake with a number reaches those of clients and listeners. This is made against faults. A module is
 * trusted code: one that means harm has all that the server's user has (docs/security.md). Everything here is
 * called on that one thread and one call at a time, except where it says "any thread".
 *
 * C++ users want <baton/module.h>, which is made of this. No C++ type and no exception may cross the
 * boundary: an exception that leaves a function of the module ends the worker, and with it the request, as a
 * crash does.
 *
 * Text. A baton_text is a pointer and a length, without a NUL behind it; `data` may be null when `size` is 0.
 * What baton hands out lives as long as the function says; what baton is given is copied before the call
 * returns, except where it says otherwise.
 *
 * Versions. A module says with which version of this file it was compiled. baton loads it when the major
 * versions are the same and the module's minor is not above its own, and refuses it at start or reload
 * otherwise. Structures and the function table grow at their ends only, with the minor version;
 * `struct_size`, their size as their maker knows it, tells what is there.
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

typedef struct baton_setup baton_setup; /* one module being set up; valid during baton_module::setup */
typedef struct baton_response
    baton_response;                   /* the response in the making; valid during the handler's call */
typedef struct baton_dict baton_dict; /* a shared dictionary; valid as long as the worker lives */

/* The request in hand. The structure and all that it points to are valid during the handler's call, and not
 * to be written to. */
typedef struct baton_request {
  uint32_t struct_size;
  uint32_t http_minor; /* HTTP/1.0 or HTTP/1.1 */
  baton_text method;   /* "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH" */
  baton_text target;   /* as the client sent it, but for bytes that a URI cannot hold: those as %XX */
  baton_text path;     /* percent-decoded, without "." and ".." segments; begins with "/" */
  baton_text mount;    /* the route's path in the configuration without its last "/": "" or "/api" */
  baton_text query;    /* what follows the "?", not decoded */
  baton_text host;     /* without the port; empty when the client named none */
  baton_text peer;     /* the client's address, "192.0.2.1", "2001:db8::1" or "unix" */
  const baton_pair*
      headers; /* in the order sent; names as sent, they are to be compared without regard to case */
  size_t header_count;
  const baton_pair* params; /* what the pattern of the route has captured, percent-decoded */
  size_t param_count;
  baton_text body; /* whole and decoded; a large one is a mapping of the file that it was written to */
} baton_request;

/* Fills in the response. It is sent when the handler has returned, unless it has begun to stream (flush). */
typedef void (*baton_handler)(void* user, const baton_request* request, baton_response* response);

/* What a route does not say is told by `module = {..}` in the configuration, and what that does not say by
 * [timeouts] and [limits]. */
#define BATON_UNSET (-1)

typedef struct baton_route {
  uint32_t struct_size;
  /* "GET", "POST", "PUT", "DELETE", "PATCH"; "*": all of them. A route for GET answers HEAD as well, the body
   * left out. OPTIONS, and methods that a path has no route for, are answered by baton. */
  baton_text method;
  /* Matched with the path behind the mount. Segments are literal, ":name" for any one segment, or last
   * "*name" for all that remains, also nothing. For each segment a literal is preferred to a parameter, and
   * that to the rest: the order of registration does not matter. */
  baton_text pattern;
  baton_handler handler;
  void* user; /* handed to the handler */
  /* The watchdog ends the worker of a handler that runs longer, and the client gets 504. In milliseconds, at
   * least 1; 0: never. */
  int64_t timeout_ms;
  int64_t max_body;        /* bytes; 413 above it, before the body is read where its length is known */
  int64_t max_concurrency; /* 1..64 workers in this handler at a time, 503 with Retry-After past it; 0: no
                              limit */
  int64_t retries; /* 0..10: how often an idempotent request is begun again after its worker died, before it
                      is answered with 500 */
  int64_t idempotent; /* 1: may be begun again, 0: may not; BATON_UNSET: as its method says (POST and PATCH
                         may not) */
} baton_route;

enum { BATON_LOG_DEBUG = 0, BATON_LOG_INFO = 1, BATON_LOG_WARN = 2, BATON_LOG_ERROR = 3 };

/* What try_flush() returns when the client takes less than the handler makes. */
#define BATON_FLUSH_FULL (-1)

/* What a call on a dictionary came to. */
enum {
  BATON_DICT_OK = 0,
  BATON_DICT_NOT_FOUND = 1, /* no such key, or it has expired */
  BATON_DICT_EXISTS = 2,    /* add: the key is there */
  BATON_DICT_MISMATCH = 3,  /* compare_and_swap: the value is another one */
  BATON_DICT_NOT_A_NUMBER =
      4, /* increment: the value is no decimal 64-bit integer, or the sum would not be */
  BATON_DICT_TOO_LARGE =
      5 /* key or value will never fit: a key may have 1,024 bytes, an entry half of the dictionary */
};

typedef struct baton_dict_stats {
  uint32_t struct_size; /* set by the caller */
  uint32_t reserved;
  uint64_t entries;
  uint64_t bytes_used;
  uint64_t bytes_total;
  uint64_t hits;
  uint64_t misses;
  uint64_t
      evictions; /* entries dropped before their time, least recently used first, because there was no room */
  uint64_t expired;
  uint64_t repairs; /* times a worker died in the middle of a change, and the next one put it right */
} baton_dict_stats;

typedef struct baton_host {
  uint32_t struct_size;
  uint16_t abi_major;
  uint16_t abi_minor;

  /* -- setting up: during baton_module::setup only -- */

  /* Adds a route. A pattern that cannot be, or that is there already for the method, makes the setup fail. */
  void (*add_route)(baton_setup* setup, const baton_route* route);
  /* Called in each worker before it serves, in the order registered. Other than 0: the worker cannot start;
   * say why with setup_failed or log. */
  void (*on_worker_start)(baton_setup* setup, int (*call)(void* user), void* user);
  /* Called in each worker that retires, after its last request. Not called when a worker dies. */
  void (*on_worker_stop)(baton_setup* setup, void (*call)(void* user), void* user);
  /* The `config = {..}` of the route, as JSON; "{}" when there is none. Valid as long as the worker lives. */
  baton_text (*config)(baton_setup* setup);
  /* The absolute path of the folder that the configuration file is in, where its relative paths start. Valid
   * as long as the worker lives. */
  baton_text (*config_folder)(baton_setup* setup);
  /* The module cannot be used, and why: for baton_module::setup and for what on_worker_start calls, with the
   * same `setup`. */
  void (*setup_failed)(baton_setup* setup, baton_text reason);

  /* -- any time, any thread -- */

  /* A line of the error log. */
  void (*log)(int level, baton_text line);

  /* -- responses: during the handler's call -- */

  /* 200 if never called; 200 to 599. Ignored once the response streams, like header() and all that replaces
   * the body. */
  void (*set_status)(baton_response* response, int status);
  /* Adds a header line, or replaces all of the same name if `replace` is not 0. Blanks around the value are
   * left out. A name that is no token, a value with control characters, and Content-Length,
   * Transfer-Encoding, Connection, Date, Host, Server, Keep-Alive, Upgrade and Trailer, which are baton's
   * business, are refused: returns 0, adds nothing, and refusal() says why. Returns 1 otherwise. */
  int (*set_header)(baton_response* response, baton_text name, baton_text value, int replace);
  /* Makes `bytes` the body, in place of what it was. */
  void (*set_body)(baton_response* response, baton_text bytes);
  /* Adds to the body. What does not fit in memory waits in a file: a response may be of any size. */
  void (*write)(baton_response* response, baton_text bytes);
  /* Makes the regular file the body. Conditional and range requests are seen to if the status is 200. Returns
   * 0, or errno of open(2): then the response is as it was. A relative path starts in the worker's working
   * folder. */
  int (*send_file)(baton_response* response, baton_text path);
  /* Makes the response baton's own page for an error, 400 to 599, in place of all that was set: status,
   * headers and body. It is HTML or JSON, as the client prefers; `detail` is UTF-8 for the client to read,
   * and may be empty. */
  void (*set_error)(baton_response* response, int status, baton_text detail);
  /* Begins to stream, or goes on: hands over the head and all of the body so far, chunked if the client knows
   * HTTP/1.1. What the client does not take now is kept and sent while it takes it, also after the handler
   * has returned: so this does not wait for the client, unless more than `stream_backlog` ([limits]) is kept
   * for it. Then it returns when less is. From here on the request cannot be begun again, and a crash ends
   * the connection. Returns 1, or 0 when the client is gone, or has taken nothing for as long as it may
   * ([timeouts] send): then the handler may as well stop. */
  int (*flush)(baton_response* response);
  /* The handler could not do it: the response becomes a plain 500, or the connection ends if it streams
   * already. The reason goes to the log only. */
  void (*fail)(baton_response* response, baton_text reason);

  /* -- shared dictionaries: any thread -- */

  /* The dictionary of this name in the configuration ([[dict]]), or null. */
  baton_dict* (*dict_open)(baton_text name);
  /* `value` is valid until the next call on a dictionary from this thread. */
  int (*dict_get)(baton_dict* dict, baton_text key, baton_text* value);
  /* `ttl_ms`: milliseconds until it expires; 0: never. Replaces what is there, its expiry too. */
  int (*dict_set)(baton_dict* dict, baton_text key, baton_text value, uint64_t ttl_ms);
  /* As set, but only where there is nothing. */
  int (*dict_add)(baton_dict* dict, baton_text key, baton_text value, uint64_t ttl_ms);
  /* Adds `delta` to a decimal integer and keeps its expiry. One that is not there begins at `initial`, to
   * which `delta` is added, and expires after `ttl_ms`. `result` is the sum; it may be null. */
  int (*dict_increment)(baton_dict* dict, baton_text key, int64_t delta, int64_t initial, uint64_t ttl_ms,
                        int64_t* result);
  /* As set, but only if the value is `expected` now. */
  int (*dict_compare_and_swap)(baton_dict* dict, baton_text key, baton_text expected, baton_text value,
                               uint64_t ttl_ms);
  int (*dict_remove)(baton_dict* dict, baton_text key);
  void (*dict_clear)(baton_dict* dict);
  void (*dict_stats)(baton_dict* dict, baton_dict_stats* stats);

  /* -- since 1.1 -- */

  /* Responses: why set_header() last returned 0, for people to read; empty if it never has. Valid until it is
   * called again. */
  baton_text (*refusal)(baton_response* response);
  /* As flush(), but never waits. Returns 1, 0 when the client is gone, or BATON_FLUSH_FULL when more than
   * `stream_backlog` is kept for it: then nothing has been handed over, and what was written goes with a
   * later flush. write() waits, where it has to hand something over. During the handler's call. */
  int (*try_flush)(baton_response* response);
  /* Whether the client has hung up: 1, or 0. It is asked for anew once in 10 ms at most, so every turn of a
   * loop can afford it. A client that has closed its side only, and would still read, looks the same; one
   * whose machine has died without a word looks alive. What the handler makes is sent all the same. During
   * the handler's call. */
  int (*client_gone)(baton_response* response);
  /* Whether this worker is to go: 1, or 0. The server stops, or a reload, an upgrade or recycling puts
   * another worker in its place. A handler that takes long, such as a stream without an end, should come to
   * its end; one that does not is ended with shutdown_timeout, or goes on until its own timeout. Any thread,
   * at any time once on_worker_start is called. */
  int (*stopping)(void);
} baton_host;

typedef struct baton_module {
  uint32_t struct_size;
  uint16_t
      abi_major; /* BATON_ABI_MAJOR and BATON_ABI_MINOR of the header that the module was compiled with */
  uint16_t abi_minor;
  /* Called once in each worker for each route of the configuration that names the module. `host` is valid as
   * long as the worker lives. Other than 0: the module cannot be used. */
  int (*setup)(const baton_host* host, baton_setup* setup);
} baton_module;

/* The one function that a module exports. What it returns is constant. */
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
