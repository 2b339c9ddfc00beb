// Writing of PNG and JPEG, row by row; every setjmp of the writing side is in this file.
#include "ci.h"
#include "ci_status.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include <jpeglib.h>

#define MESSAGE_CAPACITY 256
#define OUTPUT_CAPACITY 65536

struct ci_writer {
  FILE *file;
  uint8_t *bytes;
  size_t count;
  size_t capacity;
  int format;
  int bit_depth;
  char message[MESSAGE_CAPACITY];

  png_structp png;
  png_infop info;

  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr jpeg_errors;
  struct jpeg_destination_mgr destination;
  jmp_buf jpeg_jump;
  int jpeg_created;
  uint8_t output[OUTPUT_CAPACITY];
};

static int fail(ci_writer *writer, int status, const char *text) {
  snprintf(writer->message, MESSAGE_CAPACITY, "%s", text);
  return status;
}

// Appends to the file or to memory; returns 0 and leaves a message when that is not possible.
static int push(ci_writer *writer, const uint8_t *bytes, size_t count) {
  if (writer->file) {
    if (fwrite(bytes, 1, count, writer->file) == count) return 1;
    fail(writer, ci_reason(CI_SYSTEM), strerror(errno));
    return 0;
  }
  if (count > writer->capacity - writer->count) {
    size_t capacity = writer->capacity * 2 + count;
    uint8_t *grown = realloc(writer->bytes, capacity);
    if (!grown) {
      fail(writer, CI_NO_MEMORY, "no memory for the encoded picture");
      return 0;
    }
    writer->bytes = grown;
    writer->capacity = capacity;
  }
  memcpy(writer->bytes + writer->count, bytes, count);
  writer->count += count;
  return 1;
}

// ---- libpng's callbacks ----

static void png_failed(png_structp png, png_const_charp text) {
  ci_writer *writer = png_get_error_ptr(png);
  if (!writer->message[0]) fail(writer, CI_SYSTEM, text);
  png_longjmp(png, 1);
}

static void png_warned(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void png_push(png_structp png, png_bytep bytes, size_t count) {
  if (!push(png_get_io_ptr(png), bytes, count)) png_error(png, "write failed");
}

static void png_flushed(png_structp png) { (void)png; }

// ---- libjpeg's callbacks ----

static void jpeg_failed(j_common_ptr common) {
  ci_writer *writer = common->client_data;
  char text[JMSG_LENGTH_MAX];
  common->err->format_message(common, text);
  if (!writer->message[0]) fail(writer, CI_SYSTEM, text);
  longjmp(writer->jpeg_jump, 1);
}

static void jpeg_warned(j_common_ptr common, int level) {
  (void)common;
  (void)level;
}

static void destination_open(j_compress_ptr jpeg) {
  ci_writer *writer = jpeg->client_data;
  writer->destination.next_output_byte = writer->output;
  writer->destination.free_in_buffer = OUTPUT_CAPACITY;
}

static boolean destination_full(j_compress_ptr jpeg) {
  ci_writer *writer = jpeg->client_data;
  if (!push(writer, writer->output, OUTPUT_CAPACITY)) longjmp(writer->jpeg_jump, 1);
  destination_open(jpeg);
  return TRUE;
}

static void destination_close(j_compress_ptr jpeg) {
  ci_writer *writer = jpeg->client_data;
  size_t count = OUTPUT_CAPACITY - writer->destination.free_in_buffer;
  if (!push(writer, writer->output, count)) longjmp(writer->jpeg_jump, 1);
}

// ---- life ----

ci_writer *ci_writer_create(void) {
  errno = 0;
  return calloc(1, sizeof(ci_writer));
}

void ci_writer_destroy(ci_writer *writer) {
  if (!writer) return;
  if (writer->png) png_destroy_write_struct(&writer->png, &writer->info);
  if (writer->jpeg_created) jpeg_destroy_compress(&writer->jpeg);
  if (writer->file) fclose(writer->file);
  free(writer->bytes);
  free(writer);
}

const char *ci_writer_message(const ci_writer *writer) { return writer->message; }

int ci_writer_open_file(ci_writer *writer, const char *path) {
  writer->file = fopen(path, "wb");
  return writer->file ? CI_OK : fail(writer, ci_reason(CI_SYSTEM), strerror(errno));
}

int ci_writer_open_memory(ci_writer *writer) {
  writer->file = NULL;
  return CI_OK;
}

const uint8_t *ci_writer_bytes(const ci_writer *writer, size_t *count) {
  *count = writer->count;
  return writer->bytes;
}

// ---- headers ----

static void set_palette(ci_writer *writer, const uint8_t *palette, int count) {
  png_color colors[256];
  png_byte alpha[256];
  int alpha_count = 0;
  for (int index = 0; index < count; index++) {
    colors[index].red = palette[4 * index];
    colors[index].green = palette[4 * index + 1];
    colors[index].blue = palette[4 * index + 2];
    alpha[index] = palette[4 * index + 3];
    if (alpha[index] != 255) alpha_count = index + 1;
  }
  png_set_PLTE(writer->png, writer->info, colors, count);
  if (alpha_count) png_set_tRNS(writer->png, writer->info, alpha, alpha_count, NULL);
}

int ci_writer_prepare_png(ci_writer *writer, uint32_t width, uint32_t height, int channels,
                          int bit_depth, const uint8_t *palette, int palette_count,
                          int compression) {
  static const int color_types[5] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                     PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
  writer->format = CI_FORMAT_PNG;
  writer->bit_depth = bit_depth;
  writer->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, writer, png_failed, png_warned);
  writer->info = writer->png ? png_create_info_struct(writer->png) : NULL;
  if (!writer->info) return fail(writer, CI_NO_MEMORY, "no memory for the PNG writer");
  if (setjmp(png_jmpbuf(writer->png))) return ci_reason(CI_SYSTEM);
  png_set_write_fn(writer->png, writer, png_push, png_flushed);
  png_set_compression_level(writer->png, compression);
  int color_type = palette ? PNG_COLOR_TYPE_PALETTE : color_types[channels];
  png_set_IHDR(writer->png, writer->info, width, height, bit_depth, color_type,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (palette) set_palette(writer, palette, palette_count);
  return CI_OK;
}

int ci_writer_prepare_jpeg(ci_writer *writer, uint32_t width, uint32_t height, int channels,
                           int quality, int full_chroma) {
  writer->format = CI_FORMAT_JPEG;
  writer->bit_depth = 8;
  writer->jpeg.err = jpeg_std_error(&writer->jpeg_errors);
  writer->jpeg_errors.error_exit = jpeg_failed;
  writer->jpeg_errors.emit_message = jpeg_warned;
  writer->jpeg.client_data = writer;
  if (setjmp(writer->jpeg_jump)) return ci_reason(CI_SYSTEM);
  jpeg_create_compress(&writer->jpeg);
  writer->jpeg_created = 1;
  writer->destination.init_destination = destination_open;
  writer->destination.empty_output_buffer = destination_full;
  writer->destination.term_destination = destination_close;
  writer->jpeg.dest = &writer->destination;
  writer->jpeg.image_width = width;
  writer->jpeg.image_height = height;
  writer->jpeg.input_components = channels;
  writer->jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&writer->jpeg);
  jpeg_set_quality(&writer->jpeg, quality, TRUE);
  writer->jpeg.dct_method = JDCT_ISLOW;
  writer->jpeg.comp_info[0].h_samp_factor = full_chroma || channels == 1 ? 1 : 2;
  writer->jpeg.comp_info[0].v_samp_factor = writer->jpeg.comp_info[0].h_samp_factor;
  return CI_OK;
}

int ci_writer_chunk(ci_writer *writer, const char name[5], const uint8_t *bytes, size_t count) {
  if (setjmp(png_jmpbuf(writer->png))) return ci_reason(CI_SYSTEM);
  // Colour chunks stand before the palette.
  png_write_info_before_PLTE(writer->png, writer->info);
  png_write_chunk(writer->png, (png_const_bytep)name, bytes, count);
  return CI_OK;
}

int ci_writer_begin(ci_writer *writer) {
  if (writer->format == CI_FORMAT_PNG) {
    if (setjmp(png_jmpbuf(writer->png))) return ci_reason(CI_SYSTEM);
    png_write_info(writer->png, writer->info);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (writer->bit_depth == 16) png_set_swap(writer->png);
#endif
  } else {
    if (setjmp(writer->jpeg_jump)) return ci_reason(CI_SYSTEM);
    jpeg_start_compress(&writer->jpeg, TRUE);
  }
  return CI_OK;
}

int ci_writer_segment(ci_writer *writer, int marker, const uint8_t *bytes, size_t count) {
  if (count > CI_JPEG_SEGMENT) return fail(writer, CI_SYSTEM, "a segment too long for a JPEG");
  if (setjmp(writer->jpeg_jump)) return ci_reason(CI_SYSTEM);
  jpeg_write_marker(&writer->jpeg, marker, bytes, (unsigned int)count);
  return CI_OK;
}

void ci_writer_density(ci_writer *writer, int unit, int x, int y) {
  writer->jpeg.density_unit = (UINT8)unit;
  writer->jpeg.X_density = (UINT16)x;
  writer->jpeg.Y_density = (UINT16)y;
}

int ci_writer_write_rows(ci_writer *writer, const void *rows, size_t stride, uint32_t count) {
  const uint8_t *bytes = rows;
  if (writer->format == CI_FORMAT_PNG) {
    if (setjmp(png_jmpbuf(writer->png))) return ci_reason(CI_SYSTEM);
    for (uint32_t index = 0; index < count; index++) {
      png_write_row(writer->png, bytes + index * stride);
    }
  } else {
    if (setjmp(writer->jpeg_jump)) return ci_reason(CI_SYSTEM);
    for (uint32_t index = 0; index < count; index++) {
      JSAMPROW row = (JSAMPROW)(bytes + index * stride);
      jpeg_write_scanlines(&writer->jpeg, &row, 1);
    }
  }
  return CI_OK;
}

int ci_writer_finish(ci_writer *writer) {
  if (writer->format == CI_FORMAT_PNG) {
    if (setjmp(png_jmpbuf(writer->png))) return ci_reason(CI_SYSTEM);
    png_write_end(writer->png, writer->info);
  } else {
    if (setjmp(writer->jpeg_jump)) return ci_reason(CI_SYSTEM);
    jpeg_finish_compress(&writer->jpeg);
  }
  if (writer->file) {
    FILE *file = writer->file;
    writer->file = NULL;
    if (fclose(file) != 0) return fail(writer, CI_SYSTEM, strerror(errno));
  }
  return CI_OK;
}
