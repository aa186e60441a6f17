/* SPDX-License-Identifier: MIT */
/*
 * base/check.c: how the process ends when berth itself is wrong. Called by BERTH_CHECK only.
 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *what, const char *file, int line)
{
    (void)fprintf(stderr, "berth: check failed: %s (%s:%d)\n", what, file, line);
    abort();
}
