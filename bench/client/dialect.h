/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the load test needs to know about a protocol: how frames begin, and what a server said. One table of functions
 * for each; all are pure. A frame is its line (everything before the payload), the payload, CR LF. The put functions
 * return the length, like snprintf.
 */
#ifndef BENCH_DIALECT_H
#define BENCH_DIALECT_H

#include <stdbool.h>
#include <stdint.h>
#include <tern/buffer.h>

#include "target.h"

/** Largest line of a frame. */
#define LINE_MAX_BYTES 512
/** Longest name a server or a version has here. */
#define NAME_MAX_BYTES 64

/** What one operation of a server is. */
struct event {
  enum event_kind {
    EVENT_MESSAGE, /* subject, reply, payload */
    EVENT_PING,    /* wants to be answered */
    EVENT_PONG,    /* answers ours: everything before has been taken */
    EVENT_HELLO,   /* text says who the server is */
    EVENT_ERROR,   /* text */
    EVENT_OTHER,
  } kind;
  struct tern_slice subject, reply, payload, text;
};

/** A message to be: what its line is made of. */
struct frame {
  const char *subject;
  const char *filter; /* what the subscriber asked for */
  const char *sid;    /* as what */
  const char *reply;  /* NULL: none */
  unsigned size;      /* of the payload */
  bool headers;       /* a block of them */
};

/** Whether a server has TLS. */
enum security { SECURITY_NONE, SECURITY_OFFERED, SECURITY_REQUIRED };

/** What a connection is for, as far as it matters when it is opened. */
enum purpose { PURPOSE_PUBLISH, PURPOSE_PUBLISH_BESIDE, PURPOSE_RECEIVE, PURPOSE_REQUEST, PURPOSES };

/** A protocol. */
struct dialect {
  const char *protocol; /* its name */
  const char *server;   /* what speaks it, until it tells itself */
  bool greets;          /* the server speaks first, and hello waits for that */
  bool acknowledges; /* PING is answered when everything before is done; otherwise the streams' ends say so */
  bool replies;      /* has reply subjects */
  bool groups;       /* has queue groups */
  bool headers;      /* has headers */
  bool many_publishers;
  bool wants_frame_size; /* from publishers that are not alone */
  bool subscriptions;    /* they can be many, and come and go */
  const char *ping, *pong;
  int (*put_publish)(char *to, size_t room, const struct frame *frame);
  int (*put_delivery)(char *to, size_t room, const struct frame *frame);
  /** group NULL: none */
  int (*put_subscribe)(char *to, size_t room, const char *filter, const char *group, const char *sid);
  int (*put_unsubscribe)(char *to, size_t room, const char *filter, const char *sid);
  /** What a client says first, without the PING that ends it; to be freed. NULL: out of memory. */
  char *(*hello)(const struct target *target, enum purpose purpose);
  /** One operation from the beginning of the bytes. Returns bytes used, 0: incomplete, negative: not this protocol. */
  int64_t (*next)(const char *data, size_t len, struct event *event);
  /** Reads name and version (NAME_MAX_BYTES each) from the text of an EVENT_HELLO. */
  void (*identify)(struct tern_slice text, char *name, char *version);
  /** What the text of an EVENT_HELLO says of TLS; NULL: there is none. */
  enum security (*security)(struct tern_slice text);
  /** Which of the server's workers has the connection, by the text of an EVENT_HELLO; negative: it does not say. NULL:
   * servers that speak this never do. */
  int (*worker)(struct tern_slice text);
};

extern const struct dialect dialect_nats, dialect_raw, dialect_redis;

#endif
