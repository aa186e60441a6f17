/* SPDX-License-Identifier: MIT */
/*
 * The categories of RFC 6335 section 6 cover every port once, and names go there and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <berth/registry.h>

static void every_port_is_in_the_category_that_covers_it(void **state)
{
    (void)state;
    for (uint32_t port = 0; port <= 65535; port++) {
        uint16_t first = 0;
        uint16_t last = 0;

        assert_int_equal(berth_category_ports(berth_port_category((uint16_t)port), &first, &last),
                         BERTH_OK);
        assert_true(first <= port && port <= last);
    }
}

static void the_edges_are_those_of_the_rfc(void **state)
{
    (void)state;
    assert_int_equal(berth_port_category(0), BERTH_CATEGORY_SYSTEM);
    assert_int_equal(berth_port_category(1023), BERTH_CATEGORY_SYSTEM);
    assert_int_equal(berth_port_category(1024), BERTH_CATEGORY_USER);
    assert_int_equal(berth_port_category(49151), BERTH_CATEGORY_USER);
    assert_int_equal(berth_port_category(49152), BERTH_CATEGORY_EPHEMERAL);
    assert_int_equal(berth_port_category(65535), BERTH_CATEGORY_EPHEMERAL);
}

static void a_category_is_found_by_its_name(void **state)
{
    enum berth_category category = BERTH_CATEGORY_EPHEMERAL;

    (void)state;
    assert_int_equal(berth_category_parse("System", &category), BERTH_OK);
    assert_int_equal(category, BERTH_CATEGORY_SYSTEM);
    assert_int_equal(berth_category_parse("user", &category), BERTH_OK);
    assert_string_equal(berth_category_name(category), "user");
    assert_int_equal(berth_category_parse("ephemeral", &category), BERTH_OK);
    assert_string_equal(berth_category_name(category), "ephemeral");
}

static void what_is_no_category_is_refused(void **state)
{
    enum berth_category category = BERTH_CATEGORY_USER;
    uint16_t first = 7;
    uint16_t last = 9;

    (void)state;
    assert_int_equal(berth_category_parse("systems", &category), BERTH_E_SYNTAX);
    assert_int_equal(berth_category_parse("", &category), BERTH_E_SYNTAX);
    assert_int_equal(category, BERTH_CATEGORY_USER);
    assert_string_equal(berth_category_name((enum berth_category)3), "");
    assert_int_equal(berth_category_ports((enum berth_category)3, &first, &last), BERTH_E_INVALID);
    assert_int_equal(first, 7);
    assert_int_equal(last, 9);
}

static void transports_go_to_names_and_back(void **state)
{
    static const enum berth_transport all[] = {BERTH_TRANSPORT_TCP, BERTH_TRANSPORT_UDP,
                                               BERTH_TRANSPORT_SCTP, BERTH_TRANSPORT_DCCP};
    enum berth_transport transport = BERTH_TRANSPORT_NONE;

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_int_equal(berth_transport_parse(berth_transport_name(all[i]), &transport), BERTH_OK);
        assert_int_equal(transport, all[i]);
    }
    assert_int_equal(berth_transport_parse("SCTP", &transport), BERTH_OK);
    assert_int_equal(transport, BERTH_TRANSPORT_SCTP);
    assert_int_equal(berth_transport_parse("", &transport), BERTH_E_SYNTAX);
    assert_int_equal(berth_transport_parse("icmp", &transport), BERTH_E_SYNTAX);
    assert_int_equal(transport, BERTH_TRANSPORT_SCTP);
    assert_string_equal(berth_transport_name(BERTH_TRANSPORT_NONE), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_port_is_in_the_category_that_covers_it),
        cmocka_unit_test(the_edges_are_those_of_the_rfc),
        cmocka_unit_test(a_category_is_found_by_its_name),
        cmocka_unit_test(what_is_no_category_is_refused),
        cmocka_unit_test(transports_go_to_names_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
