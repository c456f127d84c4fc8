/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS sessions without a transport: two of them, and what they say carried from one to the other.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <tern/error.h>
#include <tern/tls.h>

#include "certs.h"
#include "tls_ends.h"

#define ROOM 65536

struct side {
  struct tern_tls_io io; /* first: out is told by it */
  struct tern_tls_session *session;
  char out[ROOM];
  size_t out_len;
};

static int put_out(struct tern_tls_io *io, const void *data, size_t len) {
  struct side *side = (struct side *)io;
  if (side->out_len + len > ROOM) return -ENOMEM;
  memcpy(side->out + side->out_len, data, len);
  side->out_len += len;
  return 0;
}

/* The side has its session; the context is the session's only. */
static void begin(struct side *side, struct tern_tls *tls, const char *name) {
  *side = (struct side){.io.out = put_out};
  assert_int_equal(tern_tls_session_new(tls, name, &side->io, &side->session), 0);
  tern_tls_unref(tls);
}

/* What one has said is the other's input. */
static void carry(struct side *from, struct side *to) {
  to->io.in = from->out;
  to->io.in_len = from->out_len;
  from->out_len = 0;
}

/* Returns the client's last result. */
static int shake_hands(struct side *client, struct side *server, char *reason, size_t size) {
  int mine = 0, theirs = 0;
  char other[200];
  for (int i = 0; i < 10 && mine == 0; i++) {
    mine = tern_tls_session_handshake(client->session, reason, size);
    carry(client, server);
    if (theirs == 0) theirs = tern_tls_session_handshake(server->session, other, sizeof other);
    carry(server, client);
  }
  if (mine == 1) assert_int_equal(tern_tls_session_handshake(server->session, other, sizeof other), 1);
  return mine;
}

static void there_and_back(void **state) {
  (void)state;
  static struct side client, server;
  char reason[200] = "", got[100];
  begin(&client, tls_client(), "localhost");
  begin(&server, tls_server("server"), NULL);
  assert_int_equal(shake_hands(&client, &server, reason, sizeof reason), 1);

  assert_int_equal(tern_tls_session_write(client.session, "hello", 5), 0);
  assert_null(memmem(client.out, client.out_len, "hello", 5));
  carry(&client, &server);
  assert_int_equal(tern_tls_session_read(server.session, got, 2, reason, sizeof reason), 2);
  assert_int_equal(tern_tls_session_read(server.session, got + 2, sizeof got - 2, reason, sizeof reason), 3);
  assert_memory_equal(got, "hello", 5);
  assert_int_equal(tern_tls_session_read(server.session, got, sizeof got, reason, sizeof reason), 0);

  tern_tls_session_finish(client.session);
  carry(&client, &server);
  assert_int_equal(tern_tls_session_read(server.session, got, sizeof got, reason, sizeof reason),
                   TERN_ECLOSED);
  tern_tls_session_free(client.session);
  tern_tls_session_free(server.session);
}

static void altered_on_the_way(void **state) {
  (void)state;
  static struct side client, server;
  char reason[200] = "", got[100];
  begin(&client, tls_client(), "localhost");
  begin(&server, tls_server("server"), NULL);
  assert_int_equal(shake_hands(&client, &server, reason, sizeof reason), 1);
  assert_int_equal(tern_tls_session_write(client.session, "hello", 5), 0);
  client.out[client.out_len - 1] ^= 1;
  carry(&client, &server);
  assert_int_equal(tern_tls_session_read(server.session, got, sizeof got, reason, sizeof reason), TERN_ETLS);
  assert_true(strlen(reason) > 0);
  tern_tls_session_free(client.session);
  tern_tls_session_free(server.session);
}

static void another_name(void **state) {
  (void)state;
  static struct side client, server;
  char reason[200] = "";
  begin(&client, tls_client(), "other.example.com");
  begin(&server, tls_server("server"), NULL);
  assert_int_equal(shake_hands(&client, &server, reason, sizeof reason), TERN_ETLS);
  assert_non_null(strstr(reason, "certificate"));
  tern_tls_session_free(client.session);
  tern_tls_session_free(server.session);
  tern_tls_session_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(altered_on_the_way),
                                     cmocka_unit_test(another_name)};
  certs_make();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
