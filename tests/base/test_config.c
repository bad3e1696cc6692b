#include "base/config.h"

#include "../check.h"

typedef struct part {
    int64_t size;
    double rate;
} part;

typedef struct config {
    int64_t epochs, any;
    double lr;
    bool shuffle;
    int loss;
    const char *name, *note;
    int64_t gap;
    lode_ints layers;
    lode_texts fields;
    const lode_node *tower;
    part part;
} config;

static const char *const losses[] = {"softmax", "bpr", "hinge", NULL};

static const lode_key part_keys[] = {
    {.name = "size",
     .type = LODE_KEY_INT,
     .offset = offsetof(part, size),
     .fallback = "8",
     .low = 1,
     .high = 64},
    {.name = "rate",
     .type = LODE_KEY_REAL,
     .offset = offsetof(part, rate),
     .fallback = "0.5",
     .low = 0,
     .high = 1},
    {.name = NULL},
};

static const lode_key keys[] = {
    {.name = "epochs",
     .type = LODE_KEY_INT,
     .offset = offsetof(config, epochs),
     .fallback = "10",
     .low = 1,
     .high = 1000,
     .help = "Passes over the data."},
    {.name = "any", .type = LODE_KEY_INT, .offset = offsetof(config, any), .fallback = "-1"},
    {.name = "lr",
     .type = LODE_KEY_REAL,
     .offset = offsetof(config, lr),
     .fallback = "0.001",
     .low = 0,
     .high = 1e30},
    {.name = "shuffle", .type = LODE_KEY_BOOL, .offset = offsetof(config, shuffle), .fallback = "true"},
    {.name = "loss",
     .type = LODE_KEY_CHOICE,
     .offset = offsetof(config, loss),
     .fallback = "bpr",
     .choices = losses},
    {.name = "name", .type = LODE_KEY_TEXT, .offset = offsetof(config, name), .fallback = "run"},
    {.name = "note", .type = LODE_KEY_TEXT, .offset = offsetof(config, note)},
    {.name = "gap", .type = LODE_KEY_DURATION, .offset = offsetof(config, gap), .fallback = "30m"},
    {.name = "layers",
     .type = LODE_KEY_INTS,
     .offset = offsetof(config, layers),
     .fallback = "[64, 32]",
     .low = 1,
     .high = 4096},
    {.name = "fields", .type = LODE_KEY_TEXTS, .offset = offsetof(config, fields), .fallback = "[]"},
    {.name = "tower", .type = LODE_KEY_NODE, .offset = offsetof(config, tower)},
    {.name = "part",
     .type = LODE_KEY_SECTION,
     .offset = offsetof(config, part),
     .keys = part_keys,
     .help = "A part."},
    {.name = NULL},
};

typedef struct reading {
    lode_arena arena;
    config out;
    lode_error error;
    lode_status status;
} reading;

static int setup(void **state) {
    *state = calloc(1, sizeof(reading));
    return *state == NULL;
}

static int teardown(void **state) {
    lode__arena_release(&((reading *)*state)->arena);
    free(*state);
    return 0;
}

static void read_text(reading *r, const char *text) {
    lode_node *root = NULL;
    static const char *const skip[] = {"elsewhere", NULL};
    memset(&r->out, 0xAA, sizeof r->out); // every member must be set
    r->error = (lode_error){0};
    assert_ok(lode__yaml_parse(&r->arena, text, strlen(text), "c.yaml", &root, &r->error), r->error);
    r->status = lode__config_read(&r->arena, root, "", keys, skip, &r->out, &r->error);
}

static void test_defaults(void **state) {
    reading *r = *state;
    read_text(r, "");
    assert_ok(r->status, r->error);
    const config *out = &r->out;
    assert_int_equal(out->epochs, 10);
    assert_int_equal(out->any, -1);
    assert_true(out->lr == 0.001);
    assert_true(out->shuffle);
    assert_int_equal(out->loss, 1);
    assert_string_equal(out->name, "run");
    assert_null(out->note);
    assert_int_equal(out->gap, 30 * 60 * 1000);
    assert_int_equal(out->layers.count, 2);
    assert_int_equal(out->layers.values[1], 32);
    assert_int_equal(out->fields.count, 0);
    assert_null(out->tower);
    assert_int_equal(out->part.size, 8);
    assert_true(out->part.rate == 0.5);
}

static void test_values(void **state) {
    reading *r = *state;
    read_text(
        r,
        "epochs: 1e2\nlr: 1e-07\nshuffle: false\nloss: hinge\nname: \"a: b\"\nnote: x\ngap: 1.5h\n"
        "layers: 5\nfields: [a, 'b c']\ntower: {type: x}\npart: {size: 64}\nelsewhere: {}\n"
        "any: -9223372036854775808\n");
    assert_ok(r->status, r->error);
    const config *out = &r->out;
    assert_int_equal(out->epochs, 100);
    assert_true(out->any == INT64_MIN);
    assert_true(out->lr == 1e-7);
    assert_false(out->shuffle);
    assert_int_equal(out->loss, 2);
    assert_string_equal(out->name, "a: b");
    assert_string_equal(out->note, "x");
    assert_int_equal(out->gap, 5400000);
    assert_int_equal(out->layers.count, 1);
    assert_int_equal(out->layers.values[0], 5);
    assert_int_equal(out->fields.count, 2);
    assert_string_equal(out->fields.values[1], "b c");
    assert_string_equal(lode__node_get(out->tower, "type")->text, "x");
    assert_int_equal(out->part.size, 64);
    assert_true(out->part.rate == 0.5);
    read_text(r, "fields: []\nlayers: []\npart:\n"); // given, but empty
    assert_ok(r->status, r->error);
    assert_int_equal(r->out.fields.count, 0);
    assert_int_equal(r->out.layers.count, 0);
    assert_int_equal(r->out.part.size, 8);
}

static void test_durations(void **state) {
    static const struct {
        const char *text;
        int64_t milliseconds;
    } cases[] = {{"gap: 250ms", 250},  {"gap: 45s", 45000},    {"gap: 30m", 1800000},
                 {"gap: 1h", 3600000}, {"gap: 7d", 604800000}, {"gap: 12", 12},
                 {"gap: 0", 0},        {"gap: 0.3s", 300},     {"gap: 100000d", 8640000000000}};
    reading *r = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_text(r, cases[i].text);
        assert_ok(r->status, r->error);
        assert_true(r->out.gap == cases[i].milliseconds);
    }
}

static void test_messages(void **state) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"a1: 1\n",
         "c.yaml:1: unknown key \"a1\"; there are: epochs any lr shuffle loss name note gap layers "
         "fields tower part elsewhere"},
        {"lr: 1\nepoch: 1\n", "c.yaml:2: unknown key \"epoch\"; did you mean \"epochs\"?"},
        {"part:\n  sise: 1\n", "c.yaml:2: unknown key \"part.sise\"; did you mean \"part.size\"?"},
        {"epochs: many\n", "c.yaml:1: epochs is many: expected a whole number, 1 to 1000"},
        {"epochs: 1.5\n", "c.yaml:1: epochs is 1.5: expected a whole number, 1 to 1000"},
        {"epochs: 0\n", "c.yaml:1: epochs is 0: expected 1 to 1000"},
        {"epochs: 1001\n", "c.yaml:1: epochs is 1001: expected 1 to 1000"},
        {"epochs: 1e300\n", "c.yaml:1: epochs is 1e300: expected a whole number, 1 to 1000"},
        {"epochs:\n", "c.yaml:1: epochs is empty: expected a whole number, 1 to 1000"},
        {"epochs: [1]\n", "c.yaml:1: epochs is a list: expected a single value, 1 to 1000"},
        {"any: 9223372036854775808\n",
         "c.yaml:1: any is 9223372036854775808: expected a whole number"},
        {"lr: -1\n", "c.yaml:1: lr is -1: expected at least 0"},
        {"lr: nan\n", "c.yaml:1: lr is nan: expected a number, at least 0"},
        {"shuffle: maybe\n", "c.yaml:1: shuffle is maybe: expected true or false"},
        {"loss: hing\n",
         "c.yaml:1: loss is hing: expected softmax | bpr | hinge; did you mean \"hinge\"?"},
        {"name: {a: 1}\n", "c.yaml:1: name is a map: expected a single value"},
        {"gap: soon\n",
         "c.yaml:1: gap is soon: expected a duration such as 30m, 1h, 7d, 45s or 250ms"},
        {"gap: -5s\n",
         "c.yaml:1: gap is -5s: expected a duration such as 30m, 1h, 7d, 45s or 250ms"},
        {"gap: 999999999999d\n",
         "c.yaml:1: gap is 999999999999d: expected a duration such as 30m, 1h, 7d, 45s or 250ms"},
        {"layers:\n- 5\n- x\n", "c.yaml:3: layers is x: expected a whole number, 1 to 4096"},
        {"layers: [0]\n", "c.yaml:1: layers is 0: expected 1 to 4096"},
        {"layers: [[1]]\n",
         "c.yaml:1: layers is a list: expected a list of single values, 1 to 4096"},
        {"fields:\n", "c.yaml:1: fields is empty: expected a list ([] for none)"},
        {"fields: {a: 1}\n", "c.yaml:1: fields is a map: expected a list"},
        {"part: 5\n", "c.yaml:1: part is 5: expected a map of keys"},
        {"part: [1]\n", "c.yaml:1: part is a list: expected a map of keys"},
        {"part: {rate: 2}\n", "c.yaml:1: part.rate is 2: expected 0 to 1"},
    };
    reading *r = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_text(r, cases[i].text);
        assert_int_equal(r->status, LODE_E_CONFIG);
        assert_string_equal(r->error.message, cases[i].message);
    }
}

static void test_required_and_paths(void **state) {
    static const lode_key required[] = {
        {.name = "size", .type = LODE_KEY_INT, .offset = offsetof(part, size)}, {.name = NULL}};
    reading *r = *state;
    lode_node *root = NULL;
    part out;
    assert_ok(lode__yaml_parse(&r->arena, "{}", 2, "c.yaml", &root, &r->error), r->error);
    assert_fails(lode__config_read(&r->arena, root, "objectives[0]", required, NULL, &out, &r->error),
                 LODE_E_CONFIG, r->error, "c.yaml:1: objectives[0].size is required");
    assert_ok(lode__yaml_parse(&r->arena, "siz: 1", 6, "c.yaml", &root, &r->error), r->error);
    assert_fails(lode__config_read(&r->arena, root, "objectives[0]", required, NULL, &out, &r->error),
                 LODE_E_CONFIG, r->error,
                 "unknown key \"objectives[0].siz\"; did you mean \"objectives[0].size\"?");
    assert_ok(lode__yaml_set(&r->arena, root, "size=x", &r->error), r->error);
    root->child = root->child->next;
    assert_fails(lode__config_read(&r->arena, root, "", required, NULL, &out, &r->error),
                 LODE_E_CONFIG, r->error, "--set: size is x: expected a whole number");
}

static char *written(reading *r, const config *in) {
    lode_text text = {0};
    char *out = NULL;
    lode__config_write(&text, 0, keys, in);
    assert_ok(lode__text_take(&text, &out, &r->error), r->error);
    return out;
}

static void test_write_defaults(void **state) {
    reading *r = *state;
    read_text(r, "");
    char *text = written(r, &r->out);
    assert_string_equal(
        text, "epochs: 10\nany: -1\nlr: 0.001\nshuffle: true\nloss: bpr\nname: run\ngap: 30m\n"
              "layers: [64, 32]\nfields: []\npart:\n  size: 8\n  rate: 0.5\n");
    lode__free(text);
}

/// Written and read back, every struct is the same; reals to the last bit.
static void test_write_round_trip(void **state) {
    static const double reals[] = {0,   1e-07, 0.1,  1.0 / 3,     5e-324,    1.7976931348623157e+29,
                                   1.0, 0.3,   1e22, 123456789.0, 0.1 + 0.2, 2.5e-5};
    static const char *const texts[] = {
        "",     "a: b", "~",  "- x", "tab\t",       "line\n",   "\"q\"", "\\",
        "true", "#",    " x", "x ",  "caf\xc3\xa9", "\xc2\x85", "\x7f",  "\x1b"};
    static const int64_t gaps[] = {0, 1, 999, 1000, 60000, 90000, 3600000, 86400000, 90000000};
    int64_t layers[] = {1, 4096};
    reading *r = *state;
    for (size_t i = 0; i < 48; i++) {
        const char *fields[] = {texts[i % 16], texts[(i + 5) % 16]};
        config in = {.epochs = 1 + (int64_t)i,
                     .any = i % 2 ? INT64_MIN : INT64_MAX,
                     .lr = reals[i % 12],
                     .shuffle = i % 2,
                     .loss = (int)(i % 3),
                     .name = texts[i % 16],
                     .note = i % 2 ? NULL : texts[(i + 1) % 16],
                     .gap = gaps[i % 9],
                     .layers = {layers, i % 3},
                     .fields = {fields, i % 3},
                     .part = {.size = 64, .rate = 1.0 / (double)(i + 1)}};
        char *text = written(r, &in);
        read_text(r, text);
        lode__free(text);
        assert_ok(r->status, r->error);
        const config *out = &r->out;
        assert_true(out->epochs == in.epochs && out->any == in.any && out->shuffle == in.shuffle);
        assert_true(out->lr == in.lr && out->part.rate == in.part.rate && out->gap == in.gap);
        assert_int_equal(out->loss, in.loss);
        assert_string_equal(out->name, in.name);
        if (in.note == NULL) assert_null(out->note);
        if (in.note != NULL) assert_string_equal(out->note, in.note);
        assert_int_equal(out->layers.count, in.layers.count);
        for (size_t k = 0; k < in.layers.count; k++)
            assert_int_equal(out->layers.values[k], layers[k]);
        assert_int_equal(out->fields.count, in.fields.count);
        for (size_t k = 0; k < in.fields.count; k++)
            assert_string_equal(out->fields.values[k], fields[k]);
    }
}

static void test_reals_are_short(void **state) {
    static const struct {
        double value;
        const char *line;
    } cases[] = {{0.001, "lr: 0.001\n"},
                 {1e-7, "lr: 1e-07\n"},
                 {0.1, "lr: 0.1\n"},
                 {100, "lr: 100\n"},
                 {1.0 / 3, "lr: 0.3333333333333333\n"}};
    reading *r = *state;
    read_text(r, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        config in = r->out;
        in.lr = cases[i].value;
        char *text = written(r, &in);
        const char *line = strstr(text, "lr: ");
        assert_memory_equal(line, cases[i].line, strlen(cases[i].line));
        lode__free(text);
    }
}

static void test_help(void **state) {
    reading *r = *state;
    lode_text text = {0};
    char *out = NULL;
    lode__config_help(&text, "train.", keys);
    assert_ok(lode__text_take(&text, &out, &r->error), r->error);
    static const char *const pieces[] = {
        "train.epochs",          "whole number, 1 to 1000", "default 10", "Passes over the data.",
        "softmax | bpr | hinge", "train.part.size",         "A part.",    "at least 0"};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        assert_non_null(strstr(out, pieces[i]));
    lode__free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define CONFIG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CONFIG_TEST(test_defaults),
        CONFIG_TEST(test_values),
        CONFIG_TEST(test_durations),
        CONFIG_TEST(test_messages),
        CONFIG_TEST(test_required_and_paths),
        CONFIG_TEST(test_write_defaults),
        CONFIG_TEST(test_write_round_trip),
        CONFIG_TEST(test_reals_are_short),
        CONFIG_TEST(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
