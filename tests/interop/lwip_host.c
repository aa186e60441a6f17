/* SPDX-License-Identifier: MIT */
/*
 * See lwip_host.h: the interface, the clock, the conversation.
 */
#include "tests/interop/lwip_host.h"

#include "base/bytes.h"
#include "link/packets.h"

#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/sys.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <string.h>

#define WRITE_MAX 16384

struct lwip_link {
    struct link link;
    struct netif netif;
    struct link_packets out; /* sent by lwIP, not yet read by berth */
};

static struct lwip_link host;
static uint64_t host_now_ns;

/* In the place of liblwip's own, which reads the machine's clock. */
__attribute__((visibility("default"))) u32_t sys_now(void)
{
    return (u32_t)(host_now_ns / NS_PER_MS);
}

/* ---- The interface --------------------------------------------------------------------------- */

static err_t output(struct pbuf *pbuf)
{
    struct link_packet *packet = link_packet_new(pbuf->tot_len);

    if (packet == NULL) {
        return ERR_MEM;
    }
    packet->offload = (struct berth_offload){0};
    (void)pbuf_copy_partial(pbuf, packet->data, pbuf->tot_len, 0);
    link_packets_add(&host.out, packet);
    return ERR_OK;
}

static err_t output4(struct netif *netif, struct pbuf *pbuf, const ip4_addr_t *to)
{
    (void)netif;
    (void)to;
    return output(pbuf);
}

static err_t output6(struct netif *netif, struct pbuf *pbuf, const ip6_addr_t *to)
{
    (void)netif;
    (void)to;
    return output(pbuf);
}

static err_t init_netif(struct netif *netif)
{
    netif->name[0] = 'b';
    netif->name[1] = 'e';
    netif->mtu = LWIP_MTU;
    netif->output = output4;
    netif->output_ip6 = output6;
    return ERR_OK;
}

static int host_read(struct link *link, struct berth *berth, struct berth_buffer **buffers,
                     unsigned max, uint64_t now_ns)
{
    (void)now_ns;
    return (int)link_packets_read(&host.out, link, berth, buffers, max);
}

static int host_send(struct link *link, const struct berth_frame *frames, unsigned count,
                     uint64_t now_ns)
{
    (void)now_ns;
    for (unsigned i = 0; i < count; i++) {
        const struct berth_frame *frame = &frames[i];
        struct pbuf *pbuf = pbuf_alloc(PBUF_RAW, (u16_t)frame->bytes, PBUF_RAM);
        u16_t at = 0;

        for (uint32_t j = 0; pbuf != NULL && j < frame->view_count; j++) {
            (void)pbuf_take_at(pbuf, frame->views[j].data, (u16_t)frame->views[j].bytes, at);
            at = (u16_t)(at + frame->views[j].bytes);
        }
        if (pbuf != NULL && host.netif.input(pbuf, &host.netif) != ERR_OK) {
            (void)pbuf_free(pbuf);
        }
        link->counters.sent++;
    }
    return (int)count;
}

static uint64_t host_next_ns(const struct link *link)
{
    (void)link;
    return host.out.count > 0 ? 0 : BERTH_NEVER;
}

static int host_fd(const struct link *link)
{
    (void)link;
    return -1;
}

static uint32_t host_offloads(const struct link *link)
{
    (void)link;
    return 0;
}

static void host_free(struct link *link)
{
    (void)link;
    link_packets_clear(&host.out);
}

static const struct link_table host_table = {
    .name = "lwip",
    .read = host_read,
    .send = host_send,
    .next_ns = host_next_ns,
    .fd = host_fd,
    .offloads = host_offloads,
    .free = host_free,
};

struct link *lwip_host_new(void)
{
    ip4_addr_t address;
    ip4_addr_t mask;
    ip4_addr_t gateway;
    ip6_addr_t address6;

    host.link.table = &host_table;
    lwip_init();
    (void)ip4addr_aton(LWIP_HOST_4, &address);
    (void)ip4addr_aton("255.255.255.0", &mask);
    (void)ip4addr_aton("10.1.0.1", &gateway);
    (void)netif_add(&host.netif, &address, &mask, &gateway, NULL, init_netif, netif_input);
    netif_set_default(&host.netif);
    netif_set_link_up(&host.netif);
    netif_set_up(&host.netif);
    (void)ip6addr_aton(LWIP_HOST_6, &address6);
    netif_ip6_addr_set(&host.netif, 0, &address6);
    netif_ip6_addr_set_state(&host.netif, 0, IP6_ADDR_PREFERRED);
    return &host.link;
}

void lwip_host_work(uint64_t now_ns)
{
    host_now_ns = now_ns;
    sys_check_timeouts();
}

uint64_t lwip_host_deadline(uint64_t now_ns)
{
    u32_t ms = sys_timeouts_sleeptime();

    return ms == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? BERTH_NEVER
                                                 : now_ns + max_u64(ms, 1) * NS_PER_MS;
}

/* ---- The conversation ------------------------------------------------------------------------ */

static void forget(struct lwip_app *app)
{
    struct tcp_pcb *pcb = app->pcb;

    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    app->pcb = NULL;
    app->is_closed = true;
}

/* Writes what there is room for; FIN after the last byte; all over: close. */
static void go_on(struct lwip_app *app)
{
    struct tcp_pcb *pcb = app->pcb;

    while (app->sent < app->send_bytes) {
        size_t from = (size_t)(app->sent % app->send.bytes);
        uint64_t want = min_u64(app->send_bytes - app->sent, app->send.bytes - from);
        u16_t count = (u16_t)min_u64(min_u64(want, WRITE_MAX), tcp_sndbuf(pcb));

        if (count == 0 ||
            tcp_write(pcb, app->send.data + from, count, TCP_WRITE_FLAG_COPY) != ERR_OK) {
            break;
        }
        app->sent += count;
    }
    (void)tcp_output(pcb);
    if (app->sent == app->send_bytes && !app->has_shut_down) {
        app->has_shut_down = tcp_shutdown(pcb, 0, 1) == ERR_OK;
    }
    if (app->has_shut_down && app->has_ended) {
        forget(app);
        (void)tcp_close(pcb);
    }
}

static void compare(struct lwip_app *app, const struct pbuf *pbuf)
{
    for (; pbuf != NULL; pbuf = pbuf->next) {
        const uint8_t *data = pbuf->payload;

        for (u16_t i = 0; i < pbuf->len; i++) {
            size_t at = (size_t)((app->received + i) % app->expect.bytes);

            app->is_mismatched = app->is_mismatched || data[i] != app->expect.data[at];
        }
        app->received += pbuf->len;
    }
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *pbuf, err_t error)
{
    struct lwip_app *app = arg;

    (void)error;
    if (pbuf == NULL) {
        app->has_ended = true;
    } else {
        compare(app, pbuf);
        tcp_recved(pcb, pbuf->tot_len);
        (void)pbuf_free(pbuf);
    }
    go_on(app);
    return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t bytes)
{
    (void)pcb;
    (void)bytes;
    go_on(arg);
    return ERR_OK;
}

static void on_error(void *arg, err_t error)
{
    struct lwip_app *app = arg;

    app->error = error;
    app->pcb = NULL; /* lwIP has freed it */
    app->is_closed = true;
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t error)
{
    struct lwip_app *app = arg;

    if (error != ERR_OK) {
        return error;
    }
    app->pcb = pcb;
    tcp_arg(pcb, app);
    tcp_recv(pcb, on_received);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    go_on(app);
    return ERR_OK;
}

bool lwip_host_listen(struct lwip_app *app, int version, uint16_t port)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(version == 4 ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6);

    if (pcb == NULL || tcp_bind(pcb, version == 4 ? IP4_ADDR_ANY : IP6_ADDR_ANY, port) != ERR_OK) {
        return false;
    }
    pcb = tcp_listen(pcb);
    if (pcb != NULL) {
        tcp_arg(pcb, app);
        tcp_accept(pcb, on_connected);
    }
    app->listener = pcb;
    return pcb != NULL;
}

bool lwip_host_connect(struct lwip_app *app, const struct berth_endpoint *where)
{
    char text[BERTH_ADDRESS_TEXT_BYTES];
    ip_addr_t address;
    struct tcp_pcb *pcb;

    if (ipaddr_aton(berth_address_format(&where->address, text), &address) == 0) {
        return false;
    }
    pcb = tcp_new_ip_type(IP_GET_TYPE(&address));
    if (pcb == NULL) {
        return false;
    }
    app->pcb = pcb;
    tcp_arg(pcb, app);
    tcp_err(pcb, on_error);
    return tcp_connect(pcb, &address, where->port, on_connected) == ERR_OK;
}

void lwip_host_drop(struct lwip_app *app)
{
    struct tcp_pcb *pcb = app->pcb;

    if (pcb != NULL) {
        forget(app);
        tcp_abort(pcb);
    }
    if (app->listener != NULL) {
        (void)tcp_close(app->listener);
        app->listener = NULL;
    }
}
