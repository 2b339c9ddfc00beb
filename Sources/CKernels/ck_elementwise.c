// Chooses the table of element-wise kernels.
#include "ck_elementwise.h"

extern const struct ck_elementwise_kernels ck_elementwise_baseline;
#if defined(__x86_64__)
extern const struct ck_elementwise_kernels ck_elementwise_avx2;
extern const struct ck_elementwise_kernels ck_elementwise_avx512;
#endif

const struct ck_elementwise_kernels *ck_elementwise(int instruction_set) {
#if defined(__x86_64__)
  if (instruction_set == 2) return &ck_elementwise_avx512;
  if (instruction_set == 1) return &ck_elementwise_avx2;
#endif
  (void)instruction_set;
  return &ck_elementwise_baseline;
}
