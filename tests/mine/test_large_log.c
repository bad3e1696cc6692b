/// A large log gives its pages back after each walk over it: they are gone from memory, and what is found is the same.
#include "../data/shelf.h"
#include "mining.h"

#include "base/file.h"

enum { LINE = 512 };

/// Bytes of the mapping that are in memory; of the system.
static size_t resident(const lode_mapping *mapping) {
    const uintptr_t first = (uintptr_t)mapping->data, last = first + mapping->size;
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[LINE];
    size_t found = 0, kilobytes;
    bool ours = false;
    if (file == NULL) return 0;
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long begin, end;
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2) ours = begin < last && end > first;
        if (ours && sscanf(line, "Rss: %zu kB", &kilobytes) == 1) found += kilobytes * 1024;
    }
    fclose(file);
    return found;
}

/// Sum of all bytes.
static uint64_t read_all(const lode_mapping *mapping) {
    const volatile unsigned char *bytes = mapping->data;
    uint64_t sum = 0;
    for (size_t at = 0; at < mapping->size; at++)
        sum += bytes[at];
    return sum;
}

static lode_dataset *open_as(shelf *s, uint64_t large) {
    lode_dataset *data = NULL;
    lode_error error = {0};
    if (lode__dataset_open_as(&data, shelf_path(s, "out.lode"), false, large, &error) != LODE_OK)
        fail_msg("%s", error.message);
    return data;
}

static void shop_make(shelf *s, const char *users, uint64_t *rows) {
    char options[256];
    lode_error error = {0};
    lode_dataset *data = NULL;
    shelf_clear(s);
    snprintf(options, sizeof options,
             "{%s, items: 150, exposures: 1, content_dim: 8, content: column, seed: 4}", users);
    assert_int_equal(lode_synth(s->folder, options, NULL, NULL, &error), LODE_OK);
    const char *const out = shelf_path(s, "out.lode");
    assert_int_equal(lode_import(s->folder, out, NULL, NULL, NULL, &error), LODE_OK);
    assert_int_equal(lode__dataset_open(&data, out, true, &error), LODE_OK);
    *rows = data->interactions;
    lode__dataset_free(&data);
}

/// Pages leave memory when the log has `large` rows, and stay when it has one less; they hold what they held. False where
/// some of those that should stay are gone: the system takes pages when it likes.
static bool pages_leave(shelf *s, uint64_t rows) {
    lode_dataset *small = open_as(s, rows + 1), *large = open_as(s, rows);
    const lode_mapping *kept = &small->file.mapping, *given = &large->file.mapping;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = kept->size / page * page;
    bool stay = resident(given) < resident(kept) / 2; // the checks at opening read all of the log
    const uint64_t sum = read_all(kept);
    assert_int_equal(read_all(given), sum);
    stay = stay && resident(given) >= whole && whole > 200 * page;
    lode__dataset_forget(small);
    lode__dataset_forget(large);
    stay = stay && resident(kept) >= whole;
    assert_true(resident(given) <= page); // the last one, which may not be whole
    assert_int_equal(read_all(given), sum);
    lode__dataset_free(&small);
    lode__dataset_free(&large);
    return stay;
}

static void test_pages(void **state) {
    shelf *s = *state;
    uint64_t rows;
    int attempts = 0;
    shop_make(s, "users: 2000", &rows);
    lode_dataset *data = open_as(s, rows);
    (void)read_all(&data->file.mapping);
    const bool told = resident(&data->file.mapping) > 0;
    lode__dataset_free(&data);
    if (!told) skip(); // this system does not say what is in memory
    while (!pages_leave(s, rows))
        assert_true(++attempts < 20);
}

static void same_split(const lode_split *a, const lode_split *b) {
    const size_t users = a->log.users, bytes = users * sizeof *a->train_end;
    assert_int_equal(users, b->log.users);
    assert_int_equal(a->clicks, b->clicks);
    assert_int_equal(a->train_clicks, b->train_clicks);
    assert_int_equal(a->test_clicks, b->test_clicks);
    assert_memory_equal(a->log.offsets, b->log.offsets, (users + 1) * sizeof *a->log.offsets);
    assert_memory_equal(a->log.item, b->log.item, a->clicks * sizeof *a->log.item);
    assert_memory_equal(a->log.time, b->log.time, a->clicks * sizeof *a->log.time);
    assert_memory_equal(a->train_end, b->train_end, bytes);
    assert_memory_equal(a->valid_begin, b->valid_begin, bytes);
    assert_memory_equal(a->valid_end, b->valid_end, bytes);
    assert_memory_equal(a->test_begin, b->test_begin, bytes);
    assert_memory_equal(a->item_count, b->item_count, a->log.items * sizeof *a->item_count);
}

static const char *const runs[][2] = {{"sessions", "{k: 5}"},
                                      {"titles", "{k: 5, dim: 64}"},
                                      {"vectors", "{k: 5}"},
                                      {"taxonomy", "{column: tags}"}};
enum { RUNS = sizeof runs / sizeof *runs };

typedef struct findings {
    lode_dataset *data;
    lode_split *split;
    lode_mined *mined[RUNS];
} findings;

static void find(findings *f, shelf *s, uint64_t large, lode_split_type type) {
    lode_error error = {0};
    f->data = open_as(s, large);
    const lode_split_options options = {.type = type, .test = 0.2, .valid = 0.1};
    if (lode__split_new(&f->split, f->data, &options, &error) != LODE_OK)
        fail_msg("%s", error.message);
    mining m = {.data = f->data, .split = f->split, .sessions = {0, 1800000}, .threads = 2};
    for (size_t k = 0; k < RUNS; k++) {
        m.memory = k == 0 ? 8000 : 1 << 20; // several walks over the log
        f->mined[k] = mining_run(&m, runs[k][0], runs[k][1]);
    }
    assert_true(f->mined[0]->passes > 2);
}

static void findings_free(findings *f) {
    for (size_t k = 0; k < RUNS; k++)
        lode__mined_free(&f->mined[k]);
    lode__split_free(&f->split);
    lode__dataset_free(&f->data);
}

// At any threshold, that at which every row of the log gives all pages back included.
static void test_same(void **state) {
    static const lode_split_type types[] = {LODE_SPLIT_LEAVE_ONE_OUT, LODE_SPLIT_CHRONOLOGICAL,
                                            LODE_SPLIT_RATIO};
    shelf *s = *state;
    uint64_t rows;
    shop_make(s, "users: 200", &rows);
    const uint64_t thresholds[] = {1, 1000, rows};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        findings small;
        find(&small, s, rows + 1, types[t]);
        assert_true(small.split->train_clicks < small.split->clicks);
        for (size_t k = 0; k < sizeof thresholds / sizeof *thresholds; k++) {
            findings large;
            find(&large, s, thresholds[k], types[t]);
            assert_int_equal(small.data->fingerprint, large.data->fingerprint);
            assert_int_equal(small.data->active_users, large.data->active_users);
            assert_int_equal(small.data->active_items, large.data->active_items);
            same_split(small.split, large.split);
            for (size_t r = 0; r < RUNS; r++)
                expect_same(small.mined[r], large.mined[r]);
            findings_free(&large);
        }
        findings_free(&small);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pages), cmocka_unit_test(test_same)};
    return cmocka_run_group_tests(tests, shelf_make, shelf_remove);
}
