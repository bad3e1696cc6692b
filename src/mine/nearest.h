/// What miners of near items share: the search among vectors, with progress and its choice of an index.
#ifndef LODE_MINE_NEAREST_H
#define LODE_MINE_NEAREST_H

#include "mine/mine.h"
#include "search/neighbours.h"

/// Choices of a key `search`, in this order: exact, approximate (through an index of kind graph).
extern const char *const lode__nearest_searches[];

/// The k nearest of each vector (search/neighbours.h), reported to the hooks as they are found.
/// @param search       without its step; k is lowered to what there can be at most
/// @param approximate  index of lode__nearest_searches
/// @param arena        receives the lists
/// @param ids, scores  [items, *k]
LODE_CHECK lode_status lode__mine_nearest(lode_neighbours search, int approximate,
                                          const lode_mine_input *input, lode_arena *arena,
                                          uint32_t **ids, float **scores, size_t *k,
                                          lode_error *error);

/// Bytes that it holds beside the vectors.
uint64_t lode__nearest_bytes(const lode_neighbours *search);

#endif
