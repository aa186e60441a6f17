/* SPDX-License-Identifier: MIT */
/*
 * What a wire would carry of a packet: a super-segment in its pieces, every checksum complete.
 * Used by the links that need it so (capture.c, impair.c).
 */
#ifndef LINK_PIECES_H
#define LINK_PIECES_H

#include "link/packets.h"

/*
 * Takes PACKET and adds its pieces, without offload facts, to OUT; false: there was no memory for
 * all of them. A packet that its facts do not fit is added as it is: whoever gets it drops it and
 * counts why.
 */
bool link_pieces(struct link_packet *packet, struct link_packets *out);

#endif
