/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Who would get a message on a subject, counted: a look into each worker's registry, as for a message, and no list of
 * subscriptions. What a subscription or a member of a group makes of the message (echo off, permissions on what is
 * delivered) is not asked.
 */
#ifndef BROKER_NATS_INTEREST_H
#define BROKER_NATS_INTEREST_H

#include <stddef.h>
#include <stdint.h>

#include <tern/buffer.h>
#include <tern/worker.h>

struct nats_server;

/** Queue groups that are listed. */
#define NATS_INTEREST_GROUPS 256
/** Bytes of a group's name that are told. */
#define NATS_INTEREST_NAME_BYTES 128

struct nats_interest {
  uint64_t subscriptions; /* plain ones: each gets the message */
  uint64_t members;       /* of all queue groups */
  uint32_t groups;        /* queue groups: one member of each gets the message */
  uint32_t
      handlers; /* functions inside the broker: modules, imports of other accounts, requests to the server */
  uint32_t workers; /* that have any of the subscriptions or members */
  uint32_t listed;  /* of the groups: */
  struct nats_interest_group {
    uint64_t members;
    uint32_t workers; /* that have any */
    uint32_t len;     /* of its name, of which this is the beginning */
    char name[NATS_INTEREST_NAME_BYTES];
  } list[NATS_INTEREST_GROUPS];
};

/** Asks the workers, one after another: what changes meanwhile may be counted or not. account: its number; subject: one
 * that can be published to. Thread: any that is no worker. Blocks: for a tick of each worker. Returns 0, -ENOMEM, or
 * TERN_ECLOSED when the workers do not run. */
int nats_interest_find(const struct nats_server *server, struct tern_workers *workers, uint32_t account,
                       struct tern_slice subject, struct nats_interest *out);

#endif
