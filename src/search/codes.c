#include "search/codes.h"

#include <math.h>
#include <string.h>

/// Lengths up to here: no partial sum of a product of two such vectors overflows a float.
#define LONGEST 1e18

double lode__vector_norm(size_t dim, const float *x) {
    double sum[4] = {0};
    size_t d = 0;
    for (; d + 4 <= dim; d += 4)
        for (size_t i = 0; i < 4; i++)
            sum[i] += (double)x[d + i] * (double)x[d + i];
    for (; d < dim; d++)
        sum[0] += (double)x[d] * (double)x[d];
    return sqrt((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

static float largest_part(size_t dim, const float *x) {
    float largest = 0;
    for (size_t d = 0; d < dim; d++)
        largest = LODE_MAX(largest, fabsf(x[d]));
    return largest;
}

/// Nearest code; |x| <= about 127 scale.
static int code_of(float x, double inverse) {
    const double code = nearbyint((double)x * inverse);
    return (int)(code > 127 ? 127 : code < -127 ? -127 : code);
}

/// A little more than the square root of `sum`, as a float.
static float root_up(double sum) {
    return nextafterf((float)(sqrt(sum) * (1 + 1e-12)), INFINITY);
}

static void block_measure(size_t dim, const float *vectors, const uint32_t *ids, lode_block *block) {
    double norm = 0;
    float largest = 0;
    bool finite = true;
    for (uint32_t row = 0; row < block->rows; row++) {
        const float *x = vectors + (size_t)ids[row] * dim;
        const double length = lode__vector_norm(dim, x);
        finite = finite && length < LONGEST; // false for NaN
        norm = LODE_MAX(norm, length);
        largest = LODE_MAX(largest, largest_part(dim, x));
    }
    block->scale = finite ? largest / 127 : 0;
    block->slack = finite ? 0 : INFINITY;
    block->norm = finite ? root_up(norm * norm) : INFINITY;
}

void lode__codes_fill(size_t dim, const float *vectors, const uint32_t *ids, lode_block *block,
                      uint8_t *bytes) {
    const size_t groups = (dim + 3) / 4, word_bytes = groups * 4 * LODE_SCAN_WORD;
    block_measure(dim, vectors, ids, block);
    memset(bytes, 128, lode__codes_words(block->rows) * word_bytes);
    if (!(block->slack < INFINITY)) return;
    const double inverse = block->scale > 0 ? 1 / (double)block->scale : 0;
    double slack = 0;
    for (uint32_t row = 0; row < block->rows; row++) {
        const float *x = vectors + (size_t)ids[row] * dim;
        uint8_t *to = bytes + row / LODE_SCAN_WORD * word_bytes + row % LODE_SCAN_WORD * 4;
        double lost = 0;
        for (size_t d = 0; d < dim; d++) {
            const int code = code_of(x[d], inverse);
            const double rest = (double)x[d] - (double)block->scale * code;
            to[d / 4 * 4 * LODE_SCAN_WORD + d % 4] = (uint8_t)(code + 128);
            lost += rest * rest;
        }
        slack = LODE_MAX(slack, lost);
    }
    block->slack = root_up(slack);
}

void lode__query_code(size_t dim, const float *query, lode_coded_query *coded, int8_t *codes) {
    *coded = (lode_coded_query){.norm = lode__vector_norm(dim, query)};
    memset(codes, 0, (dim + 3) / 4 * 4);
    coded->plain = coded->norm < LONGEST;
    if (!coded->plain) return;
    coded->scale = (double)largest_part(dim, query) / 127;
    const double inverse = coded->scale > 0 ? 1 / coded->scale : 0;
    double lost = 0, square = 0;
    int64_t sum = 0;
    for (size_t d = 0; d < dim; d++) {
        const int code = code_of(query[d], inverse);
        const double kept = coded->scale * code, rest = (double)query[d] - kept;
        codes[d] = (int8_t)code;
        sum += code;
        lost += rest * rest;
        square += kept * kept;
    }
    coded->offset = 128.0 * (double)sum;
    coded->error = sqrt(lost) * (1 + 1e-12);
    coded->code_norm = sqrt(square) * (1 + 1e-12);
    coded->norm *= 1 + 1e-12;
}

/// By how much a float product of two vectors may differ from the exact one: each of dim multiply-adds rounds
/// (twice where they are not fused), by half a unit, or by half of the smallest number.
static double rounding(const lode_coded_query *query, size_t dim, double norm) {
    return (double)(dim + 1) * (0x1p-23 * query->norm * norm + 0x1p-148);
}

bool lode__query_hopeless(const lode_coded_query *query, size_t dim, double norm, double bar) {
    return query->plain && query->norm * norm + rounding(query, dim, norm) < bar;
}

int32_t lode__query_bar(const lode_coded_query *query, const lode_block *block, size_t dim,
                        double bar) {
    const double norm = (double)block->norm, unit = query->scale * (double)block->scale;
    const double bound =
        query->error * norm + query->code_norm * (double)block->slack + rounding(query, dim, norm);
    const double need = bar - bound;
    if (!query->plain || !(need > (double)-INFINITY)) return INT32_MIN;
    if (!(unit > 0)) return need <= 0 ? INT32_MIN : INT32_MAX; // all sums stand for 0
    const double sum =
        need / unit + query->offset - 2; // the cast below may round up, the quotient be a little off
    return sum <= (double)INT32_MIN   ? INT32_MIN
           : sum >= (double)INT32_MAX ? INT32_MAX
                                      : (int32_t)sum;
}
