/// Pictures: line, bar, scatter and histogram charts as one SVG, written for people who look at it in a browser.
///
/// A picture is one or several charts, below one another or side by side in `columns`. It is made to be read when it
/// is 400 pixels wide (a cell is 400 units wide and letters have 12), follows the light or dark scheme of whoever looks
/// at it, and tells series apart by colour (a palette for the colour-blind, after Okabe and Ito), dashes and markers
/// alike. Labels that are too long are shortened with an ellipsis; none covers another. The same input gives the same
/// bytes, and their number is bounded: a line of a million points is thinned to at most four points (first, lowest,
/// highest, last) for every two units of its width.
///
/// Numbers that cannot be drawn (NaN, infinities, what is not positive on a logarithmic axis) are left out; a line has
/// a gap there.
#ifndef LODE_BASE_SVG_H
#define LODE_BASE_SVG_H

#include "base/text.h"

enum {
    LODE_SERIES = 8,      ///< most series of a chart
    LODE_CHART_BARS = 64, ///< most groups of bars
    LODE_CHART_BINS = 512 ///< most bins of a histogram
};

typedef enum lode_chart_kind {
    LODE_CHART_LINE,    ///< points (x, y), x never decreasing
    LODE_CHART_BAR,     ///< one bar a series in each named group
    LODE_CHART_SCATTER, ///< points (x, y)
    LODE_CHART_HISTOGRAM ///< the first series alone: its x are [count + 1] edges, its y [count] heights
} lode_chart_kind;

typedef struct lode_axis {
    const char *label; ///< or NULL
    bool log;          ///< logarithmic
    bool whole;        ///< ticks at whole numbers only
    bool time;         ///< milliseconds since 1970, shown in UTC
    bool zero;         ///< 0 belongs to the axis (bars and histograms always have it)
} lode_axis;

/// Arrays belong to the caller.
typedef struct lode_series {
    const char *name; ///< for the legend, or NULL
    const double *x;  ///< not used by bars
    const double *y;
    size_t count;
} lode_series;

typedef struct lode_chart {
    lode_chart_kind kind;
    const char *title;
    lode_axis x, y;
    lode_series series[LODE_SERIES];
    size_t series_count;
    const char *const *groups; ///< bars: names of the groups, as many as a series has values
    const char *mark; ///< a vertical line at x = mark_at, explained by this text; NULL = none
    double mark_at;
} lode_chart;

typedef struct lode_picture {
    const char *title;       ///< what a screen reader says first
    const char *description; ///< and what it says then: the facts of the picture in words
    const lode_chart *charts;
    size_t count, columns; ///< columns 0 counts as 1
} lode_picture;

/// Add the SVG to a text, which remembers whether there was memory for it.
void lode__svg_draw(lode_text *out, const lode_picture *picture);

/// Whether a picture may be written there, before the work whose result it shows: the folder is there and can be
/// written, and a file of that name, if there is one, is a picture (so that no data set is replaced by one).
LODE_CHECK lode_status lode__svg_probe(const char *path, lode_error *error);

/// Write what was drawn; the file appears whole or not at all. LODE_E_MEMORY when there was none for the text.
LODE_CHECK lode_status lode__svg_save(const char *path, const lode_text *svg, lode_error *error);

/// Units that a text takes in letters of `size`, rather too many than too few.
double lode__svg_width(const char *text, double size);

#endif
