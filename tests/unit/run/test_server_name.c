/* SPDX-License-Identifier: MIT */
/*
 * The server's name in a program's first bytes: of TLS and HTTP, in whatever pieces; nothing of
 * other protocols, and those not kept waiting; what hides one is bad.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "run/server_name.h"

/* ---- Bytes ----------------------------------------------------------------------------------- */

struct bytes {
    uint8_t data[40000];
    size_t count;
};

static void put(struct bytes *out, const void *data, size_t bytes)
{
    assert_true(out->count + bytes <= sizeof out->data);
    memcpy(out->data + out->count, data, bytes);
    out->count += bytes;
}

static void put_number(struct bytes *out, size_t value, int bytes)
{
    while (bytes-- > 0) {
        uint8_t byte = (uint8_t)(value >> (8 * bytes));

        put(out, &byte, 1);
    }
}

static void put_zeros(struct bytes *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put_number(out, 0, 1);
    }
}

static void put_extension(struct bytes *out, size_t type, const struct bytes *body)
{
    put_number(out, type, 2);
    put_number(out, body->count, 2);
    put(out, body->data, body->count);
}

/* The extension of RFC 6066 3. */
static void put_server_name(struct bytes *out, const char *text)
{
    static struct bytes body;

    body.count = 0;
    put_number(&body, strlen(text) + 3, 2);
    put_number(&body, 0, 1);
    put_number(&body, strlen(text), 2);
    put(&body, text, strlen(text));
    put_extension(out, 0, &body);
}

/* A ClientHello with EXTENSIONS, as a handshake message. */
static void put_hello(struct bytes *out, const struct bytes *extensions)
{
    put_number(out, 1, 1);
    put_number(out, 2 + 32 + 1 + 32 + 2 + 4 + 1 + 1 + 2 + extensions->count, 3);
    put_number(out, 0x0303, 2);
    put_zeros(out, 32);
    put_number(out, 32, 1);
    put_zeros(out, 32);
    put_number(out, 4, 2);
    put_number(out, 0x0a0a1301, 4); /* GREASE (RFC 8701) and a suite */
    put_number(out, 0x0100, 2);
    put_number(out, extensions->count, 2);
    put(out, extensions->data, extensions->count);
}

/* MESSAGE in records of at most PIECE bytes. */
static void put_records(struct bytes *out, const struct bytes *message, size_t piece)
{
    for (size_t at = 0; at < message->count; at += piece) {
        size_t bytes = message->count - at < piece ? message->count - at : piece;

        put_number(out, 22, 1);
        put_number(out, 0x0301, 2);
        put_number(out, bytes, 2);
        put(out, message->data + at, bytes);
    }
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static struct server_name told;

/* The verdict on BYTES, which is the same in one piece and byte by byte. */
static enum server_name_verdict take(const void *data, size_t bytes)
{
    struct server_name whole;

    server_name_init(&whole);
    server_name_init(&told);
    (void)server_name_take(&whole, data, bytes);
    for (size_t i = 0; i < bytes; i++) {
        (void)server_name_take(&told, (const uint8_t *)data + i, 1);
    }
    assert_int_equal(whole.verdict, told.verdict);
    assert_int_equal(whole.count, told.count);
    return (enum server_name_verdict)told.verdict;
}

static enum server_name_verdict take_text(const char *text)
{
    return take(text, strlen(text));
}

static void assert_found(const char *request, const char *name)
{
    assert_int_equal(take_text(request), SERVER_NAME_FOUND);
    assert_int_equal(told.count, 1);
    assert_string_equal(told.names[0], name);
}

static struct bytes extensions;
static struct bytes message;
static struct bytes wire;
static struct bytes grease;

static void begin(void)
{
    extensions.count = 0;
    message.count = 0;
    wire.count = 0;
    grease.count = 0;
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static void test_hello(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 200; piece += 7) {
        begin();
        put_extension(&extensions, 0x0a0a, &grease);
        put_server_name(&extensions, "Registry.Example.");
        put_extension(&extensions, 0xfe0d, &grease); /* an encrypted ClientHello beside it */
        put_hello(&message, &extensions);
        put_records(&wire, &message, piece);
        assert_int_equal(take(wire.data, wire.count), SERVER_NAME_FOUND);
        assert_int_equal(told.count, 1);
        assert_string_equal(told.names[0], "registry.example");
        for (size_t i = 0; i < wire.count - 1; i++) {
            assert_int_equal(take(wire.data, i), SERVER_NAME_MORE);
            assert_int_equal(server_name_end(&told), SERVER_NAME_NONE);
        }
    }
}

static void test_hello_without(void **state)
{
    static const uint8_t alert[] = {21, 3, 1, 0, 2, 1, 0};

    (void)state;
    begin(); /* no extensions */
    put_hello(&message, &extensions);
    put_records(&wire, &message, 100);
    assert_int_equal(take(wire.data, wire.count), SERVER_NAME_NONE);

    begin(); /* another extension only */
    put_extension(&extensions, 43, &grease);
    put_hello(&message, &extensions);
    put_records(&wire, &message, 100);
    assert_int_equal(take(wire.data, wire.count), SERVER_NAME_NONE);

    begin(); /* an empty one */
    put_extension(&extensions, 0, &grease);
    put_hello(&message, &extensions);
    put_records(&wire, &message, 100);
    assert_int_equal(take(wire.data, wire.count), SERVER_NAME_NONE);

    begin(); /* behind an alert, which servers pass over */
    put_server_name(&extensions, "a.example");
    put_hello(&message, &extensions);
    put(&wire, alert, sizeof alert);
    put_records(&wire, &message, 100);
    assert_int_equal(take(wire.data, wire.count), SERVER_NAME_FOUND);

    begin(); /* two of them */
    put_server_name(&extensions, "a.example");
    put_server_name(&extensions, "b.example");
    put_hello(&message, &extensions);
    put_records(&wire, &message, 100);
    assert_int_equal(take(wire.data, wire.count), SERVER_NAME_FOUND);
    assert_int_equal(told.count, 2);
    assert_string_equal(told.names[1], "b.example");
}

static void test_hello_bad(void **state)
{
    size_t wrong = 0;

    (void)state;
    begin(); /* lengths that lie, wherever they are */
    put_server_name(&extensions, "a.example");
    put_hello(&message, &extensions);
    put_records(&wire, &message, 16000);
    for (size_t i = 5; i < wire.count; i++) {
        uint8_t was = wire.data[i];

        wire.data[i] = 0xff;
        wrong += take(wire.data, wire.count) == SERVER_NAME_BAD;
        wire.data[i] = was;
    }
    assert_true(wrong > 10);

    begin(); /* a control character in it */
    put_server_name(&extensions, "a\x1b[31m.example");
    put_hello(&message, &extensions);
    put_records(&wire, &message, 100);
    assert_int_equal(take(wire.data, wire.count), SERVER_NAME_BAD);

    begin(); /* behind more than is looked at */
    grease.count = 0;
    put_zeros(&grease, SERVER_NAME_BYTES_MAX);
    put_extension(&extensions, 21, &grease);
    put_server_name(&extensions, "a.example");
    put_hello(&message, &extensions);
    put_records(&wire, &message, 16000);
    assert_int_equal(take(wire.data, wire.count), SERVER_NAME_BAD);
    assert_int_equal(take(wire.data, SERVER_NAME_BYTES_MAX), SERVER_NAME_MORE);
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

static void test_request(void **state)
{
    (void)state;
    assert_found("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example");
    assert_found("GET / HTTP/1.1\nAccept: */*\nhOST:\tA.Example.:8080 \n\n", "a.example");
    assert_found("\r\n\nPOST /x?y HTTP/1.0\r\nHost : a.example\r\n\r\n", "a.example");
    assert_found("GET /a b HTTP/1.1 \r\nHost:\r\n a.example\r\n\r\n", "a.example");
    assert_found("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", "2001:db8::1");
    assert_found("GET http://u:p@a.example:81/x HTTP/1.1\r\n\r\n", "a.example");
    assert_found("GET http://a.example\r\n\r\n", "a.example");
    assert_found("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n", "a.example");
    /* blanks that some servers take where others take one space (RFC 9112 3) */
    assert_found(" GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example");
    assert_found("\r\n\t \v\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example");
    assert_found("GET\v/\fHTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example");
    assert_found("GET\r/\rHTTP/1.1\nHost: a.example\n\n", "a.example");
    assert_found(" GET http://a.example\fHTTP/1.1\r\n\r\n", "a.example");
    assert_found("\vCONNECT\ta.example:443\vHTTP/1.1\r\n\r\n", "a.example");
    /* of no form that there is */
    assert_found("GET a HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example");
    assert_found("GET ?a HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example");
    assert_found("GET http:/a HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example");
    assert_found("GET a-path-longer-than-schemes HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example");
    assert_found("CONNECT /a HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example");
    assert_found("A-METHOD-LONGER-THAN-ANY-THAT-IS-REGISTERED-ANYWHERE / HTTP/1.1\r\n"
                 "Host: a.example\r\n\r\n",
                 "a.example");
    assert_int_equal(take_text("GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n"),
                     SERVER_NAME_FOUND);
    assert_int_equal(told.count, 2);
    assert_string_equal(told.names[0], "b.example");
    assert_int_equal(
        take_text("GET / HTTP/1.1\r\nHost: a.example\r\nX: y\r\nHost: b.example\r\n\r\n"),
        SERVER_NAME_FOUND);
    assert_int_equal(told.count, 2);
    assert_int_equal(take_text("GET / HTTP/1.1\r\nHost: a.example\r\n"), SERVER_NAME_MORE);
    assert_int_equal(server_name_end(&told), SERVER_NAME_FOUND);
    assert_int_equal(take_text("GET / HTTP/1.1\r\nHost: b.exam"), SERVER_NAME_MORE);
    assert_int_equal(server_name_end(&told), SERVER_NAME_FOUND);
    assert_string_equal(told.names[0], "b.exam");
}

static void assert_both(const char *request)
{
    assert_int_equal(take_text(request), SERVER_NAME_FOUND);
    assert_int_equal(told.count, 2);
}

/* Out of shape, and what servers are seen to do with it. */
static void test_request_odd(void **state)
{
    (void)state;
    /* nginx: a scheme of any length */
    assert_both("GET a-scheme-longer-than-any-there-is://b.example/ HTTP/1.1\r\n"
                "Host: a.example\r\n\r\n");
    /* Node, Python: a Host though there is no version */
    assert_found("GET /\r\nHost: b.example\r\n\r\n", "b.example");
    assert_found("GET *\nX: y\n z\nHost : b.example\n\n", "b.example");
    assert_both("GET http://a.example/\r\nHost: b.example\r\n\r\n");
    assert_both("GET /\r\nHost: a.example\r\nHost: b.example\r\nno field\r\n");
    assert_int_equal(take_text("GET /\r\nHost: b.example"), SERVER_NAME_MORE);
    assert_int_equal(server_name_end(&told), SERVER_NAME_FOUND);
    /* Python: words between any of its blanks */
    assert_found("GET\xa0/\xa0HTTP/1.1\r\nHost: b.example\r\n\r\n", "b.example");
    assert_found("\x85GET\x1c/\x1fHTTP/1.1\r\nHost: b.example\r\n\r\n", "b.example");
    /* Python: lines that end in CR; others go on behind it */
    assert_both("GET / HTTP/1.1\r\nX: y\rHost: b.example\r\nHost: a.example\r\n\r\n");
    assert_both("GET / HTTP/1.1\r\nHost: b.example\rHost: a.example\r\n\r\n");
    assert_both("GET / HTTP/1.1\r\nX\rHost: b.example\r\r\nHost: a.example\r\n\r\n");
    assert_both("GET / HTTP/1.1\r\nX: y\r\r\rHost: b.example\n\rHost: a.example\r\n\r\n");
    assert_found("GET / HTTP/1.1\r\nX: y\r\r\nHost: b.example\r\n\r\n", "b.example");
    assert_found("GET / HTTP/1.1\r\nHost:\r b.example\r\n\r\n", "b.example");
    /* a first field line with blanks before it */
    assert_found("GET / HTTP/1.1\r\n Host: b.example\r\n\r\n", "b.example");
}

static void test_request_without(void **state)
{
    (void)state;
    assert_int_equal(take_text("GET / HTTP/1.0\r\n\r\n"), SERVER_NAME_NONE);
    assert_int_equal(take_text("GET / HTTP/1.1\r\nHost:\r\n\r\n"), SERVER_NAME_NONE);
    assert_int_equal(take_text("GET /\r\n"), SERVER_NAME_MORE);
    assert_int_equal(server_name_end(&told), SERVER_NAME_NONE);
    assert_int_equal(take_text("GET /\r\n\r\n"), SERVER_NAME_NONE);
    assert_int_equal(take_text("GET /\r\nX: y\r\n\r\n"), SERVER_NAME_NONE);
    assert_int_equal(take_text("GET / HTTP/1.1\r\nX-Host: b\r\nHostess: c\r\n\r\n"),
                     SERVER_NAME_NONE);
    assert_int_equal(take_text("PRI * HTTP/2.0\r\n\r\n"), SERVER_NAME_NONE);
    assert_int_equal(take_text("GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n"), SERVER_NAME_BAD);
    assert_int_equal(take_text("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nHost: c\r\nHost: d\r\n"
                               "Host: e\r\n\r\n"),
                     SERVER_NAME_BAD);
    begin();
    put(&wire, "GET / HTTP/1.1\r\nX: ", 19);
    put_zeros(&wire, SERVER_NAME_BYTES_MAX);
    assert_int_equal(take(wire.data, wire.count), SERVER_NAME_BAD);
    wire.count = 25;
    put_zeros(&wire, 10);
    memcpy(wire.data, "GET / HTTP/1.1\r\nHost: aaa", 25);
    memset(wire.data + 25, 'a', 400);
    assert_int_equal(take(wire.data, 425), SERVER_NAME_BAD);
}

/* What may go out before it is known: the part of a first line, while it has no name. */
static void test_passing(void **state)
{
    static const uint8_t hello[] = {22, 3, 1, 0, 100, 1};

    (void)state;
    assert_int_equal(take_text("GET /a HTTP/1.1"), SERVER_NAME_MORE);
    assert_true(server_name_may_pass(&told));
    assert_int_equal(take_text("GET /a HTTP/1.1\n"), SERVER_NAME_MORE);
    assert_false(server_name_may_pass(&told));
    assert_int_equal(take_text("SET key v"), SERVER_NAME_MORE);
    assert_true(server_name_may_pass(&told));
    assert_int_equal(take_text("GET http:"), SERVER_NAME_MORE);
    assert_true(server_name_may_pass(&told));
    assert_int_equal(take_text("GET http://b.example"), SERVER_NAME_MORE);
    assert_false(server_name_may_pass(&told));
    assert_int_equal(take_text("GET http://b.example/ HTTP"), SERVER_NAME_MORE);
    assert_false(server_name_may_pass(&told));
    assert_int_equal(take_text("CWD /a\r\nX"), SERVER_NAME_MORE);
    assert_true(server_name_may_pass(&told));
    assert_int_equal(take_text("GET /a\r\nHost: b.example\r\nX"), SERVER_NAME_MORE);
    assert_false(server_name_may_pass(&told));
    assert_int_equal(take(hello, sizeof hello), SERVER_NAME_MORE);
    assert_false(server_name_may_pass(&told));
}

/* What is neither is told apart at a byte that comes before anything is waited for. */
static void test_others(void **state)
{
    static const char *const others[] = {
        "EHLO mail.example\r\n",
        "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
        "USER anonymous\r\n",
        "a001 CAPABILITY\r\n",
        "*1\r\n",
        "PING\r\n",
        "SET key v\r\n",
        "INVITE sip:a@b.example SIP/2.0\r\n",
        "CWD /a\r\nPASV\r\n",
        "cat /a\nGET user:1\n",
        "set k 0 0 5\r\n",
        "CONNECT {\"verbose\":false}\r\n",
        "CONNECT\n",
        "CONNECT [::1]:443 H.TTP/1.1\r\n",
        "{\"jsonrpc\":",
        "hello",
    };
    static const uint8_t postgres[] = {0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f};
    static const uint8_t old_hello[] = {0x80, 0x2e, 1, 0, 2};
    static const uint8_t no_record[] = {22, 4};
    static const uint8_t other_message[] = {22, 3, 1, 0, 4, 2};

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0] - 1; i++) {
        assert_int_equal(take_text(others[i]), SERVER_NAME_NONE);
        assert_int_equal(told.count, 0);
    }
    assert_int_equal(take(postgres, sizeof postgres), SERVER_NAME_NONE);
    assert_int_equal(take(old_hello, sizeof old_hello), SERVER_NAME_NONE);
    assert_int_equal(take(no_record, sizeof no_record), SERVER_NAME_NONE);
    assert_int_equal(take(other_message, sizeof other_message), SERVER_NAME_NONE);
    assert_int_equal(take_text("hello"), SERVER_NAME_MORE); /* may be a method, and goes out */
    assert_true(server_name_may_pass(&told));
    assert_int_equal(server_name_end(&told), SERVER_NAME_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),           cmocka_unit_test(test_hello_without),
        cmocka_unit_test(test_hello_bad),       cmocka_unit_test(test_request),
        cmocka_unit_test(test_request_without), cmocka_unit_test(test_passing),
        cmocka_unit_test(test_others),          cmocka_unit_test(test_request_odd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
