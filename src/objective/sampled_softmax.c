/// sampled_softmax: softmax of the clicked item among drawn negatives (Jean et al. 2015; MicRec Eq. 6 with uniform
/// negatives). With `log_q`, log q(item) of the sampler is subtracted from every logit, the positive's too, which
/// makes the expected gradient that of the full softmax.
#include "objective/negatives.h"

static const lode_key keys[] = {
    LODE_NEGATIVES_KEY,
    LODE_TEMPERATURE_KEY(lode_sampled_options),
    {.name = "log_q",
     .type = LODE_KEY_BOOL,
     .offset = offsetof(lode_sampled_options, log_q),
     .fallback = "true",
     .help = "Subtract log q(item) from the scores; without effect for uniform negatives."},
    LODE_MASK_KEY(lode_sampled_options),
    LODE_DENOMINATOR_KEY(lode_sampled_options),
    {0}};

static lode_status build(void *state, const lode_scene *scene, double weight, lode_error *error) {
    return lode__sampled_build(state, LODE_CONTRAST_SOFTMAX, scene, weight, error);
}

const lode_objective_type lode__objective_sampled_softmax = {
    .name = "sampled_softmax",
    .help = "Softmax of the clicked item among drawn negatives (MicRec Eq. 6).",
    .user_needs = LODE_NEED_VECTOR,
    .item_needs = LODE_NEED_VECTOR,
    .keys = keys,
    .config_size = sizeof(lode_sampled_options),
    .state_size = sizeof(lode_sampled),
    .prepare = lode__sampled_prepare,
    .items = lode__sampled_items,
    .stages = {{build, lode__sampled_draw}},
    .stage_count = 1,
    .release = lode__sampled_release};
