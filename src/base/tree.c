/* SPDX-License-Identifier: MIT */
/*
 * base/tree.c: the treap of an ordered row. Invariants: base/tree.h.
 */
#include "base/tree.h"

void tree_dice_init(struct tree_dice *dice, uint64_t secret)
{
    dice->state = secret | 1; /* xorshift must not stand still */
}

/* Marsaglia's xorshift64: what a peer cannot see it cannot predict. */
static uint32_t roll(struct tree_dice *dice)
{
    uint64_t state = dice->state;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    dice->state = state;
    return (uint32_t)(state >> 32);
}

void tree_init(struct tree *tree)
{
    list_init(&tree->order);
    tree->root = NULL;
}

static bool is_any(const struct tree_node *node)
{
    return node != NULL && node->any;
}

static bool any_of(const struct tree_node *node)
{
    return node->marked || is_any(node->left) || is_any(node->right);
}

/* NODE's `any` may have changed, and with it that of those above. */
static void lift(struct tree_node *node)
{
    while (node != NULL && node->any != any_of(node)) {
        node->any = !node->any;
        node = node->parent;
    }
}

/* NEW (may be NULL) stands where OLD stood under PARENT. */
static void replace_child(struct tree *tree, struct tree_node *parent, struct tree_node *old,
                          struct tree_node *new)
{
    if (parent == NULL) {
        tree->root = new;
    } else if (parent->left == old) {
        parent->left = new;
    } else {
        parent->right = new;
    }
    if (new != NULL) {
        new->parent = parent;
    }
}

/* NODE changes places with its parent. */
static void rotate_up(struct tree *tree, struct tree_node *node)
{
    struct tree_node *parent = node->parent;
    struct tree_node *inner;

    replace_child(tree, parent->parent, parent, node);
    if (parent->left == node) {
        inner = node->right;
        node->right = parent;
        parent->left = inner;
    } else {
        inner = node->left;
        node->left = parent;
        parent->right = inner;
    }
    parent->parent = node;
    if (inner != NULL) {
        inner->parent = parent;
    }
    node->any = parent->any;
    parent->any = any_of(parent);
}

void tree_add_after(struct tree *tree, struct tree_node *before, struct tree_node *node,
                    struct tree_dice *dice)
{
    struct tree_node *next = before == NULL ? tree_first(tree) : tree_next(tree, before);
    struct tree_node *parent = before;

    *node = (struct tree_node){.priority = roll(dice)};
    list_insert_after(before == NULL ? &tree->order.head : &before->order, &node->order);
    if (before != NULL && before->right == NULL) {
        before->right = node;
    } else if (next != NULL) {
        parent = next; /* nothing stands between them: its left is free */
        next->left = node;
    } else {
        tree->root = node;
    }
    node->parent = parent;
    while (node->parent != NULL && node->parent->priority < node->priority) {
        rotate_up(tree, node);
    }
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
    while (node->left != NULL && node->right != NULL) {
        bool left = node->left->priority > node->right->priority;
        rotate_up(tree, left ? node->left : node->right);
    }
    struct tree_node *parent = node->parent;
    replace_child(tree, parent, node, node->left != NULL ? node->left : node->right);
    if (node->any) { /* what it had to say of marks, nobody above says now */
        lift(parent);
    }
    list_remove(&node->order);
    node->parent = NULL;
    node->left = NULL;
    node->right = NULL;
}

void tree_mark(struct tree_node *node, bool marked)
{
    node->marked = marked;
    lift(node);
}

/* The first marked node of those under NODE, itself included; there is one. */
static struct tree_node *first_under(struct tree_node *node)
{
    while (!node->marked || is_any(node->left)) {
        node = is_any(node->left) ? node->left : node->right;
    }
    return node;
}

static struct tree_node *last_under(struct tree_node *node)
{
    while (!node->marked || is_any(node->right)) {
        node = is_any(node->right) ? node->right : node->left;
    }
    return node;
}

struct tree_node *tree_first_marked(const struct tree *tree)
{
    return is_any(tree->root) ? first_under(tree->root) : NULL;
}

struct tree_node *tree_next_marked(const struct tree_node *node)
{
    if (is_any(node->right)) {
        return first_under(node->right);
    }
    for (struct tree_node *parent = node->parent; parent != NULL; parent = node->parent) {
        bool was_left = parent->left == node;
        node = parent;
        if (was_left && parent->marked) {
            return parent;
        }
        if (was_left && is_any(parent->right)) {
            return first_under(parent->right);
        }
    }
    return NULL;
}

struct tree_node *tree_last_marked(struct tree_node *node)
{
    if (node->marked) {
        return node;
    }
    if (is_any(node->left)) {
        return last_under(node->left);
    }
    for (struct tree_node *parent = node->parent; parent != NULL; parent = node->parent) {
        bool was_right = parent->right == node;
        node = parent;
        if (was_right && parent->marked) {
            return parent;
        }
        if (was_right && is_any(parent->left)) {
            return last_under(parent->left);
        }
    }
    return NULL;
}

static const struct tree_node *leftmost(const struct tree_node *node)
{
    while (node != NULL && node->left != NULL) {
        node = node->left;
    }
    return node;
}

/* The node behind NODE as the tree has it. */
static const struct tree_node *successor(const struct tree_node *node)
{
    if (node->right != NULL) {
        return leftmost(node->right);
    }
    while (node->parent != NULL && node->parent->right == node) {
        node = node->parent;
    }
    return node->parent;
}

static void check_node(const struct tree_node *node)
{
    const struct tree_node *children[2] = {node->left, node->right};

    for (unsigned i = 0; i < 2; i++) {
        if (children[i] != NULL) {
            BERTH_CHECK(children[i]->parent == node);
            BERTH_CHECK(children[i]->priority <= node->priority);
        }
    }
    BERTH_CHECK(node->any == any_of(node));
}

void tree_check(const struct tree *tree)
{
    const struct tree_node *in_tree = leftmost(tree->root);
    const struct tree_node *in_list = tree_first(tree);

    BERTH_CHECK(tree->root == NULL || tree->root->parent == NULL);
    while (in_list != NULL) {
        BERTH_CHECK(in_tree == in_list);
        check_node(in_list);
        in_list = tree_next(tree, in_list);
        in_tree = successor(in_tree);
    }
    BERTH_CHECK(in_tree == NULL);
}
