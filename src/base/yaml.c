/// YAML text into nodes, over libyaml's event parser (base/config.h).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/config.h"

enum { DEEPEST = 32, MOST_KEYS = 4096 };

typedef struct lode_yaml {
    lode_arena *arena;
    yaml_parser_t parser;
    const char *name;
    int line; ///< -1: take libyaml's; else what to say instead (0 for --set)
    lode_error *error;
} lode_yaml;

static lode_status wrong(const lode_yaml *yaml, const yaml_mark_t *mark, const char *what) {
    if (yaml->line >= 0) return lode__fail(yaml->error, LODE_E_CONFIG, "%s: %s", yaml->name, what);
    return lode__fail(yaml->error, LODE_E_CONFIG, "%s:%zu:%zu: %s", yaml->name, mark->line + 1,
                      mark->column + 1, what);
}

static lode_status next_event(lode_yaml *yaml, yaml_event_t *event) {
    if (yaml_parser_parse(&yaml->parser, event)) return LODE_OK;
    const char *problem = yaml->parser.problem != NULL ? yaml->parser.problem : "not YAML";
    if (yaml->parser.error == YAML_MEMORY_ERROR) return lode__fail_memory(yaml->error);
    const yaml_mark_t *mark = &yaml->parser.problem_mark;
    if (yaml->parser.error == YAML_READER_ERROR) mark = &yaml->parser.mark;
    return wrong(yaml, mark, problem);
}

static lode_node *make_node(lode_yaml *yaml, lode_node_kind kind, const yaml_event_t *event) {
    lode_node *node = lode__arena_alloc(yaml->arena, 1, sizeof *node);
    if (node == NULL) return NULL;
    node->kind = kind;
    node->file = yaml->name;
    node->line = yaml->line >= 0 ? yaml->line : (int)event->start_mark.line + 1;
    return node;
}

static const char no_anchors[] = "anchors and aliases are not supported";

/// Anchors and tags change what is read in ways that a reader of the file does not see.
static lode_status check_plain(const lode_yaml *yaml, const yaml_event_t *event) {
    const unsigned char *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor != NULL || event->type == YAML_ALIAS_EVENT) {
        return wrong(yaml, &event->start_mark, no_anchors);
    }
    if (tag != NULL)
        return wrong(yaml, &event->start_mark, "tags (!) are not supported; use quotes");
    return LODE_OK;
}

static lode_status read_scalar(lode_yaml *yaml, const yaml_event_t *event, lode_node **out) {
    LODE_TRY(check_plain(yaml, event));
    const char *text = (const char *)event->data.scalar.value;
    const size_t length = event->data.scalar.length;
    if (strlen(text) != length) return wrong(yaml, &event->start_mark, "a text holds a 0 byte");
    lode_node *node = make_node(yaml, LODE_NODE_SCALAR, event);
    if (node == NULL) return lode__fail_memory(yaml->error);
    node->text = lode__arena_strndup(yaml->arena, text, length);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (!node->quoted && strcmp(text, "~") == 0) node->text = "";
    if (node->text == NULL) return lode__fail_memory(yaml->error);
    *out = node;
    return LODE_OK;
}

static lode_status read_node(lode_yaml *yaml, yaml_event_t *event, int depth, lode_node **out);

static lode_status read_child(lode_yaml *yaml, lode_node *parent, lode_node ***end,
                              yaml_event_t *event, int depth) {
    lode_node *key = NULL, *child = NULL;
    if (parent->kind == LODE_NODE_MAP) {
        if (event->type != YAML_SCALAR_EVENT) {
            return wrong(yaml, &event->start_mark, "a key must be a single text");
        }
        LODE_TRY(read_scalar(yaml, event, &key));
        if (lode__node_get(parent, key->text) != NULL) {
            const char *what =
                lode__arena_printf(yaml->arena, "key \"%s\" is given twice", key->text);
            return wrong(yaml, &event->start_mark, what != NULL ? what : "a key is given twice");
        }
        yaml_event_t value;
        LODE_TRY(next_event(yaml, &value));
        const lode_status status = read_node(yaml, &value, depth, &child);
        yaml_event_delete(&value);
        LODE_TRY(status);
        child->key = key->text;
        child->line = key->line;
    } else {
        LODE_TRY(read_node(yaml, event, depth, &child));
    }
    **end = child;
    *end = &child->next;
    return LODE_OK;
}

static lode_status read_children(lode_yaml *yaml, lode_node *parent, yaml_event_type_t last,
                                 int depth) {
    lode_node **end = &parent->child;
    for (size_t count = 0;; count++) {
        yaml_event_t event;
        LODE_TRY(next_event(yaml, &event));
        lode_status status = LODE_OK;
        const bool done = event.type == last;
        if (!done && count == MOST_KEYS && parent->kind == LODE_NODE_MAP) {
            status = wrong(yaml, &event.start_mark, "more than 4096 keys in one map");
        } else if (!done)
            status = read_child(yaml, parent, &end, &event, depth);
        yaml_event_delete(&event);
        if (done || status != LODE_OK) return status;
    }
}

static lode_status read_node(lode_yaml *yaml, yaml_event_t *event, int depth, lode_node **out) {
    if (depth > DEEPEST) return wrong(yaml, &event->start_mark, "nested more than 32 deep");
    LODE_TRY(check_plain(yaml, event));
    if (event->type == YAML_SCALAR_EVENT) return read_scalar(yaml, event, out);
    const lode_node_kind kind =
        event->type == YAML_MAPPING_START_EVENT ? LODE_NODE_MAP : LODE_NODE_LIST;
    *out = make_node(yaml, kind, event);
    if (*out == NULL) return lode__fail_memory(yaml->error);
    return read_children(yaml, *out,
                         kind == LODE_NODE_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT,
                         depth + 1);
}

/// The one document of a stream; an empty stream gives NULL.
static lode_status read_stream(lode_yaml *yaml, lode_node **out) {
    int documents = 0;
    for (;;) {
        yaml_event_t event;
        LODE_TRY(next_event(yaml, &event));
        lode_status status = LODE_OK;
        const yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && ++documents > 1) {
            status = wrong(yaml, &event.start_mark, "a second document: expected one");
        } else if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT &&
                   type != YAML_DOCUMENT_END_EVENT && type != YAML_STREAM_END_EVENT) {
            status = read_node(yaml, &event, 0, out);
        }
        yaml_event_delete(&event);
        if (status != LODE_OK || type == YAML_STREAM_END_EVENT) return status;
    }
}

static lode_status parse(lode_arena *arena, const char *text, size_t length, const char *name,
                         int line, lode_node **out, lode_error *error) {
    lode_yaml yaml = {.arena = arena, .line = line, .error = error};
    yaml.name = lode__arena_strdup(arena, name);
    if (yaml.name == NULL || !yaml_parser_initialize(&yaml.parser)) return lode__fail_memory(error);
    yaml_parser_set_encoding(&yaml.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&yaml.parser, (const unsigned char *)text, length);
    *out = NULL;
    const lode_status status = read_stream(&yaml, out);
    yaml_parser_delete(&yaml.parser);
    return status;
}

lode_status lode__yaml_parse(lode_arena *arena, const char *text, size_t length, const char *name,
                             lode_node **root, lode_error *error) {
    LODE_TRY(parse(arena, text, length, name, -1, root, error));
    const bool empty = *root == NULL || ((*root)->kind == LODE_NODE_SCALAR && *(*root)->text == 0);
    if (empty) {
        *root = lode__arena_alloc(arena, 1, sizeof **root);
        if (*root == NULL) return lode__fail_memory(error);
        (*root)->kind = LODE_NODE_MAP;
        (*root)->file = lode__arena_strdup(arena, name);
        (*root)->line = 1;
        return (*root)->file != NULL ? LODE_OK : lode__fail_memory(error);
    }
    if ((*root)->kind != LODE_NODE_MAP) {
        return lode__fail(error, LODE_E_CONFIG, "%s:%d: expected `key: value` lines at the top",
                          name, (*root)->line);
    }
    return LODE_OK;
}

/// The child of `parent` that one step of a path names; made when it is missing.
static lode_status step_into(lode_arena *arena, lode_node *parent, const char *step,
                             const char *setting, lode_node **out, lode_error *error) {
    uint64_t wanted = 0;
    const bool number = lode__parse_u64(step, strlen(step), &wanted);
    if (parent->kind == LODE_NODE_SCALAR) { // replaced by what the path needs
        parent->kind = number ? LODE_NODE_LIST : LODE_NODE_MAP;
        parent->text = NULL;
        parent->child = NULL;
    }
    if (parent->kind == LODE_NODE_LIST && !number) {
        return lode__fail(error, LODE_E_CONFIG,
                          "--set %s: \"%s\" is in a list; name the element by its number, from 0",
                          setting, step);
    }
    lode_node **at = &parent->child;
    for (uint64_t i = 0; *at != NULL; at = &(*at)->next, i++) {
        if (parent->kind == LODE_NODE_LIST ? i == wanted : strcmp((*at)->key, step) == 0) break;
    }
    if (*at == NULL) {
        const size_t count = lode__node_count(parent);
        if (parent->kind == LODE_NODE_LIST && wanted != count) {
            return lode__fail(error, LODE_E_CONFIG,
                              "--set %s: the list has %zu elements; %s is beyond its end", setting,
                              count, step);
        }
        lode_node *made = lode__arena_alloc(arena, 1, sizeof *made);
        if (made == NULL) return lode__fail_memory(error);
        made->kind = LODE_NODE_SCALAR;
        made->text = "";
        made->file = "--set";
        made->key = parent->kind == LODE_NODE_MAP ? lode__arena_strdup(arena, step) : NULL;
        if (parent->kind == LODE_NODE_MAP && made->key == NULL) return lode__fail_memory(error);
        *at = made;
    }
    *out = *at;
    return LODE_OK;
}

lode_status lode__yaml_set(lode_arena *arena, lode_node *root, const char *setting,
                           lode_error *error) {
    const char *equals = strchr(setting, '=');
    if (equals == NULL || equals == setting) {
        return lode__fail(error, LODE_E_USAGE, "--set %s: expected key.path=value", setting);
    }
    lode_node *value = NULL;
    LODE_TRY(parse(arena, equals + 1, strlen(equals + 1), "--set", 0, &value, error));
    char *path = lode__arena_strndup(arena, setting, (size_t)(equals - setting));
    if (path == NULL) return lode__fail_memory(error);
    lode_node *node = root;
    char *rest = path, *step;
    int depth = 0;
    while ((step = strsep(&rest, ".")) != NULL) {
        if (*step == 0)
            return lode__fail(error, LODE_E_USAGE, "--set %s: an empty name in the path", setting);
        if (++depth > DEEPEST) {
            return lode__fail(error, LODE_E_USAGE, "--set %s: the path is more than 32 deep",
                              setting);
        }
        LODE_TRY(step_into(arena, node, step, setting, &node, error));
    }
    const char *key = node->key;
    lode_node *next = node->next;
    if (value != NULL) {
        *node = *value;
    } else {
        *node = (lode_node){.kind = LODE_NODE_SCALAR, .text = "", .file = "--set"};
    }
    node->key = key;
    node->next = next;
    return LODE_OK;
}
