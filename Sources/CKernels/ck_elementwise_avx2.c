// The element-wise kernels for AVX2 with fused multiply-add.
#if defined(__x86_64__)
#include <stdlib.h>
#include <string.h>

#include "ck_elementwise.h"

#define VL 8
#define TABLE ck_elementwise_avx2
extern const struct ck_elementwise_kernels TABLE;

#pragma clang attribute push( \
    __attribute__((target("avx2,fma"))), apply_to = function)
#include "ck_elementwise_table.inc"
#pragma clang attribute pop
#endif
