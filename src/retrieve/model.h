/// A bundle opened for candidates: what lode_model and lode_session of the public header are.
#ifndef LODE_RETRIEVE_MODEL_H
#define LODE_RETRIEVE_MODEL_H

#include "search/searcher.h"
#include "train/trainer.h"

#define LODE_INDEX_FOLDER "index"
#define LODE_INDEX_FILE   "items.index"
#define LODE_INDEX_REPORT "items.json" ///< how it was chosen

struct lode_model {
    lode_bundle *bundle;
    lode_dataset *data;    ///< or NULL
    lode_split *split;     ///< its clicks; NULL without data
    lode_binding *binding; ///< NULL without data
    float *items;          ///< [items, dim]
    size_t dim, interests; ///< vectors a user
    lode_index *index;     ///< a scan of the items, which is exact, or the bundle's own
};

struct lode_session {
    const lode_model *model;
    lode_encoder *encoder;
    lode_searcher *searcher;
    size_t batch, k;
    float *vectors;     ///< [batch, interests, dim]
    float *scores;      ///< [batch, k]
    uint32_t *ids;      ///< [batch, k]
    uint64_t *starts;   ///< [batch + 1] of excluded
    uint32_t *excluded; ///< grows to the longest request and stays
    size_t excluded_capacity;
    lode_state *states; ///< [batch] users that are known; user = LODE_CODE_NONE: only what the query says
};

/// Options of lode_encode and of lode_build_index.
extern const lode_key lode__encode_keys[], lode__index_keys[];

#endif
