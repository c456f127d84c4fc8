/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the client still there? One timer per connection. The tick after CONNECT comes within about two seconds
 * and always sends a PING; later ones, ping_interval apart, only when the client has been silent. A client
 * that owes more than ping_max PONGs is stale. The same tick looks for output that makes no progress but is
 * too little to have started the write deadline.
 *
 * Nothing is sent before the first PONG to the client was queued: clients read exactly that line after INFO.
 * Two seconds after CONNECT they have given up waiting, so the first PING may go out then.
 */
#include <stdlib.h>

#include <tern/error.h>
#include <tern/log.h>

#include "client.h"
#include "clock_ns.h"
#include "container.h"
#include "overflow.h"

#define FIRST_PING_MS 2000

static void ping_due(struct tern_timer *timer) {
  struct nats_client *client = container_of(timer, struct nats_client, ping);
  const struct nats_limits *limits = &client->worker->settings->limits;
  uint64_t now = tern_loop_now_ms(client->worker->loop);
  if (client->flow == NATS_ENDED) return;
  if (tern_transport_stalled_ms(client->transport) > limits->write_deadline_ms &&
      !nats_overflow_is_patient(client)) {
    nats_client_slow(client, "Write Deadline");
    return;
  }
  /* while its input waits for others, its PONG may be among what has not been read */
  if (client->flow == NATS_PAUSED || client->worker->pressed) client->active_ms = now;
  if (client->ping_once || now - client->active_ms >= limits->ping_interval_ms) {
    client->ping_once = false;
    if (client->pings_out + 1 > limits->ping_max) {
      tern_counter_add(&client->worker->stats.stale_connections, 1);
      tern_log_event(TERN_LOG_DEBUG, nats_client_about(client, "stale_connection"),
                     "Stale Client Connection - Closing");
      nats_client_error(client, true, "Stale Connection");
      return;
    }
    client->pings_out++;
    client->ping_ns = clock_ns(CLOCK_MONOTONIC);
    nats_client_send(client, "PING\r\n", 6);
  }
  tern_timer_start(client->worker->loop, timer, limits->ping_interval_ms);
}

void nats_ping_greet(struct nats_client *client) { client->ping_ns = clock_ns(CLOCK_MONOTONIC); }

void nats_ping_greeted(struct nats_client *client) {
  if (client->pings_out == 0) nats_ping_answered(client);
}

void nats_ping_start(struct nats_client *client) {
  client->ping.fired = ping_due;
  tern_timer_start(client->worker->loop, &client->ping, client->worker->settings->limits.ping_interval_ms);
}

void nats_ping_connected(struct nats_client *client) {
  uint64_t interval = client->worker->settings->limits.ping_interval_ms;
  uint64_t first = interval < FIRST_PING_MS ? interval : FIRST_PING_MS;
  /* spread by up to a fifth, so that clients that reconnect together do not answer together */
  uint64_t spread =
      first / 5 > 0 ? tern_subject_hash((struct tern_slice){(const char *)&client->id, 8}) % (first / 5) : 0;
  client->ping_once = true;
  tern_timer_start(client->worker->loop, &client->ping, first + spread);
}

void nats_ping_answered(struct nats_client *client) {
  client->pings_out = 0;
  if (client->ping_ns == 0) return;
  client->rtt_ns = clock_ns(CLOCK_MONOTONIC) - client->ping_ns;
  client->ping_ns = 0;
}
