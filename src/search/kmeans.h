/// k-means: centroids of vectors, by Lloyd's iterations on a sample.
///
/// The nearest centroid of x is the one with the largest x . c - |c|^2 / 2, an inner product of (x, 1) with
/// (c, -|c|^2 / 2): assigning is exact search for one neighbour, by the quantised scan. Vectors of equal lengths
/// are thereby clustered as on the sphere. Sums are made cluster by cluster in the order of vectors, in double:
/// the same bits at any thread count.
#ifndef LODE_SEARCH_KMEANS_H
#define LODE_SEARCH_KMEANS_H

#include "search/searcher.h"

typedef struct lode_kmeans {
    const float *vectors; ///< [items, dim]; those that are not finite belong to cluster 0 and move nothing
    size_t items, dim;
    size_t clusters; ///< 1 .. items
    size_t rounds;
    size_t sample; ///< vectors that move centroids, drawn evenly; at least the clusters
    uint64_t seed;
} lode_kmeans;

/// @param centroids  [clusters, dim]
/// @param assigned   [items] each vector's cluster
LODE_CHECK lode_status lode__kmeans(const lode_kmeans *task, lode_pool *pool, float *centroids,
                                    uint32_t *assigned, lode_error *error);

#endif
