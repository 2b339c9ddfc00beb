// Asks the CPU once which instruction sets it has.
#include "ck_cpu.h"

#if defined(__x86_64__)
int ck_cpu_supports_avx2(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

int ck_cpu_supports_avx512(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

int ck_cpu_supports_bfloat16(void) {
  return ck_cpu_supports_avx512() && __builtin_cpu_supports("avx512bf16");
}
#else
int ck_cpu_supports_avx2(void) { return 0; }
int ck_cpu_supports_avx512(void) { return 0; }
int ck_cpu_supports_bfloat16(void) { return 0; }
#endif
