// The convolution family compiled for AVX-512 with bfloat16 operands: the products of Winograd's form
// and of stencils that say so multiply pairs, everything else is as for AVX-512.
#include "ck_convolution.h"
#include "ck_elementwise.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma"))), apply_to = function)

#define VW 16
#define TILE 12
#define PAIRS
// The vector forms of exp and its kin.
extern const struct ck_elementwise_kernels ck_elementwise_avx512;
#define ACTIVATIONS ck_elementwise_avx512
#define CK_CONVOLUTION_TABLE ck_convolution_bfloat16
#include "ck_conv_table.inc"

#pragma clang attribute pop

#endif
