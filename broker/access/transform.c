/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See transform.h. A destination is compiled to one part for each token; the subject's tokens that stand for wildcards
 * are looked up once for each application.
 */
#include "transform.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <tern/subject.h>

enum kind {
  LITERAL,
  WILDCARD,
  TAIL,
  PARTITION,
  SPLIT_FROM_LEFT,
  SPLIT_FROM_RIGHT,
  SLICE_FROM_LEFT,
  SLICE_FROM_RIGHT,
  SPLIT,
  LEFT,
  RIGHT,
};

struct part {
  enum kind kind;
  struct tern_slice text;                     /* LITERAL: itself; SPLIT: the separator */
  uint32_t number;                            /* of buckets, a position, a size */
  uint8_t count;                              /* of wildcards used */
  uint8_t wildcards[TRANSFORM_WILDCARDS_MAX]; /* from 0 */
};

struct transform {
  struct tern_slice filter, destination;
  char *texts; /* both, one behind the other */
  uint32_t part_count;
  uint32_t wildcard_count;
  bool constant; /* the destination has no parts but literal ones */
  struct part parts[];
};

/* What the functions are called and take behind the wildcard. */
static const struct function {
  const char *name;
  enum kind kind;
} functions[] = {
    {"wildcard", WILDCARD},
    {"partition", PARTITION},
    {"splitfromleft", SPLIT_FROM_LEFT},
    {"splitfromright", SPLIT_FROM_RIGHT},
    {"slicefromleft", SLICE_FROM_LEFT},
    {"slicefromright", SLICE_FROM_RIGHT},
    {"split", SPLIT},
    {"left", LEFT},
    {"right", RIGHT},
};

/* ---- tokens ---- */

/* Takes the first token off a subject. */
static struct tern_slice next_token(struct tern_slice *rest) {
  const char *dot = rest->len > 0 ? memchr(rest->ptr, '.', rest->len) : NULL;
  struct tern_slice token = {rest->ptr, dot != NULL ? (size_t)(dot - rest->ptr) : rest->len};
  size_t skip = dot != NULL ? token.len + 1 : token.len;
  rest->ptr += skip;
  rest->len -= skip;
  return token;
}

static bool is_token(struct tern_slice token, char c) { return token.len == 1 && token.ptr[0] == c; }

static struct tern_slice trim(struct tern_slice text) {
  while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
    text.ptr++, text.len--;
  while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
    text.len--;
  return text;
}

/* A number of at most nine digits, or -1. */
static int64_t number_of(struct tern_slice text) {
  int64_t value = 0;
  if (text.len == 0 || text.len > 9) return -1;
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] < '0' || text.ptr[i] > '9') return -1;
    value = value * 10 + (text.ptr[i] - '0');
  }
  return value;
}

/* ---- compiling ---- */

static const char *add_wildcard(const struct transform *t, struct part *part, int64_t number) {
  if (number < 1 || number > t->wildcard_count)
    return "the destination refers to a wildcard that the source does not have";
  if (part->count == TRANSFORM_WILDCARDS_MAX) return "a function of the destination has too many arguments";
  part->wildcards[part->count++] = (uint8_t)(number - 1);
  return NULL;
}

/* The arguments of a function, between its brackets. */
static const char *read_arguments(const struct transform *t, struct part *part, struct tern_slice text) {
  struct tern_slice words[TRANSFORM_WILDCARDS_MAX + 1];
  size_t count = 0;
  for (bool more = true; more; count++) {
    if (count == sizeof words / sizeof words[0])
      return "a function of the destination has too many arguments";
    const char *comma = text.len > 0 ? memchr(text.ptr, ',', text.len) : NULL;
    more = comma != NULL;
    words[count] = trim((struct tern_slice){text.ptr, more ? (size_t)(comma - text.ptr) : text.len});
    text.len -= more ? (size_t)(comma - text.ptr) + 1 : text.len;
    if (more) text.ptr = comma + 1;
  }
  if (part->kind == PARTITION ? count < 2 : count != (part->kind == WILDCARD ? 1 : 2))
    return "a function of the destination has the wrong number of arguments";
  if (part->kind == PARTITION) {
    int64_t buckets = number_of(words[0]);
    if (buckets < 1) return "partition() needs a number of partitions of at least 1";
    part->number = (uint32_t)buckets;
    const char *problem = NULL;
    for (size_t i = 1; i < count && problem == NULL; i++)
      problem = add_wildcard(t, part, number_of(words[i]));
    return problem;
  }
  if (part->kind == SPLIT) {
    if (words[1].len == 0 || memchr(words[1].ptr, '.', words[1].len) != NULL)
      return "split() needs a separator, which must not be '.'";
    part->text = words[1];
  } else if (part->kind != WILDCARD) {
    int64_t number = number_of(words[1]);
    if (number < 0) return "a function of the destination needs a number as its second argument";
    part->number = (uint32_t)number;
  }
  return add_wildcard(t, part, number_of(words[0]));
}

static const char *read_function(const struct transform *t, struct part *part, struct tern_slice token) {
  struct tern_slice call = trim((struct tern_slice){token.ptr + 2, token.len - 4});
  const char *open = call.len > 0 ? memchr(call.ptr, '(', call.len) : NULL;
  if (open == NULL || call.ptr[call.len - 1] != ')')
    return "the destination has {{ }} without a function in it";
  struct tern_slice name = trim((struct tern_slice){call.ptr, (size_t)(open - call.ptr)});
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    if (strlen(functions[i].name) != name.len || strncasecmp(functions[i].name, name.ptr, name.len) != 0)
      continue;
    part->kind = functions[i].kind;
    return read_arguments(t, part,
                          (struct tern_slice){open + 1, (size_t)(call.ptr + call.len - 1 - (open + 1))});
  }
  return "the destination has a function that does not exist";
}

/* One token of the destination. stars: how many `*` it had so far, or NULL when it must not have any. */
static const char *read_part(const struct transform *t, struct part *part, struct tern_slice token,
                             uint32_t *stars) {
  int64_t number = token.len > 1 && token.ptr[0] == '$'
                       ? number_of((struct tern_slice){token.ptr + 1, token.len - 1})
                       : -1;
  if (is_token(token, '>')) {
    part->kind = TAIL;
  } else if (is_token(token, '*')) {
    if (stars == NULL)
      return "the destination must not have '*'; refer to wildcards of the source: {{wildcard(1)}}";
    part->kind = WILDCARD;
    return add_wildcard(t, part, ++*stars);
  } else if (number >= 0) {
    part->kind = WILDCARD;
    return add_wildcard(t, part, number);
  } else if (token.len >= 4 && memcmp(token.ptr, "{{", 2) == 0 &&
             memcmp(token.ptr + token.len - 2, "}}", 2) == 0) {
    return read_function(t, part, token);
  } else {
    part->text = token;
  }
  return NULL;
}

static const char *read_parts(struct transform *t, struct tern_slice destination, unsigned how) {
  uint32_t stars = 0, used = 0;
  t->constant = true;
  for (uint32_t i = 0; i < t->part_count; i++) {
    struct part *part = &t->parts[i];
    const char *problem = read_part(t, part, next_token(&destination), how & TRANSFORM_STARS ? &stars : NULL);
    if (problem != NULL) return problem;
    t->constant = t->constant && part->kind == LITERAL;
    used += part->count;
  }
  if ((how & TRANSFORM_STARS) && used < t->wildcard_count)
    return "both subjects must have the same wildcards";
  return NULL;
}

static bool ends_with_tail(struct tern_slice subject) {
  return subject.len > 0 && subject.ptr[subject.len - 1] == '>' &&
         (subject.len == 1 || subject.ptr[subject.len - 2] == '.');
}

struct transform *transform_new(const char *filter, const char *destination, unsigned how,
                                const char **problem) {
  struct tern_slice from = {filter, strlen(filter)}, to = {destination, strlen(destination)};
  *problem = NULL;
  if (!tern_filter_is_valid(from)) *problem = "the source is not a valid subject";
  if (!tern_filter_is_valid(to)) *problem = "the destination is not a valid subject";
  bool tails =
      ends_with_tail(from) == ends_with_tail(to) || ((how & TRANSFORM_FUNNEL) && tern_subject_is_literal(to));
  if (*problem == NULL && !tails) *problem = "both subjects must end with '>', or none";
  if (*problem != NULL) return NULL;
  uint32_t count = tern_subject_tokens(to);
  struct transform *t = calloc(1, sizeof *t + count * sizeof(struct part));
  char *texts = malloc(from.len + to.len + 1);
  if (t == NULL || texts == NULL) {
    free(t);
    free(texts);
    return NULL;
  }
  memcpy(texts, filter, from.len);
  memcpy(texts + from.len, destination, to.len);
  t->texts = texts;
  t->filter = (struct tern_slice){texts, from.len};
  t->destination = (struct tern_slice){texts + from.len, to.len};
  t->part_count = count;
  for (struct tern_slice rest = from; rest.len > 0;)
    t->wildcard_count += is_token(next_token(&rest), '*');
  if (t->wildcard_count > TRANSFORM_WILDCARDS_MAX)
    *problem = "the source has more than 32 wildcards";
  else
    *problem = read_parts(t, t->destination, how);
  if (*problem == NULL) return t;
  transform_free(t);
  return NULL;
}

/* ---- the way back ---- */

static char *copy(char *to, struct tern_slice text) {
  return text.len > 0 ? mempcpy(to, text.ptr, text.len) : to;
}

/* The destination, as a filter. */
static void write_destination(const struct transform *t, char *to) {
  for (uint32_t i = 0; i < t->part_count; i++) {
    const struct part *part = &t->parts[i];
    if (i > 0) *to++ = '.';
    if (part->kind == LITERAL)
      to = copy(to, part->text);
    else
      *to++ = part->kind == TAIL ? '>' : '*';
  }
  *to = '\0';
}

/* The filter, as a destination: its wildcards take what those of the destination refer to, in turn. */
static void write_filter(const struct transform *t, char *to) {
  const struct part *part = t->parts;
  const char *start = to;
  for (struct tern_slice rest = t->filter; rest.len > 0;) {
    struct tern_slice token = next_token(&rest);
    if (to != start) *to++ = '.';
    if (!is_token(token, '*')) {
      to = copy(to, token);
      continue;
    }
    while (part->kind != WILDCARD)
      part++;
    to += snprintf(to, 4, "$%u", part->wildcards[0] + 1u);
    part++;
  }
  *to = '\0';
}

static const char *find_no_way_back(const struct transform *t) {
  uint32_t wildcards = 0;
  for (uint32_t i = 0; i < t->part_count; i++) {
    if (t->parts[i].kind > TAIL) return "a service's subject has no functions but {{wildcard()}}";
    wildcards += t->parts[i].kind == WILDCARD;
  }
  return wildcards == t->wildcard_count ? NULL : "both subjects must have the same wildcards";
}

struct transform *transform_new_back(const char *filter, const char *destination, const char **problem) {
  struct tern_slice literal = {filter, strlen(filter)};
  if (tern_subject_is_literal(literal)) return transform_new(destination, filter, TRANSFORM_FUNNEL, problem);
  struct transform *there = transform_new(filter, destination, TRANSFORM_STARS, problem), *back = NULL;
  if (there == NULL) return NULL;
  *problem = find_no_way_back(there);
  char *from = *problem == NULL ? malloc(there->destination.len + 1) : NULL;
  char *to = from != NULL ? malloc(there->filter.len + 2 * (size_t)there->wildcard_count + 4) : NULL;
  if (to != NULL) {
    write_destination(there, from);
    write_filter(there, to);
    back = transform_new(from, to, TRANSFORM_STARS, problem);
  }
  free(from);
  free(to);
  transform_free(there);
  return back;
}

void transform_free(struct transform *transform) {
  if (transform == NULL) return;
  free(transform->texts);
  free(transform);
}

struct tern_slice transform_filter(const struct transform *transform) {
  return transform->filter;
}

struct tern_slice transform_destination(const struct transform *transform) {
  return transform->destination;
}

bool transform_equal(const struct transform *one, const struct transform *other) {
  return tern_slice_equal(one->filter, other->filter) &&
         tern_slice_equal(one->destination, other->destination);
}

bool transform_matches(const struct transform *transform, struct tern_slice subject) {
  return tern_filter_matches(transform->filter, subject);
}

/* ---- applying ---- */

struct output {
  char *at, *end;
  bool full;
};

static void put(struct output *out, const char *bytes, size_t len) {
  if ((size_t)(out->end - out->at) < len) {
    out->full = true;
    return;
  }
  if (len > 0) memcpy(out->at, bytes, len);
  out->at += len;
}

static void put_two(struct output *out, struct tern_slice token, size_t at) {
  put(out, token.ptr, at);
  put(out, ".", 1);
  put(out, token.ptr + at, token.len - at);
}

/* Pieces of one size, the first one being what is left over when `first` is not 0. */
static void put_slices(struct output *out, struct tern_slice token, size_t first, size_t size) {
  for (size_t at = 0, len = first != 0 ? first : size; at < token.len; at += len, len = size) {
    if (at > 0) put(out, ".", 1);
    put(out, token.ptr + at, token.len - at < len ? token.len - at : len);
  }
}

/* What is between the separators, without what is empty. */
static void put_split(struct output *out, struct tern_slice token, struct tern_slice separator) {
  bool any = false;
  while (token.len > 0) {
    const char *found = memmem(token.ptr, token.len, separator.ptr, separator.len);
    size_t len = found != NULL ? (size_t)(found - token.ptr) : token.len;
    if (len > 0) {
      if (any) put(out, ".", 1);
      put(out, token.ptr, len);
      any = true;
    }
    len += found != NULL ? separator.len : 0;
    token.ptr += len;
    token.len -= len;
  }
}

/* FNV-1a of the tokens, one behind the other, as nats-server has it: the same subject has the same number there. */
static void put_partition(struct output *out, const struct part *part, const struct tern_slice *tokens) {
  assert(part->number > 0);
  uint32_t hash = 2166136261u;
  for (uint32_t i = 0; i < part->count; i++) {
    struct tern_slice token = tokens[part->wildcards[i]];
    for (size_t n = 0; n < token.len; n++)
      hash = (hash ^ (unsigned char)token.ptr[n]) * 16777619u;
  }
  char digits[10];
  size_t len = 0;
  for (uint32_t left = hash % part->number; len == 0 || left > 0; left /= 10)
    digits[sizeof digits - ++len] = (char)('0' + left % 10);
  put(out, digits + sizeof digits - len, len);
}

static void put_part(struct output *out, const struct part *part, const struct tern_slice *tokens,
                     struct tern_slice tail) {
  struct tern_slice token = part->count > 0 ? tokens[part->wildcards[0]] : (struct tern_slice){0};
  size_t size = part->number;
  bool whole = size == 0 || size >= token.len;
  if (part->kind == LITERAL) {
    put(out, part->text.ptr, part->text.len);
  } else if (part->kind == TAIL) {
    put(out, tail.ptr, tail.len);
  } else if (part->kind == PARTITION) {
    put_partition(out, part, tokens);
  } else if (part->kind == SPLIT) {
    put_split(out, token, part->text);
  } else if (part->kind == WILDCARD || whole) {
    put(out, token.ptr, token.len);
  } else if (part->kind == SPLIT_FROM_LEFT || part->kind == SPLIT_FROM_RIGHT) {
    put_two(out, token, part->kind == SPLIT_FROM_LEFT ? size : token.len - size);
  } else if (part->kind == SLICE_FROM_LEFT || part->kind == SLICE_FROM_RIGHT) {
    put_slices(out, token, part->kind == SLICE_FROM_LEFT ? 0 : token.len % size, size);
  } else {
    put(out, part->kind == LEFT ? token.ptr : token.ptr + token.len - size, size);
  }
}

size_t transform_apply(const struct transform *t, struct tern_slice subject, char *to, size_t room) {
  struct tern_slice tokens[TRANSFORM_WILDCARDS_MAX], tail = {0};
  uint32_t count = 0;
  struct tern_slice filter = t->filter, rest = subject;
  while (!t->constant && filter.len > 0) {
    tail = rest;
    struct tern_slice wanted = next_token(&filter), token = next_token(&rest);
    if (is_token(wanted, '*')) tokens[count++] = token;
  }
  struct output out = {to, to + room, false};
  for (uint32_t i = 0; i < t->part_count; i++) {
    if (i > 0) put(&out, ".", 1);
    put_part(&out, &t->parts[i], tokens, tail);
  }
  return out.full ? 0 : (size_t)(out.at - to);
}
