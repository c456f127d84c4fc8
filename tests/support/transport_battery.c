/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport battery.
 *
 * Both ends of every connection are `struct end`, a protocol that checks the rules of protocol.h in each of
 * its callbacks (made first, lost last and once, nothing after close or while paused, no lost from inside a
 * call) and otherwise does what the test's hooks say. Bytes follow a fixed pattern by position, so every
 * received byte is checked for value and place without anything being stored.
 *
 * long file: one battery over one set of fixtures; each test is short.
 *
 * Everything runs on one loop in one thread. A test waits for conditions by ticking the loop, with a generous
 * bound; it never judges how long anything took.
 */
#include "transport_battery.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/error.h>
#include <tern/limits.h>
#include <tern/loop.h>

#include "clock.h"
#include "loop_internal.h"
#include "pool.h"
#include "socket.h"
#include "url.h"
#include "watch.h"

#define PATIENCE_MS 60000
#define LAST_LINE   "-ERR 'that was all'\r\n"

/* ---- connecting ---- */

struct accepted {
  struct tern_protocol *protocol;
};

static struct tern_protocol *give_protocol(void *arg, struct tern_loop *loop) {
  (void)loop;
  return ((struct accepted *)arg)->protocol;
}

/* Listens, connects, accepts: the client over tern_connect, the server as an acceptor would make it. */
static int connect_sockets(struct tern_loop *loop, const char *url, struct tern_protocol *client,
                           struct tern_protocol *server) {
  struct tern__address address;
  char bound[TERN__URL_MAX];
  assert_int_equal(tern__url_parse(url, true, &address), 0);
  int listener = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(listener >= 0);
  if (address.storage.ss_family != AF_UNIX) tern__tcp_options(listener);
  assert_int_equal(bind(listener, (struct sockaddr *)&address.storage, address.len), 0);
  assert_int_equal(listen(listener, 8), 0);
  socklen_t len = sizeof address.storage;
  if (address.storage.ss_family != AF_UNIX)
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address.storage, &len), 0);
  tern__url_format(&address, bound);
  int error = tern_connect(loop, bound, client);
  if (error == 0) {
    struct tern__address peer = {.len = sizeof peer.storage};
    int fd = accept4(listener, (struct sockaddr *)&peer.storage, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    struct accepted accepted = {server};
    /* An error here is the client's to see: its connection has been made and is gone again. */
    (void)tern__socket_accepted(loop, fd, &peer, give_protocol, &accepted);
  }
  close(listener);
  return error;
}

int battery_connect_tcp(const struct battery_kind *kind, struct tern_loop *loop, struct tern_protocol *client,
                        struct tern_protocol *server) {
  (void)kind;
  return connect_sockets(loop, "tcp://127.0.0.1:0", client, server);
}

int battery_connect_tcp6(const struct battery_kind *kind, struct tern_loop *loop,
                         struct tern_protocol *client, struct tern_protocol *server) {
  (void)kind;
  return connect_sockets(loop, "tcp://[::1]:0", client, server);
}

int battery_connect_unix(const struct battery_kind *kind, struct tern_loop *loop,
                         struct tern_protocol *client, struct tern_protocol *server) {
  (void)kind;
  char folder[] = "/tmp/tern-battery-XXXXXX";
  char url[TERN__URL_MAX];
  assert_non_null(mkdtemp(folder));
  snprintf(url, sizeof url, "unix://%s/s", folder);
  int error = connect_sockets(loop, url, client, server);
  unlink(url + strlen("unix://"));
  rmdir(folder);
  return error;
}

int battery_connect_mem(const struct battery_kind *kind, struct tern_loop *loop, struct tern_protocol *client,
                        struct tern_protocol *server) {
  return tern_mem_pair(loop, client, server, kind->faults, kind->faults);
}

/* ---- the two ends ---- */

struct end;
typedef void end_hook(struct end *end);

struct end {
  struct tern_protocol base;
  struct tern_transport *t;
  struct end *other;
  bool keep_open; /* answer of eof_received */
  bool echo;      /* send back what comes */
  bool any_bytes; /* received bytes do not follow the pattern */
  bool in_call;   /* a transport function is being called by the test or a hook: no lost now */
  bool reads_paused;
  int made, lost, eofs, pauses, resumes, chunks;
  int error;
  size_t sent, got;
  char text[64]; /* first bytes received */
  end_hook *on_made, *on_data, *on_eof, *on_pause, *on_resume, *on_lost;
  int action_error; /* for the hooks that abort */
};

static uint8_t pattern(size_t position) { return (uint8_t)(((uint32_t)position * 2654435761u) >> 24); }

static void fill(char *to, size_t position, size_t len) {
  for (size_t i = 0; i < len; i++)
    to[i] = (char)pattern(position + i);
}

static void call_hook(end_hook *hook, struct end *end) {
  if (hook != NULL) hook(end);
}

static void made(struct tern_protocol *protocol, struct tern_transport *t) {
  struct end *end = (struct end *)protocol;
  assert_int_equal(end->made++, 0);
  assert_int_equal(end->lost, 0);
  end->t = t;
  assert_ptr_equal(tern_transport_protocol(t), protocol);
  assert_false(tern_transport_is_closing(t));
  call_hook(end->on_made, end);
}

static void data(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  struct end *end = (struct end *)protocol;
  assert_int_equal(end->made, 1);
  assert_int_equal(end->lost, 0);
  assert_int_equal(end->eofs, 0);
  assert_false(end->reads_paused);
  assert_false(tern_transport_is_closing(end->t));
  assert_true(chunk->len > 0 && chunk->len <= TERN_READ_LARGE_BYTES);
  for (size_t i = 0; i < chunk->len; i++) {
    if (!end->any_bytes && (uint8_t)chunk->data[i] != pattern(end->got + i))
      fail_msg("byte %zu is not the one that was sent", end->got + i);
    if (end->got + i < sizeof end->text - 1) end->text[end->got + i] = chunk->data[i];
  }
  end->got += chunk->len;
  end->chunks++;
  if (end->echo) (void)tern_transport_write(end->t, chunk->data, chunk->len);
  call_hook(end->on_data, end);
}

static bool eof(struct tern_protocol *protocol) {
  struct end *end = (struct end *)protocol;
  assert_int_equal(end->made, 1);
  assert_int_equal(end->lost, 0);
  assert_int_equal(end->eofs++, 0);
  assert_false(end->reads_paused);
  call_hook(end->on_eof, end);
  return end->keep_open;
}

static void lost(struct tern_protocol *protocol, int error) {
  struct end *end = (struct end *)protocol;
  assert_int_equal(end->lost++, 0);
  assert_false(end->in_call);
  end->error = error;
  call_hook(end->on_lost, end);
  end->t = NULL;
}

static void pause_writing(struct tern_protocol *protocol) {
  struct end *end = (struct end *)protocol;
  assert_int_equal(end->lost, 0);
  assert_int_equal(end->pauses++, end->resumes);
  call_hook(end->on_pause, end);
}

static void resume_writing(struct tern_protocol *protocol) {
  struct end *end = (struct end *)protocol;
  assert_int_equal(end->lost, 0);
  assert_int_equal(++end->resumes, end->pauses);
  call_hook(end->on_resume, end);
}

static const struct tern_protocol_ops end_ops = {
    .connection_made = made,
    .data_received = data,
    .eof_received = eof,
    .connection_lost = lost,
    .pause_writing = pause_writing,
    .resume_writing = resume_writing,
};

/* ---- a connection under test ---- */

static const struct battery_kind *kind;
static bool traced;
static struct tern_loop *loop;
static struct end client, server;
static size_t shown; /* bytes the traces have seen */

static void show(void *arg, char direction, const char *bytes, size_t len) {
  (void)arg;
  assert_non_null(strchr("<>*", direction));
  assert_non_null(bytes);
  if (direction != '*') shown += len;
}

static int open_ends(void) {
  struct tern_protocol *protocols[2] = {&client.base, &server.base};
  for (int i = 0; traced && i < 2; i++) {
    protocols[i] = tern_trace_wrap(loop, protocols[i], show, NULL);
    if (protocols[i] == NULL) {
      if (i == 1) tern_trace_free(protocols[0]);
      return -ENOMEM;
    }
  }
  struct end *server_end = &server;
  int error = kind->connect(kind, loop, protocols[0], protocols[1]);
  if (traced && error != 0) tern_trace_free(protocols[0]);
  if (traced && server_end->made == 0) tern_trace_free(protocols[1]);
  return error;
}

static uint64_t deadline;

static bool tick_once(void) {
  assert_true(tern__clock_ms() < deadline);
  tern_loop_tick(loop, 10);
  return true;
}

/* Ticks until the condition holds; fails when it never does. */
#define PUMP(condition)                        \
  do {                                         \
    deadline = tern__clock_ms() + PATIENCE_MS; \
    while (!(condition))                       \
      assert_true(tick_once());                \
  } while (0)

static void ticks(int n) {
  for (int i = 0; i < n; i++)
    tern_loop_tick(loop, 0);
}

static uint64_t live_objects(void) { return tern_pool_stats(tern_loop_pool(loop)).live_objects; }

static void reset_ends(void) {
  client = (struct end){.base.ops = &end_ops, .other = &server};
  server = (struct end){.base.ops = &end_ops, .other = &client};
  shown = 0;
}

static int set_up(void **state) {
  (void)state;
  assert_int_equal(tern_loop_new(&loop), 0);
  reset_ends();
  return 0;
}

/* Both ends lost exactly once, nothing left behind. */
static void both_lost(void) {
  PUMP(client.lost == 1 && server.lost == 1);
  ticks(5);
  assert_int_equal(client.lost, 1);
  assert_int_equal(server.lost, 1);
  assert_int_equal(tern_loop_transports(loop), 0);
}

static int tear_down(void **state) {
  (void)state;
  tern__pool_fault = NULL;
  tern__loop_shutdown_members(loop, -EIO); /* there are none unless the test has failed */
  ticks(2);
  tern_loop_free(loop); /* aborts when an object of the pool is left */
  loop = NULL;
  return 0;
}

static void connect_ends(void) {
  assert_int_equal(open_ends(), 0);
  PUMP(client.made && server.made);
  assert_int_equal(tern_loop_transports(loop), 2);
}

/* Sends the next len bytes of the pattern; the end must be open. A hook called from inside may close it. */
static void send_pattern(struct end *end, size_t len) {
  char bytes[16384];
  end->in_call = true;
  while (len > 0) {
    size_t part = len < sizeof bytes ? len : sizeof bytes;
    fill(bytes, end->sent, part);
    assert_false(tern_transport_is_closing(end->t));
    assert_int_equal(tern_transport_write(end->t, bytes, part), 0);
    if (tern_transport_is_closing(end->t)) break;
    end->sent += part;
    len -= part;
  }
  end->in_call = false;
}

static void close_end(struct end *end) {
  end->in_call = true;
  tern_transport_close(end->t);
  tern_transport_close(end->t);
  assert_true(tern_transport_is_closing(end->t));
  end->in_call = false;
}

static void abort_end(struct end *end) {
  end->in_call = true;
  tern_transport_abort(end->t, end->action_error);
  tern_transport_abort(end->t, -EIO);
  tern_transport_close(end->t);
  assert_true(tern_transport_is_closing(end->t));
  assert_int_equal(tern_transport_pending(end->t), 0);
  end->in_call = false;
}

static void pause_reads(struct end *end) {
  tern_transport_pause_reading(end->t);
  end->reads_paused = true;
}

static void resume_reads(struct end *end) {
  end->reads_paused = false;
  end->in_call = true;
  int chunks = end->chunks;
  tern_transport_resume_reading(end->t);
  assert_int_equal(end->chunks, chunks);
  end->in_call = false;
}

static uint32_t random_state;
static size_t random_below(size_t bound) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state % bound;
}

/* ---- tests ---- */

static void made_data_eof_lost(void **state) {
  (void)state;
  connect_ends();
  send_pattern(&client, 5);
  assert_int_equal(tern_transport_pending(client.t), 5);
  assert_int_equal(tern_transport_write_eof(client.t), 0);
  both_lost();
  assert_int_equal(server.got, 5);
  assert_int_equal(server.eofs, 1);
  assert_int_equal(client.eofs, 1);
  assert_int_equal(server.error, 0);
  assert_int_equal(client.error, 0);
  if (traced) assert_int_equal(shown, 10);
}

static bool send_more(size_t total) {
  size_t len = 1 + random_below(random_below(4) == 0 ? 300000 : 2000);
  if (client.pauses == client.resumes && client.sent < total)
    send_pattern(&client, len < total - client.sent ? len : total - client.sent);
  return client.got == total;
}

static void echo_of_random_sizes(void **state) {
  (void)state;
  connect_ends();
  server.echo = true;
  random_state = 4711;
  PUMP(send_more(kind->volume));
  assert_int_equal(server.got, kind->volume);
  assert_int_equal(tern_transport_pending(client.t), 0);
  close_end(&client);
  both_lost();
  assert_int_equal(client.error, 0);
}

static bool stream_until(size_t total) {
  if (client.sent < total && client.pauses == client.resumes) send_pattern(&client, 50000);
  return client.sent >= total && server.got == client.sent;
}

/* After some traffic, when the kernel has seen that much can be in flight, all at once. */
static void one_large_write(void **state) {
  (void)state;
  size_t len = 2 * kind->volume;
  char *bytes = malloc(len);
  assert_non_null(bytes);
  connect_ends();
  PUMP(stream_until(4 * kind->volume));
  fill(bytes, client.sent, len);
  assert_int_equal(tern_transport_write(client.t, bytes, len), 0);
  client.sent += len;
  free(bytes);
  close_end(&client);
  both_lost();
  assert_int_equal(server.got, client.sent);
}

/* One of the ways to write, picked at random. */
static void write_somehow(struct tern_buf *buf, size_t buf_position) {
  char bytes[600];
  size_t len = 1 + random_below(sizeof bytes);
  fill(bytes, client.sent, len);
  struct iovec pieces[3] = {{bytes, len / 3}, {bytes + len / 3, 0}, {bytes + len / 3, len - len / 3}};
  char *room;
  switch (random_below(5)) {
    case 0:
      assert_int_equal(tern_transport_write(client.t, bytes, len), 0);
      break;
    case 1:
      assert_int_equal(tern_transport_writev(client.t, pieces, 3), 0);
      break;
    case 2: /* only when the buffer happens to hold what comes next */
      if (buf_position + tern_buf_size(buf) <= client.sent || buf_position > client.sent) return;
      len = buf_position + tern_buf_size(buf) - client.sent;
      assert_int_equal(
          tern_transport_write_buf(client.t, buf, tern_buf_data(buf) + (client.sent - buf_position), len), 0);
      break;
    case 3:
      room = tern_transport_reserve(client.t, len + random_below(TERN_RESERVE_MAX_BYTES - sizeof bytes));
      assert_non_null(room);
      memcpy(room, bytes, len);
      tern_transport_commit(client.t, len);
      break;
    default: /* a reservation that is not used, or a write of nothing */
      assert_non_null(tern_transport_reserve(client.t, random_below(2) * len));
      tern_transport_commit(client.t, 0);
      assert_int_equal(tern_transport_write(client.t, bytes, 0), 0);
      return;
  }
  client.sent += len;
}

static void all_ways_to_write_keep_the_order(void **state) {
  (void)state;
  connect_ends();
  random_state = 815;
  for (int round = 0; client.sent < kind->volume / 2; round++) {
    assert_true(round < 100000);
    struct tern_buf *buf = tern_buf_new(tern_loop_pool(loop), 1 + random_below(3000));
    assert_non_null(buf);
    size_t position = client.sent + random_below(2000);
    fill(tern_buf_data(buf), position, tern_buf_size(buf));
    for (int i = 0; i < 8; i++)
      write_somehow(buf, position);
    if (random_below(20) == 0) PUMP(tern_transport_pending(client.t) == 0);
    if (round % 100 == 0) {
      PUMP(server.got == client.sent);
      ticks(2); /* the last chunk's reference goes after its callback */
      assert_false(tern_buf_is_shared(buf));
    }
    tern_buf_unref(buf);
  }
  PUMP(server.got == client.sent);
  close_end(&client);
  both_lost();
}

static bool fill_until_paused(void) {
  if (client.pauses == 0) send_pattern(&client, 30000);
  return client.pauses == 1;
}

static void check_low_mark(struct end *end) { assert_true(tern_transport_pending(end->t) <= 100); }

static void write_marks(void **state) {
  (void)state;
  connect_ends();
  client.on_resume = check_low_mark;
  tern_transport_set_write_limits(client.t, 5000, 100);
  send_pattern(&client, 4000);
  PUMP(server.got == 4000);
  assert_int_equal(client.pauses, 0);
  assert_int_equal(tern_transport_stalled_ms(client.t), 0);
  if (kind->bounded) {
    pause_reads(&server);
    PUMP(fill_until_paused());
    assert_true(tern_transport_pending(client.t) > 5000);
    PUMP(tern_transport_stalled_ms(client.t) > 0);
    ticks(20);
    assert_false(tern__loop_has_work(loop)); /* nobody is asked again and again */
    assert_int_equal(client.resumes, 0);
    resume_reads(&server);
    PUMP(client.resumes == 1);
    PUMP(server.got == client.sent);
    assert_int_equal(client.pauses, 1);
  }
  assert_int_equal(tern_transport_stalled_ms(client.t), 0);
  close_end(&server);
  both_lost();
}

static void pause_in_callback(struct end *end) { pause_reads(end); }

static void pause_and_resume_in_callback(struct end *end) {
  pause_reads(end);
  resume_reads(end);
}

static void reading_pauses(void **state) {
  (void)state;
  connect_ends();
  server.on_data = pause_in_callback;
  send_pattern(&client, 200000 < kind->volume ? 200000 : kind->volume);
  for (int i = 0; i < 20 && server.got < client.sent; i++) {
    int chunks = server.chunks;
    PUMP(server.chunks > chunks);
    ticks(20);
    assert_int_equal(server.chunks, chunks + 1);
    resume_reads(&server);
  }
  server.on_data = pause_and_resume_in_callback;
  PUMP(server.got == client.sent);
  /* The end of the stream waits while reading is paused, too. */
  pause_reads(&server);
  send_pattern(&client, 1);
  assert_int_equal(tern_transport_write_eof(client.t), 0);
  ticks(30);
  assert_int_equal(server.eofs, 0);
  resume_reads(&server);
  both_lost();
  assert_int_equal(server.eofs, 1);
  assert_int_equal(server.got, client.sent);
}

static void close_sends_everything(void **state) {
  (void)state;
  connect_ends();
  pause_reads(&server);
  send_pattern(&client, kind->volume);
  close_end(&client);
  ticks(10);
  assert_int_equal(server.got, 0);
  resume_reads(&server);
  both_lost();
  assert_int_equal(server.got, kind->volume);
  assert_int_equal(client.error, 0);
  assert_int_equal(server.error, 0);
}

static void abort_drops(void **state) {
  (void)state;
  connect_ends();
  send_pattern(&client, 100);
  client.action_error = TERN_ESLOW;
  abort_end(&client);
  assert_int_equal(client.lost, 0);
  both_lost();
  assert_int_equal(client.error, TERN_ESLOW);
  assert_int_equal(server.got, 0);
}

static void abort_while_closing(void **state) {
  (void)state;
  connect_ends();
  pause_reads(&server);
  server.any_bytes = true; /* the pattern may be cut */
  send_pattern(&client, kind->volume);
  close_end(&client);
  ticks(3);
  if (client.lost == 0) {
    tern_transport_abort(client.t, TERN_ESHUTDOWN);
    PUMP(client.lost == 1);
    assert_int_equal(client.error, TERN_ESHUTDOWN);
  }
  if (server.lost == 0) resume_reads(&server);
  both_lost();
}

static void nothing_can_be_written_after(void **state) {
  (void)state;
  struct tern_buf *buf = tern_buf_new(tern_loop_pool(loop), 10);
  assert_non_null(buf);
  struct iovec piece = {tern_buf_data(buf), 10};
  for (int how = 0; how < 3; how++) {
    reset_ends();
    connect_ends();
    client.action_error = TERN_ESLOW;
    client.keep_open = true;
    if (how == 0) close_end(&client);
    if (how == 1) abort_end(&client);
    if (how == 2) assert_int_equal(tern_transport_write_eof(client.t), 0);
    assert_int_equal(tern_transport_write(client.t, "x", 1), TERN_ECLOSED);
    assert_int_equal(tern_transport_writev(client.t, &piece, 1), TERN_ECLOSED);
    assert_int_equal(tern_transport_write_buf(client.t, buf, tern_buf_data(buf), 10), TERN_ECLOSED);
    assert_null(tern_transport_reserve(client.t, 10));
    assert_int_equal(tern_transport_write_eof(client.t), how == 2 ? 0 : TERN_ECLOSED);
    assert_int_equal(tern_transport_is_closing(client.t), how != 2);
    tern_transport_pause_reading(client.t);
    tern_transport_resume_reading(client.t);
    both_lost();
    assert_int_equal(server.got, 0);
  }
  assert_false(tern_buf_is_shared(buf));
  tern_buf_unref(buf);
}

/* Scenario for ends that end inside a callback: the client asks, the server answers so much that it is paused. */
static void answer_much(struct end *end) {
  if (end->pauses == 0 && !tern_transport_is_closing(end->t)) {
    tern_transport_set_write_limits(end->t, 5000, 100);
    send_pattern(end, 200000);
  }
}

static void ending_inside_callbacks(void **state) {
  (void)state;
  end_hook *const endings[] = {close_end, abort_end};
  for (unsigned i = 0; i < 2 * 5 * 2; i++) {
    reset_ends();
    end_hook *ending = endings[i % 2];
    unsigned where = i / 2 % 5;
    struct end *end = i / 10 == 0 ? &client : &server;
    end->action_error = TERN_EPROTOCOL;
    end->other->any_bytes = true;
    end->other->on_made = answer_much;
    end->on_made = where == 0 ? ending : answer_much;
    if (where == 1) end->on_data = ending;
    if (where == 2) end->on_eof = ending;
    if (where == 3) end->on_pause = ending;
    if (where == 4) end->on_resume = ending;
    assert_int_equal(open_ends(), 0);
    /* An abort in the server's connection_made may come before the client knows that it is connected. */
    PUMP((client.made || client.lost) && server.made);
    if (end->other->t != NULL && end->lost == 0) (void)tern_transport_write_eof(end->other->t);
    bool ended = false;
    for (int n = 0; n < 1000 && !ended; n++) {
      tern_loop_tick(loop, 0);
      ended = end->lost != 0;
    }
    if (!ended && end->t != NULL)
      tern_transport_abort(end->t, 0); /* the callback did not come on this kind */
    both_lost();
    if (ended && ending == abort_end && where < 2) assert_int_equal(end->error, TERN_EPROTOCOL);
  }
}

static void answer_at_eof(struct end *end) {
  send_pattern(end, kind->volume / 2);
  close_end(end);
}

static void half_close_then_answer(void **state) {
  (void)state;
  connect_ends();
  server.keep_open = true;
  server.on_eof = answer_at_eof;
  send_pattern(&client, 1000);
  assert_int_equal(tern_transport_write_eof(client.t), 0);
  both_lost();
  assert_int_equal(server.got, 1000);
  assert_int_equal(client.got, kind->volume / 2);
  assert_int_equal(client.error, 0);
  assert_int_equal(server.error, 0);
}

static void both_directions_finished_is_the_end(void **state) {
  (void)state;
  connect_ends();
  server.keep_open = client.keep_open = true;
  assert_int_equal(tern_transport_write_eof(client.t), 0);
  PUMP(server.eofs == 1);
  ticks(5);
  assert_int_equal(server.lost, 0);
  send_pattern(&server, 3000);
  assert_int_equal(tern_transport_write_eof(server.t), 0);
  both_lost();
  assert_int_equal(client.got, 3000);
  assert_int_equal(client.error, 0);
  assert_int_equal(server.error, 0);
}

static void a_reset_is_an_error(void **state) {
  (void)state;
  connect_ends();
  pause_reads(&server);
  send_pattern(&client, 100);
  PUMP(tern_transport_pending(client.t) == 0);
  ticks(20);
  server.action_error = TERN_EPROTOCOL;
  abort_end(&server);
  both_lost();
  assert_int_equal(server.error, TERN_EPROTOCOL);
  assert_int_equal(client.error, -ECONNRESET);
}

static bool babble(void) {
  if (client.lost == 0 && !tern_transport_is_closing(client.t) && tern_transport_pending(client.t) < 100000)
    send_pattern(&client, 1000);
  return client.lost == 1;
}

static void the_last_line_arrives(void **state) {
  (void)state;
  connect_ends();
  client.any_bytes = true;
  pause_reads(&server);
  for (int i = 0; i < 20; i++) {
    babble();
    tern_loop_tick(loop, 0);
  }
  assert_int_equal(tern_transport_write(server.t, LAST_LINE, strlen(LAST_LINE)), 0);
  close_end(&server);
  PUMP(babble());
  assert_string_equal(client.text, LAST_LINE);
  both_lost();
}

static void closing_does_not_wait_for_ever(void **state) {
  (void)state;
  connect_ends();
  server.keep_open = true; /* and never closes of its own accord */
  send_pattern(&client, 1000);
  close_end(&client);
  PUMP(client.lost == 1);
  assert_int_equal(client.error, 0);
  assert_int_equal(server.got, 1000);
  assert_int_equal(server.eofs, 1);
  assert_int_equal(server.lost, 0);
  close_end(&server);
  both_lost();
}

static void an_idle_connection_holds_no_buffer(void **state) {
  (void)state;
  connect_ends();
  send_pattern(&client, 10);
  PUMP(server.got == 10); /* the loop has its read buffer now */
  ticks(5);
  uint64_t before = live_objects();
  server.echo = true;
  client.any_bytes = true; /* the echo does not start at the beginning */
  send_pattern(&client, 50000);
  PUMP(client.got == 50000);
  ticks(5);
  assert_int_equal(live_objects(), before);
  assert_false(tern__loop_has_work(loop));
  close_end(&server);
  both_lost();
}

static void who_the_peer_is(void **state) {
  (void)state;
  connect_ends();
  const struct tern_peer *peer = tern_transport_peer(server.t);
  assert_string_equal(peer->kind, kind->peer_kind);
  assert_ptr_equal(tern_transport_peer(server.t), peer);
  assert_string_equal(tern_transport_peer(client.t)->kind, kind->peer_kind);
  assert_ptr_equal(tern_transport_loop(server.t), loop);
  if (strcmp(kind->peer_kind, "tcp") == 0) {
    assert_true(strcmp(peer->address, "127.0.0.1") == 0 || strcmp(peer->address, "::1") == 0);
    assert_true(peer->port != 0);
    assert_true(tern_transport_peer(client.t)->port != peer->port);
  }
  if (strcmp(kind->peer_kind, "unix") == 0) {
    assert_int_equal(peer->pid, getpid());
    assert_int_equal(peer->uid, geteuid());
    assert_int_equal(peer->gid, getegid());
    assert_non_null(strstr(tern_transport_peer(client.t)->address, "/tern-battery-"));
  } else {
    assert_int_equal(peer->pid, 0);
    assert_int_equal(peer->uid, (uid_t)-1);
  }
  close_end(&client);
  both_lost();
}

static void the_loop_can_close_and_abort(void **state) {
  (void)state;
  connect_ends();
  send_pattern(&client, 3000);
  tern__loop_shutdown_members(loop, 0);
  assert_true(tern_transport_is_closing(client.t));
  both_lost();
  assert_int_equal(client.error, 0);

  reset_ends();
  connect_ends();
  send_pattern(&client, 3000);
  tern__loop_shutdown_members(loop, TERN_ESHUTDOWN);
  both_lost();
  assert_int_equal(server.got, 0);
  assert_true(client.error == TERN_ESHUTDOWN || server.error == TERN_ESHUTDOWN);
}

static void write_in_lost(struct end *end) {
  assert_true(tern_transport_is_closing(end->t));
  assert_int_equal(tern_transport_write(end->t, "x", 1), TERN_ECLOSED);
  tern_transport_close(end->t);
  tern_transport_abort(end->t, -EIO);
  tern_transport_pause_reading(end->t);
  tern_transport_resume_reading(end->t);
  assert_int_equal(tern_transport_pending(end->t), 0);
  assert_non_null(tern_transport_peer(end->t));
}

static void lost_may_still_call(void **state) {
  (void)state;
  connect_ends();
  client.on_lost = server.on_lost = write_in_lost;
  client.action_error = -EPERM;
  abort_end(&client);
  both_lost();
  assert_int_equal(client.error, -EPERM);
}

/* ---- without memory ---- */

static unsigned allocations, failing;

static int fail_one(size_t size) {
  (void)size;
  return ++allocations == failing;
}

/* A little of everything; every call may fail. Kinds that move little at a time get little: they allocate for
 * each move, and each allocation is made to fail once. */
static void scripted_exchange(struct end *end) {
  char bytes[9000];
  size_t len = kind->volume < 1 << 20 ? 60 : sizeof bytes;
  struct tern_buf *buf = tern_buf_new(tern_loop_pool(loop), len);
  if (buf != NULL) {
    fill(tern_buf_data(buf), 0, len);
    if (tern_transport_write_buf(end->t, buf, tern_buf_data(buf), len) == 0) end->sent = len;
    tern_buf_unref(buf);
  }
  char *room = tern_transport_reserve(end->t, 20);
  if (room != NULL) {
    fill(room, end->sent, 20);
    tern_transport_commit(end->t, 20);
    end->sent += 20;
  }
  fill(bytes, end->sent, len);
  if (tern_transport_write(end->t, bytes, len) == 0) end->sent += len;
  assert_non_null(tern_transport_peer(end->t)->kind);
}

static void no_memory_anywhere(void **state) {
  (void)state;
  bool failed = true;
  for (failing = 1; failed; failing++) {
    assert_true(failing < 10000);
    tern_loop_free(loop); /* a new one: its read buffer is one of the allocations */
    assert_int_equal(tern_loop_new(&loop), 0);
    reset_ends();
    client.on_made = scripted_exchange;
    server.echo = true;
    allocations = 0;
    tern__pool_fault = fail_one;
    int error = open_ends();
    for (int i = 0; i < 3000 && error == 0; i++) {
      tern_loop_tick(loop, 0);
      if (client.lost || (client.made && client.got == client.sent)) break;
    }
    if (client.t != NULL) close_end(&client);
    deadline = tern__clock_ms() + PATIENCE_MS;
    while (tern_loop_transports(loop) > 0)
      assert_true(tick_once());
    failed = allocations >= failing;
    tern__pool_fault = NULL;
    if (error == 0) assert_int_equal(client.lost, 1);
    if (error == 0 || server.made) assert_int_equal(server.lost, server.made);
    if (error != 0) assert_int_equal(client.lost, client.made);
  }
  assert_int_equal(client.got, client.sent);
  assert_true(client.got >= 140);
  assert_int_equal(client.error, 0);
}

/* ---- running ---- */

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int battery_run(const struct battery_kind *which) {
  const struct CMUnitTest tests[] = {
      TEST(made_data_eof_lost),
      TEST(echo_of_random_sizes),
      TEST(one_large_write),
      TEST(all_ways_to_write_keep_the_order),
      TEST(write_marks),
      TEST(reading_pauses),
      TEST(close_sends_everything),
      TEST(abort_drops),
      TEST(abort_while_closing),
      TEST(nothing_can_be_written_after),
      TEST(ending_inside_callbacks),
      TEST(half_close_then_answer),
      TEST(both_directions_finished_is_the_end),
      TEST(a_reset_is_an_error),
      TEST(the_last_line_arrives),
      TEST(closing_does_not_wait_for_ever),
      TEST(an_idle_connection_holds_no_buffer),
      TEST(who_the_peer_is),
      TEST(the_loop_can_close_and_abort),
      TEST(lost_may_still_call),
      TEST(no_memory_anywhere),
  };
  int failures = 0;
  kind = which;
  for (int i = 0; i < 2; i++) {
    char name[100];
    traced = i == 1;
    snprintf(name, sizeof name, "%s%s", which->name, traced ? ", traced" : "");
    failures += cmocka_run_group_tests_name(name, tests, NULL, NULL);
  }
  return failures;
}
