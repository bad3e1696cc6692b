/// clrec.contrast: contrast with a queue of keys and no correction by log q (CLRec, Zhou et al. 2021, Eq. 3 and 4).
///
///     L = mean over queries s of -log( e^phi(s, y_s) / sum over keys t of B of e^phi(s, y_t) ),   phi = score / temperature
///
/// A key is a clicked item. B is a queue, first in, first out, that first takes in the step's keys: with `buffer: intra` it
/// holds these alone, with `inter` the latest `capacity` ones. Item rows are queued, not vectors: each distinct item of B
/// is encoded once, with today's tower and gradients. The queue starts empty and fills.
///
/// With `moco` the queue holds vectors of a key encoder that follows the item tower (key_encoder.h), as they were when the
/// keys came in, without gradient. `moco: live` takes the step's own keys from the item tower, with gradient; `strict` takes
/// every key, positives too, from the queue, so that the item tower's weights must be the user tower's.
///
/// `debias` is a dial: (1 - debias) log q(item) is subtracted from the logits. 1 subtracts nothing, which is CLRec: what is
/// left in acts as inverse propensity weighting (3.3). 0 is a sampled softmax with its correction.
#include "objective/clicked.h"
#include "objective/key_encoder.h"
#include "objective/queue.h"

enum { INTRA, INTER, MOCO, LIVE = 0, STRICT = 1 };

typedef struct lode_clrec_options {
    int buffer;
    int64_t capacity;
    double momentum;
    int moco;
    double temperature;
    double debias;
    int mask;
    int denominator;
} lode_clrec_options;

typedef struct lode_clrec {
    const lode_clrec_options *options;
    lode_clicked keys;
    lode_queue queue;
    lode_key_encoder encoder;
    lode_dim *above;    ///< moco: rows of the queue in the key tensor
    lode_ids *positive; ///< moco: each query's own
    lode_tally tally;
} lode_clrec;

static const char *const buffers[] = {"intra", "inter", "moco", NULL};
static const char *const forms[] = {"live", "strict", NULL};

#define AT(member) .offset = offsetof(lode_clrec_options, member)
static const lode_key keys[] = {
    {.name = "buffer",
     .type = LODE_KEY_CHOICE,
     AT(buffer),
     .fallback = "intra",
     .choices = buffers,
     .help =
         "intra: the step's keys (CLRec 3.2.1); inter: the latest `capacity` keys, encoded anew "
         "with today's tower, with gradients (3.2.2); moco: their vectors as a key encoder that "
         "follows made them "
         "when they came, without gradient (3.2.3)."},
    LODE_CAPACITY_KEY(lode_clrec_options, " (inter, moco)"),
    LODE_MOMENTUM_KEY(lode_clrec_options, "moco: s"),
    {.name = "moco",
     .type = LODE_KEY_CHOICE,
     AT(moco),
     .fallback = "live",
     .choices = forms,
     .help = "live: the step's own keys come from the item tower, with gradient; strict: every key "
             "from the key encoder, where all its weights are the user tower's too."},
    LODE_COSINE_TEMPERATURE_KEY(lode_clrec_options),
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
    if (options->buffer == INTRA && options->capacity != 0) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "clrec.contrast: capacity is for buffer: inter and moco; intra holds a step's keys");
    }
    return lode__queue_capacity("clrec.contrast", options->capacity, queries, capacity, error);
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
    LODE_TRY(lode__tally_new(&self->tally, arena, error));
    const bool moco = options->buffer == MOCO;
    if (options->buffer != INTRA) {
        LODE_TRY(lode__queue_new(&self->queue, capacity, training->model->vocabulary->items,
                                 moco ? training->model->item.width : 0, arena, error));
    }
    if (moco) {
        LODE_TRY(lode__key_encoder_prepare(&self->encoder, training->model, LODE_SIDE_ITEM,
                                           options->momentum, options->moco == STRICT, error));
    }
    return lode__clicked_prepare(&self->keys, training, 1 - options->debias, arena, error);
}

/// Keys of earlier steps: all of the queue but what is at least the step's.
static size_t items(const void *state, size_t queries) {
    const lode_clrec *self = state;
    (void)queries;
    return self->options->buffer == INTER ? self->queue.capacity : 0;
}

/// Key encoder, and the key tensor: the queue's vectors, under `live` above those of the batch's items.
static lode_status build_keys(lode_clrec *self, const lode_scene *scene, lode_clicked_loss *loss,
                              lode_error *error) {
    lode_graph *graph = scene->graph;
    const lode_queue *queue = &self->queue;
    const bool live = self->options->moco == LIVE;
    const size_t rows = (size_t)self->encoder.model->vocabulary->items + 1;
    LODE_TRY(lode__key_encoder_build(&self->encoder, graph, LODE_MIN(scene->most, rows), error));
    self->above = lode__graph_dim(graph, "queue", queue->capacity);
    self->positive = loss->positive = lode__graph_ids(graph, scene->query->rows, 1);
    loss->key = lode__stack(graph, self->above, queue->vectors, queue->width,
                            live ? scene->items->outputs.vector : NULL);
    loss->beside = true;
    loss->masked = LODE_MASKED_OF_QUEUE(scene->most);
    return LODE_OK;
}

static lode_status build(void *state, const lode_scene *scene, double weight, lode_error *error) {
    lode_clrec *self = state;
    const lode_clrec_options *options = self->options;
    // Without a mask the positive is one of the keys, and there already.
    const bool apart = options->mask != LODE_MASK_NONE && options->denominator == 0;
    lode_clicked_loss loss = {.mask = (lode_mask)options->mask,
                              .temperature = options->temperature,
                              .positive_in_denominator = apart};
    const size_t most = LODE_MAX(scene->most, self->queue.capacity);
    if (options->buffer == MOCO) LODE_TRY(build_keys(self, scene, &loss, error));
    lode__graph_loss(scene->graph, lode__clicked_build(&self->keys, scene, most, &loss), weight);
    return LODE_OK;
}

/// The step's keys into the queue, with their vectors.
static void enqueue(lode_clrec *self, const lode_batch *batch) {
    lode_queue *queue = &self->queue;
    const bool moco = self->options->buffer == MOCO;
    if (moco) lode__key_encoder_run(&self->encoder, batch->target_rows, batch->count);
    lode__queue_step(queue);
    for (size_t i = 0; i < batch->count; i++) {
        const uint32_t row = batch->target_rows[i];
        const size_t place = lode__queue_push(queue, row);
        if (!moco) continue;
        lode__key_encoder_vector(&self->encoder, row, queue->vectors + place * queue->width);
        self->positive->data[i] = (int32_t)place; // `live` has others
    }
    if (moco) self->above->size = lode__queue_length(queue);
}

static void add_step(lode_clrec *self, const lode_batch *batch) {
    lode_clicked *clicked = &self->keys;
    clicked->above = self->above != NULL ? self->above->size : 0;
    for (size_t i = 0; i < batch->count; i++) {
        const uint32_t row = batch->target_rows[i];
        lode__clicked_add(clicked, row);
        if (self->positive == NULL) continue;
        self->positive->data[i] = (int32_t)clicked->above + lode__item_view_find(clicked->items, row);
    }
}

static lode_status draw(void *state, const lode_batch *batch, lode_error *error) {
    (void)error;
    lode_clrec *self = state;
    const lode_clrec_options *options = self->options;
    lode_queue *queue = &self->queue;
    const bool moco = options->buffer == MOCO, strict = moco && options->moco == STRICT;
    lode__clicked_begin(&self->keys);
    if (options->buffer != INTRA) enqueue(self, batch);
    if (!strict) add_step(self, batch);
    const size_t length = options->buffer != INTRA ? lode__queue_length(queue) : batch->count;
    const size_t others = strict ? length : length - batch->count;
    for (size_t i = 0; i < others; i++) {
        const size_t place = lode__queue_place(queue, i);
        if (moco) {
            lode__clicked_append(&self->keys, queue->rows[place], place);
        } else {
            lode__clicked_add(&self->keys, queue->rows[place]);
        }
    }
    lode__clicked_finish(&self->keys, batch);
    lode__tally_add(&self->tally, (double)batch->count,
                    lode__clicked_negatives(&self->keys, batch->count));
    return LODE_OK;
}

static void after_step(void *state, const lode_params *params) {
    lode_clrec *self = state;
    if (self->options->buffer == MOCO) lode__key_encoder_follow(&self->encoder, params);
}

static void release(void *state) {
    lode_clrec *self = state;
    lode__key_encoder_release(&self->encoder);
}

static size_t graph_bytes(const void *state) {
    const lode_clrec *self = state;
    return lode__key_encoder_bytes(&self->encoder);
}

static size_t arrays(void *state, lode_state_array *out, size_t capacity) {
    lode_clrec *self = state;
    (void)capacity;
    size_t count = lode__tally_arrays(&self->tally, out);
    if (self->options->buffer != INTRA) count += lode__queue_arrays(&self->queue, out + count);
    count += lode__key_encoder_arrays(&self->encoder, out + count);
    return count;
}

static lode_status restored(void *state, lode_error *error) {
    lode_clrec *self = state;
    lode__key_encoder_restored(&self->encoder);
    return self->options->buffer != INTRA ? lode__queue_check(&self->queue, error) : LODE_OK;
}

static size_t figures(void *state, lode_figure *out, size_t capacity) {
    lode_clrec *self = state;
    (void)capacity;
    const size_t count = lode__tally_figures(&self->tally, out);
    if (self->options->buffer == INTRA) return count;
    return count + lode__queue_figures(&self->queue, out + count);
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
    .after_step = after_step,
    .arrays = arrays,
    .release = release,
    .graph_bytes = graph_bytes,
    .restored = restored,
    .figures = figures};
