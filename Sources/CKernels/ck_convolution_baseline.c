// The convolution family compiled for any CPU of the architecture.
#include "ck_convolution.h"
#include "ck_elementwise.h"

#define VW 4
#if defined(__aarch64__)
// 32 registers: 24 sums, two vectors of weights, and what is left for the source.
#define TILE 12
#else
#define TILE 6
#endif
// The vector forms of exp and its kin.
extern const struct ck_elementwise_kernels ck_elementwise_baseline;
#define ACTIVATIONS ck_elementwise_baseline
#define CK_CONVOLUTION_TABLE ck_convolution_baseline
#include "ck_conv_table.inc"
