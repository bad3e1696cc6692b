// Kernels over vectors and rows, in the alphabet of the including file (avx2.c, avx512.c).
//
// A loop runs over full vectors and then once over what is left, with the same body:
// LODE_EACH sets `left` to the constant LANES first, so that the masks fold away.

#include <math.h>

#define LODE_EACH(i, n, ...)                                                                       \
    do {                                                                                           \
        size_t i = 0;                                                                              \
        for (; i + LANES <= (n); i += LANES) {                                                     \
            const size_t left = LANES;                                                             \
            __VA_ARGS__                                                                            \
        }                                                                                          \
        if (i < (n)) {                                                                             \
            const size_t left = (n)-i;                                                             \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    } while (0)

/// The first `left` lanes of p; the others are 0.
LODE_INLINE vec v_get(const float *p, size_t left) {
    return left >= LANES ? v_load(p) : v_load_lanes(lanes_first(left), p);
}

LODE_INLINE void v_put(float *p, size_t left, vec x) {
    if (left >= LANES) {
        v_store(p, x);
    } else {
        v_store_lanes(lanes_first(left), p, x);
    }
}

/// x in the first `left` lanes, `other` in the rest.
LODE_INLINE vec v_keep(size_t left, vec x, vec other) {
    return left >= LANES ? x : v_select(lanes_first(left), x, other);
}

#include "kernel/x86/body_storage.h"

/// exp within 2 ulp, with denormal results, infinity above 88.72, NaN kept.
/// exp(x) = 2^n exp(r) with |r| <= ln(2)/2; exp(r) = 1 + r + r^2 q(r), q a minimax fit (error
/// 3e-9).
LODE_INLINE vec v_exp(vec x) {
    x = v_min(v_set(89.0f), v_max(v_set(-104.0f), x));
    const vec n = v_round(v_mul(x, v_set(1.44269504f)));
    vec r = v_fnma(n, v_set(0.693147182f), x);
    r = v_fnma(n, v_set(-1.90465421e-9f), r);
    vec q = v_set(0.00138145627f);
    q = v_fma(q, r, v_set(0.00836874451f));
    q = v_fma(q, r, v_set(0.0416683890f));
    q = v_fma(q, r, v_set(0.166665211f));
    q = v_fma(q, r, v_set(0.499999940f));
    return v_scale(v_add(v_fma(v_mul(q, r), r, r), v_set(1)), n);
}

/// tanh: an odd polynomial up to 0.625 (minimax, error 5e-9), 1 - 2 / (exp(2x) + 1) above.
LODE_INLINE vec v_tanh(vec x) {
    const vec size = v_absolute(x);
    const vec z = v_mul(x, x);
    vec q = v_set(-0.00570543855f);
    q = v_fma(q, z, v_set(0.0206395462f));
    q = v_fma(q, z, v_set(-0.0537398793f));
    q = v_fma(q, z, v_set(0.133314446f));
    q = v_fma(q, z, v_set(-0.333332807f));
    const vec small = v_fma(v_mul(q, z), x, x);
    const vec power = v_exp(v_add(size, size));
    const vec large = v_sub(v_set(1), v_div(v_set(2), v_add(power, v_set(1))));
    return v_select(v_at_most(size, v_set(0.625f)), small, v_signed(large, x));
}

LODE_TARGET static void widen(size_t n, const stored *x, float *y) {
    LODE_EACH(i, n, v_put(y + i, left, s_get(x + i, left)););
}

LODE_TARGET static void narrow(size_t n, const float *x, stored *y) {
    LODE_EACH(i, n, s_put(y + i, left, v_get(x + i, left)););
}

LODE_TARGET static void add(size_t n, const stored *x, stored *y) {
    LODE_EACH(i, n, s_put(y + i, left, v_add(s_get(y + i, left), s_get(x + i, left))););
}

LODE_TARGET static void add_wide(size_t n, const float *x, float *y) {
    LODE_EACH(i, n, v_put(y + i, left, v_add(v_get(y + i, left), v_get(x + i, left))););
}

LODE_TARGET static void scaled_sum(size_t n, float scale, const stored *x, const stored *z,
                                   stored *y) {
    const vec s = v_set(scale);
    if (z != NULL) {
        LODE_EACH(i, n, s_put(y + i, left, v_fma(s, s_get(x + i, left), s_get(z + i, left))););
    } else {
        LODE_EACH(i, n, s_put(y + i, left, v_mul(s, s_get(x + i, left))););
    }
}

LODE_TARGET static void scale_add(size_t n, float scale, const stored *x, float *y) {
    const vec s = v_set(scale);
    LODE_EACH(i, n, v_put(y + i, left, v_fma(s, s_get(x + i, left), v_get(y + i, left))););
}

LODE_TARGET static void multiply(size_t n, float scale, float *x) {
    const vec s = v_set(scale);
    LODE_EACH(i, n, v_put(x + i, left, v_mul(s, v_get(x + i, left))););
}

LODE_TARGET static float dot(size_t n, const stored *x, const stored *y) {
    vec s0 = v_set(0), s1 = s0, s2 = s0, s3 = s0;
    size_t at = 0;
    for (; at + 4 * LANES <= n; at += 4 * LANES) {
        s0 = v_fma(s_get(x + at, LANES), s_get(y + at, LANES), s0);
        s1 = v_fma(s_get(x + at + LANES, LANES), s_get(y + at + LANES, LANES), s1);
        s2 = v_fma(s_get(x + at + 2 * LANES, LANES), s_get(y + at + 2 * LANES, LANES), s2);
        s3 = v_fma(s_get(x + at + 3 * LANES, LANES), s_get(y + at + 3 * LANES, LANES), s3);
    }
    LODE_EACH(i, n - at, s0 = v_fma(s_get(x + at + i, left), s_get(y + at + i, left), s0););
    return v_sum(v_add(v_add(s0, s1), v_add(s2, s3)));
}

LODE_TARGET static float maximum(size_t n, const float *x) {
    const vec lowest = v_set(-INFINITY);
    vec top0 = lowest, top1 = lowest;
    size_t at = 0;
    for (; at + 2 * LANES <= n; at += 2 * LANES) {
        const vec x0 = v_load(x + at), x1 = v_load(x + at + LANES);
        top0 = v_max(x0, top0);
        top1 = v_max(x1, top1);
        if (v_has_nan(x0) || v_has_nan(x1)) return NAN;
    }
    LODE_EACH(i, n - at, {
        const vec here = v_get(x + at + i, left);
        if (v_has_nan(here)) return NAN;
        top0 = v_max(v_keep(left, here, lowest), top0);
    });
    return v_largest(v_max(top0, top1));
}

LODE_TARGET static float exp_sum(size_t n, float shift, float *x) {
    const vec s = v_set(shift);
    vec sum = v_set(0);
    LODE_EACH(i, n, {
        const vec e = v_exp(v_sub(v_get(x + i, left), s));
        v_put(x + i, left, e);
        sum = v_add(sum, v_keep(left, e, v_set(0)));
    });
    return v_sum(sum);
}

LODE_TARGET static void activation_backward(size_t n, lode_activation activation, const stored *y,
                                            stored *d) {
    const vec zero = v_set(0), one = v_set(1);
    if (activation == LODE_RELU) {
        LODE_EACH(i, n, {
            const lanes off = v_at_most(s_get(y + i, left), zero);
            s_put(d + i, left, v_select(off, zero, s_get(d + i, left)));
        });
    } else if (activation == LODE_TANH) {
        LODE_EACH(i, n, {
            const vec t = s_get(y + i, left);
            s_put(d + i, left, v_mul(s_get(d + i, left), v_fnma(t, t, one)));
        });
    }
}

LODE_INLINE vec within_ten(vec x) {
    return v_min(v_set(10), v_max(v_set(-10), x)); // NaN stays NaN
}

/// e^(-2 t) of gelu, for x within -10 .. 10: at most e^88, which is finite.
LODE_INLINE vec gelu_power(vec x) {
    const vec odd = v_mul(x, v_fma(v_mul(x, x), v_set(0.044715f), v_set(1)));
    return v_exp(v_mul(v_set(-1.59576912f), odd));
}

LODE_TARGET static void gelu(size_t n, const stored *x, stored *y) {
    const vec one = v_set(1);
    LODE_EACH(i, n, {
        const vec z = s_get(x + i, left);
        s_put(y + i, left, v_div(z, v_add(one, gelu_power(within_ten(z)))));
    });
}

LODE_TARGET static void gelu_backward(size_t n, const stored *x, stored *d) {
    const vec one = v_set(1);
    LODE_EACH(i, n, {
        const vec z = within_ten(s_get(x + i, left)), power = gelu_power(z);
        const vec share = v_div(one, v_add(one, power)), other = v_mul(power, share);
        const vec rise = v_fma(v_mul(z, z), v_set(0.21406141f), v_set(1.59576912f));
        const vec slope = v_fma(v_mul(v_mul(z, share), other), rise, share);
        s_put(d + i, left, v_mul(s_get(d + i, left), slope));
    });
}

/// Up to four vectors of columns. Rows are summed in groups of 128, the groups' sums then added up:
/// the rounding error grows with the number of groups, not of rows.
LODE_INLINE void column_sum_block(size_t rows, size_t vectors, size_t left, const stored *x,
                                  size_t row, float *out) {
    const stored *end = x + rows * row;
    vec total[4];
    for (size_t v = 0; v < vectors; v++) {
        total[v] = v_set(0);
    }
    while (x < end) {
        const size_t count = LODE_MIN(rows, 128);
        vec sum[4];
        for (size_t v = 0; v < vectors; v++) {
            sum[v] = v_set(0);
        }
        for (size_t i = 0; i < count; i++, x += row) {
            for (size_t v = 0; v < vectors; v++) {
                const size_t here = v + 1 < vectors ? LANES : left;
                sum[v] = v_add(sum[v], s_get(x + v * LANES, here));
            }
        }
        for (size_t v = 0; v < vectors; v++) {
            total[v] = v_add(total[v], sum[v]);
        }
        rows -= count;
    }
    for (size_t v = 0; v < vectors; v++) {
        const size_t here = v + 1 < vectors ? LANES : left;
        v_put(out + v * LANES, here, v_add(v_get(out + v * LANES, here), total[v]));
    }
}

LODE_TARGET static void column_sum(size_t rows, size_t n, const stored *x, size_t row, float *out) {
    size_t j = 0;
    for (; j + 4 * LANES <= n; j += 4 * LANES) {
        column_sum_block(rows, 4, LANES, x + j, row, out + j);
    }
    LODE_EACH(i, n - j, column_sum_block(rows, 1, left, x + j + i, row, out + j + i););
}

/// The body for each of up to four rows that are worked on side by side, so that one row's sums across lanes do not
/// wait for another's. `rows` is constant.
#define EACH_ROW(rows, ...)                                                                        \
    do {                                                                                           \
        {                                                                                          \
            enum { r = 0 };                                                                        \
            __VA_ARGS__                                                                            \
        }                                                                                          \
        if ((rows) < 4) break;                                                                     \
        {                                                                                          \
            enum { r = 1 };                                                                        \
            __VA_ARGS__                                                                            \
        }                                                                                          \
        {                                                                                          \
            enum { r = 2 };                                                                        \
            __VA_ARGS__                                                                            \
        }                                                                                          \
        {                                                                                          \
            enum { r = 3 };                                                                        \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    } while (0)

enum { NORM_ROWS = 4 };

/// x + residual of one row (0 past its end).
LODE_INLINE vec summed(const struct LODE_K(lode_layer_norm_rows) * args, size_t row, size_t i,
                       size_t left) {
    const size_t at = row * args->n + i;
    const vec s = s_get(args->x + at, left);
    return args->residual != NULL ? v_add(s, s_get(args->residual + at, left)) : s;
}

/// Rows row .. row + rows - 1; rows is 1 or NORM_ROWS.
LODE_INLINE void norm_rows(const struct LODE_K(lode_layer_norm_rows) * args, size_t row, size_t rows) {
    const size_t n = args->n;
    float *statistics = args->statistics + 2 * row;
    vec sum[NORM_ROWS], squares[NORM_ROWS], mean[NORM_ROWS], scale[NORM_ROWS];
    EACH_ROW(rows, sum[r] = squares[r] = v_set(0););
    LODE_EACH(i, n, EACH_ROW(rows, sum[r] = v_add(sum[r], summed(args, row + r, i, left));););
    EACH_ROW(rows, {
        statistics[2 * r] = v_sum(sum[r]) / (float)n;
        mean[r] = v_set(statistics[2 * r]);
    });
    LODE_EACH(i, n, EACH_ROW(rows, {
                  const vec off = v_sub(summed(args, row + r, i, left), mean[r]);
                  const vec kept = v_keep(left, off, v_set(0));
                  squares[r] = v_fma(kept, kept, squares[r]);
              }););
    EACH_ROW(rows, {
        statistics[2 * r + 1] = 1 / sqrtf(v_sum(squares[r]) / (float)n + args->epsilon);
        scale[r] = v_set(statistics[2 * r + 1]);
    });
    LODE_EACH(i, n, {
        const vec gain = v_get(args->gain + i, left);
        const vec bias = v_get(args->bias + i, left);
        EACH_ROW(rows, {
            const vec z = v_mul(v_sub(summed(args, row + r, i, left), mean[r]), scale[r]);
            s_put(args->y + (row + r) * n + i, left, v_fma(z, gain, bias));
        });
    });
}

LODE_TARGET static void layer_norm(const struct LODE_K(lode_layer_norm_rows) * args) {
    size_t row = 0;
    for (; row + NORM_ROWS <= args->rows; row += NORM_ROWS)
        norm_rows(args, row, NORM_ROWS);
    for (; row < args->rows; row++)
        norm_rows(args, row, 1);
}

LODE_INLINE void receive(stored *to, bool add, size_t at, size_t left, vec ds) {
    if (to != NULL) s_put(to + at, left, add ? v_add(s_get(to + at, left), ds) : ds);
}

/// As norm_rows. Normalised values past a row's end are anything finite and meet a gradient of 0.
LODE_INLINE void norm_rows_backward(const struct LODE_K(lode_layer_norm_rows) * args, size_t row,
                                    size_t rows) {
    const size_t n = args->n;
    const float *statistics = args->statistics + 2 * row;
    const stored *dy = args->dy + row * n;
    vec sum[NORM_ROWS], product[NORM_ROWS], mean[NORM_ROWS], scale[NORM_ROWS];
    EACH_ROW(rows, {
        sum[r] = product[r] = v_set(0);
        mean[r] = v_set(statistics[2 * r]);
        scale[r] = v_set(statistics[2 * r + 1]);
    });
    LODE_EACH(i, n, {
        const vec gain = v_get(args->gain + i, left);
        vec d_gain = v_get(args->d_gain + i, left);
        vec d_bias = v_get(args->d_bias + i, left);
        EACH_ROW(rows, {
            const vec d = s_get(dy + r * n + i, left);
            const vec z = v_mul(v_sub(summed(args, row + r, i, left), mean[r]), scale[r]);
            const vec g = v_mul(d, gain);
            sum[r] = v_add(sum[r], g);
            product[r] = v_fma(g, z, product[r]);
            d_gain = v_fma(d, z, d_gain);
            d_bias = v_add(d, d_bias);
        });
        v_put(args->d_gain + i, left, d_gain);
        v_put(args->d_bias + i, left, d_bias);
    });
    EACH_ROW(rows, {
        sum[r] = v_set(v_sum(sum[r]) / (float)n);
        product[r] = v_set(v_sum(product[r]) / (float)n);
    });
    LODE_EACH(i, n, {
        const vec gain = v_get(args->gain + i, left);
        EACH_ROW(rows, {
            const vec z = v_mul(v_sub(summed(args, row + r, i, left), mean[r]), scale[r]);
            const vec g = v_mul(s_get(dy + r * n + i, left), gain);
            const vec ds = v_mul(scale[r], v_fnma(z, product[r], v_sub(g, sum[r])));
            receive(args->d_x, args->add_x, (row + r) * n + i, left, ds);
            receive(args->d_residual, args->add_residual, (row + r) * n + i, left, ds);
        });
    });
}

LODE_TARGET static void layer_norm_backward(const struct LODE_K(lode_layer_norm_rows) * args) {
    size_t row = 0;
    for (; row + NORM_ROWS <= args->rows; row += NORM_ROWS)
        norm_rows_backward(args, row, NORM_ROWS);
    for (; row < args->rows; row++)
        norm_rows_backward(args, row, 1);
}

/// Rows ahead that a gather asks the cache for.
enum { GATHER_AHEAD = 8 };

LODE_INLINE void gather_block(size_t n, size_t vectors, size_t left, size_t count,
                              const int32_t *ids, const float *table, float scale, stored *out) {
    vec sum[4];
    for (size_t v = 0; v < vectors; v++) {
        sum[v] = v_set(0);
    }
    for (size_t i = 0; i < count; i++) {
        if (i + GATHER_AHEAD < count) {
            const char *next = (const char *)(table + (size_t)ids[i + GATHER_AHEAD] * n);
            for (size_t at = 0; at < vectors * LANES * sizeof *table; at += 64) {
                __builtin_prefetch(next + at);
            }
        }
        const float *row = table + (size_t)ids[i] * n;
        for (size_t v = 0; v < vectors; v++) {
            sum[v] = v_add(sum[v], v_get(row + v * LANES, v + 1 < vectors ? LANES : left));
        }
    }
    for (size_t v = 0; v < vectors; v++) {
        const size_t here = v + 1 < vectors ? LANES : left;
        s_put(out + v * LANES, here, v_mul(sum[v], v_set(scale)));
    }
}

LODE_TARGET static void gather_sum(size_t n, size_t count, const int32_t *ids, const float *table,
                                   float scale, stored *out) {
    size_t j = 0;
    for (; j + 4 * LANES <= n; j += 4 * LANES) {
        gather_block(n, 4, LANES, count, ids, table + j, scale, out + j);
    }
    LODE_EACH(i, n - j, gather_block(n, 1, left, count, ids, table + j + i, scale, out + j + i););
}

LODE_TARGET static void adam(size_t n, const struct LODE_K(lode_adam) * args, float *value,
                             float *first, float *second, const float *gradient) {
    const vec keep1 = v_set(args->beta1), take1 = v_set(1 - args->beta1);
    const vec keep2 = v_set(args->beta2), take2 = v_set(1 - args->beta2);
    const vec epsilon = v_set(args->epsilon), decay = v_set(args->decay);
    const vec step = v_set(args->rate / args->correction1);
    const vec shrink = v_set(1 / sqrtf(args->correction2));
    LODE_EACH(i, n, {
        const vec x = v_get(value + i, left);
        const vec g = v_fma(decay, x, v_get(gradient + i, left));
        const vec m = v_fma(keep1, v_get(first + i, left), v_mul(take1, g));
        const vec v = v_fma(keep2, v_get(second + i, left), v_mul(v_mul(take2, g), g));
        const vec deviation = v_fma(v_sqrt(v), shrink, epsilon);
        v_put(first + i, left, m);
        v_put(second + i, left, v);
        v_put(value + i, left, v_sub(x, v_div(v_mul(step, m), deviation)));
    });
}

LODE_TARGET static size_t above(size_t n, const float *x, float threshold, uint32_t *index) {
    const vec limit = v_set(threshold);
    size_t count = 0, i = 0;
    for (; i + LANES <= n; i += LANES) {
        const uint32_t bits = v_above_bits(v_load(x + i), limit);
        if (bits == 0) continue;
        v_put_indices(index + count, (uint32_t)i, bits); // count <= i: room for a whole vector
        count += (size_t)__builtin_popcount(bits);
    }
    for (; i < n; i++) {
        if (x[i] > threshold) index[count++] = (uint32_t)i;
    }
    return count;
}
