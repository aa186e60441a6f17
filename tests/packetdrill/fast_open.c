/* SPDX-License-Identifier: MIT */
/*
 * Fast Open as Linux's calls have it: sendto() with MSG_FASTOPEN connects and says how much went
 * with the SYN; nothing may have been queued where no cookie was known. The stack takes text before
 * it knows, so the opening is rehearsed first: once with more text than a SYN can carry, and what
 * comes of it is thrown away. That costs no time, and the stack forgets a connection that is
 * aborted before anybody has answered.
 */
#include "adapter.h"

#include <netinet/tcp.h>

#define TEXT_BYTES        65536 /* more than any SYN carries */
#define OPTION_BYTES_MAX  40    /* Linux leaves so much free on such a SYN */
#define TCP_HEADER_BYTES  20
#define IPV6_HEADER_BYTES 40

/* What Linux would put on this SYN: its segment less all the options that there can be. */
size_t fast_text(const unsigned char *packet, size_t bytes)
{
    size_t ip = packet[0] >> 4 == 4 ? (packet[0] & 15U) * 4U : IPV6_HEADER_BYTES;
    size_t header = (size_t)(packet[ip + 12] >> 4) * 4;
    size_t text = bytes - ip - header;
    size_t segment = text + header - TCP_HEADER_BYTES;
    return text == 0 || segment <= OPTION_BYTES_MAX ? 0 : segment - OPTION_BYTES_MAX;
}

static size_t rehearse(struct adapter *adapter, struct file *file,
                       const struct berth_endpoint *remote)
{
    static const unsigned char text[TEXT_BYTES];
    struct stream before = file->stream;
    size_t taken = 0;
    clock_pump(adapter); /* what others have to send is not thrown away */
    adapter->rehearsed = 0;
    if (stream_start(adapter, file, remote) == 0) {
        (void)!berth_tcp_set(adapter->berth, file->stream.id, BERTH_TCP_FAST_OPEN, 1);
        (void)!berth_tcp_write(adapter->berth, file->stream.id, text, sizeof text, &taken);
        adapter->is_rehearsal = true;
        clock_pump(adapter);
        adapter->is_rehearsal = false;
        berth_tcp_abort(adapter->berth, file->stream.id);
    }
    file->stream = before;
    return adapter->rehearsed;
}

static int start(struct adapter *adapter, struct file *file, const struct berth_endpoint *remote)
{
    int error = stream_start(adapter, file, remote);
    if (error == 0) {
        (void)!berth_tcp_set(adapter->berth, file->stream.id, BERTH_TCP_FAST_OPEN, 1);
    }
    return error;
}

/* connect() with TCP_FASTOPEN_CONNECT: nothing is sent yet where a cookie is known. */
int fast_connect(struct adapter *adapter, struct file *file, const struct berth_endpoint *remote)
{
    if (rehearse(adapter, file, remote) == 0) {
        return start(adapter, file, remote);
    }
    file->stream = (struct stream){.state = STREAM_DEFERRED, .remote = *remote};
    return 0;
}

ssize_t fast_send(struct adapter *adapter, struct file *file, const struct msghdr *message)
{
    unsigned char text[TEXT_BYTES];
    struct berth_endpoint remote = file->stream.remote;
    size_t bytes = parts_bytes(message);
    size_t taken = 0;
    int error = 0;
    if (file->stream.state != STREAM_DEFERRED) {
        error = address_get(file, message->msg_name, message->msg_namelen, &remote);
    }
    size_t room = error == 0 ? rehearse(adapter, file, &remote) : 0;
    error = error != 0 ? error : start(adapter, file, &remote);
    if (error != 0) {
        return error;
    }
    bytes = bytes < room ? bytes : room;
    parts_get(message, 0, text, bytes);
    if (bytes > 0) {
        (void)!berth_tcp_write(adapter->berth, file->stream.id, text, bytes, &taken);
    }
    clock_pump(adapter); /* the SYN leaves with just this */
    stream_refresh(adapter, file);
    return taken > 0 ? (ssize_t)taken : -EINPROGRESS;
}
