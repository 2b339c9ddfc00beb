// What a failed call comes to: no memory where the system said so last.
#ifndef CI_STATUS_H
#define CI_STATUS_H

#include <errno.h>

#include "ci.h"

// `status`, or CI_NO_MEMORY where memory was asked for in vain since the door was made, which clears
// errno: the libraries tell that in words alone.
static inline int ci_reason(int status) { return errno == ENOMEM ? CI_NO_MEMORY : status; }

#endif
