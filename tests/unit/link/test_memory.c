/* SPDX-License-Identifier: MIT */
/*
 * The memory pair: what one end sends the other receives, whole, in order, with its facts; limits.
 */
#include "stack.h"

static const struct link_memory_config small = {
    .queue_packets = 4, .packet_bytes_max = 1500, .offloads = BERTH_LINK_CHECKSUM};

static void both_ways_in_order(void **state)
{
    struct test_stack stack = stack_new(16, 2048);
    struct link *a;
    struct link *b;

    (void)state;
    assert_int_equal(link_memory_new(&small, &a, &b), 0);
    assert_int_equal(link_next_ns(b), BERTH_NEVER);
    send_number(a, PACKET_BYTES, 1, 0);
    send_number(a, PACKET_BYTES, 2, 0);
    send_number(b, PACKET_BYTES, 3, 0);
    assert_int_equal(link_next_ns(b), 0);
    assert_int_equal(read_number(b, &stack, 0), 1);
    assert_int_equal(read_number(b, &stack, 0), 2);
    assert_int_equal(read_number(b, &stack, 0), -1);
    assert_int_equal(read_number(a, &stack, 0), 3);
    assert_int_equal(link_fd(a), -1);
    assert_int_equal(link_offloads(a), BERTH_LINK_CHECKSUM);
    assert_int_equal(a->counters.sent, 2);
    assert_int_equal(a->counters.received, 1);
    link_free(a);
    link_free(b);
    stack_free(&stack);
}

static void views_become_one_packet_with_its_facts(void **state)
{
    struct test_stack stack = stack_new(16, 2048);
    struct berth_offload offload = {.checksum_partial = 1, .checksum_start = 20};
    struct berth_frame frame = {.view_count = 3, .bytes = 9, .offload = offload};
    struct berth_buffer *buffer;
    char text[] = "abcdefghi";
    struct link *a;
    struct link *b;

    (void)state;
    frame.views[0] = (struct berth_view){text, 4};
    frame.views[1] = (struct berth_view){text + 4, 0};
    frame.views[2] = (struct berth_view){text + 4, 5};
    assert_int_equal(link_memory_new(&small, &a, &b), 0);
    assert_int_equal(link_send(a, &frame, 1, 0), 1);
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(b->table->read(b, stack.berth, &buffer, 1, 0), 1);
    assert_int_equal(buffer->bytes, 9);
    assert_memory_equal(buffer->data + buffer->begin, "abcdefghi", 9);
    assert_memory_equal(&buffer->offload, &offload, sizeof offload);
    berth_buffer_put(stack.berth, buffer);
    link_free(a);
    link_free(b);
    stack_free(&stack);
}

static void limits_lose_and_count(void **state)
{
    struct test_stack stack = stack_new(16, 1024);
    struct link *a;
    struct link *b;

    (void)state;
    assert_int_equal(link_memory_new(&small, &a, &b), 0);
    send_number(a, 1501, 1, 0);
    assert_int_equal(a->counters.lost_unfit, 1);
    send_number(a, 1500, 2, 0); /* fits the link, not the stack's buffers */
    for (uint32_t i = 0; i < 4; i++) {
        send_number(a, PACKET_BYTES, 10 + i, 0);
    }
    assert_int_equal(a->counters.lost_send, 1);
    assert_int_equal(read_number(b, &stack, 0), 10);
    assert_int_equal(b->counters.lost_unfit, 1);
    assert_int_equal(read_number(b, &stack, 0), 11);
    assert_int_equal(read_number(b, &stack, 0), 12);
    assert_int_equal(read_number(b, &stack, 0), -1);
    link_free(a);
    link_free(b);
    stack_free(&stack);
}

/* Without a free buffer nothing is lost, and the link does not ask to be read at once. */
static void starved_is_not_lost(void **state)
{
    struct test_stack stack = stack_new(16, 2048);
    struct berth_buffer *taken[16];
    struct link *a;
    struct link *b;

    (void)state;
    assert_int_equal(link_memory_new(&small, &a, &b), 0);
    send_number(a, PACKET_BYTES, 7, 0);
    for (int i = 0; i < 16; i++) {
        taken[i] = berth_buffer_get(stack.berth);
        assert_non_null(taken[i]);
    }
    assert_int_equal(read_number(b, &stack, 0), -1);
    assert_true(link_is_starved(b));
    assert_int_equal(link_next_ns(b), BERTH_NEVER);
    for (int i = 0; i < 16; i++) {
        berth_buffer_put(stack.berth, taken[i]);
    }
    assert_int_equal(read_number(b, &stack, 0), 7);
    assert_false(link_is_starved(b));
    link_free(a);
    link_free(b);
    stack_free(&stack);
}

static void the_end_that_is_left_is_told(void **state)
{
    struct test_stack stack = stack_new(16, 2048);
    struct berth_frame frame = {.view_count = 0};
    struct berth_buffer *buffer;
    struct link *a;
    struct link *b;

    (void)state;
    assert_int_equal(link_memory_new(&small, &a, &b), 0);
    send_number(a, PACKET_BYTES, 1, 0);
    link_free(a);
    assert_int_equal(link_send(b, &frame, 1, 0), BERTH_E_CLOSED);
    assert_int_equal(read_number(b, &stack, 0), 1); /* what was sent before still arrives */
    assert_int_equal(b->table->read(b, stack.berth, &buffer, 1, 0), BERTH_E_CLOSED);
    assert_int_equal(link_receive(b, stack.berth, 10, 0), BERTH_E_CLOSED);
    link_free(b);
    stack_free(&stack);
}

/* link_receive hands over: the stack counts the packets and has all its buffers back. */
static void receive_hands_over(void **state)
{
    struct link_memory_config config = {.queue_packets = 100, .packet_bytes_max = 1500};
    struct test_stack stack = stack_new(16, 2048);
    struct berth_stats stats;
    struct link *a;
    struct link *b;

    (void)state;
    assert_int_equal(link_memory_new(&config, &a, &b), 0);
    for (uint32_t i = 0; i < 50; i++) {
        send_number(a, PACKET_BYTES, i, 0);
    }
    assert_int_equal(link_receive(b, stack.berth, 20, 0), 20);
    assert_int_equal(link_receive(b, stack.berth, 100, 0), 30);
    assert_int_equal(link_receive(b, stack.berth, 100, 0), 0);
    berth_stats(stack.berth, &stats);
    assert_int_equal(stats.packets_in, 50);
    assert_int_equal(stats.buffers_free, 16);
    link_free(a);
    link_free(b);
    stack_free(&stack);
}

static void limits_of_zero_are_refused(void **state)
{
    struct link_memory_config config = {.queue_packets = 0, .packet_bytes_max = 1500};
    struct link *a = NULL;
    struct link *b = NULL;

    (void)state;
    assert_int_equal(link_memory_new(&config, &a, &b), BERTH_E_INVALID);
    config = (struct link_memory_config){.queue_packets = 1};
    assert_int_equal(link_memory_new(&config, &a, &b), BERTH_E_INVALID);
    assert_null(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_in_order),
        cmocka_unit_test(views_become_one_packet_with_its_facts),
        cmocka_unit_test(limits_lose_and_count),
        cmocka_unit_test(starved_is_not_lost),
        cmocka_unit_test(the_end_that_is_left_is_told),
        cmocka_unit_test(receive_hands_over),
        cmocka_unit_test(limits_of_zero_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
