/* SPDX-License-Identifier: MIT */
/*
 * The registry's lookups against the rows themselves: every port, every name and many ranges are
 * looked up by the index and by walking all rows, and must agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include <berth/registry.h>

#define ROWS_MAX 20000

static struct berth_service rows[ROWS_MAX];
static size_t row_count;

static size_t read_all(const struct berth_registry_query *query, struct berth_service *out)
{
    struct berth_registry_cursor cursor;
    size_t count = 0;

    berth_registry_start(&cursor, query);
    while (count < ROWS_MAX && berth_registry_next(&cursor, &out[count])) {
        count++;
    }
    return count;
}

static int read_rows(void **state)
{
    const struct berth_registry_query query = {0};

    (void)state;
    row_count = read_all(&query, rows);
    return row_count > 10000 && row_count < ROWS_MAX ? 0 : -1;
}

static bool is_same(const struct berth_service *a, const struct berth_service *b)
{
    return a->name == b->name && a->description == b->description &&
           a->port_first == b->port_first && a->port_last == b->port_last &&
           a->transport == b->transport && a->has_port == b->has_port;
}

/* Rows FIRST to LAST asked for by QUERY are exactly those that a walk finds. */
static void assert_range(uint16_t first, uint16_t last)
{
    static struct berth_service found[ROWS_MAX];
    const struct berth_registry_query query = {
        .has_ports = true, .port_first = first, .port_last = last};
    size_t count = read_all(&query, found);
    size_t expected = 0;

    for (size_t i = 0; i < row_count; i++) {
        if (!rows[i].has_port || rows[i].port_last < first || rows[i].port_first > last) {
            continue;
        }
        assert_true(expected < count);
        assert_true(is_same(&found[expected], &rows[i]));
        expected++;
    }
    assert_int_equal(count, expected);
}

static void every_port_finds_its_rows(void **state)
{
    (void)state;
    for (uint32_t port = 0; port <= 65535; port += port < 10300 || port > 49100 ? 1 : 97) {
        assert_range((uint16_t)port, (uint16_t)port);
    }
}

static void ranges_find_what_lies_in_them_and_what_reaches_in(void **state)
{
    static const uint16_t edges[] = {0,    1,    1023, 1024, 6000, 6030,  6063,  7748,
                                     7775, 7776, 7777, 8000, 8010, 27005, 49151, 65535};

    (void)state;
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        for (size_t j = i; j < sizeof edges / sizeof edges[0]; j++) {
            assert_range(edges[i], edges[j]);
        }
    }
}

static void a_range_the_wrong_way_round_finds_nothing(void **state)
{
    const struct berth_registry_query query = {
        .has_ports = true, .port_first = 444, .port_last = 443};
    struct berth_registry_cursor cursor;
    struct berth_service service;

    (void)state;
    berth_registry_start(&cursor, &query);
    assert_false(berth_registry_next(&cursor, &service));
}

static void every_name_finds_all_its_rows(void **state)
{
    static struct berth_service found[64];
    char shouted[32];

    (void)state;
    for (size_t i = 0; i < row_count; i += 7) {
        struct berth_registry_query query = {.name = shouted};
        size_t expected = 0;
        size_t count;

        if (rows[i].name[0] == '\0') {
            continue;
        }
        assert_true(strlen(rows[i].name) < sizeof shouted);
        for (size_t c = 0; c <= strlen(rows[i].name); c++) {
            char letter = rows[i].name[c];

            shouted[c] = letter >= 'a' && letter <= 'z' ? (char)(letter - 32) : letter;
        }
        count = read_all(&query, found);
        for (size_t r = 0; r < row_count; r++) {
            if (strcasecmp(rows[r].name, rows[i].name) == 0) {
                assert_true(expected < count && is_same(&found[expected], &rows[r]));
                expected++;
            }
        }
        assert_int_equal(count, expected);
    }
}

static void names_that_are_none_find_nothing(void **state)
{
    static const char *const names[] = {"",  "http-",     "HTTPS ", "zzzzzzzzzzzzzzzz",
                                        "!", "\xc3\xa9t", "htt",    "https\xff"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct berth_registry_query query = {.name = names[i]};
        struct berth_registry_cursor cursor;
        struct berth_service service;

        berth_registry_start(&cursor, &query);
        assert_false(berth_registry_next(&cursor, &service));
    }
}

static void rows_are_in_the_order_that_is_promised(void **state)
{
    static const unsigned order[] = {4, 0, 1, 0, 2, 0, 0, 0, 3}; /* by enum berth_transport */

    (void)state;
    for (size_t i = 1; i < row_count; i++) {
        const struct berth_service *a = &rows[i - 1];
        const struct berth_service *b = &rows[i];

        assert_true(a->has_port || !b->has_port);
        if (!a->has_port) {
            assert_true(strcasecmp(a->name, b->name) <= 0);
        } else if (b->has_port) {
            assert_true(a->port_first <= b->port_first);
        }
        if (a->has_port && b->has_port && a->port_first == b->port_first &&
            a->port_last == b->port_last) {
            assert_true(order[a->transport] <= order[b->transport]);
        }
    }
}

/* The sum of lengths stands for "every string can be read"; ASan and valgrind watch. */
static void every_string_can_be_read(void **state)
{
    size_t bytes = 0;

    (void)state;
    for (size_t i = 0; i < row_count; i++) {
        bytes += strlen(rows[i].name) + strlen(rows[i].description) + strlen(rows[i].reference);
        assert_true(strlen(rows[i].name) <= 15); /* RFC 6335 section 5.1 */
        assert_true(rows[i].name[0] != '\0' || rows[i].has_port);
    }
    assert_true(bytes > 300000);
}

static void a_word_is_found_whatever_its_case(void **state)
{
    static struct berth_service lower[ROWS_MAX];
    static struct berth_service upper[ROWS_MAX];
    const struct berth_registry_query a = {.word = "kerberos"};
    const struct berth_registry_query b = {.word = "KERBEROS"};
    size_t count = read_all(&a, lower);
    size_t expected = 0;

    (void)state;
    assert_int_equal(count, read_all(&b, upper));
    for (size_t i = 0; i < row_count; i++) {
        bool is_wanted = strcasestr(rows[i].name, "kerberos") != NULL ||
                         strcasestr(rows[i].description, "kerberos") != NULL;

        if (is_wanted) {
            assert_true(expected < count && is_same(&lower[expected], &rows[i]));
            expected++;
        }
    }
    assert_int_equal(count, expected);
    assert_true(count > 5);
}

static void transports_narrow_an_answer(void **state)
{
    static struct berth_service found[64];
    struct berth_registry_query query = {.name = "domain", .has_transports = true};

    (void)state;
    query.transports = BERTH_TRANSPORT_UDP;
    assert_int_equal(read_all(&query, found), 1);
    assert_int_equal(found[0].transport, BERTH_TRANSPORT_UDP);
    assert_int_equal(found[0].port_first, 53);
    query.transports = BERTH_TRANSPORT_TCP | BERTH_TRANSPORT_UDP;
    assert_int_equal(read_all(&query, found), 2);
    query.transports = BERTH_TRANSPORT_NONE;
    assert_int_equal(read_all(&query, found), 0);
    query.name = "flex-lm";
    assert_int_equal(read_all(&query, found), 1);
    assert_int_equal(found[0].port_first, 27000);
    assert_int_equal(found[0].port_last, 27009);
}

static void a_service_has_its_familiar_name(void **state)
{
    static const struct {
        uint16_t port;
        enum berth_transport transport;
        const char *name;
    } cases[] = {
        {443, BERTH_TRANSPORT_TCP, "https"},
        {443, BERTH_TRANSPORT_UDP, "https"},
        {80, BERTH_TRANSPORT_TCP, "http"},
        {22, BERTH_TRANSPORT_SCTP, "ssh"},
        {53, BERTH_TRANSPORT_UDP, "domain"},
        {465, BERTH_TRANSPORT_TCP, "submissions"},
        {2049, BERTH_TRANSPORT_TCP, "nfs"},
        {5432, BERTH_TRANSPORT_TCP, "postgresql"},
        {512, BERTH_TRANSPORT_UDP, "biff"},
        {63, BERTH_TRANSPORT_TCP, "whoispp"},
        {6000, BERTH_TRANSPORT_TCP, "x11"},
        {6063, BERTH_TRANSPORT_UDP, "x11"},
        {6669, BERTH_TRANSPORT_TCP, "ircu"},
        {7775, BERTH_TRANSPORT_TCP, "inetfs"},   /* inside an Unassigned range */
        {27009, BERTH_TRANSPORT_TCP, "flex-lm"}, /* registered without a transport */
        {6400, BERTH_TRANSPORT_UDP, "boe-cms"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *name = berth_service_name(cases[i].port, cases[i].transport);

        assert_non_null(name);
        assert_string_equal(name, cases[i].name);
    }
}

static void a_port_of_no_service_has_no_name(void **state)
{
    (void)state;
    assert_null(berth_service_name(0, BERTH_TRANSPORT_TCP));
    assert_null(berth_service_name(4, BERTH_TRANSPORT_UDP));    /* Unassigned */
    assert_null(berth_service_name(6669, BERTH_TRANSPORT_UDP)); /* Reserved; tcp is ircu */
    assert_null(berth_service_name(6064, BERTH_TRANSPORT_SCTP));
    assert_null(berth_service_name(49152, BERTH_TRANSPORT_TCP));
    assert_null(berth_service_name(65535, BERTH_TRANSPORT_UDP));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_port_finds_its_rows),
        cmocka_unit_test(ranges_find_what_lies_in_them_and_what_reaches_in),
        cmocka_unit_test(a_range_the_wrong_way_round_finds_nothing),
        cmocka_unit_test(every_name_finds_all_its_rows),
        cmocka_unit_test(names_that_are_none_find_nothing),
        cmocka_unit_test(rows_are_in_the_order_that_is_promised),
        cmocka_unit_test(every_string_can_be_read),
        cmocka_unit_test(a_word_is_found_whatever_its_case),
        cmocka_unit_test(transports_narrow_an_answer),
        cmocka_unit_test(a_service_has_its_familiar_name),
        cmocka_unit_test(a_port_of_no_service_has_no_name),
    };
    return cmocka_run_group_tests(tests, read_rows, NULL);
}
