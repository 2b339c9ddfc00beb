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

// What the first bytes of a file say it is.
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
// The Exif block of a JPEG (behind "Exif\0\0"), or NULL.
const uint8_t *ci_reader_exif(const ci_reader *reader, size_t *count);
// Text chunks of a PNG, complete after finish. Values end in a zero byte.
int ci_reader_text_count(const ci_reader *reader);
void ci_reader_text(const ci_reader *reader, int index, const char **key, const char **value,
                    int *is_utf8);

// The comments (COM) and XMP packets (APP1) of a JPEG, not ended by a zero byte; NULL behind the
// last one.
const uint8_t *ci_reader_jpeg_text(const ci_reader *reader, int index, int *is_xmp, size_t *count);

// Writing: create, open, prepare, (texts of a PNG), begin, (texts of a JPEG), rows, finish, destroy.
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
int ci_writer_text(ci_writer *writer, const char *key, const char *value, int is_utf8);
int ci_writer_begin(ci_writer *writer);
// A comment or an XMP packet of at most CI_JPEG_TEXT bytes.
enum { CI_JPEG_TEXT = 65000 };
int ci_writer_jpeg_text(ci_writer *writer, const char *text, size_t count, int is_xmp);
int ci_writer_write_rows(ci_writer *writer, const void *rows, size_t stride, uint32_t count);
int ci_writer_finish(ci_writer *writer);
// What was written to memory; valid until destroy.
const uint8_t *ci_writer_bytes(const ci_writer *writer, size_t *count);

#endif
