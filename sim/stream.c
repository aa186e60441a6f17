/* SPDX-License-Identifier: MIT */
/*
 * sim/stream.c: streams of bytes by place: word K of a stream is a mix of its key and K.
 */
#include "sim/stream.h"

#include <string.h>

#define CHUNK 512

void stream_fill(uint64_t key, uint64_t at, void *out, size_t bytes)
{
    uint8_t *to = out;

    while (bytes > 0) {
        uint64_t word = stream_mix(key, at / 8);
        size_t skip = at % 8;
        size_t part = bytes < 8 - skip ? bytes : 8 - skip;

        if (part == sizeof word) { /* nearly always, and faster with a size that is known */
            memcpy(to, &word, sizeof word);
        } else {
            memcpy(to, (const uint8_t *)&word + skip, part);
        }
        to += part;
        at += part;
        bytes -= part;
    }
}

size_t stream_match(uint64_t key, uint64_t at, const void *data, size_t bytes)
{
    const uint8_t *have = data;
    uint8_t want[CHUNK];
    size_t done = 0;

    while (done < bytes) {
        size_t part = bytes - done < CHUNK ? bytes - done : CHUNK;

        stream_fill(key, at + done, want, part);
        if (memcmp(want, have + done, part) != 0) {
            break;
        }
        done += part;
    }
    for (; done < bytes; done++) {
        stream_fill(key, at + done, want, 1);
        if (want[0] != have[done]) {
            break;
        }
    }
    return done;
}
