/// Towers: what turns a user (history and fields) or an item (fields) into vectors.
///
/// A tower is one file in towers/ and one line in towers.c. It *declares* its parameters once and can be *applied*
/// any number of times: to two views of a batch, with another parameter set of the same layout, to one user at
/// serving. It knows nothing of objectives; objectives take its named outputs and know nothing of towers.
#ifndef LODE_MODEL_TOWER_H
#define LODE_MODEL_TOWER_H

#include "model/mlp.h"
#include "model/vocabulary.h"

/// The input of one field in a graph: ids [entities], or packed lists of ids.
typedef struct lode_field_input {
    const lode_field *field;
    lode_ids *ids;
    lode_lists *lists; ///< multi-valued fields only
} lode_field_input;

/// Which clicks of the histories are masked, for towers that ask for it (type->masks): each position has an item row in
/// `seen` or a 0 in `masks`, lists of 0 or 1 ids. An item that is masked stands in none of these.
typedef struct lode_masked_inputs {
    lode_ids *seen, *masks;              ///< item id rows; zeros
    lode_lists *seen_lists, *mask_lists; ///< [positions]
    lode_ids *asked; ///< [masked] their positions, rising: what `positions` gives; NULL: `vector` is wanted
} lode_masked_inputs;

typedef struct lode_tower_inputs {
    lode_dim *rows; ///< users or items
    lode_field_input fields[LODE_FIELDS];
    size_t field_count;
    lode_lists *history; ///< users only: packed clicks, newest first or (type->oldest_first) in order of time
    lode_ids *clicks;                      ///< [positions] item id rows
    lode_ids *places;                      ///< [positions] 0 = newest, in either order
    lode_field_input clicked[LODE_FIELDS]; ///< what the tower wants to see of each click (click_fields.h)
    size_t clicked_count;
    bool raw_only; ///< item towers: raw_fields alone is wanted
    double mask;   ///< share of the elements of field embeddings that are 0 (lode__mask); 0 = none
    uint32_t purpose;   ///< of that draw
    lode_ids *entities; ///< [rows] whose mask it is; NULL when mask is 0
    lode_lists *aged; ///< a list a position: its bucket of age, or none (click_ages.h); NULL unless wanted
    lode_ids *ages;            ///< those buckets
    lode_ids *from_oldest;     ///< [positions] 0 = oldest of the list; NULL unless wanted
    lode_masked_inputs masked; ///< user towers with type->masks only
} lode_tower_inputs;

/// What a tower gives; members that it does not give are NULL / 0.
typedef struct lode_tower_outputs {
    lode_tensor *vector;     ///< [rows, d]
    lode_tensor *raw_fields; ///< [rows, sum of field dims]: f_i, before the tower (SYSTEMS.md 1.2)
    lode_tensor *positions; ///< [positions, d], in the order of the history; of masked.asked: [masked, d]
    /// [interests, d] of towers of several vectors a user, packed in `interest_lists` (rows: users; no list is empty).
    /// They have no `vector`: what training uses in its place is lode__tower_query.
    lode_tensor *interests;
    lode_lists *interest_lists;
    lode_tensor *scores; ///< [positions, heads] of clicks, where the type has `heads`
} lode_tower_outputs;

/// What an objective may ask of a tower, and data.examples: all_positions of the user tower.
enum lode_need {
    LODE_NEED_VECTOR = 1,
    LODE_NEED_RAW_FIELDS = 2,
    LODE_NEED_POSITIONS = 4,
    /// Positions, in order of time, each a function of the clicks up to it alone and of the dimension of `vector`,
    /// which is the newest of them: what stands behind a position may be what it is to predict.
    LODE_NEED_STATES = 8,
    /// Positions of masked clicks, of the dimension of `vector`, each a function of the clicks around it that are not
    /// masked (data.examples: cloze). Where they are asked for, there is no `vector`.
    LODE_NEED_CLOZE = 16,
    LODE_NEED_ONE_VECTOR = 32, ///< no tower says so: it must not be one that gives INTERESTS
    LODE_NEED_INTERESTS = 64 ///< several vectors a user; VECTOR beside it is a query of scenes alone
};

#define LODE_INTERESTS 32 ///< most of a user

/// Of a tower with several vectors a user. score(user, item) is the largest over them.
typedef struct lode_interests {
    int64_t count; ///< K, 1 .. LODE_INTERESTS
    int attention; ///< 0 hard, 1 soft: how training takes one vector of them (op readout)
    double power;  ///< of soft
} lode_interests;

/// What a tower may know when it declares: the fields of its side and the shape of histories.
typedef struct lode_tower_setting {
    lode_params *params;
    const lode_vocabulary *vocabulary;
    lode_side side;
    size_t history;     ///< longest history
    size_t dim;         ///< model.dim
    const char *prefix; ///< "user" or "item"
} lode_tower_setting;

typedef struct lode_click_fields lode_click_fields; ///< click_fields.h

/// What a user tower wants to know of clicks besides items, places and fields.
typedef struct lode_click_wants {
    bool ages;
    lode_ints age_edges; ///< minutes, rising: bounds of the buckets
    bool from_oldest;
} lode_click_wants;

typedef struct lode_tower_type {
    const char *name, *help;
    lode_side side;
    unsigned gives;                        ///< enum lode_need
    unsigned (*lacks)(const void *config); ///< what of these it does not give as configured; NULL = nothing
    bool oldest_first; ///< how this tower wants histories packed; places count from the newest all the same
    bool masks; ///< it wants inputs->masked: the newest position of a history is a mask, or views say which are (view.h)
    const lode_key *keys; ///< of its part of the configuration, besides `tower`
    bool (*reads_history)(const void *config); ///< user towers; NULL = always
    size_t (*raw_width)(const void *state); ///< of `raw_fields`, after declare; NULL = of all fields of the side
    /// Item towers: the last number of `vector` is a bias of the item's score, for which vectors of users get a 1 behind
    /// their numbers (lode__user_ready); under scorer: dot alone. NULL = no.
    bool (*biased)(const void *config);
    size_t config_size, state_size;
    /// Declare parameters; `state` (zeroed, state_size bytes) keeps their numbers. @param width receives d
    lode_status (*declare)(void *state, const void *config, const lode_tower_setting *setting,
                           size_t *width, lode_error *error);
    void (*apply)(const void *state, lode_graph *graph, const lode_params *params,
                  const lode_tower_inputs *inputs, lode_tower_outputs *outputs);
    /// User towers: item fields of clicks that it wants, after declare; NULL = none.
    const lode_click_fields *(*click_fields)(const void *state);
    /// User towers, after declare; NULL = nothing.
    lode_click_wants (*click_wants)(const void *state);
    const lode_interests *(*interests)(const void *config); ///< of towers that give them; else NULL
    /// User towers, after declare: heads of attention whose `scores` and items alone make the vector; NULL or 0 = it has others.
    size_t (*heads)(const void *state);
    /// That vector [lists, d] (before model.scorer) from scores [positions, heads] of the item rows `clicks`.
    lode_tensor *(*merge)(const void *state, lode_graph *graph, const lode_params *params,
                          lode_tensor *scores, lode_ids *clicks, lode_lists *lists);
} lode_tower_type;

/// A tower with its configuration and parameter numbers.
typedef struct lode_tower {
    const lode_tower_type *type;
    void *config, *state;
    lode_side side;
    unsigned gives;   ///< enum lode_need, as configured
    size_t width;     ///< d of `vector`, as scores take it
    size_t raw_width; ///< columns of `raw_fields`, where the tower gives them
    size_t interests; ///< most vectors a user: 1 unless the tower gives interests
} lode_tower;

/// The registry, ended by NULL.
extern const lode_tower_type *const lode__towers[];
const lode_tower_type *lode__tower_find(const char *name, lode_side side);

/// Read the part of a configuration (`tower: NAME` and its keys); NULL gives ican for users, mlp for items.
LODE_CHECK lode_status lode__tower_read(lode_tower *tower, const lode_node *part, lode_side side,
                                        lode_arena *arena, lode_error *error);
/// Read and declare.
LODE_CHECK lode_status lode__tower_new(lode_tower *tower, const lode_node *part, lode_arena *arena,
                                       const lode_tower_setting *setting, lode_error *error);

/// Embedding of one field of a side: of several values their mean, of none 0; masked as the inputs say.
lode_tensor *lode__field_part(lode_graph *graph, const lode_params *params,
                              const lode_tower_inputs *inputs, size_t number);
/// Embeddings of a side's fields side by side [rows, sum of dims], in the order of the vocabulary; the parts are
/// added to `parts` (room for LODE_FIELDS).
size_t lode__field_parts(lode_graph *graph, const lode_params *params,
                         const lode_tower_inputs *inputs, lode_part_of_row *parts);
/// The same with the mean of the history's item embeddings in front, on the user side.
size_t lode__pooled_parts(lode_graph *graph, const lode_params *params,
                          const lode_tower_inputs *inputs, lode_param *items,
                          lode_part_of_row *parts);
/// Number of those parts; LODE_E_CONFIG with the field's name when their dims are not all that of the item id.
LODE_CHECK lode_status lode__equal_parts(const lode_tower_setting *setting, const char *tower,
                                         size_t *count, lode_error *error);
/// LODE_E_CONFIG unless `heads` attention heads divide the d numbers of `what` ("the item id has").
LODE_CHECK lode_status lode__check_heads(const lode_tower_setting *setting, size_t heads, size_t d,
                                         const char *what, lode_error *error);
/// Sum of the dims of a side's fields (user and context fields together for users).
size_t lode__field_width(const lode_vocabulary *vocabulary, lode_side side);

#endif
