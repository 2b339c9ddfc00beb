// WebP pictures through libwebp, whole: it neither prints nor exits.
#include "ci_webp.h"
#include "ci_status.h"

#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/encode.h>

static const char *decoding_message(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY: return "no memory for the picture";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "a feature that libwebp does not know";
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: return "the data ends too early";
    default: return "damaged data";
  }
}

int ci_webp_read_header(const uint8_t *bytes, size_t count, ci_webp_header *header) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes, count, &features) != VP8_STATUS_OK) return CI_CORRUPT;
  header->width = (uint32_t)features.width;
  header->height = (uint32_t)features.height;
  header->has_alpha = features.has_alpha;
  header->is_animated = features.has_animation;
  header->is_lossless = features.format == 2;
  return CI_OK;
}

int ci_webp_decode(const uint8_t *bytes, size_t count, int channels, uint8_t *into, size_t stride,
                   const char **message) {
  WebPDecoderConfig config;
  // libwebp calls data damaged for which it had no memory.
  errno = 0;
  *message = "a libwebp of another version";
  if (!WebPInitDecoderConfig(&config)) return CI_SYSTEM;
  *message = "damaged data";
  if (WebPGetFeatures(bytes, count, &config.input) != VP8_STATUS_OK) return ci_reason(CI_CORRUPT);
  config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
  config.output.u.RGBA.rgba = into;
  config.output.u.RGBA.stride = (int)stride;
  config.output.u.RGBA.size = stride * (size_t)config.input.height;
  config.output.is_external_memory = 1;
  VP8StatusCode status = WebPDecode(bytes, count, &config);
  WebPFreeDecBuffer(&config.output);
  *message = decoding_message(status);
  if (status == VP8_STATUS_OK) return CI_OK;
  if (status == VP8_STATUS_OUT_OF_MEMORY || ci_reason(CI_CORRUPT) == CI_NO_MEMORY) {
    *message = decoding_message(VP8_STATUS_OUT_OF_MEMORY);
    return CI_NO_MEMORY;
  }
  return CI_CORRUPT;
}

static const char *encoding_message(WebPEncodingError code) {
  switch (code) {
    case VP8_ENC_ERROR_OUT_OF_MEMORY:
    case VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY: return "no memory for the encoded picture";
    case VP8_ENC_ERROR_BAD_DIMENSION: return "a side of more than 16383 pixels";
    case VP8_ENC_ERROR_FILE_TOO_BIG: return "more than 4 GiB";
    default: return "a picture that libwebp does not write";
  }
}

int ci_webp_encode(const uint8_t *rows, uint32_t width, uint32_t height, int channels,
                   size_t stride, int quality, int is_lossless, uint8_t **out, size_t *count,
                   const char **message) {
  WebPConfig config;
  WebPPicture picture;
  *message = "a libwebp of another version";
  if (!WebPConfigInit(&config) || !WebPPictureInit(&picture)) return CI_SYSTEM;
  config.quality = is_lossless ? 75 : (float)quality;
  config.lossless = is_lossless;
  // Colours under full transparency and alpha are kept as they are.
  config.exact = 1;
  config.alpha_quality = 100;
  // Colour at half resolution bleeds at edges unless it is chosen with care.
  config.use_sharp_yuv = quality >= 90;
  *message = "a quality that libwebp does not know";
  if (!WebPValidateConfig(&config)) return CI_SYSTEM;
  picture.use_argb = is_lossless || config.use_sharp_yuv;
  picture.width = (int)width;
  picture.height = (int)height;
  WebPMemoryWriter writer;
  WebPMemoryWriterInit(&writer);
  picture.writer = WebPMemoryWrite;
  picture.custom_ptr = &writer;
  int is_done = (channels == 4 ? WebPPictureImportRGBA(&picture, rows, (int)stride)
                               : WebPPictureImportRGB(&picture, rows, (int)stride)) &&
                WebPEncode(&config, &picture);
  *message = encoding_message(picture.error_code);
  int is_short = picture.error_code == VP8_ENC_ERROR_OUT_OF_MEMORY ||
                 picture.error_code == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY;
  WebPPictureFree(&picture);
  if (!is_done) {
    WebPMemoryWriterClear(&writer);
    return is_short ? CI_NO_MEMORY : CI_SYSTEM;
  }
  *out = writer.mem;
  *count = writer.size;
  return CI_OK;
}

void ci_webp_free(uint8_t *bytes) { WebPFree(bytes); }
