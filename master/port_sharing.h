// Sockets of our own, on addresses that exclude each other, for the moment in which one takes over from
// another.
#pragma once

#include <sys/socket.h>

#include <vector>

namespace baton {

// "127.0.0.1:80" cannot be bound while we listen on "*:80". With SO_REUSEPORT on both it can, but then also
// by any other program of the same user that sets it. As long as this lives it is set on the given sockets.
//
// After it the kernel would still remember that the port was shared, and let another socket with SO_REUSEPORT
// in without looking at ours: it keeps the address of the last such bind as a short cut. So the last one is a
// socket on an address that is nobody's, of the other family, because an address of all would match it.
class PortSharing {
 public:
  // TCP sockets that are bound to the same port, or are about to be.
  explicit PortSharing(std::vector<int> sockets);
  ~PortSharing();
  PortSharing(const PortSharing&) = delete;
  PortSharing& operator=(const PortSharing&) = delete;

 private:
  void set(int on) const;

  std::vector<int> sockets_;
};

// From now on no client begins to connect to the listening socket: their SYNs are dropped. Who has begun
// already gets in.
void refuse_newcomers(int fd);
void admit_newcomers(int fd);

}  // namespace baton
