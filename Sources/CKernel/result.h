#pragma once

#include <errno.h>

/// A call's result, or minus its errno.
#define CK_RESULT(call)                 \
  ({                                    \
    long ck_value = (long)(call);       \
    ck_value < 0 ? -(long)errno : ck_value; \
  })
