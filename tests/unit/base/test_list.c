/* SPDX-License-Identifier: MIT */
/*
 * Lists and what is threaded on them: order, membership, events merged, the outbox's limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/events.h"
#include "base/outbox.h"

struct item {
    int number;
    struct list_node node;
};

static void assert_order(const struct list *list, const char *numbers)
{
    const struct list_node *node = list_first(list);
    const struct list_node *last = NULL;

    for (; *numbers != '\0'; numbers++) {
        assert_non_null(node);
        assert_int_equal(CONTAINER_OF(node, struct item, node)->number, *numbers - '0');
        assert_ptr_equal(list_prev(list, node), last);
        last = node;
        node = list_next(list, node);
    }
    assert_null(node);
    assert_ptr_equal(list_last(list), last);
}

static void order_and_membership(void **state)
{
    struct item items[6];
    struct list list;

    (void)state;
    memset(items, 0, sizeof items);
    for (int i = 0; i < 6; i++) {
        items[i].number = i;
    }
    list_init(&list);
    assert_true(list_is_empty(&list));
    assert_null(list_first(&list));
    assert_null(list_take_first(&list));
    list_add_last(&list, &items[2].node);
    list_add_last(&list, &items[4].node);
    list_add_first(&list, &items[0].node);
    list_insert_after(&items[0].node, &items[1].node);
    list_insert_before(&items[4].node, &items[3].node);
    list_insert_after(&items[4].node, &items[5].node);
    assert_order(&list, "012345");
    list_remove(&items[0].node);
    list_remove(&items[3].node);
    list_remove(&items[5].node);
    list_remove(&items[5].node); /* in no list: nothing happens */
    assert_false(list_has(&items[5].node));
    assert_true(list_has(&items[4].node));
    assert_order(&list, "124");
    assert_ptr_equal(list_take_first(&list), &items[1].node);
    list_add_last(&list, &items[1].node);
    assert_order(&list, "241");
}

static void events_of_one_object_are_merged(void **state)
{
    struct event_node a = {.kind = 1};
    struct event_node b = {.kind = 2};
    struct events events;

    (void)state;
    events_init(&events);
    assert_null(events_next(&events));
    event_note(&events, &a, 1);
    event_note(&events, &b, 2);
    event_note(&events, &a, 4);
    assert_ptr_equal(events_next(&events), &a);
    assert_int_equal(a.bits, 5);
    a.bits = 0;
    event_note(&events, &a, 8); /* behind b now */
    event_forget(&b);
    assert_int_equal(b.bits, 0);
    assert_ptr_equal(events_next(&events), &a);
    assert_int_equal(a.bits, 8);
    assert_null(events_next(&events));
}

static void the_outbox_is_first_in_first_out(void **state)
{
    struct berth_buffer buffers[4] = {{0}};
    struct outbox outbox;

    (void)state;
    outbox_init(&outbox, 2);
    assert_null(outbox_next(&outbox));
    outbox_add(&outbox, &buffers[0]);
    assert_false(outbox_is_full(&outbox));
    outbox_add(&outbox, &buffers[1]);
    assert_true(outbox_is_full(&outbox));
    outbox_add(&outbox, &buffers[2]);
    assert_int_equal(outbox.count, 3);
    assert_ptr_equal(outbox_next(&outbox), &buffers[0]);
    outbox_add(&outbox, &buffers[3]);
    for (int i = 1; i < 4; i++) {
        assert_ptr_equal(outbox_next(&outbox), &buffers[i]);
        assert_null(buffers[i].next);
    }
    assert_null(outbox_next(&outbox));
    assert_int_equal(outbox.count, 0);
    outbox_add(&outbox, &buffers[0]); /* after it ran empty */
    assert_ptr_equal(outbox_next(&outbox), &buffers[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_membership),
        cmocka_unit_test(events_of_one_object_are_merged),
        cmocka_unit_test(the_outbox_is_first_in_first_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
