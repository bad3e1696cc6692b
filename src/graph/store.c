#include "graph/store.h"

#include <string.h>

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

bool lode__store_reserve(lode_store *store, size_t capacity) {
    size_t needed;
    if (__builtin_add_overflow(store->capacity, capacity, &needed)) return false;
    if (needed > store->reserved || store->segments == NULL) {
        // A failure leaves the store as it was: graphs that were built before still run.
        lode_store grown = {.reserved = needed};
        grown.id = lode__alloc(needed, sizeof *grown.id);
        grown.order = lode__alloc(needed, sizeof *grown.order);
        grown.id_other = lode__alloc(needed, sizeof *grown.id_other);
        grown.order_other = lode__alloc(needed, sizeof *grown.order_other);
        grown.entries = lode__alloc(needed, sizeof *grown.entries);
        grown.segments = lode__alloc(needed + 1, sizeof *grown.segments);
        if (grown.id == NULL || grown.order == NULL || grown.id_other == NULL ||
            grown.order_other == NULL || grown.entries == NULL || grown.segments == NULL) {
            lode__store_release(&grown);
            return false;
        }
        lode__store_release(store);
        store->id = grown.id;
        store->order = grown.order;
        store->id_other = grown.id_other;
        store->order_other = grown.order_other;
        store->entries = grown.entries;
        store->segments = grown.segments;
        store->reserved = needed;
    }
    store->capacity = needed;
    return true;
}

void lode__store_release(lode_store *store) {
    lode__free(store->id);
    lode__free(store->order);
    lode__free(store->id_other);
    lode__free(store->order_other);
    lode__free(store->entries);
    lode__free(store->segments);
    store->id = store->order = store->id_other = store->order_other = store->segments = NULL;
    store->entries = NULL;
    store->reserved = 0;
}

void lode__store_add_gradient(lode_store *store, const lode_scatter *scatter) {
    assert(store->scatter_count < LODE_SCATTERS);
    store->scatters[store->scatter_count++] = *scatter;
}

void lode__store_forget(lode_store *store) {
    store->scatter_count = 0;
}

/// List this step's (id, gradient row, divisor) in order of arrival.
static size_t collect(lode_store *store) {
    size_t count = 0;
    for (uint32_t s = 0; s < store->scatter_count; s++) {
        const lode_scatter *scatter = &store->scatters[s];
        const lode_lists *lists = scatter->lists;
        const size_t rows = scatter->output->rows->size;
        for (size_t row = 0; row < rows; row++) {
            const size_t begin = lists != NULL ? (size_t)lists->offsets[row] : row;
            const size_t end = lists != NULL ? (size_t)lists->offsets[row + 1] : row + 1;
            const uint32_t length = scatter->mean && end > begin ? (uint32_t)(end - begin) : 1;
            for (size_t at = begin; at < end; at++) {
                store->id[count] = (uint32_t)scatter->ids->data[at];
                store->order[count] = (uint32_t)count;
                store->entries[count] = (lode_entry){s, (uint32_t)row, length};
                count++;
            }
        }
    }
    return count;
}

/// One pass of a stable radix sort by `DIGIT_BITS` bits.
static void sort_pass(lode_store *store, size_t count, unsigned shift) {
    uint32_t starts[DIGITS] = {0};
    for (size_t i = 0; i < count; i++)
        starts[(store->id[i] >> shift) & (DIGITS - 1)]++;
    uint32_t sum = 0;
    for (size_t digit = 0; digit < DIGITS; digit++) {
        const uint32_t here = starts[digit];
        starts[digit] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++) {
        const uint32_t to = starts[(store->id[i] >> shift) & (DIGITS - 1)]++;
        store->id_other[to] = store->id[i];
        store->order_other[to] = store->order[i];
    }
    uint32_t *swap = store->id;
    store->id = store->id_other;
    store->id_other = swap;
    swap = store->order;
    store->order = store->order_other;
    store->order_other = swap;
}

size_t lode__store_sort(lode_store *store) {
    if (store->scatter_count == 0) return 0; // a table that no graph uses has no work space
    const size_t count = collect(store);
    for (unsigned shift = 0; shift < 32 && (store->param->rows - 1) >> shift != 0;
         shift += DIGIT_BITS) {
        sort_pass(store, count, shift);
    }
    size_t distinct = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || store->id[i] != store->id[i - 1]) store->segments[distinct++] = (uint32_t)i;
    }
    store->segments[distinct] = (uint32_t)count;
    return distinct;
}
