/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the configuration to struct access:
 *
 *     authorization { user, password | token | users [...], timeout, default_permissions }   users of $G
 *     accounts { NAME { users [...], default_permissions, limits {...} } } | [NAME, ...]
 *     no_auth_user, system_account, no_sys_acc
 *     tern { unix_users { "uid or name": user } }
 *
 * The order in the file does not matter: blocks are read one after the other into a list of users in the order written,
 * then what only shows in the whole is checked (names given twice, users beside a token, unknown names), then the list
 * is sorted. What is wrong is reported and reading goes on. The verdicts are nats-server's; where tern refuses more, it
 * is because the server would be open to everyone although passwords are configured.
 */
#include <assert.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "access.h"
#include "conf_report.h"
#include "nkey.h"
#include "password.h"
#include "values.h"

/* A user while reading: where it stands, and whether it has permissions of its own. */
struct draft {
  struct access_user *user;
  const struct conf_node *node;
  bool has_permissions;
};

struct reader {
  struct access *access;
  struct conf_report *report;
  struct draft *drafts;
  size_t draft_count;
  size_t accounts_room;
  bool no_memory;
  const struct conf_node *no_auth_user, *system_account, *peers;
  bool no_system;
  /* of authorization, for the checks at the end */
  const struct conf_node *user, *password, *token, *users, *account_users;
};

/* ---- small things ---- */

static bool is_key(const struct conf_node *node, const char *names) {
  size_t len = strlen(node->key);
  for (const char *at = names; *at != '\0'; at += strcspn(at, "|"), at += *at == '|')
    if (strcspn(at, "|") == len && strncasecmp(at, node->key, len) == 0) return true;
  return false;
}

static const char *copy(struct reader *reader, const char *text) {
  size_t size = strlen(text) + 1;
  char *memory = access_alloc(reader->access, size);
  if (memory == NULL)
    reader->no_memory = true;
  else
    memcpy(memory, text, size);
  return memory;
}

/* The string of a node, or NULL after a report. */
static const char *string_of(struct reader *reader, const struct conf_node *node) {
  if (node->type == CONF_STRING) return node->text;
  conf_wrong_type(reader->report, node, node->key != NULL ? node->key : "this", "a string in quotes");
  return NULL;
}

static bool is_block(struct reader *reader, const struct conf_node *node) {
  if (node->type == CONF_MAP) return true;
  conf_wrong_type(reader->report, node, node->key, "a block: { ... }");
  return false;
}

/* Room for one more; NULL without memory. */
static void *grow(struct reader *reader, void *array, size_t count, size_t size) {
  void *larger = array;
  if ((count & (count + 1)) == 0) larger = realloc(array, (2 * count + 2) * size);
  if (larger == NULL) reader->no_memory = true;
  return larger;
}

static const struct permissions *read_permissions(struct reader *reader, const struct conf_node *node) {
  struct access *access = reader->access;
  struct permissions *read = NULL, **all;
  all = grow(reader, access->permissions, access->permissions_count, sizeof(struct permissions *));
  if (all == NULL) return NULL;
  access->permissions = all;
  if (permissions_read(node, reader->report, &read) == -ENOMEM) reader->no_memory = true;
  if (read != NULL) all[access->permissions_count++] = read;
  return read;
}

/* ---- users ---- */

static const struct {
  const char *name;
  enum access_way way;
} ways[] = {
    {"STANDARD", ACCESS_STANDARD},       {"WEBSOCKET", ACCESS_WEBSOCKET}, {"LEAFNODE", ACCESS_LEAFNODE},
    {"LEAFNODE_WS", ACCESS_LEAFNODE_WS}, {"MQTT", ACCESS_MQTT},           {"MQTT_WS", ACCESS_MQTT_WS},
    {"IN_PROCESS", ACCESS_IN_PROCESS},
};

static uint32_t read_way(struct reader *reader, const struct conf_node *node) {
  const char *text = string_of(reader, node);
  for (size_t i = 0; text != NULL && i < sizeof ways / sizeof ways[0]; i++)
    if (strcasecmp(text, ways[i].name) == 0) return ways[i].way;
  if (text != NULL)
    conf_wrong(
        reader->report, node,
        "unknown connection type \"%.64s\"; there are STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, MQTT, "
        "MQTT_WS and IN_PROCESS",
        text);
  return 0;
}

static uint32_t read_ways(struct reader *reader, const struct conf_node *node) {
  uint32_t all = 0;
  if (node->type != CONF_ARRAY) return read_way(reader, node);
  for (const struct conf_node *at = node->first; at != NULL; at = at->next)
    all |= read_way(reader, at);
  return all;
}

/* A password or token, which no message may show. */
static const char *read_secret(struct reader *reader, const struct conf_node *node) {
  const char *text = string_of(reader, node);
  if (text == NULL) return NULL;
  if (password_is_hash(text)) {
    reader->access->has_hashes = true;
    if (!password_hash_is_whole(text))
      conf_warn(reader->report, node,
                "%s: this bcrypt hash is cut short or damaged; no password can match it", node->key);
  } else {
    reader->access->has_plain = true;
  }
  return copy(reader, text);
}

static bool read_nkey(struct reader *reader, const struct conf_node *node, struct access_user *user) {
  unsigned char *key = access_alloc(reader->access, NKEY_BYTES);
  const char *text = string_of(reader, node);
  if (key == NULL) reader->no_memory = true;
  if (key == NULL || text == NULL) return false;
  if (!nkey_read(text, NKEY_USER, key)) {
    conf_wrong(reader->report, node,
               "not a valid public nkey for a user; those begin with U and have 56 characters");
    return false;
  }
  user->key = key;
  user->is_nkey = true;
  user->name = copy(reader, text);
  return user->name != NULL;
}

static void refuse_proxy(struct reader *reader, const struct conf_node *node) {
  if (!conf_is_off(node))
    conf_wrong(reader->report, node,
               "proxy_required: tern does not have trusted proxies; nobody could connect");
}

/* One key of a user. */
static void read_user_key(struct reader *reader, const struct conf_node *node, struct draft *draft,
                          const struct conf_node **nkey) {
  struct access_user *user = draft->user;
  const char *text;
  if (is_key(node, "user|username")) {
    text = string_of(reader, node);
    user->name = text != NULL ? copy(reader, text) : NULL;
  } else if (is_key(node, "pass|password")) {
    user->password = read_secret(reader, node);
  } else if (is_key(node, "nkey")) {
    *nkey = node;
  } else if (is_key(node, "permission|permissions|authorization")) {
    user->permissions = read_permissions(reader, node);
    draft->has_permissions = true;
  } else if (is_key(node, "allowed_connection_types|connection_types|clients")) {
    user->ways = read_ways(reader, node);
  } else if (is_key(node, "proxy_required")) {
    refuse_proxy(reader, node);
  } else {
    conf_unknown(reader->report, node, "users");
  }
}

static void read_user(struct reader *reader, const struct conf_node *node,
                      const struct access_account *account) {
  const struct conf_node *nkey = NULL;
  struct draft draft = {.node = node};
  if (node->type != CONF_MAP) {
    conf_wrong(reader->report, node, "a user is %s; it must be a block: { user: NAME, password: PASSWORD }",
               conf_type_name(node->type));
    return;
  }
  struct draft *drafts = grow(reader, reader->drafts, reader->draft_count, sizeof *drafts);
  if (drafts != NULL) reader->drafts = drafts;
  draft.user = access_alloc(reader->access, sizeof *draft.user);
  if (drafts == NULL || draft.user == NULL) {
    reader->no_memory = true;
    return;
  }
  unsigned errors = reader->report->errors;
  for (const struct conf_node *at = node->first; at != NULL; at = at->next)
    read_user_key(reader, at, &draft, &nkey);
  struct access_user *user = draft.user;
  bool named = user->name != NULL && user->name[0] != '\0';
  if (nkey != NULL && (user->name != NULL || user->password != NULL))
    conf_wrong(reader->report, node, "a user with an nkey has neither name nor password");
  else if (nkey != NULL)
    read_nkey(reader, nkey, user);
  else if (!named && reader->report->errors == errors && !reader->no_memory)
    conf_wrong(reader->report, node, "a user needs a name or an nkey");
  if (reader->report->errors != errors || reader->no_memory) return;
  if (user->password == NULL) user->password = "";
  user->account = account;
  reader->drafts[reader->draft_count++] = draft;
}

/* A list of users; those without permissions of their own get the defaults (NULL: none). */
static void read_users(struct reader *reader, const struct conf_node *node,
                       const struct access_account *account, const struct permissions *defaults) {
  if (node->type != CONF_ARRAY) {
    conf_wrong_type(reader->report, node, node->key,
                    "a list of users: [ {user: NAME, password: PASSWORD} ... ]");
    return;
  }
  size_t first = reader->draft_count;
  for (const struct conf_node *at = node->first; at != NULL; at = at->next)
    read_user(reader, at, account);
  for (size_t i = first; i < reader->draft_count; i++)
    if (!reader->drafts[i].has_permissions) reader->drafts[i].user->permissions = defaults;
}

/* ---- authorization ---- */

/* What is wrong with a timeout that is not a number of milliseconds from 0. */
static const char *wrong_timeout(const struct conf_node *node, const char *problem) {
  if (node->type == CONF_STRING) return problem != NULL ? "no duration" : "negative";
  if (node->type == CONF_INT) return node->integer < 0 ? "negative" : "too large";
  if (node->type == CONF_FLOAT) return node->number < 0 ? "negative" : "too large";
  return conf_type_name(node->type);
}

/* A number of seconds or a duration. Nobody could come when it is negative: nobody would have time for a CONNECT. */
static void read_timeout(struct reader *reader, const struct conf_node *node) {
  int64_t ms = -1;
  const char *problem = NULL;
  if (node->type == CONF_INT && node->integer >= 0 && node->integer <= INT64_MAX / 1000)
    ms = node->integer * 1000;
  else if (node->type == CONF_FLOAT && node->number >= 0 && node->number < 9e12)
    ms = (int64_t)(node->number * 1000);
  else if (node->type == CONF_STRING)
    problem = value_duration(node->text, &ms);
  if (problem != NULL || ms < 0)
    conf_wrong(reader->report, node,
               "timeout is %s; it must be a number of seconds, or a duration like \"2s\"",
               wrong_timeout(node, problem));
  else
    reader->access->timeout_ms = (uint64_t)ms;
}

static void read_authorization(struct reader *reader, const struct conf_node *block) {
  const struct conf_node *defaults = NULL;
  if (!is_block(reader, block)) return;
  for (const struct conf_node *node = block->first; node != NULL; node = node->next) {
    if (is_key(node, "user|username"))
      reader->user = node;
    else if (is_key(node, "pass|password"))
      reader->password = node;
    else if (is_key(node, "token"))
      reader->token = node;
    else if (is_key(node, "timeout"))
      read_timeout(reader, node);
    else if (is_key(node, "users"))
      reader->users = node;
    else if (is_key(node, "default_permissions|default_permission|permissions"))
      defaults = node;
    else if (is_key(node, "auth_callout|auth_hook"))
      conf_wrong(reader->report, node, "%s: tern does not have it; list the users here", node->key);
    else if (is_key(node, "proxy_required"))
      refuse_proxy(reader, node);
    else
      conf_unknown(reader->report, node, "authorization");
  }
  const struct permissions *permissions = defaults != NULL ? read_permissions(reader, defaults) : NULL;
  if (reader->users != NULL) read_users(reader, reader->users, &reader->access->accounts[0], permissions);
}

/* ---- accounts ---- */

static struct access_account *add_account(struct reader *reader, const char *name) {
  struct access *access = reader->access;
  assert(access->account_count < reader->accounts_room);
  struct access_account *account = &access->accounts[access->account_count++];
  *account = (struct access_account){
      .name = copy(reader, name), .max_connections = -1, .max_subscriptions = -1, .max_payload = -1};
  return account;
}

static void read_limits(struct reader *reader, const struct conf_node *block,
                        struct access_account *account) {
  if (!is_block(reader, block)) return;
  for (const struct conf_node *node = block->first; node != NULL; node = node->next) {
    int64_t *limit = NULL, ignored;
    if (is_key(node, "max_connections|max_conn"))
      limit = &account->max_connections;
    else if (is_key(node, "max_subscriptions|max_subs"))
      limit = &account->max_subscriptions;
    else if (is_key(node, "max_payload|max_pay"))
      limit = &account->max_payload;
    else if (is_key(node, "max_leafnodes|max_leafs"))
      limit = &ignored; /* tern has none that could be too many */
    else
      conf_unknown(reader->report, node, "limits");
    if (limit != NULL && node->type == CONF_INT)
      *limit = node->integer;
    else if (limit != NULL)
      conf_wrong_type(reader->report, node, node->key, "a number without quotes; negative: no limit");
  }
}

static void read_account(struct reader *reader, const struct conf_node *block,
                         struct access_account *account) {
  unsigned char key[NKEY_BYTES];
  const struct conf_node *defaults = NULL, *users = NULL;
  for (const struct conf_node *node = block->first; node != NULL; node = node->next) {
    if (is_key(node, "users"))
      users = node;
    else if (is_key(node, "default_permissions"))
      defaults = node;
    else if (is_key(node, "limits"))
      read_limits(reader, node, account);
    else if (is_key(node, "nkey")) {
      if (string_of(reader, node) != NULL && !nkey_read(node->text, NKEY_ACCOUNT, key))
        conf_wrong(reader->report, node, "not a valid public nkey for an account; those begin with A");
    } else if (is_key(node, "exports|imports|mappings|maps") ||
               (is_key(node, "jetstream") && conf_is_off(node)))
      continue; /* the former: see imports.h */
    else if (is_key(node, "jetstream"))
      conf_wrong(reader->report, node, "jetstream: tern does not have JetStream; nothing would be stored");
    else if (is_key(node, "msg_trace|trace_dest"))
      conf_wrong(reader->report, node, "%s: tern does not have message tracing; remove this", node->key);
    else
      conf_unknown(reader->report, node, "accounts");
  }
  const struct permissions *permissions = defaults != NULL ? read_permissions(reader, defaults) : NULL;
  if (users == NULL) return;
  read_users(reader, users, account, permissions);
  if (users->first != NULL) reader->account_users = users;
}

/* The account of a key or a name in the list; NULL after a report. */
static struct access_account *new_account(struct reader *reader, const struct conf_node *node,
                                          const char *name) {
  if (strcmp(name, ACCESS_GLOBAL) == 0)
    conf_wrong(reader->report, node, "\"%s\" is a reserved account", name);
  else if (access_account(reader->access, name) != NULL)
    conf_wrong(reader->report, node, "duplicate account \"%.64s\"", name);
  else
    return add_account(reader, name);
  return NULL;
}

static void read_accounts(struct reader *reader, const struct conf_node *node) {
  if (node->type != CONF_MAP && node->type != CONF_ARRAY) {
    conf_wrong_type(reader->report, node, node->key, "a block of accounts, or a list of their names");
    return;
  }
  for (const struct conf_node *at = node->first; at != NULL && !reader->no_memory; at = at->next) {
    const char *name = node->type == CONF_MAP ? at->key : string_of(reader, at);
    if (name == NULL || (node->type == CONF_MAP && (at->is_variable || !is_block(reader, at)))) continue;
    struct access_account *account = new_account(reader, at, name);
    if (account != NULL && account->name != NULL && node->type == CONF_MAP) read_account(reader, at, account);
  }
}

/* ---- what only shows in the whole ---- */

static int by_name(const void *a, const void *b) {
  const struct draft *one = a, *other = b;
  int order = strcmp(one->user->name, other->user->name);
  if (order != 0) return order;
  unsigned line = one->node->place.line, other_line = other->node->place.line;
  if (line != other_line) return line < other_line ? -1 : 1;
  return one->node->place.column < other->node->place.column ? -1 : 1;
}

/* Names and nkeys are one set, over all accounts. */
static void check_duplicates(struct reader *reader) {
  if (reader->draft_count == 0) return;
  qsort(reader->drafts, reader->draft_count, sizeof *reader->drafts, by_name);
  for (size_t i = 1; i < reader->draft_count; i++) {
    const struct draft *draft = &reader->drafts[i];
    if (strcmp(draft->user->name, draft[-1].user->name) == 0)
      conf_wrong(reader->report, draft->node, "duplicate %s \"%.64s\"",
                 draft->user->is_nkey ? "nkey" : "user", draft->user->name);
  }
}

static void check_kinds(struct reader *reader) {
  const struct conf_node *single = reader->user != NULL ? reader->user : reader->password;
  if (single != NULL && reader->token != NULL)
    conf_wrong(reader->report, reader->token, "token: cannot have a user and a token; remove one of them");
  const struct conf_node *users = reader->users != NULL ? reader->users : reader->account_users;
  if (users == NULL) return;
  if (reader->user != NULL)
    conf_wrong(reader->report, reader->user,
               "cannot have a single user and a list of users; put it into the list");
  if (reader->token != NULL)
    conf_wrong(reader->report, reader->token, "cannot have a token and users; remove one of them");
}

/* A user who is not in a list. */
static const struct access_user *lone_user(struct reader *reader, const char *name, const char *password) {
  struct access_user *user = access_alloc(reader->access, sizeof *user);
  if (user == NULL || name == NULL || password == NULL) {
    reader->no_memory = true;
    return NULL;
  }
  *user = (struct access_user){.name = name, .account = &reader->access->accounts[0], .password = password};
  return user;
}

/* The flag, else the string of a node; NULL: neither. */
static const char *secret_of(struct reader *reader, const char *flag, const struct conf_node *node) {
  if (flag == NULL) return node != NULL ? read_secret(reader, node) : NULL;
  *(password_is_hash(flag) ? &reader->access->has_hashes : &reader->access->has_plain) = true;
  return copy(reader, flag);
}

/* The one token and the one user; flags go before the file. An empty name or token is none: what stands beside it would
 * protect nothing. */
static void read_lone(struct reader *reader, const struct access_flags *flags) {
  unsigned errors = reader->report->errors;
  const char *name = flags->user;
  if (name == NULL) name = reader->user != NULL ? string_of(reader, reader->user) : "";
  const char *password = secret_of(reader, flags->password, reader->password);
  const char *token = secret_of(reader, flags->token, reader->token);
  if (reader->report->errors != errors || reader->no_memory) return;
  if (name[0] == '\0' && password != NULL)
    conf_wrong(reader->report, flags->password != NULL ? NULL : reader->password,
               "a password without a user: everyone would be let in; add the user");
  if (token != NULL && token[0] == '\0')
    conf_wrong(reader->report, flags->token != NULL ? NULL : reader->token,
               "an empty token: everyone would be let in; give one, or remove it");
  if (name[0] != '\0')
    reader->access->single = lone_user(reader, copy(reader, name), password != NULL ? password : "");
  if (token != NULL) reader->access->token = lone_user(reader, "", token);
}

static void make_table(struct reader *reader) {
  struct access *access = reader->access;
  access->users = access_alloc(access, (reader->draft_count + 1) * sizeof *access->users);
  if (access->users == NULL) {
    reader->no_memory = true;
    return;
  }
  for (size_t i = 0; i < reader->draft_count; i++) {
    access->users[access->user_count++] = reader->drafts[i].user;
    access->wants_nonce |= reader->drafts[i].user->is_nkey;
  }
  access_sort(access);
}

/* A user by the name a node has, for what refers to users; NULL after a report. */
static const struct access_user *named(struct reader *reader, const struct conf_node *node) {
  const char *name = string_of(reader, node);
  if (name == NULL) return NULL;
  const struct access_user *user = access_user(reader->access, name, false);
  if (user == NULL) user = access_user(reader->access, name, true);
  if (user == NULL)
    conf_wrong(reader->report, node, "%s: \"%.64s\" is not a user of authorization or accounts", node->key,
               name);
  return user;
}

static void read_system(struct reader *reader) {
  struct access *access = reader->access;
  const char *name = ACCESS_SYSTEM;
  if (reader->system_account != NULL && (name = string_of(reader, reader->system_account)) == NULL) return;
  if (*name == '\0') name = ACCESS_SYSTEM;
  struct access_account *account = access_account(access, name);
  if (account == NULL && strcmp(name, ACCESS_SYSTEM) != 0)
    conf_wrong(reader->report, reader->system_account, "system_account: there is no account \"%.64s\"", name);
  else if (strcmp(name, ACCESS_GLOBAL) == 0)
    conf_wrong(reader->report, reader->system_account, "system_account must not be " ACCESS_GLOBAL);
  else if (account == NULL && !reader->no_system) {
    account = add_account(reader, name);
    account->unused = true; /* or the configuration would name it */
  }
  access->system = reader->no_system && reader->system_account == NULL ? NULL : account;
}

/* The id of a user of the system, by number or name. */
static bool uid_of(const char *text, uid_t *uid) {
  int64_t number;
  if (value_int(text, &number) == NULL && number >= 0 && number < UINT32_MAX) {
    *uid = (uid_t)number;
    return true;
  }
  const struct passwd *entry = getpwnam(text);
  if (entry != NULL) *uid = entry->pw_uid;
  return entry != NULL;
}

static void read_peers(struct reader *reader) {
  if (reader->peers == NULL || !is_block(reader, reader->peers)) return;
  struct access *access = reader->access;
  for (const struct conf_node *node = reader->peers->first; node != NULL; node = node->next) {
    struct access_peer *peers = grow(reader, access->peers, access->peer_count, sizeof *peers);
    if (peers == NULL) return;
    access->peers = peers;
    struct access_peer peer = {.user = named(reader, node)};
    if (!uid_of(node->key, &peer.uid))
      conf_wrong(reader->report, node, "unix_users: the system has no user \"%.64s\"", node->key);
    else if (peer.user != NULL)
      peers[access->peer_count++] = peer;
  }
}

/* ---- everything together ---- */

static void read_bool(struct reader *reader, const struct conf_node *node, bool *out) {
  if (node->type == CONF_BOOL)
    *out = node->truth;
  else
    conf_wrong_type(reader->report, node, node->key, "true or false, without quotes");
}

static const char own_block[] = "tern", own_key[] = "unix_users";
static const char system_keys[] = "system_account|system",
                  no_system_keys[] = "no_sys_acc|no_system_account|no_system";

bool access_has_key(const char *key) {
  const struct conf_node node = {.key = key};
  return is_key(&node, "authorization|accounts|no_auth_user") || is_key(&node, system_keys) ||
         is_key(&node, no_system_keys);
}

bool access_has_own_key(const char *key) { return strcasecmp(key, own_key) == 0; }

static void read_root(struct reader *reader, const struct conf_node *root) {
  const struct conf_node *authorization = NULL, *accounts = NULL;
  for (const struct conf_node *node = root->first; node != NULL; node = node->next) {
    if (is_key(node, "authorization"))
      authorization = node;
    else if (is_key(node, "accounts"))
      accounts = node;
    else if (is_key(node, "no_auth_user"))
      reader->no_auth_user = node->type == CONF_STRING && node->text[0] == '\0' ? NULL : node;
    else if (is_key(node, system_keys))
      reader->system_account = node;
    else if (is_key(node, no_system_keys))
      read_bool(reader, node, &reader->no_system);
    else if (is_key(node, own_block))
      for (const struct conf_node *own = node->type == CONF_MAP ? node->first : NULL; own != NULL;
           own = own->next)
        if (is_key(own, own_key)) reader->peers = own;
  }
  size_t count = 2; /* $G and $SYS */
  for (const struct conf_node *at = accounts != NULL ? accounts->first : NULL; at != NULL; at = at->next)
    count++;
  reader->access->accounts = access_alloc(reader->access, count * sizeof *reader->access->accounts);
  reader->accounts_room = reader->access->accounts != NULL ? count : 0;
  reader->no_memory |= reader->access->accounts == NULL;
  if (reader->no_memory) return;
  add_account(reader, ACCESS_GLOBAL);
  if (accounts != NULL) read_accounts(reader, accounts);
  if (authorization != NULL) read_authorization(reader, authorization);
}

int access_new(const struct conf_node *root, const struct access_flags *flags, struct conf_report *report,
               struct access **out) {
  static const struct conf_node empty = {.type = CONF_MAP};
  const unsigned errors = report->errors;
  struct reader reader = {.report = report, .access = calloc(1, sizeof *reader.access)};
  if (reader.access == NULL) return -ENOMEM;
  read_root(&reader, root != NULL ? root : &empty);
  if (!reader.no_memory) {
    check_duplicates(&reader);
    check_kinds(&reader);
    read_lone(&reader, flags);
    read_system(&reader);
    make_table(&reader);
  }
  if (!reader.no_memory && reader.no_auth_user != NULL)
    reader.access->anybody = named(&reader, reader.no_auth_user);
  if (!reader.no_memory) read_peers(&reader);
  free(reader.drafts);
  struct access *access = reader.access;
  access->required = access->user_count > 0 || access->single != NULL || access->token != NULL;
  int error = reader.no_memory ? -ENOMEM : report->errors > errors ? -EINVAL : 0;
  if (error != 0) {
    access_free(access);
    return error;
  }
  *out = access;
  return 0;
}
