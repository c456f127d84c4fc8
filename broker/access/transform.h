/* SPDX-License-Identifier: Apache-2.0 */
/**
 * From one subject to another: what matched the wildcards of a filter goes into a destination. Made from the
 * configuration, then never changed. Thread: any.
 *
 *     orders.*.>  ->  shop.{{wildcard(1)}}.>              orders.eu.new.7  ->  shop.eu.new.7
 *     id.*        ->  id.{{partition(8,1)}}.$1            id.x             ->  id.3.x
 *
 * In a destination a token may be `$n` or one of {{wildcard(n)}}, {{partition(count,n,...)}}, {{splitfromleft(n,at)}},
 * {{splitfromright(n,at)}}, {{slicefromleft(n,size)}}, {{slicefromright(n,size)}}, {{split(n,separator)}},
 * {{left(n,size)}} and {{right(n,size)}}, with the names in any case; n counts the filter's `*` from 1.
 */
#ifndef BROKER_ACCESS_TRANSFORM_H
#define BROKER_ACCESS_TRANSFORM_H

#include <stdbool.h>
#include <stddef.h>

#include <tern/buffer.h>

/** `*` in a filter; more are an error. */
#define TRANSFORM_WILDCARDS_MAX 32

struct transform;

/** How strict transform_new is. */
enum {
  TRANSFORM_STARS =
      1, /* a `*` in the destination stands for the next of the filter, and there must be as many references as
            wildcards or more: imports, as nats-server has it, though one may be left out then */
  TRANSFORM_FUNNEL = 2, /* what is matched by `>` may go to one subject */
};

/** Compiles. Returns NULL with the reason in *problem (constant text), which is NULL when it is memory. */
struct transform *transform_new(const char *filter, const char *destination, unsigned how,
                                const char **problem);
/**
 * Compiles the way back, from a destination without functions but {{wildcard()}} to its filter, for services. As in
 * nats-server the wildcards of the filter take, in turn, what those of the destination refer to, counted in the destination
 * (which is the opposite of what transform_new does when more than two of them change places):
 *
 *     a.*.*.*  z.$3.$1.$2        z.x.y.w  ->  a.w.x.y
 *
 * A filter without wildcards takes all that the destination matches.
 */
struct transform *transform_new_back(const char *filter, const char *destination, const char **problem);
/** Frees it. NULL is allowed. */
void transform_free(struct transform *transform);
/** The filter, and the destination, as given. */
struct tern_slice transform_filter(const struct transform *transform);
struct tern_slice transform_destination(const struct transform *transform);
/** Are both made of the same filter and destination? */
bool transform_equal(const struct transform *one, const struct transform *other);
/** Does the subject match the filter? */
bool transform_matches(const struct transform *transform, struct tern_slice subject);
/** The new subject of one that matches. Returns its length; 0 when it does not fit into room bytes. */
size_t transform_apply(const struct transform *transform, struct tern_slice subject, char *to, size_t room);

#endif
