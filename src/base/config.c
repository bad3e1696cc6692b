#include "base/config.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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
    for (const lode_node *child = node != NULL ? node->child : NULL; child != NULL; child = child->next) {
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

static lode_status wrong_value(const lode_reader_context *context, const char *found,
                               const char *expected) {
    return lode__fail(context->error, LODE_E_CONFIG, "%s: %s is %s: expected %s",
                      lode__node_where(context->arena, context->node), context->path, found, expected);
}

static lode_status out_of_range(const lode_reader_context *context, const char *found) {
    char expected[96];
    (void)snprintf(expected, sizeof expected, "%.15g to %.15g", context->key->low, context->key->high);
    return wrong_value(context, found, expected);
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
    return in_range(context->key, (double)*out) ? LODE_OK : out_of_range(context, text);
}

static lode_status read_real(const lode_reader_context *context, const char *text, double *out) {
    if (!lode__parse_real(text, strlen(text), out)) return wrong_value(context, text, "a number");
    return in_range(context->key, *out) ? LODE_OK : out_of_range(context, text);
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
    const lode_status status = wrong_value(context, text, list.data != NULL ? list.data : "another value");
    lode__text_release(&list);
    return status;
}

static lode_status read_duration(const lode_reader_context *context, const char *text, int64_t *out) {
    static const struct {
        const char *unit;
        double milliseconds;
    } units[] = {{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}, {"", 1}};
    const size_t length = strlen(text);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        const size_t unit = strlen(units[i].unit);
        double number;
        if (length > unit && strcmp(text + length - unit, units[i].unit) == 0 &&
            lode__parse_real(text, length - unit, &number) && number >= 0 && number < 1e12) {
            *out = (int64_t)(number * units[i].milliseconds);
            return LODE_OK;
        }
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

static lode_status read_list(const lode_reader_context *context, const lode_node *first, size_t count,
                             void *out) {
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
    for (size_t i = 0; i < count; i++, first = first->next) {
        if (first->kind != LODE_NODE_SCALAR) return wrong_value(context, kind_name(first), "single values");
        if (ints) {
            LODE_TRY(read_int(context, first->text, &numbers[i]));
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
        if (node->kind == LODE_NODE_LIST) return read_list(context, node->child, lode__node_count(node), out);
        if (node->kind == LODE_NODE_SCALAR) return read_list(context, node, 1, out);
        return wrong_value(context, kind_name(node), "a list");
    }
    if (node->kind != LODE_NODE_SCALAR) return wrong_value(context, kind_name(node), "a single value");
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
    for (const lode_key *key = keys; key->name != NULL && count < 64; key++) names[count++] = key->name;
    for (size_t i = 0; skip != NULL && skip[i] != NULL && count < 64; i++) names[count++] = skip[i];
    const char *nearest = lode__nearest(node->key, names, count);
    lode_text text = {0};
    if (nearest != NULL) {
        lode__text_printf(&text, "did you mean \"%s\"?", nearest);
    } else {
        lode__text_add(&text, "there are:");
        for (size_t i = 0; i < count; i++) lode__text_printf(&text, " %s", names[i]);
        if (count == 0) lode__text_add(&text, " none");
    }
    const lode_status status =
        lode__fail(error, LODE_E_CONFIG, "%s: unknown key \"%s%s%s\"; %s", lode__node_where(arena, node),
                   path, *path != 0 ? "." : "", node->key, text.data != NULL ? text.data : "");
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
    for (const lode_node *child = map != NULL ? map->child : NULL; child != NULL; child = child->next) {
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
    char digits[40];
    for (int precision = 1; precision <= 17; precision++) {
        (void)snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) break;
    }
    lode__text_add(text, digits);
}

/// Plain text where YAML and our reader take it as it is, else in double quotes.
static void add_text(lode_text *text, const char *value, bool quote) {
    const size_t length = strlen(value);
    bool plain = !quote && length > 0 && strchr("-?:,[]{}#&*!|>'\"%@` ", value[0]) == NULL &&
                 !isspace((unsigned char)value[length - 1]) && value[length - 1] != ':';
    for (size_t i = 0; i < length && plain; i++) {
        const char c = value[i];
        plain = (unsigned char)c >= 0x20 && strchr("\"'\\#,[]{}", c) == NULL && !(c == ':' && value[i + 1] == ' ');
    }
    if (plain) {
        lode__text_add(text, value);
        return;
    }
    lode__text_add(text, "\"");
    for (const char *c = value; *c != 0; c++) {
        if (*c == '"' || *c == '\\') {
            lode__text_printf(text, "\\%c", *c);
        } else if ((unsigned char)*c < 0x20) {
            lode__text_printf(text, "\\x%02x", (unsigned)*c);
        } else {
            lode__text_add_bytes(text, c, 1);
        }
    }
    lode__text_add(text, "\"");
}

static void add_value(lode_text *text, const lode_key *key, const void *member) {
    switch (key->type) {
    case LODE_KEY_INT:
        lode__text_printf(text, "%lld", (long long)*(const int64_t *)member);
        break;
    case LODE_KEY_DURATION:
        lode__text_printf(text, "%lldms", (long long)*(const int64_t *)member);
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
        [LODE_KEY_INT] = "whole number", [LODE_KEY_REAL] = "number",     [LODE_KEY_BOOL] = "true | false",
        [LODE_KEY_TEXT] = "text",        [LODE_KEY_DURATION] = "duration", [LODE_KEY_INTS] = "list of whole numbers",
        [LODE_KEY_TEXTS] = "list of texts", [LODE_KEY_NODE] = "map",     [LODE_KEY_SECTION] = "section"};
    if (key->type == LODE_KEY_CHOICE) {
        for (size_t i = 0; key->choices[i] != NULL; i++) {
            lode__text_printf(text, "%s%s", i > 0 ? " | " : "", key->choices[i]);
        }
        return;
    }
    lode__text_add(text, names[key->type]);
    if (key->low != 0.0 || key->high != 0.0) {
        if (key->high >= 1e15) {
            lode__text_printf(text, ", at least %.15g", key->low);
        } else {
            lode__text_printf(text, ", %.15g to %.15g", key->low, key->high);
        }
    }
}

void lode__config_help(lode_text *text, const char *prefix, const lode_key *keys) {
    for (const lode_key *key = keys; key->name != NULL; key++) {
        if (key->type == LODE_KEY_SECTION) {
            char longer[160];
            (void)snprintf(longer, sizeof longer, "%s%s.", prefix, key->name);
            if (key->help != NULL) lode__text_printf(text, "  %s%s\n      %s\n", prefix, key->name, key->help);
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
    while (*end != NULL) end = &(*end)->next;
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
