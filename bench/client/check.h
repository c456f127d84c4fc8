/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The messages of a load test: how publishers number them, and the checker that tells from what a subscriber
 * gets whether any was lost, doubled, reordered or altered. Pure: no I/O. See check.c.
 */
#ifndef BENCH_CHECK_H
#define BENCH_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "dialect.h"

/** Smallest payload: publisher, four digits of number, check digit. */
#define PAYLOAD_MIN_BYTES 8
/** Smallest payload whose numbers never start again. */
#define PAYLOAD_UNIQUE_BYTES 16
#define PAYLOAD_MAX_BYTES    (64 * 1024 * 1024)
/** Publishers: three hexadecimal digits. */
#define PUBLISHERS_MAX 4096
/** Longest subject. */
#define SUBJECT_MAX_BYTES 128
/** Most kinds of message in one run: the batch holds each at least once. */
#define KINDS_MAX 65536

/** One kind of message: what is before the payload, and the payload's size. */
struct kind {
  char *publish, *delivery; /* lines */
  unsigned publish_len, delivery_len;
  unsigned size;
};

/** What all messages of a run have in common. A message's kind follows from its number: kind[number % cycle % kinds].
 */
struct shape {
  const struct dialect *dialect;
  struct kind *kind;
  unsigned kinds;
  unsigned cycle;  /* a power of 16, at least kinds */
  unsigned digits; /* of the message number */
  unsigned size_max;
  double size_mean, delivery_mean; /* bytes of payload, and of a frame that a subscriber gets */
};

/** Prepares a shape for that many kinds of messages, of at least size_min bytes of payload. Returns 0 or -ENOMEM. */
int shape_init(struct shape *shape, const struct dialect *dialect, unsigned kinds, unsigned size_min);
/** Adds the next kind. Returns 0, -EINVAL (line too long, or payload too small) or -ENOMEM. */
int shape_add(struct shape *shape, const struct frame *frame);
void shape_free(struct shape *shape);
/** Which kind a message is. */
static inline const struct kind *shape_kind(const struct shape *shape, uint64_t number) {
  return &shape->kind[shape->kinds == 1 ? 0 : (unsigned)(number & (shape->cycle - 1)) % shape->kinds];
}

/** A batch of frames encoded once and sent again and again: between two sendings only digits change. */
struct batch {
  const struct shape *shape;
  char *bytes;
  uint32_t *end;     /* of each frame */
  uint32_t *payload; /* where each frame's begins */
  unsigned frames;   /* a power of 16, so that the low digits of a frame's number never change */
  unsigned low;      /* how many digits that are */
  unsigned publisher;
};

/** Encodes a batch of about target_bytes: frames as a publisher sends them, or as a subscriber gets them. Returns 0 or
 * -ENOMEM. */
int batch_init(struct batch *batch, const struct shape *shape, unsigned publisher, size_t target_bytes,
               bool delivered);
/** Frees it. */
void batch_free(struct batch *batch);
/** Numbers the frames first, first + 1, ...; first must be a multiple of batch->frames. */
void batch_number(struct batch *batch, uint64_t first);

/** What a checker found. */
struct findings {
  uint64_t received;  /* messages */
  uint64_t lost;      /* numbers that never came */
  uint64_t doubled;   /* came again */
  uint64_t reordered; /* came after a later one */
  uint64_t altered;   /* content, subject or subscription not as sent */
};

/** Adds findings up. */
void findings_add(struct findings *sum, const struct findings *add);

/** Numbers [from, to) that were skipped and may still come late. */
struct gap {
  uint64_t from, to;
};
#define GAPS_MAX 64

/** What is known about one publisher's messages. */
struct stream {
  uint64_t next;     /* the number expected, not cut to its digits */
  char expected[16]; /* its digits, as they must stand at the start of the payload */
  unsigned gaps;     /* entries in gap */
  struct gap *gap;   /* GAPS_MAX of them, allocated with the first loss */
  uint64_t *seen;    /* a bit for each number, when the subscriber gets a share only */
  size_t seen_words;
};

/** Which of the publishers' messages a subscriber is to get. */
enum share {
  SHARE_ALL,    /* each, in order */
  SHARE_SOME,   /* any of them, in order; together the subscribers get each once (checkers_merge) */
  SHARE_ANYHOW, /* each, in any order */
};

/** A checker: one per subscriber connection. */
struct checker {
  const struct shape *shape;
  enum share share;
  struct stream *streams; /* one per publisher */
  unsigned publishers;
  struct findings found;
  char *filler;          /* payload after the digits */
  unsigned pings, pongs; /* PING and PONG received; the caller answers the former */
  char error[256];       /* what the server said is wrong; empty: nothing */
  /** Told of each message that was as sent; NULL: nobody is. */
  void (*seen)(void *context, unsigned publisher, uint64_t number);
  void *context;
};

/** Returns 0 or -ENOMEM. */
int checker_init(struct checker *checker, const struct shape *shape, unsigned publishers, enum share share);
void checker_free(struct checker *checker);
/**
 * Checks what a subscriber received.
 * @return how many bytes were used: fewer than len when the rest is an incomplete operation that must be given
 * again with what follows; or negative: not the protocol
 */
int64_t checker_feed(struct checker *checker, const char *data, size_t len);
/** At the end: counts as lost what publisher sent and did not come. */
void checker_finish(struct checker *checker, unsigned publisher, uint64_t sent);
/** The same for checkers that have a share each: what none has seen is lost, what several have seen is doubled; counted
 * with the first of them. */
void checkers_merge(struct checker *const *checkers, unsigned count, unsigned publisher, uint64_t sent);

#endif
