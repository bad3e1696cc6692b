/// The vectors are those of the model items, then those of the cold items (model/cold.c) where the binding has
/// them; place p of both lists together is data item `item_at[p]`. Cases say which items are candidates.
///
/// Where the vectors of all places would take more than the room given, lists are made block by block: a block's
/// items are encoded and coded, all cases of a round are searched in it, and what beats the worst of a case's list so
/// far is merged into it. Rounds have as many cases as the room holds, so that items are encoded few times, whether
/// there are more of them or more users. Given candidates are encoded alone, as many at a time as a block holds.
#include "eval/model_ranker.h"

#include <math.h>
#include <string.h>

#include "search/best.h"
#include "search/searcher.h"

#define NO_PLACE UINT32_MAX

enum { SCORE_GROUPS = 16, SEARCH = 1024 /* cases */, ROUND = 65536 /* cases at most */ };

typedef struct lode_model_ranker {
    lode_encoder *encoder;
    const lode_binding *binding;
    lode_pool *pool;
    size_t places, longest;
    size_t width;      ///< of a user: interests x dim
    uint32_t *item_at; ///< [places] data item, or LODE_CODE_NONE: not in this data set
    uint32_t *place;   ///< [data items] or NO_PLACE
    bool sequence;     ///< the user tower reads histories
    // the block at hand: of consecutive places, or of the given candidates' alone
    size_t block, first,
        held;          ///< most places of a block; the first one's number, how many; held 0 = none
    float *items;      ///< [block, dim]
    uint32_t *list;    ///< [encoder batch] places to encode, and their rows
    lode_index *index; ///< over `items`, or NULL
    lode_searcher *searcher;
    uint64_t *allowed; ///< a bit a place of the block: candidates of the cases at hand
    uint64_t *given; ///< a bit a place: among the given candidates; NULL = one block holds everything
    uint32_t *before; ///< [places / 64 + 1] bits of `given` in front of each of its words
    // the cases at hand
    size_t round;  ///< most cases
    float *users;  ///< [round, interests, dim]
    float *scores; ///< [round, longest] beside the caller's lists
    lode_state *states;
    uint32_t *found; ///< [SEARCH, longest] of a later block
    float *found_scores, *floors;
    uint64_t *starts; ///< [SEARCH + 1] of excluded
    uint32_t *excluded;
    size_t excluded_capacity;
    // the scoring in progress
    const lode_scoring *scoring;
    size_t first_group, group_count;
} lode_model_ranker;

// ------------------------------------------------------------------------------------------------
// Blocks of items
// ------------------------------------------------------------------------------------------------

/// Encode the `count` places in `list`, which rise, behind those that are held.
static void encode_places(lode_model_ranker *self, size_t count) {
    const uint32_t known = self->binding->vocabulary->items;
    float *vectors = self->items + self->held * self->encoder->dim;
    size_t rows = 0;
    for (; rows < count && self->list[rows] < known; rows++)
        self->list[rows]++; // place p is row p + 1
    for (size_t i = rows; i < count; i++)
        self->list[i] -= known;
    if (rows > 0) lode__encode_rows(self->encoder, self->list, rows, vectors);
    if (rows < count)
        lode__encode_cold(self->encoder, self->binding, self->list + rows, count - rows,
                          vectors + rows * self->encoder->dim);
    self->held += count;
}

static void forget_block(lode_model_ranker *self) {
    lode__searcher_free(&self->searcher);
    lode__index_free(&self->index);
    self->held = 0;
}

/// Hold the places from `first` on.
static void take_block(lode_model_ranker *self, size_t first) {
    if (self->held > 0 && self->first == first) return;
    forget_block(self);
    self->first = first;
    const size_t end = first + LODE_MIN(self->places - first, self->block);
    for (size_t place = first; place < end;) {
        size_t count = 0;
        while (count < self->encoder->batch && place < end)
            self->list[count++] = (uint32_t)place++;
        encode_places(self, count);
    }
}

/// The index follows the vectors when lists are asked for: scoring given candidates needs none.
static lode_status index_block(lode_model_ranker *self, const lode_cases *cases, lode_error *error) {
    memset(self->allowed, 0, (self->block / 64 + 1) * sizeof *self->allowed);
    for (size_t p = 0; p < self->held; p++) {
        const uint32_t item = self->item_at[self->first + p];
        if (item != LODE_CODE_NONE && cases->candidate[item])
            self->allowed[p / 64] |= (uint64_t)1 << (p % 64);
    }
    if (self->searcher != NULL) return LODE_OK;
    lode__index_free(&self->index);
    const lode_index_options options = {.kind = LODE_INDEX_SCAN, .borrow = true};
    LODE_TRY(lode__index_build(&self->index, self->items, self->held, self->encoder->dim, &options,
                               self->pool, error));
    LODE_TRY(
        lode__searcher_new(&self->searcher, self->index, SEARCH, self->longest, self->pool, error));
    return lode__searcher_reserve(self->searcher, self->encoder->interests, error);
}

// ------------------------------------------------------------------------------------------------
// Lists
// ------------------------------------------------------------------------------------------------

/// Places of the block that the users of states[0 .. count - 1] have seen.
static lode_status collect_excluded(lode_model_ranker *self, const lode_log *log,
                                    const lode_state *states, size_t count, lode_error *error) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t first = log->offsets[states[i].user];
        if (!lode__grow((void **)&self->excluded, &self->excluded_capacity,
                        at + (states[i].end - first), sizeof *self->excluded)) {
            return lode__fail_memory(error);
        }
        for (uint64_t click = first; click < states[i].end; click++) {
            const uint32_t place = self->place[log->item[click]]; // NO_PLACE is in no block
            if (place >= self->first && place - self->first < self->held)
                self->excluded[at++] = place - (uint32_t)self->first;
        }
        self->starts[i + 1] = at;
    }
    return LODE_OK;
}

static void encode_states(lode_model_ranker *self, const lode_cases *cases, size_t count) {
    for (size_t done = 0; done < count; done += self->encoder->batch) {
        const size_t batch = LODE_MIN(count - done, self->encoder->batch);
        lode_log_source source = {.binding = self->binding,
                                  .log = &cases->split->log,
                                  .states = self->states + done,
                                  .no_context =
                                      cases->truth_items != NULL ||
                                      cases->protocol.candidates == LODE_CANDIDATES_EXPOSURES};
        const lode_user_source users = lode__log_source(&source);
        lode__encode_users(self->encoder, &users, batch, self->users + done * self->width);
    }
}

/// The k best of a list of places and one of a later block, into the first; both best first.
static void merge(const lode_model_ranker *self, size_t k, uint32_t *ids, float *scores,
                  uint32_t *more, float *more_scores) {
    size_t old = 0, new = 0;
    while (new < k && more[new] != LODE_NO_ITEM)
        new ++;
    if (new == 0) return;
    while (old < k && ids[old] != LODE_NO_ITEM)
        old++;
    size_t a = 0, b = 0;
    while (a + b < k &&
           (a < old || b < new)) // how many of each: among equals the earlier block's are better
        if (b == new || (a < old && scores[a] >= more_scores[b])) {
            a++;
        } else {
            b++;
        }
    for (size_t at = a + b; at-- > 0;) { // from the back, so that nothing is overwritten
        const bool later = b > 0 && (a == 0 || more_scores[b - 1] <= scores[a - 1]);
        ids[at] = later ? more[b - 1] + (uint32_t)self->first : ids[a - 1];
        scores[at] = later ? more_scores[b - 1] : scores[a - 1];
        b -= later;
        a -= !later;
    }
}

/// Cases done .. done + count - 1 of the round against the block.
static void search_block(lode_model_ranker *self, size_t done, size_t count, size_t k,
                         const lode_excluded *excluded, uint32_t *lists) {
    float *scores = self->scores + done * k;
    const bool first = self->first == 0;
    for (size_t i = 0; i < count && !first; i++)
        self->floors[i] = scores[i * k + k - 1];
    lists += done * k;
    lode__searcher_search(self->searcher,
                          &(lode_search){.queries = self->users + done * self->width,
                                         .interests = self->encoder->interests,
                                         .count = count,
                                         .k = k,
                                         .allowed = self->allowed,
                                         .excluded = excluded,
                                         .floors = first ? NULL : self->floors,
                                         .ids = first ? lists : self->found,
                                         .scores = first ? scores : self->found_scores});
    for (size_t i = 0; i < count && !first; i++)
        merge(self, k, lists + i * k, scores + i * k, self->found + i * k,
              self->found_scores + i * k);
}

static lode_status rank_round(lode_model_ranker *self, const lode_cases *cases, size_t count,
                              size_t k, bool exclude_seen, uint32_t *lists, lode_error *error) {
    encode_states(self, cases, count);
    for (size_t first = 0; first < LODE_MAX(self->places, (size_t)1); first += self->block) {
        take_block(self, first);
        LODE_TRY(index_block(self, cases, error));
        for (size_t done = 0; done < count; done += SEARCH) {
            const size_t batch = LODE_MIN(count - done, (size_t)SEARCH);
            if (exclude_seen)
                LODE_TRY(
                    collect_excluded(self, &cases->split->log, self->states + done, batch, error));
            const lode_excluded excluded = {exclude_seen ? self->starts : NULL, self->excluded};
            search_block(self, done, batch, k, &excluded, lists);
        }
    }
    for (size_t i = 0; i < count * k; i++) {
        if (lists[i] != LODE_NO_ITEM) lists[i] = self->item_at[lists[i]];
    }
    return LODE_OK;
}

static lode_status rank(void *context, const lode_cases *cases, size_t begin, size_t count,
                        size_t k, bool exclude_seen, uint32_t *lists, lode_error *error) {
    lode_model_ranker *self = context;
    if (cases->protocol.sequence_keeps_seen && self->sequence) exclude_seen = false;
    for (size_t done = 0; done < count; done += self->round) {
        const size_t some = LODE_MIN(count - done, self->round);
        for (size_t i = 0; i < some; i++)
            self->states[i] = cases->list[begin + done + i].state;
        LODE_TRY(rank_round(self, cases, some, k, exclude_seen, lists + done * k, error));
    }
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Scores of given candidates
// ------------------------------------------------------------------------------------------------

/// Where the vector of a place is, were all held; `given` ones stand together.
static size_t slot_of(const lode_model_ranker *self, uint32_t place) {
    if (self->given == NULL) return place;
    const uint64_t lower = ((uint64_t)1 << (place % 64)) - 1;
    return self->before[place / 64] + (size_t)__builtin_popcountll(self->given[place / 64] & lower);
}

static void score_task(void *context, size_t task, size_t thread) {
    const lode_model_ranker *self = context;
    const lode_scoring *scoring = self->scoring;
    const size_t dim = self->encoder->dim;
    const size_t end = LODE_MIN(self->group_count, (task + 1) * SCORE_GROUPS);
    const struct lode_kernels_f32 *kernels = lode__kernels_f32();
    (void)thread;
    for (size_t g = task * SCORE_GROUPS; g < end; g++) {
        const size_t group = self->first_group + g;
        for (uint64_t i = scoring->starts[group]; i < scoring->starts[group + 1]; i++) {
            const uint32_t place = self->place[scoring->items[i]];
            const size_t slot = place == NO_PLACE ? SIZE_MAX : slot_of(self, place);
            if (place == NO_PLACE) {
                scoring->scores[i] = -INFINITY;
            } else if (slot >= self->first && slot - self->first < self->held) {
                const float *item = self->items + (slot - self->first) * dim;
                float best = kernels->dot(dim, self->users + g * self->width, item);
                for (size_t k = 1; k < self->encoder->interests; k++)
                    best = LODE_MAX(
                        best, kernels->dot(dim, self->users + g * self->width + k * dim, item));
                scoring->scores[i] = best;
            }
        }
    }
}

static void score_block(lode_model_ranker *self) {
    lode__pool_run(self->pool, (self->group_count + SCORE_GROUPS - 1) / SCORE_GROUPS, score_task,
                   self);
}

/// Mark what the groups at hand hold.
static void mark_given(lode_model_ranker *self) {
    const lode_scoring *scoring = self->scoring;
    const size_t words = self->places / 64 + 1;
    memset(self->given, 0, words * sizeof *self->given);
    for (uint64_t i = scoring->starts[self->first_group];
         i < scoring->starts[self->first_group + self->group_count]; i++) {
        const uint32_t place = self->place[scoring->items[i]];
        if (place != NO_PLACE) self->given[place / 64] |= (uint64_t)1 << (place % 64);
    }
    for (size_t word = 0, count = 0; word < words; word++) {
        self->before[word] = (uint32_t)count;
        count += (size_t)__builtin_popcountll(self->given[word]);
    }
}

/// Encode the marked places a block at a time, and score each.
static void score_given(lode_model_ranker *self) {
    const size_t batch = self->encoder->batch;
    size_t count = 0;
    mark_given(self);
    forget_block(self);
    self->first = 0;
    for (size_t word = 0; word <= self->places / 64; word++) {
        for (uint64_t bits = self->given[word]; bits != 0; bits &= bits - 1) {
            self->list[count++] = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(bits);
            if (count < batch && self->held + count < self->block) continue;
            encode_places(self, count);
            count = 0;
            if (self->held < self->block) continue;
            score_block(self);
            self->first += self->held;
            self->held = 0;
        }
    }
    if (count > 0) encode_places(self, count);
    score_block(self); // also what has no place
    self->held = 0;
}

static lode_status score(void *context, const lode_cases *cases, const lode_scoring *scoring,
                         lode_error *error) {
    lode_model_ranker *self = context;
    (void)error;
    self->scoring = scoring;
    for (size_t first = 0; first < scoring->count; first += self->group_count) {
        self->first_group = first;
        self->group_count = LODE_MIN(scoring->count - first, self->round);
        for (size_t g = 0; g < self->group_count; g++)
            self->states[g] = scoring->states[first + g];
        encode_states(self, cases, self->group_count);
        if (self->given != NULL) {
            score_given(self);
        } else {
            take_block(self, 0);
            score_block(self);
        }
    }
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Making one
// ------------------------------------------------------------------------------------------------

static void free_ranker(void *context) {
    lode_model_ranker *self = context;
    if (self == NULL) return;
    forget_block(self);
    lode__free(self->item_at);
    lode__free(self->place);
    lode__free(self->items);
    lode__free(self->list);
    lode__free(self->allowed);
    lode__free(self->given);
    lode__free(self->before);
    lode__free(self->users);
    lode__free(self->scores);
    lode__free(self->states);
    lode__free(self->found);
    lode__free(self->found_scores);
    lode__free(self->floors);
    lode__free(self->starts);
    lode__free(self->excluded);
    lode__free(self);
}

static void fill_places(lode_model_ranker *self) {
    const lode_binding *binding = self->binding;
    const uint32_t known = binding->vocabulary->items;
    for (uint32_t item = 0; item < binding->data->items.count; item++)
        self->place[item] = NO_PLACE;
    for (size_t p = 0; p < self->places; p++) {
        self->item_at[p] = p < known ? binding->item_of[p + 1] : binding->cold_items[p - known];
        if (self->item_at[p] != LODE_CODE_NONE) self->place[self->item_at[p]] = (uint32_t)p;
    }
}

/// Everything in one block where `room` bytes hold it; else blocks of half of them, and rounds of as many cases as
/// take them again.
static void plan(lode_model_ranker *self, size_t room) {
    const size_t vector = self->encoder->dim * sizeof(float);
    const size_t one =
        vector * self->encoder->interests + self->longest * (sizeof(float) + sizeof(uint32_t));
    self->block = LODE_MAX(self->places, (size_t)1);
    self->round = SEARCH;
    if (self->places <= room / vector) return;
    const size_t most = room / 2 / vector;
    self->block = LODE_MAX(most - most % self->encoder->batch, self->encoder->batch);
    self->round = LODE_MIN(LODE_MAX(room / one, (size_t)SEARCH), (size_t)ROUND);
}

static bool alloc_blocks(lode_model_ranker *self) {
    const bool several = self->block < self->places;
    const size_t dim = self->encoder->dim, some = several ? SEARCH : 0, words = self->places / 64 + 1;
    self->items = lode__alloc(self->block, dim * sizeof *self->items);
    self->list = lode__alloc(self->encoder->batch, sizeof *self->list);
    self->allowed = lode__alloc(self->block / 64 + 1, sizeof *self->allowed);
    self->found = lode__alloc(some, self->longest * sizeof *self->found);
    self->found_scores = lode__alloc(some, self->longest * sizeof *self->found_scores);
    self->floors = lode__alloc(some, sizeof *self->floors);
    if (several) {
        self->given = lode__alloc(words, sizeof *self->given);
        self->before = lode__alloc(words, sizeof *self->before);
        if (self->given == NULL || self->before == NULL) return false;
    }
    return self->items != NULL && self->list != NULL && self->allowed != NULL &&
           self->found != NULL && self->found_scores != NULL && self->floors != NULL;
}

static lode_status make(lode_model_ranker *self, size_t room, lode_error *error) {
    const lode_binding *binding = self->binding;
    self->width = self->encoder->dim * self->encoder->interests;
    self->places = (size_t)binding->vocabulary->items + binding->cold_count;
    plan(self, room);
    self->item_at = lode__alloc(self->places, sizeof *self->item_at);
    self->place = lode__alloc(binding->data->items.count, sizeof *self->place);
    self->users = lode__alloc(self->round, self->width * sizeof *self->users);
    self->scores = lode__alloc(self->round, self->longest * sizeof *self->scores);
    self->states = lode__alloc(self->round, sizeof *self->states);
    self->starts = lode__alloc(SEARCH + 1, sizeof *self->starts);
    if (!alloc_blocks(self) || self->item_at == NULL || self->place == NULL || self->users == NULL ||
        self->scores == NULL || self->states == NULL || self->starts == NULL) {
        return lode__fail_memory(error);
    }
    fill_places(self);
    return LODE_OK;
}

lode_status lode__ranker_model(lode_ranker *ranker, lode_encoder *encoder,
                               const lode_binding *binding, const lode_ranking *ranking,
                               lode_pool *pool, lode_error *error) {
    lode_model_ranker *self = lode__alloc(1, sizeof *self);
    if (self == NULL) return lode__fail_memory(error);
    const lode_tower *user = &encoder->model->user;
    self->encoder = encoder;
    self->binding = binding;
    self->pool = pool;
    self->longest = ranking->longest;
    self->sequence = user->type->reads_history == NULL || user->type->reads_history(user->config);
    const lode_status status =
        make(self, ranking->room > 0 ? ranking->room : LODE_RANKING_ROOM, error);
    if (status != LODE_OK) {
        free_ranker(self);
        return status;
    }
    *ranker = (lode_ranker){.name = "model",
                            .self = self,
                            .rank = rank,
                            .score = score,
                            .free = free_ranker,
                            .batch = self->round};
    return LODE_OK;
}

void lode__model_ranker_refresh(lode_ranker *ranker) {
    forget_block(ranker->self);
}
