/* SPDX-License-Identifier: MIT */
/*
 * An ordered row of elements, threaded through them: a list for the neighbours and both ends, and
 * over it a treap (a search tree whose shape is a random number's at each node) to find a place in
 * the middle. Elements can be marked; the nearest marked one is found without a walk.
 *
 * The row knows no keys: the owner says behind which neighbour an element goes, and descends from
 * `root` with comparisons of its own to find it.
 *
 * 1. In order, the tree's nodes are the list's.
 * 2. A node's priority is no less than its children's. Priorities are random and told to nobody, so
 *    that no peer can make the tree deep: depth is O(log n) expected, whatever the order of steps.
 * 3. `any` says whether a node or one below it is marked.
 *
 * Costs: both ends, neighbours O(1); adding and removing O(1) expected at a known place, so a row
 * that grows at its end and shrinks at its front pays no logarithm; marking, the next marked and
 * finding O(log n) expected.
 */
#ifndef BASE_TREE_H
#define BASE_TREE_H

#include "base/list.h"

struct tree_node {
    struct list_node order;
    struct tree_node *parent;
    struct tree_node *left;
    struct tree_node *right;
    uint32_t priority;
    bool marked;
    bool any;
};

struct tree {
    struct list order;
    struct tree_node *root;
};

/* Where priorities come from: one for all rows of a stack. */
struct tree_dice {
    uint64_t state; /* never 0 */
};

void tree_dice_init(struct tree_dice *dice, uint64_t secret);

void tree_init(struct tree *tree);
/* NODE, in no row, goes behind BEFORE; NULL: to the front. Not marked. */
void tree_add_after(struct tree *tree, struct tree_node *before, struct tree_node *node,
                    struct tree_dice *dice);
void tree_remove(struct tree *tree, struct tree_node *node);
void tree_mark(struct tree_node *node, bool marked);

/* The first marked node; the first behind NODE; the last at NODE or before it. NULL: none. */
struct tree_node *tree_first_marked(const struct tree *tree);
struct tree_node *tree_next_marked(const struct tree_node *node);
struct tree_node *tree_last_marked(struct tree_node *node);

/* Checks the invariants, in O(n). */
void tree_check(const struct tree *tree);

static inline struct tree_node *tree_of_order(struct list_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct tree_node, order);
}

static inline struct tree_node *tree_first(const struct tree *tree)
{
    return tree_of_order(list_first(&tree->order));
}

static inline struct tree_node *tree_last(const struct tree *tree)
{
    return tree_of_order(list_last(&tree->order));
}

static inline struct tree_node *tree_next(const struct tree *tree, const struct tree_node *node)
{
    return tree_of_order(list_next(&tree->order, &node->order));
}

static inline struct tree_node *tree_prev(const struct tree *tree, const struct tree_node *node)
{
    return tree_of_order(list_prev(&tree->order, &node->order));
}

static inline bool tree_is_empty(const struct tree *tree)
{
    return tree->root == NULL;
}

#endif
