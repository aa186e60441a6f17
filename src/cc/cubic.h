/* SPDX-License-Identifier: MIT */
/*
 * The CUBIC controller (cubic.c), for the table in cc.c.
 */
#ifndef CC_CUBIC_H
#define CC_CUBIC_H

#include "cc/cc.h"

extern const struct cc_table cc_cubic;

#endif
