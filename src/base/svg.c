/// A cell is 400 units wide: title, legend, label of the y axis, the plot, ticks and label of the x axis, from above:
///
///     Title
///     o model   + popularity                       legend, in as many rows as it takes
///     label of y
///       1 |---------------------------             grid lines at the ticks of y
///     0.5 |---------------------------
///       0 +---------------------------
///         0      10      20      30                 ticks of x
///                 label of x
///
/// Colours are classes of a style sheet, since not every reader of SVG knows variables; `sK` strokes and `fK` fills
/// in the colour of series K.
#include "base/svg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/svg_axis.h"

#define CELL   400.0
#define PLOT   170.0
#define MARGIN 12.0
#define NAME   300.0 // longest name in a legend
#define LETTER 12.0
#define TITLE  14.0
#define BOLD   1.16 // how much wider bold letters are
#define ROW    18.0
#define ABOVE  24.0 // the label of the y axis, clear of the highest tick

enum { SHAPES = 6, MARKED = 40, CHAPTERS = 8, WIDEST_COLUMNS = 8 };

/// One chart at its place.
typedef struct lode_plot {
    lode_text *out;
    const lode_chart *chart;
    double x, y; ///< of the cell
    double left, top, right, bottom;
    lode_scale sx, sy;
    bool empty;
} lode_plot;

static void draw_style(lode_text *out) {
    static const char *const light[LODE_SERIES] = {"#0072b2", "#d55e00", "#009e73", "#b5579a",
                                                   "#8a6d00", "#2f9fd8", "#555555", "#8c3b3b"};
    static const char *const dark[LODE_SERIES] = {"#5cb3ff", "#ff8b3d", "#2fd6a2", "#f0a0d4",
                                                  "#f0d050", "#a5d8ff", "#bbbbbb", "#ff9c9c"};
    static const char *const dashes[LODE_SERIES] = {"",        "7 5",  "1 5", "10 5 1 5",
                                                    "4 4 1 4", "14 5", "3 4", "1 5 1 9"};
    lode__text_add(out,
                   "<style>\n"
                   ".lode text{font:12px system-ui,sans-serif;fill:#333}\n"
                   ".lode .t{font-size:14px;font-weight:600;fill:#111}\n"
                   ".lode .q{fill:#5c5c5c}.lode .e{text-anchor:end}.lode .m{text-anchor:middle}\n"
                   ".lode .bg{fill:#fff}.lode .g{stroke:#e3e3e3}.lode .a{stroke:#8a8a8a}\n"
                   ".lode .k{stroke:#5c5c5c;stroke-dasharray:4 3}\n"
                   ".lode .l{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\n"
                   ".lode .b{fill-opacity:.75}.lode .c{fill:none;stroke-width:2}\n");
    for (size_t k = 0; k < LODE_SERIES; k++) {
        lode__text_printf(out, ".lode .s%zu{stroke:%s}.lode .f%zu{fill:%s}", k, light[k], k,
                          light[k]);
        if (*dashes[k] != 0)
            lode__text_printf(out, ".lode .d%zu{stroke-dasharray:%s}", k, dashes[k]);
        lode__text_add(out, "\n");
    }
    lode__text_add(out, "@media (prefers-color-scheme:dark){\n"
                        ".lode text{fill:#ddd}.lode .t{fill:#fff}.lode .q{fill:#b5b5b5}\n"
                        ".lode .bg{fill:#16181c}.lode .g{stroke:#33363c}.lode .a{stroke:#8a8a8a}\n"
                        ".lode .k{stroke:#b5b5b5}\n");
    for (size_t k = 0; k < LODE_SERIES; k++)
        lode__text_printf(out, ".lode .s%zu{stroke:%s}.lode .f%zu{fill:%s}\n", k, dark[k], k,
                          dark[k]);
    lode__text_add(out, "}\n</style>\n");
}

/// A text element: classes, place, and the room that it may take.
static void draw_text(lode_text *out, const char *classes, double x, double y, double size,
                      const char *text, double room) {
    lode__text_add(out, "<text");
    if (*classes != 0) lode__text_printf(out, " class=\"%s\"", classes);
    lode__text_printf(out, " x=\"%.2f\" y=\"%.2f\">", x, y);
    lode__svg_text(out, text, size, room);
    lode__text_add(out, "</text>\n");
}

static void draw_line(lode_text *out, const char *classes, double x1, double y1, double x2,
                      double y2) {
    lode__text_printf(out, "<line class=\"%s\" x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\"/>\n",
                      classes, x1, y1, x2, y2);
}

/// The marker of series `k`; markers of different series differ in shape as well as in colour.
static void draw_marker(lode_text *out, size_t k, double x, double y) {
    switch (k % SHAPES) {
    case 0:
        lode__text_printf(out, "<circle class=\"f%zu\" cx=\"%.2f\" cy=\"%.2f\" r=\"3\"/>\n", k, x, y);
        break;
    case 1:
        lode__text_printf(out, "<path class=\"f%zu\" d=\"M%.2f %.2fh5.4v5.4h-5.4z\"/>\n", k,
                          x - 2.7, y - 2.7);
        break;
    case 2:
        lode__text_printf(out, "<path class=\"f%zu\" d=\"M%.2f %.2fl3.6 6.4h-7.2z\"/>\n", k, x,
                          y - 3.8);
        break;
    case 3:
        lode__text_printf(out,
                          "<path class=\"f%zu\" d=\"M%.2f %.2fl3.8 3.8l-3.8 3.8l-3.8 -3.8z\"/>\n",
                          k, x, y - 3.8);
        break;
    case 4:
        lode__text_printf(out, "<path class=\"c s%zu\" d=\"M%.2f %.2fl5.4 5.4m0 -5.4l-5.4 5.4\"/>\n",
                          k, x - 2.7, y - 2.7);
        break;
    default:
        lode__text_printf(out, "<path class=\"c s%zu\" d=\"M%.2f %.2fh6.8m-3.4 -3.4v6.8\"/>\n", k,
                          x - 3.4, y);
    }
}

// --- extent ---------------------------------------------------------------------------------------------

typedef struct lode_extent {
    double low, high;
    bool any;
} lode_extent;

static void extend(lode_extent *extent, double value) {
    extent->low = extent->any ? LODE_MIN(extent->low, value) : value;
    extent->high = extent->any ? LODE_MAX(extent->high, value) : value;
    extent->any = true;
}

static size_t series_of(const lode_chart *chart) {
    const size_t most = chart->kind == LODE_CHART_HISTOGRAM ? 1 : LODE_SERIES;
    return LODE_MIN(chart->series_count, most);
}

static size_t values_of(const lode_chart *chart, const lode_series *series) {
    if (chart->kind == LODE_CHART_BAR) return LODE_MIN(series->count, (size_t)LODE_CHART_BARS);
    if (chart->kind == LODE_CHART_HISTOGRAM)
        return LODE_MIN(series->count, (size_t)LODE_CHART_BINS);
    return series->count;
}

/// Whether value i has a place, and what it covers of the x axis.
static bool has_place(const lode_chart *chart, const lode_series *series, size_t i) {
    if (!lode__axis_takes(&chart->y, series->y[i])) return false;
    if (chart->kind == LODE_CHART_BAR) return true;
    if (!lode__axis_takes(&chart->x, series->x[i])) return false;
    return chart->kind != LODE_CHART_HISTOGRAM ||
           (lode__axis_takes(&chart->x, series->x[i + 1]) && series->x[i + 1] > series->x[i]);
}

/// Fit both axes to what can be drawn; `empty` when there is nothing.
static void fit_axes(lode_plot *plot) {
    const lode_chart *chart = plot->chart;
    const bool bars = chart->kind == LODE_CHART_BAR || chart->kind == LODE_CHART_HISTOGRAM;
    lode_extent x = {0}, y = {0};
    for (size_t k = 0; k < series_of(chart); k++) {
        const lode_series *series = &chart->series[k];
        for (size_t i = 0; i < values_of(chart, series); i++) {
            if (!has_place(chart, series, i)) continue;
            extend(&y, series->y[i]);
            if (chart->kind == LODE_CHART_BAR) continue;
            extend(&x, series->x[i]);
            if (chart->kind == LODE_CHART_HISTOGRAM) extend(&x, series->x[i + 1]);
        }
    }
    plot->empty = !y.any;
    if (plot->empty) return;
    lode_axis vertical = chart->y;
    vertical.zero = vertical.zero || bars;
    if (bars && vertical.log) y.low /= 2; // the lowest bar is seen, too
    lode__scale_fit(&plot->sy, &vertical, y.low, y.high, true);
    if (x.any) lode__scale_fit(&plot->sx, &chart->x, x.low, x.high, false);
}

// --- frame ----------------------------------------------------------------------------------------------

static double legend_width(const char *text, bool line) {
    return (line ? 30 : 14) + LODE_MIN(lode__svg_width(text, LETTER), NAME) + 14;
}

/// Draw the legend, or only count its rows (`out` NULL). A chart of one series without a name has none.
static size_t draw_legend(const lode_plot *plot, lode_text *out, double y) {
    const lode_chart *chart = plot->chart;
    double x = MARGIN;
    size_t rows = 0;
    for (size_t k = 0; k <= series_of(chart); k++) {
        const bool mark = k == series_of(chart);
        const char *name = mark ? chart->mark : chart->series[k].name;
        if (name == NULL) continue;
        const bool line = !mark && chart->kind == LODE_CHART_LINE;
        const double width = legend_width(name, line);
        if (rows == 0) rows = 1;
        if (x > MARGIN && x + width - 14 > CELL - MARGIN) {
            rows++;
            x = MARGIN;
        }
        if (out != NULL) {
            const double at = plot->x + x, middle = y + ROW * (double)(rows - 1) + 8;
            char classes[32];
            (void)snprintf(classes, sizeof classes, "l s%zu d%zu", k, k);
            if (mark) draw_line(out, "k", at + 6, middle - 6, at + 6, middle + 6);
            if (line) draw_line(out, classes, at, middle, at + 24, middle);
            if (!mark) draw_marker(out, k, at + (line ? 12 : 5), middle);
            draw_text(out, "", at + (line ? 30 : 14), middle + 4, LETTER, name, NAME);
        }
        x += width;
    }
    return rows;
}

static double height_of(const lode_chart *chart) {
    const lode_plot plot = {.chart = chart};
    const double legend = ROW * (double)draw_legend(&plot, NULL, 0);
    return 30 + legend + (chart->y.label != NULL ? ABOVE : 10) + PLOT + ROW + 2 +
           (chart->x.label != NULL ? ROW : 0) + 8;
}

/// Where a label of the x axis begins: centred at its tick, but inside the cell.
static double label_start(const lode_plot *plot, double at, double width) {
    const double most = plot->x + CELL - 2 - width;
    return LODE_MAX(LODE_MIN(at - width / 2, most), plot->x + 2);
}

/// Whether labels of the x axis stand apart.
static bool ticks_fit(const lode_plot *plot) {
    double end = -(double)INFINITY;
    for (size_t i = 0; i < plot->sx.count; i++) {
        const double width = lode__svg_width(plot->sx.labels[i], LETTER);
        const double start = label_start(plot, lode__scale_at(&plot->sx, plot->sx.ticks[i]), width);
        if (start < end + 8) return false;
        end = start + width;
    }
    return true;
}

static void draw_x_ticks(lode_plot *plot) {
    for (size_t wanted = 8; wanted >= 2; wanted--) {
        lode__scale_tick(&plot->sx, wanted);
        if (ticks_fit(plot)) break;
    }
    double end = -(double)INFINITY;
    for (size_t i = 0; i < plot->sx.count; i++) {
        const double at = lode__scale_at(&plot->sx, plot->sx.ticks[i]);
        const double width = lode__svg_width(plot->sx.labels[i], LETTER);
        const double start = label_start(plot, at, width);
        draw_line(plot->out, "a", at, plot->bottom, at, plot->bottom + 4);
        if (start < end + 4) continue;
        draw_text(plot->out, "m", start + width / 2, plot->bottom + 17, LETTER, plot->sx.labels[i],
                  CELL);
        end = start + width;
    }
}

/// Names under groups of bars; where there are many of them, only every so many has one.
static void draw_groups(const lode_plot *plot) {
    const size_t count = values_of(plot->chart, &plot->chart->series[0]);
    if (count == 0 || plot->chart->groups == NULL) return;
    const double slot = (plot->right - plot->left) / (double)count;
    double widest = 0;
    for (size_t i = 0; i < count; i++)
        widest = LODE_MAX(widest, lode__svg_width(plot->chart->groups[i], LETTER));
    size_t every = 1;
    while (slot * (double)every < LODE_MIN(widest + 6, 44))
        every++;
    for (size_t i = 0; i < count; i += every) {
        const double room = slot * (double)every - 6, at = plot->left + slot * ((double)i + 0.5);
        const double width = LODE_MIN(lode__svg_width(plot->chart->groups[i], LETTER), room);
        draw_text(plot->out, "m", label_start(plot, at, width) + width / 2, plot->bottom + 17,
                  LETTER, plot->chart->groups[i], room);
    }
}

/// Title, legend, axes, grid; sets the place of the plot.
static void draw_frame(lode_plot *plot) {
    const lode_chart *chart = plot->chart;
    lode_text *out = plot->out;
    draw_text(out, "t", plot->x + MARGIN, plot->y + 22, BOLD * TITLE, chart->title,
              CELL - 2 * MARGIN);
    const double rows = (double)draw_legend(plot, out, plot->y + 30);
    plot->top = plot->y + 30 + ROW * rows + (chart->y.label != NULL ? ABOVE : 10);
    plot->bottom = plot->top + PLOT;
    plot->right = plot->x + CELL - 18;
    if (chart->y.label != NULL) {
        draw_text(out, "q", plot->x + MARGIN, plot->top - 12, LETTER, chart->y.label,
                  CELL - 2 * MARGIN);
    }
    double widest = 20;
    if (!plot->empty) {
        lode__scale_tick(&plot->sy, LODE_ROUND_STEPS);
        for (size_t i = 0; i < plot->sy.count; i++)
            widest = LODE_MAX(widest, lode__svg_width(plot->sy.labels[i], LETTER));
    }
    plot->left = plot->x + MARGIN + LODE_MIN(widest, CELL / 4) + 6;
    plot->sx.begin = plot->left;
    plot->sx.end = plot->right;
    plot->sy.begin = plot->bottom;
    plot->sy.end = plot->top;
    for (size_t i = 0; i < plot->sy.count; i++) {
        const double at = lode__scale_at(&plot->sy, plot->sy.ticks[i]);
        draw_line(out, "g", plot->left, at, plot->right, at);
        draw_text(out, "q e", plot->left - 6, at + 4, LETTER, plot->sy.labels[i], CELL / 4);
    }
    draw_line(out, "a", plot->left, plot->bottom, plot->right, plot->bottom);
    if (chart->x.label != NULL) {
        draw_text(out, "q m", (plot->left + plot->right) / 2, plot->bottom + 17 + ROW, LETTER,
                  chart->x.label, plot->right - plot->left);
    }
}

// --- marks ----------------------------------------------------------------------------------------------

/// A line that is being thinned: within two units of x only the first, lowest, highest and last points stay.
typedef struct lode_trace {
    size_t first, low, high, last;
    double column;
    bool open, drawn; ///< a group is open; a point of this stretch was drawn
} lode_trace;

static void trace_point(const lode_plot *plot, const lode_series *series, size_t i, bool move) {
    lode__text_printf(plot->out, "%s%.2f %.2f", move ? "M" : "L",
                      lode__scale_at(&plot->sx, series->x[i]),
                      lode__scale_at(&plot->sy, series->y[i]));
    if (move) lode__text_add(plot->out, "h0"); // a point alone is seen as a dot
}

static void trace_flush(const lode_plot *plot, const lode_series *series, lode_trace *trace) {
    if (!trace->open) return;
    const size_t order[] = {trace->first, LODE_MIN(trace->low, trace->high),
                            LODE_MAX(trace->low, trace->high), trace->last};
    for (size_t k = 0; k < 4; k++) {
        if (k > 0 && order[k] == order[k - 1]) continue;
        trace_point(plot, series, order[k], !trace->drawn);
        trace->drawn = true;
    }
    trace->open = false;
}

static void draw_trace(const lode_plot *plot, size_t k) {
    const lode_series *series = &plot->chart->series[k];
    const bool thin = series->count > (size_t)(CELL / 2);
    lode_trace trace = {0};
    lode__text_printf(plot->out, "<path class=\"l s%zu d%zu\" d=\"", k, k);
    for (size_t i = 0; i < series->count; i++) {
        if (!has_place(plot->chart, series, i)) {
            trace_flush(plot, series, &trace);
            trace.drawn = false;
            continue;
        }
        const double place = lode__scale_at(&plot->sx, series->x[i]);
        const double column = thin ? floor(place / 2) : (double)i;
        if (trace.open && column > trace.column) trace_flush(plot, series, &trace);
        if (!trace.open) {
            trace = (lode_trace){i, i, i, i, column, true, trace.drawn};
            continue;
        }
        if (series->y[i] < series->y[trace.low]) trace.low = i;
        if (series->y[i] > series->y[trace.high]) trace.high = i;
        trace.last = i;
    }
    trace_flush(plot, series, &trace);
    lode__text_add(plot->out, "\"/>\n");
}

/// Markers of a line: at each of a few points, else here and there, so that series can be told apart.
static void draw_trace_markers(const lode_plot *plot, size_t k) {
    const lode_series *series = &plot->chart->series[k];
    const bool few = series->count <= MARKED;
    if (!few && series_of(plot->chart) == 1) return;
    const double gap = few ? -1 : (plot->right - plot->left) / CHAPTERS;
    double next = plot->left + (few ? -1 : gap * (0.3 + 0.1 * (double)k));
    for (size_t i = 0; i < series->count; i++) {
        if (!has_place(plot->chart, series, i)) continue;
        const double x = lode__scale_at(&plot->sx, series->x[i]);
        if (x < next) continue;
        draw_marker(plot->out, k, x, lode__scale_at(&plot->sy, series->y[i]));
        if (!few) next += gap * (1 + floor((x - next) / gap));
    }
}

/// Points of a scatter chart; of several within three units of each other one is drawn.
static void draw_points(const lode_plot *plot, size_t k) {
    const lode_series *series = &plot->chart->series[k];
    enum { ACROSS = (int)CELL / 3 + 1, DOWN = (int)PLOT / 3 + 1 };
    unsigned char taken[DOWN][ACROSS];
    memset(taken, 0, sizeof taken);
    for (size_t i = 0; i < series->count; i++) {
        if (!has_place(plot->chart, series, i)) continue;
        const double x = lode__scale_at(&plot->sx, series->x[i]);
        const double y = lode__scale_at(&plot->sy, series->y[i]);
        unsigned char *cell = &taken[(size_t)((y - plot->top) / 3)][(size_t)((x - plot->left) / 3)];
        if (*cell == 0) draw_marker(plot->out, k, x, y);
        *cell = 1;
    }
}

/// A bar from the foot of the axis to its value, with the value as what a pointer over it tells.
static void draw_bar(const lode_plot *plot, size_t k, double x, double width, double value,
                     const char *what) {
    const double foot = plot->chart->y.log ? plot->bottom : lode__scale_at(&plot->sy, 0);
    const double at = lode__scale_at(&plot->sy, value);
    lode__text_printf(
        plot->out, "<rect class=\"b f%zu\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\">",
        k, x, LODE_MIN(at, foot), width, fabs(foot - at));
    const char *name = plot->chart->series[k].name;
    lode__text_add(plot->out, "<title>");
    if (name != NULL) {
        lode__svg_text(plot->out, name, LETTER, CELL);
        lode__text_add(plot->out, ", ");
    }
    lode__svg_text(plot->out, what, LETTER, CELL);
    lode__text_printf(plot->out, ": %.4g</title></rect>\n", value);
}

static void draw_bars(const lode_plot *plot) {
    const lode_chart *chart = plot->chart;
    const size_t series = series_of(chart), groups = values_of(chart, &chart->series[0]);
    const double slot = (plot->right - plot->left) / (double)groups;
    const double width = LODE_MIN(slot * 0.8 / (double)series, 36);
    for (size_t k = 0; k < series; k++) {
        for (size_t i = 0; i < LODE_MIN(values_of(chart, &chart->series[k]), groups); i++) {
            if (!has_place(chart, &chart->series[k], i)) continue;
            const double middle = plot->left + slot * ((double)i + 0.5);
            const double x = middle + width * ((double)k - (double)series / 2);
            const double value = chart->series[k].y[i];
            draw_bar(plot, k, x, width * 0.92, value, chart->groups != NULL ? chart->groups[i] : "");
            if (series > 1 && width > 5)
                draw_marker(plot->out, k, x + width * 0.46, lode__scale_at(&plot->sy, value));
        }
    }
}

static void draw_histogram(const lode_plot *plot) {
    const lode_series *series = &plot->chart->series[0];
    for (size_t i = 0; i < values_of(plot->chart, series); i++) {
        if (!has_place(plot->chart, series, i)) continue;
        const double begin = lode__scale_at(&plot->sx, series->x[i]);
        const double width = lode__scale_at(&plot->sx, series->x[i + 1]) - begin;
        char what[64];
        (void)snprintf(what, sizeof what, "%.4g to %.4g", series->x[i], series->x[i + 1]);
        draw_bar(plot, 0, begin, width > 3 ? width - 1 : width, series->y[i], what);
    }
}

static void draw_mark(const lode_plot *plot) {
    if (plot->chart->mark == NULL || plot->chart->kind == LODE_CHART_BAR) return;
    if (!lode__axis_takes(&plot->chart->x, plot->chart->mark_at)) return;
    const double at = lode__scale_at(&plot->sx, plot->chart->mark_at);
    draw_line(plot->out, "k", at, plot->top, at, plot->bottom);
}

static void draw_chart(lode_plot *plot) {
    const lode_chart *chart = plot->chart;
    fit_axes(plot);
    draw_frame(plot);
    if (plot->empty) {
        draw_text(plot->out, "q m", (plot->left + plot->right) / 2, (plot->top + plot->bottom) / 2,
                  LETTER, "nothing to draw", CELL);
        return;
    }
    if (chart->kind == LODE_CHART_BAR) {
        draw_groups(plot);
        draw_bars(plot);
        return;
    }
    draw_x_ticks(plot);
    draw_mark(plot);
    if (chart->kind == LODE_CHART_HISTOGRAM) draw_histogram(plot);
    for (size_t k = 0; k < series_of(chart); k++) {
        if (chart->kind == LODE_CHART_SCATTER) draw_points(plot, k);
        if (chart->kind == LODE_CHART_LINE) draw_trace(plot, k);
        if (chart->kind == LODE_CHART_LINE) draw_trace_markers(plot, k);
    }
}

// --- picture --------------------------------------------------------------------------------------------

/// Height of the row of cells that chart `first` begins.
static double row_height(const lode_picture *picture, size_t first, size_t columns) {
    double height = 0;
    for (size_t i = first; i < LODE_MIN(first + columns, picture->count); i++)
        height = LODE_MAX(height, height_of(&picture->charts[i]));
    return height;
}

void lode__svg_draw(lode_text *out, const lode_picture *picture) {
    const size_t columns = LODE_MIN(LODE_MAX(picture->columns, (size_t)1), (size_t)WIDEST_COLUMNS);
    double height = picture->count == 0 ? 40 : 0;
    for (size_t i = 0; i < picture->count; i += columns)
        height += row_height(picture, i, columns);
    const double width = CELL * (double)columns;
    lode__text_printf(out,
                      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"lode\" role=\"img\" "
                      "width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n<title>",
                      width * 1.5, height * 1.5, width, height);
    lode__svg_text(out, picture->title, LETTER, (double)INFINITY);
    lode__text_add(out, "</title>\n<desc>");
    lode__svg_text(out, picture->description, LETTER, (double)INFINITY);
    lode__text_add(out, "</desc>\n");
    draw_style(out);
    lode__text_printf(out, "<rect class=\"bg\" width=\"%.0f\" height=\"%.0f\"/>\n", width, height);
    double y = 0;
    for (size_t i = 0; i < picture->count; i += columns) {
        for (size_t k = i; k < LODE_MIN(i + columns, picture->count); k++) {
            lode_plot plot = {.out = out, .chart = &picture->charts[k], .y = y};
            plot.x = CELL * (double)(k - i);
            lode__text_add(out, "<g>\n");
            draw_chart(&plot);
            lode__text_add(out, "</g>\n");
        }
        y += row_height(picture, i, columns);
    }
    lode__text_add(out, "</svg>\n");
}

lode_status lode__svg_probe(const char *path, lode_error *error) {
    lode_mapping old = {0};
    lode_writer writer = {.descriptor = -1};
    LODE_TRY(lode__writer_open(&writer, path, error));
    lode__writer_abort(&writer);
    if (!lode__file_exists(path)) return LODE_OK;
    LODE_TRY(lode__mapping_open(&old, path, error));
    const size_t looked_at = LODE_MIN(old.size, (size_t)1024);
    const bool picture = old.size == 0 || memmem(old.data, looked_at, "<svg", 4) != NULL;
    lode__mapping_close(&old);
    if (picture) return LODE_OK;
    return lode__fail(error, LODE_E_EXISTS,
                      "%s is there and is no SVG: a picture replaces nothing but pictures", path);
}

lode_status lode__svg_save(const char *path, const lode_text *svg, lode_error *error) {
    if (svg->failed || svg->data == NULL) return lode__fail_memory(error);
    return lode__file_write(path, svg->data, svg->length, error);
}
