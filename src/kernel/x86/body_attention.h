// Attention of one packed sequence in the alphabet of the including file.
//
// Head by head, and in a head block by block of up to PANEL queries. The scores of a block lie transposed
// in scratch, [keys, PANEL] with one query a lane: softmax over the keys then runs down the rows, with
// no sums across lanes, and whatever reads probabilities as the left operand of a product finds them by
// rows (dK, dV) or by columns (output, dQ) as the tiles of body_product.h take them. Only the queries of
// a block (backward: and the output's gradients) are transposed, into a panel.
//
//     forward    S' = K Q', P = softmax, output = P V / sum
//     backward   S' and G' = V dO' again, P from lse, D = sum of P G, dS = P (G - D);
//                dQ = dS K, dK += dS' Q, dV += P' dO
//
// With `causal` a block reads the keys up to its last query, and keys of its own second vector meet only the
// queries of that vector. What is left above the diagonal is filled with 0. exp is 2^x, its factor part of
// the scale. bfloat16 goes through the same code: a head is widened into scratch, and rounded once on its way back.
// Dropout is a pass of its own over the scores of a block, where there is any: over P forward; backward over G' in
// front of the softmax and over P behind it. A word of its bits has a row of queries.
// However large scores are: the largest one's exponent is exactly 0 forward and at most 0 backward.

enum { SHORT = 64 }; // lists up to this length are fetched ahead

/// 2^x within 2 ulp for x up to 126; at least 2^-125, so the caller masks what is to be 0. NaN is kept.
LODE_INLINE vec v_exp2(vec x) {
    x = v_max(v_set(-125.0f), x);
    const vec n = v_round(x);
    const vec r = v_sub(x, n);
    vec q = v_set(0.00132647145f);
    q = v_fma(q, r, v_set(0.00967151299f));
    q = v_fma(q, r, v_set(0.0555073395f));
    q = v_fma(q, r, v_set(0.240222424f));
    q = v_fma(q, r, v_set(0.693147004f));
    return v_scale_normal(v_fma(q, r, v_set(1)), n);
}

/// log of normal positive numbers; NaN is kept. With x = 2^n m, m in 1..2, and s = (m - 1) / (m + 1):
/// log x = n log 2 + 2 atanh s.
LODE_INLINE vec v_log(vec x) {
    const vec m = v_mantissa(x), one = v_set(1);
    const vec s = v_div(v_sub(m, one), v_add(m, one));
    const vec z = v_mul(s, s);
    vec q = v_set(0.121504717f);
    q = v_fma(q, z, v_set(0.107138284f));
    q = v_fma(q, z, v_set(0.143084422f));
    q = v_fma(q, z, v_set(0.199994385f));
    q = v_fma(q, z, v_set(0.333333373f));
    const vec twice = v_add(s, s);
    const vec small = v_fma(v_mul(q, z), twice, twice);
    return v_add(v_fma(v_exponent(x), v_set(0.693147181f), small), v_sub(x, x));
}

/// Queries first .. first + count - 1 of one head.
typedef struct query_block {
    const struct lode_attention_f32 *args;
    size_t column;       // of the head
    size_t first, count; // count <= PANEL
    size_t keys;         // that some query sees
    float scale;
    float *panel, *d_panel;   // [width, PANEL] queries and output gradients, transposed
    float *scores, *d_scores; // [keys, PANEL]
} query_block;

/// scores[u, t] = x_u . panel_t.
LODE_TARGET static void score(const query_block *part, const float *x, const float *panel,
                              float *scores) {
    const size_t stride = part->args->stride;
    const size_t half = part->args->causal && part->count > LANES ? part->first + LANES : part->keys;
    tile_task task = {.k = part->args->width,
                      .n = part->count > LANES ? PANEL : LANES,
                      .a_step = stride,
                      .b = panel,
                      .b_row = PANEL,
                      .c_row = PANEL};
    size_t u = 0;
    while (u < half) {
        const size_t rows = tile_rows(half - u);
        task.a = x + u * stride;
        task.c = scores + u * PANEL;
        tile_run(&task, rows, true);
        u += rows;
    }
    task.n = LANES;
    task.b = panel + LANES;
    while (u < part->keys) {
        const size_t rows = tile_rows(part->keys - u);
        task.a = x + u * stride;
        task.c = scores + u * PANEL + LANES;
        tile_run(&task, rows, true);
        u += rows;
    }
}

/// Of the keys, `open` are seen by all queries of vector `at`, and `seen` by at least one.
LODE_INLINE void visible(const query_block *part, size_t at, size_t *open, size_t *seen) {
    *open = *seen = part->keys;
    if (part->args->causal) {
        *open = part->first + at;
        *seen = LODE_MIN(part->keys, *open + LANES);
    }
}

LODE_INLINE void clear_rows(size_t from, size_t to, float *x) {
    for (size_t u = from; u < to; u++) {
        v_store(x + u * PANEL, v_set(0));
    }
}

/// Scores of one vector of queries to exp(scale * score - shift), shift the largest: what softmax has
/// above the fraction bar. Leaves 1 / sum of them in `inverse`.
LODE_INLINE void soften(const query_block *part, size_t at, float *inverse) {
    size_t open, seen;
    visible(part, at, &open, &seen);
    float *scores = part->scores + at;
    const vec lowest = v_set(-INFINITY), zero = v_set(0);
    const vec factor = v_set(part->scale * 1.44269504f);
    vec top = lowest, other = lowest, sum = zero;
    size_t u = 0;
    for (; u + 2 <= open; u += 2) {
        top = v_max(v_load(scores + u * PANEL), top);
        other = v_max(v_load(scores + (u + 1) * PANEL), other);
    }
    for (; u < open; u++) {
        top = v_max(v_load(scores + u * PANEL), top);
    }
    for (; u < seen; u++) {
        top = v_max(v_keep(u - open, lowest, v_load(scores + u * PANEL)), top);
    }
    top = v_max(top, other);
    const vec shift = v_mul(top, factor);
    for (u = 0; u < open; u++) {
        const vec e = v_exp2(v_sub(v_mul(v_load(scores + u * PANEL), factor), shift));
        v_store(scores + u * PANEL, e);
        sum = v_add(sum, e);
    }
    for (; u < seen; u++) {
        const vec e = v_exp2(v_sub(v_mul(v_load(scores + u * PANEL), factor), shift));
        const vec kept = v_keep(u - open, zero, e);
        v_store(scores + u * PANEL, kept);
        sum = v_add(sum, kept);
    }
    clear_rows(seen, part->keys, scores);
    const size_t left = part->count - at;
    float *lse = part->args->lse + part->column / part->args->width * part->args->length;
    v_put(lse + part->first + at, left, v_fma(top, v_set(part->scale), v_log(sum)));
    v_store(inverse + at, v_div(v_set(1), sum));
}

/// Dropout: weights of a vector of queries, or their gradients, become 0 or are scaled.
LODE_INLINE void drop_vector(const query_block *part, size_t at, float *x) {
    const struct lode_attention_f32 *args = part->args;
    const size_t head = part->column / args->width, query = part->first + at;
    const uint32_t *keep = args->keep + head * lode__keep_words(args->length, args->causal) +
                           lode__keep_block(args->length, args->causal, query / 32);
    const vec scale = v_set(args->keep_scale), zero = v_set(0);
    size_t open, seen;
    visible(part, at, &open, &seen);
    for (size_t u = 0; u < seen; u++) {
        const lanes kept = lanes_of(keep[u] >> query % 32);
        v_store(x + u * PANEL + at, v_select(kept, v_mul(scale, v_load(x + u * PANEL + at)), zero));
    }
}

LODE_TARGET static void drop(const query_block *part, float *x) {
    drop_vector(part, 0, x);
    if (part->count > LANES) drop_vector(part, LANES, x);
}

/// out_t = sum over the keys u of weights[u, t] x_u for the queries of the part.
LODE_TARGET static void mix(const query_block *part, const float *weights, const float *x,
                            float *out, size_t out_stride) {
    const size_t stride = part->args->stride, width = part->args->width;
    for (size_t t = 0; t < part->count;) {
        const size_t rows = tile_rows(part->count - t);
        tile_task task = {.a = weights + t, .a_step = PANEL, .b_row = stride, .c_row = out_stride};
        task.k = part->args->causal ? part->first + t + rows : part->keys;
        for (size_t column = 0; column < width; column += PANEL) {
            task.n = LODE_MIN(width - column, (size_t)PANEL);
            task.b = x + column;
            task.c = out + (part->first + t) * out_stride + column;
            tile_run(&task, rows, false);
        }
        t += rows;
    }
}

/// out_u (+)= sum over the block's queries t of weights[u, t] x_t for keys from .. to - 1; `add` where an
/// earlier block has been here.
LODE_TARGET static void spread(const query_block *part, const float *weights, const float *x,
                               size_t x_stride, float *out, size_t from, size_t to, bool add) {
    const size_t stride = part->args->stride, width = part->args->width;
    for (size_t u = from; u < to;) {
        const size_t rows = tile_rows(to - u);
        const size_t t = part->args->causal && u > part->first ? u - part->first : 0;
        tile_task task = {.k = part->count - t,
                          .a = weights + u * PANEL + t,
                          .a_step = PANEL,
                          .b_row = x_stride,
                          .c_row = stride,
                          .accumulate = add};
        for (size_t column = 0; column < width; column += PANEL) {
            task.n = LODE_MIN(width - column, (size_t)PANEL);
            task.b = x + (part->first + t) * x_stride + column;
            task.c = out + u * stride + column;
            tile_run(&task, rows, true);
        }
        u += rows;
    }
}

LODE_INLINE query_block block_of(const struct lode_attention_f32 *args, size_t head, size_t first) {
    const size_t count = LODE_MIN(args->length - first, (size_t)PANEL);
    float *panel = args->scratch, *d_panel = panel + args->width * PANEL;
    float *scores = d_panel + args->width * PANEL;
    return (query_block){.args = args,
                         .column = head * args->width,
                         .first = first,
                         .count = count,
                         .keys = args->causal ? first + count : args->length,
                         .scale = 1 / sqrtf((float)args->width),
                         .panel = panel,
                         .d_panel = d_panel,
                         .scores = scores,
                         .d_scores = scores + args->length * PANEL};
}

LODE_INLINE void transpose(const query_block *part, const float *x, size_t stride, float *panel) {
    pack_columns(part->args->width, part->count, x + part->first * stride + part->column, stride,
                 part->count > LANES ? PANEL : LANES, panel);
}

LODE_TARGET static void attend(const struct lode_attention_f32 *args, size_t head) {
    float inverse[PANEL];
    for (size_t first = 0; first < args->length; first += PANEL) {
        const query_block part = block_of(args, head, first);
        float *output = args->output + part.column;
        transpose(&part, args->query, args->query_stride, part.panel);
        score(&part, args->key + part.column, part.panel, part.scores);
        soften(&part, 0, inverse);
        if (part.count > LANES) soften(&part, LANES, inverse);
        if (args->keep != NULL) drop(&part, part.scores);
        mix(&part, part.scores, args->value + part.column, output, args->output_stride);
        for (size_t t = 0; t < part.count; t++) {
            multiply(args->width, inverse[t], output + (first + t) * args->output_stride);
        }
    }
}

/// One vector of queries: probabilities from scores and lse, and the gradient of the scores from
/// theirs; in place.
LODE_INLINE void soften_backward(const query_block *part, size_t at) {
    size_t open, seen;
    visible(part, at, &open, &seen);
    float *p = part->scores + at, *d = part->d_scores + at;
    const size_t left = part->count - at;
    const float *lse = part->args->lse + part->column / part->args->width * part->args->length;
    const vec factor = v_set(part->scale * 1.44269504f), zero = v_set(0);
    const vec shift = v_mul(v_get(lse + part->first + at, left), v_set(1.44269504f));
    vec sum = zero;
    size_t u = 0;
    for (; u < open; u++) {
        const vec e = v_exp2(v_min(zero, v_sub(v_mul(v_load(p + u * PANEL), factor), shift)));
        v_store(p + u * PANEL, e);
        sum = v_fma(e, v_load(d + u * PANEL), sum);
    }
    for (; u < seen; u++) {
        const vec e = v_exp2(v_min(zero, v_sub(v_mul(v_load(p + u * PANEL), factor), shift)));
        const vec kept = v_keep(u - open, zero, e);
        v_store(p + u * PANEL, kept);
        sum = v_fma(kept, v_load(d + u * PANEL), sum);
    }
    const vec scale = v_set(part->scale);
    for (u = 0; u < seen; u++) {
        const vec weight = v_mul(v_load(p + u * PANEL), scale);
        v_store(d + u * PANEL, v_mul(weight, v_sub(v_load(d + u * PANEL), sum)));
    }
    clear_rows(seen, part->keys, p);
    clear_rows(seen, part->keys, d);
}

LODE_TARGET static void block_backward(const query_block *part) {
    const struct lode_attention_f32 *args = part->args;
    const size_t column = part->column, stride = args->query_stride, output = args->output_stride;
    const float *query = args->query + column, *d_output = args->d_output + column;
    transpose(part, args->query, stride, part->panel);
    transpose(part, args->d_output, output, part->d_panel);
    score(part, args->key + column, part->panel, part->scores);
    score(part, args->value + column, part->d_panel, part->d_scores);
    if (args->keep != NULL) drop(part, part->d_scores);
    soften_backward(part, 0);
    if (part->count > LANES) soften_backward(part, LANES);
    if (args->keep != NULL) drop(part, part->scores);
    mix(part, part->d_scores, args->key + column, args->d_query + column, stride);
    // a causal block is the first to reach the keys of its own positions
    const size_t old = args->causal ? part->first : part->first > 0 ? part->keys : 0;
    float *d_key = args->d_key + column, *d_value = args->d_value + column;
    spread(part, part->d_scores, query, stride, d_key, 0, old, true);
    spread(part, part->d_scores, query, stride, d_key, old, part->keys, false);
    spread(part, part->scores, d_output, output, d_value, 0, old, true);
    spread(part, part->scores, d_output, output, d_value, old, part->keys, false);
}

LODE_TARGET static void attend_backward(const struct lode_attention_f32 *args, size_t head) {
    for (size_t first = 0; first < args->length; first += PANEL) {
        const query_block part = block_of(args, head, first);
        block_backward(&part);
    }
}

/// The lists of a batch follow each other in memory. While one is worked on, head by head and so across its rows,
/// ask for what lies behind it, a share a head: rows of `row` bytes, as many as the list has.
LODE_INLINE void ask_ahead(size_t length, size_t heads, size_t head, const void *x, size_t row) {
    const size_t bytes = length * row, share = bytes / heads + 64;
    const uintptr_t next = (uintptr_t)x + bytes;
    for (size_t at = head * share / 64 * 64; at < LODE_MIN(bytes, (head + 1) * share); at += 64) {
        __builtin_prefetch((const void *)(next + at), 0, 2);
    }
}

/// Whether `x` lies in the first row, of `row` bytes, of another array: query, key and value may lie side by side.
LODE_INLINE bool beside(const void *x, const void *other, size_t row) {
    return (uintptr_t)x - (uintptr_t)other < row;
}

LODE_INLINE void ask_inputs(const struct LODE_K(lode_attention) * args, size_t head) {
    const size_t length = args->length, heads = args->heads;
    const size_t row = args->query_stride * sizeof(stored);
    ask_ahead(length, heads, head, args->query, row);
    if (!beside(args->key, args->query, row))
        ask_ahead(length, heads, head, args->key, args->stride * sizeof(stored));
}

LODE_INLINE void ask_forward(const struct LODE_K(lode_attention) * args, size_t head) {
    if (args->length > SHORT) return;
    ask_inputs(args, head);
    ask_ahead(args->length, args->heads, head, args->output, args->output_stride * sizeof(stored));
}

LODE_INLINE void ask_backward(const struct LODE_K(lode_attention) * args, size_t head) {
    if (args->length > SHORT) return;
    const size_t length = args->length, heads = args->heads;
    const size_t row = args->query_stride * sizeof(stored);
    ask_inputs(args, head);
    ask_ahead(length, heads, head, args->d_output, args->output_stride * sizeof(stored));
    ask_ahead(length, heads, head, args->d_query, row);
    if (!beside(args->d_key, args->d_query, row))
        ask_ahead(length, heads, head, args->d_key, args->stride * sizeof(stored));
}

#ifdef LODE_STORED_BF16
/// One head in float, in scratch: query, key, value, what `fourth` is, and room for three more of their size.
LODE_TARGET static struct lode_attention_f32 widen_head(const struct lode_attention_b16 *args,
                                                        size_t head, const lode_bf16 *fourth) {
    const size_t length = args->length, width = args->width, size = length * width;
    const size_t column = head * width, words = lode__keep_words(length, args->causal);
    float *query = args->scratch, *key = query + size, *value = key + size, *last = value + size;
    widen_rows(length, width, args->query + column, args->query_stride, query);
    widen_rows(length, width, args->key + column, args->stride, key);
    widen_rows(length, width, args->value + column, args->stride, value);
    if (fourth != NULL) widen_rows(length, width, fourth + column, args->output_stride, last);
    return (struct lode_attention_f32){.length = length,
                                       .heads = 1,
                                       .width = width,
                                       .causal = args->causal,
                                       .query = query,
                                       .query_stride = width,
                                       .key = key,
                                       .value = value,
                                       .stride = width,
                                       .output = last,
                                       .output_stride = width,
                                       .lse = args->lse + head * length,
                                       .d_output = last,
                                       .d_query = last + size,
                                       .d_key = last + 2 * size,
                                       .d_value = last + 3 * size,
                                       .scratch = last + 4 * size,
                                       .keep = args->keep != NULL ? args->keep + head * words : NULL,
                                       .keep_scale = args->keep_scale};
}

LODE_INLINE void narrow_rows(size_t rows, size_t count, const float *from, lode_bf16 *to,
                             size_t to_row) {
    for (size_t i = 0; i < rows; i++)
        narrow(count, from + i * count, to + i * to_row);
}

LODE_TARGET static void attention(const struct lode_attention_b16 *args) {
    const size_t length = args->length, width = args->width, heads = args->heads;
    for (size_t head = 0; head < heads; head++) {
        ask_forward(args, head);
        const struct lode_attention_f32 wide = widen_head(args, head, NULL);
        attend(&wide, 0);
        narrow_rows(length, width, wide.output, args->output + head * width, args->output_stride);
    }
}

LODE_TARGET static void attention_backward(const struct lode_attention_b16 *args) {
    const size_t length = args->length, width = args->width, heads = args->heads;
    for (size_t head = 0; head < heads; head++) {
        const size_t column = head * width;
        ask_backward(args, head);
        const struct lode_attention_f32 wide = widen_head(args, head, args->d_output);
        attend_backward(&wide, 0);
        narrow_rows(length, width, wide.d_query, args->d_query + column, args->query_stride);
        narrow_rows(length, width, wide.d_key, args->d_key + column, args->stride);
        narrow_rows(length, width, wide.d_value, args->d_value + column, args->stride);
    }
}
#else
LODE_TARGET static void attention(const struct lode_attention_f32 *args) {
    for (size_t head = 0; head < args->heads; head++) {
        ask_forward(args, head);
        attend(args, head);
    }
}

LODE_TARGET static void attention_backward(const struct lode_attention_f32 *args) {
    for (size_t head = 0; head < args->heads; head++) {
        ask_backward(args, head);
        attend_backward(args, head);
    }
}
#endif
