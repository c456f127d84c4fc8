/* SPDX-License-Identifier: Apache-2.0 */
/** The command line of a scenario. See options.c. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "target.h"

/** What was asked for. Scenarios set their defaults, then options_parse what the user wants. */
struct options {
  struct target target;
  const char *url, *label, *subject;
  const char *user, *password, *token;
  const char *tls_cert, *tls_key, *tls_ca; /* files; NULL: none, those the system trusts */
  const char *json_file, *csv, *html;      /* NULL: none */
  const char *placed;                      /* same or cross; NULL: anyhow */
  enum placement placement;                /* the same */
  unsigned size, publishers, subscribers, subjects, in_flight, connections;
  unsigned threads; /* 0: as many as there are processors, and no more than connections */
  double rate;      /* messages per second of all publishers; 0: as fast as possible */
  double churn_rate;
  double storm_rate;          /* connections per second; 0: as fast as possible */
  const char *storm_url;      /* crowd: whom the storm is for; NULL: url */
  const char *storm_password; /* crowd: what the storm says; NULL: what all say */
  uint64_t messages;          /* of each publisher; UINT64_MAX: until the time is over */
  uint64_t window;            /* bytes sent to a subscriber and not received yet, at most; 0: no limit */
  double seconds;             /* 0: until the messages are sent */
  pid_t pid;                  /* the broker's; 0: look for it */
  bool shared;                /* subscribe: all connections to the same subjects */
  bool tls_insecure;
  bool refused;    /* storm: the server is to refuse every connection */
  bool background; /* storm: with less claim to the processors than others */
  bool json, quiet, help;
  char command[512]; /* to repeat it, without where and how it is shown */
};

/** Reads the command line; argv[0] is the scenario's name. Returns false with the reason written. */
bool options_parse(struct options *options, int argc, char **argv, char *error, size_t size);
/** All options, for people, with the defaults a scenario has set. */
void options_usage(const struct options *defaults, const char *scenario, const char *about);
/** Says what is wrong with the command line, and where to read on. */
void options_complain(const char *scenario, const char *error);
/** Reads a number of at least min and at most max, with k or m behind it. */
bool parse_number(const char *text, double min, double max, double *out);

#endif
