/* SPDX-License-Identifier: MIT */
/*
 * The capture: read back with libpcap, the file has what crossed the link, both ways, as a wire
 * would carry it. A full disk ends the capture and nothing else.
 */
#include "segments.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"

#define WALL_NS (UINT64_C(1700000000) * NS_PER_S)

struct setup {
    struct test_stack stack;
    struct link *captured;
    struct link *far;
    char file[64];
    unsigned errors;
};

static void count_error(void *user, const char *text)
{
    assert_int_equal(errno, ENOSPC);
    assert_non_null(strstr(text, "/dev/full"));
    assert_non_null(strstr(text, strerror(ENOSPC)));
    (*(unsigned *)user)++;
}

static void setup_new(struct setup *setup, const char *file, uint32_t snap)
{
    struct link_memory_config memory = {.queue_packets = 1000,
                                        .packet_bytes_max = BERTH_PACKET_BYTES_MAX};
    struct link_capture_config config = {.packet_bytes_max = snap,
                                         .wall_offset_ns = WALL_NS,
                                         .on_error = count_error,
                                         .user = &setup->errors};
    struct link *near;

    *setup = (struct setup){.stack = stack_new(16, 65599)};
    (void)snprintf(setup->file, sizeof setup->file, "/tmp/berth-capture-%d.pcap", (int)getpid());
    config.file = file != NULL ? file : setup->file;
    assert_int_equal(link_memory_new(&memory, &near, &setup->far), 0);
    assert_int_equal(link_capture_new(near, &config, &setup->captured), 0);
}

static void setup_free(struct setup *setup)
{
    if (setup->captured != NULL) {
        link_free(setup->captured);
    }
    link_free(setup->far);
    stack_free(&setup->stack);
    (void)unlink(setup->file);
}

static pcap_t *reopen(struct setup *setup)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *pcap;

    link_free(setup->captured);
    setup->captured = NULL;
    pcap = pcap_open_offline_with_tstamp_precision(setup->file, PCAP_TSTAMP_PRECISION_NANO, error);
    assert_non_null(pcap);
    assert_int_equal(pcap_datalink(pcap), DLT_RAW);
    return pcap;
}

static void both_ways_with_their_times(void **state)
{
    struct setup setup;
    struct pcap_pkthdr *header;
    const u_char *data;
    pcap_t *pcap;

    (void)state;
    setup_new(&setup, NULL, 0);
    send_number(setup.captured, 60, 1, 1000000001);
    send_number(setup.far, 70, 2, 2000000002);
    assert_int_equal(read_number(setup.captured, &setup.stack, 3000000003), 2);
    assert_int_equal(read_number(setup.far, &setup.stack, 3000000003), 1);
    pcap = reopen(&setup);
    assert_int_equal(pcap_next_ex(pcap, &header, &data), 1);
    assert_int_equal(header->len, 60);
    assert_int_equal(header->ts.tv_sec, 1700000001);
    assert_int_equal(header->ts.tv_usec, 1);
    assert_int_equal(data[0], 1);
    assert_int_equal(pcap_next_ex(pcap, &header, &data), 1);
    assert_int_equal(header->len, 70);
    assert_int_equal(header->ts.tv_sec, 1700000003);
    assert_int_equal(header->ts.tv_usec, 3);
    assert_int_equal(data[0], 2);
    assert_int_equal(pcap_next_ex(pcap, &header, &data), PCAP_ERROR_BREAK);
    pcap_close(pcap);
    setup_free(&setup);
}

/* The super-segment crosses whole; the file has its pieces, checksums right. */
static void super_segments_are_written_in_pieces(void **state)
{
    static uint8_t payload[20000];
    static const struct berth_offload plain;
    struct segment segment = segment_of(WIRE_TCP, "10.0.0.1", "10.0.0.2", 1000, 2000);
    struct berth_buffer *buffer;
    struct berth_frame frame;
    struct pcap_pkthdr *header;
    const u_char *data;
    struct setup setup;
    uint32_t bytes = 0;
    uint32_t packets = 0;
    pcap_t *pcap;

    (void)state;
    segment.packet.tcp = (struct wire_tcp){.seq = 1, .flags = WIRE_ACK};
    frame = segment_frame(&segment, payload, sizeof payload, 1448);
    setup_new(&setup, NULL, 0);
    assert_int_equal(link_send(setup.captured, &frame, 1, 5), 1);
    assert_int_equal(setup.far->table->read(setup.far, setup.stack.berth, &buffer, 1, 5), 1);
    assert_int_equal(buffer->bytes, frame.bytes);
    assert_memory_equal(&buffer->offload, &frame.offload, sizeof frame.offload);
    berth_buffer_put(setup.stack.berth, buffer);
    pcap = reopen(&setup);
    while (pcap_next_ex(pcap, &header, &data) == 1) {
        struct wire_packet parsed;
        uint8_t copy[2000];

        assert_true(header->caplen <= sizeof copy);
        memcpy(copy, data, header->caplen);
        assert_int_equal(wire_parse(&parsed, copy, header->caplen, &plain), BERTH_DROP_NONE);
        assert_int_equal(parsed.tcp.seq, 1 + bytes);
        bytes += parsed.payload_bytes;
        packets++;
    }
    assert_int_equal(bytes, sizeof payload);
    assert_int_equal(packets, 14);
    pcap_close(pcap);
    setup_free(&setup);
}

static void snap_length_cuts_the_copy(void **state)
{
    struct setup setup;
    struct pcap_pkthdr *header;
    const u_char *data;
    pcap_t *pcap;

    (void)state;
    setup_new(&setup, NULL, 40);
    send_number(setup.captured, 1000, 1, 0);
    assert_int_equal(read_number(setup.far, &setup.stack, 0), 1);
    pcap = reopen(&setup);
    assert_int_equal(pcap_next_ex(pcap, &header, &data), 1);
    assert_int_equal(header->caplen, 40);
    assert_int_equal(header->len, 1000);
    pcap_close(pcap);
    setup_free(&setup);
}

/* What was captured is in the file after 100 ms; the link asks for the call that puts it there. */
static void flushed_in_time(void **state)
{
    struct setup setup;
    struct stat before;
    struct stat after;

    (void)state;
    setup_new(&setup, NULL, 0);
    assert_int_equal(link_next_ns(setup.captured), BERTH_NEVER);
    send_number(setup.captured, 100, 1, 7);
    assert_int_equal(link_next_ns(setup.captured), 7 + 100 * NS_PER_MS);
    assert_int_equal(stat(setup.file, &before), 0);
    assert_int_equal(read_number(setup.captured, &setup.stack, 7 + 100 * NS_PER_MS), -1);
    assert_int_equal(link_next_ns(setup.captured), BERTH_NEVER);
    assert_int_equal(stat(setup.file, &after), 0);
    assert_int_equal(after.st_size, 24 + 16 + 100);
    assert_true(before.st_size < after.st_size);
    setup_free(&setup);
}

static void a_full_disk_is_said_once(void **state)
{
    struct setup setup;

    (void)state;
    setup_new(&setup, "/dev/full", 0);
    for (uint32_t i = 0; i < 900; i++) {
        send_number(setup.captured, 1000, i, i * NS_PER_MS);
        assert_int_equal(read_number(setup.far, &setup.stack, 0), i);
    }
    assert_int_equal(setup.errors, 1);
    assert_int_equal(link_next_ns(setup.captured), BERTH_NEVER);
    send_number(setup.far, 60, 5, 0);
    assert_int_equal(read_number(setup.captured, &setup.stack, NS_PER_S), 5);
    setup_free(&setup);
    assert_int_equal(setup.errors, 1);
}

/* The first that ends leaves the file to the other. */
static void two_links_write_to_one_file(void **state)
{
    struct link_memory_config memory = {.queue_packets = 1000,
                                        .packet_bytes_max = BERTH_PACKET_BYTES_MAX};
    struct setup setup;
    struct pcap_pkthdr *header;
    const u_char *data;
    struct link *second;
    struct link *second_far;
    pcap_t *pcap;

    (void)state;
    setup_new(&setup, NULL, 0);
    assert_int_equal(link_memory_new(&memory, &second, &second_far), 0);
    assert_int_equal(link_capture_join(second, setup.captured, &second), 0);
    send_number(setup.captured, 60, 1, 1000000001);
    send_number(second, 61, 2, 1000000002);
    assert_int_equal(read_number(setup.far, &setup.stack, 1000000003), 1);
    assert_int_equal(read_number(second_far, &setup.stack, 1000000003), 2);
    link_free(setup.captured);
    setup.captured = second;
    send_number(second, 62, 3, 1000000004);
    pcap = reopen(&setup);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(pcap_next_ex(pcap, &header, &data), 1);
        assert_int_equal(header->len, 60 + i);
        assert_int_equal(data[0], 1 + i);
    }
    assert_int_equal(pcap_next_ex(pcap, &header, &data), PCAP_ERROR_BREAK);
    pcap_close(pcap);
    link_free(second_far);
    setup_free(&setup);
}

/* The other writes no more, and says nothing. */
static void a_full_disk_ends_it_for_all(void **state)
{
    struct link_memory_config memory = {.queue_packets = 1000,
                                        .packet_bytes_max = BERTH_PACKET_BYTES_MAX};
    struct setup setup;
    struct link *second;
    struct link *second_far;

    (void)state;
    setup_new(&setup, "/dev/full", 0);
    assert_int_equal(link_memory_new(&memory, &second, &second_far), 0);
    assert_int_equal(link_capture_join(second, setup.captured, &second), 0);
    send_number(second, 60, 1, 1);
    send_number(setup.captured, 60, 2, 1);
    send_number(setup.captured, 60, 3, 2 * NS_PER_S); /* flushed: it is full */
    assert_int_equal(setup.errors, 1);
    send_number(second, 60, 4, 2 * NS_PER_S);
    assert_int_equal(read_number(second_far, &setup.stack, 2 * NS_PER_S), 1);
    assert_int_equal(read_number(second_far, &setup.stack, 2 * NS_PER_S), 4);
    assert_int_equal(link_next_ns(second), BERTH_NEVER);
    link_free(second);
    link_free(second_far);
    setup_free(&setup);
    assert_int_equal(setup.errors, 1);
}

static void a_file_that_cannot_be_is_refused(void **state)
{
    struct link_capture_config config = {.file = "/nonexistent/dir/x.pcap"};
    struct link_memory_config memory = {.queue_packets = 1, .packet_bytes_max = 100};
    struct link *a;
    struct link *b;
    struct link *out = NULL;

    (void)state;
    assert_int_equal(link_memory_new(&memory, &a, &b), 0);
    assert_int_equal(link_capture_new(a, &config, &out), -ENOENT);
    assert_null(out);
    link_free(a);
    link_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_with_their_times),
        cmocka_unit_test(super_segments_are_written_in_pieces),
        cmocka_unit_test(snap_length_cuts_the_copy),
        cmocka_unit_test(flushed_in_time),
        cmocka_unit_test(a_full_disk_is_said_once),
        cmocka_unit_test(two_links_write_to_one_file),
        cmocka_unit_test(a_full_disk_ends_it_for_all),
        cmocka_unit_test(a_file_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
