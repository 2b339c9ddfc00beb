// A fuzzer of picture reading: the first byte chooses the door, the rest is the file.
//
// Built by Tests/Fuzz/run.sh with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer over the
// house's own C code; libpng, libjpeg, libtiff, libwebp and zlib are the system's. The doors are opened as
// AtelierImages opens them, sizes checked first.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ci.h"
#include "ci_tiff.h"
#include "ci_webp.h"

// Pictures of more samples are refused, as limits refuse them in Swift.
enum { MOST = 1 << 20 };

static void read_metadata(ci_reader *reader) {
  char name[5];
  const uint8_t *bytes;
  size_t count;
  uint8_t sum = 0;
  for (int index = 0;; index++) {
    int status = ci_reader_chunk(reader, index, name, &bytes, &count);
    if (status == CI_UNSUPPORTED) break;
    if (status != CI_OK) continue;
    for (size_t at = 0; at < count; at++) sum += bytes[at];
    uint8_t *inflated = NULL;
    size_t length = 0;
    if (count > 2 && ci_inflate(bytes, count, 1 << 16, &inflated, &length) == CI_OK) {
      for (size_t at = 0; at < length; at++) sum += inflated[at];
      ci_free(inflated);
    }
  }
  int marker;
  for (int index = 0; (bytes = ci_reader_segment(reader, index, &marker, &count)); index++)
    for (size_t at = 0; at < count; at++) sum += bytes[at];
  int x, y;
  ci_reader_density(reader, &x, &y);
  volatile uint8_t kept = sum;
  (void)kept;
}

static void read_rows(const uint8_t *bytes, size_t count, int mode) {
  ci_reader *reader = ci_reader_create();
  if (!reader) return;
  if (ci_reader_open_memory(reader, bytes, count) == CI_OK &&
      ci_reader_header(reader)->format != CI_FORMAT_OTHER &&
      ci_reader_read_header(reader) == CI_OK) {
    const ci_header *header = ci_reader_header(reader);
    uint64_t row = (uint64_t)header->width * (uint64_t)header->channels * (mode == CI_WORDS ? 2 : 1);
    int palette_count;
    ci_reader_palette(reader, &palette_count);
    read_metadata(reader);
    if (row && header->height && row <= MOST / header->height &&
        (mode != CI_WORDS || header->bit_depth == 16) && ci_reader_begin(reader, mode) == CI_OK) {
      // Of the exact size, so that a byte too many is seen.
      uint8_t *rows = malloc(row * 3);
      uint32_t left = header->height;
      while (left) {
        uint32_t part = left < 3 ? left : 3;
        if (ci_reader_read_rows(reader, rows, row, part) != CI_OK) break;
        left -= part;
      }
      if (!left) ci_reader_finish(reader);
      free(rows);
    }
  }
  (void)strlen(ci_reader_message(reader));
  (void)strlen(ci_reader_remark(reader));
  ci_reader_destroy(reader);
}

static void read_tiff(const uint8_t *bytes, size_t count) {
  ci_tiff *tiff = ci_tiff_create();
  if (!tiff) return;
  if (ci_tiff_open_memory(tiff, bytes, count) == CI_OK) {
    ci_tiff_page page = *ci_tiff_get_page(tiff);
    if (page.block_bytes <= MOST && page.blocks <= 64) {
      uint8_t *block = malloc(page.block_bytes);
      for (uint32_t index = 0; index < page.blocks; index++) {
        size_t came = 0;
        if (ci_tiff_read_block(tiff, index, block, page.block_bytes, &came) != CI_OK) break;
      }
      free(block);
    }
    const uint16_t *palette = ci_tiff_palette(tiff, 0);
    volatile uint16_t last = palette && page.bits <= 16 ? palette[(1u << page.bits) - 1] : 0;
    (void)last;
    if (count > 8) ci_tiff_select(tiff, bytes[count - 1]);
  }
  ci_tiff_destroy(tiff);
}

static void read_webp(const uint8_t *bytes, size_t count) {
  ci_webp_header header;
  if (ci_webp_read_header(bytes, count, &header) != CI_OK || header.is_animated) return;
  int channels = header.has_alpha ? 4 : 3;
  uint64_t stride = (uint64_t)header.width * (uint64_t)channels;
  if (!stride || !header.height || stride > MOST / header.height) return;
  uint8_t *rows = malloc(stride * header.height);
  const char *message = NULL;
  ci_webp_decode(bytes, count, channels, rows, stride, &message);
  free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  // A copy of the exact size: what is read beyond it is seen.
  uint8_t *bytes = malloc(size - 1);
  memcpy(bytes, data + 1, size - 1);
  switch (data[0] & 7) {
  case 0: read_rows(bytes, size - 1, CI_BYTES); break;
  case 1: read_rows(bytes, size - 1, CI_WORDS); break;
  case 2: read_rows(bytes, size - 1, CI_INDICES); break;
  case 3:
  case 4: read_tiff(bytes, size - 1); break;
  case 5: read_webp(bytes, size - 1); break;
  default: {
    uint8_t *out = NULL;
    size_t count = 0;
    if (ci_inflate(bytes, size - 1, 1 << 18, &out, &count) == CI_OK) ci_free(out);
  }
  }
  free(bytes);
  return 0;
}
