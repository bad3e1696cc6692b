#include "objective/negatives.h"

#include <math.h>
#include <string.h>

enum { MOST_REDRAWS = 100 };

const char *const lode__masks[] = {"same_item", "user_items", "none", NULL};
const char *const lode__denominators[] = {"all", "negatives", NULL};

static const char *const scopes[] = {"batch", "example", NULL};
static const char *const avoidances[] = {"none", "user_items", NULL};

const lode_key lode__negative_keys[] = {
    {.name = "count",
     .type = LODE_KEY_INT,
     .offset = offsetof(lode_negative_options, count),
     .fallback = "50",
     .low = 1,
     .high = 65536,
     .help = "Negatives of a batch or of an example."},
    {.name = "scope",
     .type = LODE_KEY_CHOICE,
     .offset = offsetof(lode_negative_options, scope),
     .fallback = "batch",
     .choices = scopes,
     .help = "batch: one draw shared by all examples of a step; example: a draw for each (MicRec "
             "Eq. 6 literally)."},
    {.name = "from",
     .type = LODE_KEY_CHOICE,
     .offset = offsetof(lode_negative_options, from),
     .fallback = "uniform",
     .choices = lode__sampler_names,
     .help = "uniform over training items; log_uniform by falling frequency (TensorFlow's "
             "candidate sampler); "
             "popularity: clicks^alpha."},
    {.name = "alpha",
     .type = LODE_KEY_REAL,
     .offset = offsetof(lode_negative_options, alpha),
     .fallback = "0.75",
     .low = 0,
     .high = 2,
     .help = "Exponent of popularity (word2vec's .75; CLRec's degree^.75)."},
    {.name = "avoid",
     .type = LODE_KEY_CHOICE,
     .offset = offsetof(lode_negative_options, avoid),
     .fallback = "none",
     .choices = avoidances,
     .help = "user_items: draw again, up to 100 times, while a negative is an item that the user "
             "clicked in training (SASRec's negatives); needs scope: example. What is left after "
             "that, `mask` decides."},
    {.name = "unique",
     .type = LODE_KEY_BOOL,
     .offset = offsetof(lode_negative_options, unique),
     .fallback = "false",
     .help = "Draw without replacement (TensorFlow's samplers, unless told otherwise): draw until "
             "`count` are different; log q is then that of the item being among so many draws."},
    {0}};

// --- masks --------------------------------------------------------------------------------------------

void lode__masker_build(lode_masker *masker, const lode_scene *scene, size_t negatives) {
    if (masker->mask == LODE_MASK_NONE) return;
    const size_t room = masker->most > 0 ? masker->most : (size_t)LODE_MASKED;
    const size_t most = LODE_MIN(masker->shared ? negatives : masker->width, room);
    lode_graph *graph = scene->graph;
    lode_dim *positions = lode__graph_dim(graph, "masked", scene->most * most);
    masker->items = scene->items;
    masker->lists = lode__graph_lists(graph, scene->query->rows, positions, most);
    masker->places = positions != NULL ? lode__graph_ids(graph, positions, 1) : NULL;
    masker->seen =
        lode__graph_alloc(graph, scene->items->inputs.rows->capacity, sizeof *masker->seen);
    if (masker->shared) {
        masker->first =
            lode__graph_alloc(graph, scene->items->inputs.rows->capacity, sizeof(int32_t));
        masker->next = lode__graph_alloc(graph, negatives, sizeof(int32_t));
    }
    if (masker->lists == NULL || masker->places == NULL) graph->failed = true;
}

/// Chain the places of each slot in a shared list, lowest first.
static void chain_places(lode_masker *masker, const int32_t *slots, size_t count) {
    for (size_t slot = 0; slot < masker->items->count; slot++)
        masker->first[slot] = -1;
    for (size_t place = count; place-- > 0;) {
        masker->next[place] = masker->first[slots[place]];
        masker->first[slots[place]] = (int32_t)place;
    }
}

static size_t mask_slot(const lode_masker *masker, int32_t slot, const int32_t *own, size_t at,
                        size_t end) {
    int32_t *out = masker->places->data;
    if (slot < 0) return at;
    if (masker->shared) {
        for (int32_t place = masker->first[slot]; place >= 0 && at < end;
             place = masker->next[place]) {
            out[at++] = place;
        }
        return at;
    }
    for (size_t place = 0; place < masker->width && at < end; place++) {
        if (own[place] == slot) out[at++] = (int32_t)place;
    }
    return at;
}

/// Each of the user's items once, however often it was clicked: repeats would use up the room. A shared list is
/// searched for them; of own negatives only the mark is left behind, for mask_marked.
static size_t mask_user(lode_masker *masker, const lode_state *state, size_t at, size_t end) {
    const lode_split *split = masker->training->split;
    masker->now++;
    for (uint64_t click = split->log.offsets[state->user]; click < split->train_end[state->user];
         click++) {
        const uint32_t row = masker->training->binding->item_row[split->log.item[click]];
        const int32_t slot = lode__item_view_find(masker->items, row);
        if (slot < 0 || masker->seen[slot] == masker->now) continue;
        masker->seen[slot] = masker->now;
        if (masker->shared) at = mask_slot(masker, slot, NULL, at, end);
    }
    return at;
}

static size_t mask_marked(const lode_masker *masker, const int32_t *own, size_t at, size_t end) {
    for (size_t place = 0; place < masker->width && at < end; place++) {
        if (masker->seen[own[place]] == masker->now) masker->places->data[at++] = (int32_t)place;
    }
    return at;
}

/// Queries of one user (positions of a window) come one after the other: the work is done once for them.
static size_t mask_user_items(lode_masker *masker, const lode_batch *batch, size_t query,
                              const int32_t *own, size_t at, size_t end) {
    const bool again = query > 0 && batch->states[query].user == batch->states[query - 1].user;
    if (!again) at = mask_user(masker, &batch->states[query], at, end);
    if (!masker->shared) return mask_marked(masker, own, at, end);
    if (!again) return at;
    const int32_t *offsets = masker->lists->offsets;
    const size_t length = (size_t)(offsets[query] - offsets[query - 1]);
    memcpy(masker->places->data + at, masker->places->data + offsets[query - 1],
           length * sizeof *masker->places->data);
    return at + length;
}

void lode__masker_fill(lode_masker *masker, const lode_batch *batch, const int32_t *slots,
                       size_t count) {
    if (masker->mask == LODE_MASK_NONE) return;
    if (masker->shared) chain_places(masker, slots, count);
    size_t at = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const int32_t *own = masker->shared ? NULL : slots + i * masker->width;
        const size_t end = LODE_MIN(at + masker->lists->limit, masker->places->dim->capacity);
        if (masker->mask == LODE_MASK_USER_ITEMS) {
            at = mask_user_items(masker, batch, i, own, at, end);
        } else {
            at = mask_slot(masker, lode__item_view_find(masker->items, batch->target_rows[i]), own,
                           at, end);
        }
        masker->lists->offsets[i + 1] = (int32_t)at;
    }
    masker->places->dim->size = at;
}

// --- losses over sampled negatives ------------------------------------------------------------------

const lode_key lode__sampled_keys[] = {LODE_NEGATIVES_KEY,
                                       LODE_TEMPERATURE_KEY(lode_sampled_options),
                                       LODE_MASK_KEY(lode_sampled_options),
                                       {0}};

lode_status lode__sampled_prepare(void *state, const void *config, const lode_training *training,
                                  lode_arena *arena, lode_error *error) {
    lode_sampled *self = state;
    self->options = config;
    self->training = *training;
    const lode_negative_options *negatives = &self->options->negatives;
    if (training->split->train_items < 2) {
        return lode__fail(error, LODE_E_CONFIG,
                          "the training part has %u items: negatives need at least 2",
                          training->split->train_items);
    }
    if (negatives->avoid != 0) {
        if (negatives->scope == 0) {
            return lode__fail(
                error, LODE_E_CONFIG,
                "negatives.avoid: user_items needs negatives.scope: example: a draw that "
                "all examples share cannot avoid the items of each user");
        }
        self->avoided = lode__arena_alloc(arena, training->split->log.items, sizeof *self->avoided);
        if (self->avoided == NULL) return lode__fail_memory(error);
    }
    if (negatives->unique && negatives->avoid != 0) {
        return lode__fail(error, LODE_E_CONFIG,
                          "negatives.unique and negatives.avoid: user_items exclude each other: "
                          "leave one out (mask: user_items goes with both)");
    }
    LODE_TRY(lode__sampler_new(&self->sampler, (lode_sampler_type)negatives->from, negatives->alpha,
                               training->split->item_count, training->split->log.items, error));
    return !negatives->unique
               ? LODE_OK
               : lode__distinct_new(&self->distinct, self->sampler, (size_t)negatives->count,
                                    training->split->log.items, arena, error);
}

void lode__sampled_release(void *state) {
    lode_sampled *self = state;
    lode__sampler_free(&self->sampler);
}

size_t lode__sampled_items(const void *state, size_t queries) {
    const lode_sampled *self = state;
    const size_t count = (size_t)self->options->negatives.count;
    return self->options->negatives.scope == 0 ? count : count * queries;
}

lode_status lode__sampled_build(lode_sampled *self, lode_contrast_kind kind,
                                const lode_scene *scene, double weight, lode_error *error) {
    (void)error;
    lode_graph *graph = scene->graph;
    const bool shared = self->options->negatives.scope == 0;
    const size_t count = (size_t)self->options->negatives.count;
    self->items = scene->items;
    lode_dim *dim = shared ? lode__graph_dim(graph, "negatives", count) : scene->query->rows;
    if (dim == NULL) return LODE_OK; // graph->failed: reported when the graph is finished
    self->negative = lode__graph_ids(graph, dim, shared ? 1 : count);
    if (kind == LODE_CONTRAST_SOFTMAX && self->options->log_q) {
        lode_dim *places = shared ? dim : lode__graph_dim(graph, "places", scene->most * count);
        if (places == NULL) return LODE_OK;
        self->negative_shift = lode__graph_vector(graph, places);
        self->positive_shift = lode__graph_vector(graph, scene->query->rows);
    }
    self->masker = (lode_masker){.mask = (lode_mask)self->options->mask,
                                 .shared = shared,
                                 .width = count,
                                 .training = &self->training};
    lode__masker_build(&self->masker, scene, count);
    lode_tensor *loss = lode__contrast(
        graph, &(lode_contrast){.kind = kind,
                                .query = scene->query,
                                .key = scene->items->outputs.vector,
                                .positive = scene->targets,
                                .negative = self->negative,
                                .shared = shared,
                                .positive_shift = self->positive_shift,
                                .negative_shift = self->negative_shift,
                                .masked = self->masker.lists,
                                .masked_ids = self->masker.places,
                                .scale = 1.0 / self->options->temperature,
                                .positive_in_denominator = self->options->denominator == 0});
    lode__graph_loss(graph, loss, weight);
    return LODE_OK;
}

/// Mark the items that a user clicked in training.
static void mark_avoided(lode_sampled *self, uint32_t user) {
    const lode_split *split = self->training.split;
    if (++self->now == 0) { // the mark has gone round
        memset(self->avoided, 0, split->log.items * sizeof *self->avoided);
        self->now = 1;
    }
    for (uint64_t click = split->log.offsets[user]; click < split->train_end[user]; click++)
        self->avoided[split->log.item[click]] = self->now;
}

static uint32_t draw_item(const lode_sampled *self, lode_random *random) {
    uint32_t item = lode__sampler_draw(self->sampler, random);
    for (int again = 0; again < MOST_REDRAWS && self->avoided != NULL; again++) {
        if (self->avoided[item] != self->now) break;
        item = lode__sampler_draw(self->sampler, random);
    }
    return item;
}

/// log q of an item where a list took so many draws.
static float log_q_of(const lode_sampled *self, uint32_t item, double draws) {
    if (!self->options->negatives.unique) return self->sampler->log_q[item];
    return lode__distinct_log_q(&self->distinct, item, draws);
}

/// `count` negatives to places first .. of the list. @return how many draws they took
static double draw_list(lode_sampled *self, size_t first, size_t count, lode_random *random) {
    const bool unique = self->options->negatives.unique;
    const double draws = unique ? lode__distinct_draw(&self->distinct, random) : (double)count;
    for (size_t i = 0; i < count; i++) {
        const uint32_t item = unique ? self->distinct.items[i] : draw_item(self, random);
        self->negative->data[first + i] =
            lode__item_view_slot(self->items, self->training.binding->item_row[item]);
        if (self->negative_shift != NULL)
            self->negative_shift->data[first + i] = log_q_of(self, item, draws);
    }
    return draws;
}

/// Of the positives of queries first .. end - 1, whose lists took so many draws.
static void shift_positives(lode_sampled *self, const lode_batch *batch, size_t first, size_t end,
                            double draws) {
    for (size_t i = first; i < end && self->positive_shift != NULL; i++) {
        const uint32_t item = self->training.binding->item_of[batch->target_rows[i]];
        self->positive_shift->data[i] = log_q_of(self, item, draws);
    }
}

lode_status lode__sampled_draw(void *state, const lode_batch *batch, lode_error *error) {
    (void)error;
    lode_sampled *self = state;
    const bool shared = self->options->negatives.scope == 0;
    const size_t width = (size_t)self->options->negatives.count;
    lode_random random = lode__random(batch->seed, batch->purpose, batch->epoch, batch->step);
    if (shared) {
        self->negative->dim->size = width;
        shift_positives(self, batch, 0, batch->count, draw_list(self, 0, width, &random));
    }
    for (size_t i = 0; i < batch->count && !shared; i++) {
        const uint32_t user = batch->states[i].user;
        if (self->avoided != NULL && (i == 0 || user != batch->states[i - 1].user))
            mark_avoided(self, user);
        shift_positives(self, batch, i, i + 1, draw_list(self, i * width, width, &random));
    }
    lode__masker_fill(&self->masker, batch, self->negative->data,
                      shared ? width : width * batch->count);
    return LODE_OK;
}
