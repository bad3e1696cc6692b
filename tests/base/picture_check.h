/// Checks of an SVG for C tests: it is well-formed XML, its numbers are finite and inside the viewBox, its texts stay in
/// it and do not cover each other (by the estimate of lode__svg_width). Only what the writer writes is understood.
#ifndef LODE_TESTS_PICTURE_CHECK_H
#define LODE_TESTS_PICTURE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/svg.h"

typedef struct check_label {
    double left, right, baseline;
    char text[512];
} check_label;

typedef struct check_picture {
    double width, height;
    check_label labels[512];
    size_t label_count, bars, points;
    double heights[1024]; ///< of the bars
    char classes[1024][16];
} check_picture;

static inline void check_inside(const check_picture *picture, double x, double y) {
    if (isfinite(x) && isfinite(y) && x >= -4 && y >= -4 && x <= picture->width + 4 &&
        y <= picture->height + 4) {
        return;
    }
    fail_msg("(%g, %g) is outside of %g x %g", x, y, picture->width, picture->height);
}

/// The value of an attribute of the tag that begins at `tag`, copied; false when it has none.
static inline bool check_attribute(const char *tag, const char *name, char *out, size_t size) {
    char start[64];
    const char *end = strchr(tag, '>');
    (void)snprintf(start, sizeof start, " %s=\"", name);
    const char *found = strstr(tag, start);
    if (found == NULL || found > end) return false;
    found += strlen(start);
    const size_t length = strcspn(found, "\"");
    assert_true(length < size);
    memcpy(out, found, length);
    out[length] = 0;
    return true;
}

static inline double check_number(const char *tag, const char *name) {
    char text[64], *end;
    if (!check_attribute(tag, name, text, sizeof text)) fail_msg("no %s in %.60s", name, tag);
    const double value = strtod(text, &end);
    if (*end != 0 || !isfinite(value) || strpbrk(text, "nN") != NULL)
        fail_msg("%s=\"%s\"", name, text);
    return value;
}

static inline void check_path(check_picture *picture, const char *tag) {
    static char points[1 << 18];
    assert_true(check_attribute(tag, "d", points, sizeof points));
    for (char *at = points; *at != 0;) {
        char *end;
        if (*at != 'M' && *at != 'L') {
            if (strchr("0123456789.- lmhvzML", *at) == NULL) fail_msg("path with %.20s", at);
            at++;
            continue;
        }
        const double x = strtod(at + 1, &end);
        assert_true(end > at + 1);
        const double y = strtod(end, &at);
        assert_true(at > end);
        check_inside(picture, x, y);
        picture->points++;
    }
}

/// The text of an element with its entities resolved.
static inline void check_content(const char *from, char *out, size_t size) {
    static const char *const entities[][2] = {
        {"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}, {"&quot;", "\""}};
    size_t length = 0;
    while (*from != '<') {
        assert_true(*from != 0 && length + 1 < size);
        char c = *from;
        size_t used = 1;
        for (size_t k = 0; c == '&' && k < 4; k++) {
            if (strncmp(from, entities[k][0], strlen(entities[k][0])) != 0) continue;
            c = entities[k][1][0];
            used = strlen(entities[k][0]);
        }
        if (*from == '&' && used == 1) fail_msg("a bare & in %.40s", from);
        out[length++] = c;
        from += used;
    }
    out[length] = 0;
}

static inline void check_label_of(check_picture *picture, const char *tag) {
    char classes[32] = "";
    assert_true(picture->label_count < sizeof picture->labels / sizeof *picture->labels);
    check_label *label = &picture->labels[picture->label_count++];
    check_content(strchr(tag, '>') + 1, label->text, sizeof label->text);
    (void)check_attribute(tag, "class", classes, sizeof classes);
    const double width = lode__svg_width(label->text, strchr(classes, 't') != NULL ? 14 * 1.16 : 12);
    const double x = check_number(tag, "x");
    label->baseline = check_number(tag, "y");
    label->left = strchr(classes, 'e') != NULL   ? x - width
                  : strchr(classes, 'm') != NULL ? x - width / 2
                                                 : x;
    label->right = label->left + width;
    if (label->left < -0.01 || label->right > picture->width + 0.01 || label->baseline < 8 ||
        label->baseline > picture->height - 2)
        fail_msg("\"%s\" leaves the picture: %g to %g at %g", label->text, label->left,
                 label->right, label->baseline);
}

static inline void check_element(check_picture *picture, const char *tag) {
    if (strncmp(tag, "<text", 5) == 0) check_label_of(picture, tag);
    if (strncmp(tag, "<path", 5) == 0) check_path(picture, tag);
    if (strncmp(tag, "<circle", 7) == 0)
        check_inside(picture, check_number(tag, "cx"), check_number(tag, "cy"));
    if (strncmp(tag, "<line", 5) == 0) {
        check_inside(picture, check_number(tag, "x1"), check_number(tag, "y1"));
        check_inside(picture, check_number(tag, "x2"), check_number(tag, "y2"));
    }
    if (strncmp(tag, "<rect class=\"b ", 15) != 0) return;
    const double x = check_number(tag, "x"), y = check_number(tag, "y");
    const double width = check_number(tag, "width"), height = check_number(tag, "height");
    assert_true(width >= 0 && height >= 0);
    check_inside(picture, x, y);
    check_inside(picture, x + width, y + height);
    assert_true(picture->bars < 1024);
    (void)check_attribute(tag, "class", picture->classes[picture->bars], 16);
    picture->heights[picture->bars++] = height;
}

/// Tags are nested and closed, and every element is checked on the way.
static inline void check_tags(check_picture *picture, const char *svg) {
    const char *open[16];
    size_t depth = 0;
    for (const char *tag = strchr(svg, '<'); tag != NULL; tag = strchr(tag + 1, '<')) {
        const char *end = strchr(tag, '>');
        assert_non_null(end);
        if (tag[1] == '/') {
            assert_true(depth > 0);
            const size_t length = strcspn(open[depth - 1] + 1, " >");
            if (strncmp(tag + 2, open[depth - 1] + 1, length) != 0 || tag[2 + length] != '>')
                fail_msg("%.20s closes %.20s", tag, open[depth - 1]);
            depth--;
            continue;
        }
        check_element(picture, tag);
        if (end[-1] == '/') continue;
        assert_true(depth < 16);
        open[depth++] = tag;
    }
    assert_int_equal(depth, 0);
}

static inline void check_overlaps(const check_picture *picture) {
    for (size_t i = 0; i < picture->label_count; i++) {
        for (size_t j = 0; j < i; j++) {
            const check_label *a = &picture->labels[i], *b = &picture->labels[j];
            if (fabs(a->baseline - b->baseline) < 11 && a->left < b->right - 0.01 &&
                b->left < a->right - 0.01 && *a->text != 0 && *b->text != 0)
                fail_msg("\"%s\" covers \"%s\"", a->text, b->text);
        }
    }
}

/// Check all of it. The result is large and lives until the next call.
static inline const check_picture *check_svg(const char *svg) {
    static check_picture picture;
    char box[64];
    picture = (check_picture){0};
    assert_true(lode__utf8_valid(svg, strlen(svg)));
    assert_int_equal(strncmp(svg, "<svg ", 5), 0);
    assert_true(check_attribute(svg, "viewBox", box, sizeof box));
    assert_int_equal(sscanf(box, "0 0 %lf %lf", &picture.width, &picture.height), 2);
    assert_non_null(strstr(svg, "role=\"img\""));
    assert_non_null(strstr(svg, "<title>"));
    assert_non_null(strstr(svg, "<desc>"));
    assert_non_null(strstr(svg, "prefers-color-scheme:dark"));
    check_tags(&picture, svg);
    check_overlaps(&picture);
    return &picture;
}

#endif
