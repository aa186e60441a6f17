/* SPDX-License-Identifier: MIT */
/* Two stacks wired to each other: pair.h. */
#include "pair.h"

#include "stack/stack.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct berth_endpoint pair_endpoint(int side, bool v6, uint16_t port)
{
    struct berth_endpoint endpoint = {.port = port};
    const char *text =
        v6 ? (side == 0 ? "fd09::1" : "fd09::2") : (side == 0 ? "10.9.0.1" : "10.9.0.2");
    BERTH_CHECK(berth_address_parse(text, &endpoint.address) == 0);
    return endpoint;
}

static void add_address(struct berth *berth, const char *text)
{
    char address[BERTH_ADDRESS_TEXT_BYTES];
    struct berth_prefix prefix;
    const char *slash = strchr(text, '/');
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    BERTH_CHECK(berth_address_parse(address, &prefix.address) == 0);
    int bits = atoi(slash + 1);
    prefix.bits = (uint8_t)(berth_address_is_v4(&prefix.address) ? 96 + bits : bits);
    BERTH_CHECK(berth_address_add(berth, &prefix) == 0);
}

static void init_side(struct pair *pair, int side, const struct berth_config *config)
{
    struct berth_config own = *config;
    own.seed[0] = (uint8_t)(own.seed[0] + side);
    size_t bytes = berth_memory_bytes(&own);
    BERTH_CHECK(bytes > 0);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    BERTH_CHECK(memory != MAP_FAILED);
    pair->memory[side] = memory;
    pair->memory_bytes[side] = bytes;
    BERTH_CHECK(berth_init(&pair->side[side], &own, memory, bytes, pair->now_ns) == 0);
    add_address(pair->side[side], side == 0 ? "10.9.0.1/24" : "10.9.0.2/24");
    add_address(pair->side[side], side == 0 ? "fd09::1/64" : "fd09::2/64");
    static const char rules[] = "allow in any\nallow out any\n";
    struct berth_rules_error error;
    BERTH_CHECK(berth_rules_load(pair->side[side], rules, sizeof rules - 1, &error) == 0);
}

void pair_init(struct pair *pair, const struct berth_config *config)
{
    memset(pair, 0, sizeof *pair);
    pair->now_ns = 1000 * NS_PER_S;
    pair->delay_ns = 5 * NS_PER_MS;
    struct berth_config defaults;
    if (config == NULL) {
        berth_config_init(&defaults);
        config = &defaults;
    }
    init_side(pair, 0, config);
    init_side(pair, 1, config);
}

void pair_done(struct pair *pair)
{
    while (pair->count > 0) {
        free(pair->queue[pair->first].data);
        pair->first = (pair->first + 1) % PAIR_QUEUE;
        pair->count--;
    }
    for (int side = 0; side < 2; side++) {
        berth_done(pair->side[side]);
        munmap(pair->memory[side], pair->memory_bytes[side]);
    }
}

static void launch(struct pair *pair, int from, const struct berth_frame *frame)
{
    struct pair_packet packet = {.at_ns = pair->now_ns + pair->delay_ns,
                                 .to = 1 - from,
                                 .bytes = frame->bytes,
                                 .offload = frame->offload};
    unsigned number = pair->sent++;
    packet.data = malloc(frame->bytes);
    BERTH_CHECK(packet.data != NULL);
    size_t at = 0;
    for (uint32_t i = 0; i < frame->view_count; i++) {
        memcpy(packet.data + at, frame->views[i].data, frame->views[i].bytes);
        at += frame->views[i].bytes;
    }
    BERTH_CHECK(at == frame->bytes);
    bool lost = pair->cut || (pair->drop != NULL && pair->drop(pair, number, &packet));
    if (lost || pair->count == PAIR_QUEUE) {
        free(packet.data);
        return;
    }
    pair->queue[(pair->first + pair->count++) % PAIR_QUEUE] = packet;
}

static bool transmit(struct pair *pair)
{
    bool any = false;
    for (int side = 0; side < 2; side++) {
        struct berth_frame frames[8];
        uint32_t count = berth_transmit(pair->side[side], frames, 8, pair->now_ns);
        while (count > 0) {
            for (uint32_t i = 0; i < count; i++) {
                launch(pair, side, &frames[i]);
            }
            any = true;
            stack_check(pair->side[side]);
            count = berth_transmit(pair->side[side], frames, 8, pair->now_ns);
        }
    }
    return any;
}

static bool deliver(struct pair *pair)
{
    bool any = false;
    while (pair->count > 0 && pair->queue[pair->first].at_ns <= pair->now_ns) {
        struct pair_packet packet = pair->queue[pair->first];
        pair->first = (pair->first + 1) % PAIR_QUEUE;
        pair->count--;
        struct berth *berth = pair->side[packet.to];
        struct berth_buffer *buffer = berth_buffer_get(berth);
        if (buffer != NULL && packet.bytes <= buffer->capacity - buffer->begin) {
            memcpy(buffer->data + buffer->begin, packet.data, packet.bytes);
            buffer->bytes = packet.bytes;
            buffer->offload = packet.offload;
            berth_receive(berth, buffer, pair->now_ns);
            stack_check(berth);
        } else if (buffer != NULL) {
            berth_buffer_put(berth, buffer);
        }
        free(packet.data);
        any = true;
    }
    return any;
}

static uint64_t next_ns(const struct pair *pair)
{
    uint64_t next = pair->count > 0 ? pair->queue[pair->first].at_ns : BERTH_NEVER;
    next = min_u64(next, berth_deadline(pair->side[0]));
    return min_u64(next, berth_deadline(pair->side[1]));
}

bool pair_step(struct pair *pair, uint64_t until_ns)
{
    bool any = transmit(pair);
    any = deliver(pair) || any;
    if (any) {
        return true;
    }
    uint64_t next = next_ns(pair);
    if (next > until_ns) {
        pair->now_ns = max_u64(pair->now_ns, until_ns);
        return false;
    }
    pair->now_ns = max_u64(pair->now_ns, next);
    for (int side = 0; side < 2; side++) {
        berth_advance(pair->side[side], pair->now_ns);
        stack_check(pair->side[side]);
    }
    return true;
}

void pair_run(struct pair *pair, uint64_t until_ns)
{
    for (unsigned turns = 0; turns < 1000000 && pair_step(pair, until_ns); turns++) {
    }
}
