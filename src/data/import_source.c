// Opening the files of an import, and saying what was guessed about them: every notice also goes into the report.
#include "data/importer.h"

#include <string.h>

#define NOTICES 1000 // that the report keeps

static int pass_progress(void *cookie, const lode_progress *progress) {
    const lode_importer *const importer = cookie;
    return importer->user_hooks->progress(importer->user_hooks->cookie, progress);
}

static void keep_notice(void *cookie, const char *line) {
    lode_importer *const importer = cookie;
    if (json_array_size(importer->notices) < NOTICES)
        json_array_append_new(importer->notices, json_string(line));
    if (importer->user_hooks && importer->user_hooks->notice)
        importer->user_hooks->notice(importer->user_hooks->cookie, line);
}

lode_status lode__import_listen(lode_importer *importer, const lode_hooks *hooks, lode_error *error) {
    importer->user_hooks = hooks;
    importer->own_hooks = (lode_hooks){.cookie = importer, .notice = keep_notice};
    if (hooks && hooks->progress) importer->own_hooks.progress = pass_progress;
    importer->hooks = &importer->own_hooks;
    importer->notices = json_array();
    return importer->notices ? LODE_OK : lode__fail_memory(error);
}

lode_status lode__import_open(lode_importer *importer, const char *path, const char *section,
                              lode_table *table, lode_error *error) {
    LODE_TRY(lode__plan_open(&importer->request, path, section, table, error));
    if (table->note)
        lode__notice(importer->hooks, "%s: %s", lode__path_base(table->name), table->note);
    return LODE_OK;
}

void lode__import_say_file(const lode_importer *importer, const lode_table *table) {
    const uint64_t converted = table->input ? lode__input_converted(table->input) : 0;
    if (table->late)
        lode__notice(importer->hooks, "%s: %s", lode__path_base(table->name), table->late);
    if (converted > 0)
        lode__notice(importer->hooks, "%s: %llu line(s) were read as ISO-8859-1",
                     lode__path_base(table->name), (unsigned long long)converted);
}

void lode__import_close(lode_importer *importer, lode_table *table) {
    lode__import_say_file(importer, table);
    lode__table_close(table);
}
