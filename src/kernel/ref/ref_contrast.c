/// Reference kernels of the contrastive losses: logits of a tile to weights, and sums over gathered rows.
#include "kernel/ref/ref.h"

#include <tgmath.h>

static real logit(const lode_contrast_tile *args, size_t i, size_t j) {
    real x = args->scale * args->z[i * args->z_row + j];
    if (args->row_shift != NULL) x -= args->row_shift[i];
    if (args->column_shift != NULL) x -= args->column_shift[j];
    return x;
}

static void put(const lode_contrast_tile *args, size_t i, size_t j, real weight) {
    if (args->stored != NULL) {
        args->stored[i * args->z_row + j] = narrow(weight);
    } else {
        args->z[i * args->z_row + j] = weight;
    }
}

void LODE_REAL(lode__ref_contrast_softmax)(const lode_contrast_tile *args) {
    for (size_t i = 0; i < args->rows; i++) {
        real top = args->top[i];
        for (size_t j = 0; j < args->columns; j++) {
            const real x = logit(args, i, j);
            top = x > top ? x : top;
        }
        args->kept[i] = top > args->top[i] ? exp(args->top[i] - top) : 1;
        args->sum[i] *= args->kept[i];
        args->top[i] = top;
        const real shift = top == (real)-INFINITY ? 0 : top;
        for (size_t j = 0; j < args->columns; j++) {
            const real weight = exp(logit(args, i, j) - shift);
            args->sum[i] += weight;
            put(args, i, j, weight);
        }
    }
}

void LODE_REAL(lode__ref_contrast_exp)(const lode_contrast_tile *args) {
    for (size_t i = 0; i < args->rows; i++) {
        for (size_t j = 0; j < args->columns; j++) {
            const real x = logit(args, i, j);
            put(args, i, j, x > 0 ? 1 : exp(x));
        }
    }
}

void LODE_REAL(lode__ref_contrast_logistic)(const lode_contrast_tile *args) {
    for (size_t i = 0; i < args->rows; i++) {
        for (size_t j = 0; j < args->columns; j++) {
            const real x = logit(args, i, j);
            const real weight = 1 / (1 + exp(-x));
            if (args->sum != NULL) args->sum[i] += weight;
            if (args->loss != NULL) args->loss[i] += (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
            put(args, i, j, args->column_factor != NULL ? weight * args->column_factor[j] : weight);
        }
    }
}

void LODE_REAL(lode__ref_gather_dot)(size_t rows, size_t width, size_t n, const stored *x,
                                     const int32_t *ids, const stored *table, real *out) {
    for (size_t at = 0; at < rows * width; at++) {
        const stored *row = x + at / width * n, *other = table + (size_t)ids[at] * n;
        real sum = 0;
        for (size_t c = 0; c < n; c++) {
            sum += widen(row[c]) * widen(other[c]);
        }
        out[at] = sum;
    }
}

void LODE_REAL(lode__ref_weighted_sum)(const lode_weighted_sum *args) {
    const size_t n = args->n;
    for (size_t i = 0; i < args->rows; i++) {
        const size_t first = args->starts != NULL ? (size_t)args->starts[i] : i * args->width;
        const size_t last = args->starts != NULL ? (size_t)args->starts[i + 1] : first + args->width;
        for (size_t c = 0; c < n; c++) {
            real sum = 0;
            for (size_t e = first; e < last; e++) {
                sum += args->weights[e] * widen(args->table[(size_t)args->ids[e] * n + c]);
            }
            sum *= args->scale;
            if (args->wide != NULL) {
                args->wide[i * n + c] = args->add ? args->wide[i * n + c] + sum : sum;
            } else {
                args->out[i * n + c] =
                    args->add ? narrow(widen(args->out[i * n + c]) + sum) : narrow(sum);
            }
        }
    }
}
