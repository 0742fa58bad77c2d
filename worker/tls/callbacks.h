// What OpenSSL asks back during a handshake.
#pragma once

#include "worker/tls/credentials.h"

namespace baton::tls {

struct Callbacks {
  // The SSL objects of `context` belong to a Conversation (SSL_set_app_data), the context itself to `credentials`.
  static void install(SSL_CTX* context, const Credentials& credentials, bool tickets);

 private:
  static int choose_site(SSL* ssl, int* alert, void* credentials);
  static int confirm_name(SSL* ssl, int* alert, void* credentials);
  static int choose_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                             const unsigned char* in, unsigned in_size, void* unused);
  static int staple(SSL* ssl, void* credentials);
  static int use_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                            EVP_MAC_CTX* mac, int encrypt);
  static int date_ticket(SSL* ssl, void* unused);
  static SSL_TICKET_RETURN judge_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char* name,
                                        std::size_t name_size, SSL_TICKET_STATUS status, void* unused);
  static void note_secret(const SSL* ssl, const char* line);
  static void note_alert(const SSL* ssl, int where, int value);
};

}  // namespace baton::tls
