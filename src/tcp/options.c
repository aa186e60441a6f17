/* SPDX-License-Identifier: MIT */
/*
 * Setting and asking what an owner may change: a table of the options' places and ranges, records
 * that are copied when they change, and what a change does to a connection that exists already.
 */
#include "tcp/parts.h"

#define DAY_NS (24 * 3600 * NS_PER_S)

#define QUEUE_BYTES_MIN 2048
#define QUEUE_BYTES_MAX ((uint64_t)1 << 30)

/* Where an option lies in struct tcp_options, and its range; besides, 0 or BERTH_NEVER. */
struct place {
    size_t offset;
    size_t bytes;
    uint64_t least;
    uint64_t most;
    bool zero;
    bool never;
};

#define PLACE(member, ...)                                                                        \
    {                                                                                             \
        offsetof(struct tcp_options, member), sizeof((struct tcp_options){0}.member), __VA_ARGS__ \
    }

static const struct place places[] = {
    [BERTH_TCP_NO_DELAY] = PLACE(no_delay, 0, 1, false, false),
    [BERTH_TCP_QUICK_ACK] = PLACE(quick_ack, 0, 1, false, false),
    [BERTH_TCP_KEEPALIVE] = PLACE(keepalive, 0, 1, false, false),
    [BERTH_TCP_KEEPALIVE_IDLE_NS] = PLACE(keepalive_idle_ns, NS_PER_S, 30 * DAY_NS, false, false),
    [BERTH_TCP_KEEPALIVE_INTERVAL_NS] =
        PLACE(keepalive_interval_ns, NS_PER_S, DAY_NS, false, false),
    [BERTH_TCP_KEEPALIVE_PROBES] = PLACE(keepalive_probes, 1, 255, false, false),
    [BERTH_TCP_USER_TIMEOUT_NS] = PLACE(user_timeout_ns, NS_PER_MS, 30 * DAY_NS, true, true),
    [BERTH_TCP_RECEIVE_BYTES] =
        PLACE(receive_bytes, QUEUE_BYTES_MIN, QUEUE_BYTES_MAX, false, false),
    [BERTH_TCP_SEND_BYTES] = PLACE(send_bytes, QUEUE_BYTES_MIN, QUEUE_BYTES_MAX, false, false),
    [BERTH_TCP_DSCP] = PLACE(dscp, 0, 63, false, false),
    [BERTH_TCP_HOP_LIMIT] = PLACE(hop_limit, 1, 255, false, false),
    [BERTH_TCP_CORK] = PLACE(cork, 0, 1, false, false),
    [BERTH_TCP_MSS_BYTES] = PLACE(mss_bytes, 64, 65495, true, false),
    [BERTH_TCP_UNSENT_BYTES] = PLACE(unsent_bytes, 0, QUEUE_BYTES_MAX, false, false),
    [BERTH_TCP_WINDOW_BYTES] = PLACE(window_bytes, QUEUE_BYTES_MIN, QUEUE_BYTES_MAX, true, false),
    [BERTH_TCP_SYN_RETRIES] = PLACE(syn_retries, 0, 30, false, false),
    [BERTH_TCP_FIN_WAIT2_NS] = PLACE(fin_wait2_ns, 0, DAY_NS, false, false),
    [BERTH_TCP_TIMEOUT_OPTION] = PLACE(timeout_option, 0, 1, false, false),
    [BERTH_TCP_TIMEOUT_ADVERTISED_NS] = PLACE(advertised_ns, NS_PER_S, 30 * DAY_NS, true, false),
    [BERTH_TCP_TIMEOUT_CHANGEABLE] = PLACE(timeout_changeable, 0, 1, false, false),
    [BERTH_TCP_LINGER_NS] = PLACE(linger_ns, 0, DAY_NS, false, true),
    [BERTH_TCP_FAST_OPEN] = PLACE(fast_open, 0, 1, false, false),
    [BERTH_TCP_FAST_OPEN_NO_COOKIE] = PLACE(fast_open_no_cookie, 0, 1, false, false),
    [BERTH_TCP_FAST_OPEN_PENDING] = PLACE(fast_open_pending, 0, 65535, false, false),
    [BERTH_TCP_SYN_QUEUE] = PLACE(syn_queue, 0, 1U << 24, false, false),
};

static const struct place *place_of(enum berth_tcp_option option)
{
    return (unsigned)option < sizeof places / sizeof *places ? &places[option] : NULL;
}

static bool is_in_range(const struct place *place, uint64_t value)
{
    return (value >= place->least && value <= place->most) || (value == 0 && place->zero) ||
           (value == BERTH_NEVER && place->never);
}

static void store(struct tcp_options *options, const struct place *place, uint64_t value)
{
    memcpy((uint8_t *)options + place->offset, &value, place->bytes); /* little-endian */
}

static uint64_t load(const struct tcp_options *options, const struct place *place)
{
    uint64_t value = 0;
    memcpy(&value, (const uint8_t *)options + place->offset, place->bytes);
    return value;
}

/* ---- Records -------------------------------------------------------------------------------- */

void tcp_options_init(struct tcp_options *options, const struct berth_tcp_settings *settings)
{
    *options = (struct tcp_options){.user_timeout_ns = settings->user_timeout_ns,
                                    .keepalive_idle_ns = settings->keepalive_idle_ns,
                                    .keepalive_interval_ns = settings->keepalive_interval_ns,
                                    .fin_wait2_ns = settings->fin_wait2_ns,
                                    .linger_ns = BERTH_NEVER,
                                    .receive_bytes = settings->receive_bytes_max,
                                    .send_bytes = settings->send_bytes_max,
                                    .keepalive_probes = (uint8_t)settings->keepalive_probes,
                                    .syn_retries = (uint8_t)settings->syn_retries,
                                    .dscp = settings->dscp,
                                    .hop_limit = settings->hop_limit,
                                    .no_delay = settings->no_delay,
                                    .quick_ack = settings->quick_ack,
                                    .keepalive = settings->keepalive,
                                    .fast_open = settings->fast_open,
                                    .fast_open_no_cookie = settings->fast_open_no_cookie,
                                    .fast_open_pending = settings->fast_open_pending,
                                    .syn_queue = settings->syn_queue,
                                    .timeout_option = settings->timeout_option,
                                    .timeout_changeable = true,
                                    .cc = cc_find(settings->congestion_control)};
}

/* The record that may be changed; NULL: OPTIONS is the stack's own. */
static struct tcp_options *record_of(const struct tcp *tcp, const struct tcp_options *options)
{
    if (options == NULL || options == &tcp->defaults) {
        return NULL;
    }
    return pool_at(&tcp->options, pool_index(&tcp->options, options));
}

void tcp_options_release(struct tcp *tcp, const struct tcp_options **options)
{
    struct tcp_options *record = record_of(tcp, *options);
    *options = NULL;
    if (record != NULL && --record->users == 0) {
        pool_give(&tcp->options, record);
    }
}

/* *OPTIONS as a record that nobody else uses. */
struct tcp_options *tcp_options_own(struct tcp *tcp, const struct tcp_options **options)
{
    struct tcp_options *record = record_of(tcp, *options);
    if (record != NULL && record->users == 1) {
        return record;
    }
    struct tcp_options *copy = pool_take(&tcp->options);
    BERTH_CHECK(copy != NULL && *options != NULL); /* there is one for each */
    *copy = **options;
    copy->users = 1;
    tcp_options_release(tcp, options);
    *options = copy;
    return copy;
}

static void set_flag(struct tcp_conn *conn, uint32_t flag, bool on)
{
    if (on) {
        conn_set(conn, flag);
    } else {
        conn_clear(conn, flag);
    }
}

/* CONN, new, begins with OPTIONS. */
void tcp_options_inherit(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_options *options)
{
    struct tcp_options *record = record_of(tcp, options);
    if (record != NULL) {
        record->users++;
    }
    tcp_options_release(tcp, &conn->back->options);
    conn->back->options = options;
    conn->work->cc.table = options->cc;
    conn->back->dscp = options->dscp;
    conn->back->hop_limit = options->hop_limit;
    conn->back->corked = options->cork;
    set_flag(conn, CONN_NO_DELAY, options->no_delay);
    set_flag(conn, CONN_QUICK_ACK, options->quick_ack);
    set_flag(conn, CONN_KEEPALIVE, options->keepalive);
}

/* ---- Setting -------------------------------------------------------------------------------- */

/* OPTION of *OPTIONS becomes VALUE, which is in range. */
static void change(struct tcp *tcp, const struct tcp_options **options,
                   enum berth_tcp_option option, uint64_t value)
{
    struct tcp_options *record = tcp_options_own(tcp, options);
    if (option == BERTH_TCP_USER_TIMEOUT_NS) {
        record->timeout_changeable = value == 0; /* RFC 5482 3 */
        value = value == 0 ? tcp->settings.user_timeout_ns : value;
    }
    store(record, &places[option], value);
    record->receive_fixed = record->receive_fixed || option == BERTH_TCP_RECEIVE_BYTES;
    record->send_fixed = record->send_fixed || option == BERTH_TCP_SEND_BYTES;
}

/* The options that the connection itself has. false: OPTION is none of them. */
static bool set_live(struct tcp *tcp, struct tcp_conn *conn, enum berth_tcp_option option,
                     uint64_t value)
{
    bool on = value != 0;
    if (option == BERTH_TCP_NO_DELAY) {
        set_flag(conn, CONN_NO_DELAY, on);
    } else if (option == BERTH_TCP_QUICK_ACK) {
        set_flag(conn, CONN_QUICK_ACK, on);
        conn->quick_acks = 0; /* the owner has said it: no more of them because it is new */
        set_flag(conn, CONN_ACK_NOW,
                 conn_has(conn, CONN_ACK_NOW) || (on && conn_has(conn, CONN_ACK_DELAYED)));
    } else if (option == BERTH_TCP_CORK) {
        conn->back->corked = on;
    } else if (option == BERTH_TCP_KEEPALIVE) {
        set_flag(conn, CONN_KEEPALIVE, on);
        tcp_timer_idle(tcp, conn);
    } else if (option == BERTH_TCP_DSCP) {
        conn->back->dscp = (uint8_t)value;
    } else if (option == BERTH_TCP_HOP_LIMIT) {
        conn->back->hop_limit = (uint8_t)value;
    } else {
        return false;
    }
    if (conn_is_synchronised(conn)) {
        tcp_conn_ready(tcp, conn); /* what was held back may go, the ACK owed too */
    }
    return true;
}

/* No SYN of ours has left yet. */
static bool is_unannounced(const struct tcp_conn *conn)
{
    bool opening = conn->state == BERTH_TCP_SYN_SENT || conn->state == BERTH_TCP_SYN_RECEIVED;
    return conn->state == BERTH_TCP_LISTEN || (opening && conn->probes == 0);
}

/* Does a SYN tell of OPTION? */
static bool is_announced(enum berth_tcp_option option)
{
    return option == BERTH_TCP_MSS_BYTES || option == BERTH_TCP_RECEIVE_BYTES ||
           option == BERTH_TCP_WINDOW_BYTES;
}

/* What a change of OPTION has to bring about at once. */
static void take_effect(struct tcp *tcp, struct tcp_conn *conn, enum berth_tcp_option option)
{
    if (is_announced(option) && is_unannounced(conn)) {
        tcp_open_limits(tcp, conn);
    }
    if (option == BERTH_TCP_KEEPALIVE_IDLE_NS || option == BERTH_TCP_KEEPALIVE_INTERVAL_NS) {
        tcp_timer_idle(tcp, conn);
    }
    if (option == BERTH_TCP_USER_TIMEOUT_NS || option == BERTH_TCP_TIMEOUT_OPTION ||
        option == BERTH_TCP_TIMEOUT_ADVERTISED_NS) {
        conn->back->timeout_now = true; /* with the next segment (RFC 5482 3) */
    }
    if (option == BERTH_TCP_SEND_BYTES || option == BERTH_TCP_UNSENT_BYTES) {
        tcp_sendq_wake(tcp, conn);
    }
    if (is_announced(option) && conn_is_synchronised(conn)) {
        tcp_offer_window(tcp, conn);
    }
}

int tcp_set(struct tcp *tcp, struct tcp_conn *conn, enum berth_tcp_option option, uint64_t value)
{
    const struct place *place = place_of(option);
    if (place == NULL || !is_in_range(place, value)) {
        return BERTH_E_INVALID;
    }
    bool announced = option == BERTH_TCP_MSS_BYTES || option == BERTH_TCP_FAST_OPEN ||
                     option == BERTH_TCP_FAST_OPEN_NO_COOKIE;
    if (announced && !is_unannounced(conn)) {
        return BERTH_E_STATE;
    }
    if (!set_live(tcp, conn, option, value)) {
        change(tcp, &conn->back->options, option, value);
        take_effect(tcp, conn, option);
    }
    return 0;
}

int tcp_listener_set(struct tcp *tcp, struct tcp_listener *listener, enum berth_tcp_option option,
                     uint64_t value)
{
    const struct place *place = place_of(option);
    if (place == NULL || !is_in_range(place, value)) {
        return BERTH_E_INVALID;
    }
    if (is_announced(option) && listener->announced) {
        return BERTH_E_STATE;
    }
    change(tcp, &listener->options, option, value);
    return 0;
}

int tcp_set_congestion_control(struct tcp *tcp, struct tcp_conn *conn, const char *name)
{
    const struct cc_table *table = cc_find(name);
    if (table == NULL) {
        return BERTH_E_INVALID;
    }
    if (conn->state == BERTH_TCP_CLOSED) {
        return 0; /* nothing leaves any more */
    }
    (void)tcp_work_need(tcp, conn);
    if (conn->work->cc.mss == 0) {
        conn->work->cc.table = table; /* not established: tcp_establish starts it */
    } else if (conn->work->cc.table != table) {
        tcp_control(tcp, conn, table, 0);
        tcp_conn_ready(tcp, conn); /* what waited for its pace may go now */
    }
    return 0;
}

int tcp_listener_set_congestion_control(struct tcp *tcp, struct tcp_listener *listener,
                                        const char *name)
{
    const struct cc_table *table = cc_find(name);
    if (table == NULL) {
        return BERTH_E_INVALID;
    }
    tcp_options_own(tcp, &listener->options)->cc = table;
    return 0;
}

/* ---- Asking --------------------------------------------------------------------------------- */

int tcp_get(const struct tcp *tcp, const struct tcp_conn *conn, enum berth_tcp_option option,
            uint64_t *value)
{
    const struct place *place = place_of(option);
    if (place == NULL) {
        return BERTH_E_INVALID;
    }
    struct tcp_options now = *conn->back->options;
    now.no_delay = conn_has(conn, CONN_NO_DELAY);
    now.quick_ack = conn_has(conn, CONN_QUICK_ACK);
    now.keepalive = conn_has(conn, CONN_KEEPALIVE);
    now.cork = conn->back->corked;
    now.receive_bytes = tcp_receive_limit(tcp, conn);
    now.send_bytes = tcp_send_limit(tcp, conn);
    now.dscp = conn->back->dscp;
    now.hop_limit = conn->back->hop_limit;
    *value = load(&now, place);
    return 0;
}

int tcp_listener_get(const struct tcp_listener *listener, enum berth_tcp_option option,
                     uint64_t *value)
{
    const struct place *place = place_of(option);
    if (place == NULL) {
        return BERTH_E_INVALID;
    }
    *value = load(listener->options, place);
    return 0;
}
