// The convolution family: one table of functions per instruction set.
//
// Letters: n batch · q result row of a stencil · x result column of a stencil · c source channel ·
// k result channel.
#ifndef CK_CONVOLUTION_H
#define CK_CONVOLUTION_H

/// A convolution that reads a source [batch, src_h, src_w, src_c] and writes some pixels of a
/// result [batch, dst_h, dst_w, dst_c]: result pixel (q, x) lies at row q * dst_sy + dst_y0 and
/// column x * dst_sx + dst_x0, and its tap (i, j) reads source row q * src_sy + off_y + i * step_y
/// and column x * src_sx + off_x + j * step_x; outside the source there are zeros. The forward pass
/// is one stencil; the input gradient is one for each stride phase.
typedef struct ck_conv_stencil {
  long batch, groups;
  long src_h, src_w, src_c;
  long dst_h, dst_w, dst_c;
  long q_h, q_w;
  long dst_y0, dst_x0, dst_sy, dst_sx;
  long src_sy, src_sx;
  long taps_y, taps_x;
  long off_y, off_x, step_y, step_x;
  /// Tap (i, j) uses kernel element (kernel_y + i * kernel_step_y, kernel_x + j * kernel_step_x).
  long kernel_y, kernel_x, kernel_step_y, kernel_step_x;
  /// Where this stencil's packed weights begin, in floats.
  long packed_at;
  /// 0: blocks of result channels; 1: dot products (few result channels); 2: one filter a channel
  /// (depthwise).
  int form;
  /// Operands in a float: 1, or 2 of bfloat16, two channels of one tap; with form 0 and an even number
  /// of source channels in a group alone.
  long per_float;
} ck_conv_stencil;

/// What is done to each sum before it is stored; absent parts are NULL. See `ConvolutionEpilogue`.
typedef struct ck_conv_epilogue {
  const float *bias;
  const float *addend;
  const float *mask;
  float mask_slope;
  /// The parameter of the activation (slope or alpha).
  float parameter;
  /// What activation 1 is at most; infinity otherwise.
  float limit;
  /// 0 identity, 1 relu, 2 leaky relu, 3 elu, 4 silu, 5 gelu, 6 sigmoid, 7 tanh.
  int activation;
} ck_conv_epilogue;

/// The result pixels of one part: rows q0..<q1 and columns x0..<x1 of image n, channel blocks
/// kb0..<kb1 of a group.
typedef struct ck_conv_part {
  long n, group, q0, q1, x0, x1, kb0, kb1;
} ck_conv_part;

/// One part of a weight gradient: rows q0..<q1, counted over all images, and channel blocks of a
/// group; taken chunk_rows x chunk_columns pixels at a time. With `paired`, products multiply bfloat16
/// pairs of neighbouring pixels of a row.
typedef struct ck_conv_weight_part {
  long q0, q1, group, kb0, kb1, chunk_rows, chunk_columns;
  int paired;
} ck_conv_weight_part;

/// Unpacked weights: kernel element t (row * kernel_w + column), source channel c and result channel
/// k lie at t * tap_pitch + c * step_c + k * step_k.
typedef struct ck_conv_weights {
  const float *values;
  long kernel_w, tap_pitch, step_c, step_k;
} ck_conv_weights;

/// The sizes of a Winograd convolution: source [n, h, w, c], result [n, oh, ow, k]. With a stride,
/// one side is seen as stride * stride phases of every stride-th row and column: the source (then
/// src_step is the stride), or in the input gradient the result (then dst_step is).
typedef struct ck_winograd {
  long batch, src_h, src_w, src_c, dst_h, dst_w, dst_c;
  long pad_y, pad_x;
  /// Tiles of 4x4 result pixels of a phase, and how many of them a batch holds.
  long tiles_y, tiles_x, tile_batch;
  /// Whether parts hold whole images and the tiles of a part lie by kind, so that tiles with fewer
  /// than four result rows or columns do without their sixth points; with `dst_step` 1 alone.
  int ordered;
  long stride, kernel, src_step, dst_step;
  /// Rows and columns of phase 0 that lie before the result.
  long dst_y0, dst_x0;
  /// When not 0, the channels from `split` on lie in a tensor of their own: those of the source in
  /// `src_rest`, or those of the result in `dst_rest`. A multiple of the vector; stride 1 alone.
  long split;
  const float *src_rest;
  float *dst_rest;
  /// Unless NULL, the maxima of the result's windows of 2x2 pixels are stored here too, [n, dst_h / 2,
  /// dst_w / 2, k], and the result itself may be NULL; even sizes and `dst_step` 1 alone.
  float *pooled;
  /// Unless NULL, source values are normalized as they are loaded: x * scale + shift of their
  /// channel, and what is then negative times `slope` (at most 1). Zeros around the source stay.
  const float *scale, *shift;
  float slope;
} ck_winograd;

/// The functions of one instruction set.
typedef struct ck_convolution_table {
  /// Floats in a vector, result channels in a block, pixels in a tile.
  long vector, block, tile;
  /// Operands of products in a float, where both kinds are possible: 1, or 2 of bfloat16.
  long per_float;
  /// Computes a part of a stencil through padded copies of the source rows that it needs.
  void (*rows)(const ck_conv_stencil *, const ck_conv_epilogue *, const ck_conv_part *,
               const float *src, const float *packed, float *dst, float *scratch);
  /// Computes result pixels p0..<p1 (counted over images, rows, columns) through copied patches, or
  /// without a copy where each pixel needs only the source pixel of the same number; channel blocks
  /// kb0..<kb1 of one group.
  void (*patches)(const ck_conv_stencil *, const ck_conv_epilogue *, const ck_conv_part *, long p0,
                  long p1, const float *src, const float *packed, float *dst, float *scratch);
  /// One filter a channel; rows q0..<q1 of a part.
  void (*depthwise)(const ck_conv_stencil *, const ck_conv_epilogue *, const ck_conv_part *,
                    const float *src, const float *packed, float *dst);
  /// Adds the products of rows q0..<q1 to `partial` [kb][kh * kw * c][block], and the sums of the
  /// output gradient to `bias` [k of the part] unless NULL.
  void (*weight_rows)(const ck_conv_stencil *, const ck_conv_weight_part *, const float *src,
                      const float *gradient, float *partial, float *bias, float *scratch);
  /// As `weight_rows` for one filter a channel: `partial` [kh * kw][channels].
  void (*weight_depthwise)(const ck_conv_stencil *, const ck_conv_weight_part *, const float *src,
                           const float *gradient, float *partial, float *bias);
  /// Sums rows r0..<r1 (tap and source channel) of `parts` partial gradients, `part_pitch` floats
  /// apart, in their order.
  void (*weight_finish)(const ck_conv_stencil *, long r0, long r1, long group, const float *partials,
                        long parts, long part_pitch, float *weight_gradient);
  /// Result pixels p0..<p1 (counted over images, rows, columns) and channel blocks kb0..<kb1 from
  /// unpacked weights; one group.
  void (*deep)(const ck_conv_stencil *, const ck_conv_epilogue *, const ck_conv_weights *, long p0,
               long p1, long kb0, long kb1, const float *src, float *dst, float *scratch);
  /// Copies block kb of a gradient [pixels][results] to [pixel][width]; its column sums to `bias`
  /// unless NULL.
  void (*deep_pack_gradient)(const float *gradient, long pixels, long results, long kb, float *packed,
                             float *bias);
  /// The weight gradient of tap (i, j) of a forward stencil and source channels c0..<c1 from packed
  /// blocks of the gradient.
  void (*deep_weight)(const ck_conv_stencil *, long i, long j, long c0, long c1, long rows_held,
                      const float *src, const float *packed, float *weight_gradient, float *scratch);
  /// Transforms the weights of result block kb to [36][c][width], with bfloat16 pairs of channels;
  /// the input gradient turns the kernel round.
  void (*winograd_weights)(const ck_winograd *, const float *weights, long tap_pitch, long step_c,
                           long step_k, int flipped, const float *scale, long kb, float *packed);
  /// Computes result tiles t0..<t1 and channel blocks kb0..<kb1 from packed weights
  /// [kb][36][c][width]. Unless NULL, `moments` gets the mean [dst_c], the sum of squared deviations
  /// [dst_c] and the number of the values stored for each channel (dst_step 1, no curved activation).
  void (*winograd_tiles)(const ck_winograd *, const ck_conv_epilogue *, long t0, long t1, long kb0,
                         long kb1, const float *src, const float *packed, float *dst,
                         float *scratch, float *moments);
  /// Transforms all source channels of tiles t0..<t1 of a batch of `held` tiles from `first` on into
  /// the batch's planes [36][tile][channel], with bfloat16 pairs of channels, or of tiles `by_tile`
  /// (t0 is even then, and t1 too unless it ends the batch).
  void (*winograd_source)(const ck_winograd *, int by_tile, long first, long held, long t0, long t1,
                          const float *src, float *zeros, float *planes);
  /// As `winograd_tiles` for one block, from the transformed source and the block's packed weights.
  void (*winograd_products)(const ck_winograd *, const ck_conv_epilogue *, long t0, long t1, long kb,
                            const float *source, const float *packed, float *dst, float *products,
                            float *moments);
  /// The weight gradient of tiles t0..<t1 in the transformed domain, for source channels c0..<c1
  /// and blocks kb0..<kb1.
  void (*winograd_gradient_tiles)(const ck_winograd *, long t0, long t1, long c0, long c1, long kb0,
                                  long kb1, const float *src, const float *gradient, float *partial,
                                  float *bias, float *scratch);
  /// The same for all tiles and channels of block kb, from the source transformed by tile, batch after
  /// batch, `batch_pitch` floats apart; `block` is [36][c][width].
  void (*winograd_gradient_block)(const ck_winograd *, long kb, const float *source,
                                  long batch_pitch, const float *gradient, float *block, float *bias,
                                  float *points);
  /// Sums the parts of source channels c0..<c1 and blocks kb0..<kb1, the first of which is at
  /// `partials`, in their order and transforms them back.
  void (*winograd_gradient_finish)(const ck_winograd *, long c0, long c1, long kb0, long kb1,
                                   const float *partials, long parts, long part_pitch,
                                   float *weight_gradient);
} ck_convolution_table;

/// The table of an instruction set: 0 baseline, 1 AVX2, 2 AVX-512, 3 AVX-512 with bfloat16 (falls
/// back to a lower one where it is not compiled).
const ck_convolution_table *ck_convolution_kernels(int isa);

/// Packs blocks kb0..<kb1 of a group of a stencil's weights; `weights` is [kh, kw, C / groups, K]
/// of the convolution. Forward: result channels are k; backward: they are c. `scale` [K] or NULL.
void ck_conv_pack(const ck_conv_stencil *, int backward, long kernel_w, long kernel_c, long kernel_k,
                  long vector, long block, long group, long kb0, long kb1, const float *weights,
                  const float *scale, float *packed);
/// The floats that the packed weights of a stencil take.
long ck_conv_packed_count(const ck_conv_stencil *, long vector, long block);
/// The sums over `pixels` pixels of each of `channels` channels (1...4).
void ck_conv_channel_sums(const float *values, long pixels, long channels, float *sums);

#endif
