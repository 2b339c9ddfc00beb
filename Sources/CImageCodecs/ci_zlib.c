// Deflated chunks of bytes, in and out, of bounded size.
#include "ci.h"

#include <stdlib.h>

#include <zlib.h>

int ci_deflate(const uint8_t *bytes, size_t count, uint8_t **out, size_t *out_count) {
  uLongf room = compressBound((uLong)count);
  *out = malloc(room);
  if (!*out) return CI_NO_MEMORY;
  if (compress2(*out, &room, bytes, (uLong)count, 9) != Z_OK) {
    free(*out);
    return CI_SYSTEM;
  }
  *out_count = room;
  return CI_OK;
}

int ci_inflate(const uint8_t *bytes, size_t count, size_t most, uint8_t **out, size_t *out_count) {
  // Deflate makes at most 1032 bytes of one.
  size_t bound = count > most / 1032 ? most : count * 1032;
  size_t room = 4096 < bound ? 4096 : bound;
  for (; room; room = room * 8 < bound ? room * 8 : bound) {
    *out = malloc(room);
    if (!*out) return CI_NO_MEMORY;
    uLongf length = (uLongf)room;
    int status = uncompress(*out, &length, bytes, (uLong)count);
    if (status == Z_OK) {
      *out_count = length;
      return CI_OK;
    }
    free(*out);
    if (status != Z_BUF_ERROR || room == bound) return CI_CORRUPT;
  }
  return CI_CORRUPT;
}

void ci_free(uint8_t *bytes) { free(bytes); }
