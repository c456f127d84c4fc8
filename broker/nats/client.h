/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The inside of a NATS client connection, shared by the files of this room.
 *
 *     nats_server --- nats_worker --- nats_client --- nats_sub (a sink in the registry)
 *                       |               |- parser, CONNECT's options
 *                       |- settings     |- route of its account
 *                       |- routes       |- sids: sid -> nats_sub
 *                       |- clients by id
 *
 * Thread: everything here belongs to one worker.
 */
#ifndef BROKER_NATS_CLIENT_H
#define BROKER_NATS_CLIENT_H

#include <tern/codec_nats.h>
#include <tern/log.h>
#include <tern/transport.h>

#include "busiest.h"
#include "closed.h"
#include "connect.h"
#include "nats.h"

/** Bits of an address. No kernel gives programs longer ones unless asked to. */
#define NATS_ADDRESS_BITS 48
_Static_assert(sizeof(uintptr_t) == sizeof(uint64_t), "an address and a part of a hash are one word");

/** One subscription. There may be millions: with a sid of up to eight bytes it takes 48. sink.own: the messages since SUB
 * that are not in `more`, below the bits NATS_SUB_... */
struct nats_sub {
  struct tern_sink sink;
  uint64_t owner : NATS_ADDRESS_BITS; /* the client, or with NATS_SUB_MORE its struct nats_sub_more */
  uint64_t sid_len : 16;
  char sid[]; /* not NUL-terminated */
};
_Static_assert(sizeof(struct nats_sub) == 40, "fits 48 bytes with its sid");

#define NATS_SUB_FILTERED  (UINT32_C(1) << 31) /* not all that it matches is permitted */
#define NATS_SUB_MORE      (UINT32_C(1) << 30)
#define NATS_SUB_COUNT_MAX (NATS_SUB_MORE - 1)
#define NATS_SUB_ENDLESS   UINT64_MAX

/** What few subscriptions have: those with a maximum, and those that got more messages than fit into sink.own. */
struct nats_sub_more {
  struct nats_client *client;
  uint64_t max; /* removed after that many; 0: never */
  uint64_t delivered;
};

/** Subscriptions by sid: open addressing, linear probing, at most 3/4 full. A slot is an address below 16 bits of the
 * sid's hash, so that looking for a sid touches no other subscription; 0: free. */
struct nats_sids {
  uint64_t *slots;
  uint32_t capacity; /* 4, 6, 8, 12, 16..., or 0 */
  uint32_t count;
  uint32_t cursor; /* where removal of all of them goes on */
};

/** The subscription in a slot, or NULL. */
static inline struct nats_sub *nats_sids_at(const struct nats_sids *sids, uint32_t slot) {
  return (struct nats_sub *)(uintptr_t)(sids->slots[slot] & ((UINT64_C(1) << NATS_ADDRESS_BITS) - 1));
}

/** What may still happen to a connection's input. */
enum nats_flow {
  NATS_OPEN,   /* operations are carried out as they come */
  NATS_PAUSED, /* waiting for its turn, for a congested worker or for room in limbo; input is kept */
  NATS_ENDED,  /* closing: input is ignored, nothing more is delivered */
};

/** A SUB or UNSUB that has been read and is not carried out yet. */
struct nats_held {
  struct tern_nats_op op; /* its words are in text */
  size_t size;            /* of all this */
  char text[];
};

struct nats_client {
  struct tern_protocol protocol;
  struct nats_worker *worker;
  struct route *route;                   /* the worker's, of the account the client is in */
  const struct permissions *permissions; /* NULL: everything is permitted (permit.h) */
  const struct access_user *user;        /* who it is; NULL: not known, or nobody is configured (auth.h) */
  struct nats_auth *auth;                /* what it takes to find out, or NULL */
  struct nats_answers *answers;          /* what else it may publish to just now, or NULL */
  struct tern_transport *transport;
  struct tern_nats_parser parser;
  struct nats_connect options;
  struct nats_sids sids;
  uint64_t id;
  uint64_t run;                    /* the last one a sink of this client was asked to take (registry.h) */
  uint64_t out_msgs, out_bytes;    /* delivered to it */
  uint64_t active_ms;              /* last PUB, SUB, UNSUB or PING */
  uint64_t in_msgs, in_bytes;      /* published by it */
  uint64_t start_ms;               /* when it was made, by the loop's clock */
  uint64_t ping_ns, rtt_ns;        /* when the last PING was sent, 0 when it is answered; the round trip */
  struct nats_client *next, *prev; /* all of the worker */
  struct nats_client *next_by_id;
  struct tern_timer ping;
  struct tern_timer write_deadline;
  struct tern_waiter waiter;      /* paused for a congested worker or for room in limbo */
  struct nats_held *held;         /* in the latter case, or NULL */
  struct nats_overflow *overflow; /* what it has waiting or loses when it is behind; NULL: it is cut off */
  struct nats_pace *pace;         /* limits of its address or user count it; NULL: there are none (pace.h) */
  struct nats_opening *opening;   /* TLS may begin, or has begun; NULL: there is none, or it is complete */
  struct tern_deferred turn;      /* goes on with kept input, or with removing subscriptions after the end */
  uint32_t pings_out;             /* PINGs not answered */
  uint32_t turn_cost;             /* deliveries caused in this turn */
  uint8_t flow;                   /* enum nats_flow */
  uint8_t reason;                 /* why it ended: enum nats_reason */
  uint8_t proof;                  /* enum access_proof */
  bool paced : 1;                 /* its rate of publishing is limited */
  bool reading_paused : 1;
  bool write_paused : 1; /* the transport wants no more output until it says so */
  bool connected : 1;    /* CONNECT seen */
  bool ponged : 1;       /* first PONG sent */
  bool refused : 1;      /* over max_connections */
  bool counted : 1;      /* among its account's connections */
  bool ping_once : 1;    /* the next ping tick sends a PING whatever happened */
  bool tls_first : 1;    /* it began with the handshake, INFO came after it */
};
_Static_assert(sizeof(struct nats_client) <= 512, "a size of the pool; 8 bytes more would cost 128");

struct nats_worker {
  struct nats_server *server;
  struct settings *settings;
  struct route **routes; /* by number of account */
  struct tern_worker *worker;
  struct tern_loop *loop;
  struct nats_client *clients;
  struct nats_client **by_id; /* buckets, a power of two */
  uint32_t by_id_size;
  uint32_t client_count;
  struct nats_verdicts *verdicts; /* of permissions, on subjects; NULL: none yet (permit.c) */
  struct nats_opening *openings;  /* who waits to begin a TLS handshake (secure.c) */
  struct nats_opening **openings_end;
  struct tern_deferred next_openings; /* lets the next of them begin */
  unsigned handshakes;                /* begun in this tick */
  bool trace;
  bool stopping;  /* reading is over for all */
  bool pressed;   /* nobody is read until memory has become free */
  bool lame_duck; /* the server ends soon; INFO says so */
  struct nats_stats stats;
  int64_t until_sample; /* messages that may be published before the next one that is counted (busiest.h) */
  struct nats_busiest *busiest;             /* NULL: nobody looks, and until_sample is out of reach */
  struct tern_message list[ROUTE_LIST_MAX]; /* being published */
  uint32_t glanced;                         /* SUBs that nats_sub_look_ahead has seen, this one included */
  struct nats_closed closed;
};

/** Cost of input one connection may cause before others have their turn, in deliveries: less than a millisecond, with a
 * thousand subscribers two. With many of them a turn is what each gets in one write, and a write takes as long as a
 * hundred deliveries. */
#define NATS_TURN_COST_MAX 15000
/** Subscriptions of a closed connection removed before others have their turn. */
#define NATS_REMOVE_MAX 1000

/** Counts messages a client has published, or that were delivered to it. */
static inline void nats_count_in(struct nats_client *client, uint64_t count, uint64_t bytes) {
  client->in_msgs += count;
  client->in_bytes += bytes;
  tern_counter_add(&client->worker->stats.in_msgs, count);
  tern_counter_add(&client->worker->stats.in_bytes, bytes);
}
static inline void nats_count_out(struct nats_client *client, uint64_t count, uint64_t bytes) {
  client->out_msgs += count;
  client->out_bytes += bytes;
  tern_counter_add(&client->worker->stats.out_msgs, count);
  tern_counter_add(&client->worker->stats.out_bytes, bytes);
}

/** Counts messages, a run or so many in a row, among the busiest subjects, if one of them is a sample. */
static inline void nats_sample(struct nats_client *client, const struct tern_message *list, uint32_t count) {
  if ((client->worker->until_sample -= count) < 0) nats_busiest_take(client, list, count);
}

/* client.c */
/** Sends -ERR; close: and ends the connection. */
void nats_client_error(struct nats_client *client, bool close, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** Says why the client is about to be ended; the first one to say so is right. */
static inline void nats_client_because(struct nats_client *client, enum nats_reason reason) {
  if (client->reason == NATS_REASON_NONE) client->reason = reason;
}
/** Ends a connection after what is queued has been sent. Where nobody has said why, it broke the protocol. */
void nats_client_end(struct nats_client *client);
/** Ends a connection at once because it does not take its data; counted. */
void nats_client_slow(struct nats_client *client, const char *why);
/** Reads from the client, or does not, as its flow and the worker want it. */
void nats_client_set_reading(struct nats_client *client);
/** A pause is over, or what it was paused for: carries on with the input that was kept. */
void nats_client_go_on(struct nats_client *client);
/** To be called when output was queued: a client that takes too little of it is cut off (max_pending). */
void nats_client_queued(struct nats_client *client);
/** Bytes that wait for the client to take them. */
size_t nats_client_pending(const struct nats_client *client);
/** Queues pieces as one. */
void nats_client_writev(struct nats_client *client, const struct iovec *parts, int count);
/** Queues bytes for the client, and traces them. */
void nats_client_send(struct nats_client *client, const char *text, size_t len);
/** What a line of the log is about: the client and an event (tern_log_event). */
struct tern_log_about nats_client_about(const struct nats_client *client, const char *event);

/* trace.c */
/** Logs what a client has sent. */
void nats_trace(const struct nats_client *client, const struct tern_nats_op *op);

/** The worker's client of that id, or NULL. */
struct nats_client *nats_client_find(const struct nats_worker *worker, uint64_t id);

/* command.c */
/** Carries out the rest of a CONNECT whose credentials are right. */
void nats_connected(struct nats_client *client);
/** Carries out one operation. */
void nats_command(struct nats_client *client, const struct tern_nats_op *op);
/** Carries out what is held, once there is room in limbo; nothing happens when nothing is held. */
void nats_command_held(struct nats_client *client);
/** Drops it instead. */
void nats_held_drop(struct nats_client *client);
/** Sends the 503 for a request nobody got, if the client has a plain subscription for the answer. */
void nats_no_responders(struct nats_client *client, struct tern_slice subject, struct tern_slice reply);

/** What a subscription has besides, or NULL. */
static inline struct nats_sub_more *nats_sub_more(const struct nats_sub *sub) {
  return sub->sink.own & NATS_SUB_MORE ? (struct nats_sub_more *)(uintptr_t)sub->owner : NULL;
}
/** Whose it is. */
static inline struct nats_client *nats_sub_client(const struct nats_sub *sub) {
  const struct nats_sub_more *more = nats_sub_more(sub);
  return more != NULL ? more->client : (struct nats_client *)(uintptr_t)sub->owner;
}
/** The client's name for it. Valid as long as the subscription. */
static inline struct tern_slice nats_sub_sid(const struct nats_sub *sub) {
  return (struct tern_slice){sub->sid, sub->sid_len};
}
/** Is not all that it matches permitted? */
static inline bool nats_sub_is_filtered(const struct nats_sub *sub) {
  return sub->sink.own & NATS_SUB_FILTERED;
}
/** Messages since SUB. */
static inline uint64_t nats_sub_delivered(const struct nats_sub *sub) {
  const struct nats_sub_more *more = nats_sub_more(sub);
  return (sub->sink.own & NATS_SUB_COUNT_MAX) + (more != NULL ? more->delivered : 0);
}
/** It is removed after that many; 0: never. */
static inline uint64_t nats_sub_max(const struct nats_sub *sub) {
  const struct nats_sub_more *more = nats_sub_more(sub);
  return more != NULL ? more->max : 0;
}
/** Messages until then; NATS_SUB_ENDLESS: it has no maximum. */
static inline uint64_t nats_sub_left(const struct nats_sub *sub) {
  uint64_t max = nats_sub_max(sub);
  return max != 0 ? max - nats_sub_delivered(sub) : NATS_SUB_ENDLESS;
}

/* sub.c */
/** Brings near what the SUBs behind the one being carried out will look at. */
void nats_sub_look_ahead(struct nats_client *client);
/** Subscribes. Returns 0, TERN_ESUBJECT, or -ENOMEM. The sid must not be in use. */
int nats_sub_add(struct nats_client *client, struct tern_slice filter, struct tern_slice group,
                 struct tern_slice sid);
/** The subscription of a sid, or NULL. */
struct nats_sub *nats_sub_find(const struct nats_client *client, struct tern_slice sid);
/** Sees to it that deliveries are those that the client's permissions, which allow the subscription, allow. */
void nats_sub_guard(struct nats_sub *sub);
/** From now on it is removed after so many messages since SUB, at least 1; at once, when it has had them. Returns 0, or
 * -ENOMEM: then nothing changed. */
int nats_sub_limit(struct nats_sub *sub, uint64_t max);
/** Counts messages that it got. */
void nats_sub_count(struct nats_sub *sub, uint64_t messages);
/** Unsubscribes and frees. */
void nats_sub_remove(struct nats_sub *sub);
/** Removes up to NATS_REMOVE_MAX subscriptions. True when some are left. */
bool nats_sub_remove_some(struct nats_client *client);

/** Clients may say CONNECT from now on: starts the times for that, or refuses the client. */
void nats_client_begin(struct nats_client *client);
/** What a connection is that may use the NATS protocol. */
extern const struct tern_protocol_ops nats_client_ops;

/* secure.c */
/** Prepares a worker for that. */
void nats_secure_init(struct nats_worker *worker);
/** Begins a new connection when TLS is to be had. False: there is none for this client. */
bool nats_secure_open(struct nats_client *client);
/** Does its handshake wait for its turn? Reading is paused for that, and goes on with it. */
bool nats_secure_waits(const struct nats_client *client);
/** A connection has been lost, which may have been secured; it still has its transport. */
void nats_secure_lost(const struct nats_client *client);
/** INFO's fields about TLS for this client, with a comma in front; or "". */
const char *nats_secure_fields(const struct nats_client *client);

/* info.c */
/** Sends INFO; second: the one after the first PONG, which tells the account. */
void nats_info_send(struct nats_client *client, bool second);
/** Sends INFO that asks this client to go elsewhere. */
void nats_info_send_leaving(struct nats_client *client);

/* ping.c */
/** Starts the timer of a new connection. */
void nats_ping_start(struct nats_client *client);
/** INFO is as good as a PING that CONNECT answers, until there are better figures: it is made; CONNECT has come. */
void nats_ping_greet(struct nats_client *client);
void nats_ping_greeted(struct nats_client *client);
/** CONNECT was seen: a PING follows soon, to measure the round trip. */
void nats_ping_connected(struct nats_client *client);
/** A PONG has come. */
void nats_ping_answered(struct nats_client *client);

#endif
