/// Sampled negatives and masks: what sampled_softmax, bce and bpr share, and the masks of in_batch.
#ifndef LODE_OBJECTIVE_NEGATIVES_H
#define LODE_OBJECTIVE_NEGATIVES_H

#include "data/distinct.h"
#include "objective/objective.h"

typedef enum lode_mask { LODE_MASK_SAME_ITEM, LODE_MASK_USER_ITEMS, LODE_MASK_NONE } lode_mask;

/// Masked places kept of one example: more of a user's own items among the negatives of one step than this stay in.
#define LODE_MASKED 256
/// The same where the negatives are a queue: of the 4M places that a step may mask, a query's part.
#define LODE_MASKED_OF_QUEUE(queries) LODE_MAX(((size_t)4 << 20) / (queries), (size_t)LODE_MASKED)

extern const char *const lode__masks[], *const lode__denominators[];

/// Which places of the negative list a query must not see.
typedef struct lode_masker {
    lode_mask mask;
    bool shared;
    size_t width; ///< of an example's own negatives
    size_t most;  ///< places masked of one query; 0 = LODE_MASKED
    const lode_training *training;
    lode_item_view *items;
    lode_lists *lists; ///< rows = queries
    lode_ids *places;
    int32_t *first,
        *next; ///< shared: places of an item slot, chained; [item view capacity], [negatives]
    uint64_t *seen, now; ///< [item view capacity] number of the last user that masked an item slot
} lode_masker;

/// Build into a scene; `negatives` is the most places of a shared list. Fails through graph->failed.
void lode__masker_build(lode_masker *masker, const lode_scene *scene, size_t negatives);
/// Fill for a batch. `slots` are item view slots: [count] of a shared list, or [examples * width].
void lode__masker_fill(lode_masker *masker, const lode_batch *batch, const int32_t *slots,
                       size_t count);

/// Key section `negatives`.
typedef struct lode_negative_options {
    int64_t count;
    int scope; ///< 0 batch, 1 example
    int from;  ///< lode_sampler_type
    double alpha;
    int avoid; ///< 0 none, 1 the items of the user
    bool unique;
} lode_negative_options;

extern const lode_key lode__negative_keys[];

/// Configuration and state of a loss over sampled negatives.
typedef struct lode_sampled_options {
    lode_negative_options negatives;
    double temperature;
    int mask;
    bool log_q;
    int denominator;
} lode_sampled_options;

typedef struct lode_sampled {
    const lode_sampled_options *options;
    lode_training training;
    lode_sampler *sampler;
    lode_distinct distinct; ///< unique
    lode_item_view *items;
    lode_ids *negative;
    lode_vector *negative_shift, *positive_shift;
    lode_masker masker;
    uint32_t *avoided,
        now; ///< [log items] == now: an item of the user at hand; NULL = none are avoided
} lode_sampled;

/// Keys of a loss that has no others: negatives, temperature, mask.
extern const lode_key lode__sampled_keys[];

lode_status lode__sampled_prepare(void *state, const void *config, const lode_training *training,
                                  lode_arena *arena, lode_error *error);
size_t lode__sampled_items(const void *state, size_t batch);
lode_status lode__sampled_draw(void *state, const lode_batch *batch, lode_error *error);
void lode__sampled_release(void *state);
/// Build the loss of the given kind over the drawn negatives.
lode_status lode__sampled_build(lode_sampled *self, lode_contrast_kind kind,
                                const lode_scene *scene, double weight, lode_error *error);

#define LODE_NEGATIVES_KEY                                                                         \
    {                                                                                              \
        .name = "negatives", .type = LODE_KEY_SECTION,                                             \
        .offset = offsetof(lode_sampled_options, negatives), .keys = lode__negative_keys,          \
        .help = "Where negatives come from."                                                       \
    }
#define LODE_TEMPERATURE_KEY(struct_name)                                                          \
    {                                                                                              \
        .name = "temperature", .type = LODE_KEY_REAL,                                              \
        .offset = offsetof(struct_name, temperature), .fallback = "1", .low = 1e-4, .high = 1e4,   \
        .help = "Scores are divided by it; cosine wants about 0.05 to 0.2."                        \
    }
#define LODE_DENOMINATOR_KEY(struct_name)                                                          \
    {                                                                                              \
        .name = "denominator", .type = LODE_KEY_CHOICE,                                            \
        .offset = offsetof(struct_name, denominator), .fallback = "all",                           \
        .choices = lode__denominators,                                                             \
        .help =                                                                                    \
            "all: the positive is in the denominator; negatives: it is not, as some papers print." \
    }
#define LODE_MASK_KEY(struct_name)                                                                 \
    {                                                                                              \
        .name = "mask", .type = LODE_KEY_CHOICE, .offset = offsetof(struct_name, mask),            \
        .fallback = "same_item", .choices = lode__masks,                                           \
        .help = "Accidental hits: leave out negatives that are the positive itself, or any item "  \
                "that the "                                                                        \
                "user clicked in training, or none."                                               \
    }

#endif
