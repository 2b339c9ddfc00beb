// The C door to libpng and libjpeg-turbo: rows in and out, a status and a message, no jump past it.
#ifndef CI_H
#define CI_H

#include <stddef.h>
#include <stdint.h>

// What a call came to. Everything but CI_OK leaves a message in the reader or writer.
enum {
  CI_OK = 0,
  CI_CORRUPT = 1,      // the data is damaged, truncated or not of the format
  CI_UNSUPPORTED = 2,  // a valid file of a kind that is not read
  CI_NO_MEMORY = 3,
  CI_SYSTEM = 4,       // open, read or write failed; the message is the system's
};

// What the first bytes of a file say it is (TIFF and WebP have doors of their own).
enum { CI_FORMAT_OTHER = 0, CI_FORMAT_PNG = 1, CI_FORMAT_JPEG = 2 };

// The form in which rows come out of a reader.
enum {
  CI_BYTES = 0,    // 8 bits a sample, palettes and transparency expanded
  CI_WORDS = 1,    // 16 bits a sample in the machine's byte order (PNG only)
  CI_INDICES = 2,  // the stored values of a palette or gray PNG of at most 8 bits, unscaled
};

// What a header says, before any row is decoded.
typedef struct ci_header {
  int32_t format;
  uint32_t width;
  uint32_t height;
  int32_t channels;        // of the expanded picture: 1 gray, 2 gray + alpha, 3 RGB, 4 RGBA
  int32_t stored_channels; // of the data in the file: 1 for a palette
  int32_t bit_depth;       // per stored channel
  int32_t has_palette;
  int32_t interlaced;      // interlaced PNG or progressive JPEG: held whole to decode it
  uint64_t file_bytes;
} ci_header;

typedef struct ci_reader ci_reader;
typedef struct ci_writer ci_writer;

// Reading: create, open (which tells the format), header, begin, rows from top to bottom, finish,
// destroy.
ci_reader *ci_reader_create(void);
void ci_reader_destroy(ci_reader *reader);
const char *ci_reader_message(const ci_reader *reader);
int ci_reader_open_file(ci_reader *reader, const char *path);
// The bytes must outlive the reader.
int ci_reader_open_memory(ci_reader *reader, const uint8_t *bytes, size_t count);
int ci_reader_read_header(ci_reader *reader);
const ci_header *ci_reader_header(const ci_reader *reader);
int ci_reader_begin(ci_reader *reader, int mode);
// Reads `count` rows, each written at `rows` + index * `stride` bytes.
int ci_reader_read_rows(ci_reader *reader, void *rows, size_t stride, uint32_t count);
// Reads to the end of the file's picture; fails when anything of it is missing.
int ci_reader_finish(ci_reader *reader);
// The palette as RGBA, four bytes a colour; count 0 without one.
const uint8_t *ci_reader_palette(const ci_reader *reader, int *count);
// Harmless faults that were read over, in words; empty without one. Complete after finish.
const char *ci_reader_remark(const ci_reader *reader);
// The ancillary chunks of a PNG whose bytes are sound, in their order; the bytes are valid until
// the next call. CI_UNSUPPORTED behind the last one, CI_CORRUPT for one that cannot be read.
int ci_reader_chunk(ci_reader *reader, int index, char name[5], const uint8_t **bytes,
                    size_t *count);
// The APP1, APP2, APP11, APP13 and COM segments of a JPEG, until finish; NULL behind the last one.
const uint8_t *ci_reader_segment(const ci_reader *reader, int index, int *marker, size_t *count);
// The density of a JFIF header: 0 no unit, 1 dots an inch, 2 dots a centimetre; -1 without one.
int ci_reader_density(const ci_reader *reader, int *x, int *y);

// Writing: create, open, prepare, (chunks of a PNG), begin, (segments of a JPEG), rows,
// finish, destroy.
ci_writer *ci_writer_create(void);
void ci_writer_destroy(ci_writer *writer);
const char *ci_writer_message(const ci_writer *writer);
int ci_writer_open_file(ci_writer *writer, const char *path);
int ci_writer_open_memory(ci_writer *writer);
// `palette` is RGBA, four bytes a colour, or NULL; with it channels is 1 and bit_depth 8.
int ci_writer_prepare_png(ci_writer *writer, uint32_t width, uint32_t height, int channels,
                          int bit_depth, const uint8_t *palette, int palette_count,
                          int compression);
int ci_writer_prepare_jpeg(ci_writer *writer, uint32_t width, uint32_t height, int channels,
                           int quality, int full_chroma);
int ci_writer_begin(ci_writer *writer);
// A chunk of a PNG as it is.
int ci_writer_chunk(ci_writer *writer, const char name[5], const uint8_t *bytes, size_t count);
// The density of a JPEG, as ci_reader_density has it; before begin.
void ci_writer_density(ci_writer *writer, int unit, int x, int y);
// A segment of a JPEG of at most CI_JPEG_SEGMENT bytes.
enum { CI_JPEG_SEGMENT = 65533 };
int ci_writer_segment(ci_writer *writer, int marker, const uint8_t *bytes, size_t count);
int ci_writer_write_rows(ci_writer *writer, const void *rows, size_t stride, uint32_t count);
int ci_writer_finish(ci_writer *writer);
// What was written to memory; valid until destroy.
const uint8_t *ci_writer_bytes(const ci_writer *writer, size_t *count);

// Deflates (zlib), or inflates to at most `most` bytes; `*out` is to be freed with ci_free.
int ci_deflate(const uint8_t *bytes, size_t count, uint8_t **out, size_t *out_count);
int ci_inflate(const uint8_t *bytes, size_t count, size_t most, uint8_t **out, size_t *out_count);
void ci_free(uint8_t *bytes);

#endif
