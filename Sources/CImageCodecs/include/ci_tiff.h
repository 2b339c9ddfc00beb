// The C door to libtiff: pages block by block (strips or tiles), a status and a message.
#ifndef CI_TIFF_H
#define CI_TIFF_H

#include <stddef.h>
#include <stdint.h>

#include "ci.h"

// How one page stores its samples.
typedef struct ci_tiff_page {
  uint32_t width;
  uint32_t height;
  uint16_t samples;       // per pixel
  uint16_t bits;          // per sample
  uint16_t sample_format; // 1 unsigned, 2 signed, 3 floating point
  uint16_t photometric;
  uint16_t compression;
  uint16_t predictor;     // 1 none, 2 horizontal, 3 floating point
  uint16_t planar;        // 1 interleaved, 2 one plane a sample
  uint16_t orientation;
  uint16_t extra_samples; // samples that are no colours
  uint16_t extra_kind;    // of the first of them: 0 unknown, 1 premultiplied alpha, 2 alpha
  uint16_t is_tiled;
  uint32_t block_width;   // of a tile, or the page's
  uint32_t block_height;  // of a tile, or the rows of a strip
  uint32_t blocks;        // strips or tiles of all planes
  uint64_t block_bytes;   // of a whole decoded block
  uint64_t stored_bytes;  // of all blocks as they lie in the file
} ci_tiff_page;

typedef struct ci_tiff ci_tiff;

ci_tiff *ci_tiff_create(void);
void ci_tiff_destroy(ci_tiff *tiff);
const char *ci_tiff_message(const ci_tiff *tiff);
// Opens for reading, the first page selected; `bytes` must outlive the reader.
int ci_tiff_open_file(ci_tiff *tiff, const char *path);
int ci_tiff_open_memory(ci_tiff *tiff, const uint8_t *bytes, size_t count);
// Selects the page whose directory lies at a byte of the file.
int ci_tiff_select(ci_tiff *tiff, uint64_t directory);
const ci_tiff_page *ci_tiff_get_page(const ci_tiff *tiff);
// The colour map: red, green, blue of 2^bits words each; NULL without one.
const uint16_t *ci_tiff_palette(const ci_tiff *tiff, int channel);
// Decodes a block into at least block_bytes bytes, in the machine's byte order; `count` came.
int ci_tiff_read_block(ci_tiff *tiff, uint32_t block, void *into, size_t room, size_t *count);

// Whether libtiff was built with a compression.
int ci_tiff_can(uint16_t compression);

typedef struct ci_tiff_writer ci_tiff_writer;

ci_tiff_writer *ci_tiff_writer_create(void);
void ci_tiff_writer_destroy(ci_tiff_writer *writer);
const char *ci_tiff_writer_message(const ci_tiff_writer *writer);
// Opens a file, which is made anew.
int ci_tiff_writer_open(ci_tiff_writer *writer, const char *path, int is_big_endian, int is_wide);
// Begins a page as `page` says; its orientation is upright, and what its blocks come to is written
// into it.
int ci_tiff_writer_begin(ci_tiff_writer *writer, ci_tiff_page *page, int quality);
// Takes a block in the machine's byte order, which may be changed.
int ci_tiff_writer_block(ci_tiff_writer *writer, uint32_t block, void *bytes, size_t count);
int ci_tiff_writer_end(ci_tiff_writer *writer);
int ci_tiff_writer_finish(ci_tiff_writer *writer);

#endif
