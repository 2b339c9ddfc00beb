// Calls every kernel of an instruction set on seeded numbers and prints what came out, a line of sums
// and a few values a result, so that two builds of the kernels can be held against each other.
//
// usage: calls [instruction set: 0 baseline, 1 AVX2, 2 AVX-512]
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ck_convolution.h"
#include "ck_cpu.h"
#include "ck_elementwise.h"
#include "ck_spatial.h"

static int isa;
static unsigned long long state = 1;

static float number(void) {
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return (float)((double)(state >> 11) / 9007199254740992.0 * 2 - 1);
}

// Memory that lives as long as the process; every block is aligned as the engine's are.
static float *block(long count) {
  float *memory = aligned_alloc(64, (size_t)((count * 4 + 64 + 63) / 64 * 64));
  if (!memory) exit(71);
  memset(memory, 0, (size_t)count * 4);
  return memory;
}
static float *numbers(long count) {
  float *memory = block(count);
  for (long i = 0; i < count; i++) memory[i] = number();
  return memory;
}
static float *positive(long count) {
  float *memory = numbers(count);
  for (long i = 0; i < count; i++) memory[i] = fabsf(memory[i]) * 0.9f + 0.05f;
  return memory;
}
static float *labels(long count, int classes) {
  float *memory = block(count);
  for (long i = 0; i < count; i++) memory[i] = (float)((i * 7 + 3) % classes);
  return memory;
}

// Every value, so that none can hide behind another.
static void show(const char *name, const float *values, long count) {
  printf("%s", name);
  for (long i = 0; i < count; i++) printf(" %.9g", values[i]);
  printf("\n");
}
static void show_doubles(const char *name, const double *values, long count) {
  printf("%s", name);
  for (long i = 0; i < count; i++) printf(" %.9g", values[i]);
  printf("\n");
}
static void show_integers(const char *name, const int32_t *values, long count) {
  printf("%s", name);
  for (long i = 0; i < count; i++) printf(" %d", values[i]);
  printf("\n");
}

// MARK: convolution

// Floats of scratch memory for any call here.
#define SCRATCH (4l << 20)

typedef struct layer {
  long n, h, w, c, k, kernel, stride, pad, groups;
} layer;

static long out_size(long in, const layer *l) { return (in + 2 * l->pad - l->kernel) / l->stride + 1; }

// As `ConvolutionStencils` makes them, along one axis.
static void axis(const layer *l, int backward, long in, long out, long phase, long *count, long *origin,
                 long *dst_step, long *src_step, long *taps, long *offset, long *step, long *kernel,
                 long *kernel_step) {
  *origin = 0, *dst_step = 1, *src_step = 1, *step = 1, *kernel = 0, *kernel_step = 1, *offset = 0;
  if (!backward) {
    *count = out, *src_step = l->stride, *taps = l->kernel, *offset = -l->pad;
    return;
  }
  *count = in > phase ? (in - phase + l->stride - 1) / l->stride : 0;
  *origin = phase, *dst_step = l->stride, *taps = 0;
  long last = 0;
  for (long i = 0; i < l->kernel; i++) {
    if ((phase + l->pad - i) % l->stride != 0) continue;
    if (*taps > 0) *kernel_step = last - i;
    *taps += 1;
    last = i;
  }
  if (*taps == 0) return;
  *kernel = last;
  *offset = (phase + l->pad - last) / l->stride;
  if (*taps > 1) *step = -*kernel_step / l->stride;
}

static ck_conv_stencil stencil(const layer *l, int backward, long phase, int form) {
  const long oh = out_size(l->h, l), ow = out_size(l->w, l);
  ck_conv_stencil s = {0};
  s.batch = l->n, s.groups = l->groups, s.form = form, s.per_float = 1;
  s.src_h = backward ? oh : l->h, s.src_w = backward ? ow : l->w, s.src_c = backward ? l->k : l->c;
  s.dst_h = backward ? l->h : oh, s.dst_w = backward ? l->w : ow, s.dst_c = backward ? l->c : l->k;
  axis(l, backward, l->h, oh, phase / l->stride, &s.q_h, &s.dst_y0, &s.dst_sy, &s.src_sy, &s.taps_y, &s.off_y,
       &s.step_y, &s.kernel_y, &s.kernel_step_y);
  axis(l, backward, l->w, ow, phase % l->stride, &s.q_w, &s.dst_x0, &s.dst_sx, &s.src_sx, &s.taps_x, &s.off_x,
       &s.step_x, &s.kernel_x, &s.kernel_step_x);
  if (s.taps_y == 0) s.taps_x = 0;
  if (s.taps_x == 0) s.taps_y = 0;
  return s;
}

static long blocks_of(const ck_convolution_table *t, long channels) { return (channels + t->block - 1) / t->block; }

// Both passes of a layer by `rows` and `patches`, or by `depthwise`, with an epilogue.
static void direct(const char *name, layer l, int wanted) {
  const ck_convolution_table *t = ck_convolution_kernels(isa);
  const long cg = l.c / l.groups, weights_count = l.kernel * l.kernel * cg * l.k;
  float *weights = numbers(weights_count), *scratch = block(SCRATCH);
  for (int backward = 0; backward < 2; backward++) {
    const long phases = backward ? l.stride * l.stride : 1;
    // Dot products are for four result channels at most.
    const int form = wanted == 1 && (backward ? l.c : l.k) > 4 ? 0 : wanted;
    const ck_conv_stencil whole = stencil(&l, backward, 0, form);
    const long results = whole.batch * whole.dst_h * whole.dst_w * whole.dst_c;
    float *source = numbers(whole.batch * whole.src_h * whole.src_w * whole.src_c);
    float *bias = numbers(whole.dst_c), *addend = numbers(results), *mask = numbers(results);
    for (int patches = 0; patches < (form == 0 ? 2 : 1); patches++) {
      for (int activation = 0; activation < 8; activation += form == 0 && l.n == 1 ? 1 : 4) {
        float *result = block(results);
        ck_conv_epilogue ending = {bias, NULL, NULL, 0, 0.1f, INFINITY, activation};
        if (activation == 2) ending.addend = addend;
        if (activation == 0) ending.mask = mask, ending.mask_slope = 0.25f;
        if (activation == 1) ending.limit = 0.75f;
        for (long phase = 0; phase < phases; phase++) {
          ck_conv_stencil s = stencil(&l, backward, phase, form);
          const long blocks = form == 0 ? blocks_of(t, s.dst_c / s.groups) : 1;
          float *packed = block(ck_conv_packed_count(&s, t->vector, t->block) + 64);
          for (long group = 0; group < l.groups; group++)
            ck_conv_pack(&s, backward, l.kernel, cg, l.k, t->vector, t->block, group, 0, blocks, weights, NULL, packed);
          for (long group = 0; group < (form == 2 ? 1 : l.groups); group++) {
            if (patches) {
              ck_conv_part part = {0, group, 0, 0, 0, 0, 0, blocks};
              const long pixels = s.batch * s.q_h * s.q_w;
              // In two pieces, the second of which begins within a tile.
              const long cut = pixels / 2 + (pixels > 3);
              t->patches(&s, &ending, &part, 0, cut, source, packed, result, scratch);
              t->patches(&s, &ending, &part, cut, pixels, source, packed, result, scratch);
            } else {
              for (long n = 0; n < s.batch; n++) {
                ck_conv_part part = {n, group, 0, s.q_h, 0, s.q_w, 0, blocks};
                if (form == 2)
                  t->depthwise(&s, &ending, &part, source, packed, result);
                else
                  t->rows(&s, &ending, &part, source, packed, result, scratch);
              }
            }
          }
        }
        char line[160];
        snprintf(line, sizeof line, "%s:%s:%s:%d", name, backward ? "backward" : "forward",
                 patches ? "patches" : form == 2 ? "depthwise" : "rows", activation);
        show(line, result, results);
      }
    }
  }
}

static void direct_gradient(const char *name, layer l, int form) {
  const ck_convolution_table *t = ck_convolution_kernels(isa);
  ck_conv_stencil s = stencil(&l, 0, 0, form);
  const long rows = s.batch * s.q_h, blocks = form == 0 ? blocks_of(t, l.k / l.groups) : 1;
  const long pitch = ck_conv_packed_count(&s, t->vector, t->block) + 64;
  const long count = l.kernel * l.kernel * (l.c / l.groups) * l.k;
  float *source = numbers(l.n * l.h * l.w * l.c), *gradient = numbers(l.n * s.q_h * s.q_w * l.k);
  float *partials = block(2 * pitch), *bias = block(2 * l.k), *scratch = block(SCRATCH), *result = block(count);
  for (long half = 0; half < 2; half++) {
    for (long group = 0; group < (form == 2 ? 1 : l.groups); group++) {
      ck_conv_weight_part part = {half ? rows / 2 : 0, half ? rows : rows / 2, group, 0, blocks, 2, s.q_w, 0};
      if (form == 2)
        t->weight_depthwise(&s, &part, source, gradient, partials + half * pitch, bias + half * l.k);
      else
        t->weight_rows(&s, &part, source, gradient, partials + half * pitch, bias + half * l.k, scratch);
    }
  }
  if (form == 2) {
    for (long i = 0; i < count; i++) result[i] = partials[i] + partials[pitch + i];
  } else {
    for (long group = 0; group < l.groups; group++)
      t->weight_finish(&s, 0, l.kernel * l.kernel * l.c / l.groups, group, partials, 2, pitch, result);
  }
  for (long i = 0; i < l.k; i++) bias[i] += bias[l.k + i];
  char line[160];
  snprintf(line, sizeof line, "%s:weights", name);
  show(line, result, count);
  snprintf(line, sizeof line, "%s:bias", name);
  show(line, bias, l.k);
}

static void deep(const char *name, layer l) {
  const ck_convolution_table *t = ck_convolution_kernels(isa);
  const long count = l.kernel * l.kernel * l.c * l.k;
  float *weights = numbers(count), *scratch = block(SCRATCH);
  char line[160];
  for (int backward = 0; backward < 2; backward++) {
    const ck_conv_stencil whole = stencil(&l, backward, 0, 0);
    const long results = whole.batch * whole.dst_h * whole.dst_w * whole.dst_c;
    float *source = numbers(whole.batch * whole.src_h * whole.src_w * whole.src_c), *result = block(results);
    ck_conv_epilogue ending = {numbers(whole.dst_c), NULL, NULL, 0, 0.1f, INFINITY, 2};
    ck_conv_weights view = {weights, l.kernel, l.c * l.k, backward ? 1 : l.k, backward ? l.k : 1};
    for (long phase = 0; phase < (backward ? l.stride * l.stride : 1); phase++) {
      ck_conv_stencil s = stencil(&l, backward, phase, 0);
      t->deep(&s, &ending, &view, 0, s.batch * s.q_h * s.q_w, 0, blocks_of(t, s.dst_c), source, result, scratch);
    }
    snprintf(line, sizeof line, "%s:%s:deep", name, backward ? "backward" : "forward");
    show(line, result, results);
  }
  ck_conv_stencil s = stencil(&l, 0, 0, 0);
  const long pixels = s.batch * s.q_h * s.q_w, blocks = blocks_of(t, l.k);
  float *source = numbers(l.n * l.h * l.w * l.c), *gradient = numbers(pixels * l.k), *bias = block(l.k);
  float *packed = block(blocks * t->block * pixels + 64), *result = block(count);
  for (long kb = 0; kb < blocks; kb++)
    t->deep_pack_gradient(gradient, pixels, l.k, kb, packed + kb * t->block * pixels, bias);
  for (long tap = 0; tap < l.kernel * l.kernel; tap++)
    t->deep_weight(&s, tap / l.kernel, tap % l.kernel, 0, l.c, pixels < 64 ? pixels : 64, source, packed,
                   result + tap * l.c * l.k, scratch);
  snprintf(line, sizeof line, "%s:deep:weights", name);
  show(line, result, count);
  snprintf(line, sizeof line, "%s:deep:bias", name);
  show(line, bias, l.k);
}

// As `WinogradPlan` makes them.
static ck_winograd winograd_sizes(const layer *l, int backward, int ordered) {
  ck_winograd z = {0};
  const long oh = out_size(l->h, l), ow = out_size(l->w, l), pad = l->pad % l->stride;
  const long height = backward ? (l->h - 1 + pad) / l->stride + 1 : oh;
  const long width = backward ? (l->w - 1 + pad) / l->stride + 1 : ow;
  z.batch = l->n;
  z.src_h = backward ? oh : l->h, z.src_w = backward ? ow : l->w, z.src_c = backward ? l->k : l->c;
  z.dst_h = backward ? l->h : oh, z.dst_w = backward ? l->w : ow, z.dst_c = backward ? l->c : l->k;
  z.pad_y = z.pad_x = backward ? 2 - l->pad / l->stride : l->pad;
  z.tiles_y = (height + 3) / 4, z.tiles_x = (width + 3) / 4;
  z.ordered = ordered, z.stride = l->stride, z.kernel = l->kernel;
  z.src_step = backward ? 1 : l->stride, z.dst_step = backward ? l->stride : 1;
  z.dst_y0 = z.dst_x0 = backward ? pad : 0;
  z.tile_batch = l->n * z.tiles_y * z.tiles_x;
  z.slope = 1;
  return z;
}

static void winograd(const char *name, layer l, int ordered) {
  const ck_convolution_table *t = ck_convolution_kernels(isa);
  const long count = l.kernel * l.kernel * l.c * l.k;
  float *weights = numbers(count), *scratch = block(SCRATCH), *zeros = block(4096);
  char line[160];
  for (int backward = 0; backward < 2; backward++) {
    ck_winograd z = winograd_sizes(&l, backward, ordered);
    const long tiles = z.tile_batch, channels = z.src_step * z.src_step * z.src_c;
    const long blocks = z.dst_step * z.dst_step * blocks_of(t, z.dst_c);
    const long pitch = 36 * channels * t->block;
    float *packed = block(blocks * pitch + 64);
    for (long kb = 0; kb < blocks; kb++)
      t->winograd_weights(&z, weights, l.c * l.k, backward ? 1 : l.k, backward ? l.k : 1, backward, NULL, kb,
                          packed + kb * pitch);
    const long results = z.batch * z.dst_h * z.dst_w * z.dst_c;
    float *source = numbers(z.batch * z.src_h * z.src_w * z.src_c);
    ck_conv_epilogue ending = {numbers(z.dst_c), NULL, NULL, 0, 0.1f, INFINITY, 1};
    float *result = block(results), *moments = block(2 * z.dst_c + 1);
    const int pools = z.dst_step == 1 && z.dst_h % 2 == 0 && z.dst_w % 2 == 0;
    float *pooled = block(results);
    if (pools) z.pooled = pooled;
    if (!backward) z.scale = positive(channels), z.shift = numbers(channels), z.slope = 0.1f;
    t->winograd_tiles(&z, &ending, 0, tiles, 0, blocks, source, packed, result, scratch,
                      z.dst_step == 1 ? moments : NULL);
    snprintf(line, sizeof line, "%s:%s:tiles", name, backward ? "backward" : "forward");
    show(line, result, results);
    if (z.dst_step == 1) show("moments", moments, 2 * z.dst_c + 1);
    if (pools) show("pooled", pooled, results / 4);
    // The same in blocks: the source first, then a block of results at a time.
    z.pooled = NULL;
    float *planes = block(SCRATCH), *again = block(results);
    t->winograd_source(&z, 0, 0, tiles, 0, ordered ? tiles : tiles / 2, source, zeros, planes);
    if (!ordered) t->winograd_source(&z, 0, 0, tiles, tiles / 2, tiles, source, zeros, planes);
    for (long kb = 0; kb < blocks; kb++)
      t->winograd_products(&z, &ending, 0, tiles, kb, planes, packed + kb * pitch, again, scratch, NULL);
    snprintf(line, sizeof line, "%s:%s:products", name, backward ? "backward" : "forward");
    show(line, again, results);
  }
  ck_winograd z = winograd_sizes(&l, 0, ordered);
  const long tiles = z.tile_batch, channels = z.src_step * z.src_step * z.src_c, blocks = blocks_of(t, l.k);
  float *source = numbers(l.n * l.h * l.w * l.c), *gradient = numbers(l.n * z.dst_h * z.dst_w * l.k);
  float *partial = block(36 * channels * blocks * t->block + 64), *bias = block(l.k + 64), *result = block(count);
  t->winograd_gradient_tiles(&z, 0, tiles, 0, channels, 0, blocks, source, gradient, partial, bias, scratch);
  t->winograd_gradient_finish(&z, 0, channels, 0, blocks, partial, 1, 0, result);
  snprintf(line, sizeof line, "%s:gradient:tiles", name);
  show(line, result, count);
  show("bias", bias, l.k);
  float *planes = block(SCRATCH), *again = block(count), *bias_again = block(l.k + 64), *points = block(SCRATCH);
  t->winograd_source(&z, 1, 0, tiles, 0, tiles, source, zeros, planes);
  for (long kb = 0; kb < blocks; kb++) {
    float *sums = block(36 * channels * t->block + 64);
    t->winograd_gradient_block(&z, kb, planes, 0, gradient, sums, bias_again, points);
    t->winograd_gradient_finish(&z, 0, channels, kb, kb + 1, sums, 1, 0, again);
  }
  snprintf(line, sizeof line, "%s:gradient:block", name);
  show(line, again, count);
  show("bias", bias_again, l.k);
}

static void convolutions(void) {
  direct("plain", (layer){1, 7, 13, 3, 21, 3, 1, 1, 1}, 0);
  direct("wide", (layer){2, 5, 29, 5, 40, 3, 1, 1, 1}, 0);
  direct("strided", (layer){2, 9, 11, 6, 17, 5, 2, 2, 1}, 0);
  direct("grouped", (layer){1, 6, 9, 8, 24, 3, 1, 0, 4}, 0);
  direct("pointwise", (layer){2, 6, 7, 19, 33, 1, 1, 0, 1}, 0);
  direct("dots", (layer){1, 6, 9, 37, 4, 3, 1, 1, 1}, 1);
  direct("few", (layer){1, 8, 8, 3, 24, 3, 1, 1, 1}, 1);
  direct("depthwise", (layer){2, 7, 9, 21, 21, 3, 1, 1, 21}, 2);
  direct("depthwise2", (layer){1, 8, 9, 35, 35, 3, 2, 1, 35}, 2);
  direct_gradient("plain", (layer){2, 7, 13, 3, 21, 3, 1, 1, 1}, 0);
  direct_gradient("strided", (layer){2, 9, 11, 6, 40, 5, 2, 2, 1}, 0);
  direct_gradient("grouped", (layer){1, 6, 9, 8, 24, 3, 1, 0, 4}, 0);
  direct_gradient("depthwise", (layer){2, 7, 9, 21, 21, 3, 1, 1, 21}, 2);
  deep("dense", (layer){5, 1, 1, 70, 90, 1, 1, 0, 1});
  deep("small", (layer){3, 4, 4, 36, 40, 3, 2, 1, 1});
  winograd("winograd", (layer){2, 8, 12, 20, 36, 3, 1, 1, 1}, 0);
  winograd("ragged", (layer){1, 9, 11, 16, 17, 3, 1, 1, 1}, 0);
  winograd("ordered", (layer){2, 7, 7, 16, 64, 3, 1, 1, 1}, 1);
  winograd("phases", (layer){1, 16, 16, 64, 32, 5, 2, 2, 1}, 0);
  float *values = numbers(3 * 501), sums[4] = {0};
  for (long channels = 1; channels <= 4; channels++) {
    ck_conv_channel_sums(values, 300, channels, sums);
    show("channel sums", sums, channels);
  }
}

// MARK: elementwise

enum { COUNT = 533, ROWS = 13, CHANNELS = 21 };

static void maps(const struct ck_elementwise_kernels *e) {
  char line[80];
  float *x = numbers(COUNT), *y = positive(COUNT), *out = block(COUNT);
  for (int kind = CK_IDENTITY; kind <= CK_CAPPED_RELU; kind++) {
    const float *from = kind == CK_SQRT || kind == CK_LOG ? y : x;
    e->activation(kind, 0.3f, from, out, COUNT);
    snprintf(line, sizeof line, "activation %d", kind);
    show(line, out, COUNT);
    float *dx = block(COUNT);
    e->activation_gradient(kind, 0.3f, from, x, dx, COUNT);
    snprintf(line, sizeof line, "activation gradient %d", kind);
    show(line, dx, COUNT);
  }
  for (int op = CK_ADD; op <= CK_MAXIMUM; op++) {
    e->binary(op, x, y, out, COUNT);
    snprintf(line, sizeof line, "binary %d", op);
    show(line, out, COUNT);
  }
  e->affine(x, 1.7f, -0.2f, out, COUNT), show("affine", out, COUNT);
  e->blend(x, 0.3f, 0.7f, out, COUNT), show("blend", out, COUNT);
  e->clamp(x, -0.5f, 0.25f, out, COUNT), show("clamp", out, COUNT);
  e->clamp_gradient(x, -0.5f, 0.25f, y, out, COUNT), show("clamp gradient", out, COUNT);
  e->fill(3.5f, out, COUNT), show("fill", out, COUNT);
  e->dropout(x, 77, 12345, 678, 1u << 31, 2, out, COUNT), show("dropout", out, COUNT);
  double sums[3] = {e->sum(x, COUNT), e->sum_of_squares(x, COUNT), e->all_finite(x, COUNT)};
  show_doubles("sums", sums, 3);
  x[500] = NAN;
  sums[0] = e->all_finite(x, COUNT);
  show_doubles("finite", sums, 1);
  x[500] = 0.5f;
  for (int kind = CK_SQUARED; kind <= CK_BINARY_CROSS_ENTROPY; kind++) {
    float *t = kind == CK_BINARY_CROSS_ENTROPY ? labels(COUNT, 2) : y;
    sums[0] = e->loss(kind, 0.4f, x, t, COUNT);
    snprintf(line, sizeof line, "loss %d", kind);
    show_doubles(line, sums, 1);
    e->loss_gradient(kind, 0.4f, x, t, 0.7f, out, COUNT);
    snprintf(line, sizeof line, "loss gradient %d", kind);
    show(line, out, COUNT);
  }
}

static void rows(const struct ck_elementwise_kernels *e) {
  const long count = ROWS * CHANNELS;
  float *x = numbers(count), *dy = numbers(count), *out = block(count), *hot = block(count);
  float *names = labels(ROWS, CHANNELS);
  for (long row = 0; row < ROWS; row++) hot[row * CHANNELS + (long)names[row]] = 1;
  e->softmax(x, out, ROWS, CHANNELS), show("softmax", out, count);
  float *dx = block(count);
  e->softmax_gradient(out, dy, dx, ROWS, CHANNELS), show("softmax gradient", dx, count);
  for (int gamma = 0; gamma < 3; gamma += 2) {
    struct ck_cross_entropy task = {positive(CHANNELS), 1, 3, (float)gamma, ROWS, CHANNELS};
    double result[3];
    e->cross_entropy(&task, x, names, result), show_doubles("cross entropy", result, 3);
    e->cross_entropy_gradient(&task, x, names, 0.5f, out), show("cross entropy gradient", out, count);
  }
  double loss = e->categorical(x, hot, ROWS, CHANNELS);
  show_doubles("categorical", &loss, 1);
  e->categorical_gradient(x, hot, 0.5f, out, ROWS, CHANNELS), show("categorical gradient", out, count);
  for (int targeted = 0; targeted < 2; targeted++) {
    loss = e->margin(x, names, targeted, 0.5f, ROWS, CHANNELS);
    show_doubles("margin", &loss, 1);
    e->margin_gradient(x, names, targeted, 0.5f, 0.3f, out, ROWS, CHANNELS), show("margin gradient", out, count);
  }
}

static void channels(const struct ck_elementwise_kernels *e) {
  const long channels[] = {1, 3, 21, 32};
  for (int at = 0; at < 4; at++) {
    const long c = channels[at], width = c * (c < 16 ? 48 : 1), count = width * 9 + c * 2;
    float *x = numbers(count), *dy = numbers(count), *p = positive(count), *out = block(count);
    // Tables repeat their channels over the width.
    float *tables[6];
    for (int i = 0; i < 6; i++) {
      tables[i] = numbers(width);
      for (long j = c; j < width; j++) tables[i][j] = tables[i][j % c];
    }
    double *sums = calloc(3 * (size_t)c, sizeof(double));
    e->channel_sums(x, (size_t)count, (size_t)width, (size_t)c, sums), show_doubles("channel sums", sums, c);
    e->channel_moments(x, (size_t)count, (size_t)width, (size_t)c, sums), show_doubles("channel moments", sums, 2 * c);
    e->channel_products(x, dy, tables[0], NULL, NULL, 0, (size_t)count, (size_t)width, (size_t)c, sums);
    show_doubles("channel products", sums, 2 * c);
    e->channel_products(x, dy, tables[0], tables[1], tables[2], 0.2f, (size_t)count, (size_t)width, (size_t)c, sums);
    show_doubles("channel products", sums, 2 * c);
    e->channel_overlaps(p, dy, (size_t)count, (size_t)width, (size_t)c, sums), show_doubles("overlaps", sums, 3 * c);
    e->row_add(x, tables[0], out, (size_t)count, (size_t)width), show("row add", out, count);
    e->row_affine(x, tables[0], tables[1], 0.2f, out, (size_t)count, (size_t)width), show("row affine", out, count);
    e->row_normalization_gradient(x, dy, tables[0], tables[1], tables[2], tables[3], tables[4], tables[5], 0.2f, out,
                                  (size_t)count, (size_t)width);
    show("row normalization gradient", out, count);
    free(sums);
  }
}

static void optimizers(const struct ck_elementwise_kernels *e) {
  struct ck_optimizer o = {
      .rate = 0.01f, .scale = 0.8f, .decay = 0.02f, .epsilon = 1e-6f, .keep1 = 0.9f, .keep2 = 0.99f, .momentum = 0.9f,
      .dampening = 0.1f, .first_factor = 1.1f, .second_factor = 1.2f, .third_factor = 0.7f, .power = 0.5f, .l1 = 0.01f,
      .l2 = 0.02f, .nesterov = 1};
  float *g = numbers(COUNT);
#define STEP(NAME, ...)                                                                                             \
  do {                                                                                                              \
    float *p = numbers(COUNT), *a = positive(COUNT), *b = positive(COUNT), *c = numbers(COUNT);                     \
    (void)a, (void)b, (void)c;                                                                                      \
    for (o.decoupled = 0; o.decoupled < 2; o.decoupled++) e->NAME(&o, p, g, __VA_ARGS__, COUNT);                    \
    show(#NAME, p, COUNT), show(#NAME, a, COUNT), show(#NAME, b, COUNT), show(#NAME, c, COUNT);                     \
  } while (0)
  STEP(sgd, a);
  STEP(adagrad, a);
  STEP(adadelta, a, b);
  STEP(rmsprop, a, b, NULL);
  // The mean of gradients lies below their squares' root, or there is no variance.
  for (int i = 0; i < COUNT; i++) g[i] *= 0.2f;
  STEP(adam, a, b);
  STEP(nadam, a, b);
  STEP(ftrl, a, c);
}

static void cells(const struct ck_elementwise_kernels *e) {
  const long rows = 5, units = 19, n = rows * units;
  float *before = numbers(n), *gates = numbers(4 * n), *state = block(n), *y = block(n), *dy = numbers(n);
  float *d_cells = numbers(n), *d_gates = block(4 * n);
  e->lstm(before, gates, state, y, rows, units), show("lstm", gates, 4 * n), show("lstm", state, n), show("lstm", y, n);
  e->lstm_gradient(gates, before, state, dy, d_cells, d_gates, rows, units);
  show("lstm gradient", d_cells, n), show("lstm gradient", d_gates, 4 * n);
  float *x = numbers(3 * n), *recurrent = numbers(3 * n), *d_x = block(3 * n), *d_recurrent = block(3 * n);
  e->gru(x, recurrent, before, gates, y, rows, units), show("gru", gates, 4 * n), show("gru", y, n);
  e->gru_gradient(gates, before, dy, d_x, d_recurrent, rows, units);
  show("gru gradient", dy, n), show("gru gradient", d_x, 3 * n), show("gru gradient", d_recurrent, 3 * n);
}

// MARK: spatial

static void spatial(void) {
  const ck_spatial_kernels *k = ck_spatial(isa);
  for (long c = 1; c <= 37; c += 12) {
    ck_pool_geometry g = {2, 9, 11, c, 4, 5, 3, 3, 2, 2, 0, 0};
    const long in = 2 * 9 * 11 * c, out = 2 * 4 * 5 * c;
    float *x = numbers(in), *y = block(out), *dx = block(in);
    int32_t *switches = calloc((size_t)out, sizeof(int32_t));
    k->max_pool(&g, 0, 8, x, y, switches), show("max pool", y, out), show_integers("switches", switches, out);
    ck_switch_faults faults = {0, 0};
    k->gather_switches(&g, 0, 8, x, switches, y, &faults), show("gather", y, out);
    ck_spatial_check_switches(&g, 0, 8, switches, &faults);
    ck_spatial_scatter_rows(&g, 0, 18, y, switches, dx), show("scatter rows", dx, in);
    ck_spatial_scatter_plane(&g, 1, 0, c, y, switches, dx), show("scatter plane", dx, in);
    for (int counts = 0; counts < 2; counts++) {
      ck_pool_geometry padded = {2, 9, 11, c, 5, 6, 3, 3, 2, 2, 1, 1};
      float *mean = block(2 * 5 * 6 * c);
      k->average_pool(&padded, 0, 10, x, mean, counts), show("average pool", mean, 2 * 5 * 6 * c);
      k->average_pool_gradient(&padded, 0, 18, mean, dx, counts), show("average pool gradient", dx, in);
    }
    ck_pool_geometry tiles = {2, 8, 10, c, 4, 5, 2, 2, 2, 2, 0, 0};
    k->max_pool(&tiles, 0, 8, x, y, switches);
    memset(dx, 0, (size_t)in * 4);
    k->scatter_tiles(&tiles, 0, 8, y, switches, dx, &faults), show("scatter tiles", dx, 2 * 8 * 10 * c);
    float found[2] = {(float)faults.out_of_range, (float)faults.stray};
    show("faults", found, 2);
    float *mean = block(c);
    k->global_average(x, mean, 99, c, 0, c), show("global average", mean, c);
    k->global_average_gradient(y, dx, 99, c, 0, 198), show("global average gradient", dx, in);
    ck_unpool_geometry u = {2, 4, 5, c, 2, 2};
    float *small = numbers(out), *large = block(4 * out);
    k->nearest(&u, 0, 8, small, large), show("nearest", large, 4 * out);
    float *again = block(out);
    k->sum_pool(&u, 0, 8, large, again), show("sum pool", again, out);
    k->bed_of_nails(&u, 0, 8, small, large), show("bed of nails", large, 4 * out);
    ck_resize_geometry r = {2, 4, 5, 7, 12, c};
    float *resized = block(2 * 7 * 12 * c);
    k->bilinear(&r, 0, 14, small, resized), show("bilinear", resized, 2 * 7 * 12 * c);
    k->bilinear_gradient(&r, 0, 8, resized, again), show("bilinear gradient", again, out);
    ck_region_geometry region = {2, 9, 11, c, 3, 2, 2, 0.5f};
    const float boxes[] = {0, 1, 2, 9, 14, 1, 0.5f, 3, 20, 12, 5, 0, 0, 1, 1};
    float *aligned = block(3 * 6 * c), *d_regions = numbers(3 * 6 * c);
    k->region_align(&region, 0, 3, x, boxes, aligned), show("region align", aligned, 3 * 6 * c);
    for (long image = 0; image < 2; image++)
      k->region_align_gradient(&region, 3, image, 0, c, d_regions, boxes, dx);
    show("region align gradient", dx, in);
    ck_block_geometry copy = {9, 6, c, 99 * c, 11 * c, c, 54 * c, 6 * c, c};
    float *copied = numbers(108 * c);
    for (int adds = 0; adds < 2; adds++) k->copy(&copy, 0, 18, x, copied, adds), show("copy", copied, 108 * c);
    for (int mode = 0; mode < 3; mode++) {
      ck_pad_geometry pad = {2, 9, 11, c, 2, 1, 3, 2, mode};
      float *padded = block(2 * 12 * 16 * c);
      k->pad(&pad, 0, 24, x, padded), show("pad", padded, 2 * 12 * 16 * c);
      k->pad_gradient(&pad, 0, 18, padded, dx), show("pad gradient", dx, in);
    }
    free(switches);
  }
}

int main(int count, char **words) {
  isa = count > 1 ? atoi(words[1]) : 0;
  if ((isa == 1 && !ck_cpu_supports_avx2()) || (isa == 2 && !ck_cpu_supports_avx512())) return 77;
  convolutions();
  const struct ck_elementwise_kernels *e = ck_elementwise(isa);
  maps(e);
  rows(e);
  channels(e);
  optimizers(e);
  cells(e);
  spatial();
  return 0;
}
