/* SPDX-License-Identifier: MIT */
/*
 * What name servers say: taken only for the question that was asked, the way of aliases followed,
 * and passed on without what was refused or nobody has looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ldns/ldns.h>

#include "run/dns_answer.h"

/* ---- Messages from text ---------------------------------------------------------------------- */

static uint8_t *query;
static size_t query_bytes;
static uint8_t *answer;
static size_t answer_bytes;
static struct dns_question question;
static struct dns_answer told;

static ldns_pkt *ask(const char *name, ldns_rr_type type)
{
    ldns_pkt *packet =
        ldns_pkt_query_new(ldns_dname_new_frm_str(name), type, LDNS_RR_CLASS_IN, LDNS_RD);

    assert_non_null(packet);
    ldns_pkt_set_id(packet, 0x1234);
    return packet;
}

static void push(ldns_pkt *packet, ldns_pkt_section section, const char *text)
{
    ldns_rr *record = NULL;

    assert_int_equal(ldns_rr_new_frm_str(&record, text, 0, NULL, NULL), LDNS_STATUS_OK);
    assert_true(ldns_pkt_push_rr(packet, section, record));
}

/* A query for NAME and TYPE, and an answer with RECORDS, NULL at their end. */
static void make(const char *name, ldns_rr_type type, const char *const *records)
{
    ldns_pkt *packet = ask(name, type);

    free(query);
    free(answer);
    assert_int_equal(ldns_pkt2wire(&query, packet, &query_bytes), LDNS_STATUS_OK);
    assert_int_equal(dns_read_query(query, query_bytes, &question), DNS_NO_ERROR);
    ldns_pkt_set_qr(packet, true);
    for (; *records != NULL; records++) {
        push(packet, LDNS_SECTION_ANSWER, *records);
    }
    push(packet, LDNS_SECTION_AUTHORITY, "test. 60 IN NS ns.test.");
    push(packet, LDNS_SECTION_AUTHORITY, "test. 60 IN SOA ns.test. x.test. 1 2 3 4 5");
    push(packet, LDNS_SECTION_ADDITIONAL, "ns.test. 60 IN A 192.0.2.99");
    assert_int_equal(ldns_pkt2wire(&answer, packet, &answer_bytes), LDNS_STATUS_OK);
    ldns_pkt_free(packet);
}

static bool read_it(void)
{
    return dns_read_answer(answer, answer_bytes, &question, 0x1234, &told);
}

/* What the program gets, one record a line; NULL: nothing could be made. */
static char *passed(size_t bytes_max)
{
    struct dns_passing passing = {.query = query,
                                  .query_bytes = query_bytes,
                                  .answer = answer,
                                  .answer_bytes = answer_bytes,
                                  .question = &question,
                                  .bytes_max = bytes_max};
    static char text[16384];
    ldns_pkt *packet = NULL;
    uint8_t *wire = NULL;
    size_t bytes = 0;
    char *records;

    assert_int_equal(dns_make_answer(&passing, &told, &wire, &bytes), 0);
    assert_true(bytes <= bytes_max);
    assert_int_equal(ldns_wire2pkt(&packet, wire, bytes), LDNS_STATUS_OK);
    free(wire);
    assert_int_equal(ldns_pkt_id(packet), 0x1234);
    assert_true(ldns_pkt_qr(packet));
    assert_int_equal(ldns_pkt_arcount(packet), 0);
    records = ldns_rr_list2str(ldns_pkt_answer(packet));
    snprintf(text, sizeof text, "%s%s%s", ldns_pkt_tc(packet) ? "truncated\n" : "", records,
             ldns_pkt_nscount(packet) == 1 ? "soa" : "");
    for (char *tab = text; (tab = strchr(tab, '\t')) != NULL;) {
        *tab = ' ';
    }
    free(records);
    ldns_pkt_free(packet);
    return text;
}

/* ---- Whose answer ---------------------------------------------------------------------------- */

static void test_to_the_question(void **state)
{
    static const char *const records[] = {"example.test. 60 IN A 192.0.2.7", NULL};
    size_t bytes;

    (void)state;
    make("example.test", LDNS_RR_TYPE_A, records);
    assert_true(read_it());
    assert_int_equal(told.rcode, DNS_NO_ERROR);
    assert_int_equal(told.count, 1);
    assert_int_equal(berth_address_v4_value(&told.addresses[0]), 0xc0000207);
    assert_int_equal(told.ttl_s, 60);
    assert_false(told.is_truncated);
    assert_false(dns_read_answer(answer, answer_bytes, &question, 0x1235, &told));
    assert_true(dns_is_reply(answer, DNS_HEADER_BYTES, 0x1234));
    assert_false(dns_is_reply(answer, DNS_HEADER_BYTES - 1, 0x1234));
    assert_false(dns_is_reply(answer, DNS_HEADER_BYTES, 0x1235));
    assert_false(dns_is_reply(query, query_bytes, 0x1234));
    for (bytes = 0; bytes < answer_bytes; bytes++) {
        assert_false(dns_read_answer(answer, bytes, &question, 0x1234, &told));
    }
    answer[13] = 'E'; /* case is no difference */
    assert_true(read_it());
    answer[13] = 'f'; /* another name */
    assert_false(read_it());
    answer[13] = 'e';
    answer[27] = 28; /* another type */
    assert_false(read_it());
    answer[27] = 1;
    answer[7] = 9; /* more records than there are */
    assert_false(read_it());
    answer[7] = 1;
    answer[2] = 0x01; /* a query */
    assert_false(read_it());
    answer[2] = 0x83;
    assert_true(read_it());
    assert_true(told.is_truncated);
    assert_int_equal(told.count, 0); /* it is asked again */
    assert_string_equal(passed(512), "truncated\n");
}

/* ---- The way --------------------------------------------------------------------------------- */

static void test_way(void **state)
{
    static const char *const records[] = {
        "c.test. 40 IN A 192.0.2.8",      "a.test. 300 IN CNAME b.test.",
        "b.test. 30 IN CNAME C.test.",    "c.test. 50 IN A 192.0.2.7",
        "d.test. 10 IN A 192.0.2.9", /* not on it */
        "c.test. 50 IN AAAA 2001:db8::1", NULL};

    (void)state;
    make("a.test", LDNS_RR_TYPE_A, records);
    assert_true(read_it());
    assert_int_equal(told.count, 2);
    assert_int_equal(told.ttl_s, 30);
    assert_string_equal(passed(512), "c.test. 30 IN A 192.0.2.8\na.test. 30 IN CNAME b.test.\n"
                                     "b.test. 30 IN CNAME c.test.\nc.test. 30 IN A 192.0.2.7\nsoa");
    told.is_refused[0] = true;
    assert_string_equal(passed(512), "a.test. 30 IN CNAME b.test.\nb.test. 30 IN CNAME c.test.\n"
                                     "c.test. 30 IN A 192.0.2.7\nsoa");
    make("a.test", LDNS_RR_TYPE_CNAME, records);
    assert_true(read_it());
    assert_int_equal(told.count, 0);
    assert_string_equal(passed(512), "a.test. 300 IN CNAME b.test.\nsoa");
}

static void test_bad_way(void **state)
{
    static const char *const loop[] = {"a.test. 60 IN CNAME b.test.", "b.test. 60 IN CNAME A.test.",
                                       "a.test. 60 IN A 192.0.2.1", NULL};
    char text[DNS_CHAIN_MAX + 1][64];
    const char *chain[DNS_CHAIN_MAX + 2] = {0};

    (void)state;
    make("a.test", LDNS_RR_TYPE_A, loop);
    assert_true(read_it());
    assert_int_equal(told.rcode, DNS_SERVER_FAILURE);
    for (int i = 0; i < DNS_CHAIN_MAX; i++) {
        snprintf(text[i], sizeof text[i], "n%d.test. 60 IN CNAME n%d.test.", i, i + 1);
        chain[i] = text[i];
    }
    make("n0.test", LDNS_RR_TYPE_A, chain);
    assert_true(read_it());
    assert_int_equal(told.rcode, DNS_SERVER_FAILURE);
    make("n1.test", LDNS_RR_TYPE_A, chain);
    assert_true(read_it());
    assert_int_equal(told.rcode, DNS_NO_ERROR);
    assert_int_equal(told.count, 0);
}

static void test_many(void **state)
{
    char text[DNS_ADDRESSES_MAX + 8][64];
    const char *records[DNS_ADDRESSES_MAX + 9] = {0};
    size_t lines = 0;

    (void)state;
    for (int i = 0; i < DNS_ADDRESSES_MAX + 8; i++) {
        snprintf(text[i], sizeof text[i], "a.test. 4000000 IN A 192.0.%d.%d", i / 256, i % 256);
        records[i] = text[i];
    }
    make("a.test", LDNS_RR_TYPE_A, records);
    assert_true(read_it());
    assert_int_equal(told.count, DNS_ADDRESSES_MAX);
    assert_int_equal(told.ttl_s, DNS_TTL_S_MAX);
    for (const char *at = passed(65535); *at != '\0'; at++) {
        lines += *at == '\n';
    }
    assert_int_equal(lines, DNS_ADDRESSES_MAX); /* what was not learnt is not passed on */
    assert_string_equal(passed(512), "truncated\n");
}

/* ---- Records that point elsewhere ------------------------------------------------------------ */

static void test_targets(void **state)
{
    static const char *const srv[] = {"_http._tcp.a.test. 60 IN SRV 0 0 80 B.test.",
                                      "_http._tcp.a.test. 60 IN SRV 0 0 80 .", NULL};
    static const char *const mx[] = {"a.test. 60 IN MX 10 mx.test.", NULL};

    (void)state;
    make("_http._tcp.a.test", LDNS_RR_TYPE_SRV, srv);
    assert_true(read_it());
    assert_int_equal(told.target_count, 1);
    assert_string_equal(told.targets[0], "b.test");
    make("a.test", LDNS_RR_TYPE_MX, mx);
    assert_true(read_it());
    assert_int_equal(told.target_count, 1);
    assert_string_equal(told.targets[0], "mx.test");
    assert_string_equal(passed(512), "a.test. 60 IN MX 10 mx.test.\nsoa");
}

static void test_hints(void **state)
{
    static const char *const https[] = {
        "a.test. 60 IN HTTPS 1 svc.test. alpn=h2,h3 port=8443 ipv4hint=10.0.0.1 ech=AAAA "
        "ipv6hint=fd00::1",
        "a.test. 60 IN HTTPS 2 . mandatory=ipv4hint ipv4hint=10.0.0.1",
        "a.test. 60 IN RRSIG HTTPS 8 2 60 20300101000000 20200101000000 1 test. AAAA", NULL};
    static const char *const plain[] = {
        "a.test. 60 IN HTTPS 1 . alpn=h2",
        "a.test. 60 IN RRSIG HTTPS 8 2 60 20300101000000 20200101000000 1 test. AAAA", NULL};

    (void)state;
    make("a.test", LDNS_RR_TYPE_HTTPS, https);
    assert_true(read_it());
    assert_int_equal(told.target_count, 1);
    assert_string_equal(told.targets[0], "svc.test");
    assert_string_equal(passed(512), "a.test. 60 IN HTTPS 1 svc.test. alpn=h2,h3 port=8443\nsoa");
    make("a.test", LDNS_RR_TYPE_HTTPS, plain);
    assert_true(read_it());
    assert_int_equal(told.target_count, 0);
    assert_non_null(strstr(passed(512), "alpn=h2"));
    assert_non_null(strstr(passed(512), "RRSIG"));
}

static void test_signatures(void **state)
{
    static const char *const records[] = {
        "a.test. 60 IN A 192.0.2.1", "a.test. 60 IN A 10.0.0.1",
        "a.test. 60 IN RRSIG A 8 2 60 20300101000000 20200101000000 1 test. AAAA", NULL};

    (void)state;
    make("a.test", LDNS_RR_TYPE_A, records);
    assert_true(read_it());
    assert_non_null(strstr(passed(512), "RRSIG"));
    told.is_refused[1] = true;
    assert_string_equal(passed(512), "a.test. 60 IN A 192.0.2.1\nsoa");
}

static int free_all(void **state)
{
    (void)state;
    free(query);
    free(answer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_the_question), cmocka_unit_test(test_way),
        cmocka_unit_test(test_bad_way),         cmocka_unit_test(test_many),
        cmocka_unit_test(test_targets),         cmocka_unit_test(test_hints),
        cmocka_unit_test(test_signatures),
    };

    return cmocka_run_group_tests(tests, NULL, free_all);
}
