/* SPDX-License-Identifier: MIT */
/*
 * getsockopt and setsockopt, by a table: what people set on Linux. A row's value is kept per
 * socket. Where the stack has such an option the value is handed on: to the connection or listener
 * that there is, or to the one that will be.
 */
#include "adapter.h"

#include <linux/errqueue.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif
#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif
#ifndef TCP_INQ
#define TCP_INQ 36
#endif
#ifndef TCP_TX_DELAY
#define TCP_TX_DELAY 37
#endif
#ifndef SO_MAX_PACING_RATE
#define SO_MAX_PACING_RATE 47
#endif
#ifndef SO_INCOMING_CPU
#define SO_INCOMING_CPU 49
#endif
#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif

enum shape {
    NUMBER,
    SWITCH,  /* any number but 0 is 1 */
    CLAMPED, /* what is out of range becomes the end of the range */
    DOUBLED, /* CLAMPED, and kept twice as large, as Linux accounts */
    FIXED    /* cannot be set */
};

#define KEPT 0 /* nothing in the stack for it */

struct row {
    int level;
    int name;
    enum shape shape;
    int least;
    int most;
    int initial;
    int stack;       /* enum berth_tcp_option + 1, or KEPT */
    uint64_t factor; /* of a value handed on */
};

#define HANDED(option) ((int)(option) + 1)

static const struct row rows[] = {
    {SOL_SOCKET, SO_REUSEADDR, SWITCH, 0, 1, 0, KEPT, 1},
    {SOL_SOCKET, SO_REUSEPORT, SWITCH, 0, 1, 0, KEPT, 1},
    {SOL_SOCKET, SO_KEEPALIVE, SWITCH, 0, 1, 0, HANDED(BERTH_TCP_KEEPALIVE), 1},
    {SOL_SOCKET, SO_OOBINLINE, SWITCH, 0, 1, 0, KEPT, 1},
    {SOL_SOCKET, SO_BROADCAST, SWITCH, 0, 1, 0, KEPT, 1},
    {SOL_SOCKET, SO_DONTROUTE, SWITCH, 0, 1, 0, KEPT, 1},
    {SOL_SOCKET, SO_TIMESTAMP, SWITCH, 0, 1, 0, KEPT, 1},
    {SOL_SOCKET, SO_TIMESTAMPNS, SWITCH, 0, 1, 0, KEPT, 1},
    {SOL_SOCKET, SO_TIMESTAMPING, NUMBER, 0, INT32_MAX, 0, KEPT, 1},
    {SOL_SOCKET, SO_ZEROCOPY, SWITCH, 0, 1, 0, KEPT, 1},
    {SOL_SOCKET, SO_NO_CHECK, SWITCH, 0, 1, 0, KEPT, 1},
    {SOL_SOCKET, SO_PRIORITY, NUMBER, 0, 6, 0, KEPT, 1},
    {SOL_SOCKET, SO_MARK, NUMBER, INT32_MIN, INT32_MAX, 0, KEPT, 1},
    {SOL_SOCKET, SO_BUSY_POLL, NUMBER, 0, INT32_MAX, 0, KEPT, 1},
    {SOL_SOCKET, SO_MAX_PACING_RATE, NUMBER, INT32_MIN, INT32_MAX, -1, KEPT, 1},
    {SOL_SOCKET, SO_INCOMING_CPU, NUMBER, INT32_MIN, INT32_MAX, -1, KEPT, 1},
    {SOL_SOCKET, SO_RCVLOWAT, CLAMPED, 1, INT32_MAX, 1, KEPT, 1},
    {SOL_SOCKET, SO_SNDLOWAT, FIXED, 1, 1, 1, KEPT, 1},
    {SOL_SOCKET, SO_RCVBUF, DOUBLED, 1152, 1 << 29, 131072, HANDED(BERTH_TCP_RECEIVE_BYTES), 1},
    {SOL_SOCKET, SO_SNDBUF, DOUBLED, 2304, 1 << 29, 4194304, HANDED(BERTH_TCP_SEND_BYTES), 1},
    {SOL_SOCKET, SO_RCVBUFFORCE, DOUBLED, 1152, 1 << 29, 131072, KEPT, 1},
    {SOL_SOCKET, SO_SNDBUFFORCE, DOUBLED, 2304, 1 << 29, 4194304, KEPT, 1},

    {IPPROTO_TCP, TCP_NODELAY, SWITCH, 0, 1, 0, HANDED(BERTH_TCP_NO_DELAY), 1},
    {IPPROTO_TCP, TCP_QUICKACK, SWITCH, 0, 1, 1, HANDED(BERTH_TCP_QUICK_ACK), 1},
    {IPPROTO_TCP, TCP_KEEPIDLE, NUMBER, 1, 32767, 7200, HANDED(BERTH_TCP_KEEPALIVE_IDLE_NS),
     NS_PER_S},
    {IPPROTO_TCP, TCP_KEEPINTVL, NUMBER, 1, 32767, 75, HANDED(BERTH_TCP_KEEPALIVE_INTERVAL_NS),
     NS_PER_S},
    {IPPROTO_TCP, TCP_KEEPCNT, NUMBER, 1, 127, 9, HANDED(BERTH_TCP_KEEPALIVE_PROBES), 1},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, NUMBER, 0, INT32_MAX, 0, HANDED(BERTH_TCP_USER_TIMEOUT_NS),
     NS_PER_MS},
    {IPPROTO_TCP, TCP_CORK, SWITCH, 0, 1, 0, HANDED(BERTH_TCP_CORK), 1},
    {IPPROTO_TCP, TCP_MAXSEG, NUMBER, 88, 32767, 536, HANDED(BERTH_TCP_MSS_BYTES), 1},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, NUMBER, INT32_MIN, INT32_MAX, 0,
     HANDED(BERTH_TCP_UNSENT_BYTES), 1},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP, CLAMPED, 0, INT32_MAX, 0, HANDED(BERTH_TCP_WINDOW_BYTES), 1},
    {IPPROTO_TCP, TCP_SYNCNT, NUMBER, 1, 127, 6, HANDED(BERTH_TCP_SYN_RETRIES), 1},
    {IPPROTO_TCP, TCP_LINGER2, CLAMPED, -1, 120, 60, HANDED(BERTH_TCP_FIN_WAIT2_NS), NS_PER_S},
    {IPPROTO_TCP, TCP_FASTOPEN, CLAMPED, 0, 4096, 0, HANDED(BERTH_TCP_FAST_OPEN_PENDING), 1},
    {IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, SWITCH, 0, 1, 0, HANDED(BERTH_TCP_FAST_OPEN_NO_COOKIE),
     1},
    {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_TCP, TCP_THIN_DUPACK, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_TCP, TCP_SAVE_SYN, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_TCP, TCP_TIMESTAMP, NUMBER, INT32_MIN, INT32_MAX, 0, KEPT, 1},
    {IPPROTO_TCP, TCP_INQ, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_TCP, TCP_TX_DELAY, NUMBER, 0, INT32_MAX, 0, KEPT, 1},

    {IPPROTO_IP, IP_TOS, NUMBER, 0, 255, 0, HANDED(BERTH_TCP_DSCP), 1},
    {IPPROTO_IP, IP_TTL, NUMBER, 1, 255, 64, HANDED(BERTH_TCP_HOP_LIMIT), 1},
    {IPPROTO_IP, IP_RECVERR, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_IP, IP_RECVTOS, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_IP, IP_RECVTTL, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_IP, IP_PKTINFO, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_IP, IP_FREEBIND, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_IP, IP_TRANSPARENT, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_IP, IP_LOCAL_PORT_RANGE, NUMBER, INT32_MIN, INT32_MAX, 0, KEPT, 1},
    {IPPROTO_IP, IP_MINTTL, NUMBER, 0, 255, 0, KEPT, 1},
    {IPPROTO_IP, IP_MTU_DISCOVER, NUMBER, 0, 5, 1, KEPT, 1},

    {IPPROTO_IPV6, IPV6_TCLASS, NUMBER, 0, 255, 0, HANDED(BERTH_TCP_DSCP), 1},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, NUMBER, -1, 255, 64, HANDED(BERTH_TCP_HOP_LIMIT), 1},
    {IPPROTO_IPV6, IPV6_V6ONLY, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_IPV6, IPV6_RECVERR, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER, NUMBER, 0, 5, 1, KEPT, 1},
    {IPPROTO_IPV6, IPV6_DONTFRAG, SWITCH, 0, 1, 0, KEPT, 1},
    {IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, SWITCH, 0, 1, 1, KEPT, 1},
};
_Static_assert(sizeof rows / sizeof *rows <= OPTIONS_MAX, "a socket has room for all");

static const struct row *row_of(int level, int name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].level == level && rows[i].name == name) {
            return &rows[i];
        }
    }
    return NULL;
}

static int kept(const struct file *file, const struct row *row)
{
    size_t index = (size_t)(row - rows);
    return file->option_set[index] ? file->options[index] : row->initial;
}

int option_value(const struct file *file, int level, int name)
{
    const struct row *row = row_of(level, name);
    return row != NULL ? kept(file, row) : 0;
}

/* ---- To the stack --------------------------------------------------------------------------- */

static const int buffer_least = 2048; /* the stack's */

/* The value of ROW as the stack takes it. */
static uint64_t for_stack(const struct row *row, int value)
{
    if (row->name == IP_TOS && row->level == IPPROTO_IP) {
        return (uint64_t)value >> 2;
    }
    if (row->name == IPV6_TCLASS && row->level == IPPROTO_IPV6) {
        return (uint64_t)value >> 2;
    }
    if (row->name == IPV6_UNICAST_HOPS && row->level == IPPROTO_IPV6 && value < 1) {
        return 64;
    }
    if (row->name == SO_RCVBUF && row->level == SOL_SOCKET) {
        return value < 2 * buffer_least ? buffer_least : (uint64_t)value / 2; /* of payload */
    }
    if (row->name == SO_SNDBUF && row->level == SOL_SOCKET) {
        return value < buffer_least ? buffer_least : (uint64_t)value;
    }
    if (row->name == TCP_NOTSENT_LOWAT && row->level == IPPROTO_TCP && value < 0) {
        return 0; /* as good as none: beyond 2 GiB */
    }
    if (row->name == TCP_LINGER2 && row->level == IPPROTO_TCP && value < 1) {
        return value < 0 ? 1 : 60 * NS_PER_S;
    }
    return (uint64_t)value * row->factor;
}

/* What the stack does not take in this state (TCP_MAXSEG after the SYN) is kept all the same. */
static void hand_on(struct adapter *adapter, const struct file *file, const struct row *row)
{
    bool can =
        file->kind == FILE_TCP && file->stream.id != 0 && !file->stream.over && row->stack != KEPT;
    if (can) {
        (void)!berth_tcp_set(adapter->berth, file->stream.id,
                             (enum berth_tcp_option)(row->stack - 1),
                             for_stack(row, kept(file, row)));
    }
}

void options_apply(struct adapter *adapter, struct file *file)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (file->option_set[i]) {
            hand_on(adapter, file, &rows[i]);
        }
    }
    if (file->stream.id != 0 && file->congestion[0] != '\0') {
        (void)!berth_tcp_set_congestion_control(adapter->berth, file->stream.id, file->congestion);
    }
}

void options_inherit(struct file *file, const struct file *listener)
{
    memcpy(file->options, listener->options, sizeof file->options);
    memcpy(file->option_set, listener->option_set, sizeof file->option_set);
    memcpy(file->congestion, listener->congestion, sizeof file->congestion);
    memcpy(file->device, listener->device, sizeof file->device);
    file->linger = listener->linger;
    file->receive_timeout_ns = listener->receive_timeout_ns;
    file->send_timeout_ns = listener->send_timeout_ns;
}

/* ---- Those that are not numbers ------------------------------------------------------------- */

static int set_timeout(uint64_t *out, const struct option_call *call)
{
    struct timeval value;
    if (call->bytes < sizeof value) {
        return -EINVAL;
    }
    memcpy(&value, call->value, sizeof value);
    if (value.tv_usec < 0 || value.tv_usec >= 1000000) {
        return -EDOM;
    }
    *out = (uint64_t)value.tv_sec * NS_PER_S + (uint64_t)value.tv_usec * NS_PER_US;
    return 0;
}

static int set_text(char *out, size_t room, const struct option_call *call)
{
    size_t bytes = strnlen(call->value, call->bytes);
    if (bytes >= room) {
        return -EINVAL;
    }
    memset(out, 0, room);
    memcpy(out, call->value, bytes);
    return 0;
}

/* "reno" is what Linux calls it. */
static int set_congestion(struct adapter *adapter, struct file *file,
                          const struct option_call *call)
{
    char name[sizeof file->congestion] = "";
    struct berth_config probe = adapter->settings.config;
    int error = set_text(name, sizeof name, call);
    if (error == 0 && strcmp(name, "reno") == 0) {
        memcpy(name, "newreno", sizeof "newreno");
    }
    memcpy(probe.tcp.congestion_control, name, sizeof name);
    if (error != 0 || berth_config_check(&probe, NULL) != 0) {
        return -ENOENT;
    }
    memcpy(file->congestion, name, sizeof name);
    options_apply(adapter, file);
    return 0;
}

/* true: CALL was one of these, *RESULT is its. */
static bool set_special(struct adapter *adapter, struct file *file, const struct option_call *call,
                        int *result)
{
    *result = 0;
    if (call->level == IPPROTO_TCP && call->name == TCP_CONGESTION) {
        *result = set_congestion(adapter, file, call);
        return true;
    }
    if (call->level != SOL_SOCKET) {
        return false;
    }
    switch (call->name) {
    case SO_LINGER:
        *result = call->bytes < sizeof file->linger ? -EINVAL : 0;
        if (*result == 0) {
            memcpy(&file->linger, call->value, sizeof file->linger);
        }
        return true;
    case SO_RCVTIMEO:
        *result = set_timeout(&file->receive_timeout_ns, call);
        return true;
    case SO_SNDTIMEO:
        *result = set_timeout(&file->send_timeout_ns, call);
        return true;
    case SO_BINDTODEVICE:
        *result = set_text(file->device, sizeof file->device, call);
        return true;
    default:
        return false;
    }
}

/* tcp(7): TCP_NODELAY sends what waits, also what MSG_MORE and TCP_CORK hold; the cork stays. */
static void flush(struct adapter *adapter, struct file *file)
{
    berth_id id = file->stream.id;
    if (id == 0 || file->stream.state == STREAM_LISTENING || file->stream.over) {
        return;
    }
    bool corked = option_value(file, IPPROTO_TCP, TCP_CORK) != 0;
    (void)!berth_tcp_commit(adapter->berth, id, 0); /* ends MSG_MORE */
    (void)!berth_tcp_set(adapter->berth, id, BERTH_TCP_CORK, 0);
    clock_pump(adapter);
    (void)!berth_tcp_set(adapter->berth, id, BERTH_TCP_CORK, corked);
}

/* ---- setsockopt ----------------------------------------------------------------------------- */

static bool fits(const struct file *file, const struct row *row)
{
    bool udp_has = row->level != IPPROTO_TCP;
    bool v4_has = row->level != IPPROTO_IPV6;
    return (file->kind == FILE_TCP || udp_has) && (file->domain == AF_INET6 || v4_has);
}

static int get_number(const struct row *row, const struct option_call *call, int *value)
{
    unsigned char byte;
    if (call->bytes >= sizeof *value) {
        memcpy(value, call->value, sizeof *value);
        return 0;
    }
    if (row->level == IPPROTO_IP && call->bytes >= 1) {
        memcpy(&byte, call->value, 1);
        *value = byte;
        return 0;
    }
    return -EINVAL;
}

static int shape_value(const struct row *row, int *value)
{
    bool out = *value < row->least || *value > row->most;
    switch (row->shape) {
    case NUMBER:
        return out ? -EINVAL : 0;
    case SWITCH:
        *value = *value != 0;
        return 0;
    case CLAMPED:
    case DOUBLED:
        *value = *value < row->least ? row->least : *value > row->most ? row->most : *value;
        *value *= row->shape == DOUBLED ? 2 : 1;
        return 0;
    case FIXED:
        return -ENOPROTOOPT;
    }
    return -ENOPROTOOPT;
}

int options_set(struct adapter *adapter, struct file *file, const struct option_call *call)
{
    int result;
    int value = 0;
    if (call->value == NULL) {
        return -EFAULT;
    }
    if (set_special(adapter, file, call, &result)) {
        return result;
    }
    const struct row *row = row_of(call->level, call->name);
    if (row == NULL || !fits(file, row)) {
        return -ENOPROTOOPT;
    }
    int error = get_number(row, call, &value);
    error = error != 0 ? error : shape_value(row, &value);
    if (error == 0) {
        size_t index = (size_t)(row - rows);
        file->options[index] = value;
        file->option_set[index] = true;
        hand_on(adapter, file, row);
        if (row->level == IPPROTO_TCP && row->name == TCP_NODELAY && value != 0) {
            flush(adapter, file);
        }
    }
    return error;
}

int options_kept(const struct file *file, int level, int name, int *value)
{
    const struct row *row = row_of(level, name);
    if (row == NULL || !fits(file, row)) {
        return -ENOPROTOOPT;
    }
    *value = kept(file, row);
    return 0;
}
