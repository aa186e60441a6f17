/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_impairment.c: any text for an impairment is either refused with a word of that
 * text, or gives values in range.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "link/link.h"

#define HOUR_NS UINT64_C(3600000000000)
#define PPM_MAX 1000000U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(int condition)
{
    if (!condition) {
        abort();
    }
}

static void check_values(const struct link_impairment *out)
{
    demand(out->delay_ns <= HOUR_NS && out->jitter_ns <= HOUR_NS);
    demand(out->reorder_delay_ns <= HOUR_NS);
    demand(out->loss_ppm <= PPM_MAX && out->duplicate_ppm <= PPM_MAX);
    demand(out->reorder_ppm <= PPM_MAX && out->corrupt_ppm <= PPM_MAX && out->ecn_ppm <= PPM_MAX);
    demand(out->rate_bps == 0 || out->rate_bps >= 1000);
    demand(out->rate_bps <= UINT64_C(1000000000000) && out->queue_bytes <= 1U << 30);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct link_impairment out = {0};
    struct link_text_error error = {0};

    demand(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    if (link_impairment_parse(text, &out, &error) == 0) {
        check_values(&out);
    } else {
        demand(error.word >= text && error.word + error.word_bytes <= text + size);
        demand(error.word_bytes > 0 && error.expected != NULL);
    }
    free(text);
    return 0;
}
