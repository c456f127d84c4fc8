/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The incremental parser of the NATS protocol.
 *
 * There are two ways through it. Most operations lie whole in one chunk: `parse_whole` finds the verb with
 * one 32-bit comparison, the words of the line with one scan (nats_scan.h), checks the two bytes behind the
 * body and never touches the body itself. All slices point into the chunk.
 *
 * An operation that is cut by the end of a chunk is digested by `resume`, a state machine over `state`:
 *
 *     START -> VERB -> GAP -> BLANKS -> LINE -> BODY        PUB HPUB MSG HMSG
 *                              BLANKS -> LINE               SUB UNSUB -ERR, CONNECT INFO (without GAP)
 *                      REST                                 PING PONG +OK: everything up to LF is ignored
 *
 * Letters of the verb, blanks and ignored bytes leave nothing behind but the state. Arguments and body are
 * collected in `kept`:
 *
 *     kept   [ arguments of the line ... LF | body ............ CR LF ]
 *              <----- line_len ------------> <- body_len ->
 *
 * which grows by doubling while the end of the line is unknown (so that a line fed byte by byte costs linear
 * time, and no byte is scanned for LF twice) and then gets its exact size once, so that each byte of a large
 * body is copied once. The buffer belongs to one operation: it is let go with the next call, and lives on if
 * somebody has taken a reference. When the line was kept and its body then arrives whole, the body stays in
 * the new chunk. As soon as the cut operation is complete, the rest of the chunk goes the first way again.
 *
 * tern_nats_keep may also be called while complete operations are left over (a reader that is being held
 * back). These bytes become the `backlog`, which is parsed like a chunk that comes before the next one: the
 * chunk's own buffer where they are at least half of it, otherwise a copy.
 *
 * Errors come as early as the bytes allow: at the first letter that fits no verb, at the first byte that
 * makes the line too long, at the line for the size of a message, at the first wrong byte behind a body. Each
 * is found at the same byte in both ways, which is why any split of the input gives the same operations and
 * errors. Of two errors of one line the order is: too long, headers not allowed, wrong arguments, message too
 * large.
 *
 * Called by the thread that owns the connection. It does not look into subjects, JSON or headers.
 */
#include <assert.h>
#include <string.h>

#include <tern/codec_nats.h>
#include <tern/limits.h>

#include "nats_plain.h"

/* For what is to be compiled once per verb, with the verb known. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Lines of servers have no limit of their own; this one keeps a broken peer from filling the memory. */
#define SERVER_LINE_MAX_BYTES (1024u * 1024)
/* Keeps lengths in 32 bits: the largest size is nine digits. */
#define LINE_MAX_BYTES  (1024u * 1024 * 1024)
#define SIZE_DIGITS_MAX TERN__NATS_SIZE_LEN_MAX
/* First size of the buffer for an incomplete line. */
#define KEPT_MIN_BYTES 64u

static_assert(sizeof(struct tern_nats_parser) <= 128, "every connection has one");

/* What the incomplete operation waits for. */
enum state {
  AT_START,  /* nothing of it has come */
  AT_VERB,   /* more letters */
  AT_GAP,    /* the blank after the verb */
  AT_BLANKS, /* the first byte of the arguments */
  AT_LINE,   /* the LF of the line */
  AT_BODY,   /* body, CR and LF */
  AT_REST,   /* the LF of a line whose content does not matter */
};

/* What follows a verb. */
enum form {
  FORM_NONE,    /* nothing of interest */
  FORM_TEXT,    /* one argument: the rest of the line */
  FORM_WORDS,   /* words */
  FORM_MESSAGE, /* words and a body */
};

static const struct verb {
  char name[8];
  uint8_t len;
  uint8_t form;
  uint8_t gap; /* a blank must follow */
  uint8_t words_min;
  uint8_t words_max;
} verbs[] = {
    [TERN_NATS_CONNECT] = {"connect", 7, FORM_TEXT, 0, 0, 0},
    [TERN_NATS_PUB] = {"pub", 3, FORM_MESSAGE, 1, 2, 3},
    [TERN_NATS_HPUB] = {"hpub", 4, FORM_MESSAGE, 1, 3, 4},
    [TERN_NATS_SUB] = {"sub", 3, FORM_WORDS, 1, 2, 3},
    [TERN_NATS_UNSUB] = {"unsub", 5, FORM_WORDS, 1, 1, 2},
    [TERN_NATS_PING] = {"ping", 4, FORM_NONE, 0, 0, 0},
    [TERN_NATS_PONG] = {"pong", 4, FORM_NONE, 0, 0, 0},
    [TERN_NATS_OK] = {"+ok", 3, FORM_NONE, 0, 0, 0},
    [TERN_NATS_ERR] = {"-err", 4, FORM_TEXT, 1, 0, 0},
    [TERN_NATS_INFO] = {"info", 4, FORM_TEXT, 0, 0, 0},
    [TERN_NATS_MSG] = {"msg", 3, FORM_MESSAGE, 1, 3, 4},
    [TERN_NATS_HMSG] = {"hmsg", 4, FORM_MESSAGE, 1, 4, 5},
};
#define VERBS (sizeof verbs / sizeof verbs[0])

#define BIT(verb) (1u << (verb))
#define BITS_BOTH \
  (BIT(TERN_NATS_PING) | BIT(TERN_NATS_PONG) | BIT(TERN_NATS_OK) | BIT(TERN_NATS_ERR) | BIT(TERN_NATS_INFO))
/* The verbs of each side. None is the beginning of another. */
static const uint16_t verbs_of[] = {
    [TERN_NATS_FROM_CLIENT] = BITS_BOTH | BIT(TERN_NATS_CONNECT) | BIT(TERN_NATS_PUB) | BIT(TERN_NATS_HPUB) |
                              BIT(TERN_NATS_SUB) | BIT(TERN_NATS_UNSUB),
    [TERN_NATS_FROM_SERVER] = BITS_BOTH | BIT(TERN_NATS_MSG) | BIT(TERN_NATS_HMSG),
};

static inline bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* ---- Verbs ---- */

/* Of the candidates, those whose letter number `at` is c. */
static unsigned narrow(unsigned candidates, unsigned at, char c) {
  unsigned left = 0;
  if (c >= 'A' && c <= 'Z') c = (char)(c | 0x20);
  for (; candidates != 0; candidates &= candidates - 1) {
    unsigned verb = (unsigned)__builtin_ctz(candidates);
    if (verbs[verb].name[at] == c) left |= BIT(verb);
  }
  return left;
}

/* Takes letters of a verb off the input: 1 when it is complete (candidates has its bit only), 0 or an error.
 */
static int take_letters(struct tern_nats_parser *p) {
  while (p->len > 0) {
    unsigned left = narrow(p->candidates, p->letters, *p->data);
    if (left == 0) return TERN_NATS_EUNKNOWN;
    p->candidates = (uint16_t)left;
    p->letters++;
    p->data++;
    p->len--;
    if (p->letters == verbs[__builtin_ctz(left)].len) return 1;
  }
  return 0;
}

/* ---- Words of a line ---- */

static inline struct tern_slice word(const char *line, const struct tern__nats_cuts *cuts, unsigned i) {
  return (struct tern_slice){line + cuts->at[2 * i], cuts->at[2 * i + 1] - cuts->at[2 * i]};
}

/* A size: 1 to 9 digits and nothing else; -1 when it is none. */
static inline int32_t parse_size(struct tern_slice text) {
  if (text.len == 0 || text.len > SIZE_DIGITS_MAX) return -1;
  uint32_t value = 0;
  for (size_t i = 0; i < text.len; i++) {
    uint32_t digit = (uint32_t)(unsigned char)text.ptr[i] - '0';
    if (digit > 9) return -1;
    value = value * 10 + digit;
  }
  return (int32_t)value;
}

/* PUB, HPUB, MSG, HMSG: everything but the place of the body. `n` is the number of words, which fits the
 * verb. */
ALWAYS_INLINE int read_message(struct tern_nats_op *op, enum tern_nats_verb verb, const char *line,
                               const struct tern__nats_cuts *cuts, unsigned n) {
  unsigned at = 1;
  int32_t header = 0;
  op->subject = word(line, cuts, 0);
  if (verb >= TERN_NATS_MSG) op->sid = word(line, cuts, at++);
  op->reply = (struct tern_slice){NULL, 0};
  if (n == verbs[verb].words_max) op->reply = word(line, cuts, at++);
  op->header_text = (struct tern_slice){NULL, 0};
  if (verb == TERN_NATS_HPUB || verb == TERN_NATS_HMSG) {
    op->header_text = word(line, cuts, at++);
    header = parse_size(op->header_text);
  }
  op->size_text = word(line, cuts, at);
  int32_t size = parse_size(op->size_text);
  if (header < 0 || size < header) return TERN_NATS_EARGS; /* also when size is -1 */
  op->header_len = (uint32_t)header;
  op->body.len = (size_t)size;
  return 0;
}

/* SUB, UNSUB. */
ALWAYS_INLINE void read_subscription(struct tern_nats_op *op, enum tern_nats_verb verb, const char *line,
                                     const struct tern__nats_cuts *cuts, unsigned n) {
  if (verb == TERN_NATS_SUB) {
    op->subject = word(line, cuts, 0);
    op->group = n == 3 ? word(line, cuts, 1) : (struct tern_slice){NULL, 0};
    op->sid = word(line, cuts, n - 1);
  } else {
    int32_t max = n == 2 ? parse_size(word(line, cuts, 1)) : 0;
    op->sid = word(line, cuts, 0);
    op->max = max > 0 ? max : 0;
  }
}

/* Reads the words of a line. Returns 0 or an error. */
ALWAYS_INLINE int read_words(struct tern_nats_op *op, enum tern_nats_verb verb, const char *line,
                             const struct tern__nats_cuts *cuts) {
  unsigned n = cuts->n / 2;
  if (n < verbs[verb].words_min || n > verbs[verb].words_max) return TERN_NATS_EARGS;
  op->verb = verb;
  if (verbs[verb].form == FORM_MESSAGE) return read_message(op, verb, line, cuts, n);
  read_subscription(op, verb, line, cuts, n);
  return 0;
}

/* CONNECT, INFO, -ERR: the line, which begins with a non-blank, without line end and trailing blanks. */
static void read_text(struct tern_nats_op *op, enum tern_nats_verb verb, const char *line, size_t lf) {
  if (lf > 0 && line[lf - 1] == '\r') lf--;
  while (lf > 0 && is_blank(line[lf - 1]))
    lf--;
  op->verb = verb;
  op->arg = (struct tern_slice){line, lf};
}

/* The part of `len` bytes of a line that is worth looking at: more would be too long, even with CR and LF. */
static inline size_t within_line(const struct tern_nats_parser *p, size_t len) {
  size_t most = (size_t)p->line_max + 2;
  return len < most ? len : most;
}

/* Is a line, or its beginning, of `len` bytes without LF too long? A CR at the end may belong to the line
 * end. */
static inline bool line_too_long(const struct tern_nats_parser *p, const char *line, size_t len) {
  if (len <= p->line_max) return false;
  return len > (size_t)p->line_max + 1 || line[len - 1] != '\r';
}

/* ---- Operations that lie in the input from their first argument on ---- */

static inline void consume(struct tern_nats_parser *p, size_t len) {
  p->data += len;
  p->len -= len;
}

/* The body of op is to be at the input's beginning plus `at`. Takes the whole off the input, or returns 0. */
ALWAYS_INLINE int take_body(struct tern_nats_parser *p, struct tern_nats_op *op, size_t at) {
  size_t len = op->body.len, left = p->len - at;
  const char *body = p->data + at;
  if (left < len + 2) return left > len && body[len] != '\r' ? TERN_NATS_EUNKNOWN : 0;
  if (body[len] != '\r' || body[len + 1] != '\n') return TERN_NATS_EUNKNOWN;
  op->body.ptr = body;
  op->owner = p->owner;
  p->whole_len = (uint32_t)at;
  consume(p, at + len + 2);
  return 1;
}

/*
 * The input at offset `at` holds the arguments of a verb, with an LF at `lf` and these cuts. Returns 1 with the
 * operation, taken off the input; 0 when its body is incomplete and nothing was taken; or an error.
 */
ALWAYS_INLINE int take_line(struct tern_nats_parser *p, enum tern_nats_verb verb, size_t at, size_t lf,
                            const struct tern__nats_cuts *cuts, struct tern_nats_op *op) {
  if (verb == TERN_NATS_HPUB && !p->headers) return TERN_NATS_EHEADERS;
  int r = read_words(op, verb, p->data + at, cuts);
  if (r != 0) return r;
  at += lf + 1;
  if (verbs[verb].form == FORM_MESSAGE) {
    if (op->body.len > p->payload_max) return TERN_NATS_EPAYLOAD;
    return take_body(p, op, at);
  }
  consume(p, at);
  return 1;
}

/* The same when the line may not be complete. */
static int take_words(struct tern_nats_parser *p, enum tern_nats_verb verb, size_t at,
                      struct tern_nats_op *op) {
  const char *line = p->data + at;
  struct tern__nats_cuts cuts;
  size_t len = within_line(p, p->len - at);
  size_t lf = tern__nats_scan(line, len, &cuts);
  if (line_too_long(p, line, lf)) return TERN_NATS_ELINE;
  return lf < len ? take_line(p, verb, at, lf, &cuts, op) : 0;
}

/* As take_words, for verbs with one argument. */
static int take_text(struct tern_nats_parser *p, enum tern_nats_verb verb, size_t at,
                     struct tern_nats_op *op) {
  const char *line = p->data + at;
  size_t len = within_line(p, p->len - at);
  const char *end = memchr(line, '\n', len);
  size_t lf = end != NULL ? (size_t)(end - line) : len;
  if (line_too_long(p, line, lf)) return TERN_NATS_ELINE;
  if (lf == len) return 0;
  read_text(op, verb, line, lf);
  consume(p, at + lf + 1);
  return 1;
}

static int take_rest(struct tern_nats_parser *p, enum tern_nats_verb verb, size_t at,
                     struct tern_nats_op *op) {
  const char *end = memchr(p->data + at, '\n', p->len - at);
  if (end == NULL) return 0;
  op->verb = verb;
  consume(p, (size_t)(end - p->data) + 1);
  return 1;
}

/* The verb at the input's beginning, or VERBS when there are too few letters, or an error. */
static int find_verb(const struct tern_nats_parser *p) {
  unsigned candidates = verbs_of[p->side];
  for (unsigned at = 0; at < p->len; at++) {
    candidates = narrow(candidates, at, p->data[at]);
    if (candidates == 0) return TERN_NATS_EUNKNOWN;
    unsigned verb = (unsigned)__builtin_ctz(candidates);
    if (at + 1 == verbs[verb].len) return (int)verb;
  }
  return VERBS;
}

/* Takes an operation off the input that lies there from its first byte. 1, 0 (nothing was taken) or an error.
 */
static __attribute__((noinline)) int take_operation(struct tern_nats_parser *p, struct tern_nats_op *op) {
  int found = find_verb(p);
  if (found < 0) return found;
  if (found == VERBS) return 0;
  enum tern_nats_verb verb = (enum tern_nats_verb)found;
  size_t at = verbs[verb].len;
  if (verbs[verb].form == FORM_NONE) return take_rest(p, verb, at, op);
  if (at == p->len) return 0;
  if (verbs[verb].gap && !is_blank(p->data[at])) return TERN_NATS_EUNKNOWN;
  while (is_blank(p->data[at])) {
    if (++at == p->len) return 0;
  }
  return verbs[verb].form == FORM_TEXT ? take_text(p, verb, at, op) : take_words(p, verb, at, op);
}

/* ---- The same for what is common, in the form in which it is common ---- */

#define FOUR(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
/* The shortest operation: PING and its line end. */
#define QUICK_MIN_BYTES 6

/* One verb with words, whose letters were found: known when this is inlined. */
ALWAYS_INLINE int quick_words(struct tern_nats_parser *p, struct tern_nats_op *op, enum tern_nats_verb verb) {
  size_t at = verbs[verb].len + 1u;
  const char *line = p->data + at;
  if (p->len < at + TERN__NATS_BLOCK || line[-1] != ' ' || (unsigned char)line[0] <= ' ')
    return take_operation(p, op);
  struct tern__nats_masks m = tern__nats_masks(line);
  if (m.lf == 0 && p->len >= at + 2 * TERN__NATS_BLOCK) m = tern__nats_masks_add(m, line + TERN__NATS_BLOCK);
  if (m.lf == 0) return take_words(p, verb, at, op);
  struct tern__nats_cuts cuts;
  size_t lf = tern__nats_scan_masks(line, m, &cuts);
  if (lf > p->line_max) return take_words(p, verb, at, op);
  return take_line(p, verb, at, lf, &cuts, op);
}

/* PUB, plain or not. */
ALWAYS_INLINE int quick_pub(struct tern_nats_parser *p, struct tern_nats_op *op) {
  struct tern__nats_plain plain;
  if (p->data[3] != ' ' || !tern__nats_plain_pub(p->data, p->len, p->line_max, p->payload_max, &plain))
    return quick_words(p, op, TERN_NATS_PUB);
  const char *subject = p->data + TERN__NATS_PUB_LEN;
  op->verb = TERN_NATS_PUB;
  op->subject = (struct tern_slice){subject, plain.subject_len};
  op->reply = (struct tern_slice){NULL, 0};
  op->header_text = (struct tern_slice){NULL, 0};
  op->size_text = (struct tern_slice){subject + plain.subject_len + 1, plain.size_len};
  op->header_len = 0;
  op->body = (struct tern_slice){p->data + plain.line_len, plain.body_len};
  op->owner = p->owner;
  p->whole_len = plain.line_len;
  consume(p, (size_t)plain.line_len + plain.body_len + 2);
  return 1;
}

/* PING or PONG with nothing to ignore. */
ALWAYS_INLINE int quick_ping(struct tern_nats_parser *p, struct tern_nats_op *op, enum tern_nats_verb verb) {
  if (p->data[4] != '\r' || p->data[5] != '\n') return take_operation(p, op);
  op->verb = verb;
  consume(p, 6);
  return 1;
}

/*
 * One comparison of four bytes finds the verb. Setting the bit for lower case makes equals of a blank and NUL, too,
 * but quick_words looks at the blank again; and of a letter and itself in the other case only.
 */
ALWAYS_INLINE int quick(struct tern_nats_parser *p, struct tern_nats_op *op) {
  if (p->len < QUICK_MIN_BYTES) return take_operation(p, op);
  const unsigned char *t = (const unsigned char *)p->data;
  uint32_t letters = FOUR(t[0], t[1], t[2], t[3]) | 0x20202020u;
  if (p->side == TERN_NATS_FROM_CLIENT) {
    switch (letters) {
      case FOUR('p', 'u', 'b', ' '):
        return quick_pub(p, op);
      case FOUR('h', 'p', 'u', 'b'):
        return quick_words(p, op, TERN_NATS_HPUB);
      case FOUR('s', 'u', 'b', ' '):
        return quick_words(p, op, TERN_NATS_SUB);
      case FOUR('u', 'n', 's', 'u'):
        if ((t[4] | 0x20) == 'b') return quick_words(p, op, TERN_NATS_UNSUB);
        break;
      default:
        break;
    }
  } else {
    switch (letters) {
      case FOUR('m', 's', 'g', ' '):
        return quick_words(p, op, TERN_NATS_MSG);
      case FOUR('h', 'm', 's', 'g'):
        return quick_words(p, op, TERN_NATS_HMSG);
      default:
        break;
    }
  }
  if (letters == FOUR('p', 'i', 'n', 'g')) return quick_ping(p, op, TERN_NATS_PING);
  if (letters == FOUR('p', 'o', 'n', 'g')) return quick_ping(p, op, TERN_NATS_PONG);
  return take_operation(p, op);
}

/* ---- Operations that are cut ---- */

static inline enum tern_nats_verb verb_of(const struct tern_nats_parser *p) {
  return (enum tern_nats_verb)__builtin_ctz(p->candidates);
}

static void drop_kept(struct tern_nats_parser *p) {
  if (p->kept != NULL) tern_buf_unref(p->kept);
  p->kept = NULL;
  p->kept_len = 0;
  p->delivered = false;
}

static void drop_backlog(struct tern_nats_parser *p) {
  if (p->backlog != NULL) tern_buf_unref(p->backlog);
  p->backlog = NULL;
}

/* Makes kept at least that large. Returns 0 or TERN_NATS_ENOMEM. */
static int reserve(struct tern_nats_parser *p, size_t size) {
  if (p->kept != NULL && tern_buf_size(p->kept) >= size) return 0;
  struct tern_buf *buf = tern_buf_new(p->pool, size);
  if (buf == NULL) return TERN_NATS_ENOMEM;
  if (p->kept != NULL) {
    memcpy(tern_buf_data(buf), tern_buf_data(p->kept), p->kept_len);
    tern_buf_unref(p->kept);
  }
  p->kept = buf;
  return 0;
}

/* Moves bytes from the input to kept, where there must be room. */
static void append(struct tern_nats_parser *p, size_t len) {
  memcpy(tern_buf_data(p->kept) + p->kept_len, p->data, len);
  p->kept_len += (uint32_t)len;
  consume(p, len);
}

/* The operation is complete: the next one begins with the next byte. */
static int complete(struct tern_nats_parser *p) {
  p->state = AT_START;
  p->delivered = p->kept != NULL;
  p->whole_len = 0;
  return 1;
}

static int resume_verb(struct tern_nats_parser *p) {
  int r = take_letters(p);
  if (r <= 0) return r;
  const struct verb *verb = &verbs[verb_of(p)];
  p->state = verb->form == FORM_NONE ? AT_REST : verb->gap ? AT_GAP : AT_BLANKS;
  return 0;
}

static int resume_blanks(struct tern_nats_parser *p) {
  if (p->state == AT_GAP && !is_blank(*p->data)) return TERN_NATS_EUNKNOWN;
  p->state = AT_BLANKS;
  while (p->len > 0 && is_blank(*p->data))
    consume(p, 1);
  if (p->len > 0) p->state = AT_LINE;
  return 0;
}

static int resume_rest(struct tern_nats_parser *p, struct tern_nats_op *op) {
  if (take_rest(p, verb_of(p), 0, op)) return complete(p);
  consume(p, p->len);
  return 0;
}

/* Reads the line in kept again or for the first time; it ends with its LF. */
static int read_kept(struct tern_nats_parser *p, struct tern_nats_op *op, size_t line_len) {
  const char *line = tern_buf_data(p->kept);
  if (verbs[verb_of(p)].form == FORM_TEXT) {
    read_text(op, verb_of(p), line, line_len - 1);
    return 0;
  }
  struct tern__nats_cuts cuts;
  tern__nats_scan(line, line_len, &cuts);
  return read_words(op, verb_of(p), line, &cuts);
}

/* The line in kept is complete. */
static int finish_line(struct tern_nats_parser *p, struct tern_nats_op *op) {
  enum tern_nats_verb verb = verb_of(p);
  if (verb == TERN_NATS_HPUB && !p->headers) return TERN_NATS_EHEADERS;
  int r = read_kept(p, op, p->kept_len);
  if (r != 0) return r;
  if (verbs[verb].form != FORM_MESSAGE) return complete(p);
  if (op->body.len > p->payload_max) return TERN_NATS_EPAYLOAD;
  p->line_len = p->kept_len;
  p->body_len = (uint32_t)op->body.len;
  p->state = AT_BODY;
  return 0;
}

static int resume_line(struct tern_nats_parser *p, struct tern_nats_op *op) {
  enum tern_nats_verb verb = verb_of(p);
  if (p->kept_len == 0) { /* only the verb was cut off: perhaps all the rest is here */
    int r = verbs[verb].form == FORM_TEXT ? take_text(p, verb, 0, op) : take_words(p, verb, 0, op);
    if (r != 0) return r > 0 ? complete(p) : r;
  }
  size_t most = (size_t)p->line_max + 2;
  if (p->kept_len >= most) return TERN_NATS_ELINE; /* the limit was lowered in between */
  size_t take = p->len < most - p->kept_len ? p->len : most - p->kept_len;
  const char *end = memchr(p->data, '\n', take);
  if (end != NULL) take = (size_t)(end - p->data) + 1;

  size_t size = p->kept_len + take, room = KEPT_MIN_BYTES;
  while (room < size)
    room *= 2;
  if (reserve(p, room < most ? room : most) != 0) return TERN_NATS_ENOMEM;
  append(p, take);
  if (line_too_long(p, tern_buf_data(p->kept), p->kept_len - (end != NULL))) return TERN_NATS_ELINE;
  return end != NULL ? finish_line(p, op) : 0;
}

static int resume_body(struct tern_nats_parser *p, struct tern_nats_op *op) {
  const size_t body_end = (size_t)p->line_len + p->body_len, end = body_end + 2;
  if (p->kept_len == p->line_len && p->len >= (size_t)p->body_len + 2) { /* it came whole: leave it there */
    int r = read_kept(p, op, p->line_len);
    if (r != 0) return r;
    op->body.len = p->body_len;
    r = take_body(p, op, 0);
    return r > 0 ? complete(p) : r;
  }
  if (reserve(p, end) != 0) return TERN_NATS_ENOMEM;
  append(p, p->len < end - p->kept_len ? p->len : end - p->kept_len);
  const char *line = tern_buf_data(p->kept);
  if (p->kept_len > body_end && line[body_end] != '\r') return TERN_NATS_EUNKNOWN;
  if (p->kept_len < end) return 0;
  if (line[end - 1] != '\n') return TERN_NATS_EUNKNOWN;
  int r = read_kept(p, op, p->line_len);
  if (r != 0) return r;
  op->body.ptr = line + p->line_len;
  op->owner = p->kept;
  return complete(p);
}

/* Digests the input until an operation is complete (1), the input is used up (0) or an error is found. */
static int resume(struct tern_nats_parser *p, struct tern_nats_op *op) {
  int r = 0;
  while (p->len > 0 && r == 0) {
    switch ((enum state)p->state) {
      case AT_START:
        p->candidates = verbs_of[p->side];
        p->letters = 0;
        p->state = AT_VERB;
        break;
      case AT_VERB:
        r = resume_verb(p);
        break;
      case AT_GAP:
      case AT_BLANKS:
        r = resume_blanks(p);
        break;
      case AT_LINE:
        r = resume_line(p, op);
        break;
      case AT_BODY:
        r = resume_body(p, op);
        break;
      case AT_REST:
        r = resume_rest(p, op);
        break;
    }
  }
  return r;
}

/* Nothing of the input will be used any more. */
static int fail(struct tern_nats_parser *p, int error) {
  drop_kept(p);
  drop_backlog(p);
  p->state = AT_START;
  p->len = 0;
  p->more_len = 0;
  p->failed = (int8_t)error;
  return error;
}

/* ---- The interface ---- */

void tern_nats_init(struct tern_nats_parser *parser, enum tern_nats_side side, struct tern_pool *pool) {
  *parser = (struct tern_nats_parser){.pool = pool, .side = side == TERN_NATS_FROM_SERVER};
  tern_nats_set_limits(
      parser, side == TERN_NATS_FROM_SERVER ? SERVER_LINE_MAX_BYTES : TERN_CONTROL_LINE_MAX_BYTES_DEFAULT,
      TERN_PAYLOAD_MAX_BYTES_DEFAULT);
}

void tern_nats_set_limits(struct tern_nats_parser *parser, uint32_t line_max, uint32_t payload_max) {
  parser->line_max = line_max < LINE_MAX_BYTES ? line_max : LINE_MAX_BYTES;
  parser->payload_max = payload_max;
}

void tern_nats_set_headers(struct tern_nats_parser *parser, bool allowed) { parser->headers = allowed; }

void tern_nats_feed(struct tern_nats_parser *parser, const struct tern_chunk *chunk) {
  if (parser->failed) return;
  if (parser->delivered) drop_kept(parser);
  parser->dry = false;
  if (parser->backlog != NULL && parser->len > 0) {
    parser->more = chunk->data;
    parser->more_len = chunk->len;
    parser->more_owner = chunk->owner;
    return;
  }
  assert(parser->len == 0); /* the chunk before was used up or kept */
  drop_backlog(parser);
  parser->data = chunk->data;
  parser->len = chunk->len;
  parser->owner = chunk->owner;
}

int tern_nats_next(struct tern_nats_parser *parser, struct tern_nats_op *op) {
  if (parser->failed) return parser->failed;
  if (parser->delivered) drop_kept(parser);
  for (;;) {
    int r = parser->state == AT_START ? quick(parser, op) : resume(parser, op);
    if (r > 0) return r;
    if (r == 0 && parser->backlog != NULL) {
      /* Digest the operation that the backlog ends with the beginning of, and go on in the chunk behind it.
       */
      r = resume(parser, op);
      drop_backlog(parser);
      parser->data = parser->more;
      parser->len = parser->more_len;
      parser->owner = parser->more_owner;
      parser->more_len = 0;
      if (r == 0 && parser->len > 0) continue;
    }
    if (r < 0) return fail(parser, r);
    parser->dry = true;
    return 0;
  }
}

/* Is what is left at least half of the buffer it lies in? Then that is kept: a copy would cost memory touched for the
 * first time, for every source that finds a ring full. */
static bool fills_owner(const struct tern_nats_parser *p) {
  return p->backlog == NULL && p->owner != NULL && p->len >= tern_buf_size(p->owner) / 2;
}

int tern_nats_keep(struct tern_nats_parser *parser) {
  if (parser->delivered) drop_kept(parser);
  if (parser->dry) { /* what is left is the beginning of an operation */
    struct tern_nats_op op;
    int r = resume(parser, &op);
    if (r < 0) fail(parser, r);
    return r == TERN_NATS_ENOMEM ? r : 0;
  }
  size_t len = parser->len + parser->more_len;
  if (len == 0 || (parser->backlog != NULL && parser->more_len == 0)) return 0;
  if (fills_owner(parser)) {
    tern_buf_ref(parser->owner);
    parser->backlog = parser->owner;
    return 0;
  }
  struct tern_buf *buf = tern_buf_new(parser->pool, len);
  if (buf == NULL) return fail(parser, TERN_NATS_ENOMEM);
  memcpy(tern_buf_data(buf), parser->data, parser->len);
  if (parser->more_len > 0) memcpy(tern_buf_data(buf) + parser->len, parser->more, parser->more_len);
  drop_backlog(parser);
  parser->backlog = buf;
  parser->data = tern_buf_data(buf);
  parser->len = len;
  parser->owner = buf;
  parser->more_len = 0;
  return 0;
}

size_t tern_nats_unused(const struct tern_nats_parser *parser) {
  size_t digested = parser->delivered ? 0 : parser->kept_len;
  if (parser->state != AT_START) digested += parser->letters;
  return digested + parser->len + parser->more_len;
}

void tern_nats_reset(struct tern_nats_parser *parser) {
  drop_kept(parser);
  drop_backlog(parser);
  parser->state = AT_START;
  parser->len = 0;
  parser->more_len = 0;
  parser->dry = false;
}
