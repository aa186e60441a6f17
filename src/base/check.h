/* SPDX-License-Identifier: MIT */
/*
 * BERTH_CHECK: what must be true unless berth itself is wrong. On in release builds too.
 * What a peer or a caller can bring about never stands in a check.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

/* Says what failed and where on standard error (write(2) by way of libc's abort path), then aborts.
 */
_Noreturn void check_failed(const char *what, const char *file, int line);

#define BERTH_CHECK(condition)                            \
    do {                                                  \
        if (__builtin_expect(!(condition), 0)) {          \
            check_failed(#condition, __FILE__, __LINE__); \
        }                                                 \
    } while (0)

#endif
