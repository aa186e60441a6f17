/* SPDX-License-Identifier: MIT */
/*
 * Making and ending the adapter, its lock, and waiting. Owns struct adapter; adapter.h has the
 * rules.
 */
#include "adapter.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const uint64_t epoch_ns = UINT64_C(1700000000) * NS_PER_S; /* when every script begins */

/* This thread was woken and the main thread waits for it. */
static __thread bool is_running;
/* The time at which this thread's last call returned, not yet asked for. */
static __thread uint64_t returned_ns;

void adapter_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("libberth_packetdrill: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    fflush(stderr);
    _exit(1); /* other threads may be inside: no destructors */
}

static bool is_main(const struct adapter *adapter)
{
    return pthread_equal(pthread_self(), adapter->main_thread) != 0;
}

static void settle_self(struct adapter *adapter)
{
    if (is_running) {
        is_running = false;
        adapter->running--;
        pthread_cond_broadcast(&adapter->settled);
    }
}

void adapter_enter(struct adapter *adapter)
{
    pthread_mutex_lock(&adapter->lock);
}

ssize_t adapter_leave(struct adapter *adapter, ssize_t result)
{
    clock_pump(adapter);
    if (is_main(adapter)) {
        clock_settle(adapter);
    } else {
        returned_ns = adapter->now_ns;
    }
    settle_self(adapter);
    pthread_mutex_unlock(&adapter->lock);
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

/* Waiting on the main thread: nothing else moves the clock. */
static bool step(struct adapter *adapter, uint64_t deadline_ns)
{
    uint64_t next_ns = clock_next(adapter);
    next_ns = next_ns < deadline_ns ? next_ns : deadline_ns;
    if (next_ns == BERTH_NEVER) {
        adapter_fail("a call waits on the main thread and nothing is due: it would wait for ever");
    }
    clock_advance(adapter, next_ns);
    return adapter->now_ns < deadline_ns;
}

bool adapter_wait(struct adapter *adapter, uint64_t deadline_ns)
{
    clock_pump(adapter);
    if (deadline_ns <= adapter->now_ns) {
        return false;
    }
    if (is_main(adapter)) {
        return step(adapter, deadline_ns);
    }
    uint64_t seen = adapter->wakes;
    if (adapter->waiting == 0 || deadline_ns < adapter->wait_until_ns) {
        adapter->wait_until_ns = deadline_ns;
    }
    adapter->waiting++;
    settle_self(adapter);
    while (adapter->wakes == seen) {
        pthread_cond_wait(&adapter->changed, &adapter->lock);
    }
    is_running = true; /* counted by clock_settle */
    return adapter->now_ns < deadline_ns;
}

void adapter_leave_clock(struct adapter *adapter)
{
    pthread_mutex_unlock(&adapter->lock);
}

/* On the thread of the blocking calls the first look at the clock after a call is the time at which
 * it returned; every other look moves the clock on, for some wait by looking. */
uint64_t adapter_look_at_clock(struct adapter *adapter)
{
    if (returned_ns != 0) {
        uint64_t now_ns = returned_ns;
        returned_ns = 0;
        return now_ns;
    }
    clock_advance(adapter, adapter->now_ns + NS_PER_US);
    return adapter->now_ns;
}

static void make_stack(struct adapter *adapter)
{
    const struct adapter_settings *settings = &adapter->settings;
    const char *what = "";
    if (berth_config_check(&settings->config, &what) != 0) {
        adapter_fail("so_flags: %s is out of its range", what);
    }
    adapter->memory_bytes = berth_memory_bytes(&settings->config);
    adapter->memory = mmap(NULL, adapter->memory_bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (adapter->memory == MAP_FAILED) {
        adapter_fail("no memory for the stack: %zu bytes", adapter->memory_bytes);
    }
    int error = berth_init(&adapter->berth, &settings->config, adapter->memory,
                           adapter->memory_bytes, adapter->now_ns);
    if (error != 0) {
        adapter_fail("the stack cannot be made: %s", berth_error_text(error));
    }
}

static void add_address(struct adapter *adapter, const struct berth_address *address)
{
    bool v4 = berth_address_is_v4(address);
    unsigned most = v4 ? 32 : 128;
    unsigned bits = adapter->settings.prefix;
    bits = bits == 0 || bits > most ? (v4 ? 16 : 64) : bits;
    struct berth_prefix prefix = {.address = *address, .bits = (uint8_t)(v4 ? 96 + bits : bits)};
    int error = berth_address_add(adapter->berth, &prefix);
    if (error != 0) {
        adapter_fail("so_flags: ip: %s", berth_error_text(error));
    }
}

/* Everything may come and go: the scripts are about TCP, not about the firewall. */
static void set_up(struct adapter *adapter)
{
    static const char rules[] = "allow in\nallow out\n"
                                "allow in from 169.254.0.0/16, fe80::/10\n"
                                "allow out to 169.254.0.0/16, fe80::/10\n";
    struct berth_rules_error where = {0};
    for (unsigned i = 0; i < adapter->settings.local_count; i++) {
        add_address(adapter, &adapter->settings.local[i]);
    }
    struct berth_prefix all4;
    struct berth_prefix all6;
    int error = berth_prefix_parse("0.0.0.0/0", &all4);
    error = error != 0 ? error : berth_prefix_parse("::/0", &all6);
    error = error != 0 ? error : berth_route_add(adapter->berth, &all4);
    error = error != 0 ? error : berth_route_add(adapter->berth, &all6);
    error = error != 0 ? error : berth_rules_load(adapter->berth, rules, sizeof rules - 1, &where);
    if (error != 0) {
        adapter_fail("the stack cannot be set up: %s", berth_error_text(error));
    }
}

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *interface)
{
    struct adapter *adapter = calloc(1, sizeof *adapter);
    if (adapter == NULL) {
        adapter_fail("no memory");
    }
    munlockall(); /* locked memory serves real time; here it would only reserve what is not used */
    pthread_mutex_init(&adapter->lock, NULL);
    pthread_cond_init(&adapter->changed, NULL);
    pthread_cond_init(&adapter->settled, NULL);
    adapter->main_thread = pthread_self();
    adapter->now_ns = epoch_ns;
    returned_ns = 0;
    settings_parse(&adapter->settings, flags);
    make_stack(adapter);
    set_up(adapter);
    calls_fill(interface);
    interface->userdata = adapter;
}

/* The eventfds are not closed here: packetdrill has closed those that it knew. */
void adapter_free(struct adapter *adapter)
{
    for (int fd = 0; fd < FILES_MAX; fd++) {
        struct file *file = adapter->files[fd];
        if (file != NULL) {
            pipe_close(file);
            free(file->epoll);
            free(file);
        }
    }
    net_free(adapter);
    berth_done(adapter->berth);
    munmap(adapter->memory, adapter->memory_bytes);
    pthread_cond_destroy(&adapter->settled);
    pthread_cond_destroy(&adapter->changed);
    pthread_mutex_destroy(&adapter->lock);
    free(adapter);
}
