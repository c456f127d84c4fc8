/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pid file and ports file, byte for byte, in a directory of this run's own. What goes wrong must be named
 * with its path and an advice; the log is not started, so these lines come on standard error and are caught
 * there.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "files.h"

static char dir[] = "/tmp/tern-files-XXXXXX";

static void in_dir(char *path, const char *name) { snprintf(path, PATH_MAX, "%s/%s", dir, name); }

static void ports_in_dir(char *path, const char *program) {
  snprintf(path, PATH_MAX, "%s/%s_%d.ports", dir, program, (int)getpid());
}

static void read_file(const char *path, char *text, size_t room) {
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  text[fread(text, 1, room - 1, file)] = '\0';
  fclose(file);
}

static size_t files_in_dir(void) {
  DIR *listing = opendir(dir);
  assert_non_null(listing);
  size_t count = 0;
  struct dirent *entry;
  while ((entry = readdir(listing)) != NULL)
    count += entry->d_name[0] != '.';
  closedir(listing);
  return count;
}

/* ---- what is logged ---- */

static FILE *caught;
static int saved_stderr;

static void catch_begin(void) {
  caught = tmpfile();
  saved_stderr = dup(STDERR_FILENO);
  assert_true(caught != NULL && saved_stderr >= 0);
  dup2(fileno(caught), STDERR_FILENO);
}

static const char *catch_end(void) {
  static char text[4096];
  dup2(saved_stderr, STDERR_FILENO);
  close(saved_stderr);
  rewind(caught);
  text[fread(text, 1, sizeof text - 1, caught)] = '\0';
  fclose(caught);
  return text;
}

/* ---- pid file ---- */

static void the_pid_file_holds_the_pid_and_nothing_else(void **unused) {
  (void)unused;
  char path[PATH_MAX], text[256], pid[32];
  in_dir(path, "tern.pid");
  snprintf(pid, sizeof pid, "%d", (int)getpid());
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  fputs("a longer text than any pid, left by somebody else\n", file);
  fclose(file);
  assert_int_equal(files_write_pid(path), 0);
  read_file(path, text, sizeof text);
  assert_string_equal(text, pid);
  assert_int_equal(unlink(path), 0);
}

static void a_pid_file_that_cannot_be_written_is_named(void **unused) {
  (void)unused;
  static const struct {
    const char *name;
    int error;
    const char *advice;
  } cases[] = {
      {"no/such.pid", -ENOENT, "create the directory first"},
      {".", -EISDIR, "give the name of a file"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char path[PATH_MAX];
    in_dir(path, cases[i].name);
    catch_begin();
    int error = files_write_pid(path);
    const char *text = catch_end();
    assert_int_equal(error, cases[i].error);
    assert_non_null(strstr(text, "pid file"));
    assert_non_null(strstr(text, path));
    assert_non_null(strstr(text, strerror(-error)));
    assert_non_null(strstr(text, cases[i].advice));
  }
  catch_begin();
  int error = files_write_pid("/dev/full");
  const char *text = catch_end();
  assert_int_equal(error, -ENOSPC);
  assert_non_null(strstr(text, "free some space"));
}

/* ---- ports file ---- */

/* A ports file of one listener. */
static int write_nats(const char *in, const char *program, const char *host, uint16_t port) {
  const struct files_listener listener = {"nats", "nats", host, port};
  return files_write_ports(in, program, &listener, 1);
}

static void the_ports_file_is_one_line_of_json(void **unused) {
  (void)unused;
  static const struct {
    const char *program, *file, *host;
    uint16_t port;
    const char *text;
  } cases[] = {
      {"tern", "tern", "127.0.0.1", 4222, "{\"nats\":[\"nats://127.0.0.1:4222\"]}"},
      {"/usr/bin/nats-server", "nats-server", "127.0.0.1", 1, "{\"nats\":[\"nats://127.0.0.1:1\"]}"},
      {"./tern", "tern", "::1", 65535, "{\"nats\":[\"nats://[::1]:65535\"]}"},
      {"tern", "tern", "localhost", 4222, "{\"nats\":[\"nats://localhost:4222\"]}"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char path[PATH_MAX], text[512];
    ports_in_dir(path, cases[i].file);
    assert_int_equal(write_nats(dir, cases[i].program, cases[i].host, cases[i].port), 0);
    read_file(path, text, sizeof text);
    assert_string_equal(text, cases[i].text);
    assert_int_equal(files_in_dir(), 1); /* nothing temporary is left */
    files_remove_ports(dir, cases[i].program);
    assert_int_equal(files_in_dir(), 0);
  }
}

static void each_listener_has_its_entry(void **unused) {
  (void)unused;
  char path[PATH_MAX], text[512];
  const struct files_listener listeners[] = {{"nats", "tls", "127.0.0.1", 4222},
                                             {"monitoring", "https", "::1", 8222}};
  ports_in_dir(path, "tern");
  assert_int_equal(files_write_ports(dir, "tern", listeners, 2), 0);
  read_file(path, text, sizeof text);
  assert_string_equal(text, "{\"nats\":[\"tls://127.0.0.1:4222\"],\"monitoring\":[\"https://[::1]:8222\"]}");
  files_remove_ports(dir, "tern");
}

/* The URLs the file should have for all interfaces, as text with a blank around each. */
static void expect_interfaces(bool v6, char *text, size_t room) {
  struct ifaddrs *all;
  assert_int_equal(getifaddrs(&all), 0);
  text[0] = '\0';
  for (struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
    char host[INET6_ADDRSTRLEN];
    size_t len = strlen(text);
    if (at->ifa_addr == NULL || !(at->ifa_flags & IFF_UP)) continue;
    if (at->ifa_addr->sa_family == AF_INET) {
      struct sockaddr_in in;
      memcpy(&in, at->ifa_addr, sizeof in);
      inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
      snprintf(text + len, room - len, " nats://%s:77 ", host);
    } else if (at->ifa_addr->sa_family == AF_INET6 && v6) {
      struct sockaddr_in6 in6;
      memcpy(&in6, at->ifa_addr, sizeof in6);
      if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr)) continue;
      inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof host);
      snprintf(text + len, room - len, " nats://[%s]:77 ", host);
    }
  }
  freeifaddrs(all);
}

static void a_wildcard_becomes_every_interface(void **unused) {
  (void)unused;
  static const char *const hosts[] = {"0.0.0.0", "::"};
  for (int i = 0; i < 2; i++) {
    char path[PATH_MAX], expected[8192];
    ports_in_dir(path, "tern");
    assert_int_equal(write_nats(dir, "tern", hosts[i], 77), 0);
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    json_t *urls = json_object_get(root, "nats");
    assert_true(json_is_array(urls));
    assert_true(json_array_size(urls) > 0);
    expect_interfaces(i == 1, expected, sizeof expected);
    size_t at, wanted = 0;
    json_t *url;
    json_array_foreach(urls, at, url) {
      char word[128];
      snprintf(word, sizeof word, " %s ", json_string_value(url));
      assert_non_null(strstr(expected, word));
    }
    for (const char *word = expected; (word = strstr(word, " nats://")) != NULL; word++)
      wanted++;
    assert_int_equal(json_array_size(urls), wanted);
    json_decref(root);
    files_remove_ports(dir, "tern");
  }
}

static void a_ports_file_that_cannot_be_written_leaves_nothing(void **unused) {
  (void)unused;
  char missing[PATH_MAX], path[PATH_MAX], inside[PATH_MAX + 8];
  in_dir(missing, "missing");
  catch_begin();
  int error = write_nats(missing, "tern", "127.0.0.1", 1);
  const char *text = catch_end();
  assert_int_equal(error, -ENOENT);
  assert_non_null(strstr(text, missing));
  assert_non_null(strstr(text, "create the directory first"));

  /* the final name is taken by a directory with something in it: the rename fails */
  ports_in_dir(path, "tern");
  snprintf(inside, sizeof inside, "%s/x", path);
  assert_int_equal(mkdir(path, 0700), 0);
  assert_int_equal(mkdir(inside, 0700), 0);
  catch_begin();
  error = write_nats(dir, "tern", "127.0.0.1", 1);
  text = catch_end();
  assert_true(error < 0);
  assert_non_null(strstr(text, path));
  assert_int_equal(files_in_dir(), 1);
  catch_begin();
  files_remove_ports(dir, "tern");
  assert_non_null(strstr(catch_end(), "cannot remove the ports file"));
  assert_int_equal(rmdir(inside), 0);
  assert_int_equal(rmdir(path), 0);

  char *long_dir = malloc(PATH_MAX + 1);
  assert_non_null(long_dir);
  memset(long_dir, 'x', PATH_MAX);
  long_dir[PATH_MAX] = '\0';
  catch_begin();
  error = write_nats(long_dir, "tern", "127.0.0.1", 1);
  files_remove_ports(long_dir, "tern");
  text = catch_end();
  free(long_dir);
  assert_int_equal(error, -ENAMETOOLONG);
  assert_non_null(strstr(text, "choose a shorter path"));
}

static void removing_what_is_not_there_is_quiet(void **unused) {
  (void)unused;
  catch_begin();
  files_remove_ports(dir, "tern");
  assert_string_equal(catch_end(), "");
}

static int make_dir(void **unused) {
  (void)unused;
  return mkdtemp(dir) == NULL;
}

static int remove_dir(void **unused) {
  (void)unused;
  return rmdir(dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_pid_file_holds_the_pid_and_nothing_else),
      cmocka_unit_test(a_pid_file_that_cannot_be_written_is_named),
      cmocka_unit_test(the_ports_file_is_one_line_of_json),
      cmocka_unit_test(each_listener_has_its_entry),
      cmocka_unit_test(a_wildcard_becomes_every_interface),
      cmocka_unit_test(a_ports_file_that_cannot_be_written_leaves_nothing),
      cmocka_unit_test(removing_what_is_not_there_is_quiet),
  };
  return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
