/* SPDX-License-Identifier: MIT */
/*
 * bench-registry berth|libc -t SECONDS: what it costs to find a service by its port and by its
 * name. berth: the table in the library; libc: getservbyport and getservbyname, which read
 * /etc/services (by way of nsswitch.conf). Both are asked for the TCP services of /etc/services, in
 * random order, and for ones that neither knows. One line of JSON: nanoseconds of each.
 */
#include <berth/registry.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERVICES_MAX 1024
#define NAME_MAX     32
#define BATCH        64U

struct services {
    char names[SERVICES_MAX][NAME_MAX];
    uint16_t ports[SERVICES_MAX];
    uint32_t count;
};

struct lookup {
    const char *name;
    bool (*find)(uint16_t port, const char *name);
    bool is_known;
};

static struct services services;

static bool berth_port(uint16_t port, const char *name)
{
    (void)name;
    return berth_service_name(port, BERTH_TRANSPORT_TCP) != NULL;
}

static bool berth_name(uint16_t port, const char *name)
{
    struct berth_registry_query query = {
        .name = name, .has_transports = true, .transports = BERTH_TRANSPORT_TCP};
    struct berth_registry_cursor cursor;
    struct berth_service service;

    (void)port;
    berth_registry_start(&cursor, &query);
    return berth_registry_next(&cursor, &service);
}

static bool libc_port(uint16_t port, const char *name)
{
    (void)name;
    return getservbyport(htons(port), "tcp") != NULL;
}

static bool libc_name(uint16_t port, const char *name)
{
    (void)port;
    return getservbyname(name, "tcp") != NULL;
}

/* The TCP services that both know. */
static void collect(void)
{
    struct servent *entry;

    setservent(1);
    while ((entry = getservent()) != NULL && services.count < SERVICES_MAX) {
        uint16_t port = ntohs((uint16_t)entry->s_port);
        if (strcmp(entry->s_proto, "tcp") == 0 && strlen(entry->s_name) < NAME_MAX &&
            berth_port(port, NULL) && berth_name(0, entry->s_name)) {
            memcpy(services.names[services.count], entry->s_name, strlen(entry->s_name) + 1);
            services.ports[services.count++] = port;
        }
    }
    endservent();
    if (services.count == 0) {
        fputs("bench-registry: /etc/services names no TCP service\n", stderr);
        exit(1);
    }
}

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double measure(const struct lookup *lookup, double seconds)
{
    uint64_t state = 1;
    uint64_t count = 0;
    double begin = cpu_seconds();
    double now = begin;

    while (now - begin < seconds) {
        for (unsigned i = 0; i < BATCH; i++) {
            state = state * 6364136223846793005U + 1442695040888963407U;
            uint32_t at = (uint32_t)((state >> 33) % services.count);
            /* 49152 to 65535 and a name with a dot are nobody's */
            uint16_t port = lookup->is_known ? services.ports[at] : (uint16_t)(49152 + at);
            const char *name = lookup->is_known ? services.names[at] : "no.such";
            if (lookup->find(port, name) != lookup->is_known) {
                fprintf(stderr, "bench-registry: %s: %u %s: wrong\n", lookup->name, port, name);
                exit(1);
            }
        }
        count += BATCH;
        now = cpu_seconds();
    }
    return (now - begin) * 1e9 / (double)count;
}

int main(int argc, char **argv)
{
    if (argc != 4 || strcmp(argv[2], "-t") != 0 ||
        (strcmp(argv[1], "berth") != 0 && strcmp(argv[1], "libc") != 0)) {
        fputs("usage: bench-registry berth|libc -t SECONDS\n", stderr);
        return 2;
    }
    bool is_libc = strcmp(argv[1], "libc") == 0;
    const struct lookup lookups[] = {
        {"port", is_libc ? libc_port : berth_port, true},
        {"port_unknown", is_libc ? libc_port : berth_port, false},
        {"name", is_libc ? libc_name : berth_name, true},
        {"name_unknown", is_libc ? libc_name : berth_name, false},
    };
    size_t count = sizeof lookups / sizeof lookups[0];

    collect();
    putchar('{');
    for (size_t i = 0; i < count; i++) {
        printf("\"%s\": %.1f, ", lookups[i].name, measure(&lookups[i], strtod(argv[3], NULL)));
    }
    printf("\"services\": %u}\n", services.count);
    return 0;
}
