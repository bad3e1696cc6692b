/// Reference attention of one packed sequence, head by head.
///
/// Forward, for query t: s_u = scale * q_t . k_u over the visible positions u, p = softmax(s),
/// output_t = sum over u of p_u v_u, lse_t = log(sum of exp(s_u)).
/// Backward, with p recomputed from lse and g_u = d_output_t . v_u: the gradient at s_u is
/// p_u * (g_u - sum over w of p_w g_w), and from there on to q, k and v by the product rule.
#include "kernel/ref/ref.h"

#include <tgmath.h>

static real dot(size_t n, const real *x, const real *y) {
    real sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i] * y[i];
    }
    return sum;
}

static void add_scaled(size_t n, real scale, const real *x, real *y) {
    for (size_t i = 0; i < n; i++) {
        y[i] += scale * x[i];
    }
}

static void clear(size_t n, real *x) {
    for (size_t i = 0; i < n; i++) {
        x[i] = 0;
    }
}

static void attend(const lode_attention *args, size_t head, size_t t) {
    const size_t width = args->width, stride = args->stride, column = head * width;
    const size_t visible = args->causal ? t + 1 : args->length;
    const real scale = 1 / sqrt((real)width);
    real *probability = args->scratch;
    real *output = args->output + t * args->output_stride + column;
    real top = (real)-INFINITY;
    for (size_t u = 0; u < visible; u++) {
        probability[u] =
            scale * dot(width, args->query + t * stride + column, args->key + u * stride + column);
        top = probability[u] > top ? probability[u] : top;
    }
    real sum = 0;
    for (size_t u = 0; u < visible; u++) {
        probability[u] = exp(probability[u] - top);
        sum += probability[u];
    }
    clear(width, output);
    for (size_t u = 0; u < visible; u++) {
        add_scaled(width, probability[u] / sum, args->value + u * stride + column, output);
    }
    args->lse[head * args->length + t] = top + log(sum);
}

void LODE_REAL(lode__ref_attention)(const lode_attention *args) {
    for (size_t head = 0; head < args->heads; head++) {
        for (size_t t = 0; t < args->length; t++) {
            attend(args, head, t);
        }
    }
}

static void attend_backward(const lode_attention *args, size_t head, size_t t) {
    const size_t width = args->width, stride = args->stride, column = head * width;
    const size_t visible = args->causal ? t + 1 : args->length;
    const real scale = 1 / sqrt((real)width);
    const real lse = args->lse[head * args->length + t];
    const real *query = args->query + t * stride + column;
    const real *d_output = args->d_output + t * args->output_stride + column;
    real *probability = args->scratch, *d_probability = args->scratch + args->length;
    real mean = 0;
    for (size_t u = 0; u < visible; u++) {
        const size_t at = u * stride + column;
        probability[u] = exp(scale * dot(width, query, args->key + at) - lse);
        d_probability[u] = dot(width, d_output, args->value + at);
        mean += probability[u] * d_probability[u];
    }
    for (size_t u = 0; u < visible; u++) {
        const size_t at = u * stride + column;
        const real d_score = scale * probability[u] * (d_probability[u] - mean);
        add_scaled(width, d_score, args->key + at, args->d_query + t * stride + column);
        add_scaled(width, d_score, query, args->d_key + at);
        add_scaled(width, probability[u], d_output, args->d_value + at);
    }
}

void LODE_REAL(lode__ref_attention_backward)(const lode_attention *args) {
    for (size_t t = 0; t < args->length; t++) {
        clear(args->heads * args->width, args->d_query + t * args->stride);
        clear(args->heads * args->width, args->d_key + t * args->stride);
        clear(args->heads * args->width, args->d_value + t * args->stride);
    }
    for (size_t head = 0; head < args->heads; head++) {
        for (size_t t = 0; t < args->length; t++) {
            attend_backward(args, head, t);
        }
    }
}
