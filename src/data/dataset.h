/// The data set: X.lode, one memory-mapped container (base/container.h, kind "DATA", version 1).
///
/// Sections (u = users, i = items of the catalogue, n = interactions; "?" = may be absent):
///
///     meta                     JSON: counts, kind of times, columns with their types, source, notes
///     user.tokens  item.tokens     bytes of all tokens, each followed by a 0 byte
///     user.starts  item.starts     u64 [u + 1], [i + 1] into the bytes
///     user.sorted  item.sorted     u32 [u], [i] indices in bytewise order of tokens: look-up by bisection
///     log.offsets              u64 [u + 1]; rows offsets[k] .. offsets[k + 1] are user k's, by (time, input order)
///     log.item                 u32 [n]
///     log.time ?               i64 [n] milliseconds since 1970, or row numbers (time kind "order")
///     log.behaviour ?          u8 [n] lode_behaviour; absent = all clicks
///     log.weight ?             f32 [n]; absent = all 1
///     log.session ?            u32 [n] dense session numbers, unique over the whole log
///     log.label ?              f32 [n] the rating or label as it stood in the log
///     log.part ?               u8 [n] lode_given: the split that came with the log; absent = none came
///     context.K.*, user.column.K.*, item.column.K.*    typed columns, K = 0, 1, ... as listed in meta:
///         .codes   u32          token: [rows]; token_seq: [starts[rows]]; UINT32_MAX = missing
///         .starts  u64 [rows + 1]   token_seq, float_seq: into codes / values; text: into bytes
///         .values  f32          float: [rows], NaN = missing; float_seq: [starts[rows]]
///         .bytes                text: bytes, each value followed by a 0 byte
///         .tokens .tokens.starts   dictionary of the codes, laid out as user.tokens / user.starts
///     item.valid ?             i64 [i, 2] from / until in ms (INT64_MIN / INT64_MAX = open)
///
/// Users and items are numbered by first appearance in the log, then by their tables. These numbers never
/// leave the program: users of lodestone see tokens. Opening validates every offset, code and order, so that
/// code above this layer can trust what it reads.
#ifndef LODE_DATA_DATASET_H
#define LODE_DATA_DATASET_H

#include "base/container.h"

#define LODE_DATA_KIND    "DATA"
#define LODE_DATA_VERSION 1
#define LODE_CODE_NONE    UINT32_MAX

typedef enum lode_behaviour {
    LODE_CLICK,    ///< a positive interaction: what models predict
    LODE_EXPOSURE, ///< shown, not clicked
    LODE_CART,
    LODE_FAVOURITE,
    LODE_BUY,
    LODE_BEHAVIOURS
} lode_behaviour;

/// Where the one who published the log put a row.
typedef enum lode_given {
    LODE_GIVEN_TRAIN,
    LODE_GIVEN_VALID,
    LODE_GIVEN_TEST,
    LODE_GIVEN_PARTS
} lode_given;

typedef enum lode_time_kind {
    LODE_TIME_NONE,  ///< input order only; log.time absent
    LODE_TIME_ORDER, ///< consecutive numbers: they order, but hold no durations (no sessions by gap)
    LODE_TIME_REAL   ///< milliseconds since 1970
} lode_time_kind;

typedef enum lode_column_type {
    LODE_COLUMN_TOKEN,
    LODE_COLUMN_TOKENS, ///< token_seq
    LODE_COLUMN_FLOAT,
    LODE_COLUMN_FLOATS, ///< float_seq
    LODE_COLUMN_TEXT
} lode_column_type;

/// A read-only list of tokens; `sorted` is NULL for dictionaries of column codes.
typedef struct lode_tokens {
    uint32_t count;
    const char *bytes;
    const uint64_t *starts;
    const uint32_t *sorted;
} lode_tokens;

typedef struct lode_column {
    const char *name;
    lode_column_type type;
    uint64_t rows;
    const uint32_t *codes;
    const uint64_t *starts;
    const float *values;
    const char *bytes;
    lode_tokens tokens;
} lode_column;

typedef struct lode_dataset {
    lode_container file;
    lode_arena arena;
    uint64_t fingerprint; ///< of the contents: the same logs give the same number
    lode_tokens users, items;
    uint32_t active_users, active_items; ///< with at least one interaction
    uint64_t interactions;
    uint64_t large; ///< rows from which on a log is large: lode__dataset_forget
    const uint64_t *offsets;
    const uint32_t *item;
    const int64_t *time;      ///< NULL without times
    const uint8_t *behaviour; ///< NULL = all clicks
    const float *weight;      ///< NULL = all 1
    const uint32_t *session;  ///< NULL without sessions
    const float *label;       ///< NULL without ratings or labels
    const uint8_t *part;      ///< lode_given of each row; NULL when the log came without a split
    lode_time_kind time_kind;
    const int64_t *valid; ///< [items, 2] or NULL
    lode_column *context, *user_columns, *item_columns;
    size_t context_count, user_column_count, item_column_count;
} lode_dataset;

/// @param verify  check every section's checksum too (import and info do; training maps and trusts after
///                the structural checks, which read all offsets and codes once anyway)
LODE_CHECK lode_status lode__dataset_open(lode_dataset **out, const char *path, bool verify,
                                          lode_error *error);
/// The same, for tests of what is done with large logs: logs of `large` rows and more are.
/// @param large  1 or more
LODE_CHECK lode_status lode__dataset_open_as(lode_dataset **out, const char *path, bool verify,
                                             uint64_t large, lode_error *error);
void lode__dataset_free(lode_dataset **data);
/// Give the pages of a large log (tens of millions of rows) back after a walk over it: they are file, and what is read
/// again comes from there. Of a smaller one all stay.
void lode__dataset_forget(const lode_dataset *data);

const char *lode__token(const lode_tokens *tokens, uint32_t index);
/// Index of a token in a sorted list, or LODE_CODE_NONE.
uint32_t lode__token_find(const lode_tokens *tokens, const char *token);
/// A column by name, or NULL.
const lode_column *lode__column_find(const lode_column *columns, size_t count, const char *name);
/// The item column that is a title (the first text column called title or name or ending in _title, _name), or NULL.
const lode_column *lode__title_column(const lode_dataset *data);

#endif
