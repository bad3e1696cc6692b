/// The line of an epoch in metrics.jsonl (docs/formats.md): losses, validation, what objectives have to say.
#include <math.h>

#include "train/trainer.h"

/// What objectives say of the epoch: a list with an entry each, when one of them says anything.
static void log_figures(const lode_trainer *trainer, lode_text *line) {
    enum { MOST = 8 };
    bool any = false;
    for (size_t i = 0; i < trainer->objective_count; i++)
        any = any || trainer->objectives[i].type->figures != NULL;
    for (size_t i = 0; i < trainer->objective_count && any; i++) {
        const lode_objective *objective = &trainer->objectives[i];
        lode_figure figures[MOST];
        const size_t count = objective->type->figures == NULL
                                 ? 0
                                 : objective->type->figures(objective->state, figures, MOST);
        lode__text_printf(line, "%s{\"type\": \"%s\"", i == 0 ? ", \"objectives\": [" : ", ",
                          objective->type->name);
        for (size_t f = 0; f < count; f++)
            lode__text_printf(line, ", \"%s\": %.9g", figures[f].name, figures[f].value);
        lode__text_add(line, "}");
    }
    if (any) lode__text_add(line, "]");
}

/// Mean of each objective's own loss, where there are several: by type, numbered where a type stands more than once.
static void log_losses(const lode_trainer *trainer, lode_text *line) {
    for (size_t i = 0; i < trainer->objective_count && trainer->objective_count > 1; i++) {
        const lode_objective_type *type = trainer->objectives[i].type;
        size_t number = 0, all = 0;
        for (size_t other = 0; other < trainer->objective_count; other++) {
            const bool same = trainer->objectives[other].type == type;
            all += same;
            number += same && other <= i;
        }
        lode__text_printf(line, "%s\"%s", i == 0 ? ", \"losses\": {" : ", ", type->name);
        if (all > 1) lode__text_printf(line, "#%zu", number);
        lode__text_printf(line, "\": %.9g", trainer->counters.own_sums[i] / (double)trainer->steps);
    }
    if (trainer->objective_count > 1) lode__text_add(line, "}");
}

lode_status lode__epoch_log(lode_trainer *trainer, lode_error *error) {
    lode_counters *counters = &trainer->counters;
    lode_text line = {0};
    lode__text_printf(&line, "{\"epoch\": %llu, \"steps\": %llu, \"loss\": %.9g",
                      (unsigned long long)counters->epoch, (unsigned long long)counters->global_step,
                      counters->loss_sum / (double)trainer->steps);
    log_losses(trainer, &line);
    if (!isnan(trainer->validation)) {
        lode__text_printf(&line, ", \"valid\": {\"%s\": %.9g}", trainer->config->eval.valid,
                          trainer->validation);
    }
    log_figures(trainer, &line);
    lode__text_add(&line, "}\n");
    const char *path = lode__path_join(&trainer->arena, trainer->run, LODE_METRICS_FILE);
    lode_status status = line.failed || path == NULL ? lode__fail_memory(error) : LODE_OK;
    if (status == LODE_OK) {
        status = lode__file_append(path, counters->log_bytes, line.data, line.length, error);
        counters->log_bytes += line.length;
    }
    lode__text_release(&line);
    return status;
}
