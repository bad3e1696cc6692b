/// Saved networks with sound checksums around wrong structure: refused with one line that names what is wrong.
#include "search/searcher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/container.h"

enum { ITEMS = 3, DIM = 2, LINKS = 48, WIDTH = 64 };

typedef struct fault {
    const char *section; ///< what the message names, NULL = sound
    uint32_t link, door, odd;
    size_t codes, links, doors, door_codes;
    uint64_t effort;
} fault;

static char path[64];

static lode_status write_and_open(const fault *f, lode_index **index, lode_error *error) {
    const uint64_t meta[8] = {ITEMS, DIM, f->effort, 0, 0x6870617267}; // "graph"
    static const float vectors[ITEMS * DIM] = {1, 0, 0, 1, -1, 1};
    static uint8_t codes[ITEMS * WIDTH + 1];
    static uint32_t links[ITEMS * LINKS + 1];
    const uint32_t doors[2] = {0, f->door};
    const uint64_t deleted = 0;
    memset(codes, 128, sizeof codes);
    memset(links, 0xff, sizeof links);
    links[0] = f->link;
    lode_container_writer w;
    LODE_TRY(lode__container_begin(&w, path, "INDX", 1, 12, error));
    LODE_TRY(lode__section_write(&w, "meta", meta, sizeof meta, error));
    LODE_TRY(lode__section_write(&w, "vectors", vectors, sizeof vectors, error));
    LODE_TRY(lode__section_write(&w, "deleted", &deleted, sizeof deleted, error));
    LODE_TRY(lode__section_write(&w, "tail", vectors, 0, error));
    LODE_TRY(lode__section_write(&w, "codes", codes, f->codes, error));
    LODE_TRY(lode__section_write(&w, "links", links, f->links, error));
    LODE_TRY(lode__section_write(&w, "doors", doors, f->doors, error));
    LODE_TRY(lode__section_write(&w, "odd", &f->odd, sizeof f->odd, error));
    LODE_TRY(lode__section_write(&w, "door codes", codes, f->door_codes, error));
    LODE_TRY(lode__container_commit(&w, NULL, error));
    return lode__index_open(index, path, true, error);
}

static void test_wrong_structure(void **state) {
    (void)state;
    const size_t codes = ITEMS * WIDTH, links = sizeof(uint32_t) * ITEMS * LINKS;
    const fault faults[] = {{NULL, 2, 1, 2, codes, links, 8, 128, 5},
                            {"linked to vector 3", 3, 1, 2, codes, links, 8, 128, 5},
                            {"doors", 2, 3, 2, codes, links, 8, 128, 5},
                            {"odd", 2, 1, 3, codes, links, 8, 128, 5},
                            {"codes", 2, 1, 2, codes + 1, links, 8, 128, 5},
                            {"links", 2, 1, 2, codes, links + 4, 8, 128, 5},
                            {"doors", 2, 1, 2, codes, links, 7, 128, 5},
                            {"door codes", 2, 1, 2, codes, links, 8, 127, 5},
                            {"effort 0", 2, 1, 2, codes, links, 8, 128, 0}};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        lode_index *index = NULL;
        lode_error error = {0};
        const lode_status status = write_and_open(&faults[i], &index, &error);
        if (status != (faults[i].section ? LODE_E_FORMAT : LODE_OK))
            fail_msg("fault %zu: status %d, %s", i, status, error.message);
        if (faults[i].section && !strstr(error.message, faults[i].section))
            fail_msg("fault %zu: %s", i, error.message);
        lode__index_free(&index);
    }
}

static int make_path(void **state) {
    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/test_graph_file.%d.index", (int)getpid());
    return 0;
}

static int remove_path(void **state) {
    (void)state;
    (void)unlink(path);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wrong_structure)};
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
