// Lets two of our own sockets have addresses that exclude each other, while one takes over from the other.
#pragma once

#include <sys/socket.h>

#include <vector>

namespace baton {

// "127.0.0.1:80" cannot be bound while we listen on "*:80". With SO_REUSEPORT on both sockets it can; but
// then any other program of the same user that sets SO_REUSEPORT can bind the port as well. So the option is
// set on the given sockets only while this object lives.
//
// Afterwards the kernel would still remember that the port was shared: it keeps the address of the last such
// bind as a short cut, and by it would let in another socket with SO_REUSEPORT without looking at ours. So
// the last such bind must be harmless: the destructor binds a socket to an address that no machine has. That
// address is of the other family, because a wildcard address of its own family would match it.
class PortSharing {
 public:
  // `sockets`: TCP sockets that are bound to the same port, or are about to be.
  explicit PortSharing(std::vector<int> sockets);
  ~PortSharing();
  PortSharing(const PortSharing&) = delete;
  PortSharing& operator=(const PortSharing&) = delete;

 private:
  void set(int on) const;

  std::vector<int> sockets_;
};

// From now on no client can begin to connect to the listening socket: new SYNs are dropped. A client that has
// begun already gets in. admit_newcomers() undoes this.
void refuse_newcomers(int fd);
void admit_newcomers(int fd);

}  // namespace baton
