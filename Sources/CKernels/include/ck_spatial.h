// Pooling, unpooling, resizing and block copies on contiguous NHWC floats. Every function works on
// a range of rows of one tensor, so that the caller cuts the work among threads.
#ifndef CK_SPATIAL_H
#define CK_SPATIAL_H

#include <stddef.h>
#include <stdint.h>

/// The sizes of a pooling from [batch, input_height, input_width, channels] to [batch,
/// output_height, output_width, channels].
typedef struct {
  ptrdiff_t batch, input_height, input_width, channels, output_height, output_width;
  ptrdiff_t window_height, window_width, stride_height, stride_width, padding_top, padding_left;
} ck_pool_geometry;

/// What is wrong with switches; parts add to it atomically.
typedef struct {
  /// Switches that name no pixel of the plane and are not -1.
  int64_t out_of_range;
  /// Switches that name a pixel of the plane outside the window they belong to.
  int64_t stray;
} ck_switch_faults;

/// The small and the large side of an unpooling or a shuffle: [batch, height, width, channels] and
/// windows of it.
typedef struct {
  ptrdiff_t batch, height, width, channels, window_height, window_width;
} ck_unpool_geometry;

/// The two sides of a resize.
typedef struct {
  ptrdiff_t batch, input_height, input_width, output_height, output_width, channels;
} ck_resize_geometry;

/// A strided copy: strides in elements per image, row and pixel; `channels` floats are contiguous.
typedef struct {
  ptrdiff_t height, width, channels;
  ptrdiff_t source_image, source_row, source_pixel;
  ptrdiff_t destination_image, destination_row, destination_pixel;
} ck_block_geometry;

/// Padding of [batch, input_height, input_width, channels]; mode 0 zero, 1 replicate, 2 reflect.
typedef struct {
  ptrdiff_t batch, input_height, input_width, channels, top, bottom, left, right;
  int mode;
} ck_pad_geometry;

/// Regions of [batch, height, width, channels], each read at output_height x output_width bins of
/// samples x samples points; boxes are in units of 1 / scale pixels.
typedef struct {
  ptrdiff_t batch, height, width, channels, output_height, output_width, samples;
  float scale;
} ck_region_geometry;

/// The most samples along a side of a bin.
#define CK_REGION_SAMPLES 8

/// The kernels of one instruction set.
typedef struct {
  /// Output rows first..<last of batch * output_height; `switches` may be null.
  void (*max_pool)(const ck_pool_geometry *g, ptrdiff_t first, ptrdiff_t last, const float *x,
                   float *y, int32_t *switches);
  /// Output rows; y = x at the switch.
  void (*gather_switches)(const ck_pool_geometry *g, ptrdiff_t first, ptrdiff_t last,
                          const float *x, const int32_t *switches, float *y,
                          ck_switch_faults *faults);
  /// Output rows of a pooling whose windows tile (stride == window, no padding): writes their whole
  /// windows.
  void (*scatter_tiles)(const ck_pool_geometry *g, ptrdiff_t first, ptrdiff_t last, const float *y,
                        const int32_t *switches, float *x, ck_switch_faults *faults);
  /// Output rows.
  void (*average_pool)(const ck_pool_geometry *g, ptrdiff_t first, ptrdiff_t last, const float *x,
                       float *y, int counts_padding);
  /// Input rows.
  void (*average_pool_gradient)(const ck_pool_geometry *g, ptrdiff_t first, ptrdiff_t last,
                                const float *dy, float *dx, int counts_padding);
  /// Channels first..<last of one image [pixels, channels]; y is that image's [channels].
  void (*global_average)(const float *x, float *y, ptrdiff_t pixels, ptrdiff_t channels,
                         ptrdiff_t first, ptrdiff_t last);
  /// Pixels first..<last of batch * pixels.
  void (*global_average_gradient)(const float *dy, float *dx, ptrdiff_t pixels, ptrdiff_t channels,
                                  ptrdiff_t first, ptrdiff_t last);

  /// Small rows first..<last of batch * height; each value is repeated over its window.
  void (*nearest)(const ck_unpool_geometry *g, ptrdiff_t first, ptrdiff_t last, const float *x,
                  float *y);
  /// Small rows; sums of windows.
  void (*sum_pool)(const ck_unpool_geometry *g, ptrdiff_t first, ptrdiff_t last, const float *y,
                   float *x);
  /// Small rows; top-left value of each window, zeros elsewhere.
  void (*bed_of_nails)(const ck_unpool_geometry *g, ptrdiff_t first, ptrdiff_t last, const float *x,
                       float *y);

  /// Output rows.
  void (*bilinear)(const ck_resize_geometry *g, ptrdiff_t first, ptrdiff_t last, const float *x,
                   float *y);
  /// Input rows first..<last of batch * input_height.
  void (*bilinear_gradient)(const ck_resize_geometry *g, ptrdiff_t first, ptrdiff_t last,
                            const float *dy, float *dx);

  /// Regions first..<last of boxes [regions, 5]: image, left, top, right, bottom; zeros where there is
  /// no such image.
  void (*region_align)(const ck_region_geometry *g, ptrdiff_t first, ptrdiff_t last, const float *x,
                       const float *boxes, float *y);
  /// Channels first..<last of one image; all of them are written.
  void (*region_align_gradient)(const ck_region_geometry *g, ptrdiff_t regions, ptrdiff_t image,
                                ptrdiff_t first, ptrdiff_t last, const float *dy,
                                const float *boxes, float *dx);

  /// Rows first..<last of batch * height, copied or added.
  void (*copy)(const ck_block_geometry *g, ptrdiff_t first, ptrdiff_t last, const float *source,
               float *destination, int accumulate);
  /// Output rows first..<last of batch * (top + input_height + bottom).
  void (*pad)(const ck_pad_geometry *g, ptrdiff_t first, ptrdiff_t last, const float *x, float *y);
  /// Input rows.
  void (*pad_gradient)(const ck_pad_geometry *g, ptrdiff_t first, ptrdiff_t last, const float *dy,
                       float *dx);
} ck_spatial_kernels;

/// The kernels of instruction set 0 (baseline), 1 (AVX2 and FMA) or 2 (AVX-512); the machine must
/// have it.
const ck_spatial_kernels *ck_spatial(int isa);

/// Output rows; only counts the faults of their switches.
void ck_spatial_check_switches(const ck_pool_geometry *g, ptrdiff_t first, ptrdiff_t last,
                               const int32_t *switches, ck_switch_faults *faults);
/// Input rows first..<last of batch * input_height, any windows; right only where no switch strays.
void ck_spatial_scatter_rows(const ck_pool_geometry *g, ptrdiff_t first, ptrdiff_t last,
                             const float *y, const int32_t *switches, float *x);
/// Channels first..<last of one whole image, any switches.
void ck_spatial_scatter_plane(const ck_pool_geometry *g, ptrdiff_t image, ptrdiff_t first,
                              ptrdiff_t last, const float *y, const int32_t *switches, float *x);

#endif
