// What the machine itself can do: loops that do nothing but multiply and add, or read and write.
#ifndef CK_ROOFLINE_H
#define CK_ROOFLINE_H

#if defined(__clang__)
#pragma clang assume_nonnull begin
#else
#define _Nonnull
#endif

/// The loops of one instruction set.
typedef struct {
  /// The operations of a round of `multiply_adds`, a multiply-add counted as two.
  long operations;
  /// Runs `rounds` rounds of independent multiply-adds in the registers of one thread.
  /// Returns the sum of all sums, which tends to half of `operations`: each sum to 1.
  float (*_Nonnull multiply_adds)(long rounds);
  /// The sum of `count` floats; addresses are multiples of 64 bytes here and below.
  float (*_Nonnull read)(const float *x, long count);
  /// y = value
  void (*_Nonnull write)(float value, float *y, long count);
  /// y = x
  void (*_Nonnull copy)(const float *x, float *y, long count);
  /// y = x + scale * z (McCalpin 1995)
  void (*_Nonnull triad)(const float *x, float scale, const float *z, float *y, long count);
} ck_roofline_loops;

/// The loops of an instruction set (0 baseline, 1 AVX2, 2 AVX-512) that the machine has.
const ck_roofline_loops *ck_roofline(int isa);

/// 1 where the CPU has dot products of bfloat16 pairs (AVX512-BF16), else 0.
int ck_roofline_has_bfloat16(void);
/// Runs `rounds` rounds of bfloat16 dot products of ones, into float32 sums, on one thread.
/// Returns the sum of all sums: half of the operations, as long as they are whole floats; 0 where
/// the CPU has none.
float ck_roofline_bfloat16(long rounds);
/// The operations of a round of `ck_roofline_bfloat16`.
long ck_roofline_bfloat16_operations(void);

/// Waits until `threads` callers have come, counted in `arrived`, which starts at 0; some 10
/// milliseconds at most, so that a caller that is alone does not wait for ever.
void ck_roofline_meet(int *arrived, int threads);

/// The size of a thread's level 2, or of the last level 3 cache in bytes; 0 where the system does
/// not tell.
long ck_roofline_cache_bytes(int level);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
