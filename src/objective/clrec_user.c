/// clrec.user: the user's vector against those of what users click next (CLRec's user-to-user task, Zhou et al. 2021, C.4).
///
///     L = mean over queries s of -log( e^phi(s, y_s) / sum over keys t of B of e^phi(s, y_t) ),   phi = <q_s, k_t> / temperature
///
/// q_s is the vector of the user at the state. k_s is a vector of the same user's `next` clicks, the positive and those
/// after it, within the training part (fewer where it ends), taken as a history by a key encoder that follows the user
/// tower (key_encoder.h), without gradient. B is a queue of key vectors, first in, first out, that first takes in the
/// step's; an entry remembers its user, and `mask: user` leaves out other entries of the query's own user.
///
/// The moment of a key is its newest click: ages of clicks are counted from there. User fields are the user's own, context
/// fields unknown, and nothing is dropped out.
///
/// With `store: attention` the queue holds, as in the paper, a key's items and the scores that the key encoder's heads gave
/// them; vectors are made of them with today's item table, with gradient to it (head_store.h).
#include "objective/head_store.h"
#include "objective/key_encoder.h"
#include "objective/negatives.h"
#include "objective/queue.h"

enum { MASK_USER, STORE_VECTORS = 0 };
enum { AT_ONCE = 512 }; ///< keys encoded in one pass: a view has room for whole histories

typedef struct lode_clrec_user_options {
    int64_t next;
    int64_t capacity;
    double momentum;
    double temperature;
    int mask;
    int store;
} lode_clrec_user_options;

/// The clicks of keys as histories.
typedef struct lode_next_clicks {
    lode_log_source log; ///< states whose ends are those of the keys
    lode_user_source base;
    const uint64_t *begin; ///< [keys] first click of each
} lode_next_clicks;

typedef struct lode_clrec_user {
    const lode_clrec_user_options *options;
    lode_training training;
    lode_queue queue;      ///< a row is a user's number + 1
    lode_head_store heads; ///< of store: attention
    lode_key_encoder encoder;
    lode_next_clicks clicks;
    lode_state *ends; ///< [queries] behind the last click of each key
    uint64_t *begins; ///< [queries]
    // of the scene
    lode_dim *length; ///< of the queue
    lode_ids *positive, *negative;
    lode_lists *masked; ///< NULL = mask: none
    lode_ids *masked_places;
    int32_t *first; ///< [users] newest place of a user in the queue; of users who have none, anything
    int32_t *next; ///< [capacity] the next older place of the same user, or -1
    lode_tally tally;
} lode_clrec_user;

static const char *const masks[] = {"user", "none", NULL};
static const char *const stores[] = {"vectors", "attention", NULL};

#define AT(member) .offset = offsetof(lode_clrec_user_options, member)
static const lode_key keys[] = {
    {.name = "next",
     .type = LODE_KEY_INT,
     AT(next),
     .fallback = "5",
     .low = 1,
     .high = 65536,
     .help = "Clicks of a key: the positive and those of the same user after it, in training "
             "(CLRec C.4); at most data.history."},
    LODE_CAPACITY_KEY(lode_clrec_user_options, ""),
    LODE_MOMENTUM_KEY(lode_clrec_user_options, "S"),
    LODE_COSINE_TEMPERATURE_KEY(lode_clrec_user_options),
    {.name = "mask",
     .type = LODE_KEY_CHOICE,
     AT(mask),
     .fallback = "user",
     .choices = masks,
     .help = "user: keys of the query's own user, other than its positive, are no negatives; none: "
             "they are."},
    {.name = "store",
     .type = LODE_KEY_CHOICE,
     AT(store),
     .fallback = "vectors",
     .choices = stores,
     .help =
         "What is queued. vectors: of keys, as they were; attention: their items and the scores of "
         "the heads of wha, from which vectors are made anew with today's item table, with "
         "gradient "
         "to it (CLRec C.4)."},
    {0}};
#undef AT

// --- the clicks of keys ---------------------------------------------------------------------------------

/// Known clicks of a key, at most `limit`.
static size_t known(const lode_next_clicks *self, size_t index, size_t limit) {
    size_t count = 0;
    for (uint64_t at = self->log.states[index].end; at-- > self->begin[index] && count < limit;)
        count += self->log.binding->item_row[self->log.log->item[at]] != 0;
    return count;
}

static size_t next_history(void *context, size_t index, size_t limit, uint32_t *rows) {
    const lode_next_clicks *self = context;
    return self->base.history(self->base.self, index, known(self, index, limit), rows);
}

static size_t next_values(void *context, size_t index, size_t field, size_t limit, uint32_t *rows) {
    const lode_next_clicks *self = context;
    return self->base.values(self->base.self, index, field, limit, rows);
}

static size_t next_ages(void *context, size_t index, size_t limit, int64_t *ages) {
    const lode_next_clicks *self = context;
    return self->base.ages(self->base.self, index, known(self, index, limit), ages);
}

// --- the objective --------------------------------------------------------------------------------------

static lode_status check_options(const lode_clrec_user_options *options,
                                 const lode_training *training, lode_error *error) {
    const long long next = (long long)options->next;
    if (training->sees_later) {
        return lode__fail(error, LODE_E_CONFIG,
                          "objective clrec.user predicts the clicks after a query, and "
                          "data.examples: cloze shows them; use every_click");
    }
    if (next > 1 && training->examples == LODE_LAST) {
        return lode__fail(error, LODE_E_CONFIG,
                          "clrec.user: data.examples: last leaves no click behind the positive for "
                          "next: %lld: take every_click or random_cut, or next: 1",
                          next);
    }
    if ((size_t)options->next > training->model->history) {
        return lode__fail(error, LODE_E_CONFIG,
                          "clrec.user: next: %lld clicks are more than the data.history: %zu that "
                          "the user tower takes",
                          next, training->model->history);
    }
    return LODE_OK;
}

static lode_status prepare(void *state, const void *config, const lode_training *training,
                           lode_arena *arena, lode_error *error) {
    lode_clrec_user *self = state;
    const lode_clrec_user_options *options = self->options = config;
    const lode_log *log = &training->split->log;
    size_t capacity;
    self->training = *training;
    LODE_TRY(check_options(options, training, error));
    LODE_TRY(
        lode__queue_capacity("clrec.user", options->capacity, training->queries, &capacity, error));
    const bool vectors = options->store == STORE_VECTORS;
    const size_t width = vectors ? training->model->user.width : 0, next = (size_t)options->next;
    LODE_TRY(lode__queue_new(&self->queue, capacity, log->users, width, arena, error));
    if (!vectors)
        LODE_TRY(lode__head_store_new(&self->heads, training->model, capacity, next, arena, error));
    LODE_TRY(lode__tally_new(&self->tally, arena, error));
    self->ends = lode__arena_alloc(arena, training->queries, sizeof *self->ends);
    self->begins = lode__arena_alloc(arena, training->queries, sizeof *self->begins);
    self->first = lode__arena_alloc(arena, log->users, sizeof *self->first);
    self->next = lode__arena_alloc(arena, capacity, sizeof *self->next);
    if (self->ends == NULL || self->begins == NULL || self->first == NULL || self->next == NULL)
        return lode__fail_memory(error);
    self->clicks =
        (lode_next_clicks){.log = {.binding = training->binding, .log = log, .no_context = true}};
    return lode__key_encoder_prepare(&self->encoder, training->model, LODE_SIDE_USER,
                                     options->momentum, false, error);
}

static size_t items(const void *state, size_t queries) {
    (void)state;
    (void)queries;
    return 0;
}

static void build_mask(lode_clrec_user *self, const lode_scene *scene) {
    lode_graph *graph = scene->graph;
    const size_t most = LODE_MIN(self->queue.capacity, LODE_MASKED_OF_QUEUE(scene->most));
    lode_dim *positions = lode__graph_dim(graph, "masked", scene->most * most);
    self->masked = lode__graph_lists(graph, scene->query->rows, positions, most);
    self->masked_places = positions != NULL ? lode__graph_ids(graph, positions, 1) : NULL;
    if (self->masked == NULL || self->masked_places == NULL) graph->failed = true;
}

static lode_tensor *build_keys(lode_clrec_user *self, const lode_scene *scene) {
    lode_graph *graph = scene->graph;
    const lode_queue *queue = &self->queue;
    if (self->options->store == STORE_VECTORS)
        return lode__stack(graph, self->length, queue->vectors, queue->width, NULL);
    lode_tensor *key = lode__head_store_build(&self->heads, scene, self->length);
    return lode__user_ready(self->training.model, graph, key);
}

static lode_status build(void *state, const lode_scene *scene, double weight, lode_error *error) {
    lode_clrec_user *self = state;
    const lode_queue *queue = &self->queue;
    lode_graph *graph = scene->graph;
    const bool masking = self->options->mask == MASK_USER;
    LODE_TRY(lode__key_encoder_build(&self->encoder, graph, LODE_MIN(scene->most, (size_t)AT_ONCE),
                                     error));
    self->length = lode__graph_dim(graph, "queue", queue->capacity);
    self->positive = lode__graph_ids(graph, scene->query->rows, 1);
    self->negative = self->length != NULL ? lode__graph_ids(graph, self->length, 1) : NULL;
    if (masking) build_mask(self, scene);
    if (graph->failed || self->positive == NULL || self->negative == NULL) {
        return lode__fail_memory(error);
    }
    for (size_t i = 0; i < queue->capacity; i++)
        self->negative->data[i] = (int32_t)i;
    lode_tensor *key = build_keys(self, scene);
    const lode_contrast contrast = {.kind = LODE_CONTRAST_SOFTMAX,
                                    .query = scene->query,
                                    .key = key,
                                    .positive = self->positive,
                                    .negative = self->negative,
                                    .shared = true,
                                    .masked = self->masked,
                                    .masked_ids = self->masked_places,
                                    .scale = 1.0 / self->options->temperature,
                                    // Without a mask the positive is one of the keys, and there already.
                                    .positive_in_denominator = masking};
    lode__graph_loss(graph, lode__contrast(graph, &contrast), weight);
    return LODE_OK;
}

/// Encode the step's keys [begin, begin + count) and queue them.
static void enqueue(lode_clrec_user *self, const lode_batch *batch, size_t begin, size_t count) {
    lode_queue *queue = &self->queue;
    lode_next_clicks *clicks = &self->clicks;
    clicks->log.states = self->ends + begin;
    clicks->begin = self->begins + begin;
    clicks->base = lode__log_source(&clicks->log);
    const lode_user_source source = {clicks, next_history, next_values, next_ages};
    lode__key_encoder_run_users(&self->encoder, &source, count);
    for (size_t i = 0; i < count; i++) {
        const size_t place = lode__queue_push(queue, batch->states[begin + i].user + 1);
        if (self->options->store == STORE_VECTORS) {
            lode__key_encoder_user(&self->encoder, i, queue->vectors + place * queue->width);
        } else {
            lode__head_store_put(&self->heads, self->encoder.graph, self->encoder.users, i, place);
        }
        self->positive->data[begin + i] = (int32_t)place;
    }
}

static void add_keys(lode_clrec_user *self, const lode_batch *batch) {
    const uint64_t next = (uint64_t)self->options->next;
    for (size_t i = 0; i < batch->count; i++) {
        const lode_state *state = &batch->states[i];
        const uint64_t left = self->training.split->train_end[state->user] - state->end;
        self->begins[i] = state->end;
        self->ends[i] = (lode_state){state->user, state->end + LODE_MIN(next, left)};
    }
    lode__queue_step(&self->queue);
    for (size_t begin = 0; begin < batch->count; begin += AT_ONCE)
        enqueue(self, batch, begin, LODE_MIN(batch->count - begin, (size_t)AT_ONCE));
    self->length->size = lode__queue_length(&self->queue);
    if (self->options->store != STORE_VECTORS)
        lode__head_store_fill(&self->heads, self->length->size);
}

/// Chain the places of each user, the newest first.
static void chain(lode_clrec_user *self) {
    const lode_queue *queue = &self->queue;
    const size_t length = lode__queue_length(queue);
    for (size_t i = 0; i < length; i++)
        self->first[queue->rows[i] - 1] = -1;
    for (size_t i = 0; i < length; i++) {
        const size_t place = lode__queue_place(queue, i);
        int32_t *first = &self->first[queue->rows[place] - 1];
        self->next[place] = *first;
        *first = (int32_t)place;
    }
}

/// The places of each query's user: its positive, which the denominator has apart, and then the newest.
static void fill_mask(lode_clrec_user *self, const lode_batch *batch) {
    size_t at = 0;
    chain(self);
    for (size_t i = 0; i < batch->count; i++) {
        const int32_t own = self->positive->data[i];
        const size_t end = at + self->masked->limit;
        self->masked_places->data[at++] = own;
        for (int32_t place = self->first[batch->states[i].user]; place >= 0 && at < end;
             place = self->next[place]) {
            if (place != own) self->masked_places->data[at++] = place;
        }
        self->masked->offsets[i + 1] = (int32_t)at;
    }
    self->masked_places->dim->size = at;
}

static lode_status draw(void *state, const lode_batch *batch, lode_error *error) {
    (void)error;
    lode_clrec_user *self = state;
    add_keys(self, batch);
    if (self->masked != NULL) fill_mask(self, batch);
    const double queries = (double)batch->count, length = (double)self->length->size;
    const double masked = self->masked != NULL ? (double)self->masked_places->dim->size : 0;
    lode__tally_add(&self->tally, queries, queries * length - masked);
    return LODE_OK;
}

static void after_step(void *state, const lode_params *params) {
    lode_clrec_user *self = state;
    lode__key_encoder_follow(&self->encoder, params);
}

static void release(void *state) {
    lode_clrec_user *self = state;
    lode__key_encoder_release(&self->encoder);
}

static size_t graph_bytes(const void *state) {
    const lode_clrec_user *self = state;
    return lode__key_encoder_bytes(&self->encoder);
}

static size_t arrays(void *state, lode_state_array *out, size_t capacity) {
    lode_clrec_user *self = state;
    (void)capacity;
    size_t count = lode__tally_arrays(&self->tally, out);
    count += lode__queue_arrays(&self->queue, out + count);
    if (self->options->store != STORE_VECTORS)
        count += lode__head_store_arrays(&self->heads, out + count);
    return count + lode__key_encoder_arrays(&self->encoder, out + count);
}

static lode_status restored(void *state, lode_error *error) {
    lode_clrec_user *self = state;
    lode__key_encoder_restored(&self->encoder);
    LODE_TRY(lode__queue_check(&self->queue, error));
    if (self->options->store == STORE_VECTORS) return LODE_OK;
    return lode__head_store_check(&self->heads, lode__queue_length(&self->queue), error);
}

static size_t figures(void *state, lode_figure *out, size_t capacity) {
    lode_clrec_user *self = state;
    (void)capacity;
    const size_t count = lode__tally_figures(&self->tally, out);
    return count + lode__queue_figures(&self->queue, out + count);
}

const lode_objective_type lode__objective_clrec_user = {
    .name = "clrec.user",
    .help =
        "Softmax of what the user clicks next, encoded as a user, among a queue of such (CLRec).",
    .user_needs = LODE_NEED_VECTOR | LODE_NEED_ONE_VECTOR,
    .keys = keys,
    .config_size = sizeof(lode_clrec_user_options),
    .state_size = sizeof(lode_clrec_user),
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
