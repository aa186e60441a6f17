/* SPDX-License-Identifier: MIT */
/*
 * libberth_packetdrill.so: one stack in virtual time behind packetdrill's table of functions.
 *
 * 1. Two threads call in: the main thread, which moves the clock, and one that makes the calls that
 *    block. Every call holds `lock` (adapter_enter, adapter_leave).
 * 2. A call that has to wait does so in adapter_wait. On the thread of the blocking calls that is a
 *    condition variable; whoever moves the clock wakes it after each step and goes on only when it
 *    has finished or waits again, so that what a call does is done at the very moment at which it
 *    became possible. On the main thread waiting moves the clock.
 * 3. A file's number is that of an eventfd, which stands for it in the kernel's table.
 * 4. What the stack sends is taken at once, stamped, its checksums verified, and queued for
 *    netdev_receive. A stack that is wrong ends the process (adapter_fail).
 * 5. Calls return as Linux's would: -1 and errno. Inside, functions return a negative errno.
 */
#ifndef TESTS_PACKETDRILL_ADAPTER_H
#define TESTS_PACKETDRILL_ADAPTER_H

#include "interface.h"

#include <berth/berth.h>

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>

#define FILES_MAX   1024 /* file numbers below this */
#define WATCHES_MAX 64   /* of one epoll instance */
#define PIPE_BYTES  65536
#define OPTIONS_MAX 96

#ifndef IP_LOCAL_PORT_RANGE /* Linux 6.3: the last port above the first, 16 bits each */
#define IP_LOCAL_PORT_RANGE 51
#endif

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

enum file_kind { FILE_TCP, FILE_UDP, FILE_EPOLL, FILE_PIPE_READ, FILE_PIPE_WRITE };

/* As Linux's socket_state: what connect() says next. */
enum stream_state {
    STREAM_UNCONNECTED,
    STREAM_DEFERRED, /* TCP_FASTOPEN_CONNECT: the first write will connect */
    STREAM_CONNECTING,
    STREAM_CONNECTED,
    STREAM_LISTENING
};

/* A TCP socket. */
struct stream {
    berth_id id;       /* 0: none */
    struct file *next; /* listening: a connection taken already, for accept to give out */
    enum stream_state state;
    struct berth_tcp_info info; /* the last known: stream_refresh */
    bool over;                  /* the connection is CLOSED */
    bool peer_closed;           /* its FIN was here */
    bool read_shut;
    bool write_shut;
    bool urgent_taken; /* the byte before the mark was read by MSG_OOB */
    struct berth_endpoint remote;
};

struct datagrams {
    berth_id id; /* 0: not bound, not connected */
    bool is_connected;
    bool read_shut;
    bool write_shut;
    struct berth_endpoint remote;
};

struct watch {
    int fd;
    struct epoll_event event;
    bool ready; /* edge: something has happened since it was last told */
    bool spent; /* EPOLLONESHOT, told */
};

struct epoll {
    struct watch watches[WATCHES_MAX];
    int count;
};

struct pipe {
    unsigned char data[PIPE_BYTES];
    size_t begin;
    size_t bytes;
    int ends; /* open ones */
    bool reader;
    bool writer;
};

struct file {
    int fd;
    enum file_kind kind;
    int domain;
    int status; /* O_NONBLOCK and the access mode */
    int error;  /* SO_ERROR: errno, told once */
    bool is_bound;
    struct berth_endpoint local;
    struct stream stream;
    struct datagrams datagrams;
    struct epoll *epoll;
    struct pipe *pipe;
    /* Options: values of the rows of the table in options.c. */
    int options[OPTIONS_MAX];
    bool option_set[OPTIONS_MAX];
    struct linger linger;
    uint64_t receive_timeout_ns; /* 0: none */
    uint64_t send_timeout_ns;
    char congestion[16];
    char device[16];
};

struct sent_packet {
    struct sent_packet *next;
    uint64_t sent_ns;
    size_t bytes;
    unsigned char data[];
};

/* The addresses and options of --so_flags that are not the stack's configuration. */
struct adapter_settings {
    struct berth_config config;
    struct berth_address local[8];
    unsigned local_count;
    unsigned prefix;      /* bits of the local network; 0: an ordinary one */
    uint64_t wait_max_ns; /* how long netdev_receive goes on without a packet */
};

struct adapter {
    struct adapter_settings settings;
    struct berth *berth;
    void *memory;
    size_t memory_bytes;
    uint64_t now_ns;
    bool is_rehearsal; /* what the stack sends is looked at (rehearsed) and thrown away */
    size_t rehearsed;  /* bytes of text that could go with a SYN */
    struct file *files[FILES_MAX];
    struct sent_packet *sent_first;
    struct sent_packet *sent_last;
    pthread_t main_thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* for those who wait: time has moved, or a call has done something */
    pthread_cond_t settled; /* for the main thread: nobody runs on a wake-up any more */
    unsigned waiting;
    unsigned running; /* woken, neither finished nor waiting again */
    uint64_t wakes;
    uint64_t wait_until_ns; /* the earliest deadline of those who wait */
};

/* settings.c. Ends the process on what it does not know. */
void settings_parse(struct adapter_settings *settings, const char *flags);

/* adapter.c */
__attribute__((noreturn, format(printf, 1, 2))) void adapter_fail(const char *format, ...);
void adapter_enter(struct adapter *adapter);
/* Sends what wants to go, lets others run, and unlocks. RESULT >= 0 is returned, else errno set. */
ssize_t adapter_leave(struct adapter *adapter, ssize_t result);
void adapter_leave_clock(struct adapter *adapter); /* after a look at the clock: just unlocks */
/* Waits until something has changed. false: DEADLINE_NS is here. */
bool adapter_wait(struct adapter *adapter, uint64_t deadline_ns);
uint64_t adapter_look_at_clock(struct adapter *adapter);
void adapter_free(struct adapter *adapter);

/* clock.c */
void clock_pump(struct adapter *adapter);   /* what wants to go out does, events are handed on */
void clock_settle(struct adapter *adapter); /* those who wait look again */
void clock_advance(struct adapter *adapter, uint64_t to_ns);
uint64_t clock_next(const struct adapter *adapter); /* the next deadline, or BERTH_NEVER */
int net_send(struct adapter *adapter, const void *packet, size_t bytes);
void net_receive(struct adapter *adapter, void *packet, size_t *bytes, uint64_t *sent_ns);
void net_free(struct adapter *adapter);

/* checksum.c: NULL, or what is wrong with the packet. */
const char *checksum_fault(const unsigned char *packet, size_t bytes);

/* files.c */
struct file *file_new(struct adapter *adapter, enum file_kind kind);
struct file *file_of(struct adapter *adapter, int fd);               /* NULL: none */
struct file *socket_of(struct adapter *adapter, int fd, int *error); /* -EBADF, -ENOTSOCK */
void file_forget(struct adapter *adapter, struct file *file);        /* and its eventfd */
int file_take_error(struct file *file); /* 0, or the negative errno, once */
bool file_is_blocking(const struct file *file, int flags);
/* Waits for FILE: 0, -EAGAIN where BLOCKING is false or the time is over, -EBADF: it was closed. */
int file_wait(struct adapter *adapter, const struct file *file, bool blocking,
              uint64_t deadline_ns);
uint64_t file_deadline(const struct adapter *adapter, uint64_t timeout_ns);
int errno_of(int error); /* of an enum berth_error: negative errno */

/* address.c: negative errno. */
int address_get(const struct file *file, const struct sockaddr *from, socklen_t bytes,
                struct berth_endpoint *out);
void address_put(const struct file *file, const struct berth_endpoint *endpoint,
                 struct sockaddr *out, socklen_t *bytes);
struct berth_address address_any(const struct file *file);

/* stream.c: TCP sockets. */
void stream_refresh(struct adapter *adapter, struct file *file);
int stream_bind(struct adapter *adapter, struct file *file, const struct berth_endpoint *local);
int stream_listen(struct adapter *adapter, struct file *file, int backlog);
int stream_accept(struct adapter *adapter, struct file *file, struct file **out);
int stream_connect(struct adapter *adapter, struct file *file, const struct berth_endpoint *remote);
int stream_disconnect(struct adapter *adapter, struct file *file);
int stream_shutdown(struct adapter *adapter, struct file *file, int how);
void stream_close(struct adapter *adapter, struct file *file);
bool stream_is_readable(struct adapter *adapter, struct file *file);
bool stream_is_writable(const struct file *file);
bool stream_has_next(struct adapter *adapter, struct file *file);

bool stream_is_opening(const struct stream *stream);

/* fast_open.c: MSG_FASTOPEN, TCP_FASTOPEN_CONNECT. */
int stream_start(struct adapter *adapter, struct file *file, const struct berth_endpoint *remote);
int fast_connect(struct adapter *adapter, struct file *file, const struct berth_endpoint *remote);
/* The first write: the number of bytes that go with the SYN, or the error; -EINPROGRESS: none. */
ssize_t fast_send(struct adapter *adapter, struct file *file, const struct msghdr *message);
size_t fast_text(const unsigned char *packet, size_t bytes); /* of a SYN that was rehearsed */

/* stream_io.c */
size_t parts_bytes(const struct msghdr *message);
/* Copies into (out of) the parts of MESSAGE from OFFSET on; what does not fit is left. */
void parts_put(const struct msghdr *message, size_t offset, const void *data, size_t bytes);
void parts_get(const struct msghdr *message, size_t offset, void *data, size_t bytes);
ssize_t stream_receive(struct adapter *adapter, struct file *file, struct msghdr *message,
                       int flags);
ssize_t stream_send(struct adapter *adapter, struct file *file, const struct msghdr *message,
                    int flags);
int stream_ioctl(struct adapter *adapter, struct file *file, unsigned long request, int *value);

/* datagrams.c: UDP sockets. */
int datagrams_bind(struct adapter *adapter, struct file *file, const struct berth_endpoint *local);
int datagrams_connect(struct adapter *adapter, struct file *file,
                      const struct berth_endpoint *remote); /* NULL: disconnect */
ssize_t datagrams_receive(struct adapter *adapter, struct file *file, struct msghdr *message,
                          int flags);
ssize_t datagrams_send(struct adapter *adapter, struct file *file, const struct msghdr *message,
                       int flags);
int datagrams_shutdown(struct file *file, int how);
int datagrams_ioctl(struct adapter *adapter, struct file *file, unsigned long request, int *value);
bool datagrams_are_readable(struct adapter *adapter, struct file *file);
void datagrams_close(struct adapter *adapter, struct file *file);

/* options.c: getsockopt and setsockopt. */
struct option_call {
    int level;
    int name;
    void *value;
    socklen_t bytes; /* in: the room or the value's length; out: the value's length */
};
int options_set(struct adapter *adapter, struct file *file, const struct option_call *call);
int options_get(struct adapter *adapter, struct file *file, struct option_call *call);
/* The number that a row of the table has for FILE. */
int options_kept(const struct file *file, int level, int name, int *value);
/* Those set so far, on the connection or listener that FILE has got. */
void options_apply(struct adapter *adapter, struct file *file);
void options_inherit(struct file *file, const struct file *listener);
/* What an option is: the value set, or the default. */
int option_value(const struct file *file, int level, int name);

/* poll.c */
short poll_mask(struct adapter *adapter, struct file *file);
void poll_edge(struct adapter *adapter, const struct file *file, uint32_t events);
int poll_files(struct adapter *adapter, struct pollfd *fds, nfds_t count, int timeout_ms);
int epoll_change(struct adapter *adapter, struct file *file, int operation, int fd,
                 const struct epoll_event *event);
int epoll_ask(struct adapter *adapter, struct file *file, struct epoll_event *events, int max,
              int timeout_ms);
void epoll_forget(struct adapter *adapter, int fd);

/* pipe.c */
int pipe_new(struct adapter *adapter, int fds[2]);
ssize_t pipe_receive(struct adapter *adapter, struct file *file, struct msghdr *message);
ssize_t pipe_send(struct adapter *adapter, struct file *file, const struct msghdr *message);
struct splice_call {
    int in;
    int out;
    size_t bytes;
    unsigned flags;
};
ssize_t pipe_splice(struct adapter *adapter, const struct splice_call *call);
short pipe_mask(const struct file *file);
void pipe_close(struct file *file);

/* calls.c */
void calls_fill(struct packetdrill_interface *interface);

#endif
