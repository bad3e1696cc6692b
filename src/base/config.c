/// Reading and writing structs by tables of keys (base/config.h).
///
/// A value goes the same way whether it comes from a file, from --set or from a table's default. Messages
/// have one form: where, which key, what was found, what was expected.
#include "base/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *lode__node_where(lode_arena *arena, const lode_node *node) {
    if (node == NULL) return "configuration";
    if (node->line == 0) return node->file;
    const char *where = lode__arena_printf(arena, "%s:%d", node->file, node->line);
    return where != NULL ? where : node->file;
}

lode_node *lode__node_get(const lode_node *map, const char *key) {
    if (map == NULL || map->kind != LODE_NODE_MAP) return NULL;
    for (lode_node *child = map->child; child != NULL; child = child->next) {
        if (strcmp(child->key, key) == 0) return child;
    }
    return NULL;
}

size_t lode__node_count(const lode_node *node) {
    size_t count = 0;
    for (const lode_node *child = node != NULL ? node->child : NULL; child != NULL;
         child = child->next) {
        count++;
    }
    return count;
}

// --- values ---------------------------------------------------------------------------------------

/// One value being read: where it stands, for messages.
typedef struct lode_reader_context {
    lode_arena *arena;
    const lode_key *key;
    const lode_node *node; ///< NULL for a default
    const char *path;
    lode_error *error;
} lode_reader_context;

static const char *kind_name(const lode_node *node) {
    return node->kind == LODE_NODE_MAP ? "a map" : "a list";
}

/// The range of a key's numbers after `before`: "1 to 10", "at least 0"; nothing when any will do.
static void add_range(lode_text *text, const char *before, const lode_key *key) {
    if (key->low == 0.0 && key->high == 0.0) return;
    lode__text_add(text, before);
    if (key->high >= 1e15) {
        lode__text_printf(text, "at least %.15g", key->low);
    } else {
        lode__text_printf(text, "%.15g to %.15g", key->low, key->high);
    }
}

/// @param expected  the type, to which the range is added; "" for a value that only misses the range
static lode_status wrong_value(const lode_reader_context *context, const char *found,
                               const char *expected) {
    lode_text range = {0};
    add_range(&range, *expected != 0 ? ", " : "", context->key);
    const lode_status status =
        lode__fail(context->error, LODE_E_CONFIG, "%s: %s is %s: expected %s%s",
                   lode__node_where(context->arena, context->node), context->path,
                   *found != 0 ? found : "empty", expected, range.data != NULL ? range.data : "");
    lode__text_release(&range);
    return status;
}

static bool in_range(const lode_key *key, double value) {
    if (key->low == 0.0 && key->high == 0.0) return true;
    return value >= key->low && value <= key->high;
}

static lode_status read_int(const lode_reader_context *context, const char *text, int64_t *out) {
    double real;
    if (!lode__parse_i64(text, strlen(text), out)) {
        // 1e6 is a whole number too
        if (!lode__parse_real(text, strlen(text), &real) || real != floor(real) || fabs(real) > 9e15) {
            return wrong_value(context, text, "a whole number");
        }
        *out = (int64_t)real;
    }
    if (!in_range(context->key, (double)*out)) return wrong_value(context, text, "");
    return LODE_OK;
}

static lode_status read_real(const lode_reader_context *context, const char *text, double *out) {
    if (!lode__parse_real(text, strlen(text), out)) return wrong_value(context, text, "a number");
    return in_range(context->key, *out) ? LODE_OK : wrong_value(context, text, "");
}

static lode_status read_bool(const lode_reader_context *context, const char *text, bool *out) {
    static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *out = strcmp(text, yes[i]) == 0;
            return LODE_OK;
        }
    }
    return wrong_value(context, text, "true or false");
}

static lode_status read_choice(const lode_reader_context *context, const char *text, int *out) {
    lode_text list = {0};
    size_t count = 0;
    for (; context->key->choices[count] != NULL; count++) {
        if (strcmp(context->key->choices[count], text) == 0) {
            *out = (int)count;
            lode__text_release(&list);
            return LODE_OK;
        }
        lode__text_printf(&list, "%s%s", count > 0 ? " | " : "", context->key->choices[count]);
    }
    const char *nearest = lode__nearest(text, context->key->choices, count);
    if (nearest != NULL) lode__text_printf(&list, "; did you mean \"%s\"?", nearest);
    const lode_status status =
        wrong_value(context, text, list.data != NULL ? list.data : "another value");
    lode__text_release(&list);
    return status;
}

/// Units of durations, in milliseconds. "ms" is looked for before "s"; written is the largest that divides.
static const struct {
    const char *unit;
    int64_t milliseconds;
} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"", 1}};

enum { UNITS = sizeof units / sizeof *units };

static lode_status read_duration(const lode_reader_context *context, const char *text, int64_t *out) {
    const size_t length = strlen(text);
    for (size_t i = 0; i < UNITS; i++) {
        const size_t unit = strlen(units[i].unit);
        double number;
        if (length <= unit || strcmp(text + length - unit, units[i].unit) != 0 ||
            !lode__parse_real(text, length - unit, &number)) {
            continue;
        }
        number *= (double)units[i].milliseconds;
        if (number < 0 || number > 9e15 || !in_range(context->key, number)) break;
        *out = (int64_t)llround(number);
        return LODE_OK;
    }
    return wrong_value(context, text, "a duration such as 30m, 1h, 7d, 45s or 250ms");
}

static lode_status read_scalar(const lode_reader_context *context, const char *text, void *out) {
    switch (context->key->type) {
    case LODE_KEY_INT:
        return read_int(context, text, out);
    case LODE_KEY_REAL:
        return read_real(context, text, out);
    case LODE_KEY_BOOL:
        return read_bool(context, text, out);
    case LODE_KEY_CHOICE:
        return read_choice(context, text, out);
    case LODE_KEY_DURATION:
        return read_duration(context, text, out);
    case LODE_KEY_TEXT:
        *(const char **)out = lode__arena_strdup(context->arena, text);
        return *(const char **)out != NULL ? LODE_OK : lode__fail_memory(context->error);
    default:
        return wrong_value(context, text, "a list");
    }
}

static lode_status read_list(const lode_reader_context *context, const lode_node *first,
                             size_t count, void *out) {
    const bool ints = context->key->type == LODE_KEY_INTS;
    int64_t *numbers = NULL;
    const char **texts = NULL;
    if (ints) {
        numbers = lode__arena_alloc(context->arena, count, sizeof *numbers);
        *(lode_ints *)out = (lode_ints){numbers, count};
    } else {
        texts = lode__arena_alloc(context->arena, count, sizeof *texts);
        *(lode_texts *)out = (lode_texts){texts, count};
    }
    if (numbers == NULL && texts == NULL) return lode__fail_memory(context->error);
    lode_reader_context element = *context;
    for (size_t i = 0; i < count; i++, first = first->next) {
        element.node = first;
        if (first->kind != LODE_NODE_SCALAR) {
            return wrong_value(&element, kind_name(first), "a list of single values");
        }
        if (ints) {
            LODE_TRY(read_int(&element, first->text, &numbers[i]));
        } else if ((texts[i] = lode__arena_strdup(context->arena, first->text)) == NULL) {
            return lode__fail_memory(context->error);
        }
    }
    return LODE_OK;
}

static bool is_list(const lode_key *key) {
    return key->type == LODE_KEY_INTS || key->type == LODE_KEY_TEXTS;
}

static lode_status read_value(const lode_reader_context *context, const lode_node *node, void *out) {
    const lode_key *key = context->key;
    if (is_list(key)) {
        if (node->kind == LODE_NODE_LIST)
            return read_list(context, node->child, lode__node_count(node), out);
        const bool empty = node->kind == LODE_NODE_SCALAR && *node->text == 0 && !node->quoted;
        if (empty) return wrong_value(context, "", "a list ([] for none)");
        if (node->kind == LODE_NODE_SCALAR) return read_list(context, node, 1, out);
        return wrong_value(context, kind_name(node), "a list");
    }
    if (node->kind != LODE_NODE_SCALAR)
        return wrong_value(context, kind_name(node), "a single value");
    return read_scalar(context, node->text, out);
}

static lode_status read_default(const lode_reader_context *context, void *out) {
    const lode_key *key = context->key;
    if (key->fallback == NULL) {
        if (is_list(key)) return read_list(context, NULL, 0, out);
        if (key->type == LODE_KEY_TEXT) {
            *(const char **)out = NULL;
            return LODE_OK;
        }
        return lode__fail(context->error, LODE_E_CONFIG, "%s: %s is required",
                          lode__node_where(context->arena, context->node), context->path);
    }
    if (!is_list(key)) return read_scalar(context, key->fallback, out);
    lode_node *map = NULL;
    const char *text = lode__arena_printf(context->arena, "x: %s\n", key->fallback);
    if (text == NULL) return lode__fail_memory(context->error);
    LODE_TRY(lode__yaml_parse(context->arena, text, strlen(text), "default", &map, context->error));
    return read_value(context, map->child, out);
}

// --- maps -------------------------------------------------------------------------------------------

static bool named(const char *const *names, const char *name) {
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) return true;
    }
    return false;
}

static const lode_key *find_key(const lode_key *keys, const char *name) {
    for (const lode_key *key = keys; key->name != NULL; key++) {
        if (strcmp(key->name, name) == 0) return key;
    }
    return NULL;
}

static lode_status unknown_key(lode_arena *arena, const lode_node *node, const char *path,
                               const lode_key *keys, const char *const *skip, lode_error *error) {
    const char *names[64];
    size_t count = 0;
    for (const lode_key *key = keys; key->name != NULL && count < 64; key++)
        names[count++] = key->name;
    for (size_t i = 0; skip != NULL && skip[i] != NULL && count < 64; i++)
        names[count++] = skip[i];
    const char *nearest = lode__nearest(node->key, names, count);
    lode_text text = {0};
    if (nearest != NULL) {
        lode__text_printf(&text, "did you mean \"%s%s%s\"?", path, *path != 0 ? "." : "", nearest);
    } else {
        lode__text_add(&text, "there are:");
        for (size_t i = 0; i < count; i++)
            lode__text_printf(&text, " %s", names[i]);
        if (count == 0) lode__text_add(&text, " none");
    }
    const lode_status status = lode__fail(error, LODE_E_CONFIG, "%s: unknown key \"%s%s%s\"; %s",
                                          lode__node_where(arena, node), path, *path != 0 ? "." : "",
                                          node->key, text.data != NULL ? text.data : "");
    lode__text_release(&text);
    return status;
}

static lode_status read_key(lode_arena *arena, const lode_key *key, const lode_node *node,
                            const lode_node *map, const char *path, void *out, lode_error *error) {
    const char *own = lode__arena_printf(arena, "%s%s%s", path, *path != 0 ? "." : "", key->name);
    if (own == NULL) return lode__fail_memory(error);
    void *member = (char *)out + key->offset;
    lode_reader_context context = {arena, key, node != NULL ? node : map, own, error};
    if (key->type == LODE_KEY_NODE) {
        *(const lode_node **)member = node;
        return LODE_OK;
    }
    if (key->type == LODE_KEY_SECTION) {
        return lode__config_read(arena, node, own, key->keys, NULL, member, error);
    }
    return node != NULL ? read_value(&context, node, member) : read_default(&context, member);
}

lode_status lode__config_read(lode_arena *arena, const lode_node *map, const char *path,
                              const lode_key *keys, const char *const *skip, void *out,
                              lode_error *error) {
    if (map != NULL && map->kind != LODE_NODE_MAP) {
        const bool empty = map->kind == LODE_NODE_SCALAR && *map->text == 0;
        if (!empty) {
            return lode__fail(error, LODE_E_CONFIG, "%s: %s is %s: expected a map of keys",
                              lode__node_where(arena, map), *path != 0 ? path : "the configuration",
                              map->kind == LODE_NODE_LIST ? "a list" : map->text);
        }
        map = NULL;
    }
    for (const lode_node *child = map != NULL ? map->child : NULL; child != NULL;
         child = child->next) {
        if (find_key(keys, child->key) == NULL && !named(skip, child->key)) {
            return unknown_key(arena, child, path, keys, skip, error);
        }
    }
    for (const lode_key *key = keys; key->name != NULL; key++) {
        LODE_TRY(read_key(arena, key, lode__node_get(map, key->name), map, path, out, error));
    }
    return LODE_OK;
}

// --- writing and help ---------------------------------------------------------------------------------

/// Shortest decimal that reads back as the same number.
static void add_real(lode_text *text, double value) {
    if (value == floor(value) && fabs(value) < 1e15) {
        lode__text_printf(text, "%.0f", value);
        return;
    }
    const size_t start = text->length;
    for (int precision = 1; precision <= 17 && !text->failed; precision++) {
        double back = 0.0;
        text->length = start;
        lode__text_printf(text, "%.*g", precision, value);
        if (text->failed) return;
        if (lode__parse_real(text->data + start, text->length - start, &back) && back == value)
            break;
    }
}

/// The number of a character in UTF-8, and its bytes; a broken one is its first byte.
static uint32_t character(const char *at, size_t *width) {
    for (*width = 1; *width <= 4 && memchr(at, 0, *width) == NULL; ++*width) {
        if (!lode__utf8_valid(at, *width)) continue;
        uint32_t point = (unsigned char)at[0] & (*width == 1 ? 0x7FU : 0x7FU >> *width);
        for (size_t i = 1; i < *width; i++)
            point = point << 6 | ((unsigned char)at[i] & 0x3FU);
        return point;
    }
    *width = 1;
    return (unsigned char)*at;
}

/// True for what YAML does not print as it is: control characters, line breaks of Unicode, byte order marks.
static bool needs_escape(uint32_t point) {
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x2028 || point == 0x2029 ||
           point == 0xFEFF || point == 0xFFFE || point == 0xFFFF;
}

/// Plain text where YAML and our reader take it as it is, else in double quotes.
static void add_text(lode_text *text, const char *value, bool quote) {
    const size_t length = strlen(value);
    size_t width;
    bool plain = !quote && length > 0 && strchr("-?:,[]{}#&*!|>'\"%@`~ ", value[0]) == NULL &&
                 value[length - 1] != ' ' && value[length - 1] != ':';
    for (const char *c = value; *c != 0 && plain; c += width) {
        plain = !needs_escape(character(c, &width)) && strchr("\"'\\#,[]{}", *c) == NULL &&
                !(*c == ':' && c[1] == ' ');
    }
    if (plain) {
        lode__text_add(text, value);
        return;
    }
    lode__text_add(text, "\"");
    for (const char *c = value; *c != 0; c += width) {
        const uint32_t point = character(c, &width);
        if (*c == '"' || *c == '\\') {
            lode__text_printf(text, "\\%c", *c);
        } else if (needs_escape(point)) {
            lode__text_printf(text, point < 0x100 ? "\\x%02x" : "\\u%04x", point);
        } else {
            lode__text_add_bytes(text, c, width);
        }
    }
    lode__text_add(text, "\"");
}

/// In the largest unit that divides it.
static void add_duration(lode_text *text, int64_t value) {
    size_t unit = 0;
    for (size_t i = 0; i + 1 < UNITS && value != 0; i++) {
        if (value % units[i].milliseconds == 0) unit = i;
    }
    lode__text_printf(text, "%lld%s", (long long)(value / units[unit].milliseconds),
                      units[unit].unit);
}

static void add_value(lode_text *text, const lode_key *key, const void *member) {
    switch (key->type) {
    case LODE_KEY_INT:
        lode__text_printf(text, "%lld", (long long)*(const int64_t *)member);
        break;
    case LODE_KEY_DURATION:
        add_duration(text, *(const int64_t *)member);
        break;
    case LODE_KEY_REAL:
        add_real(text, *(const double *)member);
        break;
    case LODE_KEY_BOOL:
        lode__text_add(text, *(const bool *)member ? "true" : "false");
        break;
    case LODE_KEY_CHOICE:
        lode__text_add(text, key->choices[*(const int *)member]);
        break;
    case LODE_KEY_TEXT:
        add_text(text, *(const char *const *)member, false);
        break;
    case LODE_KEY_INTS: {
        const lode_ints *ints = member;
        for (size_t i = 0; i < ints->count; i++) {
            lode__text_printf(text, "%s%lld", i > 0 ? ", " : "[", (long long)ints->values[i]);
        }
        lode__text_add(text, ints->count > 0 ? "]" : "[]");
        break;
    }
    case LODE_KEY_TEXTS: {
        const lode_texts *texts = member;
        for (size_t i = 0; i < texts->count; i++) {
            lode__text_add(text, i > 0 ? ", " : "[");
            add_text(text, texts->values[i], true);
        }
        lode__text_add(text, texts->count > 0 ? "]" : "[]");
        break;
    }
    case LODE_KEY_NODE:
    case LODE_KEY_SECTION:
        break;
    }
}

void lode__config_write(lode_text *text, int indent, const lode_key *keys, const void *in) {
    for (const lode_key *key = keys; key->name != NULL; key++) {
        const void *member = (const char *)in + key->offset;
        if (key->type == LODE_KEY_NODE) continue;
        if (key->type == LODE_KEY_TEXT && *(const char *const *)member == NULL) continue;
        lode__text_printf(text, "%*s%s:", indent, "", key->name);
        if (key->type == LODE_KEY_SECTION) {
            lode__text_add(text, "\n");
            lode__config_write(text, indent + 2, key->keys, member);
            continue;
        }
        lode__text_add(text, " ");
        add_value(text, key, member);
        lode__text_add(text, "\n");
    }
}

static void add_type(lode_text *text, const lode_key *key) {
    static const char *const names[] = {
        [LODE_KEY_INT] = "whole number",    [LODE_KEY_REAL] = "number",
        [LODE_KEY_BOOL] = "true | false",   [LODE_KEY_TEXT] = "text",
        [LODE_KEY_DURATION] = "duration",   [LODE_KEY_INTS] = "list of whole numbers",
        [LODE_KEY_TEXTS] = "list of texts", [LODE_KEY_NODE] = "map",
        [LODE_KEY_SECTION] = "section"};
    if (key->type == LODE_KEY_CHOICE) {
        for (size_t i = 0; key->choices[i] != NULL; i++) {
            lode__text_printf(text, "%s%s", i > 0 ? " | " : "", key->choices[i]);
        }
        return;
    }
    lode__text_add(text, names[key->type]);
    add_range(text, ", ", key);
}

void lode__config_help(lode_text *text, const char *prefix, const lode_key *keys) {
    for (const lode_key *key = keys; key->name != NULL; key++) {
        if (key->type == LODE_KEY_SECTION) {
            char longer[160];
            (void)snprintf(longer, sizeof longer, "%s%s.", prefix, key->name);
            if (key->help != NULL)
                lode__text_printf(text, "  %s%s\n      %s\n", prefix, key->name, key->help);
            lode__config_help(text, longer, key->keys);
            continue;
        }
        lode__text_printf(text, "  %s%s  (", prefix, key->name);
        add_type(text, key);
        if (key->fallback != NULL) {
            lode__text_printf(text, "; default %s", *key->fallback != 0 ? key->fallback : "\"\"");
        }
        lode__text_printf(text, ")\n      %s\n", key->help != NULL ? key->help : "");
    }
}

void lode__yaml_merge(lode_node *base, lode_node *over) {
    lode_node **end = &base->child;
    while (*end != NULL)
        end = &(*end)->next;
    lode_node *next;
    for (lode_node *child = over->child; child != NULL; child = next) {
        next = child->next;
        lode_node *mine = lode__node_get(base, child->key);
        if (mine == NULL) {
            child->next = NULL;
            *end = child;
            end = &child->next;
        } else if (mine->kind == LODE_NODE_MAP && child->kind == LODE_NODE_MAP) {
            lode__yaml_merge(mine, child);
        } else {
            lode_node *after = mine->next;
            *mine = *child;
            mine->next = after;
        }
    }
}

static void print_node(lode_text *text, const lode_node *node, int indent);

static void print_value(lode_text *text, const lode_node *node, int indent) {
    if (node->kind == LODE_NODE_SCALAR) {
        lode__text_add(text, " ");
        add_text(text, node->text, node->quoted);
        lode__text_add(text, "\n");
    } else if (node->child == NULL) {
        lode__text_add(text, node->kind == LODE_NODE_MAP ? " {}\n" : " []\n");
    } else {
        lode__text_add(text, "\n");
        print_node(text, node, indent + 2);
    }
}

static void print_node(lode_text *text, const lode_node *node, int indent) {
    for (const lode_node *child = node->child; child != NULL; child = child->next) {
        lode__text_printf(text, "%*s", indent, "");
        if (node->kind == LODE_NODE_MAP) {
            add_text(text, child->key, false);
            lode__text_add(text, ":");
        } else {
            lode__text_add(text, "-");
        }
        print_value(text, child, indent);
    }
}

void lode__yaml_print(lode_text *text, const lode_node *root) {
    print_node(text, root, 0);
}
