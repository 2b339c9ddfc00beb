// The C door to libwebp: whole pictures in and out, a status and a message.
#ifndef CI_WEBP_H
#define CI_WEBP_H

#include <stddef.h>
#include <stdint.h>

#include "ci.h"

typedef struct ci_webp_header {
  uint32_t width;
  uint32_t height;
  int32_t has_alpha;
  int32_t is_animated;
  int32_t is_lossless;
} ci_webp_header;

// What the picture's header says.
int ci_webp_read_header(const uint8_t *bytes, size_t count, ci_webp_header *header);
// Decodes a picture to RGB (3 channels) or RGBA (4) rows of `stride` bytes.
int ci_webp_decode(const uint8_t *bytes, size_t count, int channels, uint8_t *into, size_t stride,
                   const char **message);
// Encodes RGB or RGBA rows; `*out` is to be freed with ci_webp_free.
int ci_webp_encode(const uint8_t *rows, uint32_t width, uint32_t height, int channels,
                   size_t stride, int quality, int is_lossless, uint8_t **out, size_t *count,
                   const char **message);
void ci_webp_free(uint8_t *bytes);

#endif
