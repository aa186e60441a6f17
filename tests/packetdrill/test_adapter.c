/* SPDX-License-Identifier: MIT */
/*
 * The adapter as packetdrill loads it: by dlopen, through its table of functions, with a thread for
 * the calls that block. The other end of the wire is built here, byte by byte.
 */
#include "test_peer.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include <berth/config.h>

/* As packetdrill does; but the address sanitizer has to stand before the library. */
#if defined(__SANITIZE_ADDRESS__)
#define LOAD_FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOAD_FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)
#endif
#endif
#ifndef LOAD_FLAGS
#define LOAD_FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | RTLD_DEEPBIND)
#endif

struct packetdrill_interface table;

static void load(const char *flags)
{
    void *library = dlopen(getenv("BERTH_PACKETDRILL"), LOAD_FLAGS);
    if (library == NULL) {
        fail_msg("%s", dlerror());
    }
    void (*init)(const char *, struct packetdrill_interface *);
    *(void **)&init = dlsym(library, "packetdrill_interface_init");
    assert_non_null(*(void **)&init);
    memset(&table, 0, sizeof table);
    init(flags, &table);
}

static int set_up(void **state)
{
    (void)state;
    load(NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    table.free(table.userdata);
    return 0;
}

static int64_t now_us(void)
{
    struct timeval now;
    assert_int_equal(table.gettimeofday(table.userdata, &now, NULL), 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_usec;
}

static struct sockaddr_in address(const char *text, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
    return in;
}

static int listen_on(void)
{
    struct sockaddr_in local = address("192.168.0.1", PORT);
    int fd = table.socket(table.userdata, AF_INET, SOCK_STREAM, IPPROTO_TCP);
    assert_true(fd >= 0);
    assert_int_equal(table.bind(table.userdata, fd, (void *)&local, sizeof local), 0);
    assert_int_equal(table.listen(table.userdata, fd, 5), 0);
    return fd;
}

static int accept_one(int listener)
{
    struct sockaddr_in peer;
    socklen_t bytes = sizeof peer;
    int fd = table.accept(table.userdata, listener, (void *)&peer, &bytes);
    assert_true(fd >= 0);
    assert_int_equal(ntohs(peer.sin_port), PEER_PORT);
    assert_int_equal(ntohl(peer.sin_addr.s_addr), 0xc0000201);
    return fd;
}

/* ---- The thread of the blocking calls ------------------------------------------------------- */

struct blocking {
    pthread_t thread;
    volatile pid_t tid;
    ssize_t (*call)(int fd);
    int fd;
    ssize_t result;
    int error;
    int64_t returned_us;
};

static void *block(void *argument)
{
    struct blocking *blocking = argument;
    blocking->tid = (pid_t)syscall(SYS_gettid);
    blocking->result = blocking->call(blocking->fd);
    blocking->error = errno;
    blocking->returned_us = now_us();
    return NULL;
}

static bool is_asleep(pid_t tid)
{
    char path[64];
    char text[512] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    const char *end = strrchr(text, ')');
    return end != NULL && end[2] == 'S';
}

static void start(struct blocking *blocking, ssize_t (*call)(int fd), int fd)
{
    *blocking = (struct blocking){.call = call, .fd = fd};
    assert_int_equal(pthread_create(&blocking->thread, NULL, block, blocking), 0);
    for (int tries = 0; tries < 10000; tries++) {
        if (blocking->tid != 0 && is_asleep(blocking->tid)) {
            return;
        }
        usleep(1000);
    }
    fail_msg("the blocking call does not sleep");
}

static void finish(struct blocking *blocking)
{
    assert_int_equal(pthread_join(blocking->thread, NULL), 0);
}

static ssize_t block_accept(int fd)
{
    return table.accept(table.userdata, fd, NULL, NULL);
}

static ssize_t block_read(int fd)
{
    char data[100];
    return table.read(table.userdata, fd, data, sizeof data);
}

static ssize_t block_poll(int fd)
{
    struct pollfd poll = {.fd = fd, .events = POLLIN};
    return table.poll(table.userdata, &poll, 1, 250);
}

/* Fills the send queue, and then some. */
static ssize_t block_write(int fd)
{
    static char data[200000];
    return table.write(table.userdata, fd, data, sizeof data);
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void test_every_member(void **state)
{
    (void)state;
    void *members[33];
    memcpy(members, &table, sizeof members);
    for (size_t i = 0; i < 33; i++) {
        assert_non_null(members[i]);
    }
}

static void test_the_clock_moves(void **state)
{
    (void)state;
    int64_t before = now_us();
    assert_true(now_us() > before);
    before = now_us();
    assert_int_equal(table.usleep(table.userdata, 3600U * 1000000U), 0);
    int64_t passed = now_us() - before;
    assert_in_range(passed, 3600LL * 1000000, 3600LL * 1000000 + 10);
}

static void test_accept_blocks_until_the_handshake(void **state)
{
    (void)state;
    struct blocking blocking;
    int listener = listen_on();
    start(&blocking, block_accept, listener);
    table.usleep(table.userdata, 50000);
    int64_t before = now_us();
    shake_hands();
    table.usleep(table.userdata, 1000000); /* the main thread goes on before the other has looked */
    finish(&blocking);
    assert_true(blocking.result >= 0);
    assert_in_range(blocking.returned_us, before, before + 20);
}

static void test_read_blocks_until_data(void **state)
{
    (void)state;
    struct blocking blocking;
    int listener = listen_on();
    uint32_t iss = shake_hands();
    int fd = accept_one(listener);
    start(&blocking, block_read, fd);
    table.usleep(table.userdata, 70000);
    int64_t before = now_us();
    send_in(&(struct segment){
        .flags = 0x18, .seq = ISS + 1, .ack = iss + 1, .window = 65535, .bytes = 42});
    table.usleep(table.userdata, 500000);
    finish(&blocking);
    assert_int_equal(blocking.result, 42);
    assert_in_range(blocking.returned_us, before, before + 20);
}

static void test_a_reset_ends_a_blocked_read(void **state)
{
    (void)state;
    struct blocking blocking;
    int listener = listen_on();
    shake_hands();
    int fd = accept_one(listener);
    start(&blocking, block_read, fd);
    send_in(&(struct segment){.flags = 0x04, .seq = ISS + 1});
    finish(&blocking);
    assert_int_equal(blocking.result, -1);
    assert_int_equal(blocking.error, ECONNRESET);
}

static void test_poll_waits_in_virtual_time(void **state)
{
    (void)state;
    struct blocking blocking;
    int listener = listen_on();
    int64_t before = now_us();
    start(&blocking, block_poll, listener);
    table.usleep(table.userdata, 10000000);
    finish(&blocking);
    assert_int_equal(blocking.result, 0);
    assert_in_range(blocking.returned_us, before + 250000, before + 250050);
}

static void test_write_blocks_until_there_is_room(void **state)
{
    (void)state;
    struct blocking blocking;
    int value = 20000;
    int listener = listen_on();
    uint32_t iss = shake_hands();
    int fd = accept_one(listener);
    assert_int_equal(
        table.setsockopt(table.userdata, fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof value), 0);
    start(&blocking, block_write, fd);
    uint32_t sent = 0;
    while (sent < 200000) {
        long long sent_us;
        struct segment out = take_out(&sent_us);
        assert_int_equal(out.seq, iss + 1 + sent);
        sent += out.bytes;
        send_in(&(struct segment){
            .flags = 0x10, .seq = ISS + 1, .ack = iss + 1 + sent, .window = 65535});
    }
    finish(&blocking);
    assert_int_equal(blocking.result, 200000);
}

static void test_a_timer_is_jumped_to(void **state)
{
    (void)state;
    struct sockaddr_in remote = address("192.0.2.1", PORT);
    long long first_us;
    long long second_us;
    int fd = table.socket(table.userdata, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(table.connect(table.userdata, fd, (void *)&remote, sizeof remote), -1);
    assert_int_equal(errno, EINPROGRESS);
    assert_int_equal(take_out(&first_us).flags, 0x02);
    assert_int_equal(take_out(&second_us).flags, 0x02);
    assert_in_range(second_us - first_us, 999000, 1001000);
    assert_int_equal(table.connect(table.userdata, fd, (void *)&remote, sizeof remote), -1);
    assert_int_equal(errno, EALREADY);
}

#define EXPECT_ERROR(call, number)         \
    do {                                   \
        assert_int_equal((call), -1);      \
        assert_int_equal(errno, (number)); \
    } while (0)

static void test_errors(void **state)
{
    (void)state;
    char data[10] = "";
    int value = 1;
    socklen_t bytes = sizeof value;
    void *user = table.userdata;
    struct sockaddr_in other = address("10.1.1.1", 80);
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    EXPECT_ERROR(table.socket(user, AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
    EXPECT_ERROR(table.socket(user, AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    EXPECT_ERROR(table.read(user, 999, data, 1), EBADF);
    EXPECT_ERROR(table.close(user, 999), EBADF);
    int fd = table.socket(user, AF_INET, SOCK_STREAM, 0);
    EXPECT_ERROR(table.accept(user, fd, NULL, NULL), EINVAL);
    EXPECT_ERROR(table.read(user, fd, data, 1), ENOTCONN);
    EXPECT_ERROR(table.write(user, fd, data, 1), EPIPE);
    EXPECT_ERROR(table.shutdown(user, fd, SHUT_WR), ENOTCONN);
    EXPECT_ERROR(table.bind(user, fd, (void *)&other, sizeof other), EADDRNOTAVAIL);
    EXPECT_ERROR(table.bind(user, fd, (void *)&other, 4), EINVAL);
    EXPECT_ERROR(table.connect(user, fd, (void *)&in6, sizeof in6), EAFNOSUPPORT);
    EXPECT_ERROR(table.setsockopt(user, fd, IPPROTO_TCP, 999, &value, bytes), ENOPROTOOPT);
    EXPECT_ERROR(table.setsockopt(user, fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &value, bytes),
                 ENOPROTOOPT);
    EXPECT_ERROR(table.getsockopt(user, fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &value, &bytes),
                 ENOPROTOOPT);
    EXPECT_ERROR(table.setsockopt(user, fd, IPPROTO_TCP, TCP_NODELAY, &value, 2), EINVAL);
    EXPECT_ERROR(table.getsockopt(user, fd, IPPROTO_IP, 999, &value, &bytes), ENOPROTOOPT);
    EXPECT_ERROR(table.ioctl(user, fd, 0x1234UL, &value), ENOTTY);
    int udp = table.socket(user, AF_INET, SOCK_DGRAM, 0);
    EXPECT_ERROR(table.listen(user, udp, 1), EOPNOTSUPP);
    EXPECT_ERROR(table.send(user, udp, data, 1, 0), EDESTADDRREQ);
    EXPECT_ERROR(table.setsockopt(user, udp, IPPROTO_TCP, TCP_NODELAY, &value, bytes), ENOPROTOOPT);
    struct epoll_event event = {.events = EPOLLIN};
    EXPECT_ERROR(table.epoll_ctl(user, fd, EPOLL_CTL_ADD, udp, &event), EINVAL);
    int epoll = table.epoll_create(user, 1);
    assert_int_equal(table.epoll_ctl(user, epoll, EPOLL_CTL_ADD, fd, &event), 0);
    EXPECT_ERROR(table.epoll_ctl(user, epoll, EPOLL_CTL_ADD, fd, &event), EEXIST);
    EXPECT_ERROR(table.epoll_ctl(user, epoll, EPOLL_CTL_DEL, udp, &event), ENOENT);
    EXPECT_ERROR(table.read(user, epoll, data, 1), EINVAL);
}

static void test_descriptors_are_real(void **state)
{
    (void)state;
    int fd = table.socket(table.userdata, AF_INET, SOCK_STREAM, 0);
    assert_true(fcntl(fd, F_GETFD) >= 0);
    assert_int_equal(table.close(table.userdata, fd), 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    fd = table.socket(table.userdata, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(close(fd), 0); /* as packetdrill does at the end of a script */
    send_in(&(struct segment){.flags = 0x04, .seq = ISS});
}

static void test_bytes_and_their_count(void **state)
{
    (void)state;
    char data[100];
    int value = -1;
    int listener = listen_on();
    uint32_t iss = shake_hands();
    int fd = accept_one(listener);
    send_in(&(struct segment){
        .flags = 0x18, .seq = ISS + 1, .ack = iss + 1, .window = 65535, .bytes = 60});
    assert_int_equal(table.ioctl(table.userdata, fd, (unsigned long)SIOCINQ, &value), 0);
    assert_int_equal(value, 60);
    assert_int_equal(table.recv(table.userdata, fd, data, 50, MSG_PEEK), 50);
    assert_int_equal(table.recv(table.userdata, fd, data, 100, 0), 60);
    assert_int_equal(table.recv(table.userdata, fd, data, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(table.write(table.userdata, fd, data, 100), 100);
    assert_int_equal(table.ioctl(table.userdata, fd, (unsigned long)SIOCOUTQ, &value), 0);
    assert_int_equal(value, 100);
    send_in(&(struct segment){.flags = 0x10, .seq = ISS + 61, .ack = iss + 101, .window = 65535});
    assert_int_equal(table.ioctl(table.userdata, fd, (unsigned long)SIOCOUTQ, &value), 0);
    assert_int_equal(value, 0);
}

/* libc's struct is the older, shorter one: what does not fit is cut off. */
static void test_figures(void **state)
{
    (void)state;
    struct tcp_info info = {0};
    socklen_t bytes = sizeof info;
    char data[2000] = "";
    int listener = listen_on();
    uint32_t iss = shake_hands();
    int fd = accept_one(listener);
    assert_int_equal(table.write(table.userdata, fd, data, 2000), 2000);
    assert_int_equal(table.getsockopt(table.userdata, fd, IPPROTO_TCP, TCP_INFO, &info, &bytes), 0);
    assert_int_equal(bytes, sizeof info);
    assert_int_equal(info.tcpi_state, TCP_ESTABLISHED);
    assert_int_equal(info.tcpi_snd_mss, 536);
    assert_int_equal(info.tcpi_snd_cwnd, 10);
    assert_int_equal(info.tcpi_unacked, 4);
    assert_int_equal(info.tcpi_pmtu, 576);
    send_in(&(struct segment){.flags = 0x04, .seq = ISS + 1, .ack = iss + 1});
    bytes = 1;
    assert_int_equal(table.getsockopt(table.userdata, fd, IPPROTO_TCP, TCP_INFO, &info, &bytes), 0);
    assert_int_equal(bytes, 1);
    assert_int_equal(info.tcpi_state, TCP_CLOSE);
}

/* ---- Ends ----------------------------------------------------------------------------------- */

#define SAID_BYTES 512

/* RUN in a process of its own: its exit status, and what it said on standard error. */
static int run_apart(void (*run)(void), char *said)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        alarm(20);
        run();
        _exit(0);
    }
    close(ends[1]);
    memset(said, 0, SAID_BYTES);
    size_t got = 0;
    ssize_t part = 1;
    while (part > 0 && got < SAID_BYTES - 1) {
        part = read(ends[0], said + got, SAID_BYTES - 1 - got);
        got += part > 0 ? (size_t)part : 0;
    }
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* RUN ends its process with a status that is not 0, and says WORDS. */
static void expect_end(void (*run)(void), const char *words)
{
    char said[SAID_BYTES];
    assert_int_not_equal(run_apart(run, said), 0);
    if (strstr(said, words) == NULL) {
        fail_msg("said: %s", said);
    }
}

static void run_deadlock(void)
{
    long long sent_us;
    load(NULL);
    take_out(&sent_us);
}

static void run_wait_on_main(void)
{
    load(NULL);
    block_accept(listen_on());
}

static char setting_flags[128];

static void run_setting(void)
{
    load(setting_flags);
}

static void expect_refusal(const char *flags, const char *words)
{
    snprintf(setting_flags, sizeof setting_flags, "%s", flags);
    expect_end(run_setting, words);
}

static void test_ends(void **state)
{
    (void)state;
    expect_end(run_deadlock, "deadlock");
    expect_end(run_wait_on_main, "for ever");
    expect_refusal("no_such_thing=1", "no such setting: no_such_thing");
    expect_refusal("sack=maybe", "sack=maybe");
    expect_refusal("mtu=10", "mtu");
}

#define SETTING(path) #path
#define TEXT(path)    #path

/* Every member of the configuration can be set by its name, with and without its struct's. 1 may be
 * out of its range, but it is known. */
static void test_every_setting(void **state)
{
    (void)state;
    static const char *const names[] = {
#include "packetdrill_settings.inc"
    };
    char said[SAID_BYTES];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *dot = strchr(names[i], '.');
        const char *value = strcmp(names[i], "tcp.congestion_control") == 0 ? "newreno" : "1";
        snprintf(setting_flags, sizeof setting_flags, "%s=%s,%s=%s", names[i], value,
                 dot != NULL ? dot + 1 : names[i], value);
        int status = run_apart(run_setting, said);
        bool refused = strstr(said, "out of its range") != NULL || strstr(said, "limit") != NULL;
        if (status != 0 && (!refused || strstr(said, "no such setting") != NULL)) {
            fail_msg("%s: %s", setting_flags, said);
        }
    }
    load("rto_min_ms=300,tcp.delayed_ack_us=50000 rcvbuf=65536 initial_window=4,cc=newreno "
         "rfc5961=off,ip=10.0.0.1,prefix=8,remote=10.0.0.2,gw=10.0.0.3");
    table.free(table.userdata);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_member, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_clock_moves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_accept_blocks_until_the_handshake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read_blocks_until_data, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_reset_ends_a_blocked_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_poll_waits_in_virtual_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_write_blocks_until_there_is_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_timer_is_jumped_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_descriptors_are_real, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bytes_and_their_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_figures, set_up, tear_down),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_every_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
