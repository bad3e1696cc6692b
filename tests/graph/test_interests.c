/// The ops of several interests a user against finite differences, and by hand: routing of one iteration (of more the
/// weights are constants by design), spread, and readout soft and hard with targets that repeat.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../support/gradcheck.h"

static const size_t lengths[] = {3, 0, 5, 1, 8}, counts[] = {2, 1, 3, 1, 2};

typedef struct routing_options {
    bool adaptive, each;
} routing_options;

static void build_routing(gradcheck *check, const void *context) {
    const routing_options *options = context;
    lode_dim *users = gradcheck_dim(check, "users", 5);
    lode_lists *lists = gradcheck_lists(check, users, "positions", lengths);
    lode_tensor *x = gradcheck_input(check, "x", lists->positions, options->each ? 9 : 3);
    lode_dim *interests = lode__graph_dim(check->graph, "interests", 15 * 3);
    const lode_routing spec = {.count = 3,
                               .iterations = 1,
                               .adaptive = options->adaptive,
                               .each = options->each,
                               .deviation = 1,
                               .interests = lode__graph_lists(check->graph, users, interests, 3)};
    gradcheck_sum(check, lode__routing(check->graph, x, lists, &spec));
}

static void build_spread(gradcheck *check, const void *context) {
    (void)context;
    lode_dim *users = gradcheck_dim(check, "users", 5);
    lode_lists *lists = gradcheck_lists(check, users, "interests", counts);
    gradcheck_sum(check, lode__spread(check->graph, gradcheck_input(check, "x", users, 4), lists));
}

static void build_readout(gradcheck *check, const void *context) {
    const lode_readout *spec = context;
    lode_dim *users = gradcheck_dim(check, "users", 5), *items = gradcheck_dim(check, "items", 3);
    lode_lists *lists = gradcheck_lists(check, users, "interests", counts);
    lode_tensor *interests = gradcheck_input(check, "e", lists->positions, 3);
    lode_tensor *key = gradcheck_input(check, "v", items, 3);
    lode_ids *targets = gradcheck_index(check, users, 1, 3);
    gradcheck_sum(check, lode__readout(check->graph, interests, lists, key, targets, spec));
    gradcheck_sum(check, key); // the key has another reader
}

int main(void) {
    static const routing_options all = {0}, adaptive = {.adaptive = true}, each = {true, true};
    static const lode_readout hard = {.hard = true}, soft = {.power = 2}, odd = {.power = 1};
    static const gradcase cases[] = {
        {.name = "routing", .build = build_routing, .options = &all},
        {.name = "routing, adaptive", .build = build_routing, .options = &adaptive},
        {.name = "routing, columns for each interest", .build = build_routing, .options = &each},
        {.name = "spread", .build = build_spread},
        {.name = "readout, hard", .build = build_readout, .options = &hard},
        {.name = "readout, power 2", .build = build_readout, .options = &soft},
        {.name = "readout, power 1", .build = build_readout, .options = &odd}};
    return gradcheck_main("interests", cases, sizeof cases / sizeof *cases);
}
