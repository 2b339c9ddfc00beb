// The parts of the convolution family that need no vectors: packing, and the choice of a table.
#include "ck_convolution.h"

extern const ck_convolution_table ck_convolution_baseline;
#if defined(__x86_64__)
extern const ck_convolution_table ck_convolution_avx2;
extern const ck_convolution_table ck_convolution_avx512;
extern const ck_convolution_table ck_convolution_bfloat16;
#endif

const ck_convolution_table *ck_convolution_kernels(int isa) {
#if defined(__x86_64__)
  if (isa == 3) return &ck_convolution_bfloat16;
  if (isa == 2) return &ck_convolution_avx512;
  if (isa == 1) return &ck_convolution_avx2;
#endif
  (void)isa;
  return &ck_convolution_baseline;
}

static long padded_channels(long channels, long vector, long block) {
  const long tail = channels % block;
  return channels - tail + (tail == 0 ? 0 : tail <= vector ? vector : block);
}

long ck_conv_packed_count(const ck_conv_stencil *s, long vector, long block) {
  const long taps = s->taps_y * s->taps_x;
  if (s->form == 2) return taps * s->dst_c;
  const long cg = s->src_c / s->groups, kg = s->dst_c / s->groups;
  return s->groups * taps * (cg / s->per_float) *
         (s->form == 1 ? kg : padded_channels(kg, vector, block));
}

// Element (i, j) of the kernel, source channel c, result channel k of a group lies at c * step_c +
// k * step_k + `base`.
typedef struct weight_view {
  const float *weights;
  long step_c, step_k;
} weight_view;

static weight_view view_of_tap(const ck_conv_stencil *s, int backward, long kernel_w, long kernel_c,
                               long kernel_k, long group, long i, long j, const float *weights) {
  const long tap = (s->kernel_y + i * s->kernel_step_y) * kernel_w + s->kernel_x + j * s->kernel_step_x;
  const long outputs = kernel_k / s->groups; // filters of a group
  weight_view view = {weights + tap * kernel_c * kernel_k + group * outputs, kernel_k, 1};
  if (backward) {
    view.step_c = 1;
    view.step_k = kernel_k;
  }
  return view;
}

static void pack_block(weight_view view, long channels, long valid, long width, const float *scale,
                       float *packed) {
  if (view.step_k == 1) {
    for (long c = 0; c < channels; c++, packed += width) {
      const float *from = view.weights + c * view.step_c;
      for (long k = 0; k < valid; k++) packed[k] = scale ? from[k] * scale[k] : from[k];
      for (long k = valid; k < width; k++) packed[k] = 0;
    }
    return;
  }
  // A transpose, in pieces of 16 source channels, so that each cache line is read once.
  for (long c0 = 0; c0 < channels; c0 += 16) {
    const long c1 = c0 + 16 < channels ? c0 + 16 : channels;
    for (long k = 0; k < valid; k++) {
      const float *from = view.weights + k * view.step_k;
      for (long c = c0; c < c1; c++) packed[c * width + k] = from[c * view.step_c];
    }
    for (long c = c0; c < c1; c++)
      for (long k = valid; k < width; k++) packed[c * width + k] = 0;
  }
}

// The bfloat16 nearest to a value, and of two equally near the even one.
static unsigned rounded_half(float value) {
  unsigned bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  if (value != value) return bits >> 16 | 0x40;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// As `pack_block`, with channels 2c and 2c + 1 as the pair in float c.
static void pack_pairs(weight_view view, long channels, long valid, long width, const float *scale,
                       float *packed) {
  for (long c = 0; c < channels; c += 2, packed += width) {
    for (long k = 0; k < width; k++) {
      const float *from = view.weights + c * view.step_c + k * view.step_k;
      const float factor = scale && k < valid ? scale[k] : 1;
      const unsigned pair = k < valid ? rounded_half(from[0] * factor) |
                                            rounded_half(from[view.step_c] * factor) << 16
                                      : 0;
      __builtin_memcpy(packed + k, &pair, sizeof pair);
    }
  }
}

// Form 1: [taps_y][k][taps_x][c], or [taps_y][taps_x][k][c] where the taps of a row are apart.
static void pack_dots(const ck_conv_stencil *s, weight_view view, long i, long j, long channels,
                      long outputs, const float *scale, float *packed) {
  const int joined = s->step_x == 1 || s->taps_x == 1;
  for (long k = 0; k < outputs; k++)
    for (long c = 0; c < channels; c++) {
      const float value = view.weights[c * view.step_c + k * view.step_k] * (scale ? scale[k] : 1);
      const long at = joined ? ((i * outputs + k) * s->taps_x + j) * channels + c
                             : ((i * s->taps_x + j) * outputs + k) * channels + c;
      packed[at] = value;
    }
}

void ck_conv_pack(const ck_conv_stencil *s, int backward, long kernel_w, long kernel_c, long kernel_k,
                  long vector, long block, long group, long kb0, long kb1, const float *weights,
                  const float *scale, float *packed) {
  const long taps = s->taps_y * s->taps_x;
  const long cg = s->src_c / s->groups, kg = s->dst_c / s->groups;
  packed += s->packed_at;
  for (long i = 0; i < s->taps_y; i++) {
    for (long j = 0; j < s->taps_x; j++) {
      const long tap = i * s->taps_x + j;
      weight_view view = view_of_tap(s, backward, kernel_w, kernel_c, kernel_k, group, i, j, weights);
      const float *group_scale = scale ? scale + group * kg : 0;
      if (s->form == 2) {
        packed[tap * s->dst_c + group] = view.weights[0] * (scale ? group_scale[0] : 1);
      } else if (s->form == 1) {
        pack_dots(s, view, i, j, cg, kg, group_scale, packed + group * taps * cg * kg);
      } else {
        for (long kb = kb0; kb < kb1; kb++) {
          const long left = kg - kb * block;
          const long width = left <= vector ? vector : block;
          const long group_width = padded_channels(kg, vector, block);
          weight_view part = view;
          part.weights += kb * block * view.step_k;
          const long held = cg / s->per_float;
          (s->per_float == 2 ? pack_pairs : pack_block)(
              part, cg, left < block ? left : block, width,
              group_scale ? group_scale + kb * block : 0,
              packed + (group * group_width + kb * block) * taps * held + tap * held * width);
        }
      }
    }
  }
}

void ck_conv_channel_sums(const float *values, long pixels, long channels, float *sums) {
  // Eight running sums a channel: additions need not wait for each other, and their order stays
  // fixed.
  float running[4][8] = {{0}};
  for (long p = 0; p < pixels; p++)
    for (long k = 0; k < channels; k++) running[k][p % 8] += values[p * channels + k];
  for (long k = 0; k < channels; k++) {
    float sum = 0;
    for (int i = 0; i < 8; i++) sum += running[k][i];
    sums[k] = sum;
  }
}
