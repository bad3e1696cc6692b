#include "base/config.h"

#include "../check.h"

typedef struct tree {
    lode_arena arena;
    lode_node *root;
    lode_error error;
    lode_status status;
} tree;

static int tree_setup(void **state) {
    *state = calloc(1, sizeof(tree));
    return *state == NULL;
}

static int tree_teardown(void **state) {
    lode__arena_release(&((tree *)*state)->arena);
    free(*state);
    return 0;
}

static lode_node *parse(tree *t, const char *text) {
    t->error = (lode_error){0};
    t->root = NULL;
    t->status = lode__yaml_parse(&t->arena, text, strlen(text), "c.yaml", &t->root, &t->error);
    return t->root;
}

static lode_node *parse_ok(tree *t, const char *text) {
    parse(t, text);
    assert_ok(t->status, t->error);
    return t->root;
}

static void test_tree(void **state) {
    tree *t = *state;
    const lode_node *root = parse_ok(t, "# a comment\n"
                                        "a: 1\n"
                                        "b:\n"
                                        "  c: \"auto\"\n"
                                        "  d: [x, 'y z', ~]\n"
                                        "e:\n"
                                        "- f: 2\n"
                                        "  g: caf\xc3\xa9\n"
                                        "-\n"
                                        "h: {}\n"
                                        "i: |\n"
                                        "  two\n"
                                        "  lines\n");
    assert_int_equal(root->kind, LODE_NODE_MAP);
    assert_int_equal(lode__node_count(root), 5);
    const lode_node *a = lode__node_get(root, "a");
    assert_string_equal(a->text, "1");
    assert_false(a->quoted);
    assert_int_equal(a->line, 2);
    assert_string_equal(a->file, "c.yaml");
    assert_string_equal(lode__node_where(&t->arena, a), "c.yaml:2");
    const lode_node *b = lode__node_get(root, "b");
    assert_int_equal(b->kind, LODE_NODE_MAP);
    assert_true(lode__node_get(b, "c")->quoted);
    const lode_node *d = lode__node_get(b, "d");
    assert_int_equal(d->kind, LODE_NODE_LIST);
    assert_int_equal(lode__node_count(d), 3);
    assert_string_equal(d->child->text, "x");
    assert_string_equal(d->child->next->text, "y z");
    assert_string_equal(d->child->next->next->text, "");
    assert_false(d->child->next->next->quoted);
    assert_null(d->child->key);
    const lode_node *e = lode__node_get(root, "e");
    assert_int_equal(lode__node_get(e->child, "g")->line, 8);
    assert_string_equal(lode__node_get(e->child, "g")->text, "caf\xc3\xa9");
    assert_string_equal(e->child->next->text, "");
    assert_int_equal(lode__node_get(root, "h")->kind, LODE_NODE_MAP);
    assert_int_equal(lode__node_count(lode__node_get(root, "h")), 0);
    assert_string_equal(lode__node_get(root, "i")->text, "two\nlines\n");
    assert_null(lode__node_get(root, "z"));
    assert_null(lode__node_get(NULL, "z"));
    assert_null(lode__node_get(a, "z"));
    assert_int_equal(lode__node_count(NULL), 0);
}

static void test_empty_texts_are_empty_maps(void **state) {
    static const char *const texts[] = {"", "\n\n", "# only a comment\n", "---\n", "{}\n", "~\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const lode_node *root = parse_ok(*state, texts[i]);
        assert_int_equal(root->kind, LODE_NODE_MAP);
        assert_int_equal(lode__node_count(root), 0);
    }
}

static void test_refused_texts(void **state) {
    static const struct {
        const char *text, *where, *what;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "c.yaml:3", "\"a\" is given twice"},
        {"a: &x 1\n", "c.yaml:1", "anchors"},
        {"a: &x {b: 1}\n", "c.yaml:1", "anchors"},
        {"a: &x [1]\n", "c.yaml:1", "anchors"},
        {"&x a: 1\n", "c.yaml:1", "anchors"},
        {"a: 1\nb: *x\n", "c.yaml:2", "anchors"},
        {"a: !!str 1\n", "c.yaml:1", "tags"},
        {"a: !x [1]\n", "c.yaml:1", "tags"},
        {"a: ! {b: 1}\n", "c.yaml:1", "tags"},
        {"!!str a: 1\n", "c.yaml:1", "tags"},
        {"a: 1\n---\nb: 2\n", "c.yaml:2", "document"},
        {"- a\n- b\n", "c.yaml:1", "key: value"},
        {"just text\n", "c.yaml:1", "key: value"},
        {"[a, b]: 1\n", "c.yaml:1", "key"},
        {"a: 1\nb: [1, 2\nc: 3\n", "c.yaml:", ""},
        {"a: 1\n\tb: 2\n", "c.yaml:2", ""},
        {"a: \"x\\0y\"\n", "c.yaml:1", "0 byte"},
        {"a: \xff\n", "c.yaml:1", ""},
        {"a: caf\xe9\n", "c.yaml:1", ""},
        {"a: 'x\n", "c.yaml:", ""},
    };
    tree *t = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parse(t, cases[i].text);
        assert_fails(t->status, LODE_E_CONFIG, t->error, cases[i].where);
        assert_fails(t->status, LODE_E_CONFIG, t->error, cases[i].what);
    }
    t->status = lode__yaml_parse(&t->arena, "a: 1\0b", 6, "c.yaml", &t->root, &t->error);
    assert_fails(t->status, LODE_E_CONFIG, t->error, "c.yaml");
    t->status = lode__yaml_parse(&t->arena,
                                 "\xff\xfe"
                                 "a\0:\0",
                                 6, "c.yaml", &t->root, &t->error);
    assert_fails(t->status, LODE_E_CONFIG, t->error, "c.yaml"); // UTF-16
}

static void test_depth_and_size_are_limited(void **state) {
    tree *t = *state;
    static char text[200000];
    for (int depth = 30; depth < 36; depth++) {
        size_t used = (size_t)snprintf(text, sizeof text, "a: ");
        memset(text + used, '[', (size_t)depth);
        memset(text + used + depth, ']', (size_t)depth);
        text[used + 2 * (size_t)depth] = 0;
        parse(t, text);
        assert_int_equal(t->status, depth <= 32 ? LODE_OK : LODE_E_CONFIG);
    }
    memset(text, '[', sizeof text - 1);
    parse(t, text);
    assert_fails(t->status, LODE_E_CONFIG, t->error, "32");
    for (size_t i = 0, used = 0; used + 20 < sizeof text && i < 10000; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "k%zu: 1\n", i);
    }
    parse(t, text);
    assert_fails(t->status, LODE_E_CONFIG, t->error, "c.yaml:4097");
}

static void set(tree *t, const char *setting) {
    t->status = lode__yaml_set(&t->arena, t->root, setting, &t->error);
}

static const char *printed(tree *t) {
    lode_text text = {0};
    char *out = NULL;
    lode__yaml_print(&text, t->root);
    assert_ok(lode__text_take(&text, &out, &t->error), t->error);
    char *copy = lode__arena_strdup(&t->arena, out);
    lode__free(out);
    return copy;
}

static void test_set(void **state) {
    tree *t = *state;
    parse_ok(t, "a: 1\nlist: [{x: 1}, {x: 2}]\n");
    static const char *const settings[] = {"a=2",        "b.c.d=x=y", "list.1.x=5",
                                           "list.2.x=7", "e=[1, 2]",  "f={g: h}",
                                           "n.0.x=1",    "q=",        "r=\"5\""};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        set(t, settings[i]);
        assert_ok(t->status, t->error);
    }
    assert_string_equal(printed(t), "a: 2\n"
                                    "list:\n"
                                    "  -\n    x: 1\n  -\n    x: 5\n  -\n    x: 7\n"
                                    "b:\n  c:\n    d: x=y\n"
                                    "e:\n  - 1\n  - 2\n"
                                    "f:\n  g: h\n"
                                    "n:\n  -\n    x: 1\n"
                                    "q: \"\"\n"
                                    "r: \"5\"\n");
    const lode_node *a = lode__node_get(t->root, "a");
    assert_int_equal(a->line, 0);
    assert_string_equal(lode__node_where(&t->arena, a), "--set");
    assert_int_equal(lode__node_get(lode__node_get(t->root, "f"), "g")->line, 0);
}

static void test_refused_settings(void **state) {
    static const struct {
        const char *setting, *what;
        lode_status status;
    } cases[] = {
        {"a", "key.path=value", LODE_E_USAGE},
        {"=1", "key.path=value", LODE_E_USAGE},
        {"a..b=1", "empty", LODE_E_USAGE},
        {".a=1", "empty", LODE_E_USAGE},
        {"a.=1", "empty", LODE_E_USAGE},
        {"list.5=1", "2 elements", LODE_E_CONFIG},
        {"list.x=1", "number", LODE_E_CONFIG},
        {"a=[1", "--set", LODE_E_CONFIG},
        {"a=*x", "anchors", LODE_E_CONFIG},
        {"a=!x y", "tags", LODE_E_CONFIG},
        {"a=\xff", "--set", LODE_E_CONFIG},
        {"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1", "32", LODE_E_USAGE},
    };
    tree *t = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parse_ok(t, "list: [1, 2]\n");
        set(t, cases[i].setting);
        assert_fails(t->status, cases[i].status, t->error, cases[i].what);
    }
}

static void test_merge(void **state) {
    tree *t = *state;
    lode_node *over = parse_ok(t, "b: {y: 3, z: 4}\nc: [9]\nd: {p: 1}\ne: 5\n");
    lode_node *base = parse_ok(t, "a: 1\nb: {x: 1, y: 2}\nc: [1, 2]\nd: 7\n");
    lode__yaml_merge(base, over);
    assert_string_equal(printed(t), "a: 1\n"
                                    "b:\n  x: 1\n  y: 3\n  z: 4\n"
                                    "c:\n  - 9\n"
                                    "d:\n  p: 1\n"
                                    "e: 5\n");
}

static bool same(const lode_node *a, const lode_node *b) {
    if (a == NULL || b == NULL) return a == b;
    if (a->kind != b->kind) return false;
    if ((a->key == NULL) != (b->key == NULL)) return false;
    if (a->key != NULL && strcmp(a->key, b->key) != 0) return false;
    if (a->kind == LODE_NODE_SCALAR && strcmp(a->text, b->text) != 0) return false;
    return same(a->child, b->child) && same(a->next, b->next);
}

/// Whatever was parsed comes back when it is printed and parsed again.
static void test_print_round_trip(void **state) {
    static const char *const scalars[] = {"plain",
                                          "with blanks",
                                          "",
                                          "'~'",
                                          "\"~x\"",
                                          "'- x'",
                                          "'? x'",
                                          "': x'",
                                          "'a: b'",
                                          "'a #b'",
                                          "a#b",
                                          "'a:'",
                                          "'#'",
                                          "\"tab\\there\"",
                                          "\"line\\nbreak\\n\"",
                                          "\"quote \\\" and \\\\ back\"",
                                          "'it''s'",
                                          "\"\\x7f\\x85\\xa0\\u2028\\u2029\\uFEFF\"",
                                          "caf\xc3\xa9 \xf0\x9f\x98\x80",
                                          "' lead'",
                                          "'trail '",
                                          "'[x]'",
                                          "'{x}'",
                                          "'a, b'",
                                          "'@x'",
                                          "'`x'",
                                          "'%x'",
                                          "'!x'",
                                          "'&x'",
                                          "'*x'",
                                          "'|'",
                                          "'>'",
                                          "1e-07",
                                          "-5",
                                          "'---'",
                                          "'...'",
                                          "http://a.b/c?d=e&f",
                                          "true",
                                          "'null'",
                                          "\"\\e[31m\"",
                                          "12:30",
                                          "'a:\tb'"};
    tree *t = *state;
    lode_text text = {0};
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        lode__text_printf(&text, "k%zu: %s\n", i, scalars[i]);
        if (scalars[i][0] != 0)
            lode__text_printf(&text, "? %s\n: [[%s], {x: %s}, []]\n", scalars[i], scalars[i],
                              scalars[i]);
    }
    assert_false(text.failed);
    const lode_node *first = parse_ok(t, text.data);
    lode__text_release(&text);
    assert_true(lode__node_count(first) > 60);
    const char *once = printed(t);
    const lode_node *second = parse_ok(t, once);
    assert_true(same(first, second));
    assert_string_equal(printed(t), once);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)
        TREE_TEST(test_tree),          TREE_TEST(test_empty_texts_are_empty_maps),
        TREE_TEST(test_refused_texts), TREE_TEST(test_depth_and_size_are_limited),
        TREE_TEST(test_set),           TREE_TEST(test_refused_settings),
        TREE_TEST(test_merge),         TREE_TEST(test_print_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
