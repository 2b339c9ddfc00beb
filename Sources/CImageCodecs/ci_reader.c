// Reading of PNG and JPEG, row by row; every setjmp of the reading side is in this file.
#include "ci.h"
#include "ci_status.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include <jpeglib.h>

#include <jerror.h>

#include <zlib.h>

#define MESSAGE_CAPACITY 256
// Ancillary chunks beyond this number, or all beyond this size together, are left out.
#define MOST_CHUNKS 4096
#define MOST_CHUNK_BYTES (64 << 20)
// A progressive JPEG has about ten scans; each further one costs a pass over the whole picture.
#define MAXIMUM_SCANS 100

// Where a chunk of a PNG stands: its length and name begin there.
typedef struct chunk_place {
  uint64_t position;
  uint32_t length;
} chunk_place;

struct ci_reader {
  FILE *file;
  const uint8_t *bytes;
  size_t position;
  ci_header header;
  int mode;
  uint32_t next_row;
  char message[MESSAGE_CAPACITY];
  char remark[MESSAGE_CAPACITY];

  chunk_place *chunks;
  int chunk_count;
  uint8_t *chunk;  // the bytes of the chunk that was asked for last

  png_structp png;
  png_infop info;
  size_t native_row_bytes;  // bytes of a row as libpng gives it
  uint8_t *scratch;         // one row of palette indices
  uint8_t *whole;           // an interlaced picture, native rows
  uint8_t palette[256 * 4];
  int palette_count;

  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr jpeg_errors;
  struct jpeg_progress_mgr jpeg_progress;
  jmp_buf jpeg_jump;
  int jpeg_created;
  int jpeg_begun;
  int jpeg_has_end;      // whether the data did not end before its end marker
  uint64_t jpeg_stray;   // bytes that stood where a marker belongs
};

static int fail(ci_reader *reader, int status, const char *text) {
  snprintf(reader->message, MESSAGE_CAPACITY, "%s", text);
  return status;
}

// ---- libpng's callbacks ----

static void png_failed(png_structp png, png_const_charp text) {
  ci_reader *reader = png_get_error_ptr(png);
  fail(reader, CI_CORRUPT, text);
  png_longjmp(png, 1);
}

static void png_warned(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void png_pull(png_structp png, png_bytep into, size_t count) {
  ci_reader *reader = png_get_io_ptr(png);
  int is_there = reader->file ? fread(into, 1, count, reader->file) == count
                              : count <= reader->header.file_bytes - reader->position;
  if (!is_there) png_error(png, "the data ends too early");
  if (reader->file) return;
  memcpy(into, reader->bytes + reader->position, count);
  reader->position += count;
}

// ---- libjpeg's callbacks ----

static void jpeg_failed(j_common_ptr common) {
  ci_reader *reader = common->client_data;
  char text[JMSG_LENGTH_MAX];
  common->err->format_message(common, text);
  fail(reader, CI_CORRUPT, text);
  longjmp(reader->jpeg_jump, 1);
}

// A warning of libjpeg is damaged data that it papers over; a half picture is not accepted. Stray
// bytes before a marker, a scan header with odd numbers and a missing end marker are no harm: what
// the picture itself lacks is another warning, or shows at the end (jpeg_is_whole).
static void jpeg_warned(j_common_ptr common, int level) {
  if (level >= 0) return;
  ci_reader *reader = common->client_data;
  switch (common->err->msg_code) {
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM: return;
    case JWRN_NOT_SEQUENTIAL:
      snprintf(reader->remark, MESSAGE_CAPACITY, "a scan header with odd numbers");
      return;
    case JWRN_EXTRANEOUS_DATA:
      reader->jpeg_stray += (uint64_t)common->err->msg_parm.i[0];
      // Not their number: some of them may have been taken for the last bits of the picture.
      snprintf(reader->remark, MESSAGE_CAPACITY, "stray bytes before a marker");
      return;
    case JWRN_JPEG_EOF:
      // In the header and before the first row there is nothing yet to be read.
      if (reader->next_row == 0 && !reader->jpeg_begun) break;
      reader->jpeg_has_end = 0;
      snprintf(reader->remark, MESSAGE_CAPACITY, "no end marker");
      return;
    case JWRN_HIT_MARKER:
      // The marker may be the one that libjpeg puts behind data without an end.
      if (reader->jpeg_has_end) break;
      fail(reader, CI_CORRUPT, "Premature end of JPEG file");
      longjmp(reader->jpeg_jump, 1);
    default: break;
  }
  jpeg_failed(common);
}

static void jpeg_progressed(j_common_ptr common) {
  if (common->is_decompressor && ((j_decompress_ptr)common)->input_scan_number > MAXIMUM_SCANS) {
    ci_reader *reader = common->client_data;
    fail(reader, CI_CORRUPT, "more than 100 scans");
    longjmp(reader->jpeg_jump, 1);
  }
}

// ---- life ----

ci_reader *ci_reader_create(void) {
  errno = 0;
  return calloc(1, sizeof(ci_reader));
}

void ci_reader_destroy(ci_reader *reader) {
  if (!reader) return;
  if (reader->png) png_destroy_read_struct(&reader->png, &reader->info, NULL);
  if (reader->jpeg_created) jpeg_destroy_decompress(&reader->jpeg);
  if (reader->file) fclose(reader->file);
  free(reader->scratch);
  free(reader->whole);
  free(reader->chunks);
  free(reader->chunk);
  free(reader);
}

const char *ci_reader_message(const ci_reader *reader) { return reader->message; }
const char *ci_reader_remark(const ci_reader *reader) { return reader->remark; }
const ci_header *ci_reader_header(const ci_reader *reader) { return &reader->header; }

const uint8_t *ci_reader_palette(const ci_reader *reader, int *count) {
  *count = reader->palette_count;
  return reader->palette;
}

static void recognise(ci_reader *reader, const uint8_t *magic, size_t count) {
  static const uint8_t png_magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  if (count >= 8 && memcmp(magic, png_magic, 8) == 0) {
    reader->header.format = CI_FORMAT_PNG;
  } else if (count >= 3 && magic[0] == 0xff && magic[1] == 0xd8 && magic[2] == 0xff) {
    reader->header.format = CI_FORMAT_JPEG;
  } else {
    reader->header.format = CI_FORMAT_OTHER;
  }
}

int ci_reader_open_file(ci_reader *reader, const char *path) {
  reader->file = fopen(path, "rb");
  if (!reader->file) return fail(reader, ci_reason(CI_SYSTEM), strerror(errno));
  uint8_t magic[8];
  size_t count = fread(magic, 1, sizeof magic, reader->file);
  if (ferror(reader->file)) return fail(reader, ci_reason(CI_SYSTEM), strerror(errno));
  if (fseek(reader->file, 0, SEEK_END) != 0) return fail(reader, ci_reason(CI_SYSTEM), strerror(errno));
  long size = ftell(reader->file);
  if (size < 0) return fail(reader, ci_reason(CI_SYSTEM), strerror(errno));
  reader->header.file_bytes = (uint64_t)size;
  rewind(reader->file);
  recognise(reader, magic, count);
  return CI_OK;
}

int ci_reader_open_memory(ci_reader *reader, const uint8_t *bytes, size_t count) {
  reader->bytes = bytes;
  reader->header.file_bytes = count;
  recognise(reader, bytes, count);
  return CI_OK;
}

// ---- headers ----

static void collect_palette(ci_reader *reader) {
  png_colorp colors = NULL;
  int count = 0;
  png_bytep alpha = NULL;
  int alpha_count = 0;
  if (!png_get_PLTE(reader->png, reader->info, &colors, &count)) return;
  png_get_tRNS(reader->png, reader->info, &alpha, &alpha_count, NULL);
  reader->palette_count = count > 256 ? 256 : count;
  for (int index = 0; index < reader->palette_count; index++) {
    reader->palette[4 * index] = colors[index].red;
    reader->palette[4 * index + 1] = colors[index].green;
    reader->palette[4 * index + 2] = colors[index].blue;
    reader->palette[4 * index + 3] = alpha && index < alpha_count ? alpha[index] : 255;
  }
}

// Remembers where an ancillary chunk stands: its name begins with a small letter.
static int png_note_chunk(ci_reader *reader, uint64_t position, uint32_t length,
                          const uint8_t *name) {
  if (!(name[0] & 0x20) || reader->chunk_count == MOST_CHUNKS) return CI_OK;
  if (!reader->chunks) reader->chunks = malloc(MOST_CHUNKS * sizeof(chunk_place));
  if (!reader->chunks) return fail(reader, CI_NO_MEMORY, "no memory for the PNG reader");
  reader->chunks[reader->chunk_count++] = (chunk_place){position, length};
  return CI_OK;
}

// Walks over the chunks' lengths up to the end chunk. libpng takes memory for a chunk's claimed
// length before it reads the chunk, up to 2 GiB; no claim passes here that the file does not hold.
static int png_check_chunks(ci_reader *reader) {
  uint64_t position = 8;
  uint64_t total = reader->header.file_bytes;
  for (;;) {
    uint8_t head[8];
    if (total - position < 12) return fail(reader, CI_CORRUPT, "the data ends too early");
    if (reader->file) {
      if (fseek(reader->file, (long)position, SEEK_SET) != 0 ||
          fread(head, 1, sizeof head, reader->file) != sizeof head) {
        return fail(reader, CI_CORRUPT, "the data ends too early");
      }
    } else {
      memcpy(head, reader->bytes + position, sizeof head);
    }
    uint32_t length = png_get_uint_32(head);
    if (length > total - position - 12) {
      return fail(reader, CI_CORRUPT, "the data ends too early");
    }
    if (memcmp(head + 4, "IEND", 4) == 0) break;
    int status = png_note_chunk(reader, position, length, head + 4);
    if (status != CI_OK) return status;
    position += 12 + (uint64_t)length;
  }
  if (reader->file) rewind(reader->file);
  return CI_OK;
}

static int png_header(ci_reader *reader) {
  int status = png_check_chunks(reader);
  if (status != CI_OK) return status;
  reader->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, reader, png_failed, png_warned);
  reader->info = reader->png ? png_create_info_struct(reader->png) : NULL;
  if (!reader->info) return fail(reader, CI_NO_MEMORY, "no memory for the PNG reader");
  if (setjmp(png_jmpbuf(reader->png))) return ci_reason(CI_CORRUPT);
  png_set_user_limits(reader->png, 1000000, 1000000);
  png_set_chunk_cache_max(reader->png, 64);
  png_set_chunk_malloc_max(reader->png, 8000000);
  png_set_crc_action(reader->png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
  png_set_read_fn(reader->png, reader, png_pull);
  png_read_info(reader->png, reader->info);
  ci_header *header = &reader->header;
  header->width = png_get_image_width(reader->png, reader->info);
  header->height = png_get_image_height(reader->png, reader->info);
  header->bit_depth = png_get_bit_depth(reader->png, reader->info);
  header->interlaced =
      png_get_interlace_type(reader->png, reader->info) != PNG_INTERLACE_NONE;
  int color = png_get_color_type(reader->png, reader->info);
  int keyed = png_get_valid(reader->png, reader->info, PNG_INFO_tRNS) != 0;
  header->has_palette = color == PNG_COLOR_TYPE_PALETTE;
  header->stored_channels = png_get_channels(reader->png, reader->info);
  header->channels = (header->has_palette ? 3 : header->stored_channels) + (keyed ? 1 : 0);
  if (header->has_palette) collect_palette(reader);
  return CI_OK;
}

static int jpeg_header(ci_reader *reader) {
  reader->jpeg.err = jpeg_std_error(&reader->jpeg_errors);
  reader->jpeg_errors.error_exit = jpeg_failed;
  reader->jpeg_errors.emit_message = jpeg_warned;
  reader->jpeg.client_data = reader;
  if (setjmp(reader->jpeg_jump)) return ci_reason(CI_CORRUPT);
  jpeg_create_decompress(&reader->jpeg);
  reader->jpeg_created = 1;
  reader->jpeg_progress.progress_monitor = jpeg_progressed;
  reader->jpeg.progress = &reader->jpeg_progress;
  if (reader->file) {
    jpeg_stdio_src(&reader->jpeg, reader->file);
  } else {
    jpeg_mem_src(&reader->jpeg, reader->bytes, (unsigned long)reader->header.file_bytes);
  }
  reader->jpeg_has_end = 1;
  static const int kept[] = {1, 2, 11, 13};
  for (size_t index = 0; index < sizeof kept / sizeof *kept; index++) {
    jpeg_save_markers(&reader->jpeg, JPEG_APP0 + kept[index], 0xffff);
  }
  jpeg_save_markers(&reader->jpeg, JPEG_COM, 0xffff);
  jpeg_read_header(&reader->jpeg, TRUE);
  ci_header *header = &reader->header;
  header->width = reader->jpeg.image_width;
  header->height = reader->jpeg.image_height;
  header->bit_depth = 8;
  header->interlaced = reader->jpeg.progressive_mode;
  header->stored_channels = reader->jpeg.num_components;
  switch (reader->jpeg.jpeg_color_space) {
    case JCS_GRAYSCALE: header->channels = 1; break;
    case JCS_RGB:
    case JCS_YCbCr: header->channels = 3; break;
    case JCS_CMYK:
    case JCS_YCCK: return fail(reader, CI_UNSUPPORTED, "a CMYK JPEG");
    default: return fail(reader, CI_UNSUPPORTED, "a JPEG of an unknown colour space");
  }
  if (reader->jpeg.arith_code) {
    return fail(reader, CI_UNSUPPORTED, "an arithmetic-coded JPEG");
  }
  return CI_OK;
}

int ci_reader_read_header(ci_reader *reader) {
  switch (reader->header.format) {
    case CI_FORMAT_PNG: return png_header(reader);
    case CI_FORMAT_JPEG: return jpeg_header(reader);
    default: return fail(reader, CI_UNSUPPORTED, "other data");
  }
}

// ---- pictures ----

static int png_begin(ci_reader *reader) {
  png_structp png = reader->png;
  ci_header *header = &reader->header;
  if (setjmp(png_jmpbuf(png))) return ci_reason(CI_CORRUPT);
  if (header->has_palette || reader->mode == CI_INDICES) {
    // Palettes are expanded here and not by libpng, which shows indices past the palette as black.
    if (header->bit_depth < 8) png_set_packing(png);
  } else {
    if (png_get_valid(png, reader->info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(png);
    if (header->stored_channels == 1 && header->bit_depth < 8) {
      png_set_expand_gray_1_2_4_to_8(png);
    }
    if (reader->mode == CI_BYTES && header->bit_depth == 16) png_set_scale_16(png);
    if (reader->mode == CI_WORDS) {
      if (header->bit_depth < 16) png_set_expand_16(png);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
      png_set_swap(png);
#endif
    }
  }
  png_set_interlace_handling(png);
  png_read_update_info(png, reader->info);
  size_t sample = reader->mode == CI_WORDS && !header->has_palette ? 2 : 1;
  size_t channels = header->has_palette || reader->mode == CI_INDICES ? 1 : header->channels;
  reader->native_row_bytes = png_get_rowbytes(png, reader->info);
  if (reader->native_row_bytes != header->width * sample * channels) {
    return fail(reader, CI_CORRUPT, "rows of an unexpected size");
  }
  if (header->has_palette) {
    reader->scratch = malloc(reader->native_row_bytes);
    if (!reader->scratch) return fail(reader, CI_NO_MEMORY, "no memory for a row");
  }
  return CI_OK;
}

static int jpeg_begin(ci_reader *reader) {
  if (reader->mode != CI_BYTES) return fail(reader, CI_UNSUPPORTED, "a JPEG");
  if (setjmp(reader->jpeg_jump)) return ci_reason(CI_CORRUPT);
  reader->jpeg.out_color_space = reader->header.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  reader->jpeg.dct_method = JDCT_ISLOW;
  reader->jpeg_begun = 1;
  jpeg_start_decompress(&reader->jpeg);
  return CI_OK;
}

// Whether all of the picture came, where the data ended early: the last bits of every coefficient
// of a progressive one; of several plain scans nobody knows how many there were to be.
static int jpeg_is_whole(const ci_reader *reader) {
  const struct jpeg_decompress_struct *jpeg = &reader->jpeg;
  if (reader->jpeg_has_end) return 1;
  if (!jpeg->coef_bits) return jpeg->comps_in_scan == jpeg->num_components;
  for (int component = 0; component < jpeg->num_components; component++) {
    for (int bit = 0; bit < DCTSIZE2; bit++) {
      if (jpeg->coef_bits[component][bit] != 0) return 0;
    }
  }
  return 1;
}

int ci_reader_begin(ci_reader *reader, int mode) {
  reader->mode = mode;
  return reader->header.format == CI_FORMAT_PNG ? png_begin(reader) : jpeg_begin(reader);
}

// An interlaced picture is complete only after its last pass, so it is held whole.
static int png_read_whole(ci_reader *reader) {
  uint32_t height = reader->header.height;
  reader->whole = malloc(reader->native_row_bytes * height);
  if (!reader->whole) return fail(reader, CI_NO_MEMORY, "no memory for the picture");
  if (setjmp(png_jmpbuf(reader->png))) return ci_reason(CI_CORRUPT);
  for (int pass = 0; pass < 7; pass++) {
    for (uint32_t row = 0; row < height; row++) {
      png_read_row(reader->png, reader->whole + row * reader->native_row_bytes, NULL);
    }
  }
  return CI_OK;
}

static int expand_palette(ci_reader *reader, const uint8_t *indices, void *into) {
  uint32_t width = reader->header.width;
  int channels = reader->header.channels;
  for (uint32_t x = 0; x < width; x++) {
    if (indices[x] >= reader->palette_count) {
      return fail(reader, CI_CORRUPT, "a palette index beyond the palette");
    }
  }
  if (reader->mode == CI_INDICES) {
    memcpy(into, indices, width);
  } else if (reader->mode == CI_BYTES) {
    uint8_t *out = into;
    for (uint32_t x = 0; x < width; x++, out += channels) {
      memcpy(out, reader->palette + 4 * indices[x], (size_t)channels);
    }
  } else {
    uint16_t *out = into;
    for (uint32_t x = 0; x < width; x++, out += channels) {
      for (int c = 0; c < channels; c++) out[c] = reader->palette[4 * indices[x] + c] * 257;
    }
  }
  return CI_OK;
}

static int png_rows(ci_reader *reader, uint8_t *rows, size_t stride, uint32_t count) {
  if (reader->header.interlaced && !reader->whole) {
    int status = png_read_whole(reader);
    if (status != CI_OK) return status;
  }
  if (setjmp(png_jmpbuf(reader->png))) return ci_reason(CI_CORRUPT);
  for (uint32_t index = 0; index < count; index++, reader->next_row++) {
    uint8_t *target = rows + index * stride;
    const uint8_t *native = target;
    if (reader->whole) {
      native = reader->whole + reader->next_row * reader->native_row_bytes;
      if (!reader->scratch) memcpy(target, native, reader->native_row_bytes);
    } else {
      png_read_row(reader->png, reader->scratch ? reader->scratch : target, NULL);
      native = reader->scratch;
    }
    if (reader->scratch && expand_palette(reader, native, target) != CI_OK) return CI_CORRUPT;
  }
  return CI_OK;
}

static int jpeg_rows(ci_reader *reader, uint8_t *rows, size_t stride, uint32_t count) {
  if (setjmp(reader->jpeg_jump)) return ci_reason(CI_CORRUPT);
  for (uint32_t index = 0; index < count; index++, reader->next_row++) {
    JSAMPROW row = rows + index * stride;
    if (jpeg_read_scanlines(&reader->jpeg, &row, 1) != 1) {
      return fail(reader, CI_CORRUPT, "the data ends too early");
    }
  }
  return CI_OK;
}

int ci_reader_read_rows(ci_reader *reader, void *rows, size_t stride, uint32_t count) {
  if (count > reader->header.height - reader->next_row) {
    return fail(reader, CI_CORRUPT, "fewer rows than were asked for");
  }
  return reader->header.format == CI_FORMAT_PNG ? png_rows(reader, rows, stride, count)
                                                : jpeg_rows(reader, rows, stride, count);
}

int ci_reader_finish(ci_reader *reader) {
  if (reader->header.format == CI_FORMAT_PNG) {
    if (setjmp(png_jmpbuf(reader->png))) return ci_reason(CI_CORRUPT);
    png_read_end(reader->png, reader->info);
  } else {
    if (setjmp(reader->jpeg_jump)) return ci_reason(CI_CORRUPT);
    int is_whole = jpeg_is_whole(reader);
    jpeg_finish_decompress(&reader->jpeg);
    // The end may have been missed just now, behind the last row.
    if (!is_whole) return fail(reader, CI_CORRUPT, "Premature end of JPEG file");
    // A decoder that lost its way leaves much of the data over.
    if (reader->jpeg_stray > 4096 && reader->jpeg_stray > reader->header.file_bytes / 16) {
      return fail(reader, CI_CORRUPT, "more stray bytes than a picture has");
    }
  }
  return CI_OK;
}

// ---- what goes with a picture ----

const uint8_t *ci_reader_segment(const ci_reader *reader, int index, int *marker, size_t *count) {
  if (reader->header.format != CI_FORMAT_JPEG) return NULL;
  jpeg_saved_marker_ptr place = reader->jpeg.marker_list;
  while (place && index-- > 0) place = place->next;
  if (!place) return NULL;
  *marker = place->marker;
  *count = place->data_length;
  return place->data;
}

int ci_reader_density(const ci_reader *reader, int *x, int *y) {
  if (reader->header.format != CI_FORMAT_JPEG || !reader->jpeg.saw_JFIF_marker) return -1;
  *x = reader->jpeg.X_density;
  *y = reader->jpeg.Y_density;
  return reader->jpeg.density_unit;
}

int ci_reader_chunk(ci_reader *reader, int index, char name[5], const uint8_t **bytes,
                    size_t *count) {
  if (index >= reader->chunk_count) return CI_UNSUPPORTED;
  chunk_place place = reader->chunks[index];
  if (place.length > MOST_CHUNK_BYTES) return CI_CORRUPT;
  size_t whole = (size_t)place.length + 12;
  free(reader->chunk);
  reader->chunk = malloc(whole);
  if (!reader->chunk) return CI_NO_MEMORY;
  if (reader->file) {
    long former = ftell(reader->file);
    int is_read = former >= 0 && fseek(reader->file, (long)place.position, SEEK_SET) == 0 &&
                  fread(reader->chunk, 1, whole, reader->file) == whole;
    if (fseek(reader->file, former, SEEK_SET) != 0 || !is_read) return CI_CORRUPT;
  } else {
    memcpy(reader->chunk, reader->bytes + place.position, whole);
  }
  uint32_t sum = (uint32_t)crc32(0, reader->chunk + 4, (uInt)(place.length + 4));
  if (sum != png_get_uint_32(reader->chunk + 8 + place.length)) return CI_CORRUPT;
  memcpy(name, reader->chunk + 4, 4);
  name[4] = 0;
  *bytes = reader->chunk + 8;
  *count = place.length;
  return CI_OK;
}
