/// Spools: temporary bytes, in memory while they are few, then in a file that has no name.
///
/// The file is unlinked as soon as it is made, so that nothing is left behind however the program ends.
#ifndef LODE_DATA_SPOOL_H
#define LODE_DATA_SPOOL_H

#include "base/memory.h"

/// Zero-initialise with the folder set, use, release.
typedef struct lode_spool {
    const char *folder; ///< where the file goes; outlives the spool
    unsigned char *buffer;
    size_t filled;
    uint64_t size;   ///< bytes added
    uint64_t stored; ///< of them in the file
    int descriptor;  ///< valid when stored > 0
} lode_spool;

/// Allocate what `add` will need, for those who add from a thread.
LODE_CHECK lode_status lode__spool_reserve(lode_spool *spool, lode_error *error);
LODE_CHECK lode_status lode__spool_add(lode_spool *spool, const void *bytes, size_t length,
                                       lode_error *error);
/// Read bytes that were added; offset + length <= size.
LODE_CHECK lode_status lode__spool_read(const lode_spool *spool, uint64_t offset, void *bytes,
                                        size_t length, lode_error *error);
/// Forget all bytes; the buffer stays.
void lode__spool_clear(lode_spool *spool);
void lode__spool_release(lode_spool *spool);

#endif
