/* SPDX-License-Identifier: MIT */
/*
 * Findings from given sockets, and the tables that they come from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inspect/audit.h"

#define ROWS_MAX 8

/* A host with an address that anyone can reach, and what listens on it. */
struct world {
    struct host_socket rows[ROWS_MAX];
    struct host_process processes[ROWS_MAX];
    struct host_holding holdings[ROWS_MAX];
    struct host_picture picture;
    struct host_ephemeral ephemeral;
    struct audit audit;
};

static void setup(struct world *world)
{
    memset(world, 0, sizeof *world);
    world->picture.sockets.rows = world->rows;
    world->picture.holders.processes = world->processes;
    world->picture.holders.holdings = world->holdings;
    world->picture.reach = (struct host_reach){HOST_EXPOSURE_ANYONE, HOST_EXPOSURE_ANYONE, 0};
    world->ephemeral.first = 32768;
    world->ephemeral.last = 60999;
}

static void name(struct host_process *process, const char *program)
{
    (void)snprintf(process->name, sizeof process->name, "%s", program);
}

/* By rising port. PROGRAM: NULL: it cannot be seen. */
static void add(struct world *world, const char *address, uint16_t port,
                enum berth_transport transport, const char *program)
{
    size_t at = world->picture.sockets.count++;
    struct host_socket *row = &world->rows[at];
    size_t process = world->picture.holders.process_count;

    *row = (struct host_socket){.transport = transport,
                                .is_listening = true,
                                .is_whole = true,
                                .local = {.port = port},
                                .inode = 100 + at};
    assert_int_equal(berth_address_parse(address, &row->local.address), BERTH_OK);
    host_port_set_add(&world->picture.listening[transport == BERTH_TRANSPORT_UDP], port);
    if (program != NULL) {
        world->processes[process].pid = (pid_t)(1000 + process);
        name(&world->processes[process], program);
        world->holdings[process] = (struct host_holding){row->inode, (uint32_t)process};
        world->picture.holders.process_count++;
        world->picture.holders.count++;
    }
}

/* Looks, and expects IDS in this order, NULL at the end. */
static void expect(struct world *world, const char *const *ids)
{
    char id[AUDIT_ID_BYTES];
    size_t count = 0;

    assert_int_equal(audit_find(&world->audit, &world->picture, &world->ephemeral), BERTH_OK);
    for (; ids[count] != NULL; count++) {
        assert_true(count < world->audit.count);
        assert_string_equal(audit_id(&world->audit.findings[count], id), ids[count]);
    }
    assert_int_equal(world->audit.count, count);
}

static void expect_text(char *text, const char *piece)
{
    assert_non_null(text);
    assert_non_null(strstr(text, piece));
    free(text);
}

static void what_cannot_be_seen_goes_by_its_port(void **state)
{
    static const char *const ids[] = {"exposed-service:6379/tcp", NULL};
    struct world world;

    (void)state;
    setup(&world);
    add(&world, "0.0.0.0", 443, BERTH_TRANSPORT_TCP, NULL);
    add(&world, "0.0.0.0", 6379, BERTH_TRANSPORT_TCP, NULL);
    add(&world, "0.0.0.0", 9200, BERTH_TRANSPORT_TCP, NULL); /* java's, if it is java */
    expect(&world, ids);
    assert_int_equal(world.audit.unseen, 3);
    assert_false(world.audit.findings[0].is_by_program);
    expect_text(audit_title(&world.audit, world.audit.findings), "the port of Redis is open");
    audit_free(&world.audit);
}

static void a_command_with_no_program_behind_it_is_not_given(void **state)
{
    static const char *const ids[] = {"exposed-service:5432/tcp", NULL};
    struct world world;
    char *command;

    (void)state;
    setup(&world);
    add(&world, "0.0.0.0", 5432, BERTH_TRANSPORT_TCP, "docker-proxy");
    expect(&world, ids);
    command = audit_command(&world.audit, world.audit.findings);
    assert_non_null(command);
    assert_null(strstr(command, "psql"));
    expect_text(command, "nft");
    assert_null(audit_shut_command(&world.audit, world.audit.findings));
    audit_free(&world.audit);
}

static void the_worst_of_a_port_counts(void **state)
{
    static const char *const ids[] = {"exposed-service:5432/tcp", NULL};
    struct world world;

    (void)state;
    setup(&world);
    add(&world, "10.0.0.1", 5432, BERTH_TRANSPORT_TCP, "postgres");
    add(&world, "127.0.0.1", 5432, BERTH_TRANSPORT_TCP, "postgres");
    add(&world, "203.0.113.7", 5432, BERTH_TRANSPORT_TCP, "postgres");
    expect(&world, ids);
    assert_int_equal(world.audit.findings[0].severity, AUDIT_HIGH);
    assert_int_equal(world.audit.findings[0].exposure, HOST_EXPOSURE_ANYONE);
    /* Its sockets: not the one on loopback. */
    assert_ptr_equal(audit_next_socket(&world.audit, world.audit.findings, NULL), &world.rows[0]);
    assert_ptr_equal(audit_next_socket(&world.audit, world.audit.findings, &world.rows[0]),
                     &world.rows[2]);
    assert_null(audit_next_socket(&world.audit, world.audit.findings, &world.rows[2]));
    audit_free(&world.audit);
}

static void what_is_reserved_is_not_in_the_range(void **state)
{
    static const char *const ids[] = {"ephemeral-listener:40000/tcp",
                                      "ephemeral-listener:40002/tcp", "ephemeral-range", NULL};
    struct world world;
    char *command;

    (void)state;
    setup(&world);
    host_port_set_add(&world.ephemeral.reserved, 40001);
    host_port_set_add(&world.ephemeral.reserved, 8080);
    add(&world, "127.0.0.1", 32767, BERTH_TRANSPORT_TCP, "a");
    add(&world, "127.0.0.1", 40000, BERTH_TRANSPORT_TCP, "a");
    add(&world, "127.0.0.1", 40000, BERTH_TRANSPORT_UDP, "a");
    add(&world, "127.0.0.1", 40001, BERTH_TRANSPORT_TCP, "a");
    add(&world, "127.0.0.1", 40002, BERTH_TRANSPORT_TCP, "a");
    add(&world, "127.0.0.1", 61000, BERTH_TRANSPORT_TCP, "a");
    expect(&world, ids);
    command = audit_command(&world.audit, &world.audit.findings[1]);
    assert_string_equal(command,
                        "sudo sysctl -w net.ipv4.ip_local_reserved_ports=8080,40000-40002");
    free(command);
    audit_free(&world.audit);
}

static void a_twin_is_there_unless_it_is_something_else(void **state)
{
    static const char *const ids[] = {"wrong-service:443/tcp", "cleartext-service:80/tcp", NULL};
    struct world world;

    (void)state;
    setup(&world);
    add(&world, "0.0.0.0", 80, BERTH_TRANSPORT_TCP, "nginx");
    add(&world, "0.0.0.0", 443, BERTH_TRANSPORT_TCP, "sshd");
    expect(&world, ids);
    assert_false(world.audit.findings[1].has_twin);
    audit_free(&world.audit);
    name(&world.processes[1], "nginx");
    expect(&world, &ids[1]);
    assert_true(world.audit.findings[0].has_twin);
    audit_free(&world.audit);
}

static void nobody_is_killed_whose_program_is_not_known(void **state)
{
    static const char *const ids[] = {"wrong-service:22/tcp", NULL};
    struct world world;
    char *command;

    (void)state;
    setup(&world);
    add(&world, "127.0.0.1", 22, BERTH_TRANSPORT_TCP, "apache2");
    add(&world, "127.0.0.1", 25, BERTH_TRANSPORT_TCP, "systemd");
    expect(&world, ids);
    command = audit_command(&world.audit, world.audit.findings);
    assert_string_equal(command, "sudo kill 1000");
    free(command);
    audit_free(&world.audit);
}

/* A socket that init made and keeps is that of the program that it was made for. */
static void init_serves_nothing_itself(void **state)
{
    static const char *const ids[] = {"wrong-service:443/tcp", NULL};
    struct world world;

    (void)state;
    setup(&world);
    add(&world, "127.0.0.1", 443, BERTH_TRANSPORT_TCP, "systemd");
    world.processes[0].pid = 1;
    expect(&world, &ids[1]);
    audit_free(&world.audit);
    name(&world.processes[1], "sshd");
    world.processes[1].pid = 4711;
    world.holdings[1] = (struct host_holding){world.holdings[0].inode, 1};
    world.picture.holders.process_count = 2;
    world.picture.holders.count = 2;
    expect(&world, ids);
    assert_int_equal(world.audit.findings[0].process->pid, 4711);
    audit_free(&world.audit);
}

static bool is_registered(const char *name)
{
    const struct berth_registry_query query = {.name = name};
    struct berth_registry_cursor cursor;
    struct berth_service service;

    berth_registry_start(&cursor, &query);
    return berth_registry_next(&cursor, &service);
}

/* The words of LIST, one after the other, into WORD. False: there is none left. */
static bool next_word(const char **list, char word[64])
{
    size_t bytes;

    *list += strspn(*list, " ");
    bytes = strcspn(*list, " ");
    assert_true(bytes < 64);
    memcpy(word, *list, bytes);
    word[bytes] = '\0';
    *list += bytes;
    return bytes > 0;
}

static void services_are_well_formed(void **state)
{
    const struct audit_service *service;

    (void)state;
    for (size_t i = 0; (service = audit_service_at(i)) != NULL; i++) {
        const char *programs = service->programs == NULL ? "" : service->programs;
        char word[64];

        assert_true(service->port_first <= service->port_last);
        assert_true(service->match == AUDIT_BY_PROGRAM || service->port_first > 0);
        assert_true(service->match == AUDIT_BY_EITHER || service->programs != NULL);
        assert_int_equal(service->reason[strlen(service->reason) - 1], '.');
        assert_true(service->setting == NULL ||
                    service->setting[strlen(service->setting) - 1] != '.');
        while (next_word(&programs, word)) {
            assert_true(strlen(word) < HOST_PROCESS_NAME_BYTES);
        }
    }
}

/* IANA gives those names, to those ports. */
static void twins_are_registered(void **state)
{
    const struct audit_cleartext *cleartext;

    (void)state;
    for (size_t i = 0; (cleartext = audit_cleartext_at(i)) != NULL; i++) {
        bool is_tcp = (cleartext->transports & BERTH_TRANSPORT_TCP) != 0;

        assert_string_equal(
            berth_service_name(cleartext->port, is_tcp ? BERTH_TRANSPORT_TCP : BERTH_TRANSPORT_UDP),
            cleartext->name);
        assert_string_equal(berth_service_name(cleartext->twin_port, BERTH_TRANSPORT_TCP),
                            cleartext->twin);
    }
}

static void programs_serve_what_is_registered(void **state)
{
    static const char *const known[] = {
        "sshd",      "postgres", "mysqld",  "named",  "dnsmasq",   "exim4",       "dovecot",
        "vsftpd",    "cupsd",    "smbd",    "nmbd",   "snmpd",     "chronyd",     "slapd",
        "mosquitto", "apache2",  "unbound", "mongod", "memcached", "redis-server"};

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const struct audit_program *program = audit_program_find(known[i]);
        const char *services;
        char word[64];

        assert_non_null(program);
        services = program->services;
        assert_false(audit_is_front(known[i]));
        while (next_word(&services, word)) {
            assert_true(is_registered(word));
        }
    }
    assert_null(audit_program_find("python3"));
    assert_null(audit_program_find(""));
}

static void words_of_a_list_are_whole(void **state)
{
    (void)state;
    assert_true(audit_has_word("a bc d", "bc"));
    assert_true(audit_has_word("a bc d", "a") && audit_has_word("a bc d", "d"));
    assert_false(audit_has_word("a bc d", "b") || audit_has_word("a bc d", "bcd"));
    assert_false(audit_has_word("a bc d", "") || audit_has_word("", "a"));
    assert_false(audit_has_word("a bc d", "a bc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_seen_goes_by_its_port),
        cmocka_unit_test(a_command_with_no_program_behind_it_is_not_given),
        cmocka_unit_test(the_worst_of_a_port_counts),
        cmocka_unit_test(what_is_reserved_is_not_in_the_range),
        cmocka_unit_test(a_twin_is_there_unless_it_is_something_else),
        cmocka_unit_test(nobody_is_killed_whose_program_is_not_known),
        cmocka_unit_test(init_serves_nothing_itself),
        cmocka_unit_test(services_are_well_formed),
        cmocka_unit_test(twins_are_registered),
        cmocka_unit_test(programs_serve_what_is_registered),
        cmocka_unit_test(words_of_a_list_are_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
