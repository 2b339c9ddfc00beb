// The element-wise kernels in plain vector code (SSE2, NEON).
#include <stdlib.h>
#include <string.h>

#include "ck_elementwise.h"

#define VL 4
#define TABLE ck_elementwise_baseline
extern const struct ck_elementwise_kernels TABLE;

#include "ck_elementwise_table.inc"
