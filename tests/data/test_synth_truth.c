/// What synth says it plants is there, in the files, and with strength 0 it is not: the table of docs/synth.md, row by
/// row. Fixed seeds, bounds of four standard errors or wide margins.
#include "shelf.h"

#include "data/synth.h"

#include <math.h>

enum { ROW_TAGS = 3, ROW_WORDS = 2, DIM = 16 };

typedef struct item {
    uint32_t category, tags[ROW_TAGS], provider, interest, topic, rank;
    uint64_t words[ROW_WORDS]; ///< hashes of the topic words
    uint64_t noun;             ///< and of the noun
    float content[DIM];
} item;

typedef struct row {
    uint32_t user, item, session;
    bool clicked;
} row;

/// The files of a folder, parsed; numbers from 0.
typedef struct shop {
    item *items;
    size_t item_count;
    row *rows, *truth;
    size_t row_count, truth_count;
    uint32_t (*pairs)[2];
    size_t pair_count;
    bool *paired; ///< [items, items]
} shop;

static uint32_t number_at(const char **at) {
    while (**at < '0' || **at > '9')
        ++*at;
    uint32_t value = 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        value = value * 10 + (uint32_t)(**at - '0');
    return value;
}

static const char *next_line(const char *at) {
    const char *const end = strchr(at, '\n');
    assert_non_null(end);
    return end + 1;
}

static size_t line_count(const char *text) {
    size_t count = 0;
    for (; *text; text = next_line(text))
        ++count;
    return count - 1; // without the header
}

static uint64_t word_at(const char **at) {
    uint64_t hash = 1469598103934665603u;
    for (; **at != ' '; ++*at)
        hash = (hash ^ (unsigned char)**at) * 1099511628211u;
    ++*at;
    return hash;
}

static void read_items(shelf *s, shop *out) {
    size_t length;
    char *const table = shelf_get(s, "shop.item", &length), *const latent = shelf_get(
                                                                s, "shop.latent.tsv", &length);
    char *const vectors = shelf_get(s, "shop.content.npy", &length);
    out->item_count = line_count(table);
    assert_int_equal(line_count(latent), out->item_count);
    assert_int_equal(length, 128 + out->item_count * DIM * sizeof(float));
    out->items = test_calloc(out->item_count, sizeof *out->items);
    const char *at = next_line(table), *hidden = next_line(latent);
    for (size_t i = 0; i < out->item_count; ++i) {
        item *const it = &out->items[i];
        assert_int_equal(number_at(&at), i + 1);
        ++at;
        for (int k = 0; k < ROW_WORDS; ++k)
            it->words[k] = word_at(&at);
        it->noun = word_at(&at);
        at = strchr(at, '\t');
        it->category = number_at(&at);
        for (int k = 0; k < ROW_TAGS; ++k)
            it->tags[k] = number_at(&at);
        it->provider = number_at(&at);
        at = next_line(at);
        assert_int_equal(number_at(&hidden), i + 1);
        it->interest = number_at(&hidden);
        it->topic = number_at(&hidden);
        it->rank = number_at(&hidden);
        hidden = next_line(hidden);
        memcpy(it->content, vectors + 128 + i * sizeof it->content, sizeof it->content);
    }
    test_free(table);
    test_free(latent);
    test_free(vectors);
}

static row *read_rows(shelf *s, const char *name, bool log, size_t *count) {
    size_t length;
    char *const text = shelf_get(s, name, &length);
    *count = line_count(text);
    row *const rows = test_calloc(*count + 1, sizeof *rows);
    const char *at = next_line(text);
    for (size_t k = 0; k < *count; ++k) {
        rows[k].user = number_at(&at) - 1;
        rows[k].item = number_at(&at) - 1;
        if (log) {
            number_at(&at);
            assert_int_equal(number_at(&at), rows[k].user + 1);
            rows[k].session = number_at(&at);
            rows[k].clicked = at[0] == '\n' || at[1] == 'c';
        }
        at = next_line(at);
    }
    test_free(text);
    return rows;
}

static void read_pairs(shelf *s, shop *out) {
    size_t length;
    char *const text = shelf_get(s, "shop.complements.tsv", &length);
    out->pair_count = line_count(text);
    out->pairs = test_calloc(out->pair_count + 1, sizeof *out->pairs);
    out->paired = test_calloc(out->item_count * out->item_count, 1);
    const char *at = next_line(text);
    for (size_t k = 0; k < out->pair_count; ++k) {
        const uint32_t a = out->pairs[k][0] = number_at(&at) - 1;
        const uint32_t b = out->pairs[k][1] = number_at(&at) - 1;
        out->paired[a * out->item_count + b] = out->paired[b * out->item_count + a] = true;
    }
    test_free(text);
}

static shop make(shelf *s, const char *options) {
    lode_error error = {0};
    shop out = {0};
    char all[256];
    (void)snprintf(all, sizeof all, "{content_dim: %d, %s", DIM, options ? options + 1 : "}");
    shelf_clear(s);
    if (lode_synth(s->folder, all, NULL, NULL, &error) != LODE_OK) fail_msg("%s", error.message);
    read_items(s, &out);
    out.rows = read_rows(s, "shop.inter", true, &out.row_count);
    out.truth = read_rows(s, "shop.truth.tsv", false, &out.truth_count);
    read_pairs(s, &out);
    return out;
}

static void release(shop *out) {
    test_free(out->items);
    test_free(out->rows);
    test_free(out->truth);
    test_free(out->pairs);
    test_free(out->paired);
}

static void between(const char *what, double value, double low, double high) {
    printf("  %s: %g\n", what, value);
    if (!(value >= low && value <= high))
        fail_msg("%s is %g, expected %g to %g", what, value, low, high);
}

// ---- interest and topic

static double share_of_features(const shop *of, int feature) {
    size_t right = 0;
    for (size_t i = 0; i < of->item_count; ++i) {
        const item *const it = &of->items[i];
        const uint32_t told[] = {it->category, it->tags[0] / 4, it->provider / 4};
        right += told[feature] == it->interest;
    }
    return (double)right / (double)of->item_count;
}

static void features_tell_the_interest(void **state) {
    shelf *s = *state;
    shop of = make(s, "{users: 10, items: 4000, interests: 16, truth: 0}");
    for (int k = 0; k < 3; ++k) // 0.85 + 0.15 / 16
        between("features right", share_of_features(&of, k), 0.83, 0.89);
    release(&of);
    of = make(s, "{users: 10, items: 4000, interests: 16, truth: 0, feature_noise: 1}");
    for (int k = 0; k < 3; ++k) // 1 / 16
        between("features right by chance", share_of_features(&of, k), 0.047, 0.078);
    release(&of);
    of = make(s, "{users: 10, items: 400, truth: 0, feature_noise: 0}");
    for (int k = 0; k < 3; ++k)
        between("features right without noise", share_of_features(&of, k), 1, 1);
    release(&of);
}

static uint32_t interest_of(const item *it) {
    return it->interest;
}

static uint32_t topic_of(const item *it) {
    return it->topic;
}

/// How often the first clicks of consecutive sessions of a user are alike, over what the first clicks of all sessions
/// give by chance. 1: nothing to find.
static double likeness(const shop *of, uint32_t (*latent)(const item *)) {
    double counts[256] = {0}, total = 0, chance = 0, pairs = 0, same = 0;
    const row *before = NULL;
    for (size_t k = 0; k < of->row_count; ++k) {
        const row *const now = &of->rows[k];
        if (before && now->user == before->user && now->session == before->session) continue;
        const uint32_t value = latent(&of->items[now->item]);
        if (before && before->user == now->user) {
            ++pairs;
            same += latent(&of->items[before->item]) == value;
        }
        ++counts[value];
        ++total;
        before = now;
    }
    for (size_t k = 0; k < 256; ++k)
        chance += counts[k] * counts[k] / (total * total);
    return same / pairs / chance;
}

static void strengths_of_interest_and_topic(void **state) {
    shelf *s = *state;
    shop of = make(s, "{items: 3000, exposures: 0}");
    between("interest 16", likeness(&of, interest_of), 3, 16);
    between("topic 2", likeness(&of, topic_of), 1.03, 12);
    release(&of);
    of = make(s, "{items: 3000, exposures: 0, interest: 0, topic: 8}");
    between("interest 0", likeness(&of, interest_of), 0.9, 1.1);
    between("topic 8", likeness(&of, topic_of), 3, 12);
    release(&of);
    of = make(s, "{items: 3000, exposures: 0, topic: 0}");
    between("topic 0", likeness(&of, topic_of), 0.9, 1.1);
    release(&of);
    of = make(s, "{items: 3000, exposures: 0, noise: 0, topic: 0, session: 0}");
    between("interest alone", likeness(&of, interest_of), 6, 16);
    release(&of);
}

/// What two items have in common.
typedef struct common {
    double tags, provider, words, content;
    size_t count;
} common;

static void common_add(common *c, const item *a, const item *b) {
    bool tag = false, word = false;
    for (int k = 0; k < ROW_TAGS * ROW_TAGS; ++k)
        tag = tag || a->tags[k / ROW_TAGS] == b->tags[k % ROW_TAGS];
    for (int k = 0; k < ROW_WORDS * ROW_WORDS; ++k)
        word = word || a->words[k / ROW_WORDS] == b->words[k % ROW_WORDS];
    c->tags += tag;
    c->words += word;
    c->provider += a->provider == b->provider;
    for (int k = 0; k < DIM; ++k)
        c->content += (double)(a->content[k] * b->content[k]);
    ++c->count;
}

static common common_mean(common c) {
    const double n = (double)c.count;
    return (common){c.tags / n, c.provider / n, c.words / n, c.content / n, c.count};
}

static void title_and_content_tell_the_topic(void **state) {
    static const char *const options[] = {
        "{users: 10, items: 1000, truth: 0}",
        "{users: 10, items: 1000, truth: 0, title_noise: 1, content_noise: 1000}"};
    shelf *s = *state;
    for (int silent = 0; silent < 2; ++silent) {
        shop of = make(s, options[silent]);
        common same = {0}, other = {0}, interest = {0};
        for (size_t a = 0; a < of.item_count; ++a)
            for (size_t b = 0; b < a; ++b) {
                const item *const x = &of.items[a], *const y = &of.items[b];
                common_add(x->topic == y->topic ? &same : &other, x, y);
                if (x->topic != y->topic && x->interest == y->interest) common_add(&interest, x, y);
            }
        same = common_mean(same);
        other = common_mean(other);
        interest = common_mean(interest);
        between("title words, topic over others", same.words / other.words, silent ? 0.8 : 4,
                silent ? 1.2 : 100);
        if (silent)
            between("content", (same.content - other.content) / 1e6, -0.01, 0.01);
        else
            between("content", same.content - other.content, 0.5, 2);
        // the topic is independent of what features tell, and titles and content of the interest
        between("tags, topic over others", same.tags / other.tags, 0.9, 1.1);
        between("words, interest over others", interest.words / other.words, 0.85, 1.15);
        if (!silent) between("content of interests", interest.content - other.content, -0.02, 0.02);
        release(&of);
    }
}

/// Share of pairs of items of one category, or of two, whose titles have the same noun.
static double same_noun(const shop *of, bool category) {
    size_t pairs = 0, same = 0;
    for (size_t a = 0; a < of->item_count; ++a)
        for (size_t b = 0; b < a; ++b) {
            const item *const x = &of->items[a], *const y = &of->items[b];
            if ((x->category == y->category) != category) continue;
            ++pairs;
            same += x->noun == y->noun;
        }
    return (double)same / (double)pairs;
}

// Only the noun changes with its noise: files are otherwise the same, number by number.
static void nouns_tell_the_category(void **state) {
    shelf *s = *state;
    shop of = make(s, "{users: 10, items: 1000, truth: 0}");
    between("nouns of a category", same_noun(&of, true), 1, 1);
    between("nouns of two categories", same_noun(&of, false), 0, 0);
    shop silent = make(s, "{users: 10, items: 1000, truth: 0, noun_noise: 1}");
    between("silent nouns of a category", same_noun(&silent, true), 0.9 / 16, 1.1 / 16);
    between("silent nouns of two", same_noun(&silent, false), 0.9 / 16, 1.1 / 16);
    for (size_t i = 0; i < of.item_count; ++i)
        silent.items[i].noun = of.items[i].noun;
    assert_memory_equal(of.items, silent.items, of.item_count * sizeof *of.items);
    assert_int_equal(of.row_count, silent.row_count);
    assert_memory_equal(of.rows, silent.rows, of.row_count * sizeof *of.rows);
    release(&of);
    release(&silent);
}

// ---- complements

/// Share of clicks that complement the click before, in the same session or from one session to the next.
static double complementary(const shop *of, bool within) {
    size_t pairs = 0, found = 0;
    for (size_t k = 1; k < of->row_count; ++k) {
        const row *const a = &of->rows[k - 1], *const b = &of->rows[k];
        if (a->user != b->user || (a->session == b->session) != within) continue;
        ++pairs;
        found += of->paired[a->item * of->item_count + b->item];
    }
    return (double)found / (double)pairs;
}

static void complements_follow_each_other(void **state) {
    shelf *s = *state;
    shop of = make(s, "{exposures: 0, users: 3000}");
    const double chance = complementary(&of, false);
    between("complements by chance", chance, 0, 0.01);
    between("session 2", complementary(&of, true) / chance, 12, 1000);
    release(&of);
    of = make(s, "{exposures: 0, users: 3000, session: 0}");
    between("session 0", complementary(&of, true) / complementary(&of, false), 0, 1.5);
    release(&of);
}

// |a - b| within four standard errors of the two means of yes and no.
static void alike(const char *what, double a, double b, size_t na, size_t nb) {
    const double p = (a * (double)na + b * (double)nb) / (double)(na + nb);
    const double error = sqrt(p * (1 - p) * (1 / (double)na + 1 / (double)nb));
    between(what, (a - b) / error, -4, 4);
}

static void nothing_but_sessions_tells_complements(void **state) {
    shelf *s = *state;
    shop of = make(s, "{users: 10, items: 3000, truth: 0}");
    common pairs = {0}, others = {0};
    double ranks = 0;
    assert_true(of.pair_count > of.item_count * 4 / 2 * 98 / 100);
    for (size_t k = 0; k < of.pair_count; ++k) {
        const item *const a = &of.items[of.pairs[k][0]], *const b = &of.items[of.pairs[k][1]];
        assert_int_not_equal(a->category, b->category);
        common_add(&pairs, a, b);
        ranks += ((double)a->rank / (double)of.item_count - 0.5) *
                 ((double)b->rank / (double)of.item_count - 0.5) * 12;
    }
    lode_random random = lode__random(1, LODE_PURPOSE_USER, 0, 0);
    while (others.count < 60000) {
        const item *const a = &of.items[lode__random_below(&random, of.item_count)];
        const item *const b = &of.items[lode__random_below(&random, of.item_count)];
        if (a->category != b->category) common_add(&others, a, b);
    }
    pairs = common_mean(pairs);
    others = common_mean(others);
    alike("tags", pairs.tags, others.tags, pairs.count, others.count);
    alike("provider", pairs.provider, others.provider, pairs.count, others.count);
    alike("title words", pairs.words, others.words, pairs.count, others.count);
    // inner products have deviation about (1 + 0.7^2) / sqrt(16) beside those of one topic, 0.4 in all
    between("content", (pairs.content - others.content) * sqrt((double)pairs.count) / 0.5, -4, 4);
    between("popularity", ranks / sqrt((double)pairs.count), -4, 4);
    release(&of);
}

// ---- users

enum { KINDS = 2 * LODE_SYNTH_AGES };

/// How concentrated the interests of a kind of people are, over those of all people. 1: the kind tells nothing.
static double tilt(const char *options, bool by_city) {
    lode_synth_options o = {.items = 100, .interests = 16, .topics = 1, .seed = 3};
    o.user = strtod(options, NULL);
    const lode_synth_world world = {.options = o, .items = 100};
    const uint32_t kinds = by_city ? LODE_SYNTH_CITIES : KINDS;
    double counts[LODE_SYNTH_CITIES][16] = {{0}}, all[16] = {0}, total = 0, within = 0, overall = 0;
    for (uint32_t u = 0; u < 20000; ++u) {
        const lode_synth_person p = lode__synth_person_draw(&world, u);
        ++counts[by_city ? p.city : p.age * 2 + p.female][p.interests[0]];
        ++all[p.interests[0]];
        ++total;
    }
    for (uint32_t kind = 0; kind < kinds; ++kind) {
        double size = 0, squares = 0;
        for (int k = 0; k < 16; ++k) {
            size += counts[kind][k];
            squares += counts[kind][k] * counts[kind][k];
        }
        within += size / total * squares / (size * size);
    }
    for (int k = 0; k < 16; ++k)
        overall += all[k] * all[k] / (total * total);
    return within / overall;
}

static void people_tilt_interests(void **state) {
    (void)state;
    between("gender and age, user 0", tilt("0", false), 0.99, 1.03);
    between("city, user 0", tilt("0", true), 0.99, 1.03);
    between("gender and age, user 1", tilt("1", false), 1.2, 3);
    between("city, user 1", tilt("1", true), 1.2, 3);
    between("gender and age, user 100", tilt("100", false), 2, 8);
}

/// The same in clicks: categories of clicks of women of an age and of men of that age.
static double tilt_of_clicks(shelf *s, const char *options) {
    shop of = make(s, options);
    size_t length;
    char *const users = shelf_get(s, "shop.user", &length);
    const char *at = next_line(users);
    static double counts[2][5][16];
    memset(counts, 0, sizeof counts);
    size_t k = 0;
    for (uint32_t u = 0; *at; ++u, at = next_line(at)) {
        assert_int_equal(number_at(&at), u + 1);
        const bool female = at[1] == 'F';
        const uint32_t age = (number_at(&at) - 15) / 12;
        for (; k < of.row_count && of.rows[k].user == u; ++k)
            ++counts[female][age][of.items[of.rows[k].item].category];
    }
    double distance = 0; // mean total variation
    for (int age = 0; age < 5; ++age) {
        double sums[2] = {0};
        for (int c = 0; c < 32; ++c)
            sums[c / 16] += counts[c / 16][age][c % 16];
        for (int c = 0; c < 16; ++c)
            distance += fabs(counts[0][age][c] / sums[0] - counts[1][age][c] / sums[1]) / 10;
    }
    test_free(users);
    release(&of);
    return distance;
}

static void clicks_show_people(void **state) {
    shelf *s = *state;
    const double without =
        tilt_of_clicks(s, "{users: 6000, clicks_mean: 6, exposures: 0, truth: 0, user: 0}");
    const double with =
        tilt_of_clicks(s, "{users: 6000, clicks_mean: 6, exposures: 0, truth: 0, user: 3}");
    between("women and men, user 0", without, 0, 0.1);
    between("women and men, user 3", with, 2 * without, 1);
}

// ---- exposure

/// Slope of the log of clicks over the log of rank + 10, over bins of ranks that double.
static double slope(shelf *s, const char *options) {
    shop of = make(s, options);
    double *const counts = test_calloc(of.item_count, sizeof *counts);
    for (size_t k = 0; k < of.row_count; ++k)
        ++counts[of.items[of.rows[k].item].rank];
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (size_t begin = 0, size = 10; begin + size <= of.item_count; begin += size, size *= 2) {
        double clicks = 0, place = 0;
        for (size_t r = begin; r < begin + size; ++r) {
            clicks += counts[r];
            place += log((double)r + 10) / (double)size;
        }
        const double height = log(clicks / (double)size);
        n += 1;
        x += place;
        y += height;
        xx += place * place;
        xy += place * height;
    }
    test_free(counts);
    release(&of);
    return (n * xy - x * y) / (n * xx - x * x);
}

static void popularity_falls_like_zipf(void **state) {
    shelf *s = *state;
    between("zipf 1, noise alone",
            slope(s, "{items: 1300, users: 4000, clicks_mean: 8, exposures: 0, interest: 0, topic: "
                     "0, session: 0, "
                     "zipf: 1, truth: 0}"),
            -1.06, -0.94);
    between(
        "zipf 1, bias 0.5", slope(s, "{items: 1300, users: 4000, clicks_mean: 8, exposures: 0, zipf: 1, bias: 0.5, truth: 0}"),
        -0.6, -0.4);
    between(
        "zipf 1, bias 0",
        slope(
            s,
            "{items: 1300, users: 4000, clicks_mean: 8, exposures: 0, zipf: 1, bias: 0, truth: 0}"),
        -0.06, 0.06);
}

/// Mean popularity percentile, 1 = the most popular item.
static double percentile(const shop *of, const row *rows, size_t count) {
    double sum = 0;
    size_t n = 0;
    for (size_t k = 0; k < count; ++k) {
        if (rows == of->rows && !rows[k].clicked) continue;
        sum += 1 - (of->items[rows[k].item].rank + 0.5) / (double)of->item_count;
        ++n;
    }
    return sum / (double)n;
}

static void bias_lies_between_log_and_truth(void **state) {
    shelf *s = *state;
    shop of = make(s, NULL);
    const double truth = percentile(&of, of.truth, of.truth_count);
    between("truth, bias 1", truth, 0.46, 0.52); // below a half: clicked items are left out
    between("log less truth, bias 1", percentile(&of, of.rows, of.row_count) - truth, 0.15, 1);
    release(&of);
    of = make(s, "{bias: 0}");
    between("log less truth, bias 0",
            percentile(&of, of.rows, of.row_count) - percentile(&of, of.truth, of.truth_count),
            -0.01, 0.01);
    release(&of);
}

static void truth_is_new_and_preferred(void **state) {
    shelf *s = *state;
    shop of = make(s, "{users: 1000, interests: 20}");
    assert_true(of.truth_count > 1000 * 95 / 10 && of.truth_count <= 1000 * 10);
    uint8_t *const seen = test_calloc(of.item_count, 1), *const liked = test_calloc(20, 1);
    double follows = 0;
    size_t k = 0, t = 0;
    for (uint32_t u = 0; u < 1000; ++u) {
        memset(seen, 0, of.item_count);
        memset(liked, 0, 20);
        for (; k < of.row_count && of.rows[k].user == u; ++k) {
            if (!of.rows[k].clicked) continue;
            seen[of.rows[k].item] = 1;
            uint8_t *const count = &liked[of.items[of.rows[k].item].interest];
            *count = (uint8_t)LODE_MIN(*count + 1, 255);
        }
        for (; t < of.truth_count && of.truth[t].user == u; ++t) {
            assert_int_equal(seen[of.truth[t].item], 0); // not clicked, and not twice
            seen[of.truth[t].item] = 1;
            follows += liked[of.items[of.truth[t].item].interest] >= 3;
        }
    }
    assert_int_equal(t, of.truth_count);
    assert_int_equal(k, of.row_count);
    between("truth within the interests of the log", follows / (double)of.truth_count, 0.6, 1);
    test_free(seen);
    test_free(liked);
    release(&of);
}

/// How often what is passed over is of the interest of the click that follows.
static double relevant(shelf *s, const char *options) {
    shop of = make(s, options);
    size_t passed = 0, same = 0;
    for (size_t k = 1; k < of.row_count; ++k) {
        if (of.rows[k - 1].clicked || !of.rows[k].clicked) continue;
        ++passed;
        same += of.items[of.rows[k - 1].item].interest == of.items[of.rows[k].item].interest;
        assert_int_not_equal(of.rows[k - 1].item, of.rows[k].item);
    }
    release(&of);
    return (double)same / (double)passed;
}

static void relevance_of_what_is_shown(void **state) {
    shelf *s = *state;
    // by chance 1 / 16, less what would have been clicked
    between("relevance 0", relevant(s, "{users: 1000}"), 0.02, 0.07);
    between("relevance 10", relevant(s, "{users: 1000, relevance: 10}"), 0.3, 1);
}

static void passed_over_for_every_click(void **state) {
    shelf *s = *state;
    shop of = make(s, "{users: 500, exposures: 2}");
    uint8_t *const clicked = test_calloc(of.item_count, 1);
    uint32_t user = UINT32_MAX;
    size_t shown = 0;
    for (size_t k = 0; k < of.row_count; ++k) {
        if (of.rows[k].user != user) memset(clicked, 0, of.item_count);
        user = of.rows[k].user;
        shown += !of.rows[k].clicked;
        assert_true(of.rows[k].clicked || !clicked[of.rows[k].item]);
        if (of.rows[k].clicked) clicked[of.rows[k].item] = 1;
    }
    assert_true(shown > (of.row_count - shown) * 19 / 10);
    test_free(clicked);
    release(&of);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shelf_make, shelf_remove)

int main(void) {
    const struct CMUnitTest tests[] = {CASE(features_tell_the_interest),
                                       CASE(strengths_of_interest_and_topic),
                                       CASE(title_and_content_tell_the_topic),
                                       CASE(nouns_tell_the_category),
                                       CASE(complements_follow_each_other),
                                       CASE(nothing_but_sessions_tells_complements),
                                       CASE(people_tilt_interests),
                                       CASE(clicks_show_people),
                                       CASE(popularity_falls_like_zipf),
                                       CASE(bias_lies_between_log_and_truth),
                                       CASE(truth_is_new_and_preferred),
                                       CASE(relevance_of_what_is_shown),
                                       CASE(passed_over_for_every_click)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
