/// Reference attention of one packed sequence, head by head.
///
/// Forward, for query t: s_u = scale * q_t . k_u over the visible positions u, p = softmax(s),
/// output_t = sum over u of p_u v_u, lse_t = log(sum of exp(s_u)).
/// Backward, with p recomputed from lse and g_u = d_output_t . v_u: the gradient at s_u is
/// p_u * (g_u - sum over w of p_w g_w), and from there on to q, k and v by the product rule.
/// With dropout p_u is p_u m_u in output and in the gradient at v_u, and g_u is m_u g_u: m_u is 0 or keep_scale.
/// Scores and their gradients are held in `real`, and every element of a result is one sum.
#include "kernel/ref/ref.h"

#include <tgmath.h>

static real dot(size_t n, const stored *x, const stored *y) {
    real sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += widen(x[i]) * widen(y[i]);
    }
    return sum;
}

/// out[c] = sum over u of weight[u * weight_step] * x[u * x_step + c], from `begin` to `end`.
static void mix(size_t width, size_t begin, size_t end, const real *weight, size_t weight_step,
                const stored *x, size_t x_step, stored *out) {
    for (size_t c = 0; c < width; c++) {
        real sum = 0;
        for (size_t u = begin; u < end; u++) {
            sum += weight[u * weight_step] * widen(x[u * x_step + c]);
        }
        out[c] = narrow(sum);
    }
}

static size_t visible_to(const lode_attention *args, size_t t) {
    return args->causal ? t + 1 : args->length;
}

/// What dropout makes of the weight of query t and key u.
static real kept(const lode_attention *args, size_t head, size_t t, size_t u) {
    if (args->keep == NULL) return 1;
    const size_t block = lode__keep_block(args->length, args->causal, t / 32);
    const uint32_t *keep = args->keep + head * lode__keep_words(args->length, args->causal) + block;
    return keep[u] >> t % 32 & 1 ? args->keep_scale : 0;
}

static void attend(const lode_attention *args, size_t head, size_t t) {
    const size_t width = args->width, stride = args->stride, column = head * width;
    const size_t visible = visible_to(args, t);
    const real scale = 1 / sqrt((real)width);
    const stored *query = args->query + t * args->query_stride + column;
    real *probability = args->scratch;
    real top = (real)-INFINITY;
    for (size_t u = 0; u < visible; u++) {
        probability[u] = scale * dot(width, query, args->key + u * stride + column);
        top = probability[u] > top ? probability[u] : top;
    }
    real sum = 0;
    for (size_t u = 0; u < visible; u++) {
        probability[u] = exp(probability[u] - top);
        sum += probability[u];
    }
    for (size_t u = 0; u < visible; u++) {
        probability[u] = probability[u] / sum * kept(args, head, t, u);
    }
    mix(width, 0, visible, probability, 1, args->value + column, stride,
        args->output + t * args->output_stride + column);
    args->lse[head * args->length + t] = top + log(sum);
}

void LODE_REAL(lode__ref_attention)(const lode_attention *args) {
    for (size_t head = 0; head < args->heads; head++) {
        for (size_t t = 0; t < args->length; t++) {
            attend(args, head, t);
        }
    }
}

/// Probabilities of query t as its output has them, and the gradients at its scores.
static void score_backward(const lode_attention *args, size_t head, size_t t, real *probability,
                           real *d_score) {
    const size_t width = args->width, stride = args->stride, column = head * width;
    const size_t visible = visible_to(args, t);
    const real scale = 1 / sqrt((real)width);
    const real lse = args->lse[head * args->length + t];
    const stored *query = args->query + t * args->query_stride + column;
    const stored *d_output = args->d_output + t * args->output_stride + column;
    real mean = 0;
    for (size_t u = 0; u < visible; u++) {
        const size_t at = u * stride + column;
        probability[u] = exp(scale * dot(width, query, args->key + at) - lse);
        d_score[u] = dot(width, d_output, args->value + at) * kept(args, head, t, u);
        mean += probability[u] * d_score[u];
    }
    for (size_t u = 0; u < visible; u++) {
        d_score[u] = scale * probability[u] * (d_score[u] - mean);
        probability[u] *= kept(args, head, t, u);
    }
}

void LODE_REAL(lode__ref_attention_backward)(const lode_attention *args) {
    const size_t length = args->length, width = args->width, stride = args->stride;
    const size_t query_stride = args->query_stride;
    real *probability = args->scratch, *d_score = args->scratch + length * length;
    for (size_t head = 0; head < args->heads; head++) {
        const size_t column = head * width;
        for (size_t t = 0; t < length; t++) {
            score_backward(args, head, t, probability + t * length, d_score + t * length);
        }
        for (size_t t = 0; t < length; t++) {
            const size_t at = t * stride + column, from = args->causal ? t : 0; // who sees t
            mix(width, 0, visible_to(args, t), d_score + t * length, 1, args->key + column, stride,
                args->d_query + t * query_stride + column);
            mix(width, from, length, d_score + t, length, args->query + column, query_stride,
                args->d_key + at);
            mix(width, from, length, probability + t, length, args->d_output + column,
                args->output_stride, args->d_value + at);
        }
    }
}
