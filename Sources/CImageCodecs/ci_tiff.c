// Pages of TIFF files through libtiff, block by block, read and written; what it says is a message.
#include "ci_tiff.h"
#include "ci_status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#define MESSAGE_CAPACITY 256
// No single piece of a file takes more memory than this inside libtiff.
#define MOST_MEMORY (256 << 20)
// libtiff 4.5 and later tell each file's errors to that file alone.
#define HAS_OPTIONS (TIFFLIB_VERSION >= 20221213)

// Where bytes come from or go to, and what went wrong with them.
typedef struct stream {
  FILE *file;
  const uint8_t *bytes;
  uint64_t count;
  uint64_t position;
  char message[MESSAGE_CAPACITY];
} stream;

struct ci_tiff {
  stream stream;
  TIFF *tiff;
  ci_tiff_page page;
  uint16_t *palette[3];
};

struct ci_tiff_writer {
  stream stream;
  TIFF *tiff;
  ci_tiff_page page;
};

static int fail(stream *stream, int status, const char *text) {
  snprintf(stream->message, MESSAGE_CAPACITY, "%s", text);
  return status;
}

// A status with libtiff's own words, which were kept, or others where it said nothing.
static int failed(stream *stream, int status, const char *text) {
  status = ci_reason(status);
  return stream->message[0] ? status : fail(stream, status, text);
}

// ---- libtiff's callbacks ----

// The first error says most; the others follow from it. The message is one line.
static void keep(stream *stream, const char *format, va_list arguments) {
  if (stream->message[0]) return;
  vsnprintf(stream->message, MESSAGE_CAPACITY, format, arguments);
  for (char *c = stream->message; *c; c++) {
    if ((unsigned char)*c < 32) *c = ' ';
  }
}

#if HAS_OPTIONS
static int told(TIFF *tiff, void *data, const char *module, const char *format,
                va_list arguments) {
  (void)tiff;
  (void)module;
  keep(data, format, arguments);
  return 1;
}

static int warned(TIFF *tiff, void *data, const char *module, const char *format,
                  va_list arguments) {
  (void)tiff;
  (void)data;
  (void)module;
  (void)format;
  (void)arguments;
  return 1;
}
#else
static void told(thandle_t data, const char *module, const char *format, va_list arguments) {
  (void)module;
  if (data) keep(data, format, arguments);
}
#endif

static tmsize_t pull(thandle_t data, void *into, tmsize_t count) {
  stream *stream = data;
  if (count < 0) return -1;
  if (stream->file) return (tmsize_t)fread(into, 1, (size_t)count, stream->file);
  uint64_t left = stream->position < stream->count ? stream->count - stream->position : 0;
  uint64_t given = (uint64_t)count < left ? (uint64_t)count : left;
  if (given) memcpy(into, stream->bytes + stream->position, given);
  stream->position += given;
  return (tmsize_t)given;
}

static tmsize_t push(thandle_t data, void *from, tmsize_t count) {
  stream *stream = data;
  if (count < 0 || !stream->file) return -1;
  if (fwrite(from, 1, (size_t)count, stream->file) == (size_t)count) return count;
  if (!stream->message[0]) fail(stream, CI_SYSTEM, strerror(errno));
  return -1;
}

static toff_t seek(thandle_t data, toff_t offset, int whence) {
  stream *stream = data;
  if (stream->file) {
    if (fseek(stream->file, (long)offset, whence) != 0) return (toff_t)-1;
    return (toff_t)ftell(stream->file);
  }
  uint64_t origin = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? stream->position : stream->count;
  stream->position = origin + offset;
  return stream->position;
}

static int closed(thandle_t data) {
  (void)data;
  return 0;
}

static toff_t size(thandle_t data) {
  stream *stream = data;
  if (!stream->file) return stream->count;
  long position = ftell(stream->file);
  if (fseek(stream->file, 0, SEEK_END) != 0) return 0;
  long end = ftell(stream->file);
  if (fseek(stream->file, position, SEEK_SET) != 0) return 0;
  return end < 0 ? 0 : (toff_t)end;
}

static TIFF *open_stream(stream *stream, const char *mode) {
#if HAS_OPTIONS
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (!options) return NULL;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, MOST_MEMORY);
  TIFFOpenOptionsSetErrorHandlerExtR(options, told, stream);
  TIFFOpenOptionsSetWarningHandlerExtR(options, warned, stream);
  TIFF *tiff = TIFFClientOpenExt("TIFF", mode, stream, pull, push, seek, closed, size, NULL, NULL,
                                 options);
  TIFFOpenOptionsFree(options);
  return tiff;
#else
  // One handler for all files: it is the same whoever sets it, and finds the file by its handle.
  TIFFSetErrorHandler(NULL);
  TIFFSetErrorHandlerExt(told);
  TIFFSetWarningHandler(NULL);
  TIFFSetWarningHandlerExt(NULL);
  return TIFFClientOpen("TIFF", mode, stream, pull, push, seek, closed, size, NULL, NULL);
#endif
}

// ---- reading ----

ci_tiff *ci_tiff_create(void) {
  errno = 0;
  return calloc(1, sizeof(ci_tiff));
}

void ci_tiff_destroy(ci_tiff *tiff) {
  if (!tiff) return;
  if (tiff->tiff) TIFFClose(tiff->tiff);
  if (tiff->stream.file) fclose(tiff->stream.file);
  free(tiff);
}

const char *ci_tiff_message(const ci_tiff *tiff) { return tiff->stream.message; }
const ci_tiff_page *ci_tiff_get_page(const ci_tiff *tiff) { return &tiff->page; }
const uint16_t *ci_tiff_palette(const ci_tiff *tiff, int channel) { return tiff->palette[channel]; }
int ci_tiff_can(uint16_t compression) { return TIFFIsCODECConfigured(compression); }

// Sums of what the blocks take in the file; a block beyond the file's end is a damaged file.
static int measure(ci_tiff *tiff) {
  ci_tiff_page *page = &tiff->page;
  uint64_t total = size(&tiff->stream);
  page->stored_bytes = 0;
  for (uint32_t block = 0; block < page->blocks; block++) {
    uint64_t offset = TIFFGetStrileOffset(tiff->tiff, block);
    uint64_t count = TIFFGetStrileByteCount(tiff->tiff, block);
    if (offset > total || count > total - offset) {
      return failed(&tiff->stream, CI_CORRUPT, "the data ends too early");
    }
    page->stored_bytes += count;
  }
  return CI_OK;
}

static int read_page(ci_tiff *tiff) {
  TIFF *handle = tiff->tiff;
  ci_tiff_page *page = &tiff->page;
  memset(page, 0, sizeof *page);
  memset(tiff->palette, 0, sizeof tiff->palette);
  uint16_t *kinds = NULL;
  if (!TIFFGetField(handle, TIFFTAG_IMAGEWIDTH, &page->width) ||
      !TIFFGetField(handle, TIFFTAG_IMAGELENGTH, &page->height)) {
    return failed(&tiff->stream, CI_CORRUPT, "a page without a size");
  }
  page->photometric = 0xffff;
  TIFFGetField(handle, TIFFTAG_PHOTOMETRIC, &page->photometric);
  TIFFGetFieldDefaulted(handle, TIFFTAG_SAMPLESPERPIXEL, &page->samples);
  TIFFGetFieldDefaulted(handle, TIFFTAG_BITSPERSAMPLE, &page->bits);
  TIFFGetFieldDefaulted(handle, TIFFTAG_SAMPLEFORMAT, &page->sample_format);
  TIFFGetFieldDefaulted(handle, TIFFTAG_COMPRESSION, &page->compression);
  TIFFGetFieldDefaulted(handle, TIFFTAG_PLANARCONFIG, &page->planar);
  TIFFGetFieldDefaulted(handle, TIFFTAG_ORIENTATION, &page->orientation);
  if (!TIFFGetField(handle, TIFFTAG_PREDICTOR, &page->predictor)) page->predictor = 1;
  if (TIFFGetFieldDefaulted(handle, TIFFTAG_EXTRASAMPLES, &page->extra_samples, &kinds) &&
      page->extra_samples) {
    page->extra_kind = kinds[0];
  }
  TIFFGetField(handle, TIFFTAG_COLORMAP, &tiff->palette[0], &tiff->palette[1], &tiff->palette[2]);
  page->is_tiled = TIFFIsTiled(handle) != 0;
  if (page->compression == COMPRESSION_JPEG && page->photometric == PHOTOMETRIC_YCBCR) {
    // libjpeg gives the colours; the sizes below are then those of RGB.
    TIFFSetField(handle, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  }
  if (page->is_tiled) {
    TIFFGetField(handle, TIFFTAG_TILEWIDTH, &page->block_width);
    TIFFGetField(handle, TIFFTAG_TILELENGTH, &page->block_height);
    page->blocks = TIFFNumberOfTiles(handle);
    page->block_bytes = TIFFTileSize64(handle);
  } else {
    TIFFGetFieldDefaulted(handle, TIFFTAG_ROWSPERSTRIP, &page->block_height);
    page->block_width = page->width;
    if (page->block_height > page->height) page->block_height = page->height;
    page->blocks = TIFFNumberOfStrips(handle);
    page->block_bytes = page->block_height ? TIFFVStripSize64(handle, page->block_height) : 0;
  }
  if (!page->width || !page->height || !page->samples || !page->block_width ||
      !page->block_height || !page->blocks || !page->block_bytes) {
    return failed(&tiff->stream, CI_CORRUPT, "a page of no size");
  }
  return measure(tiff);
}

static int open_reader(ci_tiff *tiff) {
  tiff->tiff = open_stream(&tiff->stream, "r");
  if (!tiff->tiff) return failed(&tiff->stream, CI_CORRUPT, "no TIFF header");
  return read_page(tiff);
}

int ci_tiff_open_file(ci_tiff *tiff, const char *path) {
  tiff->stream.file = fopen(path, "rb");
  if (!tiff->stream.file) return fail(&tiff->stream, ci_reason(CI_SYSTEM), strerror(errno));
  return open_reader(tiff);
}

int ci_tiff_open_memory(ci_tiff *tiff, const uint8_t *bytes, size_t count) {
  tiff->stream.bytes = bytes;
  tiff->stream.count = count;
  return open_reader(tiff);
}

int ci_tiff_select(ci_tiff *tiff, uint64_t directory) {
  tiff->stream.message[0] = 0;
  if (!TIFFSetSubDirectory(tiff->tiff, directory)) {
    return failed(&tiff->stream, CI_CORRUPT, "a page that cannot be read");
  }
  return read_page(tiff);
}

int ci_tiff_read_block(ci_tiff *tiff, uint32_t block, void *into, size_t room, size_t *count) {
  tiff->stream.message[0] = 0;
  if (room < tiff->page.block_bytes) {
    return fail(&tiff->stream, CI_NO_MEMORY, "no room for a block");
  }
  tmsize_t given = tiff->page.is_tiled
                       ? TIFFReadEncodedTile(tiff->tiff, block, into, (tmsize_t)room)
                       : TIFFReadEncodedStrip(tiff->tiff, block, into, (tmsize_t)room);
  if (given < 0) return failed(&tiff->stream, CI_CORRUPT, "a block that cannot be decoded");
  // What libtiff calls an error and papers over is still an error here.
  if (tiff->stream.message[0]) return ci_reason(CI_CORRUPT);
  *count = (size_t)given;
  return CI_OK;
}

// ---- writing ----

ci_tiff_writer *ci_tiff_writer_create(void) {
  errno = 0;
  return calloc(1, sizeof(ci_tiff_writer));
}

void ci_tiff_writer_destroy(ci_tiff_writer *writer) {
  if (!writer) return;
  if (writer->tiff) TIFFCleanup(writer->tiff);
  if (writer->stream.file) fclose(writer->stream.file);
  free(writer);
}

const char *ci_tiff_writer_message(const ci_tiff_writer *writer) { return writer->stream.message; }

int ci_tiff_writer_open(ci_tiff_writer *writer, const char *path, int is_big_endian, int is_wide) {
  char mode[8];
  snprintf(mode, sizeof mode, "w%c%s", is_big_endian ? 'b' : 'l', is_wide ? "8" : "");
  writer->stream.file = fopen(path, "w+b");
  if (!writer->stream.file) return fail(&writer->stream, CI_SYSTEM, strerror(errno));
  writer->tiff = open_stream(&writer->stream, mode);
  return writer->tiff ? CI_OK : failed(&writer->stream, CI_SYSTEM, "the file cannot be begun");
}

int ci_tiff_writer_begin(ci_tiff_writer *writer, ci_tiff_page *page, int quality) {
  TIFF *handle = writer->tiff;
  int is_jpeg = page->compression == COMPRESSION_JPEG;
  int is_set = TIFFSetField(handle, TIFFTAG_IMAGEWIDTH, page->width) &&
               TIFFSetField(handle, TIFFTAG_IMAGELENGTH, page->height) &&
               TIFFSetField(handle, TIFFTAG_SAMPLESPERPIXEL, page->samples) &&
               TIFFSetField(handle, TIFFTAG_BITSPERSAMPLE, page->bits) &&
               TIFFSetField(handle, TIFFTAG_SAMPLEFORMAT, page->sample_format) &&
               TIFFSetField(handle, TIFFTAG_COMPRESSION, page->compression) &&
               TIFFSetField(handle, TIFFTAG_PHOTOMETRIC, page->photometric) &&
               TIFFSetField(handle, TIFFTAG_PLANARCONFIG, page->planar) &&
               TIFFSetField(handle, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
  if (is_set && is_jpeg) {
    is_set = TIFFSetField(handle, TIFFTAG_JPEGQUALITY, quality) &&
             (page->photometric != PHOTOMETRIC_YCBCR ||
              TIFFSetField(handle, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB));
  }
  if (is_set && page->predictor > 1) {
    is_set = TIFFSetField(handle, TIFFTAG_PREDICTOR, page->predictor);
  }
  if (is_set && page->extra_samples) {
    uint16_t kinds[16] = {page->extra_kind};
    is_set = page->extra_samples <= 16 &&
             TIFFSetField(handle, TIFFTAG_EXTRASAMPLES, page->extra_samples, kinds);
  }
  if (is_set && page->is_tiled) {
    is_set = TIFFSetField(handle, TIFFTAG_TILEWIDTH, page->block_width) &&
             TIFFSetField(handle, TIFFTAG_TILELENGTH, page->block_height);
  } else if (is_set) {
    if (!page->block_height) page->block_height = TIFFDefaultStripSize(handle, 0);
    if (page->block_height > page->height) page->block_height = page->height;
    page->block_width = page->width;
    is_set = TIFFSetField(handle, TIFFTAG_ROWSPERSTRIP, page->block_height);
  }
  if (!is_set) return failed(&writer->stream, CI_SYSTEM, "a page that libtiff does not write");
  page->blocks = page->is_tiled ? TIFFNumberOfTiles(handle) : TIFFNumberOfStrips(handle);
  page->block_bytes = page->is_tiled ? TIFFTileSize64(handle)
                                     : TIFFVStripSize64(handle, page->block_height);
  writer->page = *page;
  return CI_OK;
}

int ci_tiff_writer_block(ci_tiff_writer *writer, uint32_t block, void *bytes, size_t count) {
  tmsize_t written = writer->page.is_tiled
                         ? TIFFWriteEncodedTile(writer->tiff, block, bytes, (tmsize_t)count)
                         : TIFFWriteEncodedStrip(writer->tiff, block, bytes, (tmsize_t)count);
  if (written < 0) return failed(&writer->stream, CI_SYSTEM, "a block that cannot be written");
  return CI_OK;
}

int ci_tiff_writer_end(ci_tiff_writer *writer) {
  if (TIFFWriteDirectory(writer->tiff)) return CI_OK;
  return failed(&writer->stream, CI_SYSTEM, "a page that cannot be written");
}

int ci_tiff_writer_finish(ci_tiff_writer *writer) {
  if (!TIFFFlush(writer->tiff)) return failed(&writer->stream, CI_SYSTEM, "write failed");
  TIFFCleanup(writer->tiff);
  writer->tiff = NULL;
  FILE *file = writer->stream.file;
  writer->stream.file = NULL;
  if (fclose(file) != 0) return fail(&writer->stream, CI_SYSTEM, strerror(errno));
  return writer->stream.message[0] ? ci_reason(CI_SYSTEM) : CI_OK;
}
