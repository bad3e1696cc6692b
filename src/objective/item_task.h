/// Contrast between items: what MicRec's three tasks share (SYSTEMS.md 1.4 to 1.7).
///
///     loss = mean over anchors i of -log (e^g(i, p) / (e^g(i, p) + sum over negatives j of e^g(i, j)))
///     g(i, j) = <P(x_i), P(y_j)> / temperature         P: the task's own projector, linear to 64 by default
///
/// An anchor is a distinct clicked item of the batch (or of a draw from the catalogue). A *related* task (semantic,
/// session) takes x = y = the item vectors and draws p from what a miner found; the feature task takes the raw fields,
/// and as p the anchor itself with parts left out. Negatives are drawn for the step and shared by its anchors, each of
/// which masks what is related to it; with `negatives.scope: anchor` each has its own, drawn again while they are related.
///
/// What keeps the tasks cheap: related positives and negatives stand in the batch's item view, where each distinct item
/// is encoded once for the loss on clicks and all tasks; vectors are projected once and anchors picked from the
/// projections; what is left out of items is left out of their lists, before anything is looked up.
#ifndef LODE_OBJECTIVE_ITEM_TASK_H
#define LODE_OBJECTIVE_ITEM_TASK_H

#include "mine/mine.h"
#include "objective/negatives.h"

typedef struct lode_item_negatives {
    int64_t count;
    int scope; ///< 0 batch, 1 anchor
    int from;  ///< lode_sampler_type
    double alpha;
} lode_item_negatives;

/// Keys of every task; the first member of its configuration.
typedef struct lode_item_options {
    lode_ints projector; ///< widths of layers; none = no projector
    double temperature;
    int similarity;  ///< 0 dot, 1 cosine
    int anchors;     ///< 0 batch, 1 catalogue
    int denominator; ///< 0 all, 1 negatives
    lode_item_negatives negatives;
} lode_item_options;

extern const lode_key lode__item_negative_keys[];
extern const char *const lode__item_similarities[], *const lode__item_anchors[];

/// State of every task; the first member of its state.
typedef struct lode_item_task {
    const lode_item_options *options;
    lode_training training;
    bool active;        ///< false: the data has nothing for it, which a notice has said
    lode_mined *mined;  ///< of a related task; NULL: the feature task
    lode_mined_draw by; ///< how positives are drawn from it
    lode_sampler *sampler;
    lode_mlp projector;
    // of the scene
    lode_item_view *view; ///< of the batch
    lode_item_view *others; ///< where positives and negatives stand: `view`, or one that leaves parts out
    lode_ids *anchors, *positive, *negative; ///< slots: in `view`, in `others`
    lode_lists *masked;
    lode_ids *masked_ids;
    // of the step
    uint32_t *anchor_rows; ///< [anchors] item id rows
    uint32_t *stamp, now;  ///< [rows] == now: an anchor already
    uint64_t *related; ///< [anchors, words of negatives] bit j: negative j is related to the anchor
    uint32_t *negative_rows; ///< [negatives] item id rows of those that are shared
} lode_item_task;

/// Sampler and scratch; `mined` and `by` are set by the task. Sets `active`.
LODE_CHECK lode_status lode__item_task_prepare(lode_item_task *task, const lode_item_options *options,
                                               const lode_training *training, lode_arena *arena,
                                               lode_error *error);
/// The projector, from `width` numbers.
void lode__item_task_declare(lode_item_task *task, size_t width, lode_params *heads,
                             const char *prefix);
size_t lode__item_task_items(const void *state, size_t queries);
/// Inputs and loss. @param others  where positives and negatives stand; x and y: what is projected of them and of the
/// anchors; `x` is of all items of the batch's view
void lode__item_task_build(lode_item_task *task, const lode_scene *scene, lode_item_view *others,
                           lode_tensor *x, lode_tensor *y, double weight);
/// Draw anchors, positives and negatives; fills every input but those of `others`.
void lode__item_task_draw(lode_item_task *task, const lode_batch *batch);
void lode__item_task_release(void *state);

#define LODE_ITEM_KEYS(owner)                                                                      \
    {.name = "projector",                                                                          \
     .type = LODE_KEY_INTS,                                                                        \
     .offset = offsetof(owner, item.projector),                                                    \
     .fallback = "[64]",                                                                           \
     .low = 1,                                                                                     \
     .high = 65536,                                                                                \
     .help = "Widths of the task's own projector, which serving drops; [] compares what there is " \
             "without one."},                                                                      \
        {.name = "temperature",                                                                    \
         .type = LODE_KEY_REAL,                                                                    \
         .offset = offsetof(owner, item.temperature),                                              \
         .fallback = "1",                                                                          \
         .low = 1e-4,                                                                              \
         .high = 1e4,                                                                              \
         .help = "Similarities are divided by it (MicRec: 1); cosine wants about 0.05 to 0.2."},   \
        {.name = "similarity",                                                                     \
         .type = LODE_KEY_CHOICE,                                                                  \
         .offset = offsetof(owner, item.similarity),                                               \
         .fallback = "dot",                                                                        \
         .choices = lode__item_similarities,                                                       \
         .help = "Of projections: inner product (MicRec Eq. 1), or cosine."},                      \
        {.name = "anchors",                                                                        \
         .type = LODE_KEY_CHOICE,                                                                  \
         .offset = offsetof(owner, item.anchors),                                                  \
         .fallback = "batch",                                                                      \
         .choices = lode__item_anchors,                                                            \
         .help = "batch: the distinct clicked items of a step; catalogue: as many drawn from all " \
                 "items, which serves the tail."},                                                 \
        {.name = "denominator",                                                                    \
         .type = LODE_KEY_CHOICE,                                                                  \
         .offset = offsetof(owner, item.denominator),                                              \
         .fallback = "all",                                                                        \
         .choices = lode__denominators,                                                            \
         .help =                                                                                   \
             "all: the positive is in the denominator; negatives: it is not, as MicRec prints."},  \
    {                                                                                              \
        .name = "negatives", .type = LODE_KEY_SECTION, .offset = offsetof(owner, item.negatives),  \
        .keys = lode__item_negative_keys, .help = "Where negatives come from."                     \
    }

#endif
