// Building: vectors come in a random order, in batches that double until they are a fiftieth of all. Each batch is
// three parallel steps, every task with places of its own, so that the network is the same at any thread count:
//
//     link     a walk through the network as it stands towards each new vector; of what was followed and found,
//              `prune` keeps up to LINKS
//     gather   every new link is chained to the vector it leads to (serial, cheap)
//     answer   each of those takes the links back; where that makes too many, `prune` chooses again
//
// prune (Subramanya et al. 2019, Algorithm 2): candidates by rising distance; one is kept unless a kept one is closer
// to it, by the factor SPREAD, than the vector itself is. SPREAD > 1 leaves some long links, which make walks short.
#include "search/network.h"

#include "base/random.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCHES = 50,   ///< at least so many batches of full size
    TASK = 16,      ///< vectors of a task
    ANSWERS = 1024, ///< most links back to one vector in one batch
    LOOK = 8,       ///< kept vectors that prune compares at a time
    LINKS = 38      ///< what prune leaves: room for answers, so that it is not needed at every one
};
static const float SPREAD = 1.2F;

typedef struct worker {
    lode_walker walker;
    lode_entry *candidates; ///< [candidate_most]
    int8_t *goal, *other;   ///< [width]
    int32_t *sums;          ///< [candidate_most]
    uint32_t *rows;         ///< [candidate_most]
} worker;

typedef struct building {
    const lode_network_plan *plan;
    lode_network network;
    uint32_t *links;
    worker *workers;
    size_t candidate_most;
    size_t first, count;   ///< the batch: places in the order
    uint32_t *batch;       ///< [largest batch] its vectors
    uint32_t *chain_first; ///< [items] last edge that leads to the vector, UINT32_MAX = none
    uint32_t *chain_next;  ///< [edges]
    uint32_t *chain_from;  ///< [edges] where it comes from
    uint32_t *targets;     ///< [edges] vectors that got links, in order of the first
    size_t target_count;
    lode_arena arena;
} building;

size_t lode__network_doors(size_t items) {
    const size_t doors = (size_t)(4 * sqrt((double)items)) + 1;
    return LODE_MIN(LODE_MIN(doors, items), (size_t)8192);
}

/// The vector as a goal: signed codes, and the 128 of the table's bytes taken back.
static lode_goal aim(const building *b, uint32_t item, int8_t *codes) {
    const lode_network_plan *plan = b->plan;
    const uint8_t *row = plan->codes + (size_t)item * plan->width;
    for (size_t d = 0; d < plan->width; d += sizeof(uint64_t)) {
        uint64_t eight;
        memcpy(&eight, row + d, sizeof eight);
        eight ^= 0x8080808080808080U; // u - 128 in each byte
        memcpy(codes + d, &eight, sizeof eight);
    }
    return (lode_goal){codes, plan->offset[item], plan->extra, plan->extra[item]};
}

static float score_of(const lode_goal *goal, int32_t sum, uint32_t item) {
    return (float)sum + goal->offset + goal->own_extra * goal->extra[item];
}

/// Is a kept vector so much closer to the candidate that a walk gets there by itself?
static bool covered(const building *b, worker *own, const uint32_t *kept, size_t count,
                    uint32_t item, float distance) {
    const lode_network_plan *plan = b->plan;
    const lode_goal goal = aim(b, item, own->other);
    int32_t sums[LOOK];
    for (size_t first = 0; first < count; first += LOOK) {
        const size_t look = LODE_MIN(count - first, (size_t)LOOK);
        own->walker.rows(plan->codes, plan->width, kept + first, look, own->other, sums);
        for (size_t i = 0; i < look; i++) {
            const float apart = 2 * (plan->length - score_of(&goal, sums[i], kept[first + i]));
            if (SPREAD * SPREAD * apart <= distance) return true;
        }
    }
    return false;
}

/// Choose up to `most` links of `item` among the worker's first `count` candidates.
static void prune(const building *b, worker *own, uint32_t item, size_t count, size_t most) {
    uint32_t *links = b->links + (size_t)item * LODE_DEGREE;
    size_t kept = 0;
    lode__entries_sort(own->candidates, count);
    for (size_t i = 0; i < count && kept < most; i++) {
        const uint32_t candidate = lode__entry_item(own->candidates[i]);
        if (candidate == item || (i > 0 && own->candidates[i] == own->candidates[i - 1])) continue;
        const float distance = 2 * (b->plan->length - lode__entry_score(own->candidates[i]));
        if (!covered(b, own, links, kept, candidate, distance)) links[kept++] = candidate;
    }
    for (size_t i = kept; i < LODE_DEGREE; i++)
        links[i] = UINT32_MAX;
}

static void link_task(void *context, size_t task, size_t thread) {
    const building *b = context;
    worker *own = &b->workers[thread];
    const size_t end = LODE_MIN(b->count, (task + 1) * TASK);
    for (size_t i = task * TASK; i < end; i++) {
        const lode_goal goal = aim(b, b->batch[i], own->goal);
        lode_walker *walker = &own->walker;
        lode__network_walk(&b->network, walker, &goal, walker->capacity, walker->capacity);
        size_t count = walker->followed_count;
        memcpy(own->candidates, walker->followed, count * sizeof *own->candidates);
        for (size_t j = 0; j < walker->count; j++) {
            if (!walker->done[j]) own->candidates[count++] = walker->beam[j];
        }
        prune(b, own, b->batch[i], count, LINKS);
    }
}

static void gather(building *b) {
    uint32_t edge = 0;
    b->target_count = 0;
    for (size_t i = 0; i < b->count; i++) {
        const uint32_t *links = b->links + (size_t)b->batch[i] * LODE_DEGREE;
        for (size_t j = 0; j < LODE_DEGREE && links[j] != UINT32_MAX; j++, edge++) {
            const uint32_t target = links[j];
            if (b->chain_first[target] == UINT32_MAX) b->targets[b->target_count++] = target;
            b->chain_from[edge] = b->batch[i];
            b->chain_next[edge] = b->chain_first[target];
            b->chain_first[target] = edge;
        }
    }
}

static void answer(const building *b, worker *own, uint32_t target) {
    uint32_t *links = b->links + (size_t)target * LODE_DEGREE;
    size_t there = 0, count;
    while (there < LODE_DEGREE && links[there] != UINT32_MAX)
        own->rows[there] = links[there], there++;
    count = there;
    for (uint32_t edge = b->chain_first[target]; edge != UINT32_MAX && count < there + ANSWERS;
         edge = b->chain_next[edge])
        own->rows[count++] = b->chain_from[edge];
    if (count <= LODE_DEGREE) {
        memcpy(links + there, own->rows + there, (count - there) * sizeof *links);
        return;
    }
    const lode_goal goal = aim(b, target, own->goal);
    own->walker.rows(b->plan->codes, b->plan->width, own->rows, count, own->goal, own->sums);
    for (size_t i = 0; i < count; i++)
        own->candidates[i] =
            lode__entry_make(score_of(&goal, own->sums[i], own->rows[i]), own->rows[i]);
    prune(b, own, target, count, LINKS);
}

static void answer_task(void *context, size_t task, size_t thread) {
    const building *b = context;
    const size_t end = LODE_MIN(b->target_count, (task + 1) * TASK);
    for (size_t i = task * TASK; i < end; i++)
        answer(b, &b->workers[thread], b->targets[i]);
}

static uint32_t in_order(const building *b, size_t place) {
    return (uint32_t)lode__permute(place, b->plan->items, b->plan->seed, LODE_PURPOSE_SAMPLE, 0);
}

static void run_batch(building *b, lode_pool *pool) {
    for (size_t i = 0; i < b->count; i++)
        b->batch[i] = in_order(b, b->first + i);
    b->network.door_count = LODE_MIN(lode__network_doors(b->plan->items), b->first);
    lode__pool_run(pool, (b->count + TASK - 1) / TASK, link_task, b);
    gather(b);
    lode__pool_run(pool, (b->target_count + TASK - 1) / TASK, answer_task, b);
    for (size_t i = 0; i < b->target_count; i++)
        b->chain_first[b->targets[i]] = UINT32_MAX;
}

static lode_status prepare(building *b, size_t largest, size_t threads, lode_error *error) {
    const lode_network_plan *plan = b->plan;
    lode_arena *arena = &b->arena;
    size_t edges;
    if (!lode__size_mul(largest, LODE_DEGREE, &edges)) return lode__fail_memory(error);
    b->candidate_most = LODE_MAX(2 * plan->breadth, (size_t)ANSWERS + LODE_DEGREE) + 1;
    b->batch = lode__arena_alloc(arena, largest, sizeof *b->batch);
    b->chain_first = lode__arena_alloc(arena, plan->items, sizeof *b->chain_first);
    b->chain_next = lode__arena_alloc(arena, edges, sizeof *b->chain_next);
    b->chain_from = lode__arena_alloc(arena, edges, sizeof *b->chain_from);
    b->targets = lode__arena_alloc(arena, edges, sizeof *b->targets);
    b->workers = lode__arena_alloc(arena, threads, sizeof *b->workers);
    if (!b->batch || !b->chain_first || !b->chain_next || !b->chain_from || !b->targets || !b->workers)
        return lode__fail_memory(error);
    memset(b->chain_first, 0xff, plan->items * sizeof *b->chain_first);
    for (size_t thread = 0; thread < threads; thread++) {
        worker *own = &b->workers[thread];
        own->candidates = lode__arena_alloc(arena, b->candidate_most, sizeof *own->candidates);
        own->sums = lode__arena_alloc(arena, b->candidate_most, sizeof *own->sums);
        own->rows = lode__arena_alloc(arena, b->candidate_most, sizeof *own->rows);
        own->goal = lode__arena_alloc(arena, plan->width, 1);
        own->other = lode__arena_alloc(arena, plan->width, 1);
        if (!own->candidates || !own->sums || !own->rows || !own->goal || !own->other ||
            !lode__walker_init(&own->walker, arena, plan->items, lode__network_doors(plan->items),
                               plan->breadth, true))
            return lode__fail_memory(error);
    }
    return LODE_OK;
}

lode_status lode__network_build(const lode_network_plan *plan, lode_pool *pool, uint32_t *links,
                                uint32_t *doors, uint8_t *door_codes, lode_error *error) {
    const size_t items = plan->items, width = plan->width;
    const size_t largest = LODE_MAX(items / BATCHES, 1);
    assert(items < UINT32_MAX / LODE_DEGREE * BATCHES && plan->breadth >= 1);
    building b = {.plan = plan,
                  .links = links,
                  .network = {items, width, plan->codes, links, doors, door_codes, 0}};
    lode_status status = prepare(&b, largest, lode__pool_threads(pool), error);
    if (status == LODE_OK) {
        memset(links, 0xff, items * LODE_DEGREE * sizeof *links);
        for (size_t i = 0; i < lode__network_doors(items); i++) {
            doors[i] = in_order(&b, i);
            memcpy(door_codes + i * width, plan->codes + doors[i] * width, width);
        }
        for (b.first = 1; b.first < items; b.first += b.count) {
            b.count = LODE_MIN(LODE_MIN(b.first, largest), items - b.first);
            run_batch(&b, pool);
        }
    }
    lode__arena_release(&b.arena);
    return status;
}
