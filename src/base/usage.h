/// What this process takes of the machine's memory, as the kernel counts it.
#ifndef LODE_BASE_USAGE_H
#define LODE_BASE_USAGE_H

#include "base/error.h"

/// The most bytes that were resident at once so far.
uint64_t lode__peak_resident(void);

/// Bytes of a mapping that are resident now: of the whole mapping or mappings that the range is in. `huge` receives
/// how many of them are in huge pages, unless it is NULL. 0 where the kernel does not say. No allocation.
uint64_t lode__resident(const void *start, size_t bytes, uint64_t *huge);

#endif
