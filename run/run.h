/* SPDX-License-Identifier: MIT */
/*
 * run/run.h: one run of one program, from set-up to exit status: its namespaces (launch.h), the
 * stack between it and the host, and the relays, the resolver, the journal and the tally around
 * them. The run command calls it; only run/ sees inside (inside.h).
 *
 *   state    event                                 next     function
 *   -        everything is ready, program held     ready    run_new
 *   ready    the program ended, all is relayed     over     run_go
 *   any      -                                     -        run_free
 *
 * Invariants
 *  1. Nothing of the program runs before everything that can fail has been set up.
 *  2. A process makes one run at a time (launch.h).
 */
#ifndef RUN_RUN_H
#define RUN_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/link.h"
#include "run/answers.h"
#include "run/hostnet.h"
#include "run/launch.h"
#include "run/tally.h"

enum {
    RUN_PUBLISHES_MAX = 256,
    RUN_NAMESERVERS_MAX = HOSTNET_NAMESERVERS_MAX,
    RUN_ASK_SECONDS = 30, /* how long an answer is waited for unless said */
    RUN_ASK_SECONDS_MAX = 110,
    RUN_SCANS_MAX = 16,
    RUN_SCAN_TEXT_BYTES = 480,
};

/* A peer that is anybody: each special block by itself, since nothing else names it, and such
 * blocks where IPv6 carries them (NAT64, 6to4): src/firewall/special.c. */
#define RUN_EVERYWHERE                                                                  \
    "any, host, 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255, " \
    "::, ::1, ::/96, fe80::/10, ff00::/8, 64:ff9b::/104, 64:ff9b::7f00:0/104, "         \
    "64:ff9b::a9fe:0/112, 64:ff9b::e000:0/100, 64:ff9b::ffff:ffff, 2002::/24, "         \
    "2002:7f00::/24, 2002:a9fe::/32, 2002:e000::/20, 2002:ffff:ffff::/48\n"

/* A question is over then in any case: before Linux gives up connecting (127 s). */
#define RUN_ASK_NS_MAX (UINT64_C(1000000000) * RUN_ASK_SECONDS_MAX)

/* Ports of the host, each delivered to a port of the program. */
struct run_publish {
    const char *word;             /* as it was given, for messages */
    bool has_address;             /* else 127.0.0.1 and ::1 */
    struct berth_address address; /* of the host; 0.0.0.0 and :: for every one */
    uint16_t host_first;
    uint16_t host_last;
    uint16_t program_first;
    enum berth_protocol protocol; /* BERTH_TCP, BERTH_UDP */
};

struct rules_answer; /* rules.h */

/* Where rules come from, and may come from again. */
struct run_rules_owner {
    void *context;
    /* Where LINE of the text was written: "npm.rules:3". Borrowed until the next call. */
    const char *(*origin)(void *context, uint32_t line);
    /* The file, and the line in it, that LINE of the text is from; NULL: from none. Borrowed until
     * rules are read again. */
    const char *(*file)(void *context, uint32_t line, uint32_t *file_line);
    /* Reads the rules once more: their text, borrowed until `taken` is called. False: ANSWER was
     * told what is wrong with them. NULL: they are what they are. */
    bool (*again)(void *context, struct rules_answer *answer, const char **text, size_t *bytes);
    /* From now on LINE is one of that text; or not, and it goes. */
    void (*taken)(void *context, bool is_taken);
};

/* Everything is borrowed until run_free. */
struct run_config {
    char *const *argv;
    const char *rules; /* checked already: what berth_rules_load takes */
    size_t rules_bytes;
    uint32_t rules_max; /* limits that the rules need, with room for those that are read again */
    uint32_t rule_bytes_max;
    struct run_rules_owner rules_owner;
    struct launch_network network;
    struct launch_network network6;
    struct berth_address resolver; /* where the program asks for names; used where IPv4 is on */
    struct berth_address resolver6;
    bool has_resolver;
    uint32_t mtu;
    uint32_t queues; /* 1 to RUN_QUEUES_MAX (queue.h); 0: one, and helpers (spread.h) */
    const struct run_publish *publishes;
    size_t publish_count;
    const struct hostnet_nameserver *nameservers; /* none: the host's own */
    size_t nameserver_count;
    const struct launch_host *hosts;
    size_t host_count;
    bool learns;                              /* run_answers keeps what names led to */
    const char *log_file;                     /* NULL: none */
    const char *pcap_file;                    /* NULL: none */
    const struct link_impairment *impairment; /* NULL: none */
    uint64_t ask_timeout_ns;                  /* up to RUN_ASK_NS_MAX */
    const char *policy_file; /* where answers to the default are added; NULL: nowhere */
    /* A line for people, without "berth: " and newline. */
    void (*say)(const char *line);
};

/* A verdict "scanner": what was said of it. */
struct run_scan {
    char process[ATTRIBUTE_NAME_BYTES]; /* out: who made the last contact */
    char text[RUN_SCAN_TEXT_BYTES];
};

struct run;

/* Sets everything up; the program is held. On failure *out is untouched, *failure is filled.
 * Returns 0, BERTH_E_INVALID (a file that cannot be opened: status 2) or BERTH_E_STATE. */
BERTH_MUST_CHECK int run_new(struct run **out, const struct run_config *config,
                             struct launch_failure *failure);
/* Lets the program go and relays until it has ended and what it left has been delivered. Returns
 * 0, or BERTH_E_DENIED: the program could not be executed (*failure filled). */
BERTH_MUST_CHECK int run_go(struct run *run, struct launch_failure *failure);
/* The program's exit status as berth's; only after run_go. */
int run_exit_status(const struct run *run);
void run_free(struct run *run);

/* For the closing table; borrowed until run_free. */
const struct tally *run_tally(const struct run *run);
const struct answers *run_answers(const struct run *run);
/* The rule of a tally's row (rules_note's NUMBER): its text, and where it was written; NULL: none.
 */
const char *run_rule_text(const struct run *run, int32_t number);
const char *run_rule_origin(const struct run *run, int32_t number);
/* The verdict INDEX on a scanner, counted from 0; NULL past the end, and for all but the last
 * RUN_SCANS_MAX. */
const struct run_scan *run_scan_at(const struct run *run, uint64_t index);
uint64_t run_scan_count(const struct run *run);
/* Refusals that came too fast to be noted. */
uint64_t run_refusals_lost(const struct run *run);

#endif
