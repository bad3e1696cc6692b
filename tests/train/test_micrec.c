/// MicRec's tasks: the loss of a step against the equations in double, that nothing of them reaches the bundle, threads,
/// resume, data that lacks something, wrong keys.
#include <math.h>

#include "micrec.h"

#include <sys/stat.h>

enum { MOST_WIDTH = 512 };

// --- the equations --------------------------------------------------------------------------------------

/// y = W x + b of the projector's only layer, scaled to length 1 for cosine.
static void project(const opened *it, const double *x, double *y) {
    const lode_param *weight = lode__param_find(it->heads, "objectives.0.projector.0.weight");
    const lode_param *bias = lode__param_find(it->heads, "objectives.0.projector.0.bias");
    const lode_item_task *task = task_of(it);
    assert_true(weight != NULL && bias != NULL);
    double squares = 0;
    for (size_t j = 0; j < weight->columns; j++) {
        y[j] = (double)((const float *)bias->value)[j];
        for (size_t i = 0; i < weight->rows; i++)
            y[j] += x[i] * (double)((const float *)weight->value)[i * weight->columns + j];
        squares += y[j] * y[j];
    }
    for (size_t j = 0; j < weight->columns && task->options->similarity == 1; j++)
        y[j] /= sqrt(squares);
}

/// Item vectors before the step: [items, d].
static float *vectors_before(const opened *it) {
    lode_error error = {0};
    lode_encoder *encoder = NULL;
    const lode_model_core *model = it->trainer->model;
    check(lode__encoder_new(&encoder, model, it->before, 64, NULL, &error), &error);
    float *vectors = calloc((size_t)model->vocabulary->items * model->item.width, sizeof *vectors);
    assert_non_null(vectors);
    lode__encode_items(encoder, vectors);
    lode__encoder_free(&encoder);
    return vectors;
}

static void mean_of(const opened *it, const lode_field *field, const int32_t *codes, size_t count,
                    double *out) {
    const float *table = it->before->list[field->table]->value;
    for (size_t i = 0; i < field->dim; i++) {
        out[i] = 0;
        for (size_t c = 0; c < count; c++)
            out[i] += (double)table[(size_t)codes[c] * field->dim + i] / (double)count;
    }
}

/// f of a whole item, or of what is left of the one in a slot of the view that leaves parts out.
static void raw_fields(const opened *it, uint32_t row, int32_t slot, double *out) {
    const lode_item_view *others = task_of(it)->others;
    for (size_t i = 0; i < others->inputs.field_count; i++) {
        const lode_field_input *input = &others->inputs.fields[i];
        const lode_codes *codes = &input->field->items;
        if (slot < 0) {
            mean_of(it, input->field, (const int32_t *)codes->codes + codes->starts[row],
                    (size_t)(codes->starts[row + 1] - codes->starts[row]), out);
        } else {
            const int32_t *offsets = input->lists->offsets + slot;
            mean_of(it, input->field, input->ids->data + offsets[0],
                    (size_t)(offsets[1] - offsets[0]), out);
        }
        out += input->field->dim;
    }
}

typedef struct inputs {
    const opened *it;
    float *vectors; ///< of a related task
} inputs;

static void query_of(const inputs *in, uint32_t row, double *out) {
    const size_t d = in->it->trainer->model->item.width;
    double x[MOST_WIDTH];
    if (in->vectors == NULL) {
        raw_fields(in->it, row, -1, x);
    } else {
        for (size_t i = 0; i < d; i++)
            x[i] = (double)in->vectors[(row - 1) * d + i];
    }
    project(in->it, x, out);
}

static void key_of(const inputs *in, int32_t slot, double *out) {
    const lode_item_view *others = task_of(in->it)->others;
    double x[MOST_WIDTH];
    if (in->vectors != NULL) {
        query_of(in, others->rows[slot], out);
        return;
    }
    raw_fields(in->it, others->rows[slot], slot, x);
    project(in->it, x, out);
}

static double score(const inputs *in, const double *query, int32_t slot, size_t width) {
    double key[MOST_WIDTH], sum = 0;
    key_of(in, slot, key);
    for (size_t j = 0; j < width; j++)
        sum += query[j] * key[j];
    return sum / task_of(in->it)->options->temperature;
}

static double expected_loss(const inputs *in) {
    const lode_item_task *task = task_of(in->it);
    const lode_item_options *options = task->options;
    const size_t width = (size_t)options->projector.values[0];
    const size_t count = (size_t)options->negatives.count;
    double total = 0;
    for (size_t anchor = 0; anchor < task->anchors->dim->size; anchor++) {
        double query[MOST_WIDTH];
        query_of(in, task->anchor_rows[anchor], query);
        const double positive = score(in, query, task->positive->data[anchor], width);
        double sum = options->denominator == 0 ? exp(positive) : 0;
        for (size_t j = 0; j < count; j++) {
            const size_t at = options->negatives.scope == 0 ? j : anchor * count + j;
            if (!is_masked(task, anchor, j))
                sum += exp(score(in, query, task->negative->data[at], width));
        }
        total += log(sum) - positive;
    }
    return total / (double)task->anchors->dim->size;
}

static void check_loss(const fixture *self, const char *objective) {
    opened it;
    lode_error error = {0};
    check(open_trainer(&it, self, objective, NULL, &error), &error);
    const double loss = step(&it);
    inputs in = {&it, task_of(&it)->mined != NULL ? vectors_before(&it) : NULL};
    assert_true(task_of(&it)->anchors->dim->size > 10);
    const double expected = expected_loss(&in) * it.trainer->objectives[0].weight;
    if (!(fabs(loss - expected) <= 2e-5 * fabs(expected)))
        fail_msg("%sthe loss is %.9g, not %.9g", objective, loss, expected);
    free(in.vectors);
    close_trainer(&it);
}

static void test_losses(void **state) {
    check_loss(*state, "  - {type: micrec.feature}\n");
    check_loss(*state, "  - {type: micrec.feature, weight: 0.3, drop: [categorical], ratio: 0.9, "
                       "negatives: {count: 70}}\n");
    check_loss(*state, "  - {type: micrec.feature, similarity: cosine, temperature: 0.2, anchors: "
                       "catalogue, negatives: {count: 5, scope: anchor}}\n");
    check_loss(*state, "  - {type: micrec.semantic, positives: taxonomy, column: category}\n");
    check_loss(*state,
               "  - {type: micrec.semantic, positives: taxonomy, column: tags, denominator: "
               "negatives, projector: [5], negatives: {count: 130, from: popularity}}\n");
    check_loss(*state, "  - {type: micrec.session, negatives: {count: 6, scope: anchor}}\n");
    check_loss(*state,
               "  - {type: micrec.session, anchors: catalogue, temperature: 0.1, similarity: "
               "cosine}\n");
}

// --- the bundle, threads, resume ------------------------------------------------------------------------

#define ALL                                                                                        \
    "objectives=[{type: in_batch}, {type: micrec.feature, weight: 0.5, drop: [field, "             \
    "categorical, "                                                                                \
    "element]}, {type: micrec.semantic, positives: taxonomy, column: tags, weight: 0.2}, {type: "  \
    "micrec.session, weight: 0.2, negatives: {count: 20}}]"

static void test_bundle_is_the_base(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    const char *const base[] = {"objectives=[{type: in_batch}]", "train.epochs=0", NULL};
    const char *const tasks[] = {ALL, "train.epochs=0", NULL};
    const char *const trained[] = {ALL, "train.epochs=1", NULL};
    check(train_small(self, "base", base, NULL, NULL, &error), &error);
    check(train_small(self, "tasks", tasks, NULL, NULL, &error), &error);
    check(train_small(self, "trained", trained, NULL, NULL, &error), &error);
    check_same_file(self, "base", "tasks", "model.safetensors");
    check_same_file(self, "base", "tasks", "vocabulary");
    const bytes plain = read_file(self, "base", "model.safetensors");
    const bytes with = read_file(self, "trained", "model.safetensors");
    assert_int_equal(plain.size, with.size);
    assert_true(memcmp(plain.data, with.data, plain.size) != 0);
    free(plain.data);
    free(with.data);
}

static void test_threads_and_resume(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    const char *const one[] = {ALL, "train.threads=1", "train.epochs=2", NULL};
    const char *const three[] = {ALL, "train.threads=3", "train.epochs=2", NULL};
    check(train_small(self, "one", one, NULL, NULL, &error), &error);
    check(train_small(self, "three", three, NULL, NULL, &error), &error);
    check_same_run(self, "one", "three");
}

typedef struct stopper {
    uint64_t steps, at;
} stopper;

static int stop_at(void *cookie, const lode_progress *progress) {
    stopper *self = cookie;
    return strcmp(progress->task, "train") == 0 && ++self->steps == self->at ? 1 : 0;
}

static void test_resume(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    const char *const sets[] = {ALL, "train.epochs=2", NULL};
    check(train_small(self, "whole", sets, NULL, NULL, &error), &error);
    stopper stop = {0, 5};
    const lode_hooks hooks = {.progress = stop_at, .cookie = &stop};
    assert_int_equal(train_small(self, "halves", sets, NULL, &hooks, &error), LODE_E_STOPPED);
    const char *const elsewhere[] = {
        ALL, "train.epochs=2", "mine.cache=none", "mine.memory=1000000", "train.threads=1", NULL};
    check(train_small(self, "halves", elsewhere, "resume: true", NULL, &error), &error);
    check_same_run(self, "whole", "halves");
}

// --- data that lacks something, and wrong keys ----------------------------------------------------------

static void keep_notice(void *cookie, const char *text) {
    char *kept = cookie;
    const size_t used = strlen(kept);
    (void)snprintf(kept + used, 2048 - used, "%s\n", text);
}

static void test_left_out(void **state) {
    fixture self = *(const fixture *)*state;
    lode_error error = {0};
    char raw[PATH_ROOM], notices[2048] = "";
    path_in(&self, "plain.inter", raw);
    FILE *file = fopen(raw, "wb");
    assert_non_null(file);
    (void)fprintf(file, "user_id:token\titem_id:token\ttimestamp:float\n");
    for (int user = 0; user < 30; user++) // a click a day: no session has two
        for (int click = 0; click < 5; click++)
            (void)fprintf(file, "u%d\ti%d\t%d\n", user, (user * 7 + click * 3) % 20,
                          1500000000 + 86400 * (click + 10 * user));
    assert_int_equal(fclose(file), 0);
    path_in(&self, "plain.lode", self.data);
    check(lode_import(raw, self.data, NULL, NULL, NULL, &error), &error);
    const lode_hooks hooks = {.notice = keep_notice, .cookie = notices};
    opened it;
    check(open_trainer(
              &it, &self,
              "  - {type: in_batch}\n  - {type: micrec.feature}\n  - {type: micrec.semantic}\n"
              "  - {type: micrec.session}\n",
              &hooks, &error),
          &error);
    (void)step(&it);
    assert_int_equal(it.heads->count, 0);
    close_trainer(&it);
    assert_non_null(strstr(notices, "micrec.feature is left out"));
    assert_non_null(strstr(notices, "micrec.semantic is left out"));
    assert_non_null(strstr(notices, "micrec.session is left out"));
}

/// Items of one title but for some that have none, and a second title: alike are all that have a title.
static void test_one_title(void **state) {
    fixture self = *(const fixture *)*state;
    lode_error error = {0};
    char folder[PATH_ROOM], path[2 * PATH_ROOM];
    path_in(&self, "alike", folder);
    assert_int_equal(mkdir(folder, 0755), 0);
    for (int table = 0; table < 2; table++) {
        (void)snprintf(path, sizeof path, "%s/alike.%s", folder, table == 0 ? "inter" : "item");
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        (void)fprintf(file, "%s\n",
                      table == 0 ? "user_id:token\titem_id:token\ttimestamp:float"
                                 : "item_id:token\titem_title:token_seq\tshort_name:token_seq");
        for (int i = 0; i < 30 && table == 1; i++)
            (void)fprintf(file, "i%d\t%s\tsome note\n", i, i % 5 == 0 ? "" : "the same words");
        for (int i = 0; i < 300 && table == 0; i++)
            (void)fprintf(file, "u%d\ti%d\t%d\n", i / 6, (i * 7 + i / 6) % 30, 1500000000 + 60 * i);
        assert_int_equal(fclose(file), 0);
    }
    path_in(&self, "alike.lode", self.data);
    check(lode_import(folder, self.data, NULL, NULL, NULL, &error), &error);
    check_loss(&self, "  - {type: micrec.semantic, k: 100}\n");
    opened it;
    check(open_trainer(&it, &self, "  - {type: micrec.semantic, k: 100}\n", NULL, &error), &error);
    (void)step(&it);
    const lode_item_task *task = task_of(&it);
    for (size_t anchor = 0; anchor < task->anchors->dim->size; anchor++) {
        // nothing but the items without a title is left to contrast with
        for (size_t j = 0; j < 50; j++) {
            const uint32_t item = it.trainer->binding->item_of[task->negative_rows[j]];
            const long number = strtol(lode__token(&it.trainer->data->items, item) + 1, NULL, 10);
            assert_int_equal(is_masked(task, anchor, j), number % 5 != 0);
        }
    }
    close_trainer(&it);
}

static void check_refused(const fixture *self, const char *objective, const char *fragment) {
    opened it;
    lode_error error = {0};
    check_error(open_trainer(&it, self, objective, NULL, &error), &error, LODE_E_CONFIG, fragment);
    close_trainer(&it);
}

static void test_refused(void **state) {
    check_refused(*state, "  - {type: micrec.feature, drop: [fields]}\n", "did you mean \"field\"?");
    check_refused(*state, "  - {type: micrec.feature, drop: []}\n", "drop is empty");
    check_refused(*state, "  - {type: micrec.semantic, positives: content}\n", "micrec.semantic: ");
    check_refused(*state, "  - {type: micrec.semantic, positives: taxonomy}\n", "which column");
    check_refused(*state, "  - {type: micrec.semantic, positives: taxonomy, column: colour}\n",
                  "colour");
    check_refused(*state, "  - {type: micrec.session, miner: {shortest: 3}}\n", "shortest");
    check_refused(*state, "  - {type: micrec.session, miner: 3}\n", "miner is a map");
    check_refused(*state, "  - {type: micrec.session, k: 0}\n", "k");
}

/// More negatives than items, and lists longer than the catalogue: everything is drawn several times, or is all there is.
static void test_more_than_there_is(void **state) {
    check_loss(*state, "  - {type: micrec.session, k: 10000, negatives: {count: 500}}\n");
    check_loss(*state, "  - {type: micrec.feature, negatives: {count: 500}}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_bundle_is_the_base),
        cmocka_unit_test(test_threads_and_resume),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_one_title),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_more_than_there_is),
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
