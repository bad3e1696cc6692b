/// Miner `vectors`: items whose vectors are close.
///
/// For each item the k nearest by cosine or inner product, exactly (search/neighbours.h), ties by lower item:
/// MicRec's semantic positives (3.3) where the vectors come from titles or contents. Vectors stand in a
/// float_seq column of the items or in X.npy with the items' ids in X.ids, as `encode` writes them. Items
/// without a vector have no neighbours and are none.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dictionary.h"
#include "data/npy_read.h"
#include "mine/nearest.h"

static const char *const similarities[] = {"cosine", "dot", NULL};
static const char *const scopes[] = {"train", "catalogue", NULL};

typedef struct vectors_config {
    const char *column, *file, *ids;
    int similarity, items, search;
    int64_t k;
} vectors_config;

#define AT(member) .offset = offsetof(vectors_config, member)
static const lode_key keys[] = {
    {.name = "k",
     .type = LODE_KEY_INT,
     AT(k),
     .fallback = "20",
     .low = 1,
     .high = 10000,
     .help = "Neighbours kept of each item."},
    {.name = "column",
     .type = LODE_KEY_TEXT,
     AT(column),
     .help = "Item column of type float_seq; by default the only one."},
    {.name = "file",
     .type = LODE_KEY_TEXT,
     AT(file),
     .help = "X.npy ([rows, dim], little-endian floats) in place of a column."},
    {.name = "ids",
     .type = LODE_KEY_TEXT,
     AT(ids),
     .help =
         "The items of the file's rows, one id a line; by default X.ids beside X.npy. Items that "
         "the data set does not have are passed over."},
    {.name = "similarity",
     .type = LODE_KEY_CHOICE,
     AT(similarity),
     .fallback = "cosine",
     .choices = similarities,
     .help = "What near means: cosine, or dot, the inner product."},
    {.name = "search",
     .type = LODE_KEY_CHOICE,
     AT(search),
     .fallback = "exact",
     .choices = lode__nearest_searches,
     .help = "exact, or approximate: through a network of neighbours, for very many items."},
    {.name = "items",
     .type = LODE_KEY_CHOICE,
     AT(items),
     .fallback = "train",
     .choices = scopes,
     .help =
         "train: items with a training click have neighbours and are neighbours; catalogue: all."},
    {0}};
#undef AT

/// The vectors of all items as one matrix.
typedef struct matrix {
    const float *data; ///< [items, dim]
    float *own;        ///< the same where it was put together
    size_t dim;
    bool *has; ///< [items]
} matrix;

typedef struct mining_vectors {
    const vectors_config *config;
    const lode_mine_input *input;
    lode_mined *mined;
    matrix vectors;
    lode_arena scratch;
} mining_vectors;

// ------------------------------------------------------------------------------------------------
// From a column
// ------------------------------------------------------------------------------------------------

static lode_status column_find(const mining_vectors *m, const lode_column **out, lode_error *error) {
    const lode_dataset *data = m->input->data;
    const char *wanted = m->config->column;
    lode_text list = {0};
    size_t count = 0;
    *out = NULL;
    for (size_t k = 0; k < data->item_column_count; k++) {
        const lode_column *column = &data->item_columns[k];
        if (column->type != LODE_COLUMN_FLOATS) continue;
        lode__text_printf(&list, "%s%s", count++ > 0 ? ", " : "", column->name);
        if (wanted == NULL || strcmp(column->name, wanted) == 0) *out = column;
    }
    lode_status status = LODE_OK;
    if (count == 0) {
        status = lode__fail(error, LODE_E_CONFIG,
                            "the data set has no item column of vectors (float_seq)%s%s%s; give a "
                            ".npy file (file)",
                            wanted != NULL ? ", so none called \"" : "",
                            wanted != NULL ? wanted : "", wanted != NULL ? "\"" : "");
    } else if (wanted == NULL && count > 1) {
        status = lode__fail(error, LODE_E_CONFIG,
                            "which vectors? the data set has several columns of them: %s (column)",
                            list.data != NULL ? list.data : "");
    } else if (*out == NULL) {
        status = lode__fail(error, LODE_E_CONFIG,
                            "the data set has no item column \"%s\" of vectors; there are: %s",
                            wanted, list.data != NULL ? list.data : "");
    }
    lode__text_release(&list);
    return status;
}

static lode_status own_make(mining_vectors *m, size_t dim, lode_error *error) {
    size_t numbers;
    m->vectors.dim = dim;
    if (!lode__size_mul(m->mined->items, dim, &numbers)) return lode__fail_memory(error);
    m->vectors.own = lode__arena_alloc(&m->scratch, numbers, sizeof(float));
    m->vectors.data = m->vectors.own;
    m->mined->memory += numbers * sizeof(float);
    return m->vectors.own != NULL ? LODE_OK : lode__fail_memory(error);
}

static lode_status from_column(mining_vectors *m, lode_error *error) {
    const lode_column *column;
    LODE_TRY(column_find(m, &column, error));
    const lode_tokens *items = &m->input->data->items;
    uint64_t dim = 0;
    bool whole = true;
    for (uint32_t item = 0; item < items->count; item++) {
        const uint64_t length = column->starts[item + 1] - column->starts[item];
        whole = whole && length > 0;
        if (length == 0) continue;
        if (dim == 0) dim = length;
        if (length != dim) {
            return lode__fail(error, LODE_E_INPUT,
                              "column %s: item %s has %llu numbers, items before it %llu; vectors "
                              "must have one length",
                              column->name, lode__token(items, item), (unsigned long long)length,
                              (unsigned long long)dim);
        }
        m->vectors.has[item] = true;
    }
    m->vectors.dim = LODE_MAX((size_t)dim, (size_t)1);
    m->vectors.data = column->values;
    if (whole) return LODE_OK;
    LODE_TRY(own_make(m, m->vectors.dim, error));
    for (uint32_t item = 0; item < items->count; item++) {
        if (m->vectors.has[item])
            memcpy(m->vectors.own + item * m->vectors.dim, column->values + column->starts[item],
                   m->vectors.dim * sizeof(float));
    }
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// From a file
// ------------------------------------------------------------------------------------------------

/// The .ids beside a .npy, unless it is named.
static const char *ids_path(const vectors_config *config, lode_arena *arena) {
    if (config->ids != NULL) return config->ids;
    const size_t length = strlen(config->file);
    const bool npy = length > 4 && strcmp(config->file + length - 4, ".npy") == 0;
    return lode__arena_printf(arena, "%.*s.ids", (int)(npy ? length - 4 : length), config->file);
}

static lode_status take_row(mining_vectors *m, const lode_npy *npy, uint64_t row, const char *id,
                            uint64_t *unknown, lode_error *error) {
    const uint32_t item = lode__token_find(&m->input->data->items, id);
    for (uint64_t d = 0; d < npy->columns; d++) {
        if (!isfinite(lode__npy_value(npy, row, d))) {
            return lode__fail(error, LODE_E_INPUT,
                              "%s: row %llu (%s) holds a number that is not finite",
                              m->config->file, (unsigned long long)row + 1, id);
        }
    }
    if (item == LODE_CODE_NONE) {
        ++*unknown;
        return LODE_OK;
    }
    if (m->vectors.has[item]) {
        return lode__fail(error, LODE_E_INPUT,
                          "the ids of %s: %s comes twice, the second time in "
                          "line %llu",
                          m->config->file, id, (unsigned long long)row + 1);
    }
    m->vectors.has[item] = true;
    for (uint64_t d = 0; d < npy->columns; d++)
        m->vectors.own[item * m->vectors.dim + d] = lode__npy_value(npy, row, d);
    return LODE_OK;
}

static lode_status take_rows(mining_vectors *m, const lode_npy *npy, const char *path, char *ids,
                             lode_error *error) {
    uint64_t row = 0, unknown = 0;
    char *line = ids;
    for (; *line != 0 && row < npy->rows; row++) {
        char *end = line + strcspn(line, "\n");
        const bool last = *end == 0;
        *end = 0;
        if (end > line && end[-1] == '\r') end[-1] = 0;
        LODE_TRY(take_row(m, npy, row, line, &unknown, error));
        line = end + !last;
    }
    if (row != npy->rows || *line != 0) {
        return lode__fail(error, LODE_E_MISMATCH, "%s has %llu rows, but %s has %s ids",
                          m->config->file, (unsigned long long)npy->rows, path,
                          row < npy->rows ? "fewer" : "more");
    }
    if (unknown > 0 && unknown == row) {
        return lode__fail(error, LODE_E_MISMATCH,
                          "none of the %llu ids of %s is an item of the data set",
                          (unsigned long long)row, path);
    }
    if (unknown > 0) {
        lode__notice(m->input->hooks,
                     "%llu of %llu vectors are of items that the data set does not "
                     "have",
                     (unsigned long long)unknown, (unsigned long long)row);
    }
    return LODE_OK;
}

static lode_status from_file(mining_vectors *m, lode_error *error) {
    lode_npy npy;
    char *ids = NULL;
    size_t length;
    const char *path = ids_path(m->config, &m->scratch);
    if (path == NULL) return lode__fail_memory(error);
    LODE_TRY(lode__npy_open(&npy, m->config->file, error));
    lode_status status = lode__file_read(path, SIZE_MAX / 2, &ids, &length, error);
    if (status == LODE_OK) status = own_make(m, (size_t)npy.columns, error);
    if (status == LODE_OK) status = take_rows(m, &npy, path, ids, error);
    lode__free(ids);
    lode__npy_close(&npy);
    return status;
}

// ------------------------------------------------------------------------------------------------
// Neighbours
// ------------------------------------------------------------------------------------------------

/// From [items, k] with gaps to lists end to end.
static lode_status lists_make(mining_vectors *m, const uint32_t *ids, const float *scores, size_t k,
                              lode_error *error) {
    lode_mined *mined = m->mined;
    lode_arena *arena = &mined->arena;
    uint64_t *starts = lode__arena_alloc(arena, (size_t)mined->items + 1, sizeof *starts);
    if (starts == NULL) return lode__fail_memory(error);
    for (uint32_t item = 0; item < mined->items; item++) {
        starts[item + 1] = starts[item];
        for (size_t at = item * k; at < (item + 1) * k; at++)
            starts[item + 1] += ids[at] != LODE_NO_ITEM && isfinite(scores[at]);
    }
    const size_t total = (size_t)starts[mined->items];
    uint32_t *partners = lode__arena_alloc(arena, total, sizeof *partners);
    float *similarity = lode__arena_alloc(arena, total, sizeof *similarity);
    if (!partners || !similarity) return lode__fail_memory(error);
    size_t filled = 0;
    for (size_t at = 0; at < mined->items * k; at++) {
        if (ids[at] == LODE_NO_ITEM || !isfinite(scores[at])) continue;
        partners[filled] = ids[at];
        similarity[filled++] = scores[at];
    }
    mined->starts = starts;
    mined->partners = partners;
    mined->similarity = similarity;
    return LODE_OK;
}

static lode_status find(mining_vectors *m, lode_error *error) {
    const lode_split *split = m->input->split;
    const size_t items = m->mined->items;
    for (size_t item = 0; item < items && m->config->items == 0; item++)
        m->vectors.has[item] = m->vectors.has[item] && split->item_count[item] > 0;
    const lode_neighbours search = {.vectors = m->vectors.data,
                                    .items = items,
                                    .dim = m->vectors.dim,
                                    .allowed = m->vectors.has,
                                    .cosine = m->config->similarity == 0,
                                    .k = (size_t)m->config->k};
    uint32_t *ids;
    float *scores;
    size_t k;
    LODE_TRY(lode__mine_nearest(search, m->config->search, m->input, &m->scratch, &ids, &scores, &k,
                                error));
    m->mined->memory += lode__nearest_bytes(&search);
    return lists_make(m, ids, scores, k, error);
}

static lode_status mine(const void *config, const lode_mine_input *input, lode_mined *mined,
                        lode_error *error) {
    mining_vectors m = {.config = config, .input = input, .mined = mined};
    lode_status status;
    mined->kind = LODE_MINED_PAIRS;
    m.vectors.has = lode__arena_alloc(&m.scratch, mined->items, sizeof *m.vectors.has);
    if (m.vectors.has == NULL) {
        status = lode__fail_memory(error);
    } else {
        status = m.config->file != NULL ? from_file(&m, error) : from_column(&m, error);
    }
    if (status == LODE_OK) status = find(&m, error);
    lode__arena_release(&m.scratch);
    return status;
}

static lode_status add_checksum(lode_text *key, const char *name, const char *path,
                                lode_error *error) {
    lode_mapping mapping;
    LODE_TRY(lode__mapping_open(&mapping, path, error));
    lode__text_printf(key, "%s: %016llx\n", name,
                      (unsigned long long)lode__hash(mapping.data, mapping.size, 0));
    lode__mapping_close(&mapping);
    return LODE_OK;
}

// The contents of files, which may change under their names.
static lode_status identify(const void *config, const lode_mine_input *input, lode_text *key,
                            lode_error *error) {
    (void)input;
    const vectors_config *own = config;
    if (own->file != NULL && own->column != NULL) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "vectors come from a column or from a file, not from both (column, file)");
    }
    if (own->file == NULL) return LODE_OK;
    lode_arena arena = {0};
    const char *ids = ids_path(own, &arena);
    lode_status status = ids != NULL ? LODE_OK : lode__fail_memory(error);
    if (status == LODE_OK) status = add_checksum(key, "file_checksum", own->file, error);
    if (status == LODE_OK) status = add_checksum(key, "ids_checksum", ids, error);
    lode__arena_release(&arena);
    return status;
}

const lode_miner_type lode__miner_vectors = {
    .name = "vectors",
    .help =
        "Items whose vectors are nearest, by cosine or inner product: of a float_seq column, or "
        "of a .npy with ids.",
    .keys = keys,
    .config_size = sizeof(vectors_config),
    .identify = identify,
    .mine = mine};
