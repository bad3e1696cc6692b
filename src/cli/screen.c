/// Talk: a progress bar on a terminal, a plain line every few seconds in a pipe, notices, errors; and signals.
#include "cli/cli.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BAR_SECONDS  0.1
#define LINE_SECONDS 5.0
#define BAR_CELLS    24

static volatile sig_atomic_t stop_asked;

static void ask_to_stop(int signal) {
    (void)signal;
    stop_asked = 1;
}

void cli_catch_signals(void) {
    struct sigaction action = {0};
    action.sa_handler = ask_to_stop;
    action.sa_flags = SA_RESETHAND | SA_RESTART; // the second one finds the default action
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static double seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

size_t cli_width(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col;
    return 100;
}

static void add_rate(cli_text *text, double rate, const char *unit) {
    if (!(rate > 0)) return;
    const char *scale = rate >= 1e6 ? "M " : rate >= 1e3 ? "k " : " ";
    const double shown = rate >= 1e6 ? rate / 1e6 : rate >= 1e3 ? rate / 1e3 : rate;
    cli_text_add(text, "  %.*f%s%s/s", shown < 10 ? 2 : shown < 100 ? 1 : 0, shown, scale, unit);
}

static void add_duration(cli_text *text, double left) {
    const long whole = (long)ceil(left);
    if (whole >= 3600) {
        cli_text_add(text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    } else {
        cli_text_add(text, "%ld:%02ld", whole / 60, whole % 60);
    }
}

// How much is done of all epochs, in 0..1; below 0 where it is not known.
static double share_of(const lode_progress *progress) {
    if (progress->total == 0) return -1;
    const double share = fmin((double)progress->done / (double)progress->total, 1);
    if (progress->epochs == 0 || progress->epoch == 0) return share;
    return fmin(((double)(progress->epoch - 1) + share) / (double)progress->epochs, 1);
}

static void describe(cli_text *text, const cli_screen *screen, const lode_progress *progress,
                     bool bar) {
    const double share = share_of(progress), spent = seconds() - screen->started;
    cli_text_add(text, "%s", progress->task != NULL ? progress->task : "");
    if (progress->epochs > 0) {
        cli_text_add(text, "  epoch %llu/%llu", (unsigned long long)progress->epoch,
                     (unsigned long long)progress->epochs);
    }
    if (share >= 0) {
        if (bar) {
            const int full = (int)(share * BAR_CELLS);
            cli_text_add(text, "  [");
            for (int i = 0; i < BAR_CELLS; i++)
                cli_text_add(text, "%c", i < full ? '#' : '.');
            cli_text_add(text, "]");
        }
        cli_text_add(text, "  %.0f%%", floor(share * 100));
    } else {
        cli_text_add(text, "  ");
        cli_number(text, (double)progress->done);
        cli_text_add(text, " %s", progress->unit != NULL ? progress->unit : "");
    }
    add_rate(text, progress->rate, progress->unit != NULL ? progress->unit : "");
    if (isfinite(progress->loss)) cli_text_add(text, "  loss %.4f", progress->loss);
    const double done = share - screen->share; // since the task that is shown began, or went on
    if (done > 0.005 && share < 1 && spent > 1) {
        cli_text_add(text, "  ETA ");
        add_duration(text, spent / done * (1 - share));
    }
}

static void wipe(cli_screen *screen) {
    if (screen->drawn) fputs("\r\033[K", stderr);
    screen->drawn = false;
}

static int on_progress(void *cookie, const lode_progress *progress) {
    cli_screen *screen = cookie;
    const double now = seconds();
    const char *task = progress->task != NULL ? progress->task : "";
    if (strncmp(screen->task, task, sizeof screen->task - 1) != 0) {
        (void)snprintf(screen->task, sizeof screen->task, "%s", task);
        screen->started = now;
        screen->share = fmax(share_of(progress), 0);
        screen->next = now + (screen->terminal ? BAR_SECONDS : LINE_SECONDS);
    }
    if (!screen->quiet && now >= screen->next) {
        screen->next = now + (screen->terminal ? BAR_SECONDS : LINE_SECONDS);
        cli_text line = {0};
        describe(&line, screen, progress, screen->terminal);
        if (screen->terminal) {
            fprintf(stderr, "\r%.*s\033[K", (int)cli_width() - 1, line.bytes);
            screen->drawn = true;
        } else {
            fprintf(stderr, "%s\n", line.bytes);
        }
        (void)fflush(stderr);
        cli_text_release(&line);
    }
    if (stop_asked && !screen->announced) {
        wipe(screen);
        fprintf(stderr, "stopping; a second signal ends at once\n");
        screen->announced = true;
    }
    return stop_asked;
}

static void on_notice(void *cookie, const char *line) {
    cli_screen *screen = cookie;
    if (screen->quiet) return;
    wipe(screen);
    fprintf(stderr, "note: %s\n", line);
}

void cli_screen_open(cli_screen *screen, bool quiet) {
    *screen = (cli_screen){0};
    screen->hooks = (lode_hooks){screen, on_progress, on_notice};
    screen->quiet = quiet;
    screen->terminal = isatty(STDERR_FILENO) == 1;
    cli_catch_signals();
}

void cli_screen_close(cli_screen *screen) {
    wipe(screen);
    (void)fflush(stderr);
}

int cli_fail(const char *verb, lode_status status, const lode_error *error) {
    const char *message = error->message[0] != '\0' ? error->message : lode_status_text(status);
    fprintf(stderr, "lodestone %s: %s\n", verb, message);
    return status == LODE_E_USAGE || status == LODE_E_CONFIG ? CLI_USAGE : CLI_FAILED;
}
