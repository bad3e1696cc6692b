/// Every allocation of a training with CLRec's objectives fails once: queues, key encoders with graphs of their own, heads'
/// scores, weights of inverse propensity, a whole catalogue of keys.
#include "../check.h"
#include "alloc_fail.h"
#include "train/trainer.h"

#define SAMPLE "tests/compat/format-1/"

/// Up to the second step, whose queues are full, and what it takes of memory.
static lode_status train(void *cookie, lode_error *error) {
    lode_config config;
    lode_trainer *trainer = NULL;
    lode_status status = lode__config_load(&config, cookie, "oom.yaml", NULL, 0, error);
    const lode_phase phase = {SAMPLE "shop.lode", "/nowhere", 2, false};
    if (status == LODE_OK) status = lode__trainer_new(&trainer, &config, &phase, NULL, error);
    for (int step = 0; step < 2 && status == LODE_OK; step++) {
        double loss;
        status = lode__trainer_step(trainer, &loss, error);
        if (status == LODE_OK) assert_true(isfinite(loss));
    }
    if (status == LODE_OK) assert_true(lode__trainer_memory(trainer).graphs > 0);
    if (status != LODE_OK) assert_null(trainer);
    lode__trainer_free(&trainer);
    lode__config_release(&config);
    return status;
}

#define MODEL                                                                                      \
    "data: {history: 3}\n"                                                                         \
    "fields: {user: []}\n"                                                                         \
    "model:\n"                                                                                     \
    "  dim: 2\n"                                                                                   \
    "  user: {tower: wha, heads: 2, feed_forward: 2}\n"                                            \
    "  item: {tower: mlp, layers: [2]}\n"                                                          \
    "train: {epochs: 1, batch: 16, threads: 1}\n"                                                  \
    "objectives:\n"

static void test_contrast(void **state) {
    (void)state;
    static char config[] =
        MODEL "  - {type: clrec.contrast}\n"
              "  - {type: clrec.contrast, buffer: inter, capacity: 20, mask: user_items}\n"
              "  - {type: clrec.contrast, buffer: moco, capacity: 20, momentum: 0.5}\n";
    alloc_sweep(train, config, 150);
}

static void test_user(void **state) {
    (void)state;
    static char config[] =
        MODEL "  - {type: clrec.user, next: 2, capacity: 20}\n"
              "  - {type: clrec.user, next: 2, capacity: 20, store: attention, mask: none}\n";
    alloc_sweep(train, config, 150);
}

static void test_full(void **state) {
    (void)state;
    static char config[] = MODEL "  - {type: full_softmax, mask: user_items}\n"
                                 "  - {type: clrec.ipw, clip: 2}\n";
    alloc_sweep(train, config, 150);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contrast),
        cmocka_unit_test(test_user),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
