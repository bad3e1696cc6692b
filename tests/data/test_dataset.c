// Data sets that were damaged: by accident (cut, flipped bits), which checksums find, and on purpose (wrong
// contents under right checksums), which the structural checks must find.
#include "shelf.h"

#include "base/random.h"

#include <unistd.h>

static void make_source(shelf *s) {
    shelf_put(
        s, "a.inter",
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\tsession_id:token\tweight:"
        "float\tbehaviour:token\tc:token\td:token_seq\te:float\tf:float_seq\tg_name:token_"
        "seq\tsplit:"
        "token\n"
        "u1\ti1\t3\t1500000000\ts1\t1\tclick\tx\tp q\t1.5\t1 2\tfree words\ttrain\n"
        "u2\ti2\t4\t1500000001\ts2\t2\tbuy\ty\tq\t\t\t\tvalid\n"
        "u1\ti3\t\t1500000002\ts1\t0\texposure\t\t\t2\t3\tmore\ttest\n"
        "u3\ti1\t1\t1500000003\ts3\t1\tclick\tx\tp\t3\t4 5 6\t\ttest\n");
    shelf_put(
        s, "a.item",
        "item_id:token\ttitle:token_seq\tkind:token\ttags:token_seq\tprice:float\tv:float_seq\t"
        "valid_from:float\n"
        "i1\tOne thing\tk1\ta b c\t1.5\t1 2\t1400000000\ni9\tNine\tk2\tc\t\t\t\n");
    shelf_put(s, "a.user", "user_id:token\tage:token\nu1\t20\nu9\t90\n");
}

static volatile uint64_t sink; // so that reads are not optimised away

static uint64_t walk_tokens(const lode_tokens *tokens) {
    uint64_t sum = tokens->count;
    for (uint32_t k = 0; k < tokens->count; ++k)
        sum = sum * 31 + strlen(lode__token(tokens, k));
    return sum;
}

static uint64_t walk_columns(const lode_column *columns, size_t count) {
    uint64_t sum = count;
    for (size_t c = 0; c < count; ++c) {
        const lode_column *column = &columns[c];
        if (column->tokens.starts) sum += walk_tokens(&column->tokens);
        for (uint64_t k = 0; k < column->rows; ++k)
            switch (column->type) {
            case LODE_COLUMN_TOKEN:
                if (column->codes[k] != LODE_CODE_NONE)
                    sum = sum * 31 + *lode__token(&column->tokens, column->codes[k]);
                break;
            case LODE_COLUMN_TOKENS:
                for (uint64_t j = column->starts[k]; j < column->starts[k + 1]; ++j)
                    sum = sum * 31 + *lode__token(&column->tokens, column->codes[j]);
                break;
            case LODE_COLUMN_FLOAT:
                sum = sum * 31 + (column->values[k] > 1.5f);
                break;
            case LODE_COLUMN_FLOATS:
                for (uint64_t j = column->starts[k]; j < column->starts[k + 1]; ++j)
                    sum = sum * 31 + (column->values[j] > 1.5f);
                break;
            case LODE_COLUMN_TEXT:
                sum = sum * 31 + strlen(column->bytes + column->starts[k]);
                break;
            }
    }
    return sum;
}

/// Touch everything a data set offers; under the sanitizers a wrong offset ends the program.
static uint64_t walk(const lode_dataset *data) {
    uint64_t sum = walk_tokens(&data->users) + walk_tokens(&data->items);
    for (uint32_t u = 0; u < data->users.count; ++u) {
        assert_int_equal(lode__token_find(&data->users, lode__token(&data->users, u)), u);
        for (uint64_t k = data->offsets[u]; k < data->offsets[u + 1]; ++k) {
            sum = sum * 31 + *lode__token(&data->items, data->item[k]);
            if (data->time) sum = sum * 31 + (uint64_t)data->time[k];
            if (data->behaviour) sum += data->behaviour[k];
            if (data->session) sum = sum * 31 + data->session[k];
            if (data->weight) sum += data->weight[k] > 1;
            if (data->part) sum = sum * 31 + data->part[k];
            if (data->label) sum += data->label[k] > 1;
        }
    }
    for (uint32_t k = 0; data->valid && k < 2 * data->items.count; ++k)
        sum += data->valid[k] > 0;
    sum += walk_columns(data->context, data->context_count);
    sum += walk_columns(data->user_columns, data->user_column_count);
    sum += walk_columns(data->item_columns, data->item_column_count);
    sink = sum;
    return sum;
}

/// Open name; LODE_OK or LODE_E_FORMAT with one line. *sum receives a digest of the contents.
static lode_status try_open(shelf *s, const char *name, bool verify, uint64_t *sum) {
    lode_error error = {0};
    lode_dataset *data = NULL;
    const lode_status status = lode__dataset_open(&data, shelf_path(s, name), verify, &error);
    if (status == LODE_OK) {
        *sum = walk(data);
    } else {
        assert_null(data);
        if (status != LODE_E_FORMAT) fail_msg("%s", error.message);
        assert_non_null(strstr(error.message, name));
    }
    lode__dataset_free(&data);
    return status;
}

static void everything_is_there(void **state) {
    shelf *s = *state;
    make_source(s);
    lode_dataset *data = shelf_import(s, "", NULL);
    assert_int_equal(data->context_count, 5);
    assert_int_equal(data->item_column_count, 5);
    assert_int_equal(data->user_column_count, 1);
    assert_non_null(data->behaviour);
    assert_non_null(data->weight);
    assert_non_null(data->session);
    assert_non_null(data->label);
    assert_non_null(data->valid);
    assert_int_equal(data->items.count, 4);
    assert_int_equal(data->active_items, 3);
    const uint64_t fingerprint = data->fingerprint;
    lode__dataset_free(&data);
    data = shelf_import(s, "", NULL); // the same logs, the same number
    assert_true(data->fingerprint == fingerprint);
    lode__dataset_free(&data);
}

static void cut_anywhere(void **state) {
    shelf *s = *state;
    make_source(s);
    lode_dataset *data = shelf_import(s, "", NULL);
    uint64_t places[512];
    size_t count = 0;
    for (uint32_t k = 0; k < data->file.count; ++k) {
        const unsigned char *start = data->file.sections[k].data;
        const uint64_t begin = (uint64_t)(start - data->file.mapping.data);
        places[count++] = begin;
        places[count++] = begin + data->file.sections[k].size;
    }
    lode__dataset_free(&data);
    size_t size;
    char *bytes = shelf_get(s, "out.lode", &size);
    lode_random random = lode__random(1, LODE_PURPOSE_USER, 0, 0);
    while (count < 400)
        places[count++] = lode__random_below(&random, size);
    for (size_t k = 0; k < count; ++k) {
        uint64_t sum;
        if (places[k] >= size) continue;
        shelf_put_bytes(s, "cut.lode", bytes, (size_t)places[k]);
        assert_int_equal(try_open(s, "cut.lode", false, &sum), LODE_E_FORMAT);
    }
    test_free(bytes);
}

static void flipped_bits(void **state) {
    shelf *s = *state;
    make_source(s);
    lode_dataset *data = shelf_import(s, "", NULL);
    lode__dataset_free(&data);
    uint64_t whole = 0, sum = 0;
    assert_int_equal(try_open(s, "out.lode", true, &whole), LODE_OK);
    size_t size, refused = 0;
    char *bytes = shelf_get(s, "out.lode", &size);
    lode_random random = lode__random(2, LODE_PURPOSE_USER, 0, 0);
    for (int k = 0; k < 1500; ++k) {
        const size_t at = (size_t)lode__random_below(&random, size);
        const char bit = (char)(1 << lode__random_below(&random, 8));
        bytes[at] ^= bit;
        shelf_put_bytes(s, "flip.lode", bytes, size);
        if (try_open(s, "flip.lode", true, &sum) == LODE_OK)
            assert_true(sum == whole);
        else
            ++refused;
        (void)!try_open(s, "flip.lode", false, &sum); // may differ, must be safe
        bytes[at] ^= bit;
    }
    assert_true(refused > 500); // the rest is padding between sections
    test_free(bytes);
}

/// Copy out.lode to bad.lode with one section changed; checksums are right again.
static void write_changed(shelf *s, const lode_container *from, uint32_t which, const void *bytes,
                          size_t length) {
    lode_container_writer writer;
    lode_error error = {0};
    assert_int_equal(lode__container_begin(&writer, shelf_path(s, "bad.lode"), LODE_DATA_KIND,
                                           LODE_DATA_VERSION, from->count, &error),
                     LODE_OK);
    for (uint32_t k = 0; k < from->count; ++k) {
        const lode_section *section = &from->sections[k];
        assert_int_equal(k == which
                             ? lode__section_write(&writer, section->name, bytes, length, &error)
                             : lode__section_write(&writer, section->name, section->data,
                                                   (size_t)section->size, &error),
                         LODE_OK);
    }
    assert_int_equal(lode__container_commit(&writer, NULL, &error), LODE_OK);
}

static void wrong_contents(void **state) {
    shelf *s = *state;
    make_source(s);
    lode_dataset *data = shelf_import(s, "", NULL);
    lode_random random = lode__random(3, LODE_PURPOSE_USER, 0, 0);
    for (uint32_t k = 0; k < data->file.count; ++k) {
        const lode_section *section = &data->file.sections[k];
        const size_t size = (size_t)section->size;
        unsigned char *bytes = test_malloc(size + 8);
        uint64_t sum;
        memcpy(bytes, section->data, size);
        if (size > 0) { // another size never fits
            write_changed(s, &data->file, k, bytes, size - 1);
            if (try_open(s, "bad.lode", true, &sum) == LODE_OK) fail_msg("%s", section->name);
        }
        for (int round = 0; round < 60 && size > 0; ++round) {
            memcpy(bytes, section->data, size);
            const size_t at = (size_t)lode__random_below(&random, size);
            const uint64_t value = round % 3 == 0   ? lode__random_u32(&random)
                                   : round % 3 == 1 ? UINT64_MAX
                                                    : (uint64_t)round;
            memcpy(bytes + at, &value, LODE_MIN((size_t)(round % 2 ? 1 : 8), size - at));
            write_changed(s, &data->file, k, bytes, size);
            (void)!try_open(s, "bad.lode", true, &sum);
        }
        test_free(bytes);
    }
    lode__dataset_free(&data);
}

/// One value of one section changed, and what must be said.
static void named_damage(void **state) {
    shelf *s = *state;
    static const struct {
        const char *section;
        size_t at, size;
        uint64_t value;
        const char *piece;
    } cases[] = {{"log.item", 0, 4, 99, "log.item holds a wrong item"},
                 {"log.offsets", 8, 8, 1000, "log.offsets holds offsets out of order"},
                 {"log.offsets", 0, 8, 1, "log.offsets holds offsets out of order"},
                 {"log.time", 8, 8, 0, "log.time is out of order"},
                 {"log.time", 0, 8, UINT64_MAX, "log.time holds a time out of range"},
                 {"log.behaviour", 0, 1, 9, "log.behaviour holds a wrong behaviour"},
                 {"log.weight", 0, 4, 0x7fc00000, "log.weight holds a wrong weight"},
                 {"log.label", 0, 4, 0x7f800000, "log.label holds an infinite label"},
                 {"log.part", 2, 1, 3, "log.part holds a wrong part"},
                 {"log.session", 0, 4, 4000, "log.session holds a wrong session"},
                 {"user.tokens", 1, 1, 0, "user.tokens holds a broken token"},
                 {"user.tokens", 1, 1, 0xff, "user.tokens holds a broken token"},
                 {"user.tokens", 2, 1, 'x', "user.tokens holds a broken token"},
                 {"item.starts", 8, 8, 0, "item.starts holds offsets out of order"},
                 {"item.sorted", 0, 4, 1, "item.sorted is out of order"},
                 {"item.sorted", 0, 4, 77, "item.sorted holds a wrong index"},
                 {"item.valid", 8, 8, 1, "item.valid holds an end before its beginning"},
                 {"context.0.codes", 0, 4, 50, "context.0.codes holds a wrong code"},
                 {"context.1.starts", 8, 8, 50, "context.1.starts holds offsets out of order"},
                 {"context.2.values", 0, 4, 0x7f800000, "context.2.values holds a number"},
                 {"context.3.values", 0, 4, 0x7fc00000, "context.3.values holds a number"},
                 {"context.4.bytes", 0, 1, 0, "context.4.bytes holds a broken text"},
                 {"meta", 0, 1, '[', "meta is no JSON object"}};
    make_source(s);
    lode_dataset *data = shelf_import(s, "", NULL);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k) {
        uint32_t which = 0;
        while (which < data->file.count &&
               strcmp(data->file.sections[which].name, cases[k].section) != 0)
            ++which;
        if (which == data->file.count) fail_msg("no section %s", cases[k].section);
        const size_t size = (size_t)data->file.sections[which].size;
        unsigned char *bytes = test_malloc(size);
        memcpy(bytes, data->file.sections[which].data, size);
        assert_true(cases[k].at + cases[k].size <= size);
        memcpy(bytes + cases[k].at, &cases[k].value, cases[k].size);
        write_changed(s, &data->file, which, bytes, size);
        test_free(bytes);
        lode_error error = {0};
        lode_dataset *bad = NULL;
        assert_int_equal(lode__dataset_open(&bad, shelf_path(s, "bad.lode"), true, &error),
                         LODE_E_FORMAT);
        if (!strstr(error.message, cases[k].piece))
            fail_msg("expected '%s', found '%s'", cases[k].piece, error.message);
    }
    lode__dataset_free(&data);
}

static void info(void **state) {
    shelf *s = *state;
    make_source(s);
    lode_dataset *data = shelf_import(s, "", NULL);
    lode__dataset_free(&data);
    lode_error error = {0};
    char *report = NULL;
    assert_int_equal(lode_info(shelf_path(s, "out.lode"), NULL, &report, &error), LODE_OK);
    static const char *const pieces[] = {"\"users\": 3",
                                         "\"items\": 3",
                                         "\"interactions\": 4",
                                         "\"catalogue\": 4",
                                         "\"count\": 3",
                                         "\"buy\": 1",
                                         "\"density\": 0.44444",
                                         "\"from_ms\": 1500000000000",
                                         "\"type\": \"text\"",
                                         "\"median\": 1",
                                         "\"1\": 0.5"};
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces; ++k)
        if (!strstr(report, pieces[k])) fail_msg("no %s in %s", pieces[k], report);
    lode_text_free(&report);
    assert_int_equal(lode_info(shelf_path(s, "a.inter"), NULL, &report, &error), LODE_E_FORMAT);
    assert_null(report);
    assert_int_equal(lode_info(shelf_path(s, "out.lode"), "gap: 3", &report, &error), LODE_E_CONFIG);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shelf_make, shelf_remove)

int main(void) {
    const struct CMUnitTest tests[] = {CASE(everything_is_there), CASE(cut_anywhere),
                                       CASE(flipped_bits),        CASE(wrong_contents),
                                       CASE(named_damage),        CASE(info)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
