// The tables beside the log: what of the world is visible (shop.item, shop.user, content vectors) and what is its truth
// (shop.latent.tsv, shop.complements.tsv).
//
// Category, tags and provider tell an item's interest, each wrong with probability feature_noise. The title is two words
// of the topic (each wrong with probability title_noise), a noun of the category (noun_noise) and a number; the content
// vector is the topic's centre plus content_noise times a normal vector. Price tells nothing.
#include "data/synth.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    NOUNS = 16,
    WORDS = 48,
    TOPIC_WORDS = 3,
    TITLE_WORDS = 2,
    TAGS = 4,
    ITEM_TAGS = 3,
    PROVIDERS = 4
};

static const char *const nouns[NOUNS] = {
    "scarf",  "lamp", "kettle", "novel", "puzzle", "jacket", "guitar",   "chair",
    "camera", "tent", "watch",  "bowl",  "racket", "poster", "keyboard", "boots"};
/// Three words a topic.
static const char *const words[WORDS] = {
    "red",     "scarlet", "crimson", "blue",   "azure",   "navy",    "small",   "tiny",
    "compact", "large",   "grand",   "wide",   "wooden",  "oak",     "bamboo",  "woollen",
    "knitted", "soft",    "plain",   "simple", "bare",    "bright",  "shiny",   "golden",
    "quiet",   "silent",  "calm",    "light",  "airy",    "thin",    "heavy",   "solid",
    "sturdy",  "modern",  "sleek",   "smart",  "classic", "antique", "vintage", "green",
    "mossy",   "leafy",   "round",   "curved", "oval",    "striped", "dotted",  "checked"};

/// A file that is put together line by line.
typedef struct page {
    lode_text line;
    lode_synth_sink *sink;
} page;

static lode_status page_flush(page *p, lode_error *error) {
    if (p->line.failed) return lode__fail_memory(error);
    const lode_status status =
        lode__synth_sink_add(p->sink, p->line.data ? p->line.data : "", p->line.length, error);
    p->line.length = 0;
    return status;
}

// Word k of a list of `count`; further rounds through the list get numbers.
static void add_word(lode_text *line, const char *const *list, uint32_t count, uint32_t k) {
    lode__text_add(line, list[k % count]);
    if (k >= count) lode__text_printf(line, "%u", k / count + 1);
}

// Mostly `own`, sometimes any of `count`.
static uint32_t noisy(lode_random *random, uint32_t own, uint32_t count, double noise) {
    const bool wrong = lode__random_real(random) < noise;
    const uint32_t any = (uint32_t)lode__random_below(random, count);
    return wrong ? any : own;
}

static void put_content(lode_text *line, const float *vector, size_t dim) {
    for (size_t k = 0; k < dim; ++k)
        lode__text_printf(line, "%s%.4f", k ? " " : "\t", (double)vector[k]);
}

// It has a stream of its own, so that everything else of an item is the same at any noise.
static uint32_t noun_of(const lode_synth_world *world, uint32_t item) {
    lode_random random = lode__synth_stream(&world->options, LODE_SYNTH_NOUN, item);
    return noisy(&random, world->category[item], (uint32_t)world->options.interests,
                 world->options.noun_noise);
}

static void put_item(lode_text *line, const lode_synth_world *world, uint32_t item) {
    const lode_synth_options *const o = &world->options;
    const uint32_t interests = (uint32_t)o->interests, topics = (uint32_t)o->topics;
    const uint32_t interest = world->interest[item], topic = world->topic[item];
    lode_random random = lode__synth_stream(o, LODE_SYNTH_ITEM, item);
    lode__text_printf(line, "i%u\t", item + 1);
    for (int k = 0; k < TITLE_WORDS; ++k) {
        const uint32_t of = noisy(&random, topic, topics, o->title_noise);
        add_word(line, words, WORDS,
                 of * TOPIC_WORDS + (uint32_t)lode__random_below(&random, TOPIC_WORDS));
        lode__text_add(line, " ");
    }
    add_word(line, nouns, NOUNS, noun_of(world, item));
    lode__text_printf(line, " no %u\tcategory%u\t", item + 1, world->category[item]);
    for (int k = 0; k < ITEM_TAGS; ++k) {
        const uint32_t of = noisy(&random, interest, interests, o->feature_noise);
        lode__text_printf(line, "%stag%u", k ? " " : "",
                          of * TAGS + (uint32_t)lode__random_below(&random, TAGS));
    }
    const uint32_t of = noisy(&random, interest, interests, o->feature_noise);
    lode__text_printf(line, "\tprovider%u",
                      of * PROVIDERS + (uint32_t)lode__random_below(&random, PROVIDERS));
    lode__text_printf(line, "\t%.2f", exp(2.5 + 0.8 * lode__random_normal(&random)));
}

static void draw_content(const lode_synth_world *world, uint32_t item, float *vector) {
    const size_t dim = (size_t)world->options.content_dim;
    lode_random centre = lode__synth_stream(&world->options, LODE_SYNTH_CENTRE, world->topic[item]);
    lode_random own = lode__synth_stream(&world->options, LODE_SYNTH_CONTENT, item);
    const double scale = 1 / sqrt((double)dim), noise = world->options.content_noise;
    for (size_t k = 0; k < dim; ++k)
        vector[k] =
            (float)(scale * (lode__random_normal(&centre) + noise * lode__random_normal(&own)));
}

// NumPy's format 1.0: 128 bytes, then the rows.
static lode_status npy_header(lode_synth_sink *sink, uint32_t rows, size_t dim, lode_error *error) {
    char header[129];
    (void)snprintf(header, sizeof header,
                   "\x93NUMPY\x01...{'descr': '<f4', 'fortran_order': False, 'shape': (%u, %zu), }",
                   rows, dim);
    const size_t length = 10 + strlen(header + 10);
    memset(header + length, ' ', 127 - length);
    header[7] = 0;
    header[8] = 118;
    header[9] = 0;
    header[127] = '\n';
    return lode__synth_sink_add(sink, header, 128, error);
}

static lode_status write_items(const lode_synth_world *world, lode_synth_output *output, page *p,
                               lode_error *error) {
    const size_t dim = (size_t)world->options.content_dim;
    const bool apart = output->wanted[LODE_SYNTH_F_CONTENT], column = dim > 0 && !apart;
    float vector[LODE_SYNTH_WIDEST];
    page ids = {.sink = &output->files[LODE_SYNTH_F_IDS]};
    p->sink = &output->files[LODE_SYNTH_F_ITEM];
    lode_status status = LODE_OK;
    lode__text_printf(&p->line,
                      "item_id:token\titem_name:token_seq\tcategory:token\ttags:token_seq\t"
                      "provider:token\tprice:float%s\n",
                      column ? "\tcontent:float_seq" : "");
    if (apart) LODE_TRY(npy_header(&output->files[LODE_SYNTH_F_CONTENT], world->items, dim, error));
    for (uint32_t i = 0; i < world->items && status == LODE_OK; ++i) {
        put_item(&p->line, world, i);
        if (dim > 0) draw_content(world, i, vector);
        if (column) put_content(&p->line, vector, dim);
        lode__text_add(&p->line, "\n");
        status = page_flush(p, error);
        if (status != LODE_OK || !apart) continue;
        lode__text_printf(&ids.line, "i%u\n", i + 1);
        status = page_flush(&ids, error);
        if (status == LODE_OK)
            status = lode__synth_sink_add(&output->files[LODE_SYNTH_F_CONTENT], vector,
                                          dim * sizeof *vector, error);
    }
    lode__text_release(&ids.line);
    return status;
}

static lode_status write_users(const lode_synth_world *world, lode_synth_output *output, page *p,
                               lode_error *error) {
    p->sink = &output->files[LODE_SYNTH_F_USER];
    lode__text_add(&p->line, "user_id:token\tgender:token\tage:token\tcity:token\n");
    for (uint32_t u = 0; u < world->options.users; ++u) {
        const lode_synth_person person = lode__synth_person_draw(world, u);
        lode__text_printf(&p->line, "u%u\t%s\t%u-%u\tcity%u\n", u + 1, person.female ? "F" : "M",
                          15 + 12 * person.age, 26 + 12 * person.age, person.city + 1);
        LODE_TRY(page_flush(p, error));
    }
    return LODE_OK;
}

static lode_status write_latent(const lode_synth_world *world, lode_synth_output *output, page *p,
                                lode_error *error) {
    p->sink = &output->files[LODE_SYNTH_F_LATENT];
    lode__text_add(&p->line, "item_id\tinterest\ttopic\trank\texposure\n");
    for (uint32_t i = 0; i < world->items; ++i) {
        lode__text_printf(&p->line, "i%u\t%u\t%u\t%u\t%.6g\n", i + 1, world->interest[i],
                          world->topic[i], lode__synth_rank(&world->options, i),
                          (double)world->exposure[i]);
        LODE_TRY(page_flush(p, error));
    }
    p->sink = &output->files[LODE_SYNTH_F_COMPLEMENTS];
    lode__text_add(&p->line, "item_id\tcomplement\n");
    const size_t width = (size_t)world->options.complements;
    for (uint32_t i = 0; i < world->items; ++i) {
        for (size_t k = 0; k < width; ++k) {
            const uint32_t other = world->complements[i * width + k];
            if (other == LODE_SYNTH_NONE || other < i) continue; // each pair once
            lode__text_printf(&p->line, "i%u\ti%u\n", i + 1, other + 1);
        }
        LODE_TRY(page_flush(p, error));
    }
    return LODE_OK;
}

lode_status lode__synth_tables_write(const lode_synth_world *world, lode_synth_output *output,
                                     lode_error *error) {
    if (!output->wanted[LODE_SYNTH_F_ITEM]) return LODE_OK;
    page p = {0};
    lode_status status = write_items(world, output, &p, error);
    if (status == LODE_OK) status = write_users(world, output, &p, error);
    if (status == LODE_OK) status = write_latent(world, output, &p, error);
    lode__text_release(&p.line);
    return status;
}
