/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions against a client that is plain OpenSSL, not tern: TLS 1.2, tickets, renegotiation, records that were
 * changed on the way; and want of memory at every place where OpenSSL asks for some.
 *
 * This program and the module share one libcrypto, so OpenSSL's allocator can be replaced from here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include <tern/error.h>

#include "certs.h"
#include "tls_ends.h"
#include "transport.h"

static struct tls_talk talk;
static SSL_CTX *context;
static SSL *peer; /* the client, behind talk.client, which passes its bytes on */

static int set_up(void **state) {
  (void)state;
  tls_talk_open(&talk);
  talk.server.context = tls_server("server");
  context = SSL_CTX_new(TLS_client_method());
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tls_talk_close(&talk);
  SSL_CTX_free(context);
  return 0;
}

/* Carries bytes between OpenSSL's memory and the wire, until both have nothing to say. */
static void exchange(void) {
  for (int i = 0; i < 10; i++) {
    char bytes[20000];
    int n = BIO_read(SSL_get_wbio(peer), bytes, sizeof bytes);
    if (n > 0 && talk.client.lost == 0)
      assert_int_equal(tern_transport_write(talk.client.t, bytes, (size_t)n), 0);
    tls_talk_ticks(&talk);
    BIO_write(SSL_get_rbio(peer), talk.client.got, (int)talk.client.len);
    talk.client.len = 0;
    if (!SSL_is_init_finished(peer)) SSL_do_handshake(peer);
  }
}

static void connect_peer(void) {
  peer = SSL_new(context);
  SSL_set_bio(peer, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(peer);
  tls_talk_connect(&talk, NULL);
  SSL_do_handshake(peer);
  exchange();
}

static void say(const char *text) {
  assert_int_equal(SSL_write(peer, text, (int)strlen(text)), strlen(text));
  exchange();
}

static void assert_heard(const char *text) {
  char heard[100] = "";
  SSL_read(peer, heard, sizeof heard - 1);
  assert_string_equal(heard, text);
}

static void an_older_version(void **state) {
  (void)state;
  struct tern_tls_info info;
  SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  connect_peer();
  say("over 1.2");
  assert_string_equal(talk.server.got, "over 1.2");
  assert_true(tern_tls_info(talk.server.t, &info));
  assert_string_equal(info.version, "1.2");
  assert_memory_equal(info.cipher, "TLS_ECDHE_ECDSA_WITH_", 21);
  SSL_free(peer);
}

static void too_old(void **state) {
  (void)state;
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
  connect_peer();
  assert_int_equal(talk.server.secured, 0);
  assert_int_equal(talk.server.error, TERN_ETLS);
  SSL_free(peer);
}

static void renegotiation_is_refused(void **state) {
  (void)state;
  SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  char before[64], after[64]; /* what the last handshake ended with */
  connect_peer();
  size_t len = SSL_get_finished(peer, before, sizeof before);
  assert_int_equal(SSL_renegotiate(peer), 1);
  SSL_do_handshake(peer);
  exchange();
  assert_int_equal(SSL_get_finished(peer, after, sizeof after), len);
  assert_memory_equal(before, after, len);
  SSL_free(peer);
}

static void resumption(void **state) {
  (void)state;
  struct tern_tls_info info;
  connect_peer();
  assert_heard(""); /* reads the ticket */
  SSL_SESSION *session = SSL_get1_session(peer);
  assert_true(SSL_SESSION_is_resumable(session));
  SSL_shutdown(peer);
  exchange();
  assert_int_equal(talk.server.error, 0);
  assert_int_equal(talk.server.lost, 1);
  SSL_free(peer);
  struct tern_tls *same = talk.server.context;
  talk.server.context = NULL;
  tls_talk_close(&talk);

  tls_talk_open(&talk);
  talk.server.context = same;
  peer = SSL_new(context);
  SSL_set_session(peer, session);
  SSL_SESSION_free(session);
  SSL_set_bio(peer, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(peer);
  tls_talk_connect(&talk, NULL);
  SSL_do_handshake(peer);
  exchange();
  assert_true(tern_tls_info(talk.server.t, &info));
  assert_true(info.resumed);
  SSL_free(peer);
}

static void new_keys_in_the_middle(void **state) {
  (void)state;
  connect_peer();
  assert_int_equal(SSL_key_update(peer, SSL_KEY_UPDATE_REQUESTED), 1);
  say("with other keys");
  assert_string_equal(talk.server.got, "with other keys");
  assert_int_equal(tern_transport_write(talk.server.t, "and back", 8), 0);
  exchange();
  assert_heard("and back");
  SSL_free(peer);
}

static void a_changed_record(void **state) {
  (void)state;
  char bytes[1000];
  connect_peer();
  assert_int_equal(SSL_write(peer, "money", 5), 5);
  int n = BIO_read(SSL_get_wbio(peer), bytes, sizeof bytes);
  assert_true(n > 5);
  bytes[n - 1] ^= 1;
  assert_int_equal(tern_transport_write(talk.client.t, bytes, (size_t)n), 0);
  tls_talk_ticks(&talk);
  assert_int_equal(talk.server.len, 0);
  assert_int_equal(talk.server.error, TERN_ETLS);
  SSL_free(peer);
}

/* One tick's messages leave in one record, however many pieces they were written in. */
static void records_are_filled(void **state) {
  (void)state;
  enum { PIECES = 200, PAYLOAD = 150 };
  connect_peer();
  size_t before = talk.client.len;
  struct tern_buf *buf = tern_buf_new(tern_loop_pool(talk.loop), PAYLOAD);
  memset(tern_buf_data(buf), 'p', PAYLOAD);
  for (int i = 0; i < PIECES; i++) {
    assert_int_equal(tern_transport_write(talk.server.t, "MSG", 3), 0);
    assert_int_equal(tern_transport_write_buf(talk.server.t, buf, tern_buf_data(buf), PAYLOAD), 0);
  }
  tern_buf_unref(buf);
  tls_talk_ticks(&talk);
  size_t plain = PIECES * (3 + PAYLOAD), sent = talk.client.len - before;
  assert_true(sent > plain);
  assert_true(sent - plain < 100); /* two records, of about 22 bytes each beside what is in them */
  SSL_free(peer);
}

/* ---- want of memory ---- */

static unsigned allocations, failing;

static bool refuse(void) { return failing != 0 && ++allocations == failing; }

static void *give(size_t size, const char *file, int line) {
  (void)file, (void)line;
  return refuse() ? NULL : malloc(size);
}

static void *give_more(void *memory, size_t size, const char *file, int line) {
  (void)file, (void)line;
  return refuse() ? NULL : realloc(memory, size);
}

static void take(void *memory, const char *file, int line) {
  (void)file, (void)line;
  free(memory);
}

/* Both ends are tern's here; the one that fails says so, the other one loses its connection. */
static void no_memory_for_connections(void **state) {
  (void)state;
  talk.client.context = tls_client();
  tls_talk_connect(&talk, NULL); /* so that what is made once has been made */
  struct tls_talk first = talk;
  unsigned refused = 0;
  bool more = true;
  for (unsigned n = 1; more; n++) {
    assert_true(n < 5000);
    talk.client = (struct tls_end){.base = first.client.base, .server_name = "localhost"};
    talk.server = (struct tls_end){.base = first.server.base};
    talk.client.peeks = talk.server.peeks = true; /* begun by hand, because beginning may fail */
    assert_int_equal(tern_mem_pair(talk.loop, &talk.client.base, &talk.server.base, NULL, NULL), 0);
    struct tern_tls_start how = {.server_name = "localhost"};
    allocations = 0;
    failing = n;
    int a = tern_tls_start(talk.server.t, &talk.server.base, first.server.context, &how, &talk.server.t);
    int b = tern_tls_start(talk.client.t, &talk.client.base, first.client.context, &how, &talk.client.t);
    talk.client.peeks = talk.server.peeks = false;
    if (a == 0 && b == 0) {
      assert_int_equal(tern_transport_write(talk.client.t, "hello", 5), 0);
      tls_talk_ticks(&talk);
    }
    more = allocations >= failing;
    failing = 0;
    bool whole = a == 0 && b == 0 && talk.client.lost + talk.server.lost == 0;
    refused += !whole;
    if (whole) assert_string_equal(talk.server.got, "hello"); /* what failed was not needed */
    if (talk.client.lost == 0) tern_transport_abort(talk.client.t, TERN_ETLS);
    if (talk.server.lost == 0) tern_transport_abort(talk.server.t, TERN_ETLS);
    tls_talk_ticks(&talk);
    assert_int_equal(talk.client.lost + talk.server.lost, 2);
  }
  assert_true(refused > 50);
  talk = first;
}

static void no_memory_for_contexts(void **state) {
  (void)state;
  struct tern_tls_pair pair = {certs_path("server.pem"), certs_path("server.key")};
  struct tern_tls_options options = {
      .server = true, .pairs = &pair, .pair_count = 1, .verify = true, .ca_file = certs_path("ca.pem")};
  tern_tls_unref(tls_context(&options));
  bool more = true;
  for (unsigned n = 1; more; n += 7) { /* thousands of places: some of them */
    char error[500] = "";
    struct tern_tls *tls = NULL;
    allocations = 0;
    failing = n;
    int result = tern_tls_new(&options, &tls, error, sizeof error);
    more = allocations >= failing;
    failing = 0;
    assert_true(result == 0 || error[0] != '\0');
    tern_tls_unref(tls);
    assert_true(n < 200000);
  }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(an_older_version),         TEST(too_old),
      TEST(renegotiation_is_refused), TEST(resumption),
      TEST(new_keys_in_the_middle),   TEST(a_changed_record),
      TEST(records_are_filled),       TEST(no_memory_for_connections),
      TEST(no_memory_for_contexts),
  };
  certs_make();
  if (!CRYPTO_set_mem_functions(give, give_more, take)) abort(); /* before OpenSSL has any memory */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
