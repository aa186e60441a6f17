/* SPDX-License-Identifier: MIT */
/*
 * A doubly linked list threaded through its elements. A node is in one list or in none
 * (next == NULL); a zeroed node is in none. All steps O(1).
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/bytes.h"
#include "base/check.h"

struct list_node {
    struct list_node *next;
    struct list_node *prev;
};

struct list {
    struct list_node head; /* head.next is the first, head.prev the last */
};

static inline void list_init(struct list *list)
{
    list->head.next = &list->head;
    list->head.prev = &list->head;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline bool list_has(const struct list_node *node)
{
    return node->next != NULL;
}

static inline void list_insert_before(struct list_node *at, struct list_node *node)
{
    node->next = at;
    node->prev = at->prev;
    at->prev->next = node;
    at->prev = node;
}

static inline void list_add_last(struct list *list, struct list_node *node)
{
    list_insert_before(&list->head, node);
}

static inline void list_add_first(struct list *list, struct list_node *node)
{
    list_insert_before(list->head.next, node);
}

static inline void list_insert_after(struct list_node *at, struct list_node *node)
{
    list_insert_before(at->next, node);
}

/* Takes NODE out of the list it is in; nothing happens if it is in none. */
static inline void list_remove(struct list_node *node)
{
    if (node->next != NULL) {
        node->next->prev = node->prev;
        node->prev->next = node->next;
        node->next = NULL;
        node->prev = NULL;
    }
}

static inline struct list_node *list_first(const struct list *list)
{
    return list_is_empty(list) ? NULL : list->head.next;
}

static inline struct list_node *list_last(const struct list *list)
{
    return list_is_empty(list) ? NULL : list->head.prev;
}

/* The node after NODE in LIST, NULL at the end. */
static inline struct list_node *list_next(const struct list *list, const struct list_node *node)
{
    return node->next == &list->head ? NULL : node->next;
}

static inline struct list_node *list_prev(const struct list *list, const struct list_node *node)
{
    return node->prev == &list->head ? NULL : node->prev;
}

static inline struct list_node *list_take_first(struct list *list)
{
    struct list_node *node = list_first(list);
    if (node != NULL) {
        list_remove(node);
    }
    return node;
}

#endif
