// Pooling, unpooling, resizing and block copies: what all instruction sets share, and the choice
// among them.
#include "ck_spatial.h"

#include <math.h>
#include <string.h>

// Products and sums stay separate, so that every instruction set gives the bits of the reference.
#pragma clang fp contract(off)

#define CK_INLINE static inline __attribute__((always_inline))
#define CK_JOIN3(a, b, c) spatial_##a##_##b##_##c
#define CK_JOIN(a, b, c) CK_JOIN3(a, b, c)

// The columns whose taps a bilinear row keeps on the stack at a time.
#define CK_TAPS ((ptrdiff_t)256)
// The weights that its gradient keeps on the stack: those of at least one input column, else it
// takes the slower way.
#define CK_WEIGHTS ((ptrdiff_t)2048)

/// A window clipped to the input: rows top..<bottom, columns left..<right; empty when it lies in
/// the padding.
typedef struct {
  ptrdiff_t top, bottom, left, right;
} ck_window;

typedef struct {
  ptrdiff_t first, last;
} ck_range;

/// The two source pixels of one bilinear output coordinate and their weights, which add up to one.
typedef struct {
  ptrdiff_t low, high;
  float low_weight, high_weight;
} ck_tap;

CK_INLINE ptrdiff_t ck_min(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
CK_INLINE ptrdiff_t ck_max(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

CK_INLINE void ck_zero(float *p, ptrdiff_t count) {
  if (count > 0) memset(p, 0, (size_t)count * sizeof(float));
}

CK_INLINE void ck_copy(float *to, const float *from, ptrdiff_t count) {
  if (count > 0) memcpy(to, from, (size_t)count * sizeof(float));
}

CK_INLINE ck_window ck_window_at(const ck_pool_geometry *g, ptrdiff_t oy, ptrdiff_t ox) {
  const ptrdiff_t top = oy * g->stride_height - g->padding_top;
  const ptrdiff_t left = ox * g->stride_width - g->padding_left;
  return (ck_window){ck_max(top, 0), ck_min(top + g->window_height, g->input_height),
                     ck_max(left, 0), ck_min(left + g->window_width, g->input_width)};
}

/// What an average divides by; never zero for a window that is not empty.
CK_INLINE float ck_window_count(const ck_pool_geometry *g, ck_window v, int counts_padding) {
  if (counts_padding) return (float)(g->window_height * g->window_width);
  return (float)((v.bottom - v.top) * (v.right - v.left));
}

/// The output rows whose windows meet the input rows a..<b.
static ck_range ck_windows_over(const ck_pool_geometry *g, ptrdiff_t a, ptrdiff_t b) {
  const ptrdiff_t s = g->stride_height, lead = a + g->padding_top - g->window_height + 1;
  const ptrdiff_t first = lead <= 0 ? 0 : (lead + s - 1) / s;
  return (ck_range){first, ck_min((b - 1 + g->padding_top) / s + 1, g->output_height)};
}

static void ck_add_faults(ck_switch_faults *to, const ck_switch_faults *found) {
  if (found->out_of_range)
    __atomic_fetch_add(&to->out_of_range, found->out_of_range, __ATOMIC_RELAXED);
  if (found->stray) __atomic_fetch_add(&to->stray, found->stray, __ATOMIC_RELAXED);
}

/// y = plane at the switch, for `count` channels from c0; switches are data, so each is checked.
static void ck_gather_checked(const ck_pool_geometry *g, const float *plane, const int32_t *s,
                              ptrdiff_t c0, ptrdiff_t count, float *y, ck_switch_faults *faults) {
  const ptrdiff_t pixels = g->input_height * g->input_width, C = g->channels;
  for (ptrdiff_t c = c0; c < c0 + count; ++c) {
    const int inside = s[c] >= 0 && s[c] < pixels;
    y[c] = inside ? plane[s[c] * C + c] : 0;
    faults->out_of_range += !inside && s[c] != -1;
  }
}

/// Counts the switches of `count` channels from c0 that lie outside the plane, or in it but outside
/// the window's rows and columns.
static void ck_count_faults(const ck_pool_geometry *g, ck_window v, const int32_t *s, ptrdiff_t c0,
                            ptrdiff_t count, ck_switch_faults *faults) {
  const ptrdiff_t W = g->input_width, pixels = g->input_height * W;
  for (ptrdiff_t c = c0; c < c0 + count; ++c) {
    if (s[c] == -1) continue;
    if (s[c] < 0 || s[c] >= pixels) {
      ++faults->out_of_range;
      continue;
    }
    const ptrdiff_t iy = s[c] / W, ix = s[c] % W;
    faults->stray += iy < v.top || iy >= v.bottom || ix < v.left || ix >= v.right;
  }
}

/// Half-pixel centres, edges clamped. A tap without weight points at its partner, so that it brings
/// in no foreign NaN.
CK_INLINE ck_tap ck_tap_at(ptrdiff_t o, ptrdiff_t inputs, ptrdiff_t outputs) {
  double at = ((double)o + 0.5) * ((double)inputs / (double)outputs) - 0.5;
  if (at < 0) at = 0;
  const ptrdiff_t low = ck_min((ptrdiff_t)at, inputs - 1);
  if (low == inputs - 1) return (ck_tap){low, low, 1, 0};
  const float weight = (float)(at - (double)low);
  return (ck_tap){low, weight == 0 ? low : low + 1, 1 - weight, weight};
}

/// A range of output coordinates that holds all whose taps touch input coordinate i (and a few
/// more).
static ck_range ck_taps_over(ptrdiff_t i, ptrdiff_t inputs, ptrdiff_t outputs) {
  const double scale = (double)outputs / (double)inputs;
  const ptrdiff_t first = (ptrdiff_t)floor(((double)i - 0.5) * scale - 0.5) - 1;
  const ptrdiff_t last = (ptrdiff_t)ceil(((double)i + 1.5) * scale - 0.5) + 2;
  return (ck_range){i == 0 ? 0 : ck_max(first, 0),
                    i == inputs - 1 ? outputs : ck_min(last, outputs)};
}

/// The weight of input coordinate i in output coordinate o.
static float ck_weight_of(ptrdiff_t o, ptrdiff_t i, ptrdiff_t inputs, ptrdiff_t outputs) {
  const ck_tap tap = ck_tap_at(o, inputs, outputs);
  return tap.low == i ? tap.low_weight : tap.high == i ? tap.high_weight : 0;
}

/// Exactly the output coordinates between the first and the last with a weight of input coordinate
/// i.
static ck_range ck_seen_by(ptrdiff_t i, ptrdiff_t inputs, ptrdiff_t outputs) {
  ck_range range = ck_taps_over(i, inputs, outputs);
  while (range.first < range.last && ck_weight_of(range.first, i, inputs, outputs) == 0)
    ++range.first;
  while (range.first < range.last && ck_weight_of(range.last - 1, i, inputs, outputs) == 0)
    --range.last;
  return range;
}

/// The input coordinate that a padded coordinate i (counted from the input's first) shows, or -1
/// for zero.
static ptrdiff_t ck_padded_index(ptrdiff_t i, ptrdiff_t count, int mode) {
  if (i >= 0 && i < count) return i;
  if (mode == 0) return -1;
  if (mode == 1) return i < 0 ? 0 : count - 1;
  if (count == 1) return 0;
  const ptrdiff_t period = 2 * (count - 1);
  ptrdiff_t phase = i % period;
  if (phase < 0) phase += period;
  return phase < count ? phase : period - phase;
}

/// The points that one bin of a region reads: offsets within the image's plane, and their weights.
typedef struct {
  ptrdiff_t count;
  ptrdiff_t offsets[4 * CK_REGION_SAMPLES * CK_REGION_SAMPLES];
  float weights[4 * CK_REGION_SAMPLES * CK_REGION_SAMPLES];
} ck_region_bin;

/// The image of a box, -1 where it names none.
CK_INLINE ptrdiff_t ck_region_image(const ck_region_geometry *g, const float *box) {
  return box[0] >= 0 && box[0] < (float)g->batch ? (ptrdiff_t)box[0] : -1;
}

/// The two pixels that a point between them reads; a point more than one pixel outside reads none.
CK_INLINE int ck_region_tap(double at, ptrdiff_t size, ck_tap *tap) {
  if (!(at >= -1 && at <= (double)size)) return 0;
  if (at < 0) at = 0;
  const ptrdiff_t low = (ptrdiff_t)at;
  if (low >= size - 1) {
    *tap = (ck_tap){size - 1, size - 1, 1, 0};
  } else {
    const float part = (float)(at - (double)low);
    *tap = (ck_tap){low, low + 1, 1 - part, part};
  }
  return 1;
}

/// What bin (oy, ox) of a box reads (He and others 2017, section 3).
static void ck_region_bin_at(const ck_region_geometry *g, const float *box, ptrdiff_t oy,
                             ptrdiff_t ox, ck_region_bin *bin) {
  const ptrdiff_t S = g->samples, C = g->channels, W = g->width;
  const double left = (double)box[1] * g->scale - 0.5, top = (double)box[2] * g->scale - 0.5;
  const double width = ((double)box[3] - box[1]) * g->scale / (double)g->output_width;
  const double height = ((double)box[4] - box[2]) * g->scale / (double)g->output_height;
  const float share = 1 / (float)(S * S);
  bin->count = 0;
  for (ptrdiff_t i = 0; i < S; ++i) {
    ck_tap row, column;
    const double y = top + ((double)oy + ((double)i + 0.5) / (double)S) * height;
    if (!ck_region_tap(y, g->height, &row)) continue;
    for (ptrdiff_t j = 0; j < S; ++j) {
      const double x = left + ((double)ox + ((double)j + 0.5) / (double)S) * width;
      if (!ck_region_tap(x, W, &column)) continue;
      ptrdiff_t *offset = bin->offsets + bin->count;
      float *weight = bin->weights + bin->count;
      offset[0] = (row.low * W + column.low) * C;
      offset[1] = (row.low * W + column.high) * C;
      offset[2] = (row.high * W + column.low) * C;
      offset[3] = (row.high * W + column.high) * C;
      weight[0] = row.low_weight * column.low_weight * share;
      weight[1] = row.low_weight * column.high_weight * share;
      weight[2] = row.high_weight * column.low_weight * share;
      weight[3] = row.high_weight * column.high_weight * share;
      bin->count += 4;
    }
  }
}

#define CK_ISA baseline
#define CK_WIDTH 4
#include "ck_spatial_rows.inc"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define CK_ISA avx2
#define CK_WIDTH 8
#include "ck_spatial_rows.inc"
#pragma clang attribute pop

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)
#define CK_ISA avx512
#define CK_WIDTH 16
#include "ck_spatial_rows.inc"
#pragma clang attribute pop
#endif

const ck_spatial_kernels *ck_spatial(int isa) {
#if defined(__x86_64__)
  if (isa == 2) return &spatial_kernels_rows_avx512;
  if (isa == 1) return &spatial_kernels_rows_avx2;
#endif
  (void)isa;
  return &spatial_kernels_rows_baseline;
}

void ck_spatial_check_switches(const ck_pool_geometry *g, ptrdiff_t first, ptrdiff_t last,
                               const int32_t *switches, ck_switch_faults *faults) {
  const ptrdiff_t W = g->input_width, pixels = g->input_height * W, C = g->channels;
  ck_switch_faults found = {0, 0};
  for (ptrdiff_t r = first; r < last; ++r) {
    const ck_window v = ck_window_at(g, r % g->output_height, 0);
    const ptrdiff_t low = ck_min(v.top, v.bottom) * W, high = v.bottom * W;
    const int32_t *s = switches + r * g->output_width * C;
    int64_t outside = 0, elsewhere = 0;
    // Only the rows matter to the scatter by rows, so the columns are not looked at.
    for (ptrdiff_t k = 0; k < g->output_width * C; ++k) {
      const int out = s[k] < -1 || s[k] >= pixels;
      outside += out;
      elsewhere += !out && s[k] != -1 && (s[k] < low || s[k] >= high);
    }
    found.out_of_range += outside;
    found.stray += elsewhere;
  }
  ck_add_faults(faults, &found);
}

void ck_spatial_scatter_rows(const ck_pool_geometry *g, ptrdiff_t first, ptrdiff_t last,
                             const float *y, const int32_t *switches, float *x) {
  const ptrdiff_t H = g->input_height, W = g->input_width, C = g->channels;
  for (ptrdiff_t r = first; r < last;) {
    const ptrdiff_t n = r / H, a = r % H, b = ck_min(H, a + last - r);
    float *plane = x + n * H * W * C;
    ck_zero(plane + a * W * C, (b - a) * W * C);
    const ck_range rows = ck_windows_over(g, a, b);
    const ptrdiff_t low = a * W, high = b * W;
    for (ptrdiff_t oy = rows.first; oy < rows.last; ++oy) {
      ptrdiff_t at = (n * g->output_height + oy) * g->output_width * C;
      for (ptrdiff_t ox = 0; ox < g->output_width; ++ox, at += C)
        for (ptrdiff_t c = 0; c < C; ++c) {
          const ptrdiff_t s = switches[at + c];
          if (s >= low && s < high) plane[s * C + c] += y[at + c];
        }
    }
    r += b - a;
  }
}

void ck_spatial_scatter_plane(const ck_pool_geometry *g, ptrdiff_t image, ptrdiff_t first,
                              ptrdiff_t last, const float *y, const int32_t *switches, float *x) {
  const ptrdiff_t pixels = g->input_height * g->input_width, C = g->channels;
  const ptrdiff_t outputs = g->output_height * g->output_width;
  float *plane = x + image * pixels * C;
  for (ptrdiff_t p = 0; p < pixels; ++p) ck_zero(plane + p * C + first, last - first);
  for (ptrdiff_t p = image * outputs; p < (image + 1) * outputs; ++p)
    for (ptrdiff_t c = first; c < last; ++c) {
      const ptrdiff_t s = switches[p * C + c];
      if (s >= 0 && s < pixels) plane[s * C + c] += y[p * C + c];
    }
}
