// The allocator's settings, which Swift's module of the C library does not show.

#include "studio_site.h"

// Says which C library it is.
#include <stdlib.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

void studio_be_frugal(void) {
#if defined(__GLIBC__)
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_TRIM_THRESHOLD, 256 << 10);
#endif
}

void studio_give_back(void) {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}
