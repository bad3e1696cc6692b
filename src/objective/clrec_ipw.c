/// clrec.ipw: inverse propensity weighting, to compare contrast without log q with (CLRec Eq. 8).
///
///     loss = mean over queries of w(y) l        l: full_softmax of the clicked item y        w(y) ~ 1 / q(y)^power
///
/// q(y) is the item's share of what was shown (rows of training users up to their last training click, clicks and
/// exposures alike), or of the training clicks. Eq. 8 is a plain weighted sum; here the weights are scaled so that their
/// mean over all training clicks is 1, so that the learning rate and the objective's `weight` mean what they mean for
/// full_softmax. power 0 is full_softmax, to the bit.
///
/// `clip` bounds the largest weight: with c as their largest, weights are min(w, t) where t = c mean(min(w, t)), which has
/// one solution in [smallest w, largest w], found by halving.
#include <math.h>
#include <string.h>

#include "objective/full_softmax.h"

enum { AUTO, CLICKS, EXPOSURES, HALVINGS = 64 };

typedef struct ipw_options {
    lode_full_options full;
    int propensity; ///< AUTO ...
    double power, clip;
} ipw_options;

typedef struct ipw {
    lode_full_softmax full;
    float *weight_of; ///< [rows]
    lode_vector *weight;
} ipw;

static const char *const propensities[] = {"auto", "clicks", "exposures", NULL};

static const lode_key keys[] = {
    {.name = "propensity",
     .type = LODE_KEY_CHOICE,
     .offset = offsetof(ipw_options, propensity),
     .fallback = "auto",
     .choices = propensities,
     .help =
         "q(y): the item's share of the training clicks, or of all that was shown to users up to "
         "their last training click; auto: exposures where the log has them."},
    {.name = "power",
     .type = LODE_KEY_REAL,
     .offset = offsetof(ipw_options, power),
     .fallback = "1",
     .low = 0,
     .high = 2,
     .help = "Weights are 1 / q^power: 1 is Eq. 8, 0 full_softmax."},
    {.name = "clip",
     .type = LODE_KEY_REAL,
     .offset = offsetof(ipw_options, clip),
     .fallback = "0",
     .low = 0,
     .high = 1e9,
     .help = "Largest weight, where their mean over the training clicks is 1; from 1 on, 0 = no "
             "bound."},
    LODE_TEMPERATURE_KEY(lode_full_options),
    LODE_FULL_MASK_KEY,
    LODE_DENOMINATOR_KEY(lode_full_options),
    {0}};

// --- weights --------------------------------------------------------------------------------------------

/// How often each item was shown before the end of its user's training part. @param shown [items], zeroed
/// @return whether any row was an exposure
static bool count_shown(const lode_split *split, double *shown) {
    const lode_dataset *data = split->data;
    const bool given = split->type == LODE_SPLIT_GIVEN && data->part != NULL;
    bool any = false;
    for (uint32_t user = 0; user < split->log.users; user++) {
        const uint64_t end = split->train_end[user];
        if (end == split->log.offsets[user]) continue;
        const uint64_t last = split->log.row != NULL ? split->log.row[end - 1] : end - 1;
        for (uint64_t row = data->offsets[user]; row <= last; row++) {
            const uint8_t behaviour = data->behaviour != NULL ? data->behaviour[row] : LODE_CLICK;
            if (behaviour > LODE_EXPOSURE) continue;
            if (given && data->part[row] != LODE_GIVEN_TRAIN) continue;
            any |= behaviour == LODE_EXPOSURE;
            shown[data->item[row]]++;
        }
    }
    return any;
}

/// Mean over the training clicks of min(w, most).
static double mean_weight(const lode_training *training, const double *w, double most) {
    double sum = 0.0;
    for (uint32_t row = 1; row <= training->model->vocabulary->items; row++) {
        const uint32_t clicks = training->split->item_count[training->binding->item_of[row]];
        sum += (double)clicks * fmin(w[row], most);
    }
    return sum / (double)training->split->train_clicks;
}

static double find_bound(const lode_training *training, const double *w, double clip) {
    double low = (double)INFINITY, high = 0.0;
    for (uint32_t row = 1; row <= training->model->vocabulary->items; row++) {
        low = fmin(low, w[row]);
        high = fmax(high, w[row]);
    }
    if (clip == 0.0 || high <= clip * mean_weight(training, w, high)) return high;
    for (int i = 0; i < HALVINGS; i++) {
        const double middle = low + (high - low) / 2;
        *(middle <= clip * mean_weight(training, w, middle) ? &low : &high) = middle;
    }
    return low;
}

static lode_status fill_weights(ipw *self, const ipw_options *options, const lode_training *training,
                                double *shown, double *w, lode_error *error) {
    const lode_split *split = training->split;
    bool exposures = false;
    if (options->propensity != CLICKS) exposures = count_shown(split, shown);
    if (options->propensity == EXPOSURES && !exposures) {
        return lode__fail(error, LODE_E_CONFIG,
                          "clrec.ipw: propensity: exposures needs rows that were shown and not "
                          "clicked, and the training part has none; propensity: clicks does not");
    }
    for (uint32_t row = 1; row <= training->model->vocabulary->items; row++) {
        const uint32_t item = training->binding->item_of[row];
        const double clicks = (double)split->item_count[item];
        w[row] = pow(exposures ? fmax(shown[item], clicks) : clicks, -options->power);
    }
    const double bound = find_bound(training, w, options->clip);
    const double mean = mean_weight(training, w, bound);
    for (uint32_t row = 1; row <= training->model->vocabulary->items; row++)
        self->weight_of[row] = (float)(fmin(w[row], bound) / mean);
    return LODE_OK;
}

static lode_status prepare(void *state, const void *config, const lode_training *training,
                           lode_arena *arena, lode_error *error) {
    ipw *self = state;
    const ipw_options *options = config;
    if (options->clip > 0 && options->clip < 1) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "clrec.ipw: clip is %g: the largest weight is at least their mean, 1 (0 = "
            "no bound)",
            options->clip);
    }
    LODE_TRY(lode__full_softmax_prepare(&self->full, &options->full, training, arena, error));
    const size_t rows = (size_t)training->model->vocabulary->items + 1;
    self->weight_of = lode__arena_alloc(arena, rows, sizeof *self->weight_of);
    double *shown = lode__alloc(training->split->log.items, sizeof *shown);
    double *w = lode__alloc(rows, sizeof *w);
    lode_status status;
    if (self->weight_of == NULL || shown == NULL || w == NULL) {
        status = lode__fail_memory(error);
    } else {
        status = fill_weights(self, options, training, shown, w, error);
    }
    lode__free(w);
    lode__free(shown);
    return status;
}

// --- the objective --------------------------------------------------------------------------------------

static lode_status build(void *state, const lode_scene *scene, double weight, lode_error *error) {
    (void)error;
    ipw *self = state;
    self->weight = lode__graph_vector(scene->graph, scene->query->rows);
    if (self->weight != NULL) lode__full_softmax_build(&self->full, scene, self->weight, weight);
    return LODE_OK;
}

static lode_status draw(void *state, const lode_batch *batch, lode_error *error) {
    (void)error;
    ipw *self = state;
    lode__full_softmax_draw(&self->full, batch);
    for (size_t i = 0; i < batch->count; i++)
        self->weight->data[i] = self->weight_of[batch->target_rows[i]];
    return LODE_OK;
}

const lode_objective_type lode__objective_clrec_ipw = {
    .name = "clrec.ipw",
    .help =
        "full_softmax weighted by inverse propensity: items that were shown often count for less "
        "(CLRec Eq. 8).",
    .user_needs = LODE_NEED_VECTOR,
    .item_needs = LODE_NEED_VECTOR,
    .keys = keys,
    .config_size = sizeof(ipw_options),
    .state_size = sizeof(ipw),
    .prepare = prepare,
    .items = lode__full_softmax_items,
    .stages = {{build, draw}},
    .stage_count = 1};
