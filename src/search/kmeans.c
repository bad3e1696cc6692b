// A cluster that lost all its vectors takes the place of half of the largest one: its centroid is put beside that
// one's, a little apart, and the next round shares the vectors out.
#include "search/kmeans.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <string.h>

enum { BATCH = 4096, TASK = 256 };

typedef struct lloyd {
    const lode_kmeans *task;
    lode_pool *pool;
    size_t sample, wide; ///< wide: dim + 1
    uint32_t *chosen;    ///< [sample] vectors
    float *augmented;    ///< [clusters, wide]
    float *queries;      ///< [BATCH, wide]
    float *scores;       ///< [BATCH]
    uint32_t *of;        ///< [sample] cluster
    uint32_t *starts;    ///< [clusters + 1]
    uint32_t *members;   ///< [sample] grouped by cluster
    float *centroids;
    const uint32_t *which; ///< the vectors being assigned, NULL = all
    size_t first, count;
    lode_arena arena;
} lloyd;

static lode_status make(lloyd *own, lode_error *error) {
    const lode_kmeans *task = own->task;
    lode_arena *arena = &own->arena;
    own->sample = LODE_MIN(LODE_MAX(task->sample, task->clusters), task->items);
    own->wide = task->dim + 1;
    own->chosen = lode__arena_alloc(arena, own->sample, sizeof *own->chosen);
    own->augmented = lode__arena_alloc(arena, task->clusters, own->wide * sizeof(float));
    own->queries = lode__arena_alloc(arena, BATCH, own->wide * sizeof(float));
    own->scores = lode__arena_alloc(arena, BATCH, sizeof(float));
    own->of = lode__arena_alloc(arena, own->sample, sizeof *own->of);
    own->starts = lode__arena_alloc(arena, task->clusters + 1, sizeof *own->starts);
    own->members = lode__arena_alloc(arena, own->sample, sizeof *own->members);
    if (!own->chosen || !own->augmented || !own->queries || !own->scores || !own->of ||
        !own->starts || !own->members)
        return lode__fail_memory(error);
    for (size_t i = 0; i < own->sample; i++)
        own->chosen[i] = (uint32_t)lode__permute(i, task->items, task->seed, LODE_PURPOSE_SAMPLE, 0);
    return LODE_OK;
}

static void augment_task(void *context, size_t number, size_t thread) {
    const lloyd *own = context;
    const size_t dim = own->task->dim, end = LODE_MIN(own->count, (number + 1) * TASK);
    (void)thread;
    for (size_t i = number * TASK; i < end; i++) {
        const size_t item = own->which ? own->which[own->first + i] : own->first + i;
        memcpy(own->queries + i * own->wide, own->task->vectors + item * dim, dim * sizeof(float));
        own->queries[i * own->wide + dim] = 1;
    }
}

/// The nearest centroid of `total` vectors.
static lode_status assign(lloyd *own, size_t total, uint32_t *out, lode_error *error) {
    const size_t dim = own->task->dim, clusters = own->task->clusters;
    for (size_t c = 0; c < clusters; c++) {
        const float *centroid = own->centroids + c * dim;
        double square = 0;
        for (size_t d = 0; d < dim; d++)
            square += (double)centroid[d] * (double)centroid[d];
        memcpy(own->augmented + c * own->wide, centroid, dim * sizeof(float));
        own->augmented[c * own->wide + dim] = (float)(-square / 2);
    }
    lode_index *index = NULL;
    lode_searcher *searcher = NULL;
    lode_status status;
    const lode_index_options options = {.kind = LODE_INDEX_SCAN, .borrow = true};
    LODE_GOTO(
        status,
        lode__index_build(&index, own->augmented, clusters, own->wide, &options, own->pool, error),
        done);
    LODE_GOTO(status, lode__searcher_new(&searcher, index, BATCH, 1, own->pool, error), done);
    for (own->first = 0; own->first < total; own->first += BATCH) {
        own->count = LODE_MIN(total - own->first, (size_t)BATCH);
        lode__pool_run(own->pool, (own->count + TASK - 1) / TASK, augment_task, own);
        lode__searcher_search(searcher, &(lode_search){.queries = own->queries,
                                                       .count = own->count,
                                                       .k = 1,
                                                       .ids = out + own->first,
                                                       .scores = own->scores});
    }
    for (size_t i = 0; i < total; i++)
        if (out[i] == LODE_NO_ITEM) out[i] = 0; // numbers that are not finite
done:
    lode__searcher_free(&searcher);
    lode__index_free(&index);
    return status;
}

static bool all_finite(const float *x, size_t dim) {
    for (size_t d = 0; d < dim; d++)
        if (!isfinite(x[d])) return false;
    return true;
}

static void centroid_task(void *context, size_t cluster, size_t thread) {
    const lloyd *own = context;
    const size_t dim = own->task->dim;
    float *centroid = own->centroids + cluster * dim;
    (void)thread;
    if (own->starts[cluster] == own->starts[cluster + 1]) return;
    for (size_t begin = 0; begin < dim; begin += 64) {
        const size_t n = LODE_MIN(dim - begin, (size_t)64);
        double sum[64] = {0};
        size_t count = 0;
        for (uint32_t at = own->starts[cluster]; at < own->starts[cluster + 1]; at++) {
            const float *x = own->task->vectors + (size_t)own->members[at] * dim;
            if (!all_finite(x, dim)) continue;
            for (size_t d = 0; d < n; d++)
                sum[d] += (double)x[begin + d];
            count++;
        }
        for (size_t d = 0; count > 0 && d < n; d++)
            centroid[begin + d] = (float)(sum[d] / (double)count);
    }
}

/// Empty clusters share with the largest one.
static void refill(lloyd *own) {
    const size_t dim = own->task->dim, clusters = own->task->clusters;
    uint32_t *size = own->of; // no longer needed in this round; sizes of the first `clusters` clusters
    for (size_t c = 0; c < clusters; c++)
        size[c] = own->starts[c + 1] - own->starts[c];
    for (size_t c = 0; c < clusters; c++) {
        if (size[c] > 0) continue;
        size_t largest = 0;
        for (size_t other = 1; other < clusters; other++)
            if (size[other] > size[largest]) largest = other;
        size[c] = size[largest] / 2;
        size[largest] -= size[c];
        for (size_t d = 0; d < dim; d++) {
            const float x = own->centroids[largest * dim + d];
            const float step = d % 2 ? 1 + 0x1p-10f : 1 - 0x1p-10f;
            own->centroids[c * dim + d] = x * step;
            own->centroids[largest * dim + d] = x / step;
        }
    }
}

static void move(lloyd *own) {
    const size_t clusters = own->task->clusters;
    memset(own->starts, 0, (clusters + 1) * sizeof *own->starts);
    for (size_t i = 0; i < own->sample; i++)
        own->starts[own->of[i]]++;
    for (size_t c = 0, sum = 0; c <= clusters; c++) { // ends first; filling backwards makes them starts
        sum += c < clusters ? own->starts[c] : 0;
        own->starts[c] = (uint32_t)sum;
    }
    for (size_t i = own->sample; i-- > 0;)
        own->members[--own->starts[own->of[i]]] = own->chosen[i];
    lode__pool_run(own->pool, clusters, centroid_task, own);
    refill(own);
}

static lode_status run(lloyd *own, uint32_t *assigned, lode_error *error) {
    const lode_kmeans *task = own->task;
    for (size_t c = 0; c < task->clusters; c++)
        memcpy(own->centroids + c * task->dim, task->vectors + (size_t)own->chosen[c] * task->dim,
               task->dim * sizeof(float));
    for (size_t c = 0; c < task->clusters * task->dim; c++)
        if (!isfinite(own->centroids[c])) own->centroids[c] = 0;
    for (size_t round = 0; round < task->rounds; round++) {
        own->which = own->chosen;
        LODE_TRY(assign(own, own->sample, own->of, error));
        move(own);
    }
    own->which = NULL;
    return assign(own, task->items, assigned, error);
}

lode_status lode__kmeans(const lode_kmeans *task, lode_pool *pool, float *centroids,
                         uint32_t *assigned, lode_error *error) {
    assert(task->clusters >= 1 && task->clusters <= task->items);
    lloyd own = {.task = task, .pool = pool, .centroids = centroids};
    lode_status status = make(&own, error);
    if (status == LODE_OK) status = run(&own, assigned, error);
    lode__arena_release(&own.arena);
    return status;
}
