/// Columns: what the columns of a log or table mean.
///
/// A table of header synonyms gives every column a role; a columns file overrides it:
///
///     log:  {user: visitor, item: sku, time: at, context: [device, "price:float"], ignore: [row],
///            item_columns: [category], user_columns: [city], names: [visitor, sku, at, ...]}
///     item: {id: sku, brand: token, tags: token_seq, price: float, notes: ignore, names: [sku, brand, ...],
///            content: {npy: vectors.npy, ids: vectors.ids}}
///     user: {id: visitor, age: token}
#ifndef LODE_DATA_COLUMNS_H
#define LODE_DATA_COLUMNS_H

#include "base/config.h"
#include "data/reader.h"

typedef enum lode_role {
    LODE_ROLE_NONE,
    LODE_ROLE_USER,
    LODE_ROLE_ITEM,
    LODE_ROLE_TIME,
    LODE_ROLE_LABEL,
    LODE_ROLE_SESSION,
    LODE_ROLE_BEHAVIOUR,
    LODE_ROLE_WEIGHT,
    LODE_ROLE_PART, ///< train, valid or test
    LODE_ROLE_VALID_FROM,
    LODE_ROLE_VALID_UNTIL,
    LODE_ROLE_OFFSET, ///< milliseconds that a coarse time leaves out, since the session began
    LODE_ROLE_ABOUT_SESSION, ///< describes the session, not the click (its start, its size): left out
    LODE_ROLES
} lode_role;

#define LODE_ROLE_LOG_LAST LODE_ROLE_PART ///< roles from LODE_ROLE_USER to here are of a log

/// "user", "item", "time", ...
const char *lode__role_name(lode_role role);

/// The role of a header by the synonyms (userId, user_id, UserID are one), or LODE_ROLE_NONE.
/// @param rank  receives how far down the list the synonym stands, lower is better; or NULL
lode_role lode__role_of(const char *heading, size_t *rank);

/// The part that a word such as train, val, dev or test names, or -1.
int lode__part_of(const char *word, size_t length);
/// "train", "valid", "test".
const char *lode__part_name(lode_given part);

/// True for title, name, and names that end in _title or _name.
bool lode__is_title_name(const char *name);

const char *lode__column_type_name(lode_column_type type);
/// -1 when it is no type.
int lode__column_type_find(const char *name);

/// How one column of a table is used.
typedef struct lode_use {
    bool keep;  ///< it becomes a typed column
    bool guess; ///< nobody said its type: a table's column may turn out to be token_seq or float
    lode_about about; ///< of a log's column: whether it goes to the context, the items or the users
    lode_column_type type;
    char separator; ///< of token_seq and float_seq; 0 = found from the values: | or , or blank
} lode_use;

#define LODE_NO_COLUMN SIZE_MAX

/// The columns of one log or table. Lives in the arena it was made in.
typedef struct lode_column_map {
    size_t role[LODE_ROLES]; ///< column of each role, or LODE_NO_COLUMN
    lode_use *uses;          ///< [headings]
} lode_column_map;

/// What the map is made from.
typedef struct lode_map_request {
    const lode_table *table;
    const lode_node *root; ///< of the columns file, or NULL
    const lode_hooks *hooks;
    lode_arena *arena;
} lode_map_request;

/// The columns of a log: the item column and a user or session column must be found; without a user column every
/// session is a user. All others that have no role become context columns, or columns of the items or users.
LODE_CHECK lode_status lode__map_log(lode_column_map *map, const lode_map_request *request,
                                     lode_error *error);

/// The columns of an item or user table.
/// @param id  LODE_ROLE_ITEM or LODE_ROLE_USER
LODE_CHECK lode_status lode__map_table(lode_column_map *map, const lode_map_request *request,
                                       lode_role id, lode_error *error);

/// Column of a heading by name, exact first, else ignoring case and punctuation; or LODE_NO_COLUMN.
size_t lode__heading_find(const lode_table *table, const char *name);

/// The column with a role by its best synonym, or LODE_NO_COLUMN.
size_t lode__heading_role(const lode_table *table, lode_role role);

/// The id column of the log or of an item or user table under a columns file; LODE_NO_COLUMN when there is none.
size_t lode__heading_id(const lode_table *table, const lode_node *root, const char *section,
                        lode_role role);

/// "'a', 'b', 'c'" of the headings, for messages; in the arena.
const char *lode__heading_list(const lode_table *table, lode_arena *arena);

#endif
