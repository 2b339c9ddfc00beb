// The element-wise, reduction, normalization, loss and optimizer micro-kernels: one table per
// instruction set.
//
// All tensors are contiguous float. An output may be an input of the same size (same address),
// never a shifted one.
// A kernel runs on the calling thread; the Swift wrappers cut the work and combine partial sums.
#ifndef CK_ELEMENTWISE_H
#define CK_ELEMENTWISE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#else
#define _Nonnull
#define _Nullable
#endif

/// Activations with their parameter: the slope of a leaky ReLU, the alpha of an ELU.
enum {
  CK_IDENTITY, CK_RELU, CK_LEAKY_RELU, CK_ELU, CK_SILU, CK_GELU, CK_SIGMOID, CK_TANH, CK_HARD_SWISH,
  CK_TANH_GELU, CK_SOFTPLUS, CK_EXP, CK_SQRT, CK_LOG, CK_ABS, CK_ERF, CK_CAPPED_RELU
};
/// Operators on two tensors.
enum { CK_ADD, CK_SUBTRACT, CK_MULTIPLY, CK_DIVIDE, CK_MAXIMUM };
/// Losses that are sums over elements; Huber's delta and Charbonnier's epsilon are their parameter.
enum { CK_SQUARED, CK_ABSOLUTE, CK_HUBER, CK_CHARBONNIER, CK_BINARY_CROSS_ENTROPY };

/// What softmax cross-entropy is told besides logits and labels.
struct ck_cross_entropy {
  const float *_Nullable class_weights;
  /// Whether `ignored` is a label that counts nothing.
  int has_ignored;
  float ignored;
  /// The focal exponent, 0 for none.
  float gamma;
  size_t rows, channels;
};

/// The hyper-parameters of an optimizer's sweep; each reads the ones that it knows.
struct ck_optimizer {
  float rate, scale, decay, epsilon;
  /// Averages keep `keep1` and `keep2` of their old value; SGD, RMSprop: momentum in `momentum`.
  float keep1, keep2, momentum, dampening;
  /// Adam, Nadam: factors made from the bias corrections.
  float first_factor, second_factor, third_factor;
  /// Ftrl: minus the learning-rate power, and both regularizations.
  float power, l1, l2;
  int nesterov, first_step, decoupled;
};

/// The kernels of one instruction set.
struct ck_elementwise_kernels {
  void (*_Nonnull activation)(int kind, float parameter, const float *x, float *y, size_t n);
  void (*_Nonnull activation_gradient)(
      int kind, float parameter, const float *saved, const float *dy, float *dx, size_t n);
  void (*_Nonnull binary)(int op, const float *x, const float *y, float *out, size_t n);
  void (*_Nonnull affine)(const float *x, float scale, float shift, float *y, size_t n);
  /// y = keep y + scale x
  void (*_Nonnull blend)(const float *x, float scale, float keep, float *y, size_t n);
  void (*_Nonnull clamp)(const float *x, float lower, float upper, float *y, size_t n);
  void (*_Nonnull clamp_gradient)(
      const float *x, float lower, float upper, const float *dy, float *dx, size_t n);
  void (*_Nonnull fill)(float value, float *y, size_t n);
  /// Element i has index `start` + i, whose 32 high bits are already in `second`.
  void (*_Nonnull dropout)(
      const float *x, uint32_t start, uint32_t first, uint32_t second, uint32_t threshold,
      float scale, float *y, size_t n);

  double (*_Nonnull sum)(const float *x, size_t n);
  double (*_Nonnull sum_of_squares)(const float *x, size_t n);
  int (*_Nonnull all_finite)(const float *x, size_t n);
  double (*_Nonnull loss)(int kind, float parameter, const float *x, const float *t, size_t n);
  void (*_Nonnull loss_gradient)(
      int kind, float parameter, const float *x, const float *t, float scale, float *g, size_t n);

  void (*_Nonnull softmax)(const float *x, float *y, size_t rows, size_t channels);
  void (*_Nonnull softmax_gradient)(
      const float *y, const float *dy, float *dx, size_t rows, size_t channels);
  /// result: the weighted loss, the sum of weights, the number of invalid labels.
  void (*_Nonnull cross_entropy)(
      const struct ck_cross_entropy *task, const float *x, const float *labels, double *result);
  void (*_Nonnull cross_entropy_gradient)(
      const struct ck_cross_entropy *task, const float *x, const float *labels, float scale,
      float *g);
  double (*_Nonnull categorical)(const float *x, const float *t, size_t rows, size_t channels);
  void (*_Nonnull categorical_gradient)(
      const float *x, const float *t, float scale, float *g, size_t rows, size_t channels);
  double (*_Nonnull margin)(
      const float *x, const float *labels, int targeted, float kappa, size_t rows,
      size_t channels);
  void (*_Nonnull margin_gradient)(
      const float *x, const float *labels, int targeted, float kappa, float scale, float *g,
      size_t rows, size_t channels);

  // Below, `count` values are rows of `width`, a multiple of `channels`; a last row may be short.
  // Tables are [width].

  /// sums [channels]
  void (*_Nonnull channel_sums)(
      const float *x, size_t count, size_t width, size_t channels, double *sums);
  /// result [2, channels]: mean, sum of squared deviations
  void (*_Nonnull channel_moments)(
      const float *x, size_t count, size_t width, size_t channels, double *result);
  /// sums [2, channels]: of g and of g (x - mean), with g = dy (scale x + shift > 0 ? 1 : slope), or
  /// dy without a scale; the activation's output is worked out anew, since that costs less than to
  /// read it
  void (*_Nonnull channel_products)(
      const float *x, const float *dy, const float *mean, const float *_Nullable scale,
      const float *_Nullable shift, float slope, size_t count, size_t width, size_t channels,
      double *sums);
  /// sums [3, channels]: of p t, p, t
  void (*_Nonnull channel_overlaps)(
      const float *p, const float *t, size_t count, size_t width, size_t channels, double *sums);
  /// y = x + table
  void (*_Nonnull row_add)(
      const float *x, const float *table, float *y, size_t count, size_t width);
  /// y = activation(scale x + shift) with the slope below zero
  void (*_Nonnull row_affine)(
      const float *x, const float *scale, const float *shift, float slope, float *y, size_t count,
      size_t width);
  /// dx = a g + b (x - mean) + c, g as above
  void (*_Nonnull row_normalization_gradient)(
      const float *x, const float *dy, const float *mean, const float *a, const float *b,
      const float *c, const float *_Nullable scale, const float *_Nullable shift, float slope,
      float *dx, size_t count, size_t width);

  void (*_Nonnull sgd)(
      const struct ck_optimizer *o, float *p, const float *g, float *_Nullable v, size_t n);
  void (*_Nonnull adagrad)(
      const struct ck_optimizer *o, float *p, const float *g, float *sum, size_t n);
  void (*_Nonnull adadelta)(
      const struct ck_optimizer *o, float *p, const float *g, float *square, float *delta,
      size_t n);
  void (*_Nonnull rmsprop)(
      const struct ck_optimizer *o, float *p, const float *g, float *square,
      float *_Nullable buffer, float *_Nullable average, size_t n);
  void (*_Nonnull adam)(
      const struct ck_optimizer *o, float *p, const float *g, float *m, float *v, size_t n);
  void (*_Nonnull nadam)(
      const struct ck_optimizer *o, float *p, const float *g, float *m, float *v, size_t n);
  void (*_Nonnull ftrl)(
      const struct ck_optimizer *o, float *p, const float *g, float *sum, float *linear,
      size_t n);

  // One step of recurrent cells over `rows` rows of `units`; see AtelierKernels/RecurrentCells.swift.
  /// gates [rows][4 units]: input, forget, candidate, output; from sums to values.
  void (*_Nonnull lstm)(
      const float *before, float *gates, float *cells, float *y, size_t rows, size_t units);
  /// d_cells: the gradient of the cells after the step becomes that of those before it.
  void (*_Nonnull lstm_gradient)(
      const float *gates, const float *before, const float *cells, const float *dy, float *d_cells,
      float *d_gates, size_t rows, size_t units);
  /// x and recurrent [rows][3 units]: reset, update, candidate; gates [rows][4 units]: their values
  /// and the recurrent part of the candidate.
  void (*_Nonnull gru)(
      const float *x, const float *recurrent, const float *before, float *gates, float *y,
      size_t rows, size_t units);
  /// d_state: the gradient of the state after the step becomes that of the state before it, but for
  /// what comes through the recurrent product.
  void (*_Nonnull gru_gradient)(
      const float *gates, const float *before, float *d_state, float *d_x, float *d_recurrent,
      size_t rows, size_t units);
};

/// The kernels of instruction set 0 (baseline), 1 (AVX2 and FMA) or 2 (AVX-512); the machine must
/// have it.
const struct ck_elementwise_kernels *ck_elementwise(int instruction_set);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
