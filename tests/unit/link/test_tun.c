/* SPDX-License-Identifier: MIT */
/*
 * The TUN link against the kernel's own stack, in a network namespace of the test's own.
 *
 *   kernel 10.9.0.1 ── bt0 (TUN) ── the test, 10.9.0.2: segments made by hand
 *
 * Super-segments both ways; an interface that is down, and one that is gone.
 */
#include "segments.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define KERNEL  "10.9.0.1"
#define OURS    "10.9.0.2"
#define WAIT_MS 2000

struct device {
    struct test_stack stack;
    struct link *link;
    uint32_t offloads;
};

static uint8_t bytes_out[60000];
static uint8_t bytes_in[65536];

/* ---- The namespace and the device ------------------------------------------------------------ */

static bool write_file(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CLOEXEC);
    bool whole = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0) {
        (void)close(fd);
    }
    return whole;
}

/* As root a network namespace, else one in a user namespace; NULL, or what is not allowed. */
static const char *enter_namespace(void)
{
    char map[64];
    unsigned user = getuid();

    if (user == 0) {
        return unshare(CLONE_NEWNET) == 0 ? NULL : "no network namespaces here";
    }
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        return "no unprivileged user namespaces here";
    }
    (void)snprintf(map, sizeof map, "0 %u 1", user);
    return write_file("/proc/self/uid_map", map) ? NULL : "no user mapping here";
}

static struct sockaddr_in address_of(const char *text, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

    assert_int_equal(inet_pton(AF_INET, text, &address.sin_addr), 1);
    return address;
}

static void set_flags(int on)
{
    struct ifreq request = {.ifr_name = "bt0"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    request.ifr_flags = (short)(on ? IFF_UP | IFF_RUNNING : 0);
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    (void)close(fd);
}

static void set_address(void)
{
    struct ifreq request = {.ifr_name = "bt0"};
    struct sockaddr_in address = address_of(KERNEL, 0);
    struct sockaddr_in mask = address_of("255.255.255.0", 0);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(&request.ifr_addr, &address, sizeof address);
    assert_int_equal(ioctl(fd, SIOCSIFADDR, &request), 0);
    memcpy(&request.ifr_addr, &mask, sizeof mask);
    assert_int_equal(ioctl(fd, SIOCSIFNETMASK, &request), 0);
    (void)close(fd);
}

static int device_up(void **state)
{
    struct device *device = calloc(1, sizeof *device);
    int fd;

    device->stack = stack_new(64, 65599);
    assert_int_equal(link_tun_open("bt0", &fd, &device->offloads), 0);
    assert_int_equal(link_tun_new(fd, device->offloads, &device->link), 0);
    set_address();
    set_flags(1);
    *state = device;
    return 0;
}

static int device_down(void **state)
{
    struct device *device = *state;

    link_free(device->link);
    stack_free(&device->stack);
    free(device);
    return 0;
}

/* The next packet of PROTOCOL that the kernel sends us, parsed; in BUFFER, the caller's. */
static struct wire_packet expect_packet(struct device *device, uint8_t protocol,
                                        struct berth_buffer **buffer)
{
    struct pollfd wait = {.fd = link_fd(device->link), .events = POLLIN};
    struct wire_packet parsed;

    for (;;) {
        int count = device->link->table->read(device->link, device->stack.berth, buffer, 1, 0);

        assert_true(count >= 0);
        if (count == 0) {
            assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
            continue;
        }
        if (wire_parse(&parsed, (*buffer)->data + (*buffer)->begin, (*buffer)->bytes,
                       &(*buffer)->offload) == BERTH_DROP_NONE &&
            parsed.protocol == protocol) {
            return parsed;
        }
        berth_buffer_put(device->stack.berth, *buffer); /* the kernel's own chatter */
    }
}

static void send_segment(struct device *device, struct segment *segment, uint32_t bytes,
                         uint16_t segment_bytes)
{
    struct berth_frame frame = segment_frame(segment, bytes_out, bytes, segment_bytes);

    assert_int_equal(link_send(device->link, &frame, 1, 0), 1);
}

static void fill(void)
{
    for (uint32_t i = 0; i < sizeof bytes_out; i++) {
        bytes_out[i] = (uint8_t)(i * 13 + i / 251);
    }
}

static int socket_of(int type, uint16_t port)
{
    struct sockaddr_in address = address_of(KERNEL, port);
    struct timeval wait = {.tv_sec = WAIT_MS / 1000};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    return fd;
}

/* ---- UDP ------------------------------------------------------------------------------------- */

static void a_datagram_each_way(void **state)
{
    struct device *device = *state;
    struct sockaddr_in ours = address_of(OURS, 2000);
    struct segment segment = segment_of(WIRE_UDP, OURS, KERNEL, 2000, 1000);
    int fd = socket_of(SOCK_DGRAM, 1000);
    struct berth_buffer *buffer;
    struct wire_packet packet;

    fill();
    assert_int_equal(sendto(fd, "hello", 5, 0, (struct sockaddr *)&ours, sizeof ours), 5);
    packet = expect_packet(device, WIRE_UDP, &buffer);
    assert_int_equal(packet.source_port, 1000);
    assert_int_equal(packet.destination_port, 2000);
    assert_int_equal(packet.payload_bytes, 5);
    assert_memory_equal(packet.payload, "hello", 5);
    berth_buffer_put(device->stack.berth, buffer);
    send_segment(device, &segment, 1400, 0);
    assert_int_equal(recv(fd, bytes_in, sizeof bytes_in, 0), 1400);
    assert_memory_equal(bytes_in, bytes_out, 1400);
    (void)close(fd);
}

/* Where a packet's views end is the link's matter: the kernel gets the same bytes. */
static void a_datagram_goes_out_in_any_views(void **state)
{
    static const uint32_t first_bytes[] = {1, 28, BERTH_FRAME_HEADER_BYTES - 1,
                                           BERTH_FRAME_HEADER_BYTES, BERTH_FRAME_HEADER_BYTES + 1};
    static const uint32_t payload_bytes[] = {1, 99, 100, 101, 1400}; /* 100: as long as a header */
    struct device *device = *state;
    struct segment segment = segment_of(WIRE_UDP, OURS, KERNEL, 2000, 1000);
    int fd = socket_of(SOCK_DGRAM, 1000);
    uint8_t whole[1500];

    fill();
    for (unsigned i = 0; i < sizeof payload_bytes / sizeof payload_bytes[0]; i++) {
        struct berth_frame frame = segment_frame(&segment, bytes_out, payload_bytes[i], 0);

        memcpy(whole, segment.header, frame.views[0].bytes);
        memcpy(whole + frame.views[0].bytes, bytes_out, payload_bytes[i]);
        for (unsigned j = 0; j <= sizeof first_bytes / sizeof first_bytes[0]; j++) {
            uint32_t first = j == 0 ? frame.bytes : min_u32(first_bytes[j - 1], frame.bytes);

            frame.view_count = first < frame.bytes ? 2 : 1;
            frame.views[0] = (struct berth_view){whole, first};
            frame.views[1] = (struct berth_view){whole + first, frame.bytes - first};
            assert_int_equal(link_send(device->link, &frame, 1, 0), 1);
            assert_int_equal(recv(fd, bytes_in, sizeof bytes_in, 0), payload_bytes[i]);
            assert_memory_equal(bytes_in, bytes_out, payload_bytes[i]);
        }
    }
    assert_int_equal(device->link->counters.lost_send, 0);
    (void)close(fd);
}

static void a_super_datagram_goes_out(void **state)
{
    struct device *device = *state;
    struct segment segment = segment_of(WIRE_UDP, OURS, KERNEL, 2000, 1000);
    int fd;

    if ((device->offloads & BERTH_LINK_USO) == 0) {
        return; /* the kernel is older than 6.2: never offered, so never sent */
    }
    fd = socket_of(SOCK_DGRAM, 1000);
    fill();
    send_segment(device, &segment, 9500, 1000);
    for (uint32_t at = 0; at < 9500; at += 1000) {
        uint32_t bytes = min_u32(1000, 9500 - at);

        assert_int_equal(recv(fd, bytes_in, sizeof bytes_in, 0), bytes);
        assert_memory_equal(bytes_in, bytes_out + at, bytes);
    }
    (void)close(fd);
}

static void a_super_datagram_comes_in(void **state)
{
    struct device *device = *state;
    struct sockaddr_in ours = address_of(OURS, 2000);
    int fd = socket_of(SOCK_DGRAM, 1000);
    int segment_bytes = 1000;
    uint32_t got = 0;
    uint32_t packets = 0;

    fill();
    assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment_bytes, sizeof(int)), 0);
    assert_int_equal(sendto(fd, bytes_out, 9500, 0, (struct sockaddr *)&ours, sizeof ours), 9500);
    while (got < 9500) {
        struct berth_buffer *buffer;
        struct wire_packet packet = expect_packet(device, WIRE_UDP, &buffer);

        assert_memory_equal(packet.payload, bytes_out + got, packet.payload_bytes);
        got += packet.payload_bytes;
        packets++;
        berth_buffer_put(device->stack.berth, buffer);
    }
    assert_int_equal(packets, (device->offloads & BERTH_LINK_USO) != 0 ? 1 : 10);
    (void)close(fd);
}

/* ---- TCP, our half by hand ------------------------------------------------------------------- */

/* Opens a connection to the kernel's listener: the accepted socket; SEGMENT goes on from there. */
static int open_tcp(struct device *device, struct segment *segment)
{
    int listener = socket_of(SOCK_STREAM, segment->packet.destination_port);
    struct berth_buffer *buffer;
    struct wire_packet packet;
    int fd;

    assert_int_equal(listen(listener, 1), 0);
    segment->packet.tcp =
        (struct wire_tcp){.seq = 99, .flags = WIRE_SYN, .window = 65535, .mss = 1460};
    segment->packet.tcp.options = WIRE_OPTION_MSS;
    send_segment(device, segment, 0, 0);
    packet = expect_packet(device, WIRE_TCP, &buffer);
    assert_int_equal(packet.tcp.flags, WIRE_SYN | WIRE_ACK);
    berth_buffer_put(device->stack.berth, buffer);
    segment->packet.tcp = (struct wire_tcp){
        .seq = 100, .ack = packet.tcp.seq + 1, .flags = WIRE_ACK, .window = 65535};
    send_segment(device, segment, 0, 0);
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    (void)close(listener);
    return fd;
}

static void a_super_segment_goes_out(void **state)
{
    struct device *device = *state;
    struct segment segment = segment_of(WIRE_TCP, OURS, KERNEL, 2000, 1000);
    int fd;

    assert_true((device->offloads & BERTH_LINK_TSO4) != 0);
    fd = open_tcp(device, &segment);
    fill();
    segment.packet.tcp.flags = WIRE_ACK | WIRE_PSH;
    send_segment(device, &segment, 40000, 1460);
    for (uint32_t at = 0; at < 40000;) {
        ssize_t bytes = recv(fd, bytes_in, sizeof bytes_in, 0);

        assert_true(bytes > 0);
        assert_memory_equal(bytes_in, bytes_out + at, (size_t)bytes);
        at += (uint32_t)bytes;
    }
    (void)close(fd);
}

static void a_super_segment_comes_in(void **state)
{
    struct device *device = *state;
    struct segment segment = segment_of(WIRE_TCP, OURS, KERNEL, 2000, 1001);
    int fd = open_tcp(device, &segment);
    uint32_t first = segment.packet.tcp.ack;
    uint32_t supers = 0;
    uint32_t got = 0;

    fill();
    assert_int_equal(send(fd, bytes_out, 30000, 0), 30000);
    while (got < 30000) {
        struct berth_buffer *buffer;
        struct wire_packet packet = expect_packet(device, WIRE_TCP, &buffer);

        if (packet.tcp.seq == first + got && packet.payload_bytes > 0) {
            assert_memory_equal(packet.payload, bytes_out + got, packet.payload_bytes);
            got += packet.payload_bytes;
            supers += buffer->offload.segment_kind == BERTH_SEGMENT_TCP4 &&
                      packet.payload_bytes > buffer->offload.segment_bytes;
            segment.packet.tcp.ack = first + got;
            send_segment(device, &segment, 0, 0);
        }
        berth_buffer_put(device->stack.berth, buffer);
    }
    assert_true(supers > 0);
    (void)close(fd);
}

/* ---- Trouble --------------------------------------------------------------------------------- */

static void starved_leaves_it_in_the_device(void **state)
{
    struct device *device = *state;
    struct sockaddr_in ours = address_of(OURS, 2000);
    int fd = socket_of(SOCK_DGRAM, 1000);
    struct berth_buffer *taken[64];
    struct berth_buffer *buffer;
    struct wire_packet packet;

    for (int i = 0; i < 64; i++) {
        taken[i] = berth_buffer_get(device->stack.berth);
        assert_non_null(taken[i]);
    }
    assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&ours, sizeof ours), 1);
    assert_int_equal(link_receive(device->link, device->stack.berth, 8, 0), 0);
    assert_true(link_is_starved(device->link));
    for (int i = 0; i < 64; i++) {
        berth_buffer_put(device->stack.berth, taken[i]);
    }
    packet = expect_packet(device, WIRE_UDP, &buffer);
    assert_int_equal(packet.payload_bytes, 1);
    assert_false(link_is_starved(device->link));
    berth_buffer_put(device->stack.berth, buffer);
    (void)close(fd);
}

static void an_interface_that_is_down_loses(void **state)
{
    struct device *device = *state;
    struct segment segment = segment_of(WIRE_UDP, OURS, KERNEL, 2000, 1000);
    int fd = socket_of(SOCK_DGRAM, 1000);

    set_flags(0);
    send_segment(device, &segment, 100, 0);
    assert_int_equal(device->link->counters.lost_send, 1);
    assert_true(link_receive(device->link, device->stack.berth, 8, 0) >= 0);
    set_flags(1);
    send_segment(device, &segment, 200, 0);
    assert_int_equal(device->link->counters.lost_send, 1);
    assert_int_equal(recv(fd, bytes_in, sizeof bytes_in, 0), 200);
    (void)close(fd);
}

static void delete_device(void)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg info;
    } request = {.header = {.nlmsg_len = sizeof request,
                            .nlmsg_type = RTM_DELLINK,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    request.info.ifi_index = (int)if_nametoindex("bt0");
    assert_int_equal(send(fd, &request, sizeof request, 0), sizeof request);
    assert_true(recv(fd, bytes_in, sizeof bytes_in, 0) > 0);
    (void)close(fd);
}

static void an_interface_that_is_gone_is_closed(void **state)
{
    struct device *device = *state;
    struct segment segment = segment_of(WIRE_UDP, OURS, KERNEL, 2000, 1000);
    struct berth_frame frame = segment_frame(&segment, bytes_out, 100, 0);

    delete_device();
    assert_int_equal(link_receive(device->link, device->stack.berth, 8, 0), BERTH_E_CLOSED);
    assert_int_equal(link_send(device->link, &frame, 1, 0), BERTH_E_CLOSED);
    assert_int_equal(stack_buffers_free(&device->stack), 64);
}

static void a_name_that_is_too_long_is_refused(void **state)
{
    uint32_t offloads = 77;
    int fd = 77;

    (void)state;
    assert_int_equal(link_tun_open("a-name-of-more-than-15", &fd, &offloads), -ENAMETOOLONG);
    assert_int_equal(fd, 77);
    assert_int_equal(offloads, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_datagram_each_way, device_up, device_down),
        cmocka_unit_test_setup_teardown(a_datagram_goes_out_in_any_views, device_up, device_down),
        cmocka_unit_test_setup_teardown(a_super_datagram_goes_out, device_up, device_down),
        cmocka_unit_test_setup_teardown(a_super_datagram_comes_in, device_up, device_down),
        cmocka_unit_test_setup_teardown(a_super_segment_goes_out, device_up, device_down),
        cmocka_unit_test_setup_teardown(a_super_segment_comes_in, device_up, device_down),
        cmocka_unit_test_setup_teardown(starved_leaves_it_in_the_device, device_up, device_down),
        cmocka_unit_test_setup_teardown(an_interface_that_is_down_loses, device_up, device_down),
        cmocka_unit_test_setup_teardown(an_interface_that_is_gone_is_closed, device_up,
                                        device_down),
        cmocka_unit_test(a_name_that_is_too_long_is_refused),
    };
    const char *reason = enter_namespace();
    uint32_t offloads;
    int fd;

    if (reason == NULL) {
        int result = link_tun_open("bt0", &fd, &offloads);

        reason = result < 0 ? "no TUN device here (/dev/net/tun)" : NULL;
        if (result == 0) {
            (void)close(fd);
        }
    }
    if (reason != NULL) {
        printf("1..0 # SKIP %s\n", reason);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
