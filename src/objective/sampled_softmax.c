/// sampled_softmax: softmax of the clicked item among drawn negatives (Jean et al. 2015; MicRec Eq. 6 with uniform
/// negatives). With `log_q`, log q(item) of the sampler is subtracted from every logit, the positive's too, which
/// makes the expected gradient that of the full softmax.
#include "objective/negatives.h"

static const char *const denominators[] = {"all", "negatives", NULL};

static const lode_key keys[] = {
    LODE_NEGATIVES_KEY,
    LODE_TEMPERATURE_KEY(lode_sampled_options),
    {.name = "log_q",
     .type = LODE_KEY_BOOL,
     .offset = offsetof(lode_sampled_options, log_q),
     .fallback = "true",
     .help = "Subtract log q(item) from the scores; without effect for uniform negatives."},
    LODE_MASK_KEY(lode_sampled_options),
    {.name = "denominator",
     .type = LODE_KEY_CHOICE,
     .offset = offsetof(lode_sampled_options, denominator),
     .fallback = "all",
     .choices = denominators,
     .help =
         "all: the positive is in the denominator; negatives: it is not, as some papers print."},
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
