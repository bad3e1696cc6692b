/// The cache of mining: X.mine, a container (base/container.h, kind "MINE", version 1).
///
/// Sections (i = items of the catalogue, p = pairs, g = groups; those that do not apply are absent):
///
///     key              text: data set, split, miner and every key; what is found depends on nothing else
///     meta             JSON: kind (0 pairs, 1 groups), items, groups, sessions, too_long, related_pairs
///     pair.starts      u64 [i + 1]     pair.items u32 [p], of each item best first
///     pair.counts      u32 [p], or     pair.similarity f32 [p]
///     related.starts   u64 [i + 1]     related.items u32: partners above the item, rising
///     related.filter   u64 [blocks, 8] in place of both (lode__related_add)
///     group.starts     u64 [g + 1]     group.items u32, rising within a group of 2 or more
///     item.starts      u64 [i + 1]     item.groups u32, rising within an item
///
/// The file is called MINER-HASH.mine after the hash of its key. A file whose checksums, key or arrays are
/// not what they must be is not used.
#ifndef LODE_MINE_CACHE_H
#define LODE_MINE_CACHE_H

#include "mine/mine.h"

#define LODE_MINE_KIND    "MINE"
#define LODE_MINE_VERSION 1

LODE_CHECK lode_status lode__mined_write(const lode_mined *mined, const char *path, const char *key,
                                         lode_error *error);
/// Check everything; LODE_E_FORMAT for damage, LODE_E_MISMATCH for another key.
/// @param key  NULL accepts any
LODE_CHECK lode_status lode__mined_read(lode_mined *mined, const char *path, const char *key,
                                        lode_error *error);

#endif
