/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What happens to messages for a client that does not take them fast enough: which policy holds for whom. Read from the
 * block `overflow` of tern's own block, and from what a client asks for in its CONNECT; then never changed.
 */
#ifndef BROKER_ACCESS_OVERFLOW_RULES_H
#define BROKER_ACCESS_OVERFLOW_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/buffer.h>

struct conf_node;
struct conf_report;

/** Held back for one connection, unless configured. */
#define OVERFLOW_BYTES_DEFAULT (1024 * 1024)
/** Rules of one kind; more is an error. */
#define OVERFLOW_RULES_MAX 1000

enum overflow_policy {
  OVERFLOW_DISCONNECT, /* as nats-server: at max_pending the connection is cut */
  OVERFLOW_DROP_NEW,   /* what comes is dropped while there is no room */
  OVERFLOW_DROP_OLD,   /* what has waited longest goes to make room */
  OVERFLOW_LATEST,     /* of each subject only the newest message waits; then as drop_old */
};

/** A name and the policy for what has it. */
struct overflow_rule {
  char *name;
  enum overflow_policy policy;
};

struct overflow_list {
  struct overflow_rule *at;
  size_t count;
};

struct overflow_rules {
  enum overflow_policy by_default;
  bool has_default;              /* of what CONNECT asks for: by_default is */
  bool clients_choose;           /* what CONNECT asks for is done */
  uint64_t bytes;                /* held back for one connection */
  struct overflow_list types;    /* "tcp", "unix": how the client is connected */
  struct overflow_list users;    /* user names */
  struct overflow_list subjects; /* what subscriptions ask for; the pattern must cover it */
};

/** Rules that change nothing: disconnect, clients may choose. NULL without memory. */
struct overflow_rules *overflow_rules_new(void);
/** Frees them. NULL is allowed. */
void overflow_rules_free(struct overflow_rules *rules);
/** Reads the value of `overflow`: a policy's name, or a block. Returns 0, -EINVAL when something was reported, or
 * -ENOMEM. */
int overflow_rules_read(const struct conf_node *node, struct conf_report *report,
                        struct overflow_rules **out);
/** The same for `tern { overflow ... }` in a file that has been checked; *out is NULL when there is none. Returns 0,
 * -EINVAL or -ENOMEM. */
int overflow_rules_of(const struct conf_node *root, struct overflow_rules **out);
/** The policy of a name ("drop_old"), in any case. False: there is none. */
bool overflow_policy_named(const char *name, enum overflow_policy *out);
/** "drop_old", ... */
const char *overflow_policy_name(enum overflow_policy policy);
/** Adds a rule. Returns 0, -EINVAL (a pattern that cannot be subscribed to, or too many), or -ENOMEM. */
int overflow_rules_add_subject(struct overflow_rules *rules, const char *pattern,
                               enum overflow_policy policy);

/** What holds for a connection: the rule for the user, else for the type, else the default. user: NULL: none. */
enum overflow_policy overflow_of_connection(const struct overflow_rules *rules, const char *type,
                                            const char *user);
/** What holds for a subscription: the first rule whose pattern covers the filter, else what holds otherwise. */
enum overflow_policy overflow_of_subscription(const struct overflow_rules *rules, struct tern_slice filter,
                                              enum overflow_policy otherwise);

#endif
