// The element-wise kernels for AVX-512.
#if defined(__x86_64__)
#include <stdlib.h>
#include <string.h>

#include "ck_elementwise.h"

#define VL 16
#define TABLE ck_elementwise_avx512
extern const struct ck_elementwise_kernels TABLE;

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#include "ck_elementwise_table.inc"
#pragma clang attribute pop
#endif
