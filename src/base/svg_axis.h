/// Axes of charts: from numbers to places, ticks at round numbers, labels, and texts that keep to their room. Used by
/// svg.c alone.
#ifndef LODE_BASE_SVG_AXIS_H
#define LODE_BASE_SVG_AXIS_H

#include "base/svg.h"

enum { LODE_TICKS = 32, LODE_TICK_LABEL = 24, LODE_ROUND_STEPS = 5 };

typedef struct lode_scale {
    double low, high;  ///< what is shown; decimal logarithms on a logarithmic axis
    double begin, end; ///< places of low and high
    bool log, time, whole;
    double ticks[LODE_TICKS]; ///< increasing
    char labels[LODE_TICKS][LODE_TICK_LABEL];
    size_t count;
} lode_scale;

/// Whether a number has a place on the axis.
bool lode__axis_takes(const lode_axis *axis, double value);

/// Show low .. high (both drawable, low <= high), widened where they are equal; `round` widens to ticks of
/// LODE_ROUND_STEPS wanted ones.
void lode__scale_fit(lode_scale *scale, const lode_axis *axis, double low, double high, bool round);

/// Choose about `wanted` ticks (at least 2 are aimed at) and write their labels.
void lode__scale_tick(lode_scale *scale, size_t wanted);

double lode__scale_at(const lode_scale *scale, double value);

/// Add a text, escaped, with characters that XML forbids as '?', cut to `room` units with an ellipsis.
void lode__svg_text(lode_text *out, const char *text, double size, double room);

#endif
