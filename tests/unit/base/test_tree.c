/* SPDX-License-Identifier: MIT */
/*
 * The ordered row against a model: an array of the same elements, changed and asked in step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/tree.h"

#define COUNT 300
#define STEPS 60000
#define LARGE 65536

static struct random random_of(uint8_t first)
{
    uint8_t seed[RANDOM_SEED_BYTES] = {first};
    struct random random;

    random_init(&random, seed, "test");
    return random;
}

struct model {
    struct tree_node *at[COUNT];
    bool marked[COUNT + 1];
    uint32_t count;
};

static void model_insert(struct model *model, uint32_t place, struct tree_node *node)
{
    memmove(&model->at[place + 1], &model->at[place],
            (model->count - place) * sizeof(struct tree_node *));
    memmove(&model->marked[place + 1], &model->marked[place],
            (model->count - place) * sizeof(bool));
    model->at[place] = node;
    model->marked[place] = false;
    model->count++;
}

static void model_remove(struct model *model, uint32_t place)
{
    model->count--;
    memmove(&model->at[place], &model->at[place + 1],
            (model->count - place) * sizeof(struct tree_node *));
    memmove(&model->marked[place], &model->marked[place + 1],
            (model->count - place) * sizeof(bool));
}

/* The first marked element of the model at PLACE or behind it. */
static struct tree_node *model_next(const struct model *model, uint32_t place)
{
    while (place < model->count && !model->marked[place]) {
        place++;
    }
    return place < model->count ? model->at[place] : NULL;
}

static struct tree_node *model_last(const struct model *model, uint32_t place)
{
    while (place > 0 && !model->marked[place]) {
        place--;
    }
    return model->marked[place] ? model->at[place] : NULL;
}

static void compare(const struct tree *tree, const struct model *model, uint32_t place)
{
    assert_ptr_equal(tree_first(tree), model->count > 0 ? model->at[0] : NULL);
    assert_ptr_equal(tree_last(tree), model->count > 0 ? model->at[model->count - 1] : NULL);
    assert_int_equal(tree_is_empty(tree), model->count == 0);
    assert_ptr_equal(tree_first_marked(tree), model_next(model, 0));
    if (place >= model->count) {
        return;
    }
    struct tree_node *node = model->at[place];
    assert_ptr_equal(tree_prev(tree, node), place > 0 ? model->at[place - 1] : NULL);
    assert_ptr_equal(tree_next(tree, node), place + 1 < model->count ? model->at[place + 1] : NULL);
    assert_ptr_equal(tree_next_marked(node), model_next(model, place + 1));
    assert_ptr_equal(tree_last_marked(node), model_last(model, place));
}

static void a_random_life_agrees_with_a_model(void **state)
{
    static struct tree_node memory[COUNT];
    static struct tree_node *spare[COUNT];
    static struct model model;
    struct random random = random_of(1);
    struct tree tree;
    struct tree_dice dice;
    uint32_t most = 0;

    (void)state;
    tree_init(&tree);
    tree_dice_init(&dice, 99);
    for (uint32_t i = 0; i < COUNT; i++) {
        spare[i] = &memory[i];
    }
    for (uint32_t step = 0; step < STEPS; step++) {
        bool grow = random_below(&random, 10) < (step / 2000 % 2 == 0 ? 7U : 3U);
        uint32_t place = random_below(&random, model.count + 1);

        if (random_below(&random, 3) == 0 && place < model.count) {
            model.marked[place] = random_below(&random, 4) == 0;
            tree_mark(model.at[place], model.marked[place]);
        } else if (grow && model.count < COUNT) {
            struct tree_node *node = spare[COUNT - model.count - 1];
            tree_add_after(&tree, place > 0 ? model.at[place - 1] : NULL, node, &dice);
            model_insert(&model, place, node);
        } else if (!grow && place < model.count) {
            tree_remove(&tree, model.at[place]);
            spare[COUNT - model.count] = model.at[place];
            model_remove(&model, place);
        }
        most = model.count > most ? model.count : most;
        compare(&tree, &model, random_below(&random, COUNT));
        if (step % 64 == 0) {
            tree_check(&tree);
        }
    }
    assert_int_equal(most, COUNT);
}

static uint32_t depth_of(const struct tree_node *node)
{
    uint32_t depth = 0;

    for (; node != NULL; node = node->parent) {
        depth++;
    }
    return depth;
}

static uint32_t depth(const struct tree *tree)
{
    uint32_t deepest = 0;

    for (struct tree_node *at = tree_first(tree); at != NULL; at = tree_next(tree, at)) {
        uint32_t own = depth_of(at);
        deepest = own > deepest ? own : deepest;
    }
    return deepest;
}

/* Orders that would make a plain search tree a list: upwards, downwards, towards the middle. */
static void no_order_makes_it_deep(void **state)
{
    static struct tree_node memory[LARGE];

    (void)state;
    for (unsigned order = 0; order < 3; order++) {
        struct tree tree;
        struct tree_dice dice;
        struct tree_node *middle = NULL;

        tree_init(&tree);
        tree_dice_init(&dice, 7);
        for (uint32_t i = 0; i < LARGE; i++) {
            struct tree_node *before = order == 0 ? tree_last(&tree) : order == 1 ? NULL : middle;
            tree_add_after(&tree, before, &memory[i], &dice);
            middle = i % 2 == 0 ? &memory[i] : middle;
        }
        tree_check(&tree);
        assert_in_range(depth(&tree), 16, 64);
    }
}

/* A window that goes round for ever: grows at its end, shrinks at its front. */
static void a_moving_window_stays_shallow(void **state)
{
    static struct tree_node memory[1024];
    struct tree tree;
    struct tree_dice dice;

    (void)state;
    tree_init(&tree);
    tree_dice_init(&dice, 3);
    for (uint32_t i = 0; i < 200000; i++) {
        struct tree_node *node = &memory[i % 1024];
        if (i >= 1024) {
            assert_ptr_equal(tree_first(&tree), node);
            tree_remove(&tree, node);
        }
        tree_add_after(&tree, tree_last(&tree), node, &dice);
    }
    tree_check(&tree);
    assert_in_range(depth(&tree), 10, 45);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_random_life_agrees_with_a_model),
        cmocka_unit_test(no_order_makes_it_deep),
        cmocka_unit_test(a_moving_window_stays_shallow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
