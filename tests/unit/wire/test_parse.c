/* SPDX-License-Identifier: MIT */
/*
 * The parser as a whole: every truncation of good packets, damage anywhere, and packets that real
 * stacks sent (tests/data/pcap, made with Linux and nmap; more of them in ../shared/pcap if there).
 */
#include "make.h"

#include <dirent.h>
#include <stdio.h>

#include <pcap/pcap.h>

#define ETHERNET_BYTES 14

static struct wire_packet parsed;

/* One packet of each kind that the parser knows. */
static uint32_t make_kind(uint8_t *out, unsigned kind)
{
    static const struct {
        uint8_t version, protocol;
    } kinds[] = {{4, WIRE_TCP}, {6, WIRE_TCP},  {4, WIRE_UDP},
                 {6, WIRE_UDP}, {4, WIRE_ICMP}, {6, WIRE_ICMP6}};
    struct wire_packet packet = describe(kinds[kind].version, kinds[kind].protocol);
    uint8_t payload[41];

    for (unsigned i = 0; i < sizeof payload; i++) {
        payload[i] = (uint8_t)(i * 37 + 11);
    }
    packet.payload_bytes = sizeof payload;
    if (packet.protocol == WIRE_TCP) {
        packet.tcp.flags = WIRE_SYN;
        packet.tcp.options = WIRE_OPTION_MSS | WIRE_OPTION_SACK_PERMITTED | WIRE_OPTION_TIMESTAMPS |
                             WIRE_OPTION_WSCALE;
    } else if (packet.protocol == WIRE_ICMP || packet.protocol == WIRE_ICMP6) {
        packet.icmp.type = packet.version == 4 ? 8 : 128;
    }
    return write_packet(out, &packet, payload, true);
}

static void every_truncation_is_seen(void **state)
{
    uint8_t out[256];

    (void)state;
    for (unsigned kind = 0; kind < 6; kind++) {
        uint32_t bytes = make_kind(out, kind);
        for (uint32_t cut = 0; cut < bytes; cut++) {
            assert_int_equal(parse_copy(&parsed, out, cut, &plain), BERTH_DROP_TRUNCATED);
        }
        assert_int_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
    }
}

/* Cut off, and the IP header says so: what is left is judged by the transport. */
static void every_honest_truncation_is_seen(void **state)
{
    const struct berth_offload good = {.checksum_good = 1};
    uint8_t out[256];

    (void)state;
    for (unsigned kind = 0; kind < 6; kind++) {
        uint32_t bytes = make_kind(out, kind);
        uint32_t network = out[0] >> 4 == 4 ? 20 : 40;
        for (uint32_t cut = network; cut < bytes; cut++) {
            if (network == 20) {
                store_be16(out + 2, (uint16_t)cut);
                mend_ipv4(out, 20);
            } else {
                store_be16(out + 4, (uint16_t)(cut - 40));
            }
            assert_int_not_equal(parse_copy(&parsed, out, cut, &plain), BERTH_DROP_NONE);
            if (cut < network + 8) {
                assert_int_equal(parse_copy(&parsed, out, cut, &good), BERTH_DROP_TRUNCATED);
            }
        }
    }
}

/* Whatever is damaged, nothing is read or pointed at outside the packet. */
static void damage_anywhere_is_no_harm(void **state)
{
    const struct berth_offload good = {.checksum_good = 1};
    uint64_t seed = 41;
    uint8_t out[256];

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        uint32_t bytes = make_kind(out, i % 6);
        uint8_t *copy;
        for (uint32_t k = 1 + draw_below(&seed, 3); k > 0; k--) {
            out[draw_below(&seed, draw_below(&seed, 2) ? bytes : 44)] = (uint8_t)draw(&seed);
        }
        if (out[0] >> 4 == 4 && (out[0] & 0xfU) * 4 <= bytes) {
            mend_ipv4(out, (out[0] & 0xfU) * 4);
        }
        bytes = draw_below(&seed, 4) == 0 ? draw_below(&seed, bytes + 1) : bytes;
        copy = exact_copy(out, bytes);
        if (wire_parse(&parsed, copy, bytes, &good) == BERTH_DROP_NONE) {
            assert_true(parsed.packet_bytes <= bytes);
            assert_true(parsed.payload >= copy + parsed.network_bytes + parsed.transport_bytes);
            assert_true(parsed.payload + parsed.payload_bytes <= copy + parsed.packet_bytes);
        }
        free(copy);
    }
}

/* ---- Captures -------------------------------------------------------------------------------- */

struct counts {
    const char *file;
    /* Good packets that came whole. */
    unsigned tcp, udp, icmp, fragments, other;
    /* The rest: snapped by the capture, or no good. */
    unsigned truncated, bad_checksum, bad_flags, bad_fragment, source_route, dropped_else;
};

/* As tshark counts them, with checksums verified and fragments left as they are. */
static const struct counts expected[] = {
    {"pmtu-v4.pcap", 29, 0, 0, 0, 0, 71, 0, 0, 0, 0, 0},
    {"pmtu-v6.pcap", 27, 0, 2, 0, 0, 70, 0, 0, 0, 0, 0},
    {"scan-frag-badsum-ipopt.pcap", 11, 0, 0, 7, 0, 0, 0, 0, 14, 4, 0},
    {"scan-ipproto.pcap", 2, 2, 5, 0, 41, 0, 0, 0, 0, 0, 0},
    {"scan-osdetect.pcap", 37, 0, 4, 0, 0, 2, 0, 8, 0, 0, 0},
    {"scan-sN.pcap", 32, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0},
    {"scan-syn-v6.pcap", 76, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0},
    {"scan-udp.pcap", 0, 26, 7, 0, 0, 4, 0, 0, 0, 0, 0},
    {"tcp-closed-port.pcap", 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    {"tcp-halfclose.pcap", 19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    {"tcp-mss-small.pcap", 16, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0},
    {"tcp-simopen.pcap", 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0},
    {"tcp-urgent.pcap", 13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    {"tfo-sender.pcap", 21, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0},
};

static void count_packet(struct counts *counts, uint8_t *data, uint32_t bytes)
{
    uint8_t *copy = exact_copy(data, bytes);

    switch (wire_parse(&parsed, copy, bytes, &plain)) {
    case BERTH_DROP_NONE:
        counts->tcp += !parsed.is_fragment && parsed.protocol == WIRE_TCP;
        counts->udp += !parsed.is_fragment && parsed.protocol == WIRE_UDP;
        counts->icmp +=
            !parsed.is_fragment && (parsed.protocol == WIRE_ICMP || parsed.protocol == WIRE_ICMP6);
        counts->fragments += parsed.is_fragment;
        counts->other += !parsed.is_fragment && parsed.transport == NULL;
        break;
    case BERTH_DROP_TRUNCATED:
        counts->truncated++;
        break;
    case BERTH_DROP_BAD_CHECKSUM:
        counts->bad_checksum++;
        break;
    case BERTH_DROP_BAD_TCP_FLAGS:
        counts->bad_flags++;
        break;
    case BERTH_DROP_BAD_FRAGMENT:
        counts->bad_fragment++;
        break;
    case BERTH_DROP_SOURCE_ROUTE:
        counts->source_route++;
        break;
    default:
        counts->dropped_else++;
    }
    free(copy);
}

/* Where the IP packet begins in a frame of LINK type; SIZE_MAX: in none. */
static size_t packet_begin(int link, const uint8_t *data, uint32_t bytes)
{
    if (link == DLT_RAW || link == 101 || link == 228 || link == 229) {
        return 0;
    }
    if (link == DLT_NULL) {
        return bytes >= 4 ? 4 : SIZE_MAX;
    }
    if (link == DLT_EN10MB && bytes >= ETHERNET_BYTES) {
        uint16_t type = load_be16(data + 12);
        return type == 0x0800 || type == 0x86dd ? ETHERNET_BYTES : SIZE_MAX;
    }
    return SIZE_MAX;
}

/* Parses all packets of the capture at PATH; false: libpcap cannot read it. */
static bool count_capture(struct counts *counts, const char *path)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_offline(path, error);
    struct pcap_pkthdr *header;
    const u_char *data;

    if (pcap == NULL) {
        return false;
    }
    while (pcap_next_ex(pcap, &header, &data) == 1) {
        size_t begin = packet_begin(pcap_datalink(pcap), data, header->caplen);
        if (begin != SIZE_MAX) {
            uint8_t *copy = exact_copy(data + begin, header->caplen - begin);
            count_packet(counts, copy, (uint32_t)(header->caplen - begin));
            free(copy);
        }
    }
    pcap_close(pcap);
    return true;
}

static void captures_count_as_tshark_counts_them(void **state)
{
    const char *source = getenv("BERTH_SOURCE");

    (void)state;
    if (source == NULL) {
        print_message("BERTH_SOURCE is not set: run this test through ninja\n");
        skip();
    }
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct counts found = {.file = expected[i].file};
        char path[1024];
        (void)snprintf(path, sizeof path, "%s/tests/data/pcap/%s", source, expected[i].file);
        assert_true(count_capture(&found, path));
        assert_int_equal(found.tcp, expected[i].tcp);
        assert_int_equal(found.udp, expected[i].udp);
        assert_int_equal(found.icmp, expected[i].icmp);
        assert_int_equal(found.fragments, expected[i].fragments);
        assert_int_equal(found.other, expected[i].other);
        assert_int_equal(found.truncated, expected[i].truncated);
        assert_int_equal(found.bad_checksum, expected[i].bad_checksum);
        assert_int_equal(found.bad_flags, expected[i].bad_flags);
        assert_int_equal(found.bad_fragment, expected[i].bad_fragment);
        assert_int_equal(found.source_route, expected[i].source_route);
        assert_int_equal(found.dropped_else, expected[i].dropped_else);
    }
}

/* All captures of a folder; those of GENERATED were made by a sound stack and are not damaged. */
static unsigned parse_folder(const char *folder, bool is_generated)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort);
    unsigned read = 0;

    for (int i = 0; i < count; i++) {
        struct counts found = {0};
        char path[2048];
        (void)snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (strstr(entries[i]->d_name, ".pcap") != NULL && count_capture(&found, path)) {
            read++;
            if (is_generated && strncmp(entries[i]->d_name, "scan-", 5) != 0) {
                assert_int_equal(found.bad_checksum, 0);
                assert_int_equal(found.bad_flags, 0);
                assert_int_equal(found.bad_fragment, 0);
                assert_true(found.tcp > 0);
            }
        }
        free(entries[i]);
    }
    free(entries);
    return read;
}

static void other_captures_are_no_harm(void **state)
{
    const char *source = getenv("BERTH_SOURCE");
    char folder[1024];
    unsigned read;

    (void)state;
    (void)snprintf(folder, sizeof folder, "%s/../shared/pcap/generated", source ? source : ".");
    read = parse_folder(folder, true);
    (void)snprintf(folder, sizeof folder, "%s/../shared/pcap/tcpdump", source ? source : ".");
    read += parse_folder(folder, false);
    if (read == 0) {
        print_message("no captures in ../shared/pcap\n");
        skip();
    }
    print_message("%u captures\n", read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_is_seen),
        cmocka_unit_test(every_honest_truncation_is_seen),
        cmocka_unit_test(damage_anywhere_is_no_harm),
        cmocka_unit_test(captures_count_as_tshark_counts_them),
        cmocka_unit_test(other_captures_are_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
