// The convolution family compiled for AVX2 with FMA.
#include "ck_convolution.h"
#include "ck_elementwise.h"

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

#define VW 8
#define TILE 6
// The vector forms of exp and its kin.
extern const struct ck_elementwise_kernels ck_elementwise_avx2;
#define ACTIVATIONS ck_elementwise_avx2
#define CK_CONVOLUTION_TABLE ck_convolution_avx2
#include "ck_conv_table.inc"

#pragma clang attribute pop

#endif
