/* SPDX-License-Identifier: Apache-2.0 */
/** Users of certificates (verify_and_map). Pure; thread: any. */
#ifndef BROKER_ACCESS_CERTIFICATE_H
#define BROKER_ACCESS_CERTIFICATE_H

#include "access.h"

/** Whose certificate it is: the first user who may come this way and is named like one of its e-mail addresses, its DNS
 * names, its URIs (in this order), or its subject, whatever the order of that name's parts. NULL: nobody's. */
const struct access_user *certificate_user(const struct access *access,
                                           const struct tern_tls_certificate *certificate,
                                           enum access_way way);

#endif
