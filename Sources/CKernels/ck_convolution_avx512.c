// The convolution family compiled for AVX-512.
#include "ck_convolution.h"
#include "ck_elementwise.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)

#define VW 16
#define TILE 12
// The vector forms of exp and its kin.
extern const struct ck_elementwise_kernels ck_elementwise_avx512;
#define ACTIVATIONS ck_elementwise_avx512
#define CK_CONVOLUTION_TABLE ck_convolution_avx512
#include "ck_conv_table.inc"

#pragma clang attribute pop

#endif
