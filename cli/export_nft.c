/* SPDX-License-Identifier: MIT */
/*
 * cli/export_nft.c: a policy as an nftables ruleset for the machine that loads it.
 *
 * Which rules may match an address at all depends on what it is (firewall/special.h), and so each
 * direction has three chains; a packet is sent to the one of its peer's class:
 *
 *   host     an address of the machine: rules that say `host`, or exactly an address
 *   special  loopback and so on: rules with a prefix inside that block
 *   network  every other: rules without a peer, and with a prefix that is no special block's
 *
 * 1. In a chain the rules stand in the policy's order and each ends with a verdict, so that the
 *    first that matches wins; each chain ends with the refusal.
 */
#include "cli/export.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/text.h"
#include "firewall/special.h"

enum class { CLASS_HOST, CLASS_SPECIAL, CLASS_NETWORK };
#define CLASSES     3
#define SOURCES_MAX 65536 /* that a limit counts at a time */

static const char *const class_names[CLASSES] = {"host", "special", "network"};

/* The blocks of firewall/special.c but for those that a chain asks for earlier, and IPv6 that
 * carries such (NAT64, 6to4). */
#define SPECIAL_4 "169.254.0.0/16, 224.0.0.0/4"
#define SPECIAL_6                                                            \
    "::/96, fe80::/10, ff00::/8,\n"                                          \
    "            64:ff9b::/104, 64:ff9b::7f00:0/104, 64:ff9b::a9fe:0/112,\n" \
    "            64:ff9b::e000:0/100, 64:ff9b::ffff:ffff,\n"                 \
    "            2002::/24, 2002:7f00::/24, 2002:a9fe::/32, 2002:e000::/20, 2002:ffff:ffff::/48"

/* What a rule says in the chain of one class: everyone, or addresses of both versions. */
struct matches {
    bool is_any;
    struct berth_prefix *prefixes;
    size_t count;
};

struct writer {
    const struct export *export;
    FILE *out;
};

static bool is_v4(const struct berth_prefix *prefix)
{
    return prefix->bits >= 96 && berth_address_is_v4(&prefix->address);
}

/* ---- Whom a rule matches -------------------------------------------------------------------- */

static bool may_match(const struct firewall_peer *peer, enum class class)
{
    uint8_t bits;
    bool is_special;

    switch ((enum firewall_peer_kind)peer->kind) {
    case FIREWALL_PEER_ANY:
        return class == CLASS_NETWORK;
    case FIREWALL_PEER_HOST:
        return class == CLASS_HOST;
    case FIREWALL_PEER_NAME:
        return false; /* it cannot be said: rules_export.c has told */
    case FIREWALL_PEER_PREFIX:
        break;
    }
    is_special = firewall_special_prefix(&peer->prefix, &bits);
    switch (class) {
    case CLASS_HOST:
        return peer->prefix.bits == 128;
    case CLASS_SPECIAL:
        return is_special;
    case CLASS_NETWORK:
        return !is_special;
    }
    return false;
}

/* Is PREFIX, number AT of the rule's peers, inside another one that is said too? */
static bool is_said(const struct matches *matches, const struct berth_prefix *prefix)
{
    for (size_t i = 0; i < matches->count; i++) {
        const struct berth_prefix *other = &matches->prefixes[i];

        if (other->bits <= prefix->bits && is_v4(other) == is_v4(prefix) &&
            berth_prefix_contains(other, &prefix->address)) {
            return true;
        }
    }
    return false;
}

static int compare_bits(const void *a, const void *b)
{
    return (int)((const struct berth_prefix *)a)->bits -
           (int)((const struct berth_prefix *)b)->bits;
}

/* False: the rule matches nobody of CLASS. */
static bool find_matches(const struct writer *writer, const struct firewall_rule *rule,
                         enum class class, struct matches *out)
{
    const struct firewall_peer *peers = &writer->export->set->peers[rule->peers_at];
    size_t wide = 0;

    out->is_any = rule->peers_count == 0 && class == CLASS_NETWORK;
    out->count = 0;
    for (uint32_t i = 0; i < rule->peers_count; i++) {
        if (may_match(&peers[i], class)) {
            out->is_any = out->is_any || peers[i].kind != FIREWALL_PEER_PREFIX;
            out->prefixes[wide++] = peers[i].prefix;
        }
    }
    if (!out->is_any && wide > 0) {
        qsort(out->prefixes, wide, sizeof *out->prefixes, compare_bits);
        for (size_t i = 0; i < wide; i++) {
            struct berth_prefix prefix = out->prefixes[i];

            if (!is_said(out, &prefix)) {
                out->prefixes[out->count++] = prefix;
            }
        }
    }
    return out->is_any || out->count > 0;
}

/* ---- One rule ------------------------------------------------------------------------------- */

/* "tcp dport { 80, 443 }" */
static void write_what(const struct writer *writer, const struct firewall_rule *rule,
                       uint8_t protocol, bool v4)
{
    const struct firewall_ports *ports = &writer->export->set->ports[rule->ports_at];
    const char *name = protocol == FIREWALL_TCP ? "tcp" : "udp";
    uint32_t first = 0;
    uint32_t last = 0;
    bool has_any = false;

    if (protocol == FIREWALL_ICMP) {
        fprintf(writer->out, "        %s type echo-request", v4 ? "icmp" : "icmpv6");
        return;
    }
    if (rule->ports_count == 0) {
        fprintf(writer->out, "        meta l4proto %s", name);
        return;
    }
    fprintf(writer->out, "        %s dport {", name);
    /* Sorted by their first port: those that overlap or touch become one. */
    for (uint32_t i = 0; i <= rule->ports_count; i++) {
        if (i < rule->ports_count && (ports[i].protocols & protocol) == 0) {
            continue;
        }
        if (i < rule->ports_count && first != 0 && ports[i].first <= last + 1) {
            last = ports[i].last > last ? ports[i].last : last;
            continue;
        }
        if (first != 0) {
            fprintf(writer->out, first == last ? "%s %" PRIu32 : "%s %" PRIu32 "-%" PRIu32,
                    has_any ? "," : "", first, last);
            has_any = true;
        }
        if (i < rule->ports_count) {
            first = ports[i].first;
            last = ports[i].last;
        }
    }
    fprintf(writer->out, " }");
}

/* What a limit has besides its rule's lines: a bucket for all, or one for each source. */
static void write_limit_object(const struct writer *writer, uint32_t index)
{
    const struct firewall_rule *rule = &writer->export->set->rules[index];
    const char *period = firewall_period_text((enum firewall_period)rule->limit.period);
    /* By then a bucket is full again, and as good as none. */
    static const char *const times[] = {"1s", "1m", "1h"}; /* enum firewall_period */

    if (rule->direction == BERTH_OUT) {
        fprintf(writer->out,
                "    limit limit_%" PRIu32 " { rate %" PRIu32 "/%s burst %" PRIu32 " packets }\n",
                index, rule->limit.count, period, rule->limit.count);
        return;
    }
    for (int v6 = 0; v6 <= 1; v6++) {
        fprintf(writer->out,
                "    set limit_%" PRIu32 "_%s { type %s; size %d; flags dynamic,timeout; "
                "timeout %s; }\n",
                index, v6 == 0 ? "v4" : "v6", v6 == 0 ? "ipv4_addr" : "ipv6_addr", SOURCES_MAX,
                times[rule->limit.period]);
    }
}

static void write_limit(const struct writer *writer, uint32_t index, bool v4)
{
    const struct firewall_rule *rule = &writer->export->set->rules[index];

    if (rule->direction == BERTH_OUT) {
        fprintf(writer->out, " limit name \"limit_%" PRIu32 "\"", index);
        return;
    }
    fprintf(writer->out,
            " update @limit_%" PRIu32 "_%s { %s limit rate %" PRIu32 "/%s burst %" PRIu32
            " packets }",
            index, v4 ? "v4" : "v6",
            v4 ? "ip saddr" : "ip6 saddr & ffff:ffff:ffff:ffff::", rule->limit.count,
            firewall_period_text((enum firewall_period)rule->limit.period), rule->limit.count);
}

static void write_verdict(const struct writer *writer, const struct firewall_rule *rule,
                          bool is_beyond)
{
    /* enum berth_action */
    static const char *const verdicts[] = {"accept", "goto refused", "drop", "goto refused"};

    if (rule->log) {
        uint32_t line = rule->line; /* and then of the file that it stands in */

        (void)cli_policy_file(writer->export->settings->policy, rule->line, &line);
        fprintf(writer->out, " log prefix \"berth %s %s line %" PRIu32 ": \"",
                firewall_action_text((enum berth_action)rule->action),
                rule->direction == BERTH_OUT ? "out" : "in", line);
    }
    fprintf(writer->out, " %s\n", is_beyond ? "goto refused" : verdicts[rule->action]);
}

/* The addresses of one version. */
static void write_addresses(const struct writer *writer, const struct matches *matches,
                            const char *end, bool v4)
{
    char text[FIREWALL_PREFIX_BYTES];
    size_t count = 0;

    for (size_t i = 0; i < matches->count; i++) {
        const struct berth_prefix *prefix = &matches->prefixes[i];

        if (is_v4(prefix) != v4) {
            continue;
        }
        if (prefix->bits == (v4 ? 96 : 0)) {
            fprintf(writer->out, " meta nfproto %s", v4 ? "ipv4" : "ipv6");
            return;
        }
        if (count++ == 0) {
            fprintf(writer->out, " %s %s {", v4 ? "ip" : "ip6", end);
        }
        fprintf(writer->out, "%s %s", count == 1 ? "" : ",", firewall_format_prefix(prefix, text));
    }
    fprintf(writer->out, count == 0 ? "" : " }");
}

static bool has_version(const struct matches *matches, bool v4)
{
    for (size_t i = 0; i < matches->count; i++) {
        if (is_v4(&matches->prefixes[i]) == v4) {
            return true;
        }
    }
    return false;
}

/* Does RULE let through so many only? */
static bool has_limit(const struct firewall_rule *rule)
{
    return rule->limit.count > 0 && rule->action == BERTH_ALLOW;
}

/* What lines of a rule are about. */
struct kind {
    uint8_t protocol;
    bool v4;
    bool is_one; /* both versions */
};

/* A rule's line for one kind; with a limit also the one for what is beyond that. */
static void write_lines(const struct writer *writer, uint32_t index, const struct matches *matches,
                        struct kind kind)
{
    const struct firewall_rule *rule = &writer->export->set->rules[index];
    const char *end = rule->direction == BERTH_OUT ? "daddr" : "saddr";

    for (int beyond = 0; beyond <= (has_limit(rule) ? 1 : 0); beyond++) {
        write_what(writer, rule, kind.protocol, kind.v4);
        if (!matches->is_any) {
            write_addresses(writer, matches, end, kind.v4);
        } else if (!kind.is_one) {
            fprintf(writer->out, " meta nfproto %s", kind.v4 ? "ipv4" : "ipv6");
        }
        if (has_limit(rule) && beyond == 0) {
            write_limit(writer, index, kind.v4);
        }
        write_verdict(writer, rule, beyond != 0);
    }
}

/* Where the rule stands, and what it says: a comment. */
static void write_origin(const struct writer *writer, uint32_t index)
{
    char origin[CLI_POLICY_ORIGIN_BYTES];
    char *shown = cli_text_clean(cli_policy_origin(writer->export->settings->policy,
                                                   writer->export->set->rules[index].line, origin));
    char *text = cli_text_clean(firewall_rule_text(writer->export->firewall, index));

    fprintf(writer->out, "        # %s: %s\n", shown, text);
    free(shown);
    free(text);
}

static void write_rule(const struct writer *writer, uint32_t index, const struct matches *matches)
{
    const struct firewall_rule *rule = &writer->export->set->rules[index];

    write_origin(writer, index);
    for (uint32_t bit = FIREWALL_TCP; bit <= FIREWALL_ICMP; bit <<= 1) {
        uint8_t protocol = (uint8_t)bit;
        /* Whom: anyone is one line, but for ICMP, which has a name for each version. */
        bool is_one = matches->is_any && protocol != FIREWALL_ICMP && !has_limit(rule);

        for (int v6 = 0; v6 <= (is_one ? 0 : 1); v6++) {
            if ((rule->protocols & protocol) != 0 &&
                (matches->is_any || has_version(matches, v6 == 0))) {
                write_lines(writer, index, matches,
                            (struct kind){.protocol = protocol, .v4 = v6 == 0, .is_one = is_one});
            }
        }
    }
}

/* ---- Chains --------------------------------------------------------------------------------- */

static void write_class(const struct writer *writer, enum berth_direction direction,
                        enum class class)
{
    struct matches matches = {.prefixes =
                                  cli_memory(NULL, FIREWALL_ITEMS_MAX * sizeof *matches.prefixes)};

    fprintf(writer->out, "\n    chain %s_%s {\n", direction == BERTH_OUT ? "out" : "in",
            class_names[class]);
    for (uint32_t i = 0; i < writer->export->set->count; i++) {
        const struct firewall_rule *rule = &writer->export->set->rules[i];

        if (rule->direction == direction && !export_is_left_out(rule) &&
            find_matches(writer, rule, class, &matches)) {
            write_rule(writer, i, &matches);
        }
    }
    fprintf(writer->out, "        goto refused\n    }\n");
    free(matches.prefixes);
}

/* The addresses of --host. */
static void write_host(const struct writer *writer, const char *to, const char *end, bool v4)
{
    const struct rules_settings *settings = writer->export->settings;
    struct berth_prefix all[RULES_HOST_MAX];
    struct matches matches = {.prefixes = all};

    for (size_t i = 0; i < settings->host_count; i++) {
        struct berth_prefix one = {.address = settings->host[i], .bits = 128};

        if (is_v4(&one) == v4 && !is_said(&matches, &one)) {
            all[matches.count++] = one;
        }
    }
    if (matches.count > 0) {
        fprintf(writer->out, "       ");
        write_addresses(writer, &matches, end, v4);
        fprintf(writer->out, " goto %s_host\n", to);
    }
}

static void write_direction(const struct writer *writer, enum berth_direction direction)
{
    const char *to = direction == BERTH_OUT ? "out" : "in";
    const char *end = direction == BERTH_OUT ? "daddr" : "saddr";
    FILE *out = writer->out;

    fprintf(out, "\n    chain %s {\n", to);
    fprintf(out, "        type filter hook %s priority filter; policy drop;\n",
            direction == BERTH_OUT ? "output" : "input");
    fprintf(out,
            "        ct state established accept\n"
            "        # ICMP and ICMPv6, whose name nft knows from /etc/protocols alone\n"
            "        ct state related meta l4proto { 1, 58 } accept\n"
            "        # a refusal on its way back\n"
            "        ct state related tcp flags & rst == rst accept\n"
            "        ct state invalid drop\n"
            "        # upkeep of the link, which is below what rules are about\n"
            "        ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-router-advert,\n"
            "            nd-neighbor-solicit, nd-neighbor-advert } accept\n"
            "        icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done,\n"
            "            mld2-listener-report } accept\n"
            "        # no segment but a SYN begins a conversation\n"
            "        tcp flags & (fin | syn | rst | ack) != syn goto refused\n");
    write_host(writer, to, end, true);
    write_host(writer, to, end, false);
    fprintf(out,
            "        ip6 %s ::ffff:0.0.0.0/96 drop\n"
            "        ip %s 127.0.0.1 goto %s_host\n"
            "        ip %s { 0.0.0.0/8, 127.0.0.0/8, 255.255.255.255 } goto %s_special\n"
            "        fib %s type { local, broadcast } goto %s_host\n"
            "        ip %s { " SPECIAL_4 " } goto %s_special\n"
            "        ip6 %s { " SPECIAL_6 " } goto %s_special\n"
            "        goto %s_network\n    }\n",
            end, end, to, end, to, end, to, end, to, end, to, to);
    for (int class = 0; class < CLASSES; class ++) {
        write_class(writer, direction, (enum class) class);
    }
}

void export_nft(const struct export *export, FILE *out)
{
    const struct writer writer = {.export = export, .out = out};

    fprintf(out,
            "#\n"
            "# `host` is the machine that loads this. out is what its programs begin, in what\n"
            "# others begin with them. What it forwards is not looked at.\n"
            "\n"
            "table inet berth\n"
            "delete table inet berth\n"
            "table inet berth {\n");
    for (uint32_t i = 0; i < export->set->count; i++) {
        if (has_limit(&export->set->rules[i]) && !export_is_left_out(&export->set->rules[i])) {
            write_limit_object(&writer, i);
        }
    }
    fprintf(out, "    chain refused {\n"
                 "        meta l4proto tcp reject with tcp reset\n"
                 "        reject with icmpx type admin-prohibited\n"
                 "    }\n");
    write_direction(&writer, BERTH_OUT);
    write_direction(&writer, BERTH_IN);
    fprintf(out, "}\n");
}
