// The C interface of the micro-kernels: one header per family, included here.
#ifndef CKERNELS_H
#define CKERNELS_H

#include "ck_cpu.h"
#include "ck_pool.h"
#include "ck_roofline.h"
#include "ck_spatial.h"
#include "ck_elementwise.h"

#endif
