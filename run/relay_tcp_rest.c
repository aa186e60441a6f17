/* SPDX-License-Identifier: MIT */
/*
 * run/relay_tcp_rest.c: see run/relay_tcp.h: what is still to be delivered when the program has
 * ended, and what is not waited for.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "run/relay_tcp.h"
#include "run/spread.h"

/* Does the kernel hold bytes for the far end that closing would throw away, since there are unread
 * ones too? (A socket closed with unread bytes resets.) */
static bool kernel_has_rest(const struct relay_tcp *relay)
{
    int unsent = 0;
    int unread = 0;

    return ioctl(relay->fd, SIOCINQ, &unread) == 0 && unread > 0 &&
           ioctl(relay->fd, SIOCOUTQ, &unsent) == 0 && unsent > 0;
}

static bool is_left(struct run *run, const struct relay_tcp *relay)
{
    struct attribute_process process;

    return conversation_process(run, BERTH_TCP, &relay->conversation.program,
                                &relay->conversation.peer, &process);
}

static void leave_living(struct queue *queue)
{
    for (struct list_node *at = list_first(&queue->tcp_relays); at != NULL;
         at = list_next(&queue->tcp_relays, at)) {
        struct relay_tcp *relay = CONTAINER_OF(at, struct relay_tcp, all);

        relay->is_left = is_left(queue->run, relay);
    }
}

/* A closed socket that its kernel still empties belongs to no process. */
void relay_tcp_leave_living(struct run *run)
{
    queue_lock(run->queues[0]);
    leave_living(run->guard);
    for (uint32_t i = 0; i < run->queue_count; i++) {
        leave_living(run->queues[i]);
    }
    spread_leave_living(run, is_left);
    queue_unlock(run->queues[0]);
}

bool relay_tcp_has_rest(const struct queue *queue)
{
    for (const struct list_node *at = list_first(&queue->tcp_relays); at != NULL;
         at = list_next(&queue->tcp_relays, at)) {
        const struct relay_tcp *relay = CONTAINER_OF(at, const struct relay_tcp, all);

        bool is_living = __atomic_load_n(&relay->is_left, __ATOMIC_RELAXED);

        if (relay->state == RELAY_TCP_OPEN && !is_living &&
            (!relay->stack_ended || kernel_has_rest(relay))) {
            return true;
        }
    }
    return false;
}
