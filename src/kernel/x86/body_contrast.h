// Contrastive losses in the alphabet of the including file: logits of a tile to weights while they are in the level 1
// cache, and sums over gathered rows.

/// e^x for x <= 0, to a relative error of 2e-7; 0 below -87; NaN kept. x above 88 is not allowed.
/// The fit of v_exp; cheaper by what is cut off. Adding 1.5 * 2^23 leaves n, of e^x = 2^n e^r, in the low bits, from
/// where it is added to the exponent.
LODE_INLINE vec v_weight(vec x) {
    const vec magic = v_set(12582912.0f);
    const vec t = v_fma(x, v_set(1.44269504f), magic);
    const vec n = v_sub(t, magic);
    vec r = v_fnma(n, v_set(0.693147182f), x);
    r = v_fnma(n, v_set(-1.90465421e-9f), r);
    vec q = v_set(0.00138145627f);
    q = v_fma(q, r, v_set(0.00836874451f));
    q = v_fma(q, r, v_set(0.0416683890f));
    q = v_fma(q, r, v_set(0.166665211f));
    q = v_fma(q, r, v_set(0.499999940f));
    q = v_fma(q, r, v_set(1));
    q = v_fma(q, r, v_set(1));
    return v_unless_below(x, v_set(-87), v_power(q, t));
}

/// log(1 + e) for 0 <= e <= 1, to a relative error of 2e-7: e times a polynomial of degree eight (minimax).
LODE_INLINE vec v_log1p(vec e) {
    vec p = v_set(0.005232694f);
    p = v_fma(p, e, v_set(-0.02950524f));
    p = v_fma(p, e, v_set(0.078225955f));
    p = v_fma(p, e, v_set(-0.13663246f));
    p = v_fma(p, e, v_set(0.19106007f));
    p = v_fma(p, e, v_set(-0.24842982f));
    p = v_fma(p, e, v_set(0.33319098f));
    p = v_fma(p, e, v_set(-0.49999493f));
    p = v_fma(p, e, v_set(0.99999994f));
    return v_mul(p, e);
}

/// Row i of a tile, with what its logits need.
typedef struct tile_line {
    const float *z;
    float *wide;               // where weights go: z, or
    stored *out;               // elsewhere
    const float *column_shift; // or NULL
    vec scale, shift;
} tile_line;

LODE_INLINE tile_line line_of(const struct LODE_K(lode_contrast_tile) * t, size_t i) {
    const size_t at = i * t->z_row;
    return (tile_line){t->z + at,
                       t->stored == NULL ? t->z + at : NULL,
                       t->stored != NULL ? t->stored + at : NULL,
                       t->column_shift,
                       v_set(t->scale),
                       v_set(t->row_shift != NULL ? t->row_shift[i] : 0)};
}

LODE_INLINE void put_weight(const tile_line *line, size_t j, size_t left, vec weight) {
    if (line->wide != NULL) {
        v_put(line->wide + j, left, weight);
    } else {
        s_put(line->out + j, left, weight);
    }
}

LODE_INLINE vec line_logit(const tile_line *line, size_t j, size_t left, const bool shifted) {
    const vec z = v_get(line->z + j, left);
    if (!shifted) return v_fms(line->scale, z, line->shift);
    return v_fms(line->scale, z, v_add(line->shift, v_get(line->column_shift + j, left)));
}

LODE_INLINE void softmax_line(const struct LODE_K(lode_contrast_tile) * t, size_t i,
                              const bool shifted) {
    const tile_line line = line_of(t, i);
    const vec lowest = v_set(-INFINITY);
    vec top0 = lowest, top1 = lowest;
    size_t at = 0;
    for (; at + 2 * LANES <= t->columns; at += 2 * LANES) {
        top0 = v_max(line_logit(&line, at, LANES, shifted), top0);
        top1 = v_max(line_logit(&line, at + LANES, LANES, shifted), top1);
    }
    LODE_EACH(j, t->columns - at, {
        const vec x = line_logit(&line, at + j, left, shifted);
        top0 = v_max(v_keep(left, x, lowest), top0);
    });
    top0 = v_max(top1, top0);
    t->kept[i] = 1;
    if (v_above_bits(top0, v_set(t->top[i])) != 0) { // seldom after the first tiles
        const float top = v_largest(top0);
        t->kept[i] = t->top[i] == -INFINITY ? 0 : expf(t->top[i] - top);
        t->sum[i] *= t->kept[i];
        t->top[i] = top;
    }
    const vec highest = v_set(t->top[i] == -INFINITY ? 0 : t->top[i]);
    vec sum = v_set(0);
    LODE_EACH(j, t->columns, {
        const vec e = v_weight(v_sub(line_logit(&line, j, left, shifted), highest));
        put_weight(&line, j, left, e);
        sum = v_add(sum, v_keep(left, e, v_set(0)));
    });
    t->sum[i] += v_sum(sum);
}

LODE_TARGET static void contrast_softmax(const struct LODE_K(lode_contrast_tile) * args) {
    for (size_t i = 0; i < args->rows; i++) {
        if (args->column_shift != NULL) {
            softmax_line(args, i, true);
        } else {
            softmax_line(args, i, false);
        }
    }
}

LODE_INLINE void exp_line(const struct LODE_K(lode_contrast_tile) * t, size_t i, const bool shifted) {
    const tile_line line = line_of(t, i);
    LODE_EACH(j, t->columns, {
        const vec x = line_logit(&line, j, left, shifted);
        put_weight(&line, j, left, v_weight(v_min(v_set(0), x)));
    });
}

LODE_TARGET static void contrast_exp(const struct LODE_K(lode_contrast_tile) * args) {
    for (size_t i = 0; i < args->rows; i++) {
        if (args->column_shift != NULL) {
            exp_line(args, i, true);
        } else {
            exp_line(args, i, false);
        }
    }
}

LODE_INLINE void logistic_line(const struct LODE_K(lode_contrast_tile) * t, size_t i,
                               const bool shifted, const bool sums) {
    const tile_line line = line_of(t, i);
    const vec zero = v_set(0), one = v_set(1);
    vec sum = zero, loss = zero;
    LODE_EACH(j, t->columns, {
        const vec x = line_logit(&line, j, left, shifted);
        const vec e = v_weight(v_sub(zero, v_absolute(x)));
        const vec far = v_div(one, v_add(one, e)); // of |x|
        const vec weight = v_select(v_at_most(zero, x), far, v_mul(e, far));
        vec factor = one;
        if (t->column_factor != NULL) factor = v_get(t->column_factor + j, left);
        if (sums) {
            const vec pushed = v_mul(factor, v_add(v_max(x, zero), v_log1p(e)));
            sum = v_add(sum, v_keep(left, weight, zero));
            loss = v_add(loss, v_keep(left, pushed, zero));
        }
        put_weight(&line, j, left, v_mul(factor, weight));
    });
    if (sums && t->sum != NULL) t->sum[i] += v_sum(sum);
    if (sums && t->loss != NULL) t->loss[i] += v_sum(loss);
}

LODE_TARGET static void contrast_logistic(const struct LODE_K(lode_contrast_tile) * args) {
    const bool sums = args->sum != NULL || args->loss != NULL;
    for (size_t i = 0; i < args->rows; i++) {
        if (args->column_shift != NULL) {
            if (sums) {
                logistic_line(args, i, true, true);
            } else {
                logistic_line(args, i, true, false);
            }
        } else if (sums) {
            logistic_line(args, i, false, true);
        } else {
            logistic_line(args, i, false, false);
        }
    }
}

/// Ask the cache for the row that comes GATHER_AHEAD entries later.
LODE_INLINE void fetch_row(const stored *table, size_t n, const int32_t *ids, size_t at, size_t end) {
    if (at + GATHER_AHEAD >= end) return;
    const char *row = (const char *)(table + (size_t)ids[at + GATHER_AHEAD] * n);
    for (size_t byte = 0; byte < n * sizeof *table; byte += 64)
        __builtin_prefetch(row + byte);
}

LODE_TARGET static void gather_dot(size_t rows, size_t width, size_t n, const stored *x,
                                   const int32_t *ids, const stored *table, float *out) {
    size_t at = 0;
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < width; j++, at++) {
            fetch_row(table, n, ids, at, rows * width);
            out[at] = dot(n, x + i * n, table + (size_t)ids[at] * n);
        }
    }
}

/// Columns `column` .. of one row: up to four vectors of them.
LODE_INLINE void weighted_block(const struct LODE_K(lode_weighted_sum) * args, size_t row,
                                size_t first, size_t last, size_t end, size_t column,
                                const size_t vectors, size_t left) {
    const size_t n = args->n, at = row * n + column;
    vec sum[4];
    for (size_t v = 0; v < vectors; v++)
        sum[v] = v_set(0);
    for (size_t e = first; e < last; e++) {
        if (column == 0) fetch_row(args->table, n, args->ids, e, end);
        const stored *from = args->table + (size_t)args->ids[e] * n + column;
        const vec weight = v_set(args->weights[e]);
        for (size_t v = 0; v < vectors; v++) {
            const size_t here = v + 1 < vectors ? LANES : left;
            sum[v] = v_fma(weight, s_get(from + v * LANES, here), sum[v]);
        }
    }
    for (size_t v = 0; v < vectors; v++) {
        const size_t here = v + 1 < vectors ? LANES : left, to = at + v * LANES;
        vec value = v_mul(sum[v], v_set(args->scale));
        if (args->wide != NULL) {
            if (args->add) value = v_add(v_get(args->wide + to, here), value);
            v_put(args->wide + to, here, value);
        } else {
            if (args->add) value = v_add(s_get(args->out + to, here), value);
            s_put(args->out + to, here, value);
        }
    }
}

LODE_TARGET static void weighted_sum(const struct LODE_K(lode_weighted_sum) * args) {
    const size_t n = args->n;
    const size_t end =
        args->starts != NULL ? (size_t)args->starts[args->rows] : args->rows * args->width;
    for (size_t i = 0; i < args->rows; i++) {
        const size_t first = args->starts != NULL ? (size_t)args->starts[i] : i * args->width;
        const size_t last = args->starts != NULL ? (size_t)args->starts[i + 1] : first + args->width;
        size_t j = 0;
        for (; j + 4 * LANES <= n; j += 4 * LANES)
            weighted_block(args, i, first, last, end, j, 4, LANES);
        LODE_EACH(k, n - j, weighted_block(args, i, first, last, end, j + k, 1, left););
    }
}
