/* SPDX-License-Identifier: MIT */
/*
 * HyStart++ (RFC 9406): when slow start has filled the path, told from round-trip times, before the
 * path tells by losing. For the first slow start of a connection only (RFC 9406 4.3).
 *
 *   state       event                                            next          by
 *   slow start  8 samples, the round's least RTT has risen       conservative  hystart_on_ack
 *   conservative 8 samples, the round's least RTT below the rise slow start    hystart_on_ack
 *   conservative its fifth round ends                            done          hystart_on_ack
 *   any         loss                                             done          the controller
 */
#ifndef CC_HYSTART_H
#define CC_HYSTART_H

#include "cc/cc.h"

#define HYSTART_SEGMENTS_PER_ACK 8 /* L of RFC 9406 4.3, not paced */

void hystart_init(struct hystart *hystart);

/* Takes ACK in. By what the increase of slow start is divided for this ACK (1, or 4 while
 * conservative); 0: slow start is over, cwnd is to be ssthresh. */
uint32_t hystart_on_ack(struct hystart *hystart, const struct cc_ack *ack);

#endif
