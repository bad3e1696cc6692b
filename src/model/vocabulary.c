#include "model/vocabulary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_VALUES = 20, FEW_TOKENS = 100 };

static bool is_number(lode_column_type type) {
    return type == LODE_COLUMN_FLOAT || type == LODE_COLUMN_FLOATS;
}

static bool is_multi(lode_column_type type) {
    return type == LODE_COLUMN_TOKENS || type == LODE_COLUMN_FLOATS;
}

static uint32_t bucket_row(const lode_field *field, float value) {
    if (isnan(value) || field->bound_count == 0) return 0;
    uint32_t low = 0, high = field->bound_count - 1;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (value <= field->bounds[middle]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low + 1;
}

uint32_t lode__field_row(const lode_field *field, const char *text) {
    if (is_number(field->type)) {
        double value;
        return lode__parse_real(text, strlen(text), &value) ? bucket_row(field, (float)value) : 0;
    }
    const uint32_t found = lode__dictionary_find(&field->tokens, text, strlen(text));
    return found == LODE_DICTIONARY_NONE ? 0 : found + 1;
}

// --- codes of the entities of a column ------------------------------------------------------------

static uint64_t value_count(const lode_column *column, uint64_t entity) {
    return is_multi(column->type) ? column->starts[entity + 1] - column->starts[entity] : 1;
}

/// Row of value `at` (0 = first) of an entity; `map` takes column codes to rows.
static uint32_t value_row(const lode_column *column, const lode_field *field, const uint32_t *map,
                          uint64_t entity, uint64_t at) {
    const uint64_t place = is_multi(column->type) ? column->starts[entity] + at : entity;
    if (is_number(column->type)) return bucket_row(field, column->values[place]);
    const uint32_t code = column->codes[place];
    return code == LODE_CODE_NONE ? 0 : map[code];
}

static lode_status map_codes(const lode_column *column, const lode_field *field, uint32_t **map,
                             lode_error *error) {
    *map = lode__alloc(column->tokens.count, sizeof **map);
    if (*map == NULL) return lode__fail_memory(error);
    for (uint32_t code = 0; !is_number(column->type) && code < column->tokens.count; code++) {
        (*map)[code] = lode__field_row(field, lode__token(&column->tokens, code));
    }
    return LODE_OK;
}

lode_status lode__column_codes(lode_arena *arena, const lode_column *column,
                               const lode_field *field, const uint32_t *list, uint64_t count,
                               lode_codes *out, lode_error *error) {
    uint32_t *map = NULL;
    LODE_TRY(map_codes(column, field, &map, error));
    out->starts = lode__arena_alloc(arena, count + 1, sizeof *out->starts);
    uint64_t total = 0;
    for (int pass = 0; pass < 2 && out->starts != NULL; pass++) {
        if (pass == 1) {
            out->codes = lode__arena_alloc(arena, total, sizeof *out->codes);
            if (out->codes == NULL) break;
        }
        total = 0;
        for (uint64_t e = 0; e < count; e++) {
            const uint64_t entity = list != NULL ? list[e] : e;
            const bool known = entity < column->rows;
            const uint64_t values = known ? value_count(column, entity) : 1;
            uint64_t kept = 0;
            for (uint64_t v = 0; v < values && kept < field->longest; v++) {
                const uint32_t row = known ? value_row(column, field, map, entity, v) : 0;
                if (field->multi && row == 0) continue;
                if (pass == 1) out->codes[total] = row;
                total++;
                kept++;
            }
            if (pass == 1) out->starts[e + 1] = total;
        }
    }
    lode__free(map);
    return out->starts == NULL || out->codes == NULL ? lode__fail_memory(error) : LODE_OK;
}

// --- building -------------------------------------------------------------------------------------

typedef struct lode_builder {
    lode_vocabulary *vocabulary;
    const lode_split *split;
    const uint32_t *model_items; ///< [items] data-set item of each model item, in row order
    size_t dim;
    const lode_hooks *hooks;
    lode_error *error;
} lode_builder;

static int compare_floats(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/// Upper bounds of up to LODE_BUCKETS buckets with about the same number of values each.
static void quantiles(lode_field *field, float *values, size_t count) {
    if (count > 0) qsort(values, count, sizeof *values, compare_floats);
    for (size_t bucket = 1; bucket <= LODE_BUCKETS && count > 0; bucket++) {
        const float bound = values[(count * bucket - 1) / LODE_BUCKETS];
        if (field->bound_count == 0 || bound > field->bounds[field->bound_count - 1]) {
            field->bounds[field->bound_count++] = bound;
        }
    }
    field->rows = field->bound_count + 1;
}

/// Entities whose values a vocabulary may know: model items, users with a training click, training rows.
static uint64_t entity_count(const lode_builder *builder, lode_side side) {
    const lode_split *split = builder->split;
    if (side == LODE_SIDE_ITEM) return builder->vocabulary->items;
    return side == LODE_SIDE_USER ? split->log.users : split->log.offsets[split->log.users];
}

/// Whether entity number e is known in training, and which row of the column it is. `user` walks along.
static bool known_entity(const lode_builder *builder, lode_side side, uint64_t e, uint32_t *user,
                         uint64_t *row) {
    const lode_split *split = builder->split;
    if (side == LODE_SIDE_ITEM) {
        *row = builder->model_items[e];
        return true;
    }
    if (side == LODE_SIDE_USER) {
        *row = e;
        return split->train_end[e] > split->log.offsets[e];
    }
    while (e >= split->log.offsets[*user + 1])
        ++*user;
    *row = split->log.row != NULL ? split->log.row[e] : e;
    return e < split->train_end[*user];
}

static lode_status learn_values(lode_builder *builder, lode_field *field, const lode_column *column,
                                uint64_t *with_value) {
    float *values = NULL;
    size_t count = 0, capacity = 0, longest = 1;
    uint32_t user = 0;
    lode_status status = LODE_OK;
    const uint64_t entities = entity_count(builder, field->side);
    for (uint64_t e = 0; e < entities && status == LODE_OK; e++) {
        uint64_t row;
        if (!known_entity(builder, field->side, e, &user, &row) || row >= column->rows) continue;
        const uint64_t number = value_count(column, row);
        longest = LODE_MAX(longest, (size_t)number);
        *with_value += number > 0;
        for (uint64_t v = 0; v < number && status == LODE_OK; v++) {
            const uint64_t at = is_multi(column->type) ? column->starts[row] + v : row;
            if (is_number(column->type)) {
                if (isnan(column->values[at])) continue;
                if (!lode__grow((void **)&values, &capacity, count + 1, sizeof *values)) {
                    status = lode__fail_memory(builder->error);
                } else {
                    values[count++] = column->values[at];
                }
            } else if (column->codes[at] != LODE_CODE_NONE) {
                const char *token = lode__token(&column->tokens, column->codes[at]);
                uint32_t index;
                status = lode__dictionary_add(&field->tokens, token, strlen(token), &index,
                                              builder->error);
            }
        }
    }
    field->longest = field->multi ? LODE_MIN(field->longest, longest) : 1;
    field->rows = field->tokens.count + 1;
    if (is_number(column->type)) quantiles(field, values, count);
    lode__free(values);
    return status;
}

static bool has_field(const lode_vocabulary *vocabulary, lode_side side, const char *name) {
    for (size_t i = 0; i < vocabulary->count; i++) {
        const lode_field *field = &vocabulary->fields[i];
        if (field->side == side && strcmp(field->name, name) == 0) return true;
    }
    return false;
}

static lode_status add_field(lode_builder *builder, lode_side side, const lode_column *column,
                             const lode_field_options *options, bool automatic) {
    lode_vocabulary *vocabulary = builder->vocabulary;
    if (automatic &&
        has_field(vocabulary, side, column->name)) { // an item column "id" beside the id itself
        lode__notice(builder->hooks, "field %s is left out: rename the column to use it",
                     column->name);
        return LODE_OK;
    }
    if (vocabulary->count == LODE_FIELDS) {
        return lode__fail(builder->error, LODE_E_CONFIG, "more than %d fields", LODE_FIELDS);
    }
    lode_field *field = &vocabulary->fields[vocabulary->count];
    *field = (lode_field){.side = side,
                          .type = column->type,
                          .multi = is_multi(column->type),
                          .dim = options->dim > 0 ? (size_t)options->dim : builder->dim,
                          .longest = (size_t)options->max_values};
    field->name = lode__arena_strdup(&vocabulary->arena, column->name);
    if (field->name == NULL) return lode__fail_memory(builder->error);
    vocabulary->count++; // from here on the vocabulary owns the dictionary
    uint64_t with_value = 0;
    LODE_TRY(learn_values(builder, field, column, &with_value));
    if (automatic && column->type == LODE_COLUMN_TOKEN && side != LODE_SIDE_CONTEXT &&
        field->tokens.count > FEW_TOKENS && field->tokens.count > with_value / 2) {
        lode__notice(
            builder->hooks,
            "field %s is left out: %u different values for %llu %s; name it under fields to use it",
            column->name, field->tokens.count, (unsigned long long)with_value,
            side == LODE_SIDE_ITEM ? "items" : "users");
        lode__dictionary_release(&field->tokens);
        vocabulary->count--;
        return LODE_OK;
    }
    if (side != LODE_SIDE_ITEM) return LODE_OK;
    uint32_t *list = lode__alloc((size_t)vocabulary->items + 1, sizeof *list);
    if (list == NULL) return lode__fail_memory(builder->error);
    list[0] = LODE_CODE_NONE;
    memcpy(list + 1, builder->model_items, vocabulary->items * sizeof *list);
    const lode_status status =
        lode__column_codes(&vocabulary->arena, column, field, list, (uint64_t)vocabulary->items + 1,
                           &field->items, builder->error);
    lode__free(list);
    return status;
}

static lode_status add_user_id(lode_builder *builder, const lode_field_options *options) {
    lode_vocabulary *vocabulary = builder->vocabulary;
    const lode_split *split = builder->split;
    if (vocabulary->count == LODE_FIELDS) {
        return lode__fail(builder->error, LODE_E_CONFIG, "more than %d fields", LODE_FIELDS);
    }
    lode_field *field = &vocabulary->fields[vocabulary->count++];
    *field = (lode_field){.name = "id",
                          .side = LODE_SIDE_USER,
                          .is_id = true,
                          .longest = 1,
                          .dim = options->dim > 0 ? (size_t)options->dim : builder->dim};
    for (uint32_t user = 0; user < split->log.users; user++) {
        if (split->train_end[user] == split->log.offsets[user]) continue;
        const char *token = lode__token(&split->data->users, user);
        uint32_t index;
        LODE_TRY(lode__dictionary_add(&field->tokens, token, strlen(token), &index, builder->error));
    }
    field->rows = field->tokens.count + 1;
    return LODE_OK;
}

static lode_status add_item_id(lode_builder *builder, uint32_t **model_items) {
    lode_vocabulary *vocabulary = builder->vocabulary;
    const lode_split *split = builder->split;
    lode_field *field = &vocabulary->fields[vocabulary->count++];
    *field = (lode_field){.name = "id", .is_id = true, .dim = builder->dim, .longest = 1};
    *model_items = lode__alloc(split->train_items, sizeof **model_items);
    const uint64_t rows = (uint64_t)split->train_items + 1;
    field->items.starts = lode__arena_alloc(&vocabulary->arena, rows + 1, sizeof(uint64_t));
    field->items.codes = lode__arena_alloc(&vocabulary->arena, rows, sizeof(uint32_t));
    if (*model_items == NULL || field->items.starts == NULL || field->items.codes == NULL) {
        return lode__fail_memory(builder->error);
    }
    for (uint32_t item = 0; item < split->log.items; item++) {
        if (split->item_count[item] == 0) continue;
        const char *token = lode__token(&split->data->items, item);
        uint32_t index;
        LODE_TRY(lode__dictionary_add(&field->tokens, token, strlen(token), &index, builder->error));
        (*model_items)[index] = item;
    }
    for (uint64_t row = 0; row < rows; row++) {
        field->items.codes[row] = (uint32_t)row;
        field->items.starts[row + 1] = row + 1;
    }
    vocabulary->items = field->tokens.count;
    field->rows = field->tokens.count + 1;
    builder->model_items = *model_items;
    return LODE_OK;
}

static const lode_key field_keys[] = {{.name = "name",
                                       .type = LODE_KEY_TEXT,
                                       .offset = offsetof(lode_field_options, name),
                                       .help = "Column, or id."},
                                      {.name = "dim",
                                       .type = LODE_KEY_INT,
                                       .offset = offsetof(lode_field_options, dim),
                                       .fallback = "0",
                                       .low = 0,
                                       .high = 4096,
                                       .help = "Dimension of the embedding; 0 = model.dim."},
                                      {.name = "max_values",
                                       .type = LODE_KEY_INT,
                                       .offset = offsetof(lode_field_options, max_values),
                                       .fallback = "20",
                                       .low = 1,
                                       .high = 1000,
                                       .help = "Values used of a multi-valued field."},
                                      {0}};

static const char *const side_names[] = {"item", "user", "context"};

static lode_status add_named(lode_builder *builder, lode_side side, const lode_node *node,
                             const lode_column *columns, size_t count) {
    lode_field_options options = {.max_values = DEFAULT_VALUES};
    lode_arena *arena = &builder->vocabulary->arena;
    if (node->kind == LODE_NODE_MAP) {
        LODE_TRY(lode__config_read(arena, node, "fields", field_keys, NULL, &options, builder->error));
    } else if (node->kind == LODE_NODE_SCALAR) {
        options.name = node->text;
    }
    if (options.name == NULL) {
        return lode__fail(builder->error, LODE_E_CONFIG,
                          "%s: a field is a name or a map with the key name",
                          lode__node_where(arena, node));
    }
    const bool item_id = side == LODE_SIDE_ITEM && strcmp(options.name, "id") == 0;
    if (!item_id && has_field(builder->vocabulary, side, options.name)) {
        return lode__fail(builder->error, LODE_E_CONFIG, "%s: %s field %s stands twice: name it once",
                          lode__node_where(arena, node), side_names[side], options.name);
    }
    if (item_id) { // always there; may set its dim
        if (options.dim > 0) builder->vocabulary->fields[0].dim = (size_t)options.dim;
        return LODE_OK;
    }
    if (side == LODE_SIDE_USER && strcmp(options.name, "id") == 0)
        return add_user_id(builder, &options);
    const lode_column *column = lode__column_find(columns, count, options.name);
    if (column != NULL && column->type != LODE_COLUMN_TEXT) {
        return add_field(builder, side, column, &options, false);
    }
    lode_text names = {0};
    for (size_t i = 0; i < count; i++) {
        if (columns[i].type != LODE_COLUMN_TEXT) lode__text_printf(&names, " %s", columns[i].name);
    }
    const lode_status status = lode__fail(
        builder->error, LODE_E_CONFIG, "%s: %s field \"%s\" %s; the data set has:%s",
        lode__node_where(arena, node), side_names[side], options.name,
        column != NULL ? "is text, which enters towers only through vectors" : "is not there",
        names.data != NULL ? names.data : " none");
    lode__text_release(&names);
    return status;
}

static bool is_word(const lode_node *node, const char *word) {
    return node->kind == LODE_NODE_SCALAR && !node->quoted && strcmp(node->text, word) == 0;
}

/// Every column that is not text and was not named before.
static lode_status add_automatic(lode_builder *builder, lode_side side, const lode_column *columns,
                                 size_t count) {
    const lode_field_options options = {.max_values = DEFAULT_VALUES};
    const lode_vocabulary *vocabulary = builder->vocabulary;
    for (size_t i = 0; i < count; i++) {
        // Text and vectors mean nothing as rows of a table: whoever wants a vector's buckets names it.
        bool there = columns[i].type == LODE_COLUMN_TEXT || columns[i].type == LODE_COLUMN_FLOATS;
        for (size_t f = 0; f < vocabulary->count && !there; f++) {
            const lode_field *field = &vocabulary->fields[f];
            there = field->side == side && !field->is_id && strcmp(field->name, columns[i].name) == 0;
        }
        if (!there) LODE_TRY(add_field(builder, side, &columns[i], &options, true));
    }
    return LODE_OK;
}

static lode_status add_side(lode_builder *builder, lode_side side, const lode_node *node,
                            const lode_column *columns, size_t count) {
    if (node == NULL ? side != LODE_SIDE_CONTEXT : is_word(node, "auto")) {
        return add_automatic(builder, side, columns, count);
    }
    if (node != NULL && is_word(node, "none")) return LODE_OK;
    if (node != NULL && node->kind != LODE_NODE_LIST) {
        return lode__fail(builder->error, LODE_E_CONFIG,
                          "%s: fields.%s is auto, none or a list of column names",
                          lode__node_where(&builder->vocabulary->arena, node), side_names[side]);
    }
    for (const lode_node *child = node != NULL ? node->child : NULL; child != NULL;
         child = child->next) {
        LODE_TRY(is_word(child, "auto") ? add_automatic(builder, side, columns, count)
                                        : add_named(builder, side, child, columns, count));
    }
    return LODE_OK;
}

static lode_status copy_titles(lode_builder *builder) {
    lode_vocabulary *vocabulary = builder->vocabulary;
    const lode_column *title = lode__title_column(builder->split->data);
    if (title == NULL) return LODE_OK;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < vocabulary->items; i++) {
        const uint32_t item = builder->model_items[i];
        bytes += item < title->rows ? strlen(title->bytes + title->starts[item]) + 1 : 1;
    }
    vocabulary->title_bytes = lode__arena_alloc(&vocabulary->arena, bytes, 1);
    vocabulary->title_starts =
        lode__arena_alloc(&vocabulary->arena, (size_t)vocabulary->items + 1, sizeof(uint64_t));
    if (vocabulary->title_bytes == NULL || vocabulary->title_starts == NULL) {
        return lode__fail_memory(builder->error);
    }
    uint64_t at = 0;
    for (uint32_t i = 0; i < vocabulary->items; i++) {
        const uint32_t item = builder->model_items[i];
        const char *text = item < title->rows ? title->bytes + title->starts[item] : "";
        const size_t length = strlen(text) + 1;
        memcpy(vocabulary->title_bytes + at, text, length);
        at += length;
        vocabulary->title_starts[i + 1] = at;
    }
    return LODE_OK;
}

lode_status lode__vocabulary_new(lode_vocabulary **out, const lode_split *split,
                                 const lode_node *item, const lode_node *user,
                                 const lode_node *context, size_t dim, const lode_hooks *hooks,
                                 lode_error *error) {
    lode_vocabulary *vocabulary = lode__alloc(1, sizeof *vocabulary);
    if (vocabulary == NULL) return lode__fail_memory(error);
    lode_builder builder = {vocabulary, split, NULL, dim, hooks, error};
    const lode_dataset *data = split->data;
    uint32_t *model_items = NULL;
    lode_status status;
    LODE_GOTO(status, add_item_id(&builder, &model_items), done);
    LODE_GOTO(status,
              add_side(&builder, LODE_SIDE_ITEM, item, data->item_columns, data->item_column_count),
              done);
    LODE_GOTO(status,
              add_side(&builder, LODE_SIDE_USER, user, data->user_columns, data->user_column_count),
              done);
    LODE_GOTO(status,
              add_side(&builder, LODE_SIDE_CONTEXT, context, data->context, data->context_count),
              done);
    status = copy_titles(&builder);
done:
    lode__free(model_items);
    if (status != LODE_OK) {
        lode__vocabulary_free(&vocabulary);
    } else {
        *out = vocabulary;
    }
    return status;
}

void lode__vocabulary_seal(lode_vocabulary *vocabulary) {
    for (size_t i = 0; i < vocabulary->count; i++)
        lode__dictionary_seal(&vocabulary->fields[i].tokens);
}

void lode__vocabulary_free(lode_vocabulary **vocabulary) {
    if (vocabulary == NULL || *vocabulary == NULL) return;
    for (size_t i = 0; i < LODE_FIELDS; i++) {
        lode__dictionary_release(&(*vocabulary)->fields[i].tokens);
    }
    lode__arena_release(&(*vocabulary)->arena);
    lode__free(*vocabulary);
    *vocabulary = NULL;
}

const char *lode__item_token(const lode_vocabulary *vocabulary, uint32_t row) {
    return lode__dictionary_token(&vocabulary->fields[vocabulary->item_id].tokens, row - 1);
}

uint32_t lode__item_row(const lode_vocabulary *vocabulary, const char *token) {
    return lode__field_row(&vocabulary->fields[vocabulary->item_id], token);
}

const char *lode__item_title(const lode_vocabulary *vocabulary, uint32_t row) {
    if (vocabulary->title_starts == NULL || row == 0) return NULL;
    const char *title = vocabulary->title_bytes + vocabulary->title_starts[row - 1];
    return *title != 0 ? title : NULL;
}

// --- a data set through a vocabulary ----------------------------------------------------------------

static lode_status bind_items(lode_binding *binding, lode_error *error) {
    const lode_vocabulary *vocabulary = binding->vocabulary;
    const lode_tokens *items = &binding->data->items;
    binding->item_row = lode__arena_alloc(&binding->arena, items->count, sizeof(uint32_t));
    binding->item_of =
        lode__arena_alloc(&binding->arena, (size_t)vocabulary->items + 1, sizeof(uint32_t));
    if (binding->item_row == NULL || binding->item_of == NULL) return lode__fail_memory(error);
    for (uint32_t row = 0; row <= vocabulary->items; row++)
        binding->item_of[row] = LODE_CODE_NONE;
    for (uint32_t item = 0; item < items->count; item++) {
        const uint32_t row = lode__item_row(vocabulary, lode__token(items, item));
        binding->item_row[item] = row;
        if (row != 0) binding->item_of[row] = item;
    }
    return LODE_OK;
}

static lode_status bind_user_ids(lode_binding *binding, const lode_field *field, lode_codes *codes,
                                 lode_error *error) {
    const lode_tokens *users = &binding->data->users;
    codes->starts = lode__arena_alloc(&binding->arena, (size_t)users->count + 1, sizeof(uint64_t));
    codes->codes = lode__arena_alloc(&binding->arena, users->count, sizeof(uint32_t));
    if (codes->starts == NULL || codes->codes == NULL) return lode__fail_memory(error);
    for (uint32_t user = 0; user < users->count; user++) {
        codes->codes[user] = lode__field_row(field, lode__token(users, user));
        codes->starts[user + 1] = (uint64_t)user + 1;
    }
    return LODE_OK;
}

static lode_status bind_field(lode_binding *binding, size_t number, lode_error *error) {
    const lode_field *field = &binding->vocabulary->fields[number];
    const lode_dataset *data = binding->data;
    const bool user = field->side == LODE_SIDE_USER;
    lode_codes *codes = user ? &binding->users[number] : &binding->context[number];
    if (field->is_id) return bind_user_ids(binding, field, codes, error);
    const lode_column *column =
        user ? lode__column_find(data->user_columns, data->user_column_count, field->name)
             : lode__column_find(data->context, data->context_count, field->name);
    if (column != NULL && column->type != field->type) {
        return lode__fail(error, LODE_E_MISMATCH,
                          "%s: column %s is not of the type that the model was trained on",
                          data->file.path, field->name);
    }
    if (column == NULL) return LODE_OK; // unknown everywhere
    return lode__column_codes(&binding->arena, column, field, NULL, column->rows, codes, error);
}

lode_status lode__binding_new(lode_binding **out, const lode_vocabulary *vocabulary,
                              const lode_dataset *data, lode_error *error) {
    lode_binding *binding = lode__alloc(1, sizeof *binding);
    if (binding == NULL) return lode__fail_memory(error);
    binding->vocabulary = vocabulary;
    binding->data = data;
    lode_status status = bind_items(binding, error);
    for (size_t i = 0; i < vocabulary->count && status == LODE_OK; i++) {
        if (vocabulary->fields[i].side != LODE_SIDE_ITEM) status = bind_field(binding, i, error);
    }
    if (status != LODE_OK) {
        lode__binding_free(&binding);
    } else {
        *out = binding;
    }
    return status;
}

void lode__binding_free(lode_binding **binding) {
    if (*binding == NULL) return;
    lode__arena_release(&(*binding)->arena);
    lode__free(*binding);
    *binding = NULL;
}
