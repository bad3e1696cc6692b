/// The mind tower: numbers of interests by hand, the whole tower against the paper's equations in a plain double loop (Li
/// et al., CIKM 2019, Eq. 5-7 and Algorithm 1), the gradient of several iterations against differences with constant
/// weights, and the readout by hand.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../support/gradcheck.h"
#include "model/tower.h"

enum { ITEMS = 9, GROUPS = 3, DIM = 4, OWN = 2, HIDDEN = 5, WIDTH = 3, USERS = 12, LONGEST = 40 };
enum { MOST = 8 /* interests */, START = 0x4d494e44 /* purpose of the draw of logits */ };

static const size_t lengths[USERS] = {1, 2, 3, 4, 7, 8, 0, 15, 16, 31, 32, 40};
/// max(1, min(K, floor(log2 clicks))) with K = 3 and K = 8.
static const size_t of_three[USERS] = {1, 1, 1, 2, 2, 3, 1, 3, 3, 3, 3, 3};
static const size_t of_eight[USERS] = {1, 1, 1, 2, 2, 3, 1, 3, 4, 4, 5, 5};

typedef struct mind_options {
    const char *yaml; ///< of the tower
    size_t interests, iterations, hidden;
    const size_t *counts; ///< NULL = K each
    double deviation;
} mind_options;

/// What a build leaves for the tests below.
typedef struct mind_parts {
    lode_tower tower;
    lode_vocabulary vocabulary;
    lode_tower_inputs inputs;
    lode_tower_outputs outputs;
    lode_arena arena;
} mind_parts;

static mind_parts parts; // one case at a time

static void add_field(gradcheck *check, const char *name, lode_side side, uint32_t rows, size_t dim) {
    lode_field *field = &parts.vocabulary.fields[parts.vocabulary.count++];
    *field = (lode_field){.name = name, .side = side, .dim = dim, .rows = rows};
    field->table = lode__param_table(check->params, name, rows, dim, LODE_INIT_NORMAL, 0.9);
}

static void build(gradcheck *check, const void *context) {
    const mind_options *options = context;
    lode_error error = {0};
    lode_node *root = NULL;
    lode__arena_release(&parts.arena);
    parts = (mind_parts){0};
    add_field(check, "item.id", LODE_SIDE_ITEM, ITEMS, DIM);
    add_field(check, "user.group", LODE_SIDE_USER, GROUPS, OWN);
    assert_int_equal(
        lode__yaml_parse(&parts.arena, options->yaml, strlen(options->yaml), "test", &root, &error),
        LODE_OK);
    const lode_tower_setting setting = {.params = check->params,
                                        .vocabulary = &parts.vocabulary,
                                        .side = LODE_SIDE_USER,
                                        .history = LONGEST,
                                        .dim = DIM,
                                        .prefix = "user"};
    if (lode__tower_new(&parts.tower, root, &parts.arena, &setting, &error) != LODE_OK)
        fail_msg("%s", error.message);
    assert_int_equal(parts.tower.interests, options->interests);
    assert_int_equal(parts.tower.width, WIDTH);
    lode_tower_inputs *inputs = &parts.inputs;
    inputs->rows = gradcheck_dim(check, "users", USERS);
    inputs->history = gradcheck_lists(check, inputs->rows, "positions", lengths);
    inputs->clicks = gradcheck_index(check, inputs->history->positions, 1, ITEMS);
    inputs->fields[0] = (lode_field_input){.field = &parts.vocabulary.fields[1],
                                           .ids = gradcheck_index(check, inputs->rows, 1, GROUPS)};
    inputs->field_count = 1;
    parts.tower.type->apply(parts.tower.state, check->graph, check->params, inputs, &parts.outputs);
    gradcheck_sum(check, parts.outputs.interests);
}

// --- the paper's equations ------------------------------------------------------------------------------

/// Eq. 7 on z [d], in its place.
static void squash(size_t d, double *z) {
    double n = 0;
    for (size_t c = 0; c < d; c++)
        n += z[c] * z[c];
    for (size_t c = 0; c < d; c++)
        z[c] = n > 0 ? n / (1 + n) * z[c] / sqrt(n) : 0;
}

/// Algorithm 1: clicks x [length, d] or, with `each`, [length, count, d], to interests u [count, d].
/// @param w  receives the last weights [length, MOST]
static void route(size_t length, size_t count, size_t d, bool each, size_t iterations,
                  double deviation, const double *x, double *u, double (*w)[MOST]) {
    double b[LONGEST][MOST];
    const size_t row = each ? count * d : d, step = each ? d : 0;
    for (size_t i = 0; i < length; i++) {
        for (size_t j = 0; j < count; j++) {
            lode_random random = lode__random(0, START, (uint32_t)i, (uint32_t)j);
            b[i][j] = deviation * lode__random_normal(&random);
        }
    }
    for (size_t iteration = 0; iteration < iterations; iteration++) {
        for (size_t i = 0; i < length; i++) {
            double sum = 0;
            for (size_t j = 0; j < count; j++)
                sum += exp(b[i][j]);
            for (size_t j = 0; j < count; j++)
                w[i][j] = exp(b[i][j]) / sum;
        }
        for (size_t j = 0; j < count; j++) {
            for (size_t c = 0; c < d; c++) {
                u[j * d + c] = 0;
                for (size_t i = 0; i < length; i++)
                    u[j * d + c] += w[i][j] * x[i * row + j * step + c];
            }
            squash(d, u + j * d);
        }
        for (size_t i = 0; i < length; i++) {
            for (size_t j = 0; j < count; j++) {
                for (size_t c = 0; c < d; c++)
                    b[i][j] += u[j * d + c] * x[i * row + j * step + c];
            }
        }
    }
}

static const double *values(const gradcheck *check, const char *name, size_t rows, size_t columns) {
    const lode_param *param = lode__param_find(check->params, name);
    assert_non_null(param);
    assert_true(param->rows == rows && param->columns == columns);
    return param->value;
}

/// out [n] = in [k] W [k, n] + bias [n] (NULL = 0).
static void multiply(size_t k, size_t n, const double *in, const double *weight, const double *bias,
                     double *out) {
    for (size_t c = 0; c < n; c++) {
        out[c] = bias != NULL ? bias[c] : 0;
        for (size_t i = 0; i < k; i++)
            out[c] += in[i] * weight[i * n + c];
    }
}

/// The last layers: an interest beside the user's field.
static void project(const gradcheck *check, size_t hidden, size_t user, const double *u, double *out) {
    double in[DIM + OWN], middle[HIDDEN];
    const double *own = values(check, "user.group", GROUPS, OWN);
    memcpy(in, u, DIM * sizeof *in);
    memcpy(in + DIM, own + parts.inputs.fields[0].ids->data[user] * OWN, OWN * sizeof *in);
    const size_t first = hidden > 0 ? hidden : WIDTH;
    multiply(DIM + OWN, first, in, values(check, "user.mlp.0.weight", DIM + OWN, first),
             values(check, "user.mlp.0.bias", 1, first), hidden > 0 ? middle : out);
    if (hidden == 0) return;
    for (size_t c = 0; c < hidden; c++)
        middle[c] = fmax(middle[c], 0);
    multiply(hidden, WIDTH, middle, values(check, "user.mlp.1.weight", hidden, WIDTH),
             values(check, "user.mlp.1.bias", 1, WIDTH), out);
}

static void verify(const gradcheck *check, const void *context) {
    const mind_options *options = context;
    const double *item = values(check, "item.id", ITEMS, DIM);
    const double *bilinear = values(check, "user.routing.weight", DIM, DIM);
    const int32_t *offsets = parts.inputs.history->offsets;
    const int32_t *own = parts.outputs.interest_lists->offsets;
    assert_null(parts.outputs.vector);
    assert_int_equal(own[0], 0);
    for (size_t user = 0; user < USERS; user++) {
        double x[LONGEST * DIM], u[MOST * DIM] = {0}, w[LONGEST][MOST], expected[WIDTH];
        const size_t count = options->counts != NULL ? options->counts[user] : options->interests;
        assert_int_equal(own[user + 1] - own[user], count);
        for (size_t i = 0; i < lengths[user]; i++) {
            multiply(DIM, DIM, item + parts.inputs.clicks->data[(size_t)offsets[user] + i] * DIM,
                     bilinear, NULL, x + i * DIM);
        }
        route(lengths[user], count, DIM, false, options->iterations, options->deviation, x, u, w);
        for (size_t j = 0; j < count; j++) {
            project(check, options->hidden, user, u + j * DIM, expected);
            for (size_t c = 0; c < WIDTH; c++) {
                gradcheck_near(lode__tensor_get(check->graph, parts.outputs.interests,
                                                (size_t)own[user] + j, c),
                               expected[c], 1e-7, 1e-7, "an interest");
            }
        }
    }
    assert_int_equal(parts.outputs.interests->rows->size, own[USERS]);
}

#define YAML(keys) "{tower: mind, " keys "}"
static const mind_options three = {
    YAML("interests: 3, iterations: 3, layers: [5, 3]"), 3, 3, HIDDEN, of_three, 1};
static const mind_options eight = {
    YAML("interests: 8, iterations: 3, layers: [3], deviation: 0.5"), 8, 3, 0, of_eight, 0.5};
static const mind_options all = {
    YAML("interests: 3, adaptive: false, layers: [5, 3]"), 3, 3, HIDDEN, NULL, 1};
static const mind_options once = {
    YAML("interests: 3, iterations: 1, layers: [3]"), 3, 1, 0, of_three, 1};
static const mind_options once_all = {
    YAML("interests: 4, iterations: 1, adaptive: false, layers: [3], deviation: 2"),
    4,
    1,
    0,
    NULL,
    2};

static void test_equations(void **state) {
    (void)state;
    const mind_options *const list[] = {&three, &eight, &all, &once, &once_all};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const gradcase item = {.name = "mind", .build = build, .options = list[i]};
        gradcheck check;
        gradcheck_open(&check, &item, LODE_F64, NULL, true);
        lode__graph_forward(check.graph);
        verify(&check, list[i]);
        gradcheck_close(&check);
    }
}

// --- the gradient of several iterations -------------------------------------------------------------------

enum { LISTS = 4, K = 3 };
static const size_t few[LISTS] = {3, 0, 9, 1};
static lode_tensor *routed;
static lode_lists *routed_clicks, *routed_interests;

static void build_routing(gradcheck *check, const void *context) {
    const bool *each = context;
    lode_dim *users = gradcheck_dim(check, "users", LISTS);
    routed_clicks = gradcheck_lists(check, users, "positions", few);
    lode_tensor *x = gradcheck_input(check, "x", routed_clicks->positions, *each ? K * DIM : DIM);
    lode_dim *interests = lode__graph_dim(check->graph, "interests", users->capacity * K);
    routed_interests = lode__graph_lists(check->graph, users, interests, K);
    routed = lode__routing(check->graph, x, routed_clicks,
                           &(lode_routing){.count = K,
                                           .iterations = 3,
                                           .adaptive = true,
                                           .each = *each,
                                           .deviation = 1,
                                           .interests = routed_interests});
    gradcheck_sum(check, routed);
}

/// The sum of all elements of squash(sum_i w_i x_i), each times its gradient, of interest j.
static double weighted(size_t length, const double *x, size_t row, double (*w)[MOST], size_t j,
                       const double *gradient) {
    double z[DIM] = {0}, sum = 0;
    for (size_t i = 0; i < length; i++) {
        for (size_t c = 0; c < DIM; c++)
            z[c] += w[i][j] * x[i * row + c];
    }
    squash(DIM, z);
    for (size_t c = 0; c < DIM; c++)
        sum += z[c] * gradient[c];
    return sum;
}

/// One user's gradient against differences in which the last weights stay what they are.
static void check_user(size_t list, bool each, double *x, const double *found) {
    const size_t length = few[list], row = each ? K * DIM : DIM;
    const size_t begin = (size_t)routed_interests->offsets[list];
    const size_t count = (size_t)routed_interests->offsets[list + 1] - begin;
    const double *gradient = (const double *)routed->gradient + begin * DIM;
    double u[K * DIM], w[LONGEST][MOST], wide[LONGEST * K * DIM] = {0};
    const double h = 1e-5;
    for (size_t i = 0; i < length; i++) // only as many columns as the user has interests
        memcpy(wide + i * (each ? count * DIM : DIM), x + i * row,
               (each ? count * DIM : DIM) * sizeof *x);
    route(length, count, DIM, each, 3, 1, wide, u, w);
    for (size_t at = 0; at < length * row; at++) {
        double change = 0;
        const double kept = x[at];
        for (size_t j = 0; j < count; j++) {
            const double *own = x + (each ? j * DIM : 0);
            x[at] = kept + h;
            change += weighted(length, own, row, w, j, gradient + j * DIM);
            x[at] = kept - h;
            change -= weighted(length, own, row, w, j, gradient + j * DIM);
            x[at] = kept;
        }
        gradcheck_near(found[at], change / (2 * h), 1e-7, 1e-6, "a gradient through the routing");
    }
}

static void test_constant_weights(void **state) {
    (void)state;
    for (int each = 0; each < 2; each++) {
        const bool wide = each == 1;
        const gradcase item = {.name = "routing", .build = build_routing, .options = &wide};
        gradcheck check;
        gradcheck_open(&check, &item, LODE_F64, NULL, true);
        (void)gradcheck_step(&check);
        lode_param *x = lode__param_find(check.params, "x");
        double *found = gradcheck_take(&check, x);
        for (size_t list = 0; list < LISTS; list++) {
            const size_t first = (size_t)routed_clicks->offsets[list] * x->columns;
            check_user(list, wide, (double *)x->value + first, found + first);
        }
        lode__free(found);
        gradcheck_close(&check);
    }
}

// --- readout ----------------------------------------------------------------------------------------------

/// Four users with interests (1, 0), (0, 2); (1, 1), (2, 0); (-2, 0), (1, 0); (3, -1) and targets v = (1, 1), (1, 1), (1,
/// 0), (1, 1): products 1, 2; 2, 2; -2, 1; 2.
static const double given[7][2] = {{1, 0}, {0, 2}, {1, 1}, {2, 0}, {-2, 0}, {1, 0}, {3, -1}};
static const double keys[2][2] = {{1, 1}, {1, 0}};
static const size_t interests[] = {2, 2, 2, 1};
static const int32_t targets[] = {0, 0, 1, 0};
static lode_tensor *read_out;

static void build_readout(gradcheck *check, const void *context) {
    lode_dim *users = gradcheck_dim(check, "users", 4), *items = gradcheck_dim(check, "items", 2);
    lode_lists *lists = gradcheck_lists(check, users, "interests", interests);
    lode_tensor *e = gradcheck_input(check, "e", lists->positions, 2);
    lode_tensor *v = gradcheck_input(check, "v", items, 2);
    lode_ids *index = gradcheck_index(check, users, 1, 2);
    memcpy(index->data, targets, sizeof targets);
    read_out = lode__readout(check->graph, e, lists, v, index, context);
    gradcheck_sum(check, read_out);
}

static void check_readout(const lode_readout *spec, const double expected[4][2]) {
    const gradcase item = {.name = "readout", .build = build_readout, .options = spec};
    gradcheck check;
    gradcheck_open(&check, &item, LODE_F64, NULL, true);
    memcpy(lode__param_find(check.params, "e")->value, given, sizeof given);
    memcpy(lode__param_find(check.params, "v")->value, keys, sizeof keys);
    (void)gradcheck_step(&check);
    for (size_t user = 0; user < 4; user++) {
        for (size_t c = 0; c < 2; c++)
            gradcheck_near(lode__tensor_get(check.graph, read_out, user, c), expected[user][c],
                           1e-12, 0, "a vector for a target");
    }
    if (spec->hard) { // all of the gradient to the chosen ones, none to others and to targets
        const size_t chosen[] = {1, 2, 5, 6};
        double *e = gradcheck_take(&check, lode__param_find(check.params, "e"));
        double *v = gradcheck_take(&check, lode__param_find(check.params, "v"));
        const double *dy = read_out->gradient;
        for (size_t i = 0; i < 7; i++) {
            for (size_t c = 0; c < 2; c++) {
                double own = 0;
                for (size_t user = 0; user < 4; user++)
                    if (chosen[user] == i) own = dy[user * 2 + c];
                assert_true(e[i * 2 + c] == own);
            }
        }
        for (size_t i = 0; i < 4; i++)
            assert_true(v[i] == 0 && dy[i] != 0);
        lode__free(e);
        lode__free(v);
    }
    gradcheck_close(&check);
}

static void test_readout(void **state) {
    (void)state;
    const double nearest[4][2] = {{0, 2}, {1, 1}, {1, 0}, {3, -1}};
    check_readout(&(lode_readout){.hard = true}, nearest);
    // power 1: softmax(1, 2), (2, 2), (-2, 1); power 2: softmax(1, 4), (4, 4), (-4, 1), with the sign
    const double a = 1 / (1 + exp(1)), b = 1 / (1 + exp(3));
    const double first[4][2] = {{a, 2 * (1 - a)}, {1.5, 0.5}, {1 - 3 * b, 0}, {3, -1}};
    check_readout(&(lode_readout){.power = 1}, first);
    const double c = 1 / (1 + exp(3)), d = 1 / (1 + exp(5));
    const double second[4][2] = {{c, 2 * (1 - c)}, {1.5, 0.5}, {1 - 3 * d, 0}, {3, -1}};
    check_readout(&(lode_readout){.power = 2}, second);
    // far powers are the hard choice, except that ties share
    const double far[4][2] = {{0, 2}, {1.5, 0.5}, {1, 0}, {3, -1}};
    check_readout(&(lode_readout){.power = 100}, far);
}

int main(void) {
    static const gradcase cases[] = {
        {.name = "mind, one iteration", .build = build, .verify = verify, .options = &once, .deep = 4},
        {.name = "mind, one iteration, K interests each",
         .build = build,
         .verify = verify,
         .options = &once_all,
         .deep = 4}};
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equations),
                                       cmocka_unit_test(test_constant_weights),
                                       cmocka_unit_test(test_readout)};
    const int failed = gradcheck_main("mind", cases, sizeof cases / sizeof *cases);
    const int own = cmocka_run_group_tests(tests, NULL, NULL);
    lode__arena_release(&parts.arena);
    return failed + own;
}
