/* SPDX-License-Identifier: MIT */
/*
 * The NewReno controller (newreno.c), for the table in cc.c.
 */
#ifndef CC_NEWRENO_H
#define CC_NEWRENO_H

#include "cc/cc.h"

extern const struct cc_table cc_newreno;

#endif
