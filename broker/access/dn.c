/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distinguished names. A name is read into attributes, each of which knows the part it belongs to, with escapes
 * resolved and blanks around them dropped:
 *
 *     "CN=a\,b, OU=c + O=d"  ->  {CN "a,b" 0} {OU "c" 1} {O "d" 1}
 *
 * A type may be an object identifier (2.5.4.3); it is the same as its name only for those a certificate's subject
 * usually has. Values in hexadecimal (#04...) are compared as written.
 */
#include "dn.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct attribute {
  const char *type;
  const char *value;
  size_t value_len;
  unsigned part;
};

struct name {
  struct attribute attributes[DN_PARTS_MAX];
  unsigned count, parts;
  char text[DN_BYTES_MAX + DN_PARTS_MAX]; /* types with an end, values without */
};

static const struct {
  const char *oid, *type;
} oids[] = {
    {"2.5.4.3", "CN"},
    {"2.5.4.5", "SERIALNUMBER"},
    {"2.5.4.6", "C"},
    {"2.5.4.7", "L"},
    {"2.5.4.8", "ST"},
    {"2.5.4.9", "STREET"},
    {"2.5.4.10", "O"},
    {"2.5.4.11", "OU"},
    {"2.5.4.4", "SN"},
    {"2.5.4.42", "GN"},
    {"2.5.4.12", "title"},
    {"2.5.4.17", "POSTALCODE"},
    {"0.9.2342.19200300.100.1.25", "DC"},
    {"0.9.2342.19200300.100.1.1", "UID"},
    {"1.2.840.113549.1.9.1", "emailAddress"},
};

static const char *type_of(const char *type) {
  if (strncasecmp(type, "oid.", 4) == 0) type += 4;
  for (size_t i = 0; i < sizeof oids / sizeof oids[0]; i++)
    if (strcmp(type, oids[i].oid) == 0) return oids[i].type;
  return type;
}

static int hex_value(char c) {
  const char *digits = "0123456789abcdef";
  const char *at = c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;
  return at != NULL ? (int)(at - digits) : -1;
}

/* Reads "TYPE=", blanks allowed around the type. Returns what follows, or NULL. */
static const char *read_type(const char *p, char **to, const char **type) {
  p += strspn(p, " ");
  size_t len = strcspn(p, "= ");
  for (size_t i = 0; i < len; i++)
    if (!isalnum((unsigned char)p[i]) && p[i] != '-' && p[i] != '.') return NULL;
  if (len == 0) return NULL;
  memcpy(*to, p, len);
  (*to)[len] = '\0';
  *type = type_of(*to);
  *to += len + 1;
  p += len;
  p += strspn(p, " ");
  return *p == '=' ? p + 1 : NULL;
}

/* Reads a value up to ',', ';', '+' or the end. Returns where it stopped, or NULL when it is no value. */
static const char *read_value(const char *p, char **to, struct attribute *attribute) {
  p += strspn(p, " ");
  char *start = *to, *end = start; /* blanks at the end do not count unless escaped */
  for (; *p != '\0' && strchr(",;+", *p) == NULL; p++) {
    if (strchr("\"<>", *p) != NULL) return NULL;
    if (*p != '\\') {
      *(*to)++ = *p;
      if (*p != ' ') end = *to;
      continue;
    }
    int high = hex_value(p[1]), low = high >= 0 ? hex_value(p[2]) : -1;
    if (low >= 0)
      *(*to)++ = (char)(high * 16 + low);
    else if (p[1] != '\0' && strchr(" \"#+,;<=>\\", p[1]) != NULL)
      *(*to)++ = p[1];
    else
      return NULL;
    p += low >= 0 ? 2 : 1;
    end = *to;
  }
  attribute->value = start;
  attribute->value_len = (size_t)(end - start);
  return p;
}

static bool read_name(const char *text, struct name *name) {
  char *to = name->text;
  name->count = name->parts = 0;
  if (*text == '\0' || strlen(text) > DN_BYTES_MAX) return false;
  for (const char *p = text;; p++) {
    if (name->count == DN_PARTS_MAX) return false;
    struct attribute *attribute = &name->attributes[name->count++];
    attribute->part = name->parts;
    p = read_type(p, &to, &attribute->type);
    if (p != NULL) p = read_value(p, &to, attribute);
    if (p == NULL) return false;
    if (*p != '+') name->parts++;
    if (*p == '\0') return true;
  }
}

static bool same_attribute(const struct attribute *a, const struct attribute *b) {
  return strcasecmp(a->type, b->type) == 0 && a->value_len == b->value_len &&
         memcmp(a->value, b->value, a->value_len) == 0;
}

/* How many attributes of a part are in a part of the other name; -1: not all. */
static int inside(const struct name *a, unsigned part, const struct name *b, unsigned other) {
  int count = 0;
  for (unsigned i = 0; i < a->count; i++) {
    if (a->attributes[i].part != part) continue;
    unsigned j = 0;
    while (j < b->count &&
           (b->attributes[j].part != other || !same_attribute(&a->attributes[i], &b->attributes[j])))
      j++;
    if (j == b->count) return -1;
    count++;
  }
  return count;
}

static bool same_part(const struct name *a, unsigned part, const struct name *b, unsigned other) {
  int there = inside(a, part, b, other);
  return there >= 0 && there == inside(b, other, a, part);
}

enum dn_likeness dn_compare(const char *one, const char *other) {
  struct name a, b;
  if (!read_name(one, &a) || !read_name(other, &b) || a.parts != b.parts) return DN_OTHER;
  bool in_order = true, used[DN_PARTS_MAX] = {false};
  for (unsigned part = 0; part < a.parts; part++) {
    if (!same_part(&a, part, &b, part)) in_order = false;
    unsigned match = 0;
    while (match < b.parts && (used[match] || !same_part(&a, part, &b, match)))
      match++;
    if (match == b.parts) return DN_OTHER;
    used[match] = true;
  }
  return in_order ? DN_SAME : DN_REORDERED;
}
