/// Fuzz target: any bytes as metrics.jsonl; what is accepted is drawn.
#include "train/describe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lode_arena arena = {0};
    lode_error error = {0};
    lode_text svg = {0};
    lode_run_state run = {.path = "run", .valid = "hit@10"};
    if (size > 1 << 16) return 0;
    run.described = size % 2 == 0;
    run.manifest.best_epoch = size % 7;
    lode_status status =
        lode__run_log_parse(&run.log, &arena, "metrics.jsonl", (const char *)data, size, &error);
    if (status == LODE_OK) status = lode__run_draw(&run, &svg, &error);
    (void)status;
    lode__text_release(&svg);
    lode__arena_release(&arena);
    return 0;
}
