// A keyholder: a process that does TLS handshakes, and nothing else. Only keyholders ever have private keys in their
// memory, and they run no code of modules.
#pragma once

#include "worker/process/context.h"

namespace baton {

// Runs in the process that has just been cloned, as run_worker() does. Never returns.
//
// It accepts clients of TLS listeners and waits for them in a set of its own, because their OpenSSL objects are in its
// own memory. When a handshake is over, any worker can go on with the connection. If it dies, its successor takes over
// its set and repeats what was under way (worker/tls/handshake.h).
[[noreturn]] void run_keyholder(const WorkerContext& context);

}  // namespace baton
