/* SPDX-License-Identifier: MIT */
/*
 * lwIP (Debian's liblwip) as the subject: segments.h. By its raw calls, in this thread, with our
 * clock. Debian's build has no timestamps, takes checksums always by itself, and copies what is
 * written (LWIP_NETIF_TX_SINGLE_PBUF).
 */
#include "segments.h"

#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/sys.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>

static struct netif netif;
static struct tcp_pcb *conn;
static struct pbuf *arriving;
static uint64_t now;
static uint64_t received;
static bool is_conversing;
static uint8_t chunk[65535];

/* In the place of liblwip's own, which reads the machine's clock. */
__attribute__((visibility("default"))) u32_t sys_now(void)
{
    return (u32_t)(now / 1000000U);
}

static COUNTED err_t paused_output(struct netif *to, struct pbuf *pbuf, const ip4_addr_t *address)
{
    (void)to;
    (void)address;
    segments_take(pbuf->payload, pbuf->tot_len);
    return ERR_OK;
}

static err_t init_netif(struct netif *out)
{
    out->name[0] = 'b';
    out->name[1] = 'e';
    out->mtu = 1500;
    out->output = paused_output;
    return ERR_OK;
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *pbuf, err_t error)
{
    (void)arg;
    (void)error;
    if (pbuf == NULL) {
        return tcp_close(pcb);
    }
    received += pbuf->tot_len;
    tcp_recved(pcb, pbuf->tot_len);
    if (is_conversing) {
        (void)tcp_write(pcb, pbuf->payload, 1, TCP_WRITE_FLAG_COPY);
        (void)tcp_output(pcb);
    }
    (void)pbuf_free(pbuf);
    return ERR_OK;
}

static err_t on_accepted(void *arg, struct tcp_pcb *pcb, err_t error)
{
    (void)arg;
    if (error == ERR_OK) {
        conn = pcb;
        tcp_recv(pcb, on_received);
    }
    return error;
}

bool subject_init(const struct segments_options *options)
{
    ip4_addr_t address;
    ip4_addr_t mask;
    ip4_addr_t gateway;
    struct tcp_pcb *listener;

    if (options->timestamps || options->checksums || options->super || options->in_place) {
        return false;
    }
    is_conversing = options->is_conversing;
    lwip_init();
    (void)ip4addr_aton(SEGMENTS_ADDRESS, &address);
    (void)ip4addr_aton("255.255.255.0", &mask);
    (void)ip4addr_aton(SEGMENTS_PEER, &gateway);
    (void)netif_add(&netif, &address, &mask, &gateway, NULL, init_netif, netif_input);
    netif_set_default(&netif);
    netif_set_link_up(&netif);
    netif_set_up(&netif);
    listener = tcp_new();
    if (listener == NULL || tcp_bind(listener, IP4_ADDR_ANY, SEGMENTS_PORT) != ERR_OK) {
        return false;
    }
    listener = tcp_listen(listener);
    if (listener != NULL) {
        tcp_accept(listener, on_accepted);
    }
    return listener != NULL;
}

COUNTED uint8_t *counted_room(uint32_t bytes)
{
    arriving = pbuf_alloc(PBUF_RAW, (u16_t)bytes, PBUF_RAM);
    return arriving->payload;
}

COUNTED void counted_receive(void)
{
    if (netif.input(arriving, &netif) != ERR_OK) {
        (void)pbuf_free(arriving);
    }
}

COUNTED void counted_write(void)
{
    u16_t room = (u16_t)tcp_sndbuf(conn);

    if (room > 0) {
        (void)tcp_write(conn, chunk, room, TCP_WRITE_FLAG_COPY);
    }
    (void)tcp_output(conn);
}

COUNTED bool counted_transmit(void)
{
    return false; /* it has called paused_output */
}

void subject_taken(void)
{
}

COUNTED void counted_tick(uint64_t now_ns)
{
    now = now_ns;
    sys_check_timeouts();
}

uint64_t subject_received_bytes(void)
{
    return received;
}
