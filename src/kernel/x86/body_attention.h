// Attention of one short sequence in the alphabet of the including file.
//
// Head by head with the tiles of body_product.h. The score matrix [length, length] lies in scratch:
// keys are transposed, a panel of them at a time, into a small buffer on the stack, so that a row
// of scores is a row of an ordinary product. Then rows become probabilities, and the rest are
// ordinary products again: output = P V; backward dP = dO V', dQ = dS K, dK = dS' Q, dV = P' dO.
// With `causal` the tiles skip what lies above the diagonal, and the part of P inside a tile that
// does is filled with 0.

enum {
    CHUNK = 64, // columns of a head that are transposed at a time
    SHORT = 4   // vectors of a row of scores that softmax keeps in registers
};

/// scores[t * length + u] = x_t . y_u for visible u; x and y are columns of one head.
LODE_TARGET static void score(const struct lode_attention_f32 *args, const float *x,
                              size_t x_stride, const float *y, float *scores) {
    const size_t length = args->length, width = args->width;
    float panel[CHUNK * PANEL];
    for (size_t u = 0; u < length; u += PANEL) {
        for (size_t column = 0; column < width; column += CHUNK) {
            tile_task task = {.k = LODE_MIN(width - column, (size_t)CHUNK),
                              .n = LODE_MIN(length - u, (size_t)PANEL),
                              .a_step = x_stride,
                              .b = panel,
                              .b_row = PANEL,
                              .c_row = length,
                              .accumulate = column > 0};
            pack_columns(task.k, task.n, y + u * args->stride + column, args->stride, task.n, panel);
            for (size_t t = args->causal ? u : 0; t < length;) {
                const size_t rows = tile_rows(length - t);
                task.a = x + t * x_stride + column;
                task.c = scores + t * length + u;
                tile_run(&task, rows, true);
                t += rows;
            }
        }
    }
}

/// out_t = sum over u of weight(t, u) x_u, where weight(t, u) is weights[t * length + u] or,
/// transposed, weights[u * length + t].
LODE_TARGET static void mix(const struct lode_attention_f32 *args, const float *weights,
                            bool transposed, const float *x, size_t x_stride, float *out,
                            size_t out_stride) {
    const size_t length = args->length, width = args->width;
    for (size_t t = 0; t < length;) {
        const size_t rows = tile_rows(length - t);
        const size_t from = args->causal && transposed ? t : 0;
        const size_t to = args->causal && !transposed ? t + rows : length;
        tile_task task = {.k = to - from, .a_step = length, .b_row = x_stride, .c_row = out_stride};
        task.a = transposed ? weights + from * length + t : weights + t * length + from;
        for (size_t column = 0; column < width; column += PANEL) {
            task.n = LODE_MIN(width - column, (size_t)PANEL);
            task.b = x + from * x_stride + column;
            task.c = out + t * out_stride + column;
            tile_run(&task, rows, !transposed);
        }
        t += rows;
    }
}

/// Scores of one row to exp(scale * score - shift) with shift = the largest scaled one: what
/// softmax has above the fraction bar. Positions from `visible` on become 0.
LODE_INLINE void soften_long(size_t length, size_t visible, float scale, float *row, float *shift,
                             float *sum) {
    const vec lowest = v_set(-INFINITY), factor = v_set(scale), zero = v_set(0);
    vec top = lowest, total = zero;
    LODE_EACH(i, visible, top = v_max(v_keep(left, v_get(row + i, left), lowest), top););
    *shift = scale * v_largest(top);
    const vec s = v_set(*shift);
    LODE_EACH(i, visible, {
        const vec e = v_exp(v_sub(v_mul(v_get(row + i, left), factor), s));
        v_put(row + i, left, e);
        total = v_add(total, v_keep(left, e, zero));
    });
    *sum = v_sum(total);
    LODE_EACH(i, length - visible, v_put(row + visible + i, left, zero););
}

/// The same for rows of at most `vectors` vectors, which stay in registers in between.
LODE_INLINE void soften_short(size_t length, size_t visible, float scale, float *row, float *shift,
                              float *sum, const size_t vectors) {
    const vec lowest = v_set(-INFINITY), factor = v_set(scale), zero = v_set(0);
    const size_t last = (vectors - 1) * LANES;
    vec x[SHORT], top = lowest, total = zero;
    for (size_t v = 0; v < vectors; v++) {
        const size_t seen = visible > v * LANES ? visible - v * LANES : 0;
        x[v] = v_get(row + v * LANES, v * LANES < last ? LANES : length - last);
        x[v] = v_keep(seen, x[v], lowest);
        top = v_max(x[v], top);
    }
    *shift = scale * v_largest(top);
    const vec s = v_set(*shift);
    for (size_t v = 0; v < vectors; v++) {
        const size_t seen = visible > v * LANES ? visible - v * LANES : 0;
        x[v] = v_keep(seen, v_exp(v_sub(v_mul(x[v], factor), s)), zero);
        total = v_add(total, x[v]);
        v_put(row + v * LANES, v * LANES < last ? LANES : length - last, x[v]);
    }
    *sum = v_sum(total);
}

LODE_TARGET static void soften(size_t length, bool causal, float scale, float *scores, float *shift,
                               float *sum) {
    const size_t vectors = (length + LANES - 1) / LANES;
    for (size_t t = 0; t < length; t++) {
        const size_t visible = causal ? t + 1 : length;
        float *row = scores + t * length;
        if (vectors == 1) {
            soften_short(length, visible, scale, row, &shift[t], &sum[t], 1);
        } else if (vectors == 2) {
            soften_short(length, visible, scale, row, &shift[t], &sum[t], 2);
        } else if (vectors <= SHORT) {
            soften_short(length, visible, scale, row, &shift[t], &sum[t], vectors);
        } else {
            soften_long(length, visible, scale, row, &shift[t], &sum[t]);
        }
    }
}

LODE_TARGET static void attention(const struct lode_attention_f32 *args) {
    const size_t length = args->length, stride = args->stride;
    const float scale = 1 / sqrtf((float)args->width);
    float *scores = args->scratch;
    float *shift = scores + length * length, *sum = shift + length;
    for (size_t head = 0; head < args->heads; head++) {
        const size_t column = head * args->width;
        float *output = args->output + column;
        score(args, args->query + column, stride, args->key + column, scores);
        soften(length, args->causal, scale, scores, shift, sum);
        mix(args, scores, false, args->value + column, stride, output, args->output_stride);
        for (size_t t = 0; t < length; t++) {
            args->lse[t * args->heads + head] = shift[t] + logf(sum[t]);
            multiply(args->width, 1 / sum[t], output + t * args->output_stride);
        }
    }
}

/// One row: probabilities from scores and lse, and the gradient of the scores from theirs; in
/// place.
LODE_INLINE void soften_backward(size_t length, size_t visible, float scale, float lse,
                                 float *probability, float *d) {
    const vec factor = v_set(scale), shift = v_set(lse), zero = v_set(0);
    vec sum = zero;
    LODE_EACH(i, visible, {
        const vec scaled = v_mul(v_get(probability + i, left), factor);
        const vec p = v_keep(left, v_exp(v_sub(scaled, shift)), zero);
        v_put(probability + i, left, p);
        sum = v_fma(p, v_get(d + i, left), sum);
    });
    const vec mean = v_set(v_sum(sum));
    LODE_EACH(i, visible, {
        const vec p = v_mul(v_get(probability + i, left), factor);
        v_put(d + i, left, v_mul(p, v_sub(v_get(d + i, left), mean)));
    });
    LODE_EACH(i, length - visible, {
        v_put(probability + visible + i, left, zero);
        v_put(d + visible + i, left, zero);
    });
}

LODE_TARGET static void attention_backward(const struct lode_attention_f32 *args) {
    const size_t length = args->length, stride = args->stride, output = args->output_stride;
    const float scale = 1 / sqrtf((float)args->width);
    float *probability = args->scratch;
    float *d_score = args->scratch + length * length;
    for (size_t head = 0; head < args->heads; head++) {
        const size_t column = head * args->width;
        const float *d_output = args->d_output + column;
        score(args, args->query + column, stride, args->key + column, probability);
        score(args, d_output, output, args->value + column, d_score);
        for (size_t t = 0; t < length; t++) {
            const size_t visible = args->causal ? t + 1 : length;
            soften_backward(length, visible, scale, args->lse[t * args->heads + head],
                            probability + t * length, d_score + t * length);
        }
        mix(args, d_score, false, args->key + column, stride, args->d_query + column, stride);
        mix(args, d_score, true, args->query + column, stride, args->d_key + column, stride);
        mix(args, probability, true, d_output, output, args->d_value + column, stride);
    }
}
