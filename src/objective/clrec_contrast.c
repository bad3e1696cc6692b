/// clrec.contrast: contrast with a queue of keys and no correction by log q (CLRec, Zhou et al. 2021, Eq. 3 and 4).
///
///     L = mean over queries s of -log( e^phi(s, y_s) / sum over keys t of B of e^phi(s, y_t) ),   phi = score / temperature
///
/// A key is a clicked item. B is a queue, first in, first out, that first takes in the step's keys: with `buffer: intra` it
/// holds these alone, with `inter` the latest `capacity` ones. Item rows are queued, not vectors: each distinct item of B
/// is encoded once, with today's tower and gradients. The queue starts empty and fills.
///
/// `debias` is a dial: (1 - debias) log q(item) is subtracted from the logits. 1 subtracts nothing, which is CLRec: what is
/// left in acts as inverse propensity weighting (3.3). 0 is a sampled softmax with its correction.
#include "objective/clicked.h"
#include "objective/queue.h"

enum { INTRA, INTER, LEAST_KEYS = 2560 };
enum { QUERIES, NEGATIVES, SUMS };

typedef struct lode_clrec_options {
    int buffer;
    int64_t capacity;
    double temperature;
    double debias;
    int mask;
    int denominator;
} lode_clrec_options;

typedef struct lode_clrec {
    const lode_clrec_options *options;
    lode_clicked keys;
    lode_queue queue;
    double *sums; ///< [SUMS] of the epoch
} lode_clrec;

static const char *const buffers[] = {"intra", "inter", NULL};

#define AT(member) .offset = offsetof(lode_clrec_options, member)
static const lode_key keys[] = {
    {.name = "buffer",
     .type = LODE_KEY_CHOICE,
     AT(buffer),
     .fallback = "intra",
     .choices = buffers,
     .help =
         "intra: the step's keys (CLRec 3.2.1); inter: the latest `capacity` keys, encoded anew "
         "with today's tower, with gradients (3.2.2)."},
    {.name = "capacity",
     .type = LODE_KEY_INT,
     AT(capacity),
     .fallback = "0",
     .low = 0,
     .high = 1 << 22,
     .help = "Keys of the queue, at least a step's queries (inter). 0: 2560, or a step's queries "
             "where these are more."},
    {.name = "temperature",
     .type = LODE_KEY_REAL,
     AT(temperature),
     .fallback = "0.07",
     .low = 1e-4,
     .high = 1e4,
     .help = "Scores are divided by it (Eq. 4); .07 is meant for model.scorer: cosine."},
    {.name = "debias",
     .type = LODE_KEY_REAL,
     AT(debias),
     .fallback = "1",
     .low = 0,
     .high = 1,
     .help = "1 - debias times log q, q the item's share of training clicks, is subtracted from "
             "scores: 1 is CLRec, 0 the whole correction of a sampled softmax."},
    LODE_MASK_KEY(lode_clrec_options),
    {.name = "denominator",
     .type = LODE_KEY_CHOICE,
     AT(denominator),
     .fallback = "all",
     .choices = lode__denominators,
     .help = "all: the positive is in the denominator, once (Eq. 3); negatives: it is not, which "
             "needs a mask, for the queue holds it."},
    {0}};
#undef AT

static lode_status find_capacity(const lode_clrec_options *options, size_t queries,
                                 size_t *capacity, lode_error *error) {
    *capacity = (size_t)options->capacity;
    if (options->buffer == INTRA && *capacity != 0) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "clrec.contrast: capacity is for buffer: inter; intra holds a step's keys");
    }
    if (*capacity == 0) *capacity = LODE_MAX(queries, (size_t)LEAST_KEYS);
    if (*capacity >= queries) return LODE_OK;
    return lode__fail(
        error, LODE_E_CONFIG,
        "clrec.contrast: capacity: %zu keys are fewer than the %zu queries of a step: "
        "raise it or lower train.batch",
        *capacity, queries);
}

static lode_status prepare(void *state, const void *config, const lode_training *training,
                           lode_arena *arena, lode_error *error) {
    lode_clrec *self = state;
    const lode_clrec_options *options = self->options = config;
    size_t capacity;
    LODE_TRY(find_capacity(options, training->queries, &capacity, error));
    if (options->mask == LODE_MASK_NONE && options->denominator != 0) {
        return lode__fail(error, LODE_E_CONFIG,
                          "clrec.contrast: denominator: negatives needs mask: same_item or "
                          "user_items: the queue holds the positive");
    }
    self->sums = lode__arena_alloc(arena, SUMS, sizeof *self->sums);
    if (self->sums == NULL) return lode__fail_memory(error);
    if (options->buffer == INTER) {
        LODE_TRY(lode__queue_new(&self->queue, capacity, training->model->vocabulary->items, arena,
                                 error));
    }
    return lode__clicked_prepare(&self->keys, training, 1 - options->debias, arena, error);
}

/// Keys of earlier steps: all of the queue but what is at least the step's.
static size_t items(const void *state, size_t queries) {
    const lode_clrec *self = state;
    (void)queries;
    return self->queue.capacity;
}

static lode_status build(void *state, const lode_scene *scene, double weight, lode_error *error) {
    (void)error;
    lode_clrec *self = state;
    const lode_clrec_options *options = self->options;
    const size_t most = LODE_MAX(scene->most, self->queue.capacity);
    // Without a mask the positive is one of the keys, and there already.
    const bool apart = options->mask != LODE_MASK_NONE && options->denominator == 0;
    lode_tensor *loss = lode__clicked_build(&self->keys, scene, most,
                                            &(lode_clicked_loss){.mask = (lode_mask)options->mask,
                                                                 .temperature = options->temperature,
                                                                 .positive_in_denominator = apart});
    lode__graph_loss(scene->graph, loss, weight);
    return LODE_OK;
}

static lode_status draw(void *state, const lode_batch *batch, lode_error *error) {
    (void)error;
    lode_clrec *self = state;
    lode_queue *queue = &self->queue;
    lode__clicked_begin(&self->keys);
    for (size_t i = 0; i < batch->count; i++)
        lode__clicked_add(&self->keys, batch->target_rows[i]);
    if (self->options->buffer == INTER) {
        lode__queue_step(queue);
        for (size_t i = 0; i < batch->count; i++)
            lode__queue_push(queue, batch->target_rows[i]);
        const size_t earlier = lode__queue_length(queue) - batch->count;
        for (size_t i = 0; i < earlier; i++)
            lode__clicked_add(&self->keys, queue->rows[lode__queue_place(queue, i)]);
    }
    lode__clicked_finish(&self->keys, batch);
    self->sums[QUERIES] += (double)batch->count;
    self->sums[NEGATIVES] += lode__clicked_negatives(&self->keys, batch->count);
    return LODE_OK;
}

static size_t arrays(void *state, lode_state_array *out, size_t capacity) {
    lode_clrec *self = state;
    (void)capacity;
    out[0] = (lode_state_array){"sums", self->sums, SUMS * sizeof *self->sums};
    return self->options->buffer == INTER ? 1 + lode__queue_arrays(&self->queue, out + 1) : 1;
}

static lode_status restored(void *state, lode_error *error) {
    lode_clrec *self = state;
    return self->options->buffer == INTER ? lode__queue_check(&self->queue, error) : LODE_OK;
}

static size_t figures(void *state, lode_figure *out, size_t capacity) {
    lode_clrec *self = state;
    size_t count = 0;
    (void)capacity;
    const double queries = LODE_MAX(self->sums[QUERIES], 1.0);
    out[count++] = (lode_figure){"negatives", self->sums[NEGATIVES] / queries};
    self->sums[QUERIES] = self->sums[NEGATIVES] = 0;
    if (self->options->buffer == INTRA) return count;
    double mean, oldest;
    lode__queue_ages(&self->queue, &mean, &oldest);
    out[count++] = (lode_figure){"queue_length", (double)lode__queue_length(&self->queue)};
    out[count++] = (lode_figure){"queue_mean_age", mean};
    out[count++] = (lode_figure){"queue_max_age", oldest};
    return count;
}

const lode_objective_type lode__objective_clrec_contrast = {
    .name = "clrec.contrast",
    .help = "Softmax of the clicked item among a queue of clicked items, uncorrected (CLRec).",
    .user_needs = LODE_NEED_VECTOR,
    .item_needs = LODE_NEED_VECTOR,
    .keys = keys,
    .config_size = sizeof(lode_clrec_options),
    .state_size = sizeof(lode_clrec),
    .prepare = prepare,
    .items = items,
    .stages = {{build, draw}},
    .stage_count = 1,
    .arrays = arrays,
    .restored = restored,
    .figures = figures};
