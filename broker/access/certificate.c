/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a client's certificate to its user. Names are looked up as they are; a subject is compared with every user's name
 * by its parts (dn.h), and one in the same order is preferred to one in another.
 */
#include "certificate.h"

#include <tern/tls.h>

#include "dn.h"

static const struct access_user *user_of_names(const struct access *access, const char *const *names,
                                               size_t count, enum access_way way) {
  for (size_t i = 0; i < count; i++) {
    const struct access_user *user = access_user(access, names[i], false);
    if (user != NULL && access_may_come(user, way)) return user;
  }
  return NULL;
}

static const struct access_user *user_of_subject(const struct access *access, const char *subject,
                                                 enum access_way way) {
  const struct access_user *reordered = NULL;
  for (size_t i = 0; i < access->user_count; i++) {
    const struct access_user *user = access->users[i];
    if (user->is_nkey || !access_may_come(user, way)) continue;
    enum dn_likeness likeness = dn_compare(user->name, subject);
    if (likeness == DN_SAME) return user;
    if (likeness == DN_REORDERED && reordered == NULL) reordered = user;
  }
  return reordered != NULL ? reordered : user_of_names(access, &subject, 1, way);
}

const struct access_user *certificate_user(const struct access *access, const struct tern_tls_certificate *c,
                                           enum access_way way) {
  const struct access_user *user = user_of_names(access, c->emails, c->email_count, way);
  if (user == NULL) user = user_of_names(access, c->dns, c->dns_count, way);
  if (user == NULL) user = user_of_names(access, c->uris, c->uri_count, way);
  if (user == NULL && c->subject != NULL && c->subject[0] != '\0')
    user = user_of_subject(access, c->subject, way);
  return user;
}
