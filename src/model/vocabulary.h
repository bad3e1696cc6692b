/// The vocabulary: what the rows of the embedding tables mean.
///
/// A *field* is a column that a tower may use: the item id, an item's tags, a user's age, the device of a click.
/// Each field has a dictionary from tokens (or, for numbers, quantile buckets) to rows of its table; row 0 means
/// unknown or missing. Rows are keyed by token, never by data-set index, so that a bundle works with any data set
/// and without one. Model items are the items with a training click: row r of the item id table, r = 1 .. items.
///
/// The file `vocabulary` of a bundle (base/container.h, kind "VOCA", version 1) holds, per field K: meta (JSON in
/// section "meta"), K.tokens / K.starts (token r - 1 of row r), K.bounds (upper bounds of buckets, f32); per item
/// field the codes of every model item, K.code.starts u64 [items + 2] and K.codes u32, and `title.bytes`,
/// `title.starts`.
#ifndef LODE_MODEL_VOCABULARY_H
#define LODE_MODEL_VOCABULARY_H

#include "base/config.h"
#include "base/dictionary.h"
#include "data/split.h"

#define LODE_VOCABULARY_KIND    "VOCA"
#define LODE_VOCABULARY_VERSION 1
#define LODE_FIELDS             32
#define LODE_BUCKETS            32

typedef enum lode_side { LODE_SIDE_ITEM, LODE_SIDE_USER, LODE_SIDE_CONTEXT } lode_side;

/// Codes (rows of a field's table) of many entities: entity e has codes[starts[e] .. starts[e + 1] - 1].
typedef struct lode_codes {
    uint64_t *starts;
    uint32_t *codes;
} lode_codes;

typedef struct lode_field {
    const char *name;
    lode_side side;
    lode_column_type type;  ///< of the column; LODE_COLUMN_TOKEN for ids
    bool is_id;             ///< the entity's own token instead of a column
    bool multi;             ///< several values: mean of their rows
    size_t dim;             ///< of its embedding
    size_t longest;         ///< values used of a multi-valued field, at most
    uint32_t rows;          ///< of the table, row 0 included
    lode_dictionary tokens; ///< token of row r is number r - 1; empty for numbers
    float bounds[LODE_BUCKETS]; ///< numbers: bucket b holds values <= bounds[b] (and above bounds[b - 1])
    uint32_t bound_count;
    lode_codes items; ///< item fields: codes of the entity with item id row r
    size_t table;     ///< number of its parameter
} lode_field;

typedef struct lode_field_options {
    const char *name;
    int64_t dim; ///< 0 = model.dim
    int64_t max_values;
} lode_field_options;

typedef struct lode_vocabulary {
    lode_field fields[LODE_FIELDS];
    size_t count;
    size_t item_id; ///< number of the item id field: always there, always 0
    uint32_t items; ///< model items
    char *title_bytes;
    uint64_t *title_starts; ///< [items + 1] or NULL
    lode_arena arena;
} lode_vocabulary;

/// Build from the training part of a split.
/// @param item, user, context  the keys of section `fields`: the text auto, or a list (a name, or {name, dim, max_values})
/// `auto` takes the id (items), and every column but text and float_seq; token columns that hold a value of its own for
/// more than half of the rows are left out with a notice.
LODE_CHECK lode_status lode__vocabulary_new(lode_vocabulary **out, const lode_split *split,
                                            const lode_node *item, const lode_node *user,
                                            const lode_node *context, size_t dim,
                                            const lode_hooks *hooks, lode_error *error);
void lode__vocabulary_free(lode_vocabulary **vocabulary);
/// Give up finding rows of tokens, which takes most of a dictionary's memory; after this tokens can be read and saved.
void lode__vocabulary_seal(lode_vocabulary *vocabulary);
LODE_CHECK lode_status lode__vocabulary_save(const lode_vocabulary *vocabulary, const char *path,
                                             lode_error *error);
LODE_CHECK lode_status lode__vocabulary_load(lode_vocabulary **out, const char *path,
                                             lode_error *error);

/// Token of model item `row` (1 .. items), and the row of a token (0 = unknown).
const char *lode__item_token(const lode_vocabulary *vocabulary, uint32_t row);
uint32_t lode__item_row(const lode_vocabulary *vocabulary, const char *token);
const char *lode__item_title(const lode_vocabulary *vocabulary, uint32_t row);

/// Row of a value of a field given as text (0 = unknown).
uint32_t lode__field_row(const lode_field *field, const char *text);

/// A data set seen through a vocabulary.
typedef struct lode_binding {
    const lode_vocabulary *vocabulary;
    const lode_dataset *data;
    uint32_t *item_row; ///< [data items] row of each item, 0 = not a model item
    uint32_t *item_of; ///< [vocabulary items + 1] data item of each row, LODE_CODE_NONE = not in this data set
    lode_codes users[LODE_FIELDS];   ///< user fields: codes by data-set user
    lode_codes context[LODE_FIELDS]; ///< context fields: codes by row of the log
    uint32_t *cold_items; ///< [cold_count] data items that are no model items; NULL before lode__binding_cold
    uint32_t cold_count;
    lode_codes cold[LODE_FIELDS]; ///< item fields: codes of each cold item, the unknown id among them
    lode_arena arena;
} lode_binding;

LODE_CHECK lode_status lode__binding_new(lode_binding **out, const lode_vocabulary *vocabulary,
                                         const lode_dataset *data, lode_error *error);
void lode__binding_free(lode_binding **binding);
/// Make the cold items known (cold.c), so that rankers can encode them from their columns. Does nothing the second
/// time.
LODE_CHECK lode_status lode__binding_cold(lode_binding *binding, lode_error *error);

/// Codes of the entities list[0 .. count - 1] of a column (list NULL: entity = position; LODE_CODE_NONE: none).
LODE_CHECK lode_status lode__column_codes(lode_arena *arena, const lode_column *column,
                                          const lode_field *field, const uint32_t *list,
                                          uint64_t count, lode_codes *out, lode_error *error);

#endif
