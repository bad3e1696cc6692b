/// Interval packing: the largest block first, each into the smallest gap between those placed before it that are
/// alive at the same time. On the towers here this comes within a few per cent of the least possible, which is the
/// largest sum of blocks that are alive at one moment.
#include "graph/layout.h"

#include <stdlib.h>
#include <string.h>

lode_block *lode__layout_block(lode_layout *layout, lode_arena *arena, void **place, size_t bytes) {
    lode_block *block = lode__arena_alloc(arena, 1, sizeof *block);
    if (block == NULL || bytes > PTRDIFF_MAX ||
        !lode__grow((void **)&layout->blocks, &layout->capacity, layout->count + 1,
                    sizeof(lode_block *))) {
        return NULL;
    }
    *block = (lode_block){.place = place, .bytes = bytes, .first = LODE_MOMENT_NEVER};
    layout->blocks[layout->count++] = block;
    return block;
}

void lode__layout_need(lode_block *block, uint32_t moment) {
    if (block == NULL) return;
    block->first = LODE_MIN(block->first, moment);
    block->last = LODE_MAX(block->last, moment);
}

bool lode__layout_wish(lode_layout *layout, lode_block *block, lode_block *under) {
    if (!lode__grow((void **)&layout->wishes, &layout->wish_capacity, layout->wish_count + 1,
                    sizeof *layout->wishes)) {
        return false;
    }
    layout->wishes[layout->wish_count++] = (lode_wish){block, under};
    return true;
}

static bool is_needed(const lode_block *block) {
    return block->first != LODE_MOMENT_NEVER;
}

static lode_block *owner(lode_block *block) {
    while (block->over != NULL)
        block = block->over;
    return block;
}

/// Grant the wishes that are legal, in order. A granted block's owner lives as long as both.
static void grant(lode_layout *layout) {
    for (size_t i = 0; i < layout->wish_count; i++) {
        lode_block *block = layout->wishes[i].block, *under = owner(layout->wishes[i].under);
        if (!is_needed(block) || !is_needed(under) || block->over != NULL) continue;
        if (block->bytes > under->bytes || under->last != block->first) continue;
        block->over = under;
        under->last = block->last;
    }
}

static int compare_blocks(const void *left, const void *right) {
    const lode_block *a = *(lode_block *const *)left, *b = *(lode_block *const *)right;
    if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    return a->last < b->last ? -1 : a->last > b->last;
}

static size_t line_up(size_t bytes) {
    return (bytes + LODE_CACHE_LINE - 1) / LODE_CACHE_LINE * LODE_CACHE_LINE;
}

/// The smallest gap that takes `block`, between the blocks of `placed` (by offset) that are alive with it.
static size_t find_gap(lode_block *const *placed, size_t count, const lode_block *block) {
    const size_t wanted = line_up(block->bytes);
    size_t end = 0, best = SIZE_MAX, best_size = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        const lode_block *other = placed[i];
        if (other->last < block->first || block->last < other->first) continue;
        if (other->offset >= end + wanted && other->offset - end < best_size) {
            best = end;
            best_size = other->offset - end;
        }
        end = LODE_MAX(end, other->offset + line_up(other->bytes));
    }
    return best != SIZE_MAX ? best : end;
}

/// Give offsets to the first `count` blocks of `blocks`, which are in the order in which they are to be placed;
/// `placed` has room for them.
static size_t pack(lode_block *const *blocks, size_t count, lode_block **placed) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        lode_block *block = blocks[i];
        block->offset = find_gap(placed, i, block);
        bytes = LODE_MAX(bytes, block->offset + line_up(block->bytes));
        size_t at = i;
        for (; at > 0 && placed[at - 1]->offset > block->offset; at--)
            placed[at] = placed[at - 1];
        placed[at] = block;
    }
    return bytes;
}

bool lode__layout_place(lode_layout *layout) {
    lode_block **order = lode__alloc(2 * layout->count, sizeof *order);
    if (order == NULL) return false;
    if (!layout->apart) grant(layout);
    size_t count = 0;
    for (size_t i = 0; i < layout->count; i++) {
        lode_block *block = layout->blocks[i];
        if (!is_needed(block)) continue;
        layout->spread += line_up(block->bytes);
        if (layout->apart) {
            block->first = 0;
            block->last = LODE_MOMENT_END;
        }
        if (block->over == NULL) order[count++] = block;
    }
    // What compares equal was asked for in a fixed order, which a stable sort would keep; qsort need not, but blocks
    // that compare equal are interchangeable.
    qsort(order, count, sizeof *order, compare_blocks);
    layout->bytes = pack(order, count, order + layout->count);
    lode__free(order);
    layout->memory = lode__huge_alloc(layout->bytes, 1);
    if (layout->memory == NULL) return false;
    for (size_t i = 0; i < layout->count; i++) {
        lode_block *block = layout->blocks[i];
        if (is_needed(block))
            *block->place = (unsigned char *)layout->memory + owner(block)->offset;
    }
    return true;
}

void lode__layout_poison(const lode_layout *layout, uint32_t moment, bool before) {
    for (size_t i = 0; i < layout->count; i++) {
        const lode_block *block = layout->blocks[i];
        if (block->over != NULL || !is_needed(block)) continue;
        if ((before ? block->first : block->last) != moment) continue;
        memset(*block->place, 0xFF, block->bytes);
    }
}

void lode__layout_release(lode_layout *layout) {
    lode__huge_free(layout->memory, layout->bytes, 1);
    lode__free(layout->blocks);
    lode__free(layout->wishes);
    *layout = (lode_layout){0};
}
