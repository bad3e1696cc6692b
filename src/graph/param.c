#include "graph/param.h"

#include <math.h>
#include <string.h>

#include "base/dictionary.h"
#include "base/random.h"
#include "graph/packed.h"
#include "graph/store.h"

size_t lode__real_size(lode_precision precision) {
    return precision == LODE_F64 ? sizeof(double) : sizeof(float);
}

size_t lode__stored_size(lode_precision precision) {
    return precision == LODE_BF16 ? sizeof(lode_bf16) : lode__real_size(precision);
}

double lode__real_get(lode_precision precision, const void *array, size_t index) {
    switch (precision) {
    case LODE_F32:
        return (double)((const float *)array)[index];
    case LODE_BF16:
        return (double)lode__bf16_widen(((const lode_bf16 *)array)[index]);
    case LODE_F64:
        break;
    }
    return ((const double *)array)[index];
}

void lode__real_set(lode_precision precision, void *array, size_t index, double value) {
    switch (precision) {
    case LODE_F32:
        ((float *)array)[index] = (float)value;
        break;
    case LODE_BF16:
        ((lode_bf16 *)array)[index] = lode__bf16_narrow((float)value);
        break;
    case LODE_F64:
        ((double *)array)[index] = value;
        break;
    }
}

lode_status lode__params_new(lode_params **out, lode_precision precision, lode_error *error) {
    assert(precision != LODE_BF16);
    lode_params *params = lode__alloc(1, sizeof *params);
    if (params == NULL) return lode__fail_memory(error);
    params->precision = precision;
    params->version = 1;
    if (pthread_mutex_init(&params->lock, NULL) != 0) {
        lode__free(params);
        return lode__fail_memory(error);
    }
    *out = params;
    return LODE_OK;
}

static void param_release(lode_param *param, lode_precision precision) {
    const size_t elements = param->rows * param->columns;
    const size_t size = lode__real_size(precision);
    lode__huge_free(param->value, elements, size);
    lode__huge_free(param->gradient, elements, size);
    lode__huge_free(param->first, elements, size);
    lode__huge_free(param->second, elements, size);
    lode__packed_release(param);
    if (param->store != NULL) lode__store_release(param->store);
}

void lode__params_free(lode_params **params) {
    if (*params == NULL) return;
    for (size_t i = 0; i < (*params)->count; i++) {
        if ((*params)->borrowed != NULL && (*params)->borrowed[i]) continue;
        if ((*params)->borrowed != NULL) (*params)->list[i]->value = NULL; // part of the block
        param_release((*params)->list[i], (*params)->precision);
    }
    lode__huge_free((*params)->block, (*params)->block_count, lode__real_size((*params)->precision));
    lode__free((*params)->list);
    lode__arena_release(&(*params)->arena);
    (void)pthread_mutex_destroy(&(*params)->lock);
    lode__free(*params);
    *params = NULL;
}

static lode_param *declare(lode_params *params, const char *name, size_t rows, size_t columns) {
    lode_param *param = lode__arena_alloc(&params->arena, 1, sizeof *param);
    if (lode__param_find(params, name) != NULL) {
        params->twice = lode__arena_strdup(&params->arena, name);
        params->failed = true;
        return NULL;
    }
    if (param == NULL || !lode__grow((void **)&params->list, &params->capacity, params->count + 1,
                                     sizeof *params->list)) {
        params->failed = true;
        return NULL;
    }
    param->name = lode__arena_strdup(&params->arena, name);
    if (param->name == NULL) params->failed = true;
    param->set = params;
    param->rows = rows;
    param->columns = columns;
    params->list[params->count++] = param;
    return param;
}

size_t lode__param_dense(lode_params *params, const char *name, size_t rows, size_t columns,
                         lode_init init, double scale) {
    lode_param *param = declare(params, name, rows, columns);
    if (param == NULL) return 0;
    param->init = init;
    param->scale = scale;
    return params->count - 1;
}

size_t lode__param_table(lode_params *params, const char *name, size_t rows, size_t columns,
                         lode_init init, double scale) {
    const size_t number = lode__param_dense(params, name, rows, columns, init, scale);
    if (params->failed) return number;
    lode_param *param = params->list[number];
    param->store = lode__arena_alloc(&params->arena, 1, sizeof *param->store);
    if (param->store == NULL) {
        params->failed = true;
    } else {
        param->store->param = param;
    }
    return number;
}

/// Element by element from a stream a row, so that a table's row does not depend on how many rows there are.
static void initialise(lode_param *param, lode_precision precision, uint64_t seed) {
    const uint64_t key = lode__hash(param->name, strlen(param->name), seed);
    const double bound = param->scale * sqrt(6.0 / (double)(param->rows + param->columns));
    for (size_t row = 0; row < param->rows; row++) {
        lode_random random =
            lode__random(key, LODE_PURPOSE_INIT, (uint32_t)(row >> 32), (uint32_t)row);
        for (size_t column = 0; column < param->columns; column++) {
            double value = 0.0;
            switch (param->init) {
            case LODE_INIT_ZERO:
                break;
            case LODE_INIT_ONE:
                value = 1.0;
                break;
            case LODE_INIT_NORMAL:
                value = param->scale * lode__random_normal(&random);
                break;
            case LODE_INIT_XAVIER:
                value = bound * (2.0 * lode__random_real(&random) - 1.0);
                break;
            }
            lode__real_set(precision, param->value, row * param->columns + column, value);
        }
    }
}

lode_status lode__params_finish(lode_params *params, uint64_t seed, lode_error *error) {
    if (params->twice != NULL) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "two parameters of the model are called %s: rename the column of that name",
            params->twice);
    }
    if (params->failed) return lode__fail_memory(error);
    const size_t size = lode__real_size(params->precision);
    for (size_t i = 0; i < params->count; i++) {
        lode_param *param = params->list[i];
        size_t elements;
        if (!lode__size_mul(param->rows, param->columns, &elements) ||
            (param->value = lode__huge_alloc(elements, size)) == NULL) {
            return lode__fail(error, LODE_E_MEMORY, "no memory for parameter %s of %zu x %zu",
                              param->name, param->rows, param->columns);
        }
        initialise(param, params->precision, seed);
    }
    return LODE_OK;
}

lode_status lode__params_trainable(lode_params *params, lode_error *error) {
    const size_t size = lode__real_size(params->precision);
    for (size_t i = 0; i < params->count; i++) {
        lode_param *param = params->list[i];
        const size_t elements = param->rows * param->columns;
        param->first = lode__huge_alloc(elements, size);
        param->second = lode__huge_alloc(elements, size);
        if (param->store == NULL) param->gradient = lode__huge_alloc(elements, size);
        if (param->first == NULL || param->second == NULL ||
            (param->store == NULL && param->gradient == NULL)) {
            return lode__fail(error, LODE_E_MEMORY, "no memory to train parameter %s of %zu x %zu",
                              param->name, param->rows, param->columns);
        }
    }
    params->trainable = true;
    return LODE_OK;
}

lode_param *lode__param(const lode_params *params, size_t number) {
    if (params->asked != NULL) params->asked[number] = true;
    return params->list[number];
}

lode_param *lode__param_find(const lode_params *params, const char *name) {
    for (size_t i = 0; i < params->count; i++) {
        if (params->list[i]->name != NULL && strcmp(params->list[i]->name, name) == 0) {
            return params->list[i];
        }
    }
    return NULL;
}

lode_status lode__params_clone(lode_params **out, const lode_params *params,
                               lode_precision precision, lode_error *error) {
    lode_params *copy = NULL;
    LODE_TRY(lode__params_new(&copy, precision, error));
    for (size_t i = 0; i < params->count; i++) {
        const lode_param *param = params->list[i];
        if (param->store != NULL) {
            (void)lode__param_table(copy, param->name, param->rows, param->columns, LODE_INIT_ZERO,
                                    0);
        } else {
            (void)lode__param_dense(copy, param->name, param->rows, param->columns, LODE_INIT_ZERO,
                                    0);
        }
    }
    const lode_status status = lode__params_finish(copy, 0, error);
    if (status != LODE_OK) {
        lode__params_free(&copy);
        return status;
    }
    lode__params_copy(copy, params);
    *out = copy;
    return LODE_OK;
}

void lode__params_copy(lode_params *to, const lode_params *from) {
    to->version++;
    for (size_t i = 0; i < from->count; i++) {
        const size_t elements = from->list[i]->rows * from->list[i]->columns;
        if (to->precision == from->precision) {
            memcpy(to->list[i]->value, from->list[i]->value,
                   elements * lode__real_size(to->precision));
            continue;
        }
        for (size_t e = 0; e < elements; e++) {
            lode__real_set(to->precision, to->list[i]->value, e,
                           lode__real_get(from->precision, from->list[i]->value, e));
        }
    }
}

size_t lode__params_bytes(const lode_params *params, size_t *state_bytes) {
    const size_t size = lode__real_size(params->precision);
    size_t values = 0, state = 0;
    for (size_t i = 0; i < params->count; i++) {
        const size_t bytes = params->list[i]->rows * params->list[i]->columns * size;
        values += bytes;
        state += (params->list[i]->store == NULL ? 3 : 2) * bytes;
    }
    if (state_bytes != NULL) *state_bytes = params->trainable ? state : 0;
    return values;
}
