/// Configuration: YAML into a tree that remembers lines, and tables of keys that say what is legal.
///
/// A key exists in one place: a row of a `lode_key` table with its type, default, range and help. Reading
/// (with "unknown key" errors that name the nearest one), writing every default out, `help` and --set all
/// come from that row. A tower or objective brings a table of its own.
#ifndef LODE_BASE_CONFIG_H
#define LODE_BASE_CONFIG_H

#include "base/text.h"

typedef enum lode_node_kind { LODE_NODE_SCALAR, LODE_NODE_LIST, LODE_NODE_MAP } lode_node_kind;

/// A node of a parsed YAML text; everything lives in the arena it was parsed into.
typedef struct lode_node {
    lode_node_kind kind;
    const char *key;  ///< within a map, else NULL
    const char *text; ///< of a scalar, as written without quotes; NULL otherwise
    bool quoted;      ///< the scalar was quoted (so "auto" in quotes is a name)
    struct lode_node *child, *next;
    const char *file; ///< name for messages
    int line;         ///< 1-based; 0 for --set
} lode_node;

/// Parse one YAML document whose top is a map (an empty text gives an empty map). Anchors, aliases, tags,
/// duplicate keys, several documents, depth over 32 and non-UTF-8 are refused with file:line.
LODE_CHECK lode_status lode__yaml_parse(lode_arena *arena, const char *text, size_t length,
                                        const char *name, lode_node **root, lode_error *error);

/// Apply "a.b.0.c=value": maps are made on the way, a number selects an element of a list (or appends the
/// next one), the value is YAML (a scalar or a flow list or map).
LODE_CHECK lode_status lode__yaml_set(lode_arena *arena, lode_node *root, const char *setting,
                                      lode_error *error);

/// Lay `over` on `base` in place: maps are merged, everything else is replaced.
void lode__yaml_merge(lode_node *base, lode_node *over);

/// Write a tree as block YAML; scalars that need it are quoted.
void lode__yaml_print(lode_text *text, const lode_node *root);

/// A child of a map by key, or NULL; NULL maps have no children.
lode_node *lode__node_get(const lode_node *map, const char *key);
size_t lode__node_count(const lode_node *node);

typedef enum lode_key_type {
    LODE_KEY_INT,      ///< int64_t
    LODE_KEY_REAL,     ///< double
    LODE_KEY_BOOL,     ///< bool; true, false
    LODE_KEY_CHOICE,   ///< int: index into `choices`
    LODE_KEY_TEXT,     ///< const char *
    LODE_KEY_DURATION, ///< int64_t milliseconds; 30m, 1h, 7d, 45s, 250ms, or a plain number of ms
    LODE_KEY_INTS,     ///< lode_ints; a list of whole numbers
    LODE_KEY_TEXTS,    ///< lode_texts; a list of texts, or one text
    LODE_KEY_NODE,     ///< lode_node *: read by someone else (towers, objectives); NULL when absent
    LODE_KEY_SECTION   ///< a struct of its own at `offset`, described by `keys`
} lode_key_type;

typedef struct lode_ints {
    int64_t *values;
    size_t count;
} lode_ints;

typedef struct lode_texts {
    const char **values;
    size_t count;
} lode_texts;

typedef struct lode_key {
    const char *name; ///< NULL ends a table
    lode_key_type type;
    size_t offset; ///< of the member in the struct that is filled
    const char *fallback; ///< the default as it would be written; NULL = required (TEXT: stays NULL; NODE: NULL)
    double low, high;            ///< range of numbers (of each element); both 0 = any
    const char *const *choices;  ///< ended by NULL
    const struct lode_key *keys; ///< of a SECTION
    const char *help;            ///< one or two sentences; the paper's equation where there is one
} lode_key;

/// Check a map against a table and fill the struct; absent keys get their defaults.
/// @param path  what the map is called in messages ("objectives[0]"), "" at the top
/// @param skip  names, ended by NULL, that someone else reads; or NULL
LODE_CHECK lode_status lode__config_read(lode_arena *arena, const lode_node *map, const char *path,
                                         const lode_key *keys, const char *const *skip, void *out,
                                         lode_error *error);

/// Write a struct as YAML lines, indented; NODE keys are left to the caller.
void lode__config_write(lode_text *text, int indent, const lode_key *keys, const void *in);

/// Write a table's documentation: name, type, default, range, help, a line or two each.
void lode__config_help(lode_text *text, const char *prefix, const lode_key *keys);

/// "file:line" of a node, or "--set", for messages; in the arena.
const char *lode__node_where(lode_arena *arena, const lode_node *node);

#endif
