/// Titles as terms and vectors, worked by hand, and the miner on a small shop with every odd title there is.
#include "../data/shelf.h"
#include "mining.h"

#include <math.h>

#include "mine/title_vectors.h"

static const lode_term_options usual = {.shortest = 3, .longest = 5, .pairs = true, .bytes = 4096};

static void read_title(lode_title_terms *terms, lode_arena *arena, const lode_term_options *options,
                       const char *title) {
    lode_error error = {0};
    assert_int_equal(lode__title_terms_init(terms, options, arena, &error), LODE_OK);
    lode__title_terms_read(terms, title, strlen(title));
}

static void expect_text(const char *title, const char *wanted) {
    lode_arena arena = {0};
    lode_title_terms terms;
    read_title(&terms, &arena, &usual, title);
    const size_t length = terms.starts[terms.letters];
    if (length != strlen(wanted) || memcmp(terms.text, wanted, length) != 0)
        fail_msg("'%s' became '%.*s', not '%s'", title, (int)length, terms.text, wanted);
    lode__arena_release(&arena);
}

static void test_normalise(void **state) {
    (void)state;
    expect_text("", " ");
    expect_text(" -- !? ", " ");
    expect_text("Toy Story (1995)", " toy story 1995 ");
    expect_text("don't DON’T", " dont dont ");
    expect_text("Pokémon POKÉMON Poke\u0301mon", " pokemon pokemon pokemon ");
    expect_text("Straße Ærø Œuvre Łódź Þór", " strasse aero oeuvre lodz thor ");
    expect_text("Việt Nam ƠƯ", " viet nam ou ");
    expect_text("МОСКВА Ёлка Їжак ґ", " москва елка їжак ґ ");
    expect_text("ΑΘΗΝΑ λόγος", " αθηνα λόγοσ ");
    expect_text("ԵՐԵՎԱՆ", " երեվան ");
    expect_text("ＡＢＣ１２", " abc12 ");
    expect_text("東京タワー2", " 東 京 タ ワ ー 2 ");
    expect_text("한국 영화", " 한국 영화 ");
    expect_text("x²·y™ 😀 20€", " x2 y 20 ");
    expect_text("co\u00adop a\u200bb", " coop ab ");
    expect_text("a\xff\xc3 b\xe4\xb8 c\xed\xa0\x80"
                "d\xf5",
                " a b c d ");
    expect_text("a\xc0\xaf"
                "b",
                " a b "); // an overlong slash
}

static size_t of_kind(const lode_title_terms *terms, lode_term_kind kind) {
    size_t count = 0;
    for (size_t k = 0; k < terms->count; k++)
        count += (terms->terms[k] & 3) == kind;
    return count;
}

static void expect_kinds(const lode_term_options *options, const char *title, size_t pieces,
                         size_t words, size_t pairs, size_t numbers) {
    lode_arena arena = {0};
    lode_title_terms terms;
    read_title(&terms, &arena, options, title);
    const size_t found[] = {of_kind(&terms, LODE_TERM_PIECE), of_kind(&terms, LODE_TERM_WORD),
                            of_kind(&terms, LODE_TERM_PAIR), of_kind(&terms, LODE_TERM_NUMBER)};
    if (found[0] != pieces || found[1] != words || found[2] != pairs || found[3] != numbers)
        fail_msg("'%s' has %zu pieces, %zu words, %zu pairs, %zu numbers", title, found[0],
                 found[1], found[2], found[3]);
    for (size_t k = 1; k < terms.count; k++)
        assert_true(terms.terms[k - 1] < terms.terms[k]);
    lode__arena_release(&arena);
}

static void test_terms(void **state) {
    (void)state;
    const lode_term_options alone = {.bytes = 100}, two = {2, 2, false, 100};
    expect_kinds(&usual, "", 0, 0, 0, 0);
    expect_kinds(&usual, "toy", 5, 1, 0, 0); // " to" "toy" "oy " " toy" "toy "; " toy " is the word
    expect_kinds(&usual, "a b", 0, 2, 1, 0); // " a " is the word
    expect_kinds(&usual, "1995", 0, 0, 0, 1);
    expect_kinds(&usual, "no 7 no", 2, 1, 2, 1);
    expect_kinds(&alone, "toy story", 0, 2, 0, 0);
    expect_kinds(&two, "toy", 4, 1, 0, 0);
    lode_arena arena = {0};
    lode_title_terms terms;
    read_title(&terms, &arena, &usual, "no no no"); // " no" "no " no, three times; "no no", twice
    assert_int_equal(terms.count, 4);
    for (size_t k = 0; k < terms.count; k++)
        assert_int_equal(terms.times[k], (terms.terms[k] & 3) == LODE_TERM_PAIR ? 2 : 3);
    lode__arena_release(&arena);
}

// Titles that fill the memory there is, byte by byte: what is read never ends within a letter.
static void test_cut(void **state) {
    (void)state;
    static const char *const units[] = {"a", "a ", "é", "字", "a字", "𠀀", "ß", "\xff", "aß 字"};
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        char title[400] = "";
        while (strlen(title) + strlen(units[u]) < sizeof title)
            strcat(title, units[u]);
        for (size_t bytes = 1; bytes < 40; bytes++) {
            const lode_term_options options = {2, 5, true, bytes};
            lode_arena arena = {0};
            lode_title_terms terms;
            read_title(&terms, &arena, &options, title);
            assert_true(terms.cut);
            assert_true(terms.starts[terms.letters] <= 2 * bytes + 2);
            lode__arena_release(&arena);
        }
    }
    const lode_term_options options = {.bytes = 4};
    lode_arena arena = {0};
    lode_title_terms terms;
    read_title(&terms, &arena, &options, "aé字");
    assert_int_equal(terms.letters, 4); // " aé "
    read_title(&terms, &arena, &options, "abcdef");
    assert_int_equal(terms.letters, 6); // " abcd "
    read_title(&terms, &arena, &options, "abcd");
    assert_false(terms.cut);
    lode__arena_release(&arena);
}

// The inner products of vectors against those of the weighted terms, which are written out here.
static void test_vectors(void **state) {
    (void)state;
    static const char *const titles[] = {"red bowl no 1", "red bowl no 2", "blue bowl", "Red Chair",
                                         "red red chair"};
    enum { TITLES = 5, DIM = 4096 };
    const double weights[LODE_TERM_KINDS] = {1, 1.5, 0.5, 0.25};
    lode_arena arena = {0};
    lode_error error = {0};
    lode_title_terms terms[TITLES];
    lode_term_counts counts;
    static float vectors[TITLES][DIM];
    assert_int_equal(lode__term_counts_init(&counts, 10 * TITLES, &arena, &error), LODE_OK);
    for (size_t t = 0; t < TITLES; t++) {
        read_title(&terms[t], &arena, &usual, titles[t]);
        lode__term_counts_add(&counts, &terms[t]);
    }
    counts.titles = TITLES;
    for (size_t t = 0; t < TITLES; t++)
        lode__title_vector(&terms[t], &counts, weights, vectors[t], DIM);
    for (size_t a = 0; a < TITLES; a++) {
        for (size_t b = 0; b < TITLES; b++) {
            double wanted = 0, found = 0, squares[2] = {0};
            for (size_t i = 0; i < terms[a].count; i++) {
                size_t seen = 0; // titles with the term
                double own = 0, other = 0;
                for (size_t t = 0; t < TITLES; t++) {
                    for (size_t j = 0; j < terms[t].count; j++) {
                        if (terms[t].terms[j] != terms[a].terms[i]) continue;
                        seen++;
                        if (t == b) other = 1 + log(terms[t].times[j]);
                        if (t == a) own = 1 + log(terms[t].times[j]);
                    }
                }
                assert_int_equal(lode__term_count(&counts, terms[a].terms[i]), seen);
                const double weight = weights[terms[a].terms[i] & 3] * log(6.0 / (double)seen);
                wanted += weight * own * weight * other;
                squares[0] += weight * own * weight * own;
            }
            for (size_t j = 0; j < terms[b].count; j++) {
                const double seen = lode__term_count(&counts, terms[b].terms[j]);
                const double weight =
                    weights[terms[b].terms[j] & 3] * log(6.0 / seen) * (1 + log(terms[b].times[j]));
                squares[1] += weight * weight;
            }
            wanted /= sqrt(squares[0] * squares[1]);
            for (size_t d = 0; d < DIM; d++)
                found += (double)vectors[a][d] * (double)vectors[b][d];
            if (!(fabs(found - wanted) < (a == b ? 1e-6 : 4 / sqrt(DIM))))
                fail_msg("'%s' and '%s': %g, not %g", titles[a], titles[b], found, wanted);
        }
    }
    lode__arena_release(&arena);
}

// ------------------------------------------------------------------------------------------------
// The miner
// ------------------------------------------------------------------------------------------------

typedef struct shop {
    shelf *shelf;
    lode_dataset *data;
    lode_split *split;
    mining mining;
} shop;

static void shop_open(shop *s, void **state, const char *items) {
    s->shelf = *state;
    shelf_clear(s->shelf);
    shelf_put(s->shelf, "log.inter",
              "user_id:token\titem_id:token\ttimestamp:float\n"
              "u1\ta\t1500000000\nu1\tb\t1500000060\nu1\tc\t1500000120\nu1\td\t1500000180\n");
    shelf_put(s->shelf, "log.item", items);
    s->data = shelf_import(s->shelf, "", NULL);
    lode_error error = {0};
    assert_int_equal(lode__split_new(&s->split, s->data, &(lode_split_options){0}, &error), LODE_OK);
    s->mining = (mining){.data = s->data, .split = s->split, .sessions = {0, 1800000}};
}

static void shop_close(shop *s) {
    lode__split_free(&s->split);
    lode__dataset_free(&s->data);
    shelf_clear(s->shelf);
}

static void expect_partners(const shop *s, const lode_mined *mined, const char *token,
                            const char *wanted) {
    char text[256] = "";
    size_t at = 0;
    const uint32_t i = lode__token_find(&s->data->items, token);
    assert_true(i != LODE_CODE_NONE);
    for (uint64_t k = mined->starts[i]; k < mined->starts[i + 1]; k++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", at > 0 ? " " : "",
                               lode__token(&s->data->items, mined->partners[k]));
    if (strcmp(text, wanted) != 0) fail_msg("%s has '%s', not '%s'", token, text, wanted);
}

// Items are numbered by their tokens: a .. j.
static const char odd[] = "item_id:token\ttitle:token_seq\n"
                          "a\tthe red wooden bowl\n"
                          "b\tThe Red, wooden BOWL!\n"
                          "c\t\n"
                          "d\tgreen wooden bowl\n"
                          "e\t!?\n"
                          "f\tthe red wooden bowl\n"
                          "g\tbowl\n"
                          "h\tmetal chairs\n"
                          "i\tchair\n";

static void test_odd_titles(void **state) {
    shop s;
    shop_open(&s, state, odd);
    lode_mined *mined =
        mining_run(&s.mining, "titles", "{items: catalogue, min_similarity: 0.2, dim: 1024}");
    expect_partners(&s, mined, "a",
                    "b f d g"); // the same title, in the order of items, then what is near
    expect_partners(&s, mined, "b", "a f d g");
    expect_partners(&s, mined, "c", ""); // no title
    expect_partners(&s, mined, "e", ""); // no word
    expect_partners(&s, mined, "i", "h");
    const uint64_t begin = mined->starts[lode__token_find(&s.data->items, "a")];
    assert_true(mined->similarity[begin] >= 1 && mined->similarity[begin] <= 1);
    assert_true(mined->similarity[begin + 2] < 1);
    lode__mined_free(&mined);
    mined = mining_run(&s.mining, "titles", "{items: catalogue, k: 1}");
    expect_partners(&s, mined, "a", "b");
    expect_partners(&s, mined, "f", "a");
    expect_partners(&s, mined, "d", "a"); // of the three alike the first
    expect_partners(&s, mined, "i", "h");
    lode__mined_free(&mined);
    mined = mining_run(&s.mining, "titles",
                       "{k: 10000, min_similarity: -1}"); // a b d were clicked in training
    expect_partners(&s, mined, "a", "b");
    expect_partners(&s, mined, "f", "");
    lode__mined_free(&mined);
    shop_close(&s);
}

static void test_nothing(void **state) {
    shop s;
    shop_open(&s, state, "item_id:token\ttitle:token_seq\na\t\nb\t-\n");
    lode_mined *mined = mining_run(&s.mining, "titles", "{}");
    assert_int_equal(mined->starts[mined->items], 0);
    lode__mined_free(&mined);
    mining_refuse(&s.mining, "titles", "{column: titel}", "did you mean \"title\"?");
    mining_refuse(&s.mining, "titles", "{pieces: [5, 3]}", "the shorter first");
    mining_refuse(&s.mining, "titles", "{pieces: [3]}", "the shorter first");
    mining_refuse(&s.mining, "titles", "{pieces: [1, 3]}", "2 to 9");
    mining_refuse(&s.mining, "titles", "{dim: 0}", "16 to 4096");
    mining_refuse(&s.mining, "titles", "{word_weight: -1}", "0 to 1000");
    shop_close(&s);
    shop_open(&s, state, "item_id:token\tkind:token\na\tx\nb\ty\n");
    mining_refuse(&s.mining, "titles", "{}", "no item column of texts");
    shop_close(&s);
    shop_open(&s, state, odd);
    lode_mined *weightless = mining_run(&s.mining, "titles",
                                        "{items: catalogue, pieces: [], word_weight: 0, "
                                        "pair_weight: 0, number_weight: 0}");
    expect_partners(&s, weightless, "a", "b f"); // nothing is near but the same title
    expect_partners(&s, weightless, "d", "");
    lode__mined_free(&weightless);
    shop_close(&s);
}

// Titles of other terms whose vectors tie: their items come in the order of items.
static void test_ties(void **state) {
    shop s;
    shop_open(&s, state,
              "item_id:token\ttitle:token_seq\n"
              "a\tbowl\nb\tbowl bowl bowl\nc\tbowl bowl\nd\tbowl bowl bowl\ne\tbowl bowl\nf\tx\n");
    lode_mined *mined = mining_run(
        &s.mining, "titles", "{items: catalogue, pieces: [], pair_weight: 0, min_similarity: 0.5}");
    expect_partners(&s, mined, "a", "b c d e");
    expect_partners(&s, mined, "c", "e a b d"); // its own title first
    lode__mined_free(&mined);
    mined = mining_run(&s.mining, "titles",
                       "{items: catalogue, k: 3, pieces: [], pair_weight: 0, min_similarity: 0.5}");
    expect_partners(&s, mined, "a", "b c d");
    lode__mined_free(&mined);
    shop_close(&s);
}

// A title of 100 kB is read as far as `longest`; two that begin alike are then one.
static void test_long_title(void **state) {
    enum { LENGTH = 100000 };
    char *items = test_malloc(2 * LENGTH + 200);
    size_t at = (size_t)sprintf(items, "item_id:token\ttitle:token_seq\na\tbowl\n");
    for (int k = 0; k < 2; k++) {
        at += (size_t)sprintf(items + at, "%c\t", 'b' + k);
        for (int word = 0; word < LENGTH / 10; word++)
            at += (size_t)sprintf(items + at, "word%05d ", word < 5000 ? word : word + k);
        items[at - 1] = '\n';
    }
    shop s;
    shop_open(&s, state, items);
    lode_mined *mined = mining_run(&s.mining, "titles", "{items: catalogue, min_similarity: 0.99}");
    assert_non_null(strstr(s.mining.notice, "of 2 titles only the first 4096 bytes"));
    expect_partners(&s, mined, "b", "c");
    lode__mined_free(&mined);
    mined = mining_run(&s.mining, "titles", "{items: catalogue, longest: 200000, k: 1}");
    assert_int_equal(s.mining.notice[0], 0);
    expect_partners(&s, mined, "c", "b");
    assert_true(mined->similarity[mined->starts[1]] < 1);
    lode__mined_free(&mined);
    test_free(items);
    shop_close(&s);
}

/// A log of one user and so many items with titles of `words` words out of few.
static char *many(size_t items, size_t words, uint64_t seed) {
    static const char *const all[] = {"red",  "blue", "bowl",  "chair",
                                      "lamp", "big",  "small", "oak"};
    char *text = test_malloc(items * (20 + words * 6) + 100);
    size_t at = (size_t)sprintf(text, "item_id:token\ttitle:token_seq\n");
    lode_random random = lode__random(seed, LODE_PURPOSE_USER, 0, 0);
    for (size_t item = 0; item < items; item++) {
        at += (size_t)sprintf(text + at, "i%zu\tlamp", item);
        for (size_t k = 0; k < words; k++)
            at += (size_t)sprintf(text + at, " %s", all[lode__random_below(&random, 8)]);
        at += (size_t)sprintf(text + at, "\n");
    }
    return text;
}

// Twenty thousand items of one title are one title: no vector an item, and lists of the first items.
static void test_all_alike(void **state) {
    enum { ITEMS = 20000 };
    shop s;
    char *items = many(ITEMS, 0, 1);
    shop_open(&s, state, items);
    test_free(items);
    lode_mined *mined = mining_run(&s.mining, "titles", "{items: catalogue, k: 3}");
    assert_true(mined->memory < (uint64_t)ITEMS * 256);
    size_t full = 0;
    for (uint32_t item = 0; item < mined->items; item++)
        full += mined->starts[item + 1] - mined->starts[item] == 3;
    assert_int_equal(full, ITEMS);
    lode__mined_free(&mined);
    shop_close(&s);
}

// The same bytes at any number of threads and from the cache; nearly the same through a network.
static void test_threads(void **state) {
    shop s;
    char *items = many(1500, 3, 2);
    shop_open(&s, state, items);
    test_free(items);
    const char *const keys = "{items: catalogue, k: 7, dim: 64}";
    char folder[512];
    snprintf(folder, sizeof folder, "%s", s.shelf->folder);
    lode_mined *one = mining_run(&s.mining, "titles", keys);
    for (size_t threads = 2; threads < 6; threads += 3) {
        s.mining.threads = threads;
        lode_mined *more = mining_run(&s.mining, "titles", keys);
        expect_same(one, more);
        lode__mined_free(&more);
    }
    s.mining.cache = folder;
    for (int k = 0; k < 2; k++) {
        lode_mined *kept = mining_run(&s.mining, "titles", keys);
        assert_true(kept->cached == (k == 1));
        expect_same(one, kept);
        lode__mined_free(&kept);
    }
    lode_mined *near =
        mining_run(&s.mining, "titles", "{items: catalogue, k: 7, dim: 64, search: approximate}");
    size_t found = 0, total = 0;
    assert_false(near->cached);
    for (uint32_t item = 0; item < one->items; item++) {
        const uint64_t count = one->starts[item + 1] - one->starts[item];
        for (uint64_t k = 0; k < count; k++) {
            const float least = one->similarity[one->starts[item] + k] - 1e-6f;
            const bool there = near->starts[item] + k < near->starts[item + 1];
            found += there && near->similarity[near->starts[item] + k] >= least;
            total++;
        }
    }
    if (!(found * 100 >= total * 95)) fail_msg("%zu of %zu neighbours", found, total);
    lode__mined_free(&near);
    lode__mined_free(&one);
    shop_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalise),  cmocka_unit_test(test_terms),
        cmocka_unit_test(test_cut),        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_odd_titles), cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_ties),       cmocka_unit_test(test_long_title),
        cmocka_unit_test(test_all_alike),  cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, shelf_make, shelf_remove);
}
