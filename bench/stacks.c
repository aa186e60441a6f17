/* SPDX-License-Identifier: MIT */
/* Stacks to measure: stacks.h. */
#include "stacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define TURN_NS    10000U
#define FRAMES_MAX 16U

void must(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "bench: %s: error %d\n", what, result);
        exit(1);
    }
}

uint64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

struct berth_endpoint stacks_endpoint(int side, uint16_t port)
{
    struct berth_endpoint endpoint = {.port = port};

    must(berth_address_parse(side == 0 ? "10.9.0.1" : "10.9.0.2", &endpoint.address), "address");
    return endpoint;
}

struct berth *stacks_new(const struct berth_config *config, int side)
{
    static const char rules[] = "allow in any\nallow out any\n";
    struct berth_config own = *config;
    struct berth_prefix network = {.address = stacks_endpoint(side, 0).address, .bits = 96 + 24};
    struct berth_rules_error error;
    struct berth *berth;
    size_t bytes;
    void *memory;

    own.seed[0] = (uint8_t)side;
    bytes = berth_memory_bytes(&own);
    must(bytes > 0 ? 0 : BERTH_E_INVALID, "configuration");
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
    must(memory != MAP_FAILED ? 0 : BERTH_E_LIMIT, "memory");
    must(berth_init(&berth, &own, memory, bytes, 0), "berth_init");
    must(berth_address_add(berth, &network), "berth_address_add");
    must(berth_rules_load(berth, rules, sizeof rules - 1, &error), "berth_rules_load");
    return berth;
}

void pair_init(struct pair *pair, const struct berth_config *config)
{
    *pair = (struct pair){.side = {stacks_new(config, 0), stacks_new(config, 1)}};
}

static void carry(struct pair *pair, const struct berth_frame *frame, struct berth *to)
{
    struct berth_buffer *buffer = berth_buffer_get(to);

    if (buffer == NULL || frame->bytes > buffer->capacity - buffer->begin) {
        must(BERTH_E_LIMIT, "no buffer takes the packet");
        return;
    }
    for (uint32_t i = 0; i < frame->view_count; i++) {
        memcpy(buffer->data + buffer->begin + buffer->bytes, frame->views[i].data,
               frame->views[i].bytes);
        buffer->bytes += (uint32_t)frame->views[i].bytes;
    }
    buffer->offload = frame->offload;
    berth_receive(to, buffer, pair->now_ns);
}

void pair_turn(struct pair *pair)
{
    static struct berth_frame frames[FRAMES_MAX];

    for (int side = 0; side < 2; side++) {
        uint32_t count = FRAMES_MAX;
        if (berth_deadline(pair->side[side]) <= pair->now_ns) {
            berth_advance(pair->side[side], pair->now_ns);
        }
        while (count == FRAMES_MAX) {
            count = berth_transmit(pair->side[side], frames, FRAMES_MAX, pair->now_ns);
            for (uint32_t i = 0; i < count; i++) {
                carry(pair, &frames[i], pair->side[1 - side]);
            }
            pair->packets += count;
        }
    }
    pair->now_ns += TURN_NS;
}
