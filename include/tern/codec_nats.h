/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The NATS codec: bytes to operations and back. Pure: no I/O, no clock, nothing allocated per message.
 *
 * The parser is incremental: feed it bytes cut anywhere and take operations out until there are none; every
 * split of the same input gives the same operations. A payload that arrived whole is not copied. What is left
 * of an incomplete operation is kept in a buffer of the parser's own, which is sized exactly once the length
 * is known and gone when the operation is complete, so that idle connections hold none.
 *
 *     tern_nats_feed(&parser, chunk);
 *     while ((r = tern_nats_next(&parser, &op)) > 0) { ... use op; may stop in between ... }
 *     tern_nats_keep(&parser);      // before chunk's memory goes away
 *
 * Source: docs.nats.io "Client Protocol", and nats-server's behaviour where the text is silent.
 * All functions: Thread: one at a time per parser. Blocks: no.
 */
#ifndef TERN_CODEC_NATS_H
#define TERN_CODEC_NATS_H

#include <stdbool.h>
#include <stdint.h>

#include <tern/buffer.h>
#include <tern/export.h>
#include <tern/message.h>
#include <tern/protocol.h>

/** Whose operations a parser understands. */
enum tern_nats_side {
  TERN_NATS_FROM_CLIENT, /**< what clients send: CONNECT PUB HPUB SUB UNSUB PING PONG +OK -ERR INFO */
  TERN_NATS_FROM_SERVER, /**< what servers send: INFO MSG HMSG PING PONG +OK -ERR */
};

/** Operations. */
enum tern_nats_verb {
  TERN_NATS_CONNECT, /**< arg: JSON */
  TERN_NATS_PUB,     /**< subject, reply, body, size_text, owner; header_len is 0 and header_text empty */
  TERN_NATS_HPUB,    /**< as PUB, with header_len and header_text */
  TERN_NATS_SUB,     /**< subject, group, sid */
  TERN_NATS_UNSUB,   /**< sid, max */
  TERN_NATS_PING,    /**< nothing */
  TERN_NATS_PONG,    /**< nothing */
  TERN_NATS_OK,      /**< nothing */
  TERN_NATS_ERR,     /**< arg: text with its quotes */
  TERN_NATS_INFO,    /**< arg: JSON */
  TERN_NATS_MSG,     /**< as PUB, with sid */
  TERN_NATS_HMSG,    /**< as HPUB, with sid */
};

/** What is wrong with the input; parsers return the negative value and stay in that state. */
enum tern_nats_error {
  TERN_NATS_EUNKNOWN = -1, /**< not a verb, or a payload without its CRLF: 'Unknown Protocol Operation' */
  TERN_NATS_EARGS = -2,    /**< wrong number or form of arguments: close silently */
  TERN_NATS_ELINE = -3,    /**< control line too long: 'maximum control line exceeded' */
  TERN_NATS_EPAYLOAD = -4, /**< message too large: 'Maximum Payload Violation' */
  TERN_NATS_EHEADERS = -5, /**< headers without having asked for them: close silently */
  TERN_NATS_ENOMEM = -6,   /**< no memory to keep an incomplete operation */
};

/** One operation. Slices are valid until the next call on the parser. Only what the verb has is set. */
struct tern_nats_op {
  enum tern_nats_verb verb;      /**< which */
  struct tern_slice subject;     /**< PUB HPUB SUB MSG HMSG */
  struct tern_slice reply;       /**< PUB HPUB MSG HMSG; empty: none */
  struct tern_slice group;       /**< SUB: queue group; empty: none */
  struct tern_slice sid;         /**< SUB UNSUB MSG HMSG */
  struct tern_slice arg;         /**< CONNECT INFO -ERR: the rest of the line without blanks around it */
  struct tern_slice body;        /**< headers and payload */
  struct tern_slice size_text;   /**< the digits of the total size as sent */
  struct tern_slice header_text; /**< the digits of the header size as sent */
  uint32_t header_len;           /**< bytes of headers at the start of body */
  int64_t max;                   /**< UNSUB: the number given, 0 when none or not a number (remove at once) */
  struct tern_buf *owner;        /**< buffer body lies in (for keeping it by reference), or NULL */
};

/** A parser. Private; embed it and use the functions. About 110 bytes. */
struct tern_nats_parser {
  struct tern_pool *pool;   /**< private */
  struct tern_buf *kept;    /**< private: arguments and body of an incomplete operation, or of the last one */
  struct tern_buf *backlog; /**< private: what was kept before all of it had been looked at */
  struct tern_buf *owner;   /**< private: buffer that data lies in; borrowed */
  const char *data;         /**< private: bytes not looked at yet, in backlog or in the current chunk */
  size_t len;               /**< private */
  const char *more;         /**< private: the current chunk while data is in backlog */
  size_t more_len;          /**< private */
  struct tern_buf *more_owner; /**< private */
  uint32_t kept_len;           /**< private: bytes in kept */
  uint32_t line_len;           /**< private: of these, the line with its LF, while the body is awaited */
  uint32_t body_len;           /**< private: size of that body */
  uint32_t whole_len;   /**< private: of the last operation, the line with verb and LF; 0: it was cut */
  uint32_t line_max;    /**< private: max_control_line */
  uint32_t payload_max; /**< private: max_payload */
  uint16_t candidates;  /**< private: verbs that begin with the letters seen, a bit for each */
  uint8_t letters;      /**< private: how many letters */
  uint8_t state;        /**< private: what the incomplete operation waits for */
  uint8_t side : 1;     /**< private: enum tern_nats_side */
  bool headers : 1;     /**< private: HPUB allowed */
  bool dry;             /**< private: tern_nats_next has looked at everything */
  bool delivered;       /**< private: the last operation lies in kept */
  int8_t failed;        /**< private: enum tern_nats_error or 0 */
};

/** Prepares a parser. pool is where incomplete operations are kept; limits are set to the defaults, but lines
 * of servers, which have no limit of their own, may have a mebibyte. */
TERN_API void tern_nats_init(struct tern_nats_parser *parser, enum tern_nats_side side,
                             struct tern_pool *pool);
/** Sets the limits: argument bytes of a line, bytes of a message. */
TERN_API void tern_nats_set_limits(struct tern_nats_parser *parser, uint32_t line_max, uint32_t payload_max);
/** Allows or refuses HPUB (refused at first, as before a CONNECT with headers:true). */
TERN_API void tern_nats_set_headers(struct tern_nats_parser *parser, bool allowed);
/** Gives the parser the next bytes. Everything of the chunk before must have been used or kept. */
TERN_API void tern_nats_feed(struct tern_nats_parser *parser, const struct tern_chunk *chunk);
/**
 * Takes the next operation.
 * @return 1 with an operation, 0 when more bytes are needed, or a tern_nats_error
 */
TERN_API int tern_nats_next(struct tern_nats_parser *parser, struct tern_nats_op *op);
/**
 * Takes further operations that begin with the very line of the last one, a message: a run (message.h).
 * @param parser the parser
 * @param op the last operation; it is not changed
 * @param max how many at most
 * @param[out] stride from the body of one to the body of the next, the first being op's
 * @return how many were taken; 0 is always right
 */
TERN_API uint32_t tern_nats_take_repeats(struct tern_nats_parser *parser, const struct tern_nats_op *op,
                                         uint32_t max, uint32_t *stride);
/** False when tern_nats_take_repeats would find none: a quick look at the end of the next line. */
static inline bool tern_nats_may_repeat(const struct tern_nats_parser *parser,
                                        const struct tern_nats_op *op) {
  uint64_t this_end, next_end;
  if (parser->whole_len == 0 || parser->len < parser->whole_len) return false;
  memcpy(&this_end, op->body.ptr - sizeof this_end, sizeof this_end);
  memcpy(&next_end, parser->data + parser->whole_len - sizeof next_end, sizeof next_end);
  return this_end == next_end;
}
/**
 * Takes the next operation when it is a PUB without a reply, in the form clients usually write it, that lies in the input
 * as a whole. May follow any tern_nats_next that gave an operation; what that and further calls have given stays valid
 * until another function of the parser is called (apart from tern_nats_give_back).
 * @param parser the parser
 * @param before the message taken last, where it is likely that its line comes again; or NULL
 * @param[out] message its subject, size_text and body are set
 * @return 0 when there is none: tern_nats_next goes on, whatever comes; 1, or 2 when the line is that of the message before
 */
TERN_API int tern_nats_take_pub(struct tern_nats_parser *parser, const struct tern_message *before,
                                struct tern_message *message);
/**
 * Takes further operations like the one tern_nats_take_pub has just taken, as long as their lines differ from that in the
 * letters of the subject only, and from the one before them in some.
 * @param parser the parser
 * @param[in,out] list the message taken last; those behind it get subject, size_text and body
 * @param max how many more at most
 * @return how many; 0 is always right
 */
TERN_API uint32_t tern_nats_take_alike(struct tern_nats_parser *parser, struct tern_message *list,
                                       uint32_t max);
/** Gives back a message of these two, and all that were taken after it. */
TERN_API void tern_nats_give_back(struct tern_nats_parser *parser, const struct tern_message *message);
/** A SUB that has not been read yet. */
struct tern_nats_glance {
  struct tern_slice filter; /**< its first word */
  struct tern_slice sid;    /**< its last one */
};
/**
 * Looks at the SUBs that come next, up to anything else or what is unusual: a hint, nothing is checked.
 * @param parser the parser
 * @param[out] list what they say; points to the chunk
 * @param max how many at most
 * @return how many; 0 is always right
 */
TERN_API uint32_t tern_nats_glance(const struct tern_nats_parser *parser, struct tern_nats_glance *list,
                                   uint32_t max);
/** Keeps what has not been used, so that the chunk may go: by a reference to its owner where that is at least half of the
 * owner's bytes, otherwise as a copy.
 * @return 0 or TERN_NATS_ENOMEM */
TERN_API int tern_nats_keep(struct tern_nats_parser *parser);
/** Bytes given and not used yet. Blanks after a verb and what is ignored after PING, PONG and +OK count as
 * used. */
TERN_API size_t tern_nats_unused(const struct tern_nats_parser *parser);
/** Drops everything kept. The parser may be initialised again. */
TERN_API void tern_nats_reset(struct tern_nats_parser *parser);

/** Bytes a MSG or HMSG line of a message can take at most. Lines have no limit of their own. */
static inline size_t tern_nats_line_max(const struct tern_message *message, size_t sid_len) {
  return message->subject.len + message->reply.len + sid_len + 64;
}
/** The part of the body that a receiver gets: without headers, when it does not take them. */
static inline struct tern_slice tern_nats_body(const struct tern_message *message, bool takes_headers) {
  size_t skipped = takes_headers ? 0 : message->header_len;
  return skipped == 0 ? message->body
                      : (struct tern_slice){message->body.ptr + skipped, message->body.len - skipped};
}
/**
 * Writes the line of a message: MSG, or HMSG when it has headers that the receiver takes.
 * @param to room for tern_nats_line_max bytes
 * @param message the message
 * @param takes_headers false: headers are left out
 * @param sid the receiver's subscription
 * @return one past the last byte written
 */
TERN_API char *tern_nats_put_line(char *to, const struct tern_message *message, bool takes_headers,
                                  struct tern_slice sid);
/**
 * Writes the messages of a list (message.h), each with its line, body and CR LF.
 * @param to room for tern_nats_line_max, the body and 2 more bytes, for each
 * @param list the first one; they have no headers
 * @param count how many
 * @param sid the receiver's subscription
 * @return one past the last byte written
 */
TERN_API char *tern_nats_put_list(char *to, const struct tern_message *list, uint64_t count,
                                  struct tern_slice sid);
/**
 * Writes messages of a run, or a single one, each with its line, body and CR LF.
 * @param to room for tern_nats_line_max, the body and 2 more bytes, for each
 * @param message the first one of the run
 * @param takes_headers false: headers are left out
 * @param sid the receiver's subscription
 * @param first which one to begin with, 0 being message itself
 * @param count how many, at least 1
 * @return one past the last byte written
 */
TERN_API char *tern_nats_put_frames(char *to, const struct tern_message *message, bool takes_headers,
                                    struct tern_slice sid, uint64_t first, uint64_t count);

#endif
