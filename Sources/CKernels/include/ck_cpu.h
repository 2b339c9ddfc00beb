// Which instruction sets this machine can run.
#ifndef CK_CPU_H
#define CK_CPU_H

/// 1 where AVX2 and FMA can be used, else 0.
int ck_cpu_supports_avx2(void);
/// 1 where AVX-512 F, BW, DQ and VL can be used, else 0.
int ck_cpu_supports_avx512(void);
/// 1 where AVX-512 also multiplies bfloat16, else 0.
int ck_cpu_supports_bfloat16(void);

#endif
