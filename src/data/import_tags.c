// A log of tags (user, item, tag, time) describes its items: the tags of an item, each once, in order of their first
// use, become the token_seq column `tag`. Items that neither the log nor a table names are counted and left out.
#include "data/importer.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define JOIN '\x1f'

/// A tag of an item.
typedef struct tagging {
    uint32_t item, tag;
    uint64_t order;
} tagging;

typedef struct tag_work {
    lode_importer *importer;
    lode_table table;
    size_t item, tag; ///< columns
    lode_dictionary tags;
    tagging *list;
    size_t count, capacity;
    uint64_t rows, unknown;
    lode_column_builder *builder;
} tag_work;

static lode_status add_tag(tag_work *w, lode_error *error) {
    const lode_cell *const item = &w->table.cells[w->item], *const tag = &w->table.cells[w->tag];
    if (item->length == 0)
        return lode__table_fail(&w->table, w->table.line, item->column, error,
                                "found no item, expected a token");
    ++w->rows;
    if (tag->length == 0) return LODE_OK;
    const uint32_t known = lode__dictionary_find(&w->importer->items, item->text, item->length);
    if (known == LODE_DICTIONARY_NONE) {
        ++w->unknown;
        return LODE_OK;
    }
    if (!lode__grow((void **)&w->list, &w->capacity, w->count + 1, sizeof *w->list))
        return lode__fail_memory(error);
    tagging *const out = &w->list[w->count];
    *out = (tagging){.item = known, .order = w->count};
    LODE_TRY(lode__dictionary_add(&w->tags, tag->text, tag->length, &out->tag, error));
    ++w->count;
    return LODE_OK;
}

static lode_status read_tags(tag_work *w, lode_error *error) {
    for (bool end = false;;) {
        lode_error problem = {0};
        lode_status status = lode__table_read(&w->table, &end, &problem);
        if (status == LODE_OK && end) return LODE_OK;
        if (status == LODE_OK) status = add_tag(w, &problem);
        LODE_TRY(lode__import_forgive(w->importer, &w->table, status, &problem, error));
    }
}

static int by_item(const void *a, const void *b) {
    const tagging *const x = a, *const y = b;
    if (x->item != y->item) return x->item < y->item ? -1 : 1;
    if (x->tag != y->tag) return x->tag < y->tag ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int by_order(const void *a, const void *b) {
    const tagging *const x = a, *const y = b;
    if (x->item != y->item) return x->item < y->item ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

// Each tag of an item once, in order of first use.
static void make_distinct(tag_work *w) {
    if (w->count == 0) return;
    qsort(w->list, w->count, sizeof *w->list, by_item);
    size_t kept = 1;
    for (size_t k = 1; k < w->count; ++k)
        if (w->list[k].item != w->list[kept - 1].item || w->list[k].tag != w->list[kept - 1].tag)
            w->list[kept++] = w->list[k];
    w->count = kept;
    qsort(w->list, w->count, sizeof *w->list, by_order);
}

static lode_status set_tags(tag_work *w, lode_error *error) {
    lode_text text = {0};
    lode_status status = LODE_OK;
    for (size_t k = 0; k < w->count && status == LODE_OK;) {
        const uint32_t item = w->list[k].item;
        text.length = 0;
        for (; k < w->count && w->list[k].item == item; ++k) {
            if (text.length > 0) lode__text_add_bytes(&text, (const char[]){JOIN}, 1);
            lode__text_add(&text, lode__dictionary_token(&w->tags, w->list[k].tag));
        }
        if (text.failed) {
            status = lode__fail_memory(error);
            break;
        }
        const lode_cell cell = {text.data, text.length, 1};
        uint32_t word;
        status = lode__column_encode(w->builder, &cell, &word, error);
        if (status == LODE_OK) status = lode__column_set(w->builder, item, word, error);
    }
    lode__text_release(&text);
    return status;
}

lode_status lode__import_tags(lode_importer *importer, const lode_plan_file *file, lode_error *error) {
    tag_work w = {.importer = importer};
    const lode_use use = {.keep = true, .type = LODE_COLUMN_TOKENS, .separator = JOIN};
    LODE_TRY(lode__import_open(importer, file->path, NULL, &w.table, error));
    w.item = lode__heading_id(&w.table, importer->columns, "log", LODE_ROLE_ITEM);
    w.tag = lode__heading_find(&w.table, "tag");
    lode_status status;
    LODE_GOTO(status, read_tags(&w, error), done);
    make_distinct(&w);
    LODE_GOTO(status, lode__builders_add(&importer->item_columns, "tag", use, &w.builder, error),
              done);
    if (w.builder->use.separator == 0) w.builder->use.separator = JOIN; // of the data set before
    if (w.builder->use.type != use.type || w.builder->use.separator != JOIN) {
        status = lode__fail(error, LODE_E_INPUT,
                            "%s: found a column tag in another table already, expected one of them",
                            file->path);
        goto done;
    }
    LODE_GOTO(status, set_tags(&w, error), done);
    lode__notice(importer->hooks, "%s (%s): %llu rows make the item column tag, %zu values",
                 file->name, w.table.reader->name, (unsigned long long)w.rows, w.count);
    if (w.unknown > 0)
        lode__notice(importer->hooks, "%s: %llu row(s) tag items of no log or table and are left out",
                     file->name, (unsigned long long)w.unknown);
done:
    lode__import_close(importer, &w.table);
    lode__dictionary_release(&w.tags);
    lode__free(w.list);
    return status;
}
