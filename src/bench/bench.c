/// lode_bench: this machine's ceilings, then every kernel as a share of its roofline.
///
/// Repeats that differ much, or other work on the machine, make numbers that mean little: the report says so in
/// `warnings` instead of hiding it. Kernels run in one thread, ceilings in one and in all.
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef LODE_BUILD_COMMIT
#define LODE_BUILD_COMMIT "unknown"
#endif
#ifndef LODE_BUILD_FLAGS
#define LODE_BUILD_FLAGS "unknown"
#endif
#if defined(__clang__)
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

#define NOISY 0.3 // spread of repeats above which a line is marked

typedef struct bench_options {
    bool quick;
    const char *only;
    int64_t threads, memory;
} bench_options;

#define AT(member) offsetof(bench_options, member)

const lode_key lode__bench_keys[] = {
    {.name = "quick",
     .type = LODE_KEY_BOOL,
     .offset = AT(quick),
     .fallback = "false",
     .help = "Shorter repeats: under 20 seconds, and noisier."},
    {.name = "only",
     .type = LODE_KEY_TEXT,
     .offset = AT(only),
     .help = "Measure the kernels whose names contain this; the ceilings always."},
    {.name = "threads",
     .type = LODE_KEY_INT,
     .offset = AT(threads),
     .fallback = "0",
     .high = 256,
     .help = "Threads for the ceilings of the whole machine; 0 = one a processor. Kernels run in "
             "one."},
    {.name = "memory",
     .type = LODE_KEY_INT,
     .offset = AT(memory),
     .fallback = "0",
     .high = 1 << 20,
     .help = "MiB of the table of random rows; streams run over an eighth of it, one a thread. 0 = "
             "4096, or 2048 when quick; less is "
             "not far above the caches."},
    {.name = NULL}};

void *lode__bench_hold(lode_benchmark *bench, size_t count, size_t size) {
    void *memory = NULL;
    if (!bench->failed && bench->holding < sizeof bench->held / sizeof *bench->held)
        memory = lode__huge_alloc(count, size);
    if (memory == NULL) {
        bench->failed = true;
        return bench->nothing;
    }
    bench->held[bench->holding].memory = memory;
    bench->held[bench->holding++].bytes = count * size;
    return memory;
}

float *lode__bench_floats(lode_benchmark *bench, size_t count, float scale) {
    float *x = lode__bench_hold(bench, count, sizeof *x);
    uint32_t state = 1;
    for (size_t i = 0; i < count && !bench->failed; i++) {
        state = state * 1664525 + 1013904223;
        x[i] = scale * ((float)(state >> 8) * 0x1p-23f - 1);
    }
    return x;
}

void lode__bench_let_go(lode_benchmark *bench) {
    while (bench->holding > 0) {
        bench->holding--;
        lode__huge_free(bench->held[bench->holding].memory, bench->held[bench->holding].bytes, 1);
    }
}

static void report_progress(lode_benchmark *bench) {
    const lode_progress progress = {
        .task = "bench", .unit = "kernels", .done = bench->done++, .loss = (double)NAN};
    if (bench->hooks && bench->hooks->progress &&
        bench->hooks->progress(bench->hooks->cookie, &progress) != 0)
        bench->stopped = true;
}

bool lode__bench_wants(lode_benchmark *bench, const char *name) {
    if (bench->only != NULL && strstr(name, bench->only) == NULL) return false;
    bench->matched += bench->listing;
    return !bench->listing && !bench->failed && !bench->stopped;
}

static bool note_spread(lode_benchmark *bench, const lode_bench_timing *timing) {
    const bool noisy = lode__bench_spread(timing) > NOISY;
    bench->measured++;
    bench->noisy += noisy;
    return noisy;
}

void lode__bench_ceiling(lode_benchmark *bench, const char *name, const char *unit, size_t threads,
                         double amount, const lode_bench_timing *timing) {
    report_progress(bench);
    json_t *const row =
        json_pack("{s:s, s:s, s:I, s:f, s:f, s:b}", "name", name, "unit", unit, "threads",
                  (json_int_t)threads, "best", amount / timing->best * 1e-9, "median",
                  amount / timing->median * 1e-9, "noisy", note_spread(bench, timing));
    bench->failed = json_array_append_new(bench->ceiling_rows, row) != 0 || bench->failed;
}

void lode__bench_case(lode_benchmark *bench, const char *name, const char *precision, double peak,
                      const lode_bench_work *work, void (*call)(void *), void *context) {
    report_progress(bench);
    if (bench->stopped) return;
    const lode_bench_timing timing = lode__bench_measure(&bench->effort, call, context);
    bool arithmetic;
    const double floor = lode__bench_floor(&bench->ceilings, peak, work, &arithmetic);
    const double bytes = work->read + work->written;
    json_t *const row = json_pack(
        "{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:s, s:f, s:b}", "name", name, "precision", precision,
        "seconds_min", timing.best, "seconds_median", timing.median, "gops_per_second",
        work->operations / timing.median * 1e-9, "gb_per_second", bytes / timing.median * 1e-9,
        "floor_seconds", floor, "bound", arithmetic ? "arithmetic" : "bytes", "roofline_share",
        floor / timing.median, "noisy", note_spread(bench, &timing));
    bench->failed = json_array_append_new(bench->kernel_rows, row) != 0 || bench->failed;
}

// The first "model name" of /proc/cpuinfo.
static void processor_name(char *name, size_t size) {
    (void)snprintf(name, size, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[256];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || value == NULL) continue;
        line[strcspn(line, "\n")] = '\0';
        (void)snprintf(name, size, "%s", value + (value[1] == ' ' ? 2 : 1));
        break;
    }
    if (file != NULL) (void)fclose(file);
}

static json_t *context_of(const lode_benchmark *bench) {
    char name[128];
    double load[1] = {0};
    processor_name(name, sizeof name);
    (void)getloadavg(load, 1);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:f}", "commit", LODE_BUILD_COMMIT,
                     "version", lode_version(), "compiler", COMPILER, "flags", LODE_BUILD_FLAGS,
                     "processor", name, "processors", (json_int_t)lode__processor_count(),
                     "threads", (json_int_t)lode__pool_threads(bench->pool), "load", load[0]);
}

static json_t *warnings_of(const lode_benchmark *bench, json_t *context) {
    char line[160];
    json_t *const warnings = json_array();
    const double load = json_real_value(json_object_get(context, "load"));
    if (load > 0.5) {
        (void)snprintf(line, sizeof line,
                       "the machine was busy before this began (load %.1f): ceilings and kernels "
                       "are understated",
                       load);
        (void)json_array_append_new(warnings, json_string(line));
    }
    if (bench->noisy * 10 > bench->measured) {
        (void)snprintf(
            line, sizeof line,
            "repeats of %zu of %zu measurements differ by over %d %%: something else ran",
            bench->noisy, bench->measured, (int)(100 * NOISY));
        (void)json_array_append_new(warnings, json_string(line));
    }
    return warnings;
}

static lode_status write_report(const lode_benchmark *bench, json_t *context, char **out,
                                lode_error *error) {
    json_t *const root = json_pack("{s:O, s:s, s:o, s:O, s:O}", "machine", context, "level",
                                   lode_cpu_level(), "warnings", warnings_of(bench, context),
                                   "ceilings", bench->ceiling_rows, "kernels", bench->kernel_rows);
    char *const text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(root);
    *out = text ? lode__strdup(text) : NULL;
    free(text);
    return *out ? LODE_OK : lode__fail_memory(error);
}

/// A name that no kernel has is told before anything is measured.
static lode_status check_only(lode_benchmark *bench, lode_error *error) {
    if (bench->only == NULL) return LODE_OK;
    bench->listing = true;
    lode__bench_cases_f32(bench);
    bench->listing = false;
    if (bench->failed) return lode__fail_memory(error);
    if (bench->matched > 0) return LODE_OK;
    return lode__fail(
        error, LODE_E_USAGE,
        "only: no kernel's name contains \"%s\"; without it all are measured and named", bench->only);
}

static lode_status measure(lode_benchmark *bench, lode_error *error) {
    LODE_TRY(check_only(bench, error));
    lode__bench_peaks(bench);
    LODE_TRY(lode__bench_bandwidth(bench, error));
    lode__bench_cases_f32(bench);
    lode__bench_cases_b16(bench);
    if (bench->stopped) return lode__fail(error, LODE_E_STOPPED, "stopped");
    return bench->failed ? lode__fail_memory(error) : LODE_OK;
}

lode_status lode_bench(const char *options, const lode_hooks *hooks, char **report,
                       lode_error *error) {
    lode_arena arena = {0};
    lode_node *root = NULL;
    bench_options o = {0};
    lode_benchmark bench = {.hooks = hooks, .ceiling_rows = json_array(), .kernel_rows = json_array()};
    json_t *context = NULL;
    lode_status status;
    if (!options) options = "";
    LODE_GOTO(status,
              lode__yaml_parse(&arena, options, strlen(options), "bench options", &root, error),
              done);
    LODE_GOTO(status, lode__config_read(&arena, root, "", lode__bench_keys, NULL, &o, error), done);
    const size_t threads = o.threads > 0 ? (size_t)o.threads : lode__processor_count();
    LODE_GOTO(status, lode__pool_new(&bench.pool, threads, error), done);
    bench.only = o.only;
    bench.far = (size_t)(o.memory > 0 ? o.memory : o.quick ? 2048 : 4096) << 20;
    bench.effort = o.quick ? (lode_bench_effort){5, 0.008} : (lode_bench_effort){9, 0.05};
    context = context_of(&bench);
    LODE_GOTO(status, measure(&bench, error), done);
    if (report) status = write_report(&bench, context, report, error);
done:
    json_decref(context);
    json_decref(bench.ceiling_rows);
    json_decref(bench.kernel_rows);
    lode__pool_free(&bench.pool);
    lode__arena_release(&arena);
    return status;
}
