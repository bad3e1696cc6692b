#include "model/view.h"

#include "base/random.h"
#include "model/click_ages.h"
#include "model/click_fields.h"

/// Inputs of all fields of a side; user views take context fields too. With `lists` single values are lists as well.
static void build_fields(lode_graph *graph, const lode_model_core *model, lode_side side,
                         bool lists, lode_tower_inputs *inputs) {
    for (size_t i = 0; i < model->vocabulary->count; i++) {
        const lode_field *field = &model->vocabulary->fields[i];
        if ((field->side == LODE_SIDE_ITEM) != (side == LODE_SIDE_ITEM)) continue;
        lode_field_input *input = &inputs->fields[inputs->field_count++];
        input->field = field;
        lode_dim *dim = inputs->rows;
        const bool list = field->multi || lists;
        if (list) {
            const size_t longest = field->multi ? field->longest : 1;
            dim = lode__graph_dim(graph, field->name, inputs->rows->capacity * longest);
            input->lists = lode__graph_lists(graph, inputs->rows, dim, longest);
        }
        input->ids = dim != NULL ? lode__graph_ids(graph, dim, 1) : NULL;
        if (input->ids == NULL || (list && input->lists == NULL)) graph->failed = true;
    }
}

static lode_item_view *item_view_new(lode_graph *graph, const lode_model_core *model,
                                     const lode_params *params, size_t capacity,
                                     const lode_augment *augment, bool raw_only) {
    lode_item_view *view = lode__graph_alloc(graph, 1, sizeof *view);
    if (view == NULL) return NULL;
    view->model = model;
    view->graph = graph;
    view->augmented = augment != NULL;
    if (augment != NULL) view->augment = *augment;
    view->inputs.rows = lode__graph_dim(graph, "items", capacity);
    if (view->inputs.rows == NULL) return NULL;
    const size_t rows = (size_t)model->vocabulary->items + 1;
    view->rows = lode__graph_alloc(graph, capacity, sizeof *view->rows);
    view->slot = lode__graph_alloc(graph, rows, sizeof *view->slot);
    build_fields(graph, model, LODE_SIDE_ITEM, view->augmented, &view->inputs);
    view->inputs.raw_only = raw_only;
    if (view->augment.element > 0) {
        view->inputs.mask = view->augment.element;
        view->inputs.purpose = view->augment.purpose;
        view->inputs.entities = lode__graph_ids(graph, view->inputs.rows, 1);
    }
    if (graph->failed) return NULL;
    lode__tower_apply(model, LODE_SIDE_ITEM, graph, params, &view->inputs, &view->outputs);
    lode__item_view_begin(view);
    return graph->failed ? NULL : view;
}

lode_item_view *lode__item_view_new(lode_graph *graph, const lode_model_core *model,
                                    const lode_params *params, size_t capacity) {
    return item_view_new(graph, model, params, capacity, NULL, false);
}

lode_item_view *lode__item_view_augmented(lode_graph *graph, const lode_model_core *model,
                                          const lode_params *params, size_t capacity,
                                          const lode_augment *augment, bool raw_only) {
    return item_view_new(graph, model, params, capacity, augment, raw_only);
}

lode_item_view *lode__item_view_slots(lode_graph *graph, const lode_model_core *model,
                                      size_t capacity) {
    lode_item_view *view = lode__graph_alloc(graph, 1, sizeof *view);
    if (view == NULL) return NULL;
    view->model = model;
    view->graph = graph;
    view->inputs.rows = lode__graph_dim(graph, "items", capacity);
    view->rows = lode__graph_alloc(graph, capacity, sizeof *view->rows);
    view->slot = lode__graph_alloc(graph, (size_t)model->vocabulary->items + 1, sizeof *view->slot);
    return graph->failed ? NULL : view;
}

void lode__item_view_begin(lode_item_view *view) {
    view->count = 0;
}

/// What stands in `slot` for a row without one is left over, and `rows` says something else there.
static bool has_slot(const lode_item_view *view, uint32_t row) {
    return view->slot[row] < view->count && view->rows[view->slot[row]] == row;
}

int32_t lode__item_view_slot(lode_item_view *view, uint32_t row) {
    if (!has_slot(view, row)) {
        assert(view->count < view->inputs.rows->capacity);
        view->slot[row] = (uint32_t)view->count;
        view->rows[view->count++] = row;
    }
    return (int32_t)view->slot[row];
}

int32_t lode__item_view_find(const lode_item_view *view, uint32_t row) {
    return has_slot(view, row) ? (int32_t)view->slot[row] : -1;
}

static void fill_item_field(const lode_item_view *view, const lode_field_input *input) {
    const lode_codes *codes = &input->field->items;
    size_t at = 0;
    for (size_t slot = 0; slot < view->count; slot++) {
        const uint32_t row = view->rows[slot];
        for (uint64_t c = codes->starts[row]; c < codes->starts[row + 1]; c++) {
            input->ids->data[at++] = (int32_t)codes->codes[c];
        }
        if (input->lists != NULL) input->lists->offsets[slot + 1] = (int32_t)at;
    }
    input->ids->dim->size = at;
}

static bool chance(lode_random *random, double rate) {
    return lode__random_real(random) < rate;
}

/// Which fields of a row stay, as bits: those with a value, unless they are drawn; one of them at least.
static uint32_t kept_fields(const lode_item_view *view, uint32_t row, lode_random *random) {
    uint32_t with_value = 0, kept = 0, count = 0;
    for (size_t i = 0; i < view->inputs.field_count; i++) {
        const lode_codes *codes = &view->inputs.fields[i].field->items;
        if (codes->starts[row] == codes->starts[row + 1]) continue;
        with_value |= 1u << i;
        count++;
        if (!chance(random, view->augment.field)) kept |= 1u << i;
    }
    if (kept != 0 || count == 0) return kept;
    for (uint32_t left = (uint32_t)lode__random_below(random, count); left > 0; left--)
        with_value &= with_value - 1;
    return with_value & (~with_value + 1);
}

/// Values of one field that stay, to the end of its ids.
static void keep_values(const lode_item_view *view, lode_field_input *input, uint32_t row,
                        lode_random *random) {
    const lode_codes *codes = &input->field->items;
    const uint64_t begin = codes->starts[row], end = codes->starts[row + 1];
    const double rate = input->field->multi ? view->augment.categorical : 0.0;
    size_t *at = &input->ids->dim->size;
    const size_t before = *at;
    for (uint64_t c = begin; c < end; c++) {
        if (rate > 0 && chance(random, rate)) continue;
        input->ids->data[(*at)++] = (int32_t)codes->codes[c];
    }
    if (*at == before && end > begin) {
        const uint64_t chosen = begin + lode__random_below(random, end - begin);
        input->ids->data[(*at)++] = (int32_t)codes->codes[chosen];
    }
}

static void fill_augmented(lode_item_view *view) {
    lode_tower_inputs *inputs = &view->inputs;
    const lode_graph *graph = view->graph;
    for (size_t i = 0; i < inputs->field_count; i++)
        inputs->fields[i].ids->dim->size = 0;
    for (size_t slot = 0; slot < view->count; slot++) {
        const uint32_t row = view->rows[slot];
        lode_random random = lode__random(graph->seed ^ (uint64_t)row << 32, view->augment.purpose,
                                          graph->epoch, graph->step);
        const uint32_t kept = kept_fields(view, row, &random);
        for (size_t i = 0; i < inputs->field_count; i++) {
            lode_field_input *input = &inputs->fields[i];
            if (kept >> i & 1) keep_values(view, input, row, &random);
            input->lists->offsets[slot + 1] = (int32_t)input->ids->dim->size;
        }
        if (inputs->entities != NULL) inputs->entities->data[slot] = (int32_t)row;
    }
}

void lode__item_view_fill(lode_item_view *view) {
    view->inputs.rows->size = view->count;
    if (view->augmented) {
        fill_augmented(view);
        return;
    }
    for (size_t i = 0; i < view->inputs.field_count; i++) {
        fill_item_field(view, &view->inputs.fields[i]);
    }
}

void lode__item_view_fill_codes(lode_item_view *view, const lode_codes *codes, const uint32_t *list,
                                size_t count) {
    assert(count <= view->inputs.rows->capacity);
    lode__item_view_begin(view);
    view->inputs.rows->size = count;
    for (size_t i = 0; i < view->inputs.field_count; i++) {
        lode_field_input *input = &view->inputs.fields[i];
        const lode_codes *own = &codes[input->field - view->model->vocabulary->fields];
        size_t at = 0;
        for (size_t e = 0; e < count; e++) {
            for (uint64_t c = own->starts[list[e]]; c < own->starts[list[e] + 1]; c++) {
                input->ids->data[at++] = (int32_t)own->codes[c];
            }
            if (input->lists != NULL) input->lists->offsets[e + 1] = (int32_t)at;
        }
        input->ids->dim->size = at;
    }
}

/// Inputs of the item fields of clicks that the tower wants: positions, or lists a click or a user.
static void build_clicked(lode_graph *graph, const lode_model_core *model, lode_tower_inputs *inputs) {
    const lode_tower_type *type = model->user.type;
    if (type->click_fields == NULL) return;
    const lode_click_fields *wanted = type->click_fields(model->user.state);
    lode_dim *positions = inputs->history->positions;
    for (size_t i = 0; i < wanted->count; i++) {
        const lode_field *field = wanted->fields[i];
        lode_field_input *input = &inputs->clicked[inputs->clicked_count++];
        input->field = field;
        lode_dim *dim = positions;
        if (field->multi) {
            dim = lode__graph_dim(graph, field->name, positions->capacity * field->longest);
            input->lists =
                wanted->pooled
                    ? lode__graph_lists(graph, inputs->rows, dim, model->history * field->longest)
                    : lode__graph_lists(graph, positions, dim, field->longest);
        }
        input->ids = dim != NULL ? lode__graph_ids(graph, dim, 1) : NULL;
        if (input->ids == NULL || (field->multi && input->lists == NULL)) graph->failed = true;
    }
}

/// A list of 0 or 1 ids for every position.
static lode_lists *build_choice(lode_graph *graph, const char *name, lode_dim *positions,
                                lode_ids **ids) {
    lode_dim *dim = lode__graph_dim(graph, name, positions->capacity);
    *ids = dim != NULL ? lode__graph_ids(graph, dim, 1) : NULL;
    lode_lists *lists = dim != NULL ? lode__graph_lists(graph, positions, dim, 1) : NULL;
    if (*ids == NULL || lists == NULL) graph->failed = true;
    return lists;
}

/// Inputs of what else the tower wants of clicks.
static void build_wanted(lode_graph *graph, lode_user_view *view) {
    lode_tower_inputs *inputs = &view->inputs;
    lode_dim *positions = inputs->history->positions;
    view->wants = lode__model_click_wants(view->model);
    if (view->wants.from_oldest) inputs->from_oldest = lode__graph_ids(graph, positions, 1);
    if (!view->wants.ages) return;
    view->ages = lode__graph_alloc(graph, inputs->history->limit, sizeof *view->ages);
    inputs->aged = build_choice(graph, "ages", positions, &inputs->ages);
}

/// @param most  masks that are asked for; 0 = `vector` is
static void build_masked(lode_graph *graph, lode_tower_inputs *inputs, size_t most) {
    lode_masked_inputs *masked = &inputs->masked;
    lode_dim *positions = inputs->history->positions;
    masked->seen_lists = build_choice(graph, "seen", positions, &masked->seen);
    masked->mask_lists = build_choice(graph, "masks", positions, &masked->masks);
    if (most == 0) return;
    lode_dim *dim = lode__graph_dim(graph, "masked", most);
    masked->asked = dim != NULL ? lode__graph_ids(graph, dim, 1) : NULL;
    if (masked->asked == NULL) graph->failed = true;
}

static lode_user_view *user_view_new(lode_graph *graph, const lode_model_core *model,
                                     const lode_params *params, size_t capacity, size_t most) {
    lode_user_view *view = lode__graph_alloc(graph, 1, sizeof *view);
    if (view == NULL) return NULL;
    view->model = model;
    view->oldest_first = model->user.type->oldest_first;
    lode_tower_inputs *inputs = &view->inputs;
    inputs->rows = lode__graph_dim(graph, "users", capacity);
    lode_dim *positions = lode__graph_dim(graph, "positions", capacity * model->history);
    if (inputs->rows == NULL || positions == NULL) return NULL;
    inputs->history = lode__graph_lists(graph, inputs->rows, positions, model->history);
    inputs->clicks = lode__graph_ids(graph, positions, 1);
    inputs->places = lode__graph_ids(graph, positions, 1);
    if (inputs->history == NULL) return NULL;
    build_fields(graph, model, LODE_SIDE_USER, false, inputs);
    build_clicked(graph, model, inputs);
    build_wanted(graph, view);
    view->masks = model->user.type->masks;
    if (view->masks) build_masked(graph, inputs, most);
    if (graph->failed) return NULL;
    lode__tower_apply(model, LODE_SIDE_USER, graph, params, inputs, &view->outputs);
    return graph->failed ? NULL : view;
}

lode_user_view *lode__user_view_new(lode_graph *graph, const lode_model_core *model,
                                    const lode_params *params, size_t capacity) {
    return user_view_new(graph, model, params, capacity, 0);
}

lode_user_view *lode__user_view_cloze(lode_graph *graph, const lode_model_core *model,
                                      const lode_params *params, size_t capacity, size_t most) {
    assert(most > 0 && model->user.type->masks);
    return user_view_new(graph, model, params, capacity, most);
}

static void fill_user_field(const lode_user_view *view, lode_field_input *input,
                            const lode_user_source *source, size_t count) {
    const size_t number = (size_t)(input->field - view->model->vocabulary->fields);
    size_t at = 0;
    for (size_t user = 0; user < count; user++) {
        uint32_t *out = (uint32_t *)input->ids->data + at;
        at += source->values(source->self, user, number, input->field->longest, out);
        if (input->lists != NULL) input->lists->offsets[user + 1] = (int32_t)at;
    }
    input->ids->dim->size = at;
}

/// Codes of the clicked items, in the order of the clicks.
static void fill_clicked(const lode_tower_inputs *inputs, const lode_field_input *input) {
    const lode_codes *codes = &input->field->items;
    const lode_lists *lists = input->lists;
    const bool by_click = lists != NULL && lists->rows == inputs->history->positions;
    size_t at = 0, click = 0;
    for (size_t user = 0; user < inputs->rows->size; user++) {
        for (; click < (size_t)inputs->history->offsets[user + 1]; click++) {
            const int32_t row = inputs->clicks->data[click];
            for (uint64_t c = codes->starts[row]; c < codes->starts[row + 1]; c++)
                input->ids->data[at++] = (int32_t)codes->codes[c];
            if (by_click) lists->offsets[click + 1] = (int32_t)at;
        }
        if (lists != NULL && !by_click) lists->offsets[user + 1] = (int32_t)at;
    }
    input->ids->dim->size = at;
}

static void fill_from_oldest(const lode_tower_inputs *inputs) {
    const int32_t *offsets = inputs->history->offsets, *places = inputs->places->data;
    for (size_t user = 0; user < inputs->rows->size; user++) {
        for (int32_t at = offsets[user]; at < offsets[user + 1]; at++)
            inputs->from_oldest->data[at] = offsets[user + 1] - offsets[user] - 1 - places[at];
    }
}

/// Buckets of ages, at the place of the click that the source means.
static void fill_ages(const lode_user_view *view, const lode_user_source *source) {
    const lode_tower_inputs *inputs = &view->inputs;
    const int32_t *offsets = inputs->history->offsets;
    size_t count = 0;
    for (size_t user = 0; user < inputs->rows->size; user++) {
        const size_t length = (size_t)(offsets[user + 1] - offsets[user]);
        const size_t given =
            source->ages != NULL && length > 0
                ? source->ages(source->self, user, inputs->history->limit, view->ages)
                : 0;
        assert(source->ages == NULL || given == length);
        for (size_t i = 0; i < length; i++) {
            const size_t at = (size_t)offsets[user] + i;
            const size_t place = (size_t)inputs->places->data[at];
            if (place < given && view->ages[place] >= 0) {
                inputs->ages->data[count++] =
                    (int32_t)lode__age_bucket(view->wants.age_edges, view->ages[place]);
            }
            inputs->aged->offsets[at + 1] = (int32_t)count;
        }
    }
    inputs->ages->dim->size = count;
}

static void reverse(uint32_t *values, size_t count) {
    for (size_t i = 0; i < count / 2; i++) {
        const uint32_t value = values[i];
        values[i] = values[count - 1 - i];
        values[count - 1 - i] = value;
    }
}

/// History of a user, newest first: in a plain view of a tower that masks, a mask and what is left of the limit.
static size_t take_history(const lode_user_view *view, const lode_user_source *source, size_t user,
                           uint32_t *clicks) {
    const size_t limit = view->inputs.history->limit;
    if (!view->masks || view->inputs.masked.asked != NULL)
        return source->history(source->self, user, limit, clicks);
    clicks[0] = 0;
    return 1 + source->history(source->self, user, limit - 1, clicks + 1);
}

/// Apart what is seen and what is masked.
static void fill_masked(lode_tower_inputs *inputs) {
    lode_masked_inputs *masked = &inputs->masked;
    const size_t count = inputs->history->positions->size;
    size_t seen = 0, masks = 0;
    for (size_t at = 0; at < count; at++) {
        const int32_t row = inputs->clicks->data[at];
        if (row != 0) {
            masked->seen->data[seen++] = row;
        } else {
            if (masked->asked != NULL) {
                assert(masks < masked->asked->dim->capacity);
                masked->asked->data[masks] = (int32_t)at;
            }
            masked->masks->data[masks++] = 0;
        }
        masked->seen_lists->offsets[at + 1] = (int32_t)seen;
        masked->mask_lists->offsets[at + 1] = (int32_t)masks;
    }
    masked->seen->dim->size = seen;
    masked->masks->dim->size = masks;
    if (masked->asked != NULL) masked->asked->dim->size = masks;
}

void lode__user_view_fill(lode_user_view *view, const lode_user_source *source, size_t count) {
    lode_tower_inputs *inputs = &view->inputs;
    assert(count <= inputs->rows->capacity);
    inputs->rows->size = count;
    size_t at = 0;
    for (size_t user = 0; user < count; user++) {
        uint32_t *clicks = (uint32_t *)inputs->clicks->data + at;
        const size_t length = take_history(view, source, user, clicks);
        if (view->oldest_first) reverse(clicks, length);
        for (size_t i = 0; i < length; i++) {
            const size_t place = view->oldest_first ? length - 1 - i : i;
            inputs->places->data[at + i] = (int32_t)place;
        }
        at += length;
        inputs->history->offsets[user + 1] = (int32_t)at;
    }
    inputs->history->positions->size = at;
    if (view->masks) fill_masked(inputs);
    for (size_t i = 0; i < inputs->field_count; i++) {
        fill_user_field(view, &inputs->fields[i], source, count);
    }
    for (size_t i = 0; i < inputs->clicked_count; i++)
        fill_clicked(inputs, &inputs->clicked[i]);
    if (inputs->from_oldest != NULL) fill_from_oldest(inputs);
    if (inputs->ages != NULL) fill_ages(view, source);
}

static size_t log_history(void *context, size_t index, size_t limit, uint32_t *rows) {
    const lode_log_source *self = context;
    const lode_state *state = &self->states[index];
    const uint64_t first = self->log->offsets[state->user];
    size_t count = 0;
    for (uint64_t at = state->end; at-- > first && count < limit;) {
        const uint32_t row = self->binding->item_row[self->log->item[at]];
        if (row != 0) rows[count++] = row;
    }
    return count;
}

static size_t log_values(void *context, size_t index, size_t number, size_t limit, uint32_t *rows) {
    const lode_log_source *self = context;
    const lode_state *state = &self->states[index];
    const lode_field *field = &self->binding->vocabulary->fields[number];
    const bool user = field->side == LODE_SIDE_USER;
    const lode_codes *codes = user ? &self->binding->users[number] : &self->binding->context[number];
    uint64_t entity = state->user;
    if (!user) {
        const bool logged =
            !self->no_context &&
            state->end < self->log->offsets[state->user + 1]; // else: a moment after all
        entity = !logged                  ? UINT64_MAX
                 : self->log->row != NULL ? self->log->row[state->end]
                                          : state->end;
    }
    if (codes->starts == NULL || entity == UINT64_MAX) {
        if (field->multi) return 0;
        rows[0] = 0;
        return 1;
    }
    size_t count = 0;
    for (uint64_t c = codes->starts[entity]; c < codes->starts[entity + 1] && count < limit; c++) {
        rows[count++] = codes->codes[c];
    }
    return count;
}

static size_t log_ages(void *context, size_t index, size_t limit, int64_t *ages) {
    return lode__log_ages(context, index, LODE_MOMENT_UNKNOWN, limit, ages);
}

lode_user_source lode__log_source(lode_log_source *self) {
    return (lode_user_source){self, log_history, log_values, log_ages};
}
