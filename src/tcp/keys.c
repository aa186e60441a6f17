/* SPDX-License-Identifier: MIT */
/*
 * Secrets with an end: one for each period, of which this one's and the last one's are kept. What
 * was made with an older one can be neither made nor checked any more.
 */
#include "tcp/parts.h"

static void draw(struct tcp *tcp, struct tcp_keys *keys, uint64_t period)
{
    random_fill(tcp->random, &keys->keys[period % 2], sizeof keys->keys[0]);
}

void tcp_keys_seed(struct tcp *tcp, struct tcp_keys *keys)
{
    keys->period = 0;
    draw(tcp, keys, 0);
    draw(tcp, keys, 1);
}

void tcp_keys_renew(struct tcp *tcp, struct tcp_keys *keys, uint64_t period_ns)
{
    uint64_t period = tcp->now_ns / period_ns;
    if (period > keys->period + 1) {
        draw(tcp, keys, period - 1);
    }
    if (period > keys->period) {
        draw(tcp, keys, period);
        keys->period = period;
    }
}
