// Measures nothing by itself: runs the loops whose time gives the roofline of the machine
// (Williams, Waterman and Patterson 2009).
#include "ck_roofline.h"

#include <sched.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

// An empty instruction that may have changed a vector register.
#if defined(__x86_64__)
#define KEEP(vector) __asm__ volatile("" : "+x"(vector))
#elif defined(__aarch64__)
#define KEEP(vector) __asm__ volatile("" : "+w"(vector))
#else
#define KEEP(vector) ((void)0)
#endif

enum { BFLOAT16_SUMS = 24 };

#define NAME(x) baseline_##x
#define VL 4
#define SUMS 12
#include "ck_roofline.inc"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define NAME(x) avx2_##x
#define VL 8
#define SUMS 12
#include "ck_roofline.inc"
#pragma clang attribute pop

// Half of the 32 registers of AVX-512 are "v" alone.
#undef KEEP
#define KEEP(vector) __asm__ volatile("" : "+v"(vector))
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#define NAME(x) avx512_##x
#define VL 16
#define SUMS 24
#include "ck_roofline.inc"
#pragma clang attribute pop

#include <immintrin.h>

__attribute__((target("avx512f,avx512bf16"))) static float bfloat16_dots(long rounds) {
  // 1 is 0x3f80 as bfloat16.
  __m512i ones = _mm512_set1_epi16(0x3f80);
  __m512 sums[BFLOAT16_SUMS];
  for (int i = 0; i < BFLOAT16_SUMS; i++) sums[i] = _mm512_setzero_ps();
  for (long round = 0; round < rounds; round++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < BFLOAT16_SUMS; i++) {
      sums[i] = _mm512_dpbf16_ps(sums[i], (__m512bh)ones, (__m512bh)ones);
      KEEP(sums[i]);
    }
  }
  float total = 0;
  for (int i = 0; i < BFLOAT16_SUMS; i++) total += _mm512_reduce_add_ps(sums[i]);
  return total;
}

int ck_roofline_has_bfloat16(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bf16");
}
#else
static float bfloat16_dots(long rounds) {
  (void)rounds;
  return 0;
}

int ck_roofline_has_bfloat16(void) { return 0; }
#endif

const ck_roofline_loops *ck_roofline(int isa) {
#if defined(__x86_64__)
  if (isa == 2) return &avx512_loops;
  if (isa == 1) return &avx2_loops;
#endif
  (void)isa;
  return &baseline_loops;
}

float ck_roofline_bfloat16(long rounds) {
  return ck_roofline_has_bfloat16() ? bfloat16_dots(rounds) : 0;
}

long ck_roofline_bfloat16_operations(void) { return 2 * 32 * BFLOAT16_SUMS; }

void ck_roofline_meet(int *arrived, int threads) {
  __atomic_fetch_add(arrived, 1, __ATOMIC_ACQ_REL);
  for (int i = 0; i < 20000 && __atomic_load_n(arrived, __ATOMIC_ACQUIRE) < threads; i++)
    sched_yield();
}

long ck_roofline_cache_bytes(int level) {
#if defined(__APPLE__)
  long bytes = 0;
  size_t size = sizeof bytes;
  const char *name = level == 2 ? "hw.l2cachesize" : "hw.l3cachesize";
  return sysctlbyname(name, &bytes, &size, NULL, 0) == 0 ? bytes : 0;
#elif defined(__GLIBC__)
  long bytes = sysconf(level == 2 ? _SC_LEVEL2_CACHE_SIZE : _SC_LEVEL3_CACHE_SIZE);
  return bytes > 0 ? bytes : 0;
#else
  (void)level;
  return 0;
#endif
}
