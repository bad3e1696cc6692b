/// The clock that durations are measured with.
#ifndef LODE_BASE_CLOCK_H
#define LODE_BASE_CLOCK_H

/// Seconds of a clock that only goes forward, from some moment on.
double lode__clock(void);

#endif
