/// Objectives: what training minimises. A configuration lists any number of them; the loss is their weighted sum.
///
/// An objective is one file and one line in objectives.c. It runs in *stages*: `build` adds to the stage's graph
/// once, `draw` fills that part's inputs before every run. The last stage of every objective runs in the one graph that
/// carries gradients; earlier ones (scoring, sampling) run before it, in forward-only graphs with views of their own,
/// and a later stage's `draw` reads what they computed. All objectives share the views of the batch: the examples' users (one row each) and
/// the item view, in which each distinct item is encoded once however many objectives draw it.
///
/// Random draws come from lode__random(seed, purpose of this objective, epoch, step), so an objective that is added
/// does not shift the draws of another. Queues, momentum copies and the like are declared state: `arrays` lists
/// them and checkpoints carry them. Projectors and other weights that serving drops are *heads*: `declare` adds them to
/// a parameter set beside the model's. No objective names a tower, no tower an objective: `needs` says what a tower
/// must give.
///
/// A loss is a mean over *queries*: vectors that each have a positive item. What they are, data.examples says, and no
/// objective has to know: a query is the user vector of an example (every_click, random_cut, last), or one position of
/// an example's window (all_positions), where examples and queries are numbered apart. An objective takes the tensor
/// from `scene->query`, the slots of the positives from `scene->targets` and what it must know of a query from the
/// batch: `states[q]` (user and moment: everything strictly before `end` may be known), `target_rows[q]`, and
/// `example_of[q]` for what belongs to the example (its fields, its row in the user view). Dimensions of what is
/// drawn per query are `scene->query->rows`, whose capacity is `scene->most`.
/// Under cloze a query is a masked click of an example's window, and the vector has seen clicks behind `end` too:
/// `training->sees_later` says so, and an objective that has what follows `end` for a label must refuse it in `prepare`.
#ifndef LODE_OBJECTIVE_OBJECTIVE_H
#define LODE_OBJECTIVE_OBJECTIVE_H

#include "base/random.h"
#include "data/sampler.h"
#include "mine/mine.h"
#include "model/view.h"

#define LODE_OBJECTIVES 8
#define LODE_STAGES     3

/// What an objective may know before training begins: the training part of the data, and the model.
typedef struct lode_training {
    const lode_dataset *data;
    const lode_split *split;
    const lode_binding *binding;
    const lode_model_core *model;
    const lode_session_options *sessions;
    const lode_mine_options *mining;
    bool sees_later; ///< queries are functions of clicks behind their state's `end` as well
    lode_pool *pool; ///< also for draws
    const lode_hooks *hooks;
    size_t queries; ///< most of a step
    int examples;   ///< lode_example_kind
} lode_training;

/// Where a stage is built.
typedef struct lode_scene {
    lode_graph *graph;
    const lode_params *params;
    const lode_params *heads; ///< what objectives declared
    uint32_t purpose;         ///< of this objective's draws in the stage, as lode_batch has it
    lode_user_view *users;    ///< row i = the state of example i
    lode_item_view *items;
    lode_tensor *query; ///< [queries, d]
    lode_ids *targets;  ///< [queries] slot of each query's positive in the item view
    size_t most;        ///< most queries
} lode_scene;

/// One step's queries.
typedef struct lode_batch {
    uint64_t seed;
    uint32_t purpose; ///< of this objective's draws
    uint32_t epoch, step;
    double progress; ///< of the whole training, 0 .. 1
    size_t count;
    const lode_state *states; ///< [count] what each query may know; its positive is the click at `end`
    const uint32_t *target_rows; ///< [count] item id rows of the positives
    const uint32_t *example_of; ///< [count] rows of the user view, rising; NULL: query i is of example i
} lode_batch;

/// A piece of state that checkpoints carry.
typedef struct lode_state_array {
    const char *name;
    void *data;
    size_t bytes;
} lode_state_array;

/// A number for metrics.jsonl.
typedef struct lode_figure {
    const char *name;
    double value;
} lode_figure;

typedef struct lode_stage {
    lode_status (*build)(void *state, const lode_scene *scene, double weight, lode_error *error);
    lode_status (*draw)(void *state, const lode_batch *batch, lode_error *error);
} lode_stage;

typedef struct lode_objective_type {
    const char *name, *help;
    unsigned user_needs, item_needs; ///< enum lode_need
    const lode_key *keys;            ///< besides type and weight
    size_t config_size, state_size;
    /// Mine, count, make samplers; `arena` lives as long as the objective.
    lode_status (*prepare)(void *state, const void *config, const lode_training *training,
                           lode_arena *arena, lode_error *error);
    /// Declare parameters that only training knows (projectors): updated and checkpointed, but no part of the bundle.
    /// Names begin with `prefix`. After prepare; a failure shows in heads->failed. NULL = none.
    void (*declare)(void *state, const lode_training *training, lode_params *heads,
                    const char *prefix);
    /// The miner that it asks, with its keys: *name is NULL when the data has nothing for it. NULL = asks none.
    lode_status (*miner)(const void *config, const lode_dataset *data, lode_arena *arena,
                         const char **name, lode_node **keys, lode_error *error);
    /// Most distinct items that a step of `queries` adds to the item view besides the targets.
    size_t (*items)(const void *state, size_t queries);
    lode_stage stages[LODE_STAGES];
    size_t stage_count;
    void (*after_step)(void *state, const lode_params *params);               ///< or NULL
    size_t (*arrays)(void *state, lode_state_array *arrays, size_t capacity); ///< or NULL
    void (*release)(void *state);                                             ///< or NULL
    /// Bytes of graphs beside the scenes' and of what they pack; what `arrays` lists is not of it. NULL = none.
    size_t (*graph_bytes)(const void *state);
    /// The arrays were filled from a checkpoint: check what they hold (LODE_E_MISMATCH), derive what follows. NULL = nothing.
    lode_status (*restored)(void *state, lode_error *error);
    /// What is to be said of the epoch that ends, which then begins anew; names are constants. NULL = nothing.
    size_t (*figures)(void *state, lode_figure *figures, size_t capacity);
} lode_objective_type;

typedef struct lode_objective {
    const lode_objective_type *type;
    double weight;
    void *config, *state;
    lode_arena arena;
} lode_objective;

/// The registry, ended by NULL.
extern const lode_objective_type *const lode__objectives[];

/// Read one element of `objectives` (type, weight and its keys); nothing is prepared yet.
LODE_CHECK lode_status lode__objective_read(lode_objective *objective, const lode_node *node,
                                            size_t number, lode_error *error);
/// Check what it needs of the towers and prepare it.
LODE_CHECK lode_status lode__objective_prepare(lode_objective *objective,
                                               const lode_training *training, lode_error *error);
void lode__objective_release(lode_objective *objective);
/// Bytes of its own graphs and of the state that checkpoints carry.
size_t lode__objective_bytes(const lode_objective *objective);
/// Write it as one list element of a resolved configuration.
void lode__objective_write(lode_text *text, int indent, const lode_objective *objective);

#endif
