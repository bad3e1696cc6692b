/// A second set of weights over the tables of a first, for momentum encoders (CLRec Eq. 5, He et al. 2020).
#include "graph/param.h"

#include <string.h>

static lode_status allocate(lode_params *shadow, lode_error *error) {
    const size_t size = lode__real_size(shadow->precision);
    size_t at = 0;
    for (size_t i = 0; i < shadow->count; i++)
        if (!shadow->borrowed[i])
            shadow->block_count += shadow->list[i]->rows * shadow->list[i]->columns;
    if (shadow->block_count == 0) return LODE_OK;
    shadow->block = lode__huge_alloc(shadow->block_count, size);
    if (shadow->block == NULL) return lode__fail_memory(error);
    for (size_t i = 0; i < shadow->count; i++) {
        lode_param *param = shadow->list[i];
        if (shadow->borrowed[i]) continue;
        const size_t elements = param->rows * param->columns;
        void *value = (char *)shadow->block + at * size;
        memcpy(value, param->value, elements * size);
        param->value = value;
        at += elements;
    }
    return LODE_OK;
}

lode_status lode__params_shadow(lode_params **out, const lode_params *params, const bool *own,
                                lode_error *error) {
    lode_params *shadow = NULL;
    LODE_TRY(lode__params_new(&shadow, params->precision, error));
    lode_status status = LODE_OK;
    shadow->borrowed = lode__arena_alloc(&shadow->arena, params->count, sizeof *shadow->borrowed);
    if (shadow->borrowed == NULL ||
        !lode__grow((void **)&shadow->list, &shadow->capacity, params->count, sizeof *shadow->list))
        status = lode__fail_memory(error);
    for (size_t i = 0; i < params->count && status == LODE_OK; i++) {
        const bool copied = own != NULL && own[i] && params->list[i]->store == NULL;
        shadow->borrowed[i] = true;
        shadow->list[shadow->count++] = params->list[i];
        if (!copied) continue;
        lode_param *param = lode__arena_alloc(&shadow->arena, 1, sizeof *param);
        if (param == NULL) {
            status = lode__fail_memory(error);
            break;
        }
        const lode_param *from = params->list[i];
        *param = (lode_param){.name = from->name,
                              .set = shadow,
                              .rows = from->rows,
                              .columns = from->columns,
                              .value = from->value};
        shadow->list[i] = param;
        shadow->borrowed[i] = false;
    }
    if (status == LODE_OK) status = allocate(shadow, error);
    if (status != LODE_OK) {
        lode__params_free(&shadow);
    } else {
        *out = shadow;
    }
    return status;
}

static void follow_f32(float *slow, const float *fast, size_t elements, double momentum) {
    for (size_t e = 0; e < elements; e++)
        slow[e] = (float)(momentum * (double)slow[e] + (1 - momentum) * (double)fast[e]);
}

static void follow_f64(double *slow, const double *fast, size_t elements, double momentum) {
    for (size_t e = 0; e < elements; e++)
        slow[e] = momentum * slow[e] + (1 - momentum) * fast[e];
}

void lode__params_follow(lode_params *shadow, const lode_params *params, double momentum) {
    shadow->version++;
    for (size_t i = 0; i < shadow->count; i++) {
        if (shadow->borrowed[i]) continue;
        const lode_param *from = params->list[i];
        const size_t elements = from->rows * from->columns;
        if (shadow->precision == LODE_F64) {
            follow_f64(shadow->list[i]->value, from->value, elements, momentum);
        } else {
            follow_f32(shadow->list[i]->value, from->value, elements, momentum);
        }
    }
}
