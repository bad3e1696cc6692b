// The log and the truth. Users are cut into blocks of 32; a round of 32 blocks is drawn and written out by the threads,
// each block into buffers of its own, and then the buffers go to the files in order. So memory is that of a round,
// whatever the number of users, and the bytes do not depend on the number of threads. Numbers are formatted here: printf
// would cost more than all the drawing.
#include "base/clock.h"
#include "data/synth.h"

#include "base/pool.h"

#include <math.h>
#include <string.h>

enum { BLOCK_USERS = 32, ROUND_BLOCKS = 32, ROW_BYTES = 96, NUMBER_BYTES = 20 };

typedef struct buffer {
    char *bytes;
    size_t length, capacity;
} buffer;

/// One block of users as text.
typedef struct block {
    buffer log, truth;
    uint64_t clicks, rows, sessions, truths;
    bool failed;
} block;

typedef struct round_work {
    const lode_synth_world *world;
    bool wanted_truth;
    uint64_t first; ///< user of the first block
    block blocks[ROUND_BLOCKS];
    lode_synth_memory *memory; ///< [threads]
} round_work;

static char *put_number(char *at, uint64_t value) {
    char digits[NUMBER_BYTES];
    char *const end = digits + NUMBER_BYTES, *first = end;
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(at, first, (size_t)(end - first));
    return at + (end - first);
}

static char *put_bytes(char *at, const char *bytes, size_t length) {
    memcpy(at, bytes, length);
    return at + length;
}

static bool buffer_reserve(buffer *b, size_t more) {
    return b->length + more <= b->capacity ||
           lode__grow((void **)&b->bytes, &b->capacity, b->length + more, 1);
}

// user_id item_id timestamp session_id [behaviour]
static bool put_rows(block *b, const lode_synth_world *world, uint32_t user,
                     const lode_synth_memory *memory) {
    if (!buffer_reserve(&b->log, memory->row_count * ROW_BYTES)) return false;
    char head[32] = "u", tail[32] = "\ts";
    const size_t head_length = (size_t)(put_number(head + 1, user + 1ull) - head);
    char *const tail_end = put_number(tail + 2, user + 1ull);
    *tail_end = '_';
    const size_t tail_length = (size_t)(tail_end + 1 - tail);
    char *at = b->log.bytes + b->log.length;
    for (size_t k = 0; k < memory->row_count; ++k) {
        const lode_synth_row *const row = &memory->rows[k];
        at = put_bytes(at, head, head_length);
        at = put_bytes(at, "\ti", 2);
        at = put_number(at, row->item + 1ull);
        *at++ = '\t';
        at = put_number(at, (uint64_t)row->time);
        at = put_bytes(at, tail, tail_length);
        at = put_number(at, row->session);
        if (world->options.exposures > 0)
            at = row->clicked ? put_bytes(at, "\tclick", 6) : put_bytes(at, "\texposure", 9);
        *at++ = '\n';
    }
    b->log.length = (size_t)(at - b->log.bytes);
    return true;
}

static bool put_truth(block *b, uint32_t user, const lode_synth_memory *memory) {
    if (!buffer_reserve(&b->truth, memory->truth_count * ROW_BYTES)) return false;
    char *at = b->truth.bytes + b->truth.length;
    for (size_t k = 0; k < memory->truth_count; ++k) {
        *at++ = 'u';
        at = put_number(at, user + 1ull);
        at = put_bytes(at, "\ti", 2);
        at = put_number(at, memory->truth[k] + 1ull);
        *at++ = '\n';
    }
    b->truth.length = (size_t)(at - b->truth.bytes);
    return true;
}

static void draw_block(void *context, size_t task, size_t thread) {
    round_work *const work = context;
    block *const b = &work->blocks[task];
    const uint64_t begin = work->first + task * BLOCK_USERS;
    const uint64_t end = LODE_MIN(begin + BLOCK_USERS, (uint64_t)work->world->options.users);
    lode_synth_memory *const memory = &work->memory[thread];
    b->log.length = b->truth.length = 0;
    b->clicks = b->rows = b->sessions = b->truths = 0;
    b->failed = false;
    for (uint64_t user = begin; user < end && !b->failed; ++user) {
        b->failed = !lode__synth_user_draw(work->world, (uint32_t)user, memory) ||
                    !put_rows(b, work->world, (uint32_t)user, memory) ||
                    (work->wanted_truth && !put_truth(b, (uint32_t)user, memory));
        b->clicks += memory->clicks;
        b->rows += memory->row_count;
        b->sessions += memory->sessions;
        b->truths += memory->truth_count;
    }
}

static lode_status write_round(round_work *work, lode_synth_output *output, size_t count,
                               lode_error *error) {
    for (size_t k = 0; k < count; ++k) {
        const block *const b = &work->blocks[k];
        if (b->failed) return lode__fail_memory(error);
        LODE_TRY(lode__synth_sink_add(&output->files[LODE_SYNTH_F_LOG], b->log.bytes, b->log.length,
                                      error));
        if (work->wanted_truth)
            LODE_TRY(lode__synth_sink_add(&output->files[LODE_SYNTH_F_TRUTH], b->truth.bytes,
                                          b->truth.length, error));
        output->clicks += b->clicks;
        output->exposures += b->rows - b->clicks;
        output->sessions += b->sessions;
        output->truth += work->wanted_truth ? b->truths : 0;
    }
    return LODE_OK;
}

static lode_status report_progress(const lode_hooks *hooks, uint64_t done, uint64_t total,
                                   double started, lode_error *error) {
    if (!hooks || !hooks->progress) return LODE_OK;
    const double spent = lode__clock() - started;
    const lode_progress progress = {.task = "synth",
                                    .unit = "users",
                                    .done = done,
                                    .total = total,
                                    .rate = spent > 0 ? (double)done / spent : 0,
                                    .loss = (double)NAN};
    return hooks->progress(hooks->cookie, &progress)
               ? lode__fail(error, LODE_E_STOPPED, "synth was stopped; no file was changed")
               : LODE_OK;
}

static lode_status write_header(lode_synth_output *output, bool behaviour, lode_error *error) {
    static const char log[] =
        "user_id:token\titem_id:token\ttimestamp:float\tsession_id:token\tbehaviour:token\n";
    static const char truth[] = "user_id\titem_id\n";
    lode_synth_sink *const sink = &output->files[LODE_SYNTH_F_LOG];
    const size_t length = behaviour ? sizeof log - 1 : sizeof log - sizeof "\tbehaviour:token\n";
    LODE_TRY(lode__synth_sink_add(sink, log, length, error));
    if (!behaviour) LODE_TRY(lode__synth_sink_add(sink, "\n", 1, error));
    if (!output->wanted[LODE_SYNTH_F_TRUTH]) return LODE_OK;
    return lode__synth_sink_add(&output->files[LODE_SYNTH_F_TRUTH], truth, sizeof truth - 1, error);
}

lode_status lode__synth_log_write(const lode_synth_world *world, lode_synth_output *output,
                                  const lode_hooks *hooks, lode_error *error) {
    const uint64_t users = (uint64_t)world->options.users, per_round = BLOCK_USERS * ROUND_BLOCKS;
    const size_t threads = world->options.threads > 0 ? (size_t)world->options.threads
                                                      : LODE_MIN(lode__processor_count(), 16U);
    const double started = lode__clock();
    lode_pool *pool = NULL;
    round_work *const work = lode__alloc(1, sizeof *work);
    lode_synth_memory *const memory = lode__alloc(threads, sizeof *memory);
    lode_status status = LODE_OK;
    if (!work || !memory) {
        status = lode__fail_memory(error);
        goto done;
    }
    *work = (round_work){.world = world, .memory = memory};
    work->wanted_truth = output->wanted[LODE_SYNTH_F_TRUTH];
    LODE_GOTO(status, lode__pool_new(&pool, threads, error), done);
    LODE_GOTO(status, write_header(output, world->options.exposures > 0, error), done);
    for (; work->first < users; work->first += per_round) {
        LODE_GOTO(status, report_progress(hooks, work->first, users, started, error), done);
        const uint64_t left = LODE_MIN(users - work->first, per_round);
        const size_t count = (size_t)((left + BLOCK_USERS - 1) / BLOCK_USERS);
        lode__pool_run(pool, count, draw_block, work);
        LODE_GOTO(status, write_round(work, output, count, error), done);
    }
done:
    lode__pool_free(&pool);
    for (size_t k = 0; work && k < ROUND_BLOCKS; ++k) {
        lode__free(work->blocks[k].log.bytes);
        lode__free(work->blocks[k].truth.bytes);
    }
    for (size_t k = 0; memory && k < threads; ++k)
        lode__synth_memory_release(&memory[k]);
    lode__free(memory);
    lode__free(work);
    return status;
}
