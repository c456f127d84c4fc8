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

static void add(struct reader *reader, const struct conf_node *node, const char *destination,
                uint32_t weight) {
  struct mapping *mapping = reader->mapping;
  const char *problem;
  struct transform *transform = transform_new(reader->source->key, destination, 0, &problem);
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
  struct mappings *mappings = calloc(1, sizeof *mappings);
  if (mappings != NULL) mappings->at = calloc(count, sizeof *mappings->at);
  if (mappings == NULL || mappings->at == NULL) {
    free(mappings);
    return -ENOMEM;
  }
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
  }
  free(mappings->at);
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
