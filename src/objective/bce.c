/// bce: binary cross-entropy of the clicked item against drawn negatives: -log s(z+) - sum log(1 - s(z)).
#include "objective/negatives.h"

static lode_status build(void *state, const lode_scene *scene, double weight, lode_error *error) {
    return lode__sampled_build(state, LODE_CONTRAST_BCE, scene, weight, error);
}

const lode_objective_type lode__objective_bce = {
    .name = "bce",
    .help = "Binary cross-entropy of the clicked item against drawn negatives.",
    .user_needs = LODE_NEED_VECTOR,
    .item_needs = LODE_NEED_VECTOR,
    .keys = lode__sampled_keys,
    .config_size = sizeof(lode_sampled_options),
    .state_size = sizeof(lode_sampled),
    .prepare = lode__sampled_prepare,
    .items = lode__sampled_items,
    .stages = {{build, lode__sampled_draw}},
    .stage_count = 1,
    .release = lode__sampled_release};
