/// The parts of `synth`, a small world whose truth is known; docs/synth.md has it as mathematics.
///
///     synth.c         keys, what is refused, the report, lode_synth
///     synth_world.c   items: interest, topic, popularity, complements, tables to draw from
///     synth_tables.c  what of the items and users is written
///     synth_people.c  users: gender, age, city, interests, topics; sessions, exposure, clicks, truth
///     synth_log.c     the log and the truth, block by block of users, on several threads
///
/// Everything drawn of an item or user comes from streams of its own (seed, kind, number), so that files are the same
/// bytes at any number of threads, and user k is the same in a larger shop with the same items.
#ifndef LODE_DATA_SYNTH_H
#define LODE_DATA_SYNTH_H

#include "base/config.h"
#include "base/file.h"
#include "base/random.h"

#define LODE_SYNTH_NONE   UINT32_MAX ///< no item
#define LODE_SYNTH_WIDEST 1024       ///< columns of a content vector at most
#define LODE_SYNTH_LIKES  3          ///< interests, and topics, of a user at most

typedef struct lode_synth_options {
    int64_t users, items, interests, topics, complements, clicks_mean, session_mean, exposures,
        truth, seed, threads, content_dim;
    double interest, topic, session, user, bias, relevance, zipf;
    double noise, feature_noise, title_noise, noun_noise, content_noise;
    int content; ///< LODE_SYNTH_NPY or LODE_SYNTH_COLUMN
    const char *tables;
} lode_synth_options;

enum { LODE_SYNTH_NPY, LODE_SYNTH_COLUMN };

/// Kinds of streams.
enum {
    LODE_SYNTH_CATEGORY, ///< category of an item
    LODE_SYNTH_ITEM,     ///< its other features and title
    LODE_SYNTH_CONTENT,  ///< its content vector
    LODE_SYNTH_CENTRE,   ///< the centre of a topic
    LODE_SYNTH_PERSON,   ///< what a user is and likes
    LODE_SYNTH_CLICKS,   ///< what a user is shown and clicks
    LODE_SYNTH_TRUTH,    ///< what a user would click of all items
    LODE_SYNTH_NOUN      ///< the last word of an item's title
};

lode_random lode__synth_stream(const lode_synth_options *options, uint32_t kind, uint32_t number);

/// One column of an alias table (Walker 1977): itself with probability `keep`, else `other`.
typedef struct lode_synth_alias {
    float keep;
    uint32_t other;
} lode_synth_alias;

/// Items in groups (by interest, by topic, or all in one), each with a table to draw by exposure.
typedef struct lode_synth_groups {
    size_t count;
    uint32_t *starts;        ///< [count + 1] into `members`
    uint32_t *members;       ///< [items]; NULL = item k is member k
    lode_synth_alias *alias; ///< [items] in the order of `members`; `other` is a place in the group
    double *mass;            ///< [count] mean relative exposure of the group's items
} lode_synth_groups;

typedef struct lode_synth_world {
    lode_synth_options options;
    uint32_t items;
    uint16_t *interest, *topic; ///< [items] latent
    uint16_t *category;         ///< [items] visible: the interest, with noise
    float *exposure;            ///< [items] how often shown, relative: the mean is 1
    uint32_t *complements;      ///< [items, options.complements]; LODE_SYNTH_NONE where fewer
    lode_synth_groups all, by_interest, by_topic;
} lode_synth_world;

/// Make the items. Release in every case.
LODE_CHECK lode_status lode__synth_world_make(lode_synth_world *world,
                                              const lode_synth_options *options, lode_error *error);
void lode__synth_world_release(lode_synth_world *world);
/// Rank of an item's popularity, from 0.
uint32_t lode__synth_rank(const lode_synth_options *options, uint32_t item);
/// An item of a group by exposure; the group must not be empty.
uint32_t lode__synth_draw(const lode_synth_groups *groups, size_t group, lode_random *random);
/// An item of a group, all alike.
uint32_t lode__synth_draw_even(const lode_synth_groups *groups, size_t group, lode_random *random);
/// `from` complements `item`.
bool lode__synth_complements(const lode_synth_world *world, uint32_t from, uint32_t item);

// ---- people ----

#define LODE_SYNTH_AGES   5
#define LODE_SYNTH_CITIES 12

typedef struct lode_synth_person {
    bool female;
    uint32_t age, city; ///< 0 .. AGES - 1, 0 .. CITIES - 1
    uint32_t interests[LODE_SYNTH_LIKES], topics[LODE_SYNTH_LIKES];
    uint32_t interest_count, topic_count;
} lode_synth_person;

lode_synth_person lode__synth_person_draw(const lode_synth_world *world, uint32_t user);

/// One row of the log.
typedef struct lode_synth_row {
    uint32_t item, session; ///< sessions of a user count from 1
    int64_t time;           ///< seconds since 1970
    bool clicked;
} lode_synth_row;

/// What is known of a user while the clicks are drawn; reused from user to user.
typedef struct lode_synth_memory {
    uint32_t *clicked; ///< [mask + 1] open addressing, item + 1
    uint32_t mask;
    lode_synth_row *rows; ///< oldest first
    size_t row_count, row_capacity;
    uint32_t *truth; ///< [options.truth]
    size_t truth_count, truth_capacity;
    uint32_t sessions, clicks;
} lode_synth_memory;

/// All rows of a user, and the items of the truth; false without memory.
LODE_CHECK bool lode__synth_user_draw(const lode_synth_world *world, uint32_t user,
                                      lode_synth_memory *memory);
void lode__synth_memory_release(lode_synth_memory *memory);

// ---- writing ----

/// A file that is replaced when all is done, or a pipe or device that is written as it comes.
typedef struct lode_synth_sink {
    lode_writer writer;
    int stream; ///< -1: the writer
    const char *name;
} lode_synth_sink;

enum {
    LODE_SYNTH_F_ITEM,
    LODE_SYNTH_F_USER,
    LODE_SYNTH_F_CONTENT,
    LODE_SYNTH_F_IDS,
    LODE_SYNTH_F_LATENT,
    LODE_SYNTH_F_COMPLEMENTS,
    LODE_SYNTH_F_TRUTH,
    LODE_SYNTH_F_LOG,
    LODE_SYNTH_FILES
};

typedef struct lode_synth_output {
    lode_synth_sink files[LODE_SYNTH_FILES];
    bool wanted[LODE_SYNTH_FILES];
    uint64_t clicks, exposures, sessions, truth; ///< rows written
} lode_synth_output;

LODE_CHECK lode_status lode__synth_sink_add(lode_synth_sink *sink, const void *bytes, size_t length,
                                            lode_error *error);
/// All tables but log and truth.
LODE_CHECK lode_status lode__synth_tables_write(const lode_synth_world *world,
                                                lode_synth_output *output, lode_error *error);
/// Log and truth.
LODE_CHECK lode_status lode__synth_log_write(const lode_synth_world *world, lode_synth_output *output,
                                             const lode_hooks *hooks, lode_error *error);

#endif
