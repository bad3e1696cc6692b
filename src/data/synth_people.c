// Users, and what they do. Formulas in docs/synth.md.
//
// A user has one to three interests and topics. A session follows one of each, s and t. Within it the system shows
// items one after the other, item i in proportion to e(i) (1 + relevance n/n_s [interest s]), with e the exposure; the
// user clicks what is shown with a probability in proportion to the *true preference*
//
//     v(i) = noise + interest n/n_s [interest s] + topic n/n_t [topic t] + session n/n_c [i complements the last click]
//
// (n_x items are of that kind). So a click is drawn in proportion to exposure times v, which is a mixture of four
// parts, each with a table to draw from; the cross terms of relevance are met by rejection. What was shown and not
// clicked is in proportion to exposure times (1 - v / 2 max v). The truth shows everything alike.
#include "data/synth.h"

#include <math.h>
#include <string.h>

#define LEAST_CLICKS 5
#define MOST_CLICKS  4096           ///< of one user
#define MOST_SESSION 200            ///< clicks
#define EPOCH        1700000000ll   ///< November 2023
#define SPAN         (60 * 86400ll) ///< users begin within 60 days
#define TRIES        16             ///< draws until something new is found
#define TRIES_CROSS  10000

// Half (user = 1) of what a person likes goes with what the person is: of `values` kinds, kind k likes the
// interests k, k + values, k + 2 values, ...
static uint32_t draw_interest(const lode_synth_world *world, const lode_synth_person *person,
                              lode_random *random) {
    const uint32_t interests = (uint32_t)world->options.interests;
    const uint32_t any = (uint32_t)lode__random_below(random, interests);
    const double strength = world->options.user;
    const bool tilted = lode__random_real(random) < strength / (1 + strength);
    const bool by_city = lode__random_u32(random) >> 31;
    const uint32_t values = by_city ? LODE_SYNTH_CITIES : 2 * LODE_SYNTH_AGES;
    const uint32_t kind = by_city ? person->city : person->age * 2 + person->female;
    const uint32_t turn = (uint32_t)lode__random_below(random, (interests + values - 1) / values);
    return tilted ? (kind + values * turn) % interests : any;
}

lode_synth_person lode__synth_person_draw(const lode_synth_world *world, uint32_t user) {
    lode_random random = lode__synth_stream(&world->options, LODE_SYNTH_PERSON, user);
    lode_synth_person person = {
        .female = lode__random_u32(&random) >> 31,
        .age = (uint32_t)lode__random_below(&random, LODE_SYNTH_AGES),
        .city = (uint32_t)lode__random_below(&random, LODE_SYNTH_CITIES),
        .interest_count = 1 + (uint32_t)lode__random_below(&random, LODE_SYNTH_LIKES),
        .topic_count = 1 + (uint32_t)lode__random_below(&random, LODE_SYNTH_LIKES)};
    for (uint32_t k = 0; k < person.interest_count; ++k)
        person.interests[k] = draw_interest(world, &person, &random);
    for (uint32_t k = 0; k < person.topic_count; ++k)
        person.topics[k] = (uint32_t)lode__random_below(&random, (uint64_t)world->options.topics);
    return person;
}

// ---- what a user has clicked

// Start anew for a user of at most `clicks` clicks: at least half of the table stays empty.
static bool memory_clear(lode_synth_memory *memory, uint32_t clicks) {
    uint32_t size = 64;
    while (size < 2 * clicks)
        size *= 2;
    if (!memory->clicked) {
        memory->clicked = lode__alloc(4 * MOST_CLICKS, sizeof *memory->clicked);
        if (!memory->clicked) return false;
    }
    memset(memory->clicked, 0, size * sizeof *memory->clicked);
    memory->mask = size - 1;
    memory->row_count = memory->truth_count = 0;
    memory->sessions = memory->clicks = 0;
    return true;
}

// Place of an item, or the empty one where it would stand.
static uint32_t *memory_place(const lode_synth_memory *memory, uint32_t item) {
    uint32_t at = (item * 0x9E3779B9U >> 12) & memory->mask;
    while (memory->clicked[at] != 0 && memory->clicked[at] != item + 1)
        at = (at + 1) & memory->mask;
    return &memory->clicked[at];
}

static bool memory_holds(const lode_synth_memory *memory, uint32_t item) {
    return *memory_place(memory, item) != 0;
}

static bool memory_add_row(lode_synth_memory *memory, lode_synth_row row) {
    if (memory->row_count == memory->row_capacity &&
        !lode__grow((void **)&memory->rows, &memory->row_capacity, memory->row_count + 1,
                    sizeof *memory->rows))
        return false;
    memory->rows[memory->row_count++] = row;
    return true;
}

void lode__synth_memory_release(lode_synth_memory *memory) {
    lode__free(memory->clicked);
    lode__free(memory->rows);
    lode__free(memory->truth);
    *memory = (lode_synth_memory){0};
}

// ---- what is shown, what is clicked

/// The moment of a session.
typedef struct moment {
    const lode_synth_world *world;
    const lode_synth_memory *memory;
    lode_random *random;
    uint32_t interest, topic, last;
    double a, b, c, rho; ///< weights of interest, topic, complement in v; of interest in what is shown
} moment;

static double group_scale(const lode_synth_groups *groups, uint32_t group) {
    const uint32_t size = groups->starts[group + 1] - groups->starts[group];
    return (double)groups->starts[groups->count] / size;
}

static void moment_session(moment *m, const lode_synth_person *person) {
    const lode_synth_world *const world = m->world;
    m->interest = person->interests[lode__random_below(m->random, person->interest_count)];
    m->topic = person->topics[lode__random_below(m->random, person->topic_count)];
    m->last = LODE_SYNTH_NONE;
    const double scale = group_scale(&world->by_interest, m->interest);
    m->a = world->options.interest * scale;
    m->rho = world->options.relevance * scale;
    m->b = world->options.topic * group_scale(&world->by_topic, m->topic);
    m->c = 0;
}

static const uint32_t *complements_of(const moment *m, size_t *count) {
    *count = (size_t)m->world->options.complements;
    return m->world->complements + m->last * *count;
}

static void moment_clicked(moment *m, uint32_t item) {
    m->last = item;
    size_t count, there = 0;
    const uint32_t *const list = complements_of(m, &count);
    for (size_t k = 0; k < count; ++k)
        there += list[k] != LODE_SYNTH_NONE;
    m->c = there ? m->world->options.session * m->world->items / (double)there : 0;
}

static double complement_mass(const moment *m) {
    if (m->c <= 0) return 0;
    size_t count;
    const uint32_t *const list = complements_of(m, &count);
    double mass = 0;
    for (size_t k = 0; k < count; ++k)
        if (list[k] != LODE_SYNTH_NONE) mass += (double)m->world->exposure[list[k]];
    return mass / m->world->items;
}

static uint32_t draw_complement(const moment *m, double mass) {
    size_t count;
    const uint32_t *const list = complements_of(m, &count);
    double left = lode__random_real(m->random) * mass * m->world->items;
    uint32_t chosen = LODE_SYNTH_NONE;
    for (size_t k = 0; k < count && left >= 0; ++k) {
        if (list[k] == LODE_SYNTH_NONE) continue;
        chosen = list[k];
        left -= (double)m->world->exposure[chosen];
    }
    return chosen;
}

// A click, in proportion to (1 + rho [interest]) e v, that is to
// e (noise + (a + rho noise + rho a) [interest] + (b [topic] + c [complement]) (1 + rho [interest])).
static uint32_t draw_clicked(const moment *m) {
    const lode_synth_world *const world = m->world;
    const double noise = world->options.noise, share = lode__random_real(m->random);
    const double of_interest = (m->a + m->rho * noise + m->rho * m->a) *
                               world->by_interest.mass[m->interest] /
                               group_scale(&world->by_interest, m->interest);
    const double of_topic = m->b * (1 + m->rho) * world->by_topic.mass[m->topic] /
                            group_scale(&world->by_topic, m->topic);
    const double complements = complement_mass(m), of_last = m->c * (1 + m->rho) * complements;
    double part = share * (noise + of_interest + of_topic + of_last);
    for (int attempt = 0; attempt < TRIES_CROSS; ++attempt) {
        if (attempt > 0)
            part = lode__random_real(m->random) * (noise + of_interest + of_topic + of_last);
        if ((part -= of_interest) < 0)
            return lode__synth_draw(&world->by_interest, m->interest, m->random);
        uint32_t item;
        if ((part -= of_topic) < 0)
            item = lode__synth_draw(&world->by_topic, m->topic, m->random);
        else if ((part -= of_last) < 0)
            item = draw_complement(m, complements);
        else
            return lode__synth_draw(&world->all, 0, m->random);
        if (m->rho <= 0 || world->interest[item] == m->interest ||
            lode__random_real(m->random) * (1 + m->rho) < 1)
            return item;
    }
    return lode__synth_draw(&world->all, 0, m->random);
}

static uint32_t draw_shown(const moment *m) {
    const lode_synth_world *const world = m->world;
    const double of_interest = world->options.relevance * world->by_interest.mass[m->interest];
    if (of_interest > 0 && lode__random_real(m->random) * (1 + of_interest) < of_interest)
        return lode__synth_draw(&world->by_interest, m->interest, m->random);
    return lode__synth_draw(&world->all, 0, m->random);
}

// Something that was shown and not clicked, or NONE.
static uint32_t draw_passed(const moment *m, uint32_t clicked) {
    const lode_synth_world *const world = m->world;
    const double noise = world->options.noise, most = noise + m->a + m->b + m->c;
    for (int attempt = 0; attempt < TRIES; ++attempt) {
        const uint32_t item = draw_shown(m);
        double v = noise;
        if (world->interest[item] == m->interest) v += m->a;
        if (world->topic[item] == m->topic) v += m->b;
        if (m->c > 0 && lode__synth_complements(world, m->last, item)) v += m->c;
        if (lode__random_real(m->random) * 2 * most < v) continue; // it would have been clicked
        if (item != clicked && !memory_holds(m->memory, item)) return item;
    }
    return LODE_SYNTH_NONE;
}

// ---- a user

static double draw_exponential(lode_random *random, double mean) {
    return -mean * log(1.0 - lode__random_real(random));
}

static bool draw_truth(const lode_synth_world *world, const lode_synth_person *person,
                       uint32_t user, lode_synth_memory *memory) {
    const size_t wanted = (size_t)world->options.truth;
    if (!lode__grow((void **)&memory->truth, &memory->truth_capacity, wanted + 1,
                    sizeof *memory->truth))
        return false;
    lode_random random = lode__synth_stream(&world->options, LODE_SYNTH_TRUTH, user);
    const double noise = world->options.noise, interest = world->options.interest;
    const double all = noise + interest + world->options.topic;
    for (size_t attempt = 0; attempt < 4 * wanted && memory->truth_count < wanted; ++attempt) {
        const uint32_t s = person->interests[lode__random_below(&random, person->interest_count)];
        const uint32_t t = person->topics[lode__random_below(&random, person->topic_count)];
        const double part = lode__random_real(&random) * all;
        const uint32_t item =
            part < interest      ? lode__synth_draw_even(&world->by_interest, s, &random)
            : part < all - noise ? lode__synth_draw_even(&world->by_topic, t, &random)
                                 : lode__synth_draw_even(&world->all, 0, &random);
        bool known = memory_holds(memory, item);
        for (size_t k = 0; k < memory->truth_count && !known; ++k)
            known = memory->truth[k] == item;
        if (!known) memory->truth[memory->truth_count++] = item;
    }
    return true;
}

// The rows of one click: what was passed over, then the click.
static bool draw_step(moment *m, lode_synth_memory *memory, lode_synth_row row) {
    uint32_t item = draw_clicked(m);
    for (int attempt = 1; attempt < TRIES && memory_holds(memory, item); ++attempt)
        item = draw_clicked(m);
    for (int64_t k = 0; k < m->world->options.exposures; ++k) {
        row.item = draw_passed(m, item);
        if (row.item != LODE_SYNTH_NONE && !memory_add_row(memory, row)) return false;
    }
    row.item = item;
    row.clicked = true;
    *memory_place(memory, item) = item + 1;
    ++memory->clicks;
    moment_clicked(m, item);
    return memory_add_row(memory, row);
}

bool lode__synth_user_draw(const lode_synth_world *world, uint32_t user, lode_synth_memory *memory) {
    const lode_synth_person person = lode__synth_person_draw(world, user);
    lode_random random = lode__synth_stream(&world->options, LODE_SYNTH_CLICKS, user);
    const double extra = draw_exponential(&random, (double)world->options.clicks_mean - LEAST_CLICKS);
    const uint32_t clicks = LEAST_CLICKS + (uint32_t)fmin(extra + 0.5, MOST_CLICKS);
    if (!memory_clear(memory, clicks)) return false;
    moment m = {.world = world, .memory = memory, .random = &random};
    const double longer = 1 / log((double)world->options.session_mean /
                                  ((double)world->options.session_mean - 1)); // 0 when the mean is 1
    int64_t time = EPOCH + (int64_t)lode__random_below(&random, (uint64_t)SPAN);
    for (uint32_t k = 0, left = 0; k < clicks; ++k, --left) {
        if (left == 0) {
            if (k > 0) time += 3600 + (int64_t)draw_exponential(&random, 1.5 * 86400);
            left = 1 + (uint32_t)fmin(draw_exponential(&random, longer), MOST_SESSION);
            moment_session(&m, &person);
            ++memory->sessions;
        } else {
            time += 10 + (int64_t)fmin(draw_exponential(&random, 60.0), 1500);
        }
        if (!draw_step(&m, memory, (lode_synth_row){.session = memory->sessions, .time = time}))
            return false;
    }
    return draw_truth(world, &person, user, memory);
}
