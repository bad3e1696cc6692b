#include "eval/progress.h"

#include <math.h>

lode_status lode__eval_progress(const lode_hooks *hooks, const lode_progress *progress,
                                double seconds, lode_error *error) {
    if (!hooks || !hooks->progress) {
        return LODE_OK;
    }
    lode_progress copy = *progress;
    copy.rate = seconds > 0 ? (double)copy.done / seconds : 0;
    copy.loss = (double)NAN;
    if (hooks->progress(hooks->cookie, &copy) != 0) {
        return lode__fail(error, LODE_E_STOPPED, "%s stopped on request after %llu of %llu %s",
                          copy.task, (unsigned long long)copy.done, (unsigned long long)copy.total,
                          copy.unit);
    }
    return LODE_OK;
}
