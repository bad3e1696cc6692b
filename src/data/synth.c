// A made-up shop with planted structure, as RecBole atomic files shop.item, shop.user, shop.inter.
//
// Items belong to latent interests, users like one to three of them, and popularity falls like Zipf's law.
// A user comes in sessions; a session follows one interest of the user. With probability `strength / (1 +
// strength) * 1.8`, at most 0.95, a click is drawn by popularity among the items of that interest, else by
// popularity among all items: so strength 0 is pure popularity. What a model may find: histories (the
// interests), item columns (category and tags tell the interest, with noise) and user columns (gender and
// age tilt the interests). Users are written one after another from streams of random numbers of their own,
// so memory does not grow with them, and user k is the same in a larger shop with the same items.
#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "data/import.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CLICKS 4096           ///< of one user
#define EPOCH       1700000000ll   ///< November 2023
#define SPAN        (60 * 86400ll) ///< users begin within 60 days
#define TAGS        4              ///< words an interest has of its own

typedef struct synth_options {
    int64_t users, items, interests, clicks_mean, seed;
    double strength, zipf;
} synth_options;

const lode_key lode__synth_keys[] = {
    {.name = "users",
     .type = LODE_KEY_INT,
     .offset = offsetof(synth_options, users),
     .fallback = "2000",
     .low = 1,
     .high = 1e9,
     .help = "Number of users."},
    {.name = "items",
     .type = LODE_KEY_INT,
     .offset = offsetof(synth_options, items),
     .fallback = "1000",
     .low = 2,
     .high = 1e8,
     .help = "Number of items."},
    {.name = "interests",
     .type = LODE_KEY_INT,
     .offset = offsetof(synth_options, interests),
     .fallback = "16",
     .low = 1,
     .high = 4096,
     .help = "Number of latent interests; every one gets about items / interests items."},
    {.name = "clicks_mean",
     .type = LODE_KEY_INT,
     .offset = offsetof(synth_options, clicks_mean),
     .fallback = "30",
     .low = 5,
     .high = 1000,
     .help = "Mean number of clicks of a user; at least 5 each, then exponential."},
    {.name = "strength",
     .type = LODE_KEY_REAL,
     .offset = offsetof(synth_options, strength),
     .fallback = "1.0",
     .low = 0,
     .high = 100,
     .help = "How much clicks follow interests; 0 = popularity alone."},
    {.name = "zipf",
     .type = LODE_KEY_REAL,
     .offset = offsetof(synth_options, zipf),
     .fallback = "0.8",
     .low = 0,
     .high = 3,
     .help = "Exponent of the popularity curve: weight of rank r = 1 / (r + 10)^zipf."},
    {.name = "seed",
     .type = LODE_KEY_INT,
     .offset = offsetof(synth_options, seed),
     .fallback = "1",
     .low = 0,
     .high = 9e15,
     .help = "Seed; the same seed gives the same files."},
    {.name = NULL}};

/// Streams of random numbers: one an item, one a user.
enum { STREAM_SHUFFLE, STREAM_ITEM, STREAM_USER };

/// The shop while it is made.
typedef struct shop {
    synth_options options;
    uint32_t *interest; ///< [items]
    uint32_t *by_group; ///< [items] items grouped by interest
    uint32_t *starts;   ///< [interests + 1] into by_group
    double *all_sums;   ///< [items + 1] running sum of weights over all items
    double *group_sums; ///< [items + 1] the same in the order of by_group
    double follow;      ///< probability that a click follows the session's interest
    uint32_t *seen;     ///< [items] number of the last user who clicked it, from 1
    lode_writer file;
    lode_text line;
    uint64_t clicks, sessions;
} shop;

static const char *const nouns[] = {"scarf",  "lamp",   "kettle",   "novel", "puzzle", "jacket",
                                    "guitar", "chair",  "camera",   "tent",  "watch",  "bowl",
                                    "racket", "poster", "keyboard", "boots"};
static const char *const adjectives[] = {"red",     "blue",   "small", "large", "wooden", "woollen",
                                         "plain",   "bright", "quiet", "light", "heavy",  "soft",
                                         "classic", "modern", "green", "round"};

static lode_random stream(const shop *s, uint32_t kind, uint32_t number) {
    return lode__random((uint64_t)s->options.seed, LODE_PURPOSE_SYNTH, kind, number);
}

// Index k in [begin, end) with sums[k] <= x < sums[k + 1].
static size_t draw(const double *sums, size_t begin, size_t end, double uniform) {
    const double x = sums[begin] + uniform * (sums[end] - sums[begin]);
    size_t low = begin, high = end - 1;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (sums[middle + 1] <= x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static lode_status shop_prepare(shop *s, lode_error *error) {
    const size_t items = (size_t)s->options.items, interests = (size_t)s->options.interests;
    double *const weight = lode__alloc(items, sizeof *weight);
    s->interest = lode__alloc(items, sizeof *s->interest);
    s->by_group = lode__alloc(items, sizeof *s->by_group);
    s->starts = lode__alloc(interests + 1, sizeof *s->starts);
    s->all_sums = lode__alloc(items + 1, sizeof *s->all_sums);
    s->group_sums = lode__alloc(items + 1, sizeof *s->group_sums);
    s->seen = lode__alloc(items, sizeof *s->seen);
    if (!weight || !s->interest || !s->by_group || !s->starts || !s->all_sums || !s->group_sums ||
        !s->seen) {
        lode__free(weight);
        return lode__fail_memory(error);
    }
    lode_random random = stream(s, STREAM_SHUFFLE, 0);
    for (size_t i = 0; i < items; ++i) {
        const uint64_t rank =
            lode__permute(i, items, (uint64_t)s->options.seed, LODE_PURPOSE_SYNTH, 1);
        weight[i] = pow((double)rank + 10.0, -s->options.zipf);
        s->interest[i] = (uint32_t)lode__random_below(&random, interests);
        ++s->starts[s->interest[i] + 1];
        s->all_sums[i + 1] = s->all_sums[i] + weight[i];
    }
    for (size_t k = 0; k < interests; ++k)
        s->starts[k + 1] += s->starts[k];
    for (uint32_t i = 0; i < items; ++i) // starts[k] runs to the end of group k ...
        s->by_group[s->starts[s->interest[i]]++] = i;
    for (size_t k = interests; k > 0; --k) // ... and is put back
        s->starts[k] = s->starts[k - 1];
    s->starts[0] = 0;
    for (size_t k = 0; k < items; ++k)
        s->group_sums[k + 1] = s->group_sums[k] + weight[s->by_group[k]];
    s->follow = fmin(0.95, 1.8 * s->options.strength / (1 + s->options.strength));
    lode__free(weight);
    return LODE_OK;
}

static lode_status file_begin(shop *s, const char *folder, const char *name, const char *header,
                              lode_error *error) {
    lode_arena arena = {0};
    const char *const path = lode__path_join(&arena, folder, name);
    lode_status status = path ? lode__writer_open(&s->file, path, error) : lode__fail_memory(error);
    lode__arena_release(&arena);
    if (status == LODE_OK) status = lode__writer_add(&s->file, header, strlen(header), error);
    return status;
}

// Write the line that was put together.
static lode_status line_flush(shop *s, lode_error *error) {
    if (s->line.failed) return lode__fail_memory(error);
    const lode_status status = lode__writer_add(&s->file, s->line.data, s->line.length, error);
    s->line.length = 0;
    return status;
}

static lode_status write_items(shop *s, const char *folder, lode_error *error) {
    LODE_TRY(file_begin(s, folder, "shop.item",
                        "item_id:token\titem_name:token_seq\tcategory:token\ttags:token_seq\t"
                        "price:float\n",
                        error));
    const uint32_t interests = (uint32_t)s->options.interests;
    for (uint32_t i = 0; i < s->options.items; ++i) {
        lode_random random = stream(s, STREAM_ITEM, i);
        uint32_t interest = s->interest[i];
        const char *const noun = nouns[interest % 16];
        const char *const adjective = adjectives[lode__random_below(&random, 16)];
        // one item in ten is filed under a category that is not its own
        if (lode__random_real(&random) < 0.1)
            interest = (uint32_t)lode__random_below(&random, interests);
        lode__text_printf(&s->line, "i%u\t%s %s no %u\tcategory%u\t", i + 1, adjective, noun, i + 1,
                          interest);
        for (int k = 0; k < 3; ++k) {
            const bool own = lode__random_real(&random) < 0.75;
            const uint32_t of =
                own ? s->interest[i] : (uint32_t)lode__random_below(&random, interests);
            lode__text_printf(&s->line, "%stag%u", k ? " " : "",
                              of * TAGS + (uint32_t)lode__random_below(&random, TAGS));
        }
        const double price = exp(2.5 + 0.8 * lode__random_normal(&random));
        lode__text_printf(&s->line, "\t%.2f\n", price);
        LODE_TRY(line_flush(s, error));
    }
    return lode__writer_commit(&s->file, error);
}

/// What is drawn first of every user, so that both files agree.
typedef struct person {
    bool female;
    uint32_t age_group, interests[3], count;
} person;

static person draw_person(const shop *s, lode_random *random) {
    person p = {.female = lode__random_real(random) < 0.5,
                .age_group = (uint32_t)lode__random_below(random, 5),
                .count = 1 + (uint32_t)lode__random_below(random, 3)};
    const uint32_t interests = (uint32_t)s->options.interests;
    for (uint32_t k = 0; k < p.count; ++k) {
        p.interests[k] = (uint32_t)lode__random_below(random, interests);
        // half of the interests are those of the user's kind
        if (lode__random_real(random) < 0.5)
            p.interests[k] = (p.age_group * 2 + p.female +
                              10 * (uint32_t)lode__random_below(random, (interests + 9) / 10)) %
                             interests;
    }
    return p;
}

static lode_status write_users(shop *s, const char *folder, lode_error *error) {
    LODE_TRY(file_begin(s, folder, "shop.user", "user_id:token\tgender:token\tage:token\n", error));
    for (uint32_t u = 0; u < s->options.users; ++u) {
        lode_random random = stream(s, STREAM_USER, u);
        const person p = draw_person(s, &random);
        lode__text_printf(&s->line, "u%u\t%s\t%u-%u\n", u + 1, p.female ? "F" : "M",
                          15 + 12 * p.age_group, 26 + 12 * p.age_group);
        LODE_TRY(line_flush(s, error));
    }
    return lode__writer_commit(&s->file, error);
}

// One click: an item the user has not clicked yet, if ten draws find one.
static uint32_t draw_item(shop *s, lode_random *random, uint32_t user, uint32_t interest) {
    uint32_t item = 0;
    for (int attempt = 0; attempt < 10; ++attempt) {
        const bool follow =
            lode__random_real(random) < s->follow && s->starts[interest + 1] > s->starts[interest];
        const double uniform = lode__random_real(random);
        item =
            follow
                ? s->by_group[draw(s->group_sums, s->starts[interest], s->starts[interest + 1], uniform)]
                : (uint32_t)draw(s->all_sums, 0, (size_t)s->options.items, uniform);
        if (s->seen[item] != user + 1) break;
    }
    s->seen[item] = user + 1;
    return item;
}

static double draw_exponential(lode_random *random, double mean) {
    return -mean * log(1.0 - lode__random_real(random));
}

static lode_status write_user_clicks(shop *s, uint32_t user, lode_error *error) {
    lode_random random = stream(s, STREAM_USER, user);
    const person p = draw_person(s, &random);
    const double extra = draw_exponential(&random, (double)s->options.clicks_mean - 5.0);
    const uint32_t clicks = 5 + (uint32_t)fmin(extra + 0.5, MOST_CLICKS);
    int64_t time = EPOCH + (int64_t)lode__random_below(&random, (uint64_t)SPAN);
    uint32_t left = 0, interest = 0, session = 0;
    for (uint32_t k = 0; k < clicks; ++k) {
        if (left == 0) {
            if (k > 0) time += 3600 + (int64_t)draw_exponential(&random, 1.5 * 86400);
            left = 1 + (uint32_t)fmin(draw_exponential(&random, 4.0), 50);
            interest = p.interests[lode__random_below(&random, p.count)];
            ++session;
            ++s->sessions;
        } else {
            time += 10 + (int64_t)fmin(draw_exponential(&random, 60.0), 1500);
        }
        --left;
        const uint32_t item = draw_item(s, &random, user, interest);
        lode__text_printf(&s->line, "u%u\ti%u\t%lld\ts%u_%u\n", user + 1, item + 1, (long long)time,
                          user + 1, session);
    }
    s->clicks += clicks;
    return line_flush(s, error);
}

static lode_status write_clicks(shop *s, const char *folder, const lode_hooks *hooks,
                                lode_error *error) {
    LODE_TRY(file_begin(s, folder, "shop.inter",
                        "user_id:token\titem_id:token\ttimestamp:float\tsession_id:token\n", error));
    const uint64_t users = (uint64_t)s->options.users;
    for (uint32_t u = 0; u < users; ++u) {
        LODE_TRY(write_user_clicks(s, u, error));
        if (!hooks || !hooks->progress || (u & 0x3ff)) continue;
        const lode_progress progress = {
            .task = "synth", .unit = "users", .done = u, .total = users, .loss = (double)NAN};
        if (hooks->progress(hooks->cookie, &progress))
            return lode__fail(error, LODE_E_STOPPED, "synth was stopped; the log was not written");
    }
    return lode__writer_commit(&s->file, error);
}

static void shop_release(shop *s) {
    lode__writer_abort(&s->file);
    lode__text_release(&s->line);
    lode__free(s->interest);
    lode__free(s->by_group);
    lode__free(s->starts);
    lode__free(s->all_sums);
    lode__free(s->group_sums);
    lode__free(s->seen);
}

static lode_status write_report(const shop *s, char **out, lode_error *error) {
    json_t *const report =
        json_pack("{s:I, s:I, s:I, s:I, s:[s, s, s]}", "users", (json_int_t)s->options.users, "items",
                  (json_int_t)s->options.items, "interactions", (json_int_t)s->clicks, "sessions",
                  (json_int_t)s->sessions, "files", "shop.item", "shop.user", "shop.inter");
    char *const text = report ? json_dumps(report, JSON_INDENT(2)) : NULL;
    json_decref(report);
    *out = text ? lode__strdup(text) : NULL;
    free(text);
    return *out ? LODE_OK : lode__fail_memory(error);
}

lode_status lode_synth(const char *output, const char *options, const lode_hooks *hooks,
                       char **report, lode_error *error) {
    if (!output || !*output)
        return lode__fail(error, LODE_E_USAGE, "synth needs a folder to write to");
    lode_arena arena = {0};
    lode_node *root = NULL;
    shop s = {.file = {.descriptor = -1}};
    lode_status status;
    if (!options) options = "";
    LODE_GOTO(status,
              lode__yaml_parse(&arena, options, strlen(options), "synth options", &root, error),
              done);
    LODE_GOTO(status,
              lode__config_read(&arena, root, "", lode__synth_keys, NULL, &s.options, error), done);
    LODE_GOTO(status, shop_prepare(&s, error), done);
    LODE_GOTO(status, lode__folder_make(output, error), done);
    LODE_GOTO(status, write_items(&s, output, error), done);
    LODE_GOTO(status, write_users(&s, output, error), done);
    LODE_GOTO(status, write_clicks(&s, output, hooks, error), done);
    if (report) status = write_report(&s, report, error);
done:
    shop_release(&s);
    lode__arena_release(&arena);
    return status;
}
