/* SPDX-License-Identifier: MIT */
/*
 * lwIP (Debian's liblwip) as a server behind a TUN device: tun.h. By its raw calls, in this thread.
 * It knows no offloads and no super-segments: one packet a system call, checksums in software.
 */
#include "tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/sys.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define PACKET_BYTES_MAX 65535U
#define TURNS_MAX        64U
#define PARTS_MAX        16

static struct tun_options options;
static struct netif netif;
static int tun;
static uint8_t chunk[65535];

/* A connection's argument is its kind, once its first byte is here. */
static void *kind_arg(uint8_t kind)
{
    return (void *)(uintptr_t)kind;
}

static err_t output(struct netif *to, struct pbuf *pbuf, const ip4_addr_t *address)
{
    struct iovec parts[PARTS_MAX];
    int count = 0;

    (void)to;
    (void)address;
    for (; pbuf != NULL && count < PARTS_MAX; pbuf = pbuf->next) {
        parts[count++] = (struct iovec){.iov_base = pbuf->payload, .iov_len = pbuf->len};
    }
    /* What the device does not take is lost, as on a wire. */
    return writev(tun, parts, count) >= 0 ? ERR_OK : ERR_BUF;
}

static err_t init_netif(struct netif *out)
{
    out->name[0] = 't';
    out->name[1] = 'u';
    out->mtu = (u16_t)options.mtu;
    out->output = output;
    return ERR_OK;
}

static void fill(struct tcp_pcb *pcb)
{
    u16_t room = (u16_t)tcp_sndbuf(pcb);

    if (room > 0) {
        (void)tcp_write(pcb, chunk, room, TCP_WRITE_FLAG_COPY);
        (void)tcp_output(pcb);
    }
}

static void take(struct tcp_pcb *pcb, const struct pbuf *pbuf, uint8_t kind)
{
    if (kind == LOAD_SINK) {
        __atomic_fetch_add(&options.counter->bytes, pbuf->tot_len, __ATOMIC_RELAXED);
    } else if (kind == LOAD_ECHO) {
        (void)tcp_write(pcb, pbuf->payload, pbuf->len, TCP_WRITE_FLAG_COPY);
        (void)tcp_output(pcb);
    }
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *pbuf, err_t error)
{
    uint8_t kind = (uint8_t)(uintptr_t)arg;

    (void)error;
    if (pbuf == NULL) {
        return tcp_close(pcb);
    }
    if (kind == 0) {
        kind = *(const uint8_t *)pbuf->payload;
        tcp_arg(pcb, kind_arg(kind));
    }
    take(pcb, pbuf, kind);
    tcp_recved(pcb, pbuf->tot_len);
    (void)pbuf_free(pbuf);
    if (kind == LOAD_SOURCE) {
        fill(pcb);
    }
    return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t bytes)
{
    (void)bytes;
    if ((uint8_t)(uintptr_t)arg == LOAD_SOURCE) {
        fill(pcb);
    }
    return ERR_OK;
}

static err_t on_accepted(void *arg, struct tcp_pcb *pcb, err_t error)
{
    (void)arg;
    if (error == ERR_OK) {
        tcp_arg(pcb, NULL);
        tcp_recv(pcb, on_received);
        tcp_sent(pcb, on_sent);
        tcp_nagle_disable(pcb);
    }
    return error;
}

static void open_tun(void)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};

    if (strlen(options.device) >= sizeof request.ifr_name) {
        tun_die(options.device, "too long a name");
    }
    memcpy(request.ifr_name, options.device, strlen(options.device));
    tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tun < 0 || ioctl(tun, TUNSETIFF, &request) != 0) {
        tun_die(options.device, strerror(errno));
    }
}

static void make_stack(void)
{
    ip4_addr_t address;
    ip4_addr_t mask;
    ip4_addr_t none;
    struct tcp_pcb *listener;

    lwip_init();
    if (ip4addr_aton(options.address, &address) == 0) {
        tun_die(options.address, "no IPv4 address");
    }
    (void)ip4addr_aton("255.255.255.0", &mask);
    (void)ip4addr_aton("0.0.0.0", &none);
    (void)netif_add(&netif, &address, &mask, &none, NULL, init_netif, netif_input);
    netif_set_default(&netif);
    netif_set_link_up(&netif);
    netif_set_up(&netif);
    listener = tcp_new();
    if (listener == NULL || tcp_bind(listener, IP4_ADDR_ANY, options.port) != ERR_OK) {
        tun_die("lwip", "cannot bind");
    }
    listener = tcp_listen(listener);
    if (listener == NULL) {
        tun_die("lwip", "cannot listen");
    }
    tcp_accept(listener, on_accepted);
}

/* One packet, if there is one. */
static bool receive(void)
{
    static uint8_t bytes[PACKET_BYTES_MAX];
    ssize_t count = read(tun, bytes, sizeof bytes);
    struct pbuf *pbuf;

    if (count <= 0) {
        return false;
    }
    pbuf = pbuf_alloc(PBUF_RAW, (u16_t)count, PBUF_RAM);
    if (pbuf != NULL) {
        (void)pbuf_take(pbuf, bytes, (u16_t)count);
        if (netif.input(pbuf, &netif) != ERR_OK) {
            (void)pbuf_free(pbuf);
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    u32_t timeout_ms = 0;

    tun_parse(&options, argc, argv);
    open_tun();
    make_stack();
    tun_ready();
    while (tun_wait(tun, (uint64_t)timeout_ms * 1000000U)) {
        for (unsigned i = 0; i < TURNS_MAX && receive(); i++) {
        }
        sys_check_timeouts();
        timeout_ms = sys_timeouts_sleeptime();
    }
    return 0;
}
