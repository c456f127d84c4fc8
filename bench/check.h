/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The messages of a load test: how publishers number them, and the checker that tells from what a subscriber
 * gets whether any was lost, doubled, reordered or altered. Pure: no I/O. See check.c.
 */
#ifndef BENCH_CHECK_H
#define BENCH_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <tern/codec_nats.h>

/** Smallest payload: publisher, four digits of number, check digit. */
#define PAYLOAD_MIN_BYTES 8
#define PAYLOAD_MAX_BYTES (1024 * 1024)
/** Publishers: three hexadecimal digits. */
#define PUBLISHERS_MAX 4096
/** Longest subject. */
#define SUBJECT_MAX_BYTES 128

/** What all messages of a run have in common. */
struct shape {
  char subject[SUBJECT_MAX_BYTES + 1];
  unsigned size;   /* payload bytes */
  unsigned digits; /* of the message number */
};

/** Fills in a shape. Returns false when size or subject are out of bounds. */
bool shape_init(struct shape *shape, const char *subject, unsigned size);

/** A batch of frames encoded once and sent again and again: between two sendings only digits change. */
struct batch {
  const struct shape *shape;
  char *bytes;
  size_t frame_bytes; /* each frame is as long as the others */
  size_t payload_at;  /* offset of the payload in a frame */
  unsigned frames;    /* a power of 16, so that the low digits of a frame's number never change */
  unsigned low;       /* how many digits that are */
  unsigned publisher;
};

/** Encodes a batch of about target_bytes. raw: MSG frames, as a subscriber gets them, in place of PUB frames.
 * Returns 0 or -ENOMEM. */
int batch_init(struct batch *batch, const struct shape *shape, unsigned publisher, size_t target_bytes,
               bool raw);
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
};

/** A checker: one per subscriber connection. */
struct checker {
  const struct shape *shape;
  struct stream *streams; /* one per publisher */
  unsigned publishers;
  struct findings found;
  struct tern_nats_parser parser; /* for everything that does not look like a message expected */
  bool parsing;                   /* it holds part of an operation */
  size_t line_len;
  size_t frame_bytes;
  char line[SUBJECT_MAX_BYTES + 32]; /* the line each message is expected to start with */
  char *filler;                      /* payload after the digits, and CRLF */
  unsigned pings, pongs;             /* PING and PONG received; the caller answers the former */
  char error[256];                   /* of the server's -ERR; empty: none */
};

/** Returns 0 or -ENOMEM. */
int checker_init(struct checker *checker, const struct shape *shape, unsigned publishers,
                 struct tern_pool *pool);
void checker_free(struct checker *checker);
/**
 * Checks what a subscriber received.
 * @return how many bytes were used: fewer than len when the rest is an incomplete message that must be given
 * again with what follows; or a tern_nats_error
 */
int64_t checker_feed(struct checker *checker, const char *data, size_t len);
/** At the end: counts as lost what publisher sent and did not come. */
void checker_finish(struct checker *checker, unsigned publisher, uint64_t sent);

#endif
