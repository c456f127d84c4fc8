/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash map on its own: against a naive list through thousands of changes, in tables so small that every run
 * of slots wraps around their end, with keys that are not unique, and without memory.
 */
#include "fixture.h"

#include "map.h"

#define OBJECTS   500
#define ROUNDS    20000
#define SLOTS_MIN 16 /* of the smallest table */

struct object {
  uint64_t key;
  unsigned name; /* tells objects of one key apart */
  bool in;
};

static bool has_name(const void *object, const void *name) {
  return ((const struct object *)object)->name == *(const unsigned *)name;
}

static struct object *find(const struct tern__map *map, const struct object *object) {
  return tern__map_find(map, object->key, has_name, &object->name);
}

static void put(struct tern__map *map, struct object *object) {
  assert_true(tern__map_reserve(map));
  tern__map_put(map, object);
  object->in = true;
}

static void take(struct tern__map *map, struct object *object) {
  tern__map_remove(map, object);
  object->in = false;
}

static void assert_holds(const struct tern__map *map, struct object *objects, unsigned count) {
  size_t in = 0;
  for (unsigned i = 0; i < count; i++) {
    assert_ptr_equal(find(map, &objects[i]), objects[i].in ? &objects[i] : NULL);
    in += objects[i].in;
  }
  assert_int_equal(map->count, in);
  if (map->slots != NULL) assert_true(map->count <= (map->mask + 1) / 4 * 3);
}

static void a_map_never_used_holds_nothing(void **state) {
  (void)state;
  struct tern__map map = {0};
  assert_null(tern__map_find(&map, 0, NULL, NULL));
  tern__map_free(&map);
}

/* Objects are put in and taken out at random; the map knows what the list knows. */
static void churn(unsigned count, unsigned keys, unsigned rounds) {
  struct tern__map map = {0};
  struct object objects[OBJECTS];
  uint64_t random = 88172645463325252u + count;
  for (unsigned i = 0; i < count; i++)
    objects[i] = (struct object){.key = 7 * (i % keys), .name = i};
  for (unsigned round = 0; round < rounds; round++) {
    struct object *object = &objects[random_next(&random) % count];
    if (object->in)
      take(&map, object);
    else
      put(&map, object);
    if (count < 20 || round % 500 == 0) assert_holds(&map, objects, count);
  }
  tern__map_free(&map);
}

static void what_is_put_in_is_found_until_it_is_taken_out(void **state) {
  (void)state;
  churn(SLOTS_MIN / 4 * 3, UINT32_MAX, ROUNDS); /* always the smallest table, often full */
  churn(OBJECTS, UINT32_MAX, ROUNDS);           /* growing and shrinking */
}

static void objects_of_one_key_are_told_apart(void **state) {
  (void)state;
  churn(SLOTS_MIN / 4 * 3, 2, ROUNDS);
  churn(40, 1, 2000);
}

static void the_first_object_of_a_key_is_found_without_a_question(void **state) {
  (void)state;
  struct tern__map map = {0};
  struct object object = {.key = UINT64_MAX, .name = 1};
  put(&map, &object);
  assert_ptr_equal(tern__map_find(&map, UINT64_MAX, NULL, NULL), &object);
  assert_null(tern__map_find(&map, UINT64_MAX - 1, NULL, NULL));
  tern__map_free(&map);
}

static void the_table_follows_the_number_of_objects(void **state) {
  (void)state;
  struct tern__map map = {0};
  struct object objects[OBJECTS];
  for (unsigned i = 0; i < OBJECTS; i++) {
    objects[i] = (struct object){.key = i, .name = i};
    put(&map, &objects[i]);
  }
  assert_int_equal(map.mask + 1, 1024); /* 500 fill more than three quarters of 512 */
  for (unsigned i = OBJECTS; i-- > 0;) {
    take(&map, &objects[i]);
    assert_true(map.mask + 1 == SLOTS_MIN || map.count >= (map.mask + 1) / 8);
  }
  assert_int_equal(map.mask + 1, SLOTS_MIN);
  tern__map_free(&map);
}

static unsigned refused;
static int no_memory(size_t size) {
  (void)size;
  refused++;
  return 1;
}

static void without_memory_nothing_gets_in_and_nothing_is_lost(void **state) {
  (void)state;
  struct tern__map map = {0};
  struct object objects[SLOTS_MIN];
  for (unsigned i = 0; i < SLOTS_MIN; i++)
    objects[i] = (struct object){.key = i, .name = i};
  tern__pool_fault = no_memory;
  assert_false(tern__map_reserve(&map));
  tern__pool_fault = NULL;
  for (unsigned i = 0; i < SLOTS_MIN / 4 * 3; i++)
    put(&map, &objects[i]);
  tern__pool_fault = no_memory;
  assert_false(tern__map_reserve(&map));
  tern__pool_fault = NULL;
  assert_holds(&map, objects, SLOTS_MIN);
  put(&map, &objects[SLOTS_MIN - 1]);
  assert_holds(&map, objects, SLOTS_MIN);
  tern__map_free(&map);
}

static void a_table_that_cannot_shrink_stays(void **state) {
  (void)state;
  struct tern__map map = {0};
  struct object objects[OBJECTS];
  for (unsigned i = 0; i < OBJECTS; i++) {
    objects[i] = (struct object){.key = i, .name = i};
    put(&map, &objects[i]);
  }
  refused = 0;
  tern__pool_fault = no_memory;
  for (unsigned i = 1; i < OBJECTS; i++)
    take(&map, &objects[i]);
  tern__pool_fault = NULL;
  assert_true(refused > 0);
  assert_int_equal(map.mask + 1, 1024);
  assert_holds(&map, objects, OBJECTS);
  take(&map, &objects[0]); /* there is memory again */
  assert_int_equal(map.mask + 1, 512);
  tern__map_free(&map);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_map_never_used_holds_nothing),
      cmocka_unit_test(what_is_put_in_is_found_until_it_is_taken_out),
      cmocka_unit_test(objects_of_one_key_are_told_apart),
      cmocka_unit_test(the_first_object_of_a_key_is_found_without_a_question),
      cmocka_unit_test(the_table_follows_the_number_of_objects),
      cmocka_unit_test(without_memory_nothing_gets_in_and_nothing_is_lost),
      cmocka_unit_test(a_table_that_cannot_shrink_stays),
  };
  return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
