/* SPDX-License-Identifier: MIT */
/* Text on a SYN without a cookie, for a server on the link (RFC 7413), segment by segment. */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void cookieless(struct berth_config *config)
{
    config->tcp.timestamps = false;
    config->tcp.fast_open_no_cookie = true;
    config->tcp.quick_ack_ns = 5 * NS_PER_MS;
}

static void no_cookie_is_needed_on_the_link(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, cookieless);
    talk_connect_with(&talk, 1500); /* more than fits: 1460 less 12 of options */
    talk_out(&talk, "S 0+1448 fo no");
    talk_in(&talk, "S. 0 ack 1449 win 5000 mss 1460");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_out(&talk, "P. 1449+52 ack 1");
    talk_in(&talk, ". 1 ack 1501");
    assert_int_equal(talk_info(&talk).bytes_acked, 1500);
    talk_end(&talk);
    talk_begin(&talk, cookieless);
    talk_connect_with(&talk, 50);
    talk_out(&talk, "S 0+50 fo no");
    talk_in(&talk, "S. 0 ack 51 win 5000 mss 1460");
    talk_silent(&talk); /* the answer is near */
    talk_in(&talk, "P. 1+10 ack 51");
    talk_in(&talk, "F. 11 ack 51");
    talk_silent(&talk);
    talk_read(&talk, 0, 10);
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    talk_wait_ms(&talk, 0);
    talk_out(&talk, "F. 51 ack 12"); /* the second segment of two in all */
    talk_end(&talk);
}

static void what_no_cookie_brings_there_goes_again(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, cookieless);
    for (unsigned i = 0; i < 2; i++) { /* each time: nothing is remembered of the server */
        talk_connect_with(&talk, 50);
        talk_out(&talk, "S 0+50 fo no");
        talk_in(&talk, "S. 0 ack 1 win 5000 mss 1460");
        talk_out(&talk, "P. 1+50 ack 1");
        assert_int_equal(berth_tcp_abort(talk.berth, talk.id), 0);
        talk_wait_ms(&talk, 0);
        talk_forget(&talk);
        talk.port++;
    }
    talk_connect_with(&talk, 50);
    talk_out(&talk, "S 0+50 fo no");
    talk_wait_out_ms(&talk, 2000);
    talk_out(&talk, "S 0+0 fo no");
    talk_in(&talk, "R. 0 ack 1"); /* refused */
    assert_int_equal(talk_info(&talk).error, BERTH_E_REFUSED);
    talk.port++;
    talk_connect_with(&talk, 0);
    talk_out(&talk, "S 0+0 fo no");
    talk_in(&talk, "S. 0 ack 1 win 5000 mss 1460");
    talk_out(&talk, ". 1 ack 1"); /* it waits for this one */
    talk_end(&talk);
}

/* The server has taken some of it, the writer has ended early: the rest goes with the FIN. */
static void part_is_taken(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, cookieless);
    talk_connect_with(&talk, 50);
    assert_int_equal(berth_tcp_shutdown(talk.berth, talk.id), 0);
    talk_out(&talk, "S 0+50 fo no");
    talk_wait_ms(&talk, 0);
    talk_silent(&talk); /* the FIN waits for the handshake */
    talk_in(&talk, "S. 0 ack 52 win 5000 mss 1460");
    talk_out(&talk, "R 52"); /* more than there was */
    talk_in(&talk, "S. 0 ack 21 win 5000 mss 1460");
    talk_out(&talk, "PF. 21+30 ack 1");
    assert_int_equal(talk_info(&talk).bytes_acked, 20);
    talk_in(&talk, "F. 1 ack 52");
    talk_out(&talk, ". 52 ack 2");
    assert_int_equal(talk_info(&talk).bytes_acked, 50);
    talk_end(&talk);
    talk_begin(&talk, cookieless);
    talk_connect_with(&talk, 50);
    talk_out(&talk, "S 0+50 fo no");
    talk_in(&talk, "R. 0 ack 51"); /* nobody listens: acknowledged, and had by nobody */
    assert_int_equal(talk_info(&talk).error, BERTH_E_REFUSED);
    assert_int_equal(talk_info(&talk).bytes_acked, 0);
    talk_end(&talk);
}

static void with_accecn(struct berth_config *config)
{
    cookieless(config);
    config->tcp.ecn = BERTH_TCP_ACCECN;
}

/* What the ACK of the SYN,ACK says of it, no data says: then it does not wait for any. */
static void the_answer_goes_before_data(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_accecn);
    talk_connect_with(&talk, 50);
    talk_out(&talk, "SACE 0+50 fo no");
    talk_write(&talk, 30);
    talk_silent(&talk);
    talk_in(&talk, "SC. 0 ack 51 win 5000 mss 1460");
    talk_out(&talk, "C. 51 ack 1");
    talk_out(&talk, "PAE. 51+30 ack 1");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 7413 4.2.2: no cookie is needed on the link", no_cookie_is_needed_on_the_link, NULL,
         NULL, NULL},
        {"RFC 7413 4.2.2: what the SYN does not bring there goes again",
         what_no_cookie_brings_there_goes_again, NULL, NULL, NULL},
        {"RFC 7413 4.2.2: what is not taken goes with the FIN", part_is_taken, NULL, NULL, NULL},
        {"RFC 9768 3.2.2.1: the answer goes before data", the_answer_goes_before_data, NULL, NULL,
         NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
