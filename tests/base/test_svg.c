/// The SVG writer: bytes of a small picture, degenerate input, properties of random ones.
///
/// After a change that is meant: build/tests/base/test_svg --draw > tests/base/small.svg, and look at it.
#include "../check.h"

#include "picture_check.h"

#include "base/file.h"
#include "base/random.h"
#include "base/svg_axis.h"

#define GOLDEN "tests/base/small.svg"

static char *draw_text_of(const lode_picture *picture) {
    lode_text text = {0};
    char *svg = NULL;
    lode_error error = {0};
    lode__svg_draw(&text, picture);
    assert_ok(lode__text_take(&text, &svg, &error), error);
    return svg;
}

static char *draw_chart_of(const lode_chart *chart) {
    const lode_picture picture = {
        .title = "Title", .description = "What it is.", .charts = chart, .count = 1};
    return draw_text_of(&picture);
}

/// One chart of each kind.
static char *draw_small(void) {
    static const double x[] = {1, 2, 3, 4}, a[] = {0.1, 0.25, (double)NAN, 0.3};
    static const double b[] = {0.05, 0.1, 0.2, 0.15};
    static const double edges[] = {1, 2, 4, 8, 16}, counts[] = {5, 20, 12, 1};
    static const char *const groups[] = {"1", "2", "4", "8+"};
    static const lode_chart charts[] = {
        {.kind = LODE_CHART_LINE,
         .title = "Lines & <marks>",
         .x = {.label = "epoch", .whole = true},
         .y = {.label = "hit@10", .zero = true},
         .series = {{"model", x, a, 4}, {"popularity", x, b, 4}},
         .series_count = 2,
         .mark = "best epoch",
         .mark_at = 2},
        {.kind = LODE_CHART_BAR,
         .title = "Bars",
         .series = {{"model", NULL, a, 4}, {"popularity", NULL, b, 4}},
         .series_count = 2,
         .groups = groups},
        {.kind = LODE_CHART_HISTOGRAM,
         .title = "Histogram",
         .x = {.label = "clicks", .log = true},
         .series = {{NULL, edges, counts, 4}},
         .series_count = 1},
        {.kind = LODE_CHART_SCATTER, .title = "Points", .series = {{"a", a, b, 4}}, .series_count = 1}};
    const lode_picture picture = {.title = "Small \"picture\"",
                                  .description = "One chart of each kind.",
                                  .charts = charts,
                                  .count = 4,
                                  .columns = 2};
    return draw_text_of(&picture);
}

static void test_golden(void **state) {
    (void)state;
    char *svg = draw_small(), *expected = NULL;
    size_t length = 0, at = 0;
    lode_error error = {0};
    (void)check_svg(svg);
    assert_ok(lode__file_read(GOLDEN, 1 << 20, &expected, &length, &error), error);
    while (svg[at] != 0 && svg[at] == expected[at])
        at++;
    if (strcmp(svg, expected) != 0)
        fail_msg("%s differs at byte %zu: %.60s instead of %.60s", GOLDEN, at, svg + at,
                 expected + at);
    lode__free(expected);
    lode__free(svg);
}

static void test_bars(void **state) {
    (void)state;
    static const double values[] = {1, 4, 2, 3}, others[] = {0, 0.5, 3.5, 4};
    static const char *const groups[] = {"a", "b", "c", "d"};
    const lode_chart chart = {.kind = LODE_CHART_BAR,
                              .title = "Bars",
                              .series = {{"one", NULL, values, 4}, {"two", NULL, others, 4}},
                              .series_count = 2,
                              .groups = groups};
    char *svg = draw_chart_of(&chart);
    const check_picture *picture = check_svg(svg);
    assert_int_equal(picture->bars, 8);
    const double unit = picture->heights[0];
    assert_true(unit > 20);
    for (size_t i = 0; i < 4; i++) {
        assert_close(picture->heights[i], unit * values[i], 0.03, 0);
        assert_close(picture->heights[4 + i], unit * others[i], 0.03, 0);
    }
    lode__free(svg);
}

/// A million points become a few hundred, and the one that stands out is among them.
static void test_thinned(void **state) {
    (void)state;
    enum { MANY = 1000000 };
    double *x = lode__alloc(MANY, sizeof *x), *y = lode__alloc(MANY, sizeof *y);
    assert_true(x != NULL && y != NULL);
    for (size_t i = 0; i < MANY; i++) {
        x[i] = (double)(i + 1);
        y[i] = 1e6 / (double)(i + 1) + (i % 3 == 0 ? 0.5 : 0);
    }
    y[700000] = 1e12;
    const lode_chart chart = {.kind = LODE_CHART_LINE,
                              .title = "Popularity",
                              .x = {.label = "rank", .log = true},
                              .y = {.label = "clicks", .log = true},
                              .series = {{NULL, x, y, MANY}},
                              .series_count = 1};
    char *svg = draw_chart_of(&chart);
    const check_picture *picture = check_svg(svg);
    assert_in_range(picture->points, 100, 700);
    assert_true(strlen(svg) < 20000);
    const char *path = strstr(svg, "<path class=\"l s0");
    assert_non_null(path);
    double highest = 1e9, first = 0, last = 0;
    char points[1 << 16];
    assert_true(check_attribute(path, "d", points, sizeof points));
    for (char *at = points; (at = strpbrk(at, "ML")) != NULL;) {
        last = strtod(at + 1, &at);
        if (first == 0) first = last;
        const double height = strtod(at, &at);
        highest = LODE_MIN(highest, height);
    }
    assert_true(first < 60 && last > 370); // the whole width
    assert_true(highest < 70);             // and the point that stands out, at the top of the plot
    lode__free(svg);
    lode__free(x);
    lode__free(y);
}

static void test_degenerate(void **state) {
    (void)state;
    const double bad = (double)NAN, endless = (double)INFINITY;
    const double cases[][4] = {
        {5, 5, 5, 5},      {0, 0, 0, 0},           {bad, bad, bad, bad},
        {-1, 0, -2, 0},    {endless, 1, -endless}, {1e308, -1e308, 1, 2},
        {5e-324, 0, 1, 2}, {1e15, 1e15 + 1, 0, 0}, {1e-300, 2e-300, 3e-300, 0},
        {bad, 7, bad, bad}};
    static const char *const groups[] = {"a", "b", "c", ""};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        for (int variant = 0; variant < 16; variant++) {
            lode_chart chart = {.kind = (lode_chart_kind)(variant % 4),
                                .title = "",
                                .x = {.log = variant & 4},
                                .y = {.log = variant & 8, .zero = variant & 4},
                                .series = {{"s", cases[k], cases[k], 3}},
                                .series_count = 1,
                                .groups = groups,
                                .mark = "mark",
                                .mark_at = cases[k][0]};
            char *svg = draw_chart_of(&chart);
            (void)check_svg(svg);
            if (k == 2) assert_non_null(strstr(svg, "nothing to draw"));
            lode__free(svg);
        }
    }
    const lode_chart empty = {.kind = LODE_CHART_BAR, .title = "Empty"};
    char *svg = draw_chart_of(&empty);
    (void)check_svg(svg);
    assert_non_null(strstr(svg, "nothing to draw"));
    lode__free(svg);
    const lode_picture none = {.title = "No chart", .description = ""};
    svg = draw_text_of(&none);
    (void)check_svg(svg);
    lode__free(svg);
}

static void test_texts(void **state) {
    (void)state;
    static const struct {
        const char *text, *drawn;
        double room;
    } cases[] = {{"a<b> & \"c\"", "a&lt;b&gt; &amp; &quot;c&quot;", 1000},
                 {"tab\there\x7f", "tab?here?", 1000},
                 {"bad\xff\xc3|\xe2\x82", "bad??|??", 1000},
                 {"\xef\xbf\xbf\xc2\x85", "??", 1000},
                 {"caf\xc3\xa9", "caf\xc3\xa9", 1000},
                 {"iiiiiiiiiiiiiiiiiiii", "iiiiiii\xe2\x80\xa6", 36},
                 {"", "", 5},
                 {"long", "\xe2\x80\xa6", 1}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        lode_text text = {0};
        lode__svg_text(&text, cases[k].text, 12, cases[k].room);
        assert_string_equal(text.data != NULL ? text.data : "", cases[k].drawn);
        lode__text_release(&text);
    }
}

static void test_ticks(void **state) {
    (void)state;
    static const struct {
        double low, high;
        lode_axis axis;
        size_t wanted;
        const char *labels;
    } cases[] = {
        {0, 1, {0}, 5, "0.0 0.2 0.4 0.6 0.8 1.0"},
        {0, 12000, {0}, 6, "0 2000 4000 6000 8000 10k 12k"},
        {-3, 4, {0}, 4, "-2 0 2 4"},
        {1, 3, {.whole = true}, 8, "1 2 3"},
        {5, 5, {.whole = true}, 8, "5"},
        {1, 1000000, {.log = true}, 8, "1 10 100 1000 10k 100k 1M"},
        {1, 1e12, {.log = true}, 4, "1 1000 1M 1G 1T"},
        {3, 40, {.log = true}, 8, "5 10 20"},
        {6, 7, {.log = true}, 4, "6.0 6.5 7.0"},
        {1506825423000, 1507084623000, {.time = true}, 4, "Oct 2 Oct 3 Oct 4"},
        {1506825423000, 1506847023000, {.time = true}, 7, "03:00 04:00 05:00 06:00 07:00 08:00"},
        {874724710000, 893286638000, {.time = true}, 4, "Nov 1997 Jan 1998 Mar 1998"},
        {788918400000, 1476640644000, {.time = true}, 5, "1995 2000 2005 2010 2015"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        lode_scale scale = {.begin = 0, .end = 100};
        lode_text labels = {0};
        lode__scale_fit(&scale, &cases[k].axis, cases[k].low, cases[k].high, false);
        lode__scale_tick(&scale, cases[k].wanted);
        for (size_t i = 0; i < scale.count; i++) {
            lode__text_printf(&labels, "%s%s", i > 0 ? " " : "", scale.labels[i]);
            if (i > 0) assert_true(scale.ticks[i] > scale.ticks[i - 1]);
            const double at = lode__scale_at(&scale, scale.ticks[i]);
            assert_true(at >= 0 && at <= 100);
        }
        assert_string_equal(labels.data != NULL ? labels.data : "", cases[k].labels);
        lode__text_release(&labels);
    }
}

/// Axes that end at round numbers have a tick at either end.
static void test_round(void **state) {
    (void)state;
    for (uint32_t k = 0; k < 2000; k++) {
        lode_random random = lode__random(2, LODE_PURPOSE_USER, 0, k);
        const double size = pow(10, 12 * lode__random_real(&random) - 6);
        const double low = size * (lode__random_real(&random) - 0.5);
        const double high = low + size * lode__random_real(&random);
        lode_scale scale = {.begin = 0, .end = 100};
        lode__scale_fit(&scale, &(lode_axis){0}, low, high, true);
        lode__scale_tick(&scale, LODE_ROUND_STEPS);
        assert_in_range(scale.count, 3, 8);
        assert_close(scale.ticks[0], scale.low, 1e-9 * size, 0);
        assert_close(scale.ticks[scale.count - 1], scale.high, 1e-9 * size, 0);
        assert_true(scale.low <= low + 1e-9 * size && scale.high >= high - 1e-9 * size);
    }
}

// --- random pictures ------------------------------------------------------------------------------------

enum { POINTS = 400 };

static double random_value(lode_random *random, int taste, double scale) {
    const double special[] = {(double)NAN, (double)INFINITY, -(double)INFINITY,   0,     -1,
                              1e308,       5e-324,           1.7976931348623e308, 1e299, -1e-299};
    if (lode__random_below(random, taste == 0 ? 1000000 : 20) == 0)
        return special[lode__random_below(random, sizeof special / sizeof *special)];
    const double value = lode__random_real(random) * scale;
    return taste == 2 && lode__random_below(random, 2) == 0 ? -value : value;
}

static const char *random_text(lode_random *random) {
    static const char *const texts[] = {NULL,
                                        "",
                                        "model",
                                        "clicks",
                                        "<&>\"'",
                                        "bad \xff\xc3 utf",
                                        "\xe4\xb8\xad\xe6\x96\x87\xe6\xa0\x87\xe9\xa2\x98",
                                        "a name that is a great deal longer than the room that any "
                                        "chart has for it, and then some more",
                                        "MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM",
                                        "tab\tline\n",
                                        "popularity"};
    return texts[lode__random_below(random, sizeof texts / sizeof *texts)];
}

static const char *some_text(lode_random *random) {
    const char *text = random_text(random);
    return text != NULL ? text : "x";
}

static void random_chart(lode_random *random, lode_chart *chart, double *room, const char **groups) {
    static const double scales[] = {1, 1, 30, 1e-9, 1e6, 1e12, 1e300, 1e-301};
    const int taste = (int)lode__random_below(random, 3);
    const double scale = scales[lode__random_below(random, 8)];
    *chart = (lode_chart){.kind = (lode_chart_kind)lode__random_below(random, 4),
                          .title = some_text(random),
                          .x = {.label = random_text(random), .log = lode__random_below(random, 2)},
                          .y = {.label = random_text(random), .log = lode__random_below(random, 2)},
                          .groups = groups,
                          .mark = random_text(random)};
    chart->y.zero = lode__random_below(random, 2);
    chart->x.time = !chart->x.log && lode__random_below(random, 3) == 0;
    chart->mark_at = random_value(random, taste, scale);
    const bool bars = chart->kind == LODE_CHART_BAR;
    chart->series_count = lode__random_below(random, LODE_SERIES + 1);
    const size_t count = lode__random_below(random, bars ? LODE_CHART_BARS : POINTS);
    for (size_t k = 0; k < chart->series_count; k++) {
        double *x = room + k * 2 * (POINTS + 1), *y = x + POINTS + 1;
        double at = chart->x.time ? 1.5e12 * lode__random_real(random) : 0;
        for (size_t i = 0; i <= count; i++) {
            at += lode__random_real(random) * scale;
            x[i] = lode__random_below(random, 30) == 0 ? random_value(random, taste, scale) : at;
            y[i] = random_value(random, taste, scale);
        }
        chart->series[k] = (lode_series){random_text(random), x, y, count};
    }
    for (size_t i = 0; i < LODE_CHART_BARS; i++)
        groups[i] = some_text(random);
}

static void test_random(void **state) {
    (void)state;
    enum { PICTURES = 250, CHARTS = 3 };
    const size_t room_of_chart = (size_t)LODE_SERIES * 2 * (POINTS + 1);
    double *room = lode__alloc(CHARTS * room_of_chart, sizeof *room);
    const char *groups[CHARTS][LODE_CHART_BARS];
    assert_non_null(room);
    for (uint32_t p = 0; p < PICTURES; p++) {
        lode_random random = lode__random(1, LODE_PURPOSE_USER, 0, p);
        lode_chart charts[CHARTS];
        const size_t count = lode__random_below(&random, CHARTS + 1);
        for (size_t k = 0; k < count; k++)
            random_chart(&random, &charts[k], room + k * room_of_chart, groups[k]);
        const lode_picture picture = {.title = some_text(&random),
                                      .description = some_text(&random),
                                      .charts = charts,
                                      .count = count,
                                      .columns = lode__random_below(&random, 4)};
        char *svg = draw_text_of(&picture), *again = draw_text_of(&picture);
        (void)check_svg(svg);
        assert_string_equal(svg, again);
        assert_true(strlen(svg) < 4u << 20);
        lode__free(svg);
        lode__free(again);
    }
    lode__free(room);
}

// --- files ----------------------------------------------------------------------------------------------

static void test_files(void **state) {
    (void)state;
    char folder[] = "/tmp/lode-svg-XXXXXX", path[128], other[128];
    lode_error error = {0};
    lode_text svg = {0};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a.svg", folder);
    (void)snprintf(other, sizeof other, "%s/no/a.svg", folder);
    char *small = draw_small();
    lode__text_add(&svg, small);
    assert_ok(lode__svg_probe(path, &error), error);
    assert_int_equal(access(path, F_OK), -1);
    assert_ok(lode__svg_save(path, &svg, &error), error);
    assert_ok(lode__svg_probe(path, &error), error);
    assert_ok(lode__svg_save(path, &svg, &error), error);
    assert_fails(lode__svg_probe(other, &error), LODE_E_SYSTEM, error, "cannot write");
    assert_fails(lode__svg_probe(folder, &error), LODE_E_EXISTS, error, "folder");
    assert_ok(lode__file_write(path, "precious", 8, &error), error);
    assert_fails(lode__svg_probe(path, &error), LODE_E_EXISTS, error, "is no SVG");
    char *kept = NULL;
    size_t length;
    assert_ok(lode__file_read(path, 100, &kept, &length, &error), error);
    assert_string_equal(kept, "precious");
    lode__free(kept);
    lode__free(small);
    lode__text_release(&svg);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),  cmocka_unit_test(test_bars),
        cmocka_unit_test(test_thinned), cmocka_unit_test(test_degenerate),
        cmocka_unit_test(test_texts),   cmocka_unit_test(test_ticks),
        cmocka_unit_test(test_round),   cmocka_unit_test(test_random),
        cmocka_unit_test(test_files)};
    if (argc > 1 && strcmp(argv[1], "--draw") == 0) {
        char *svg = draw_small();
        printf("%s", svg);
        lode__free(svg);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
