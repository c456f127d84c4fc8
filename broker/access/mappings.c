/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See mappings.h. In the configuration:
 *
 *     mappings {
 *       "old": "new"                                                        all of it
 *       "w.*": "x.$1"                                                       with what the wildcard stands for
 *       "api": [ {destination: "api.v1", weight: 90%}, {destination: "api.v2", weight: 10%} ]
 *     }
 *
 * Weights are per cent. What is left of the hundred keeps its subject. Destinations for a cluster are passed over: tern is
 * in none.
 */
#include "mappings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf_report.h"

struct destination {
  struct transform *transform;
  uint32_t until; /* per cent, of this and those before it */
};

struct mapping {
  struct destination *destinations;
  size_t count;
};

struct mappings {
  struct mapping *at;
  struct mappings_entry *list;
  size_t count;
};

struct reader {
  struct conf_report *report;
  const struct conf_node *source; /* the mapping being read */
  struct mapping *mapping;
  uint32_t total;
  bool no_memory;
};

static bool is_key(const struct conf_node *node, const char *one, const char *other) {
  return strcasecmp(node->key, one) == 0 || strcasecmp(node->key, other) == 0;
}

/* No message has a subject with blanks, so that nothing would ever be mapped. */
static bool has_blank(const char *subject) { return subject[strcspn(subject, " \t\n\v\f\r")] != '\0'; }

static void add(struct reader *reader, const struct conf_node *node, const char *destination,
                uint32_t weight) {
  struct mapping *mapping = reader->mapping;
  const bool is_plain = strstr(destination, "{{") == NULL; /* functions may have blanks */
  const bool blanks = has_blank(reader->source->key) || (is_plain && has_blank(destination));
  const char *problem = "subjects have no blanks";
  struct transform *transform = blanks ? NULL : transform_new(reader->source->key, destination, 0, &problem);
  struct destination *more =
      transform != NULL ? realloc(mapping->destinations, (mapping->count + 1) * sizeof *more) : NULL;
  if (more == NULL) {
    transform_free(transform);
    if (transform == NULL && problem != NULL)
      conf_wrong(reader->report, node, "mapping from \"%.128s\" to \"%.128s\": %s", reader->source->key,
                 destination, problem);
    else
      reader->no_memory = true;
    return;
  }
  mapping->destinations = more;
  reader->total += weight;
  mapping->destinations[mapping->count++] = (struct destination){transform, reader->total};
  if (reader->total > 100)
    conf_wrong(reader->report, node, "mapping from \"%.128s\": the weights are more than 100%% in all",
               reader->source->key);
}

/* A weight: "20%" or 20; or -1 after a report. */
static int read_weight(struct reader *reader, const struct conf_node *node) {
  char *end = NULL;
  long value = -1;
  if (node->type == CONF_INT || node->type == CONF_STRING) {
    errno = 0;
    value = strtol(node->text, &end, 10);
    if (end == node->text || (*end != '\0' && strcmp(end, "%") != 0)) value = -1;
  }
  if (value >= 0 && value <= 100) return (int)value;
  conf_wrong(reader->report, node, "weight must be a percentage from 0 to 100, like 20%%");
  return -1;
}

/* {destination: SUBJECT, weight: N%} */
static void read_destination(struct reader *reader, const struct conf_node *block) {
  const struct conf_node *destination = NULL, *weight = NULL, *cluster = NULL;
  if (block->type != CONF_MAP) {
    conf_wrong_type(reader->report, block, reader->source->key, "{destination: SUBJECT, weight: N%}");
    return;
  }
  for (const struct conf_node *node = block->first; node != NULL; node = node->next) {
    if (is_key(node, "dest", "destination"))
      destination = node;
    else if (is_key(node, "weight", "weight"))
      weight = node;
    else if (is_key(node, "cluster", "cluster"))
      cluster = node;
    else
      conf_unknown(reader->report, node, "mappings");
  }
  if (destination == NULL || destination->type != CONF_STRING) {
    conf_wrong(reader->report, block, "mapping from \"%.128s\": a destination is missing",
               reader->source->key);
    return;
  }
  if (weight == NULL) {
    conf_wrong(reader->report, block, "mapping from \"%.128s\": the destination \"%.128s\" has no weight",
               reader->source->key, destination->text);
    return;
  }
  int percent = read_weight(reader, weight);
  if (cluster != NULL)
    conf_warn(reader->report, cluster, "cluster: tern is in no cluster; this destination is not used");
  else if (percent >= 0)
    add(reader, destination, destination->text, (uint32_t)percent);
}

static void read_mapping(struct reader *reader, const struct conf_node *node) {
  if (node->type == CONF_STRING) {
    add(reader, node, node->text, 100);
  } else if (node->type == CONF_MAP) {
    read_destination(reader, node);
  } else if (node->type == CONF_ARRAY) {
    for (const struct conf_node *at = node->first; at != NULL; at = at->next)
      read_destination(reader, at);
  } else {
    conf_wrong_type(reader->report, node, node->key,
                    "a subject in quotes, or a list of {destination, weight}");
  }
}

/* ---- as they are told ---- */

/* The destination that keeps the subject: the source with $1, $2, ... for each `*`. room is 8 times its length or more. */
static size_t put_kept(const char *source, char *to, size_t room) {
  unsigned wildcards = 0;
  size_t len = 0;
  for (const char *at = source; *at != '\0'; at++) {
    const bool begins = at == source || at[-1] == '.', ends = at[1] == '\0' || at[1] == '.';
    if (*at == '*' && begins && ends)
      len += (size_t)snprintf(to + len, room - len, "$%u", ++wildcards);
    else
      to[len++] = *at;
  }
  return len;
}

/* Until all are there, until is the weight alone. */
static void put_share(struct mappings_share *shares, size_t count, struct mappings_share share) {
  for (; count > 0 && shares[count - 1].until > share.until; count--)
    shares[count] = shares[count - 1];
  shares[count] = share;
}

/* One allocation: the shares, the source, and what keeps it. */
static bool describe(const struct mapping *mapping, const char *source, struct mappings_entry *entry) {
  const size_t len = strlen(source), room = 8 * len + 1;
  struct mappings_share *shares = malloc((mapping->count + 1) * sizeof *shares + len + 1 + room);
  if (shares == NULL) return false;
  char *copy = (char *)(shares + mapping->count + 1), *kept = copy + len + 1;
  memcpy(copy, source, len + 1);
  *entry = (struct mappings_entry){copy, shares, 0};
  uint32_t total = 0;
  bool is_kept = false;
  for (size_t i = 0; i < mapping->count; i++) {
    const struct destination *at = &mapping->destinations[i];
    const struct tern_slice subject = transform_destination(at->transform);
    is_kept |= tern_slice_equal(subject, (struct tern_slice){source, len});
    put_share(shares, entry->count++, (struct mappings_share){subject, at->until - total});
    total = at->until;
  }
  if (total < 100 && !is_kept) {
    const struct tern_slice subject = {kept, put_kept(source, kept, room)};
    put_share(shares, entry->count++, (struct mappings_share){subject, 100 - total});
  }
  for (size_t i = 1; i < entry->count; i++)
    shares[i].until += shares[i - 1].until;
  return true;
}

static int by_source(const void *one, const void *other) {
  return strcmp(((const struct mappings_entry *)one)->source, ((const struct mappings_entry *)other)->source);
}

static bool make_list(struct mappings *mappings, const struct conf_node *block) {
  size_t count = 0;
  for (const struct conf_node *node = block->first; node != NULL; node = node->next) {
    if (node->is_variable) continue;
    if (!describe(&mappings->at[count], node->key, &mappings->list[count])) return false;
    count++;
  }
  qsort(mappings->list, count, sizeof *mappings->list, by_source);
  return true;
}

/* ---- all ---- */

static struct mappings *make(size_t count) {
  struct mappings *mappings = calloc(1, sizeof *mappings);
  if (mappings == NULL) return NULL;
  mappings->at = calloc(count, sizeof *mappings->at);
  mappings->list = calloc(count, sizeof *mappings->list);
  if (mappings->at != NULL && mappings->list != NULL) return mappings;
  mappings_free(mappings);
  return NULL;
}

int mappings_read(const struct conf_node *block, struct conf_report *report, struct mappings **out) {
  unsigned errors = report->errors;
  size_t count = 0;
  *out = NULL;
  if (block->type != CONF_MAP) {
    conf_wrong_type(report, block, block->key, "a block of subjects: { \"from\": \"to\" }");
    return -EINVAL;
  }
  for (const struct conf_node *node = block->first; node != NULL; node = node->next)
    count++;
  if (count == 0) return 0;
  struct mappings *mappings = make(count);
  if (mappings == NULL) return -ENOMEM;
  bool no_memory = false;
  for (const struct conf_node *node = block->first; node != NULL; node = node->next) {
    struct reader reader = {.report = report, .source = node, .mapping = &mappings->at[mappings->count++]};
    if (node->is_variable) {
      mappings->count--;
      continue;
    }
    read_mapping(&reader, node);
    no_memory |= reader.no_memory;
  }
  if (!no_memory && report->errors == errors) no_memory = !make_list(mappings, block);
  if (!no_memory && report->errors == errors) {
    *out = mappings;
    return 0;
  }
  mappings_free(mappings);
  return no_memory ? -ENOMEM : -EINVAL;
}

void mappings_free(struct mappings *mappings) {
  if (mappings == NULL) return;
  for (size_t i = 0; i < mappings->count; i++) {
    for (size_t n = 0; n < mappings->at[i].count; n++)
      transform_free(mappings->at[i].destinations[n].transform);
    free(mappings->at[i].destinations);
    free((void *)(uintptr_t)mappings->list[i].shares);
  }
  free(mappings->at);
  free(mappings->list);
  free(mappings);
}

size_t mappings_apply(const struct mappings *mappings, struct tern_slice subject, uint64_t draw, char *to,
                      size_t room) {
  for (size_t i = 0; i < mappings->count; i++) {
    const struct mapping *mapping = &mappings->at[i];
    if (mapping->count == 0 || !transform_matches(mapping->destinations[0].transform, subject)) continue;
    for (size_t n = 0; n < mapping->count; n++)
      if (draw % 100 < mapping->destinations[n].until) {
        size_t len = transform_apply(mapping->destinations[n].transform, subject, to, room);
        return len > 0 ? len : SIZE_MAX;
      }
    return 0;
  }
  return 0;
}

const struct mappings_entry *mappings_list(const struct mappings *mappings, size_t *count) {
  *count = mappings->count;
  return mappings->list;
}
