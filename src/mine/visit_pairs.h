/// Pairs of a session: for each distinct item the other items that were clicked within a window of it.
#ifndef LODE_MINE_VISIT_PAIRS_H
#define LODE_MINE_VISIT_PAIRS_H

#include "data/sessions.h"

/// One thread's scratch memory. Zero-initialise, make, use, release.
typedef struct lode_pair_finder {
    const lode_log *log;
    bool timed;         ///< the log's times are real, so that the window applies
    int64_t window;     ///< ms between two clicks, at most
    uint64_t *sorted;   ///< [longest] item and place of each click
    uint32_t *local;    ///< [longest] number of a click's item within the session
    uint32_t *starts;   ///< [longest + 1] where each item begins in `sorted`
    uint32_t *stamp;    ///< [longest] per item: the anchor that met it last
    uint32_t *partners; ///< [longest]
    size_t count;       ///< clicks of the session in hand
    uint32_t distinct;  ///< its items
    uint32_t next;
} lode_pair_finder;

LODE_CHECK lode_status lode__pair_finder_make(lode_pair_finder *finder, const lode_log *log,
                                              bool timed, int64_t window, size_t longest,
                                              lode_error *error);
void lode__pair_finder_release(lode_pair_finder *finder);

/// Take up a session. @return how many distinct items it has
uint32_t lode__pair_finder_visit(lode_pair_finder *finder, const lode_visit *visit);

/// The next anchor item in first .. last - 1 that has partners, with them (each once, in no particular order,
/// never the anchor); 0 = no more. A pair (i, j) comes once from i and once from j.
uint32_t lode__pair_finder_next(lode_pair_finder *finder, const lode_visit *visit, uint32_t first,
                                uint32_t last, uint32_t *anchor);

#endif
