// MovieLens as it was published, without headers; what a file holds is told by its number of fields:
//
//     ratings.dat   user::movie::rating::time       tags.dat   user::movie::tag::time
//     movies.dat    movie::title::genre|genre       users.dat  user::gender::age::occupation::zip
//     u.item        movie|title|released|video|url|19 flags, one a genre    (MovieLens 100K)
//     u.user        user|age|gender|occupation|zip
//
// (u.data is tab-separated user, item, rating, time, which the format tsv reads.) Titles were written in ISO-8859-1:
// lines that are not UTF-8 are read as that unless the key encoding says otherwise.
#include "data/reader.h"

#include "base/text.h"

#include <string.h>

#define FIELDS 24 // of u.item, the widest
#define GENRES 19
#define FLAGS  5 // first flag of u.item

static const char *const genres[GENRES] = {
    "unknown",     "Action", "Adventure", "Animation", "Children's", "Comedy",  "Crime",
    "Documentary", "Drama",  "Fantasy",   "Film-Noir", "Horror",     "Musical", "Mystery",
    "Romance",     "Sci-Fi", "Thriller",  "War",       "Western"};

typedef struct layout {
    bool colons; ///< fields are separated by :: and not by |
    size_t fields;
    bool third; ///< all third fields are numbers
} layout;

// Cut a line at "::" or "|"; returns how many fields there are, of which FIELDS were stored.
static size_t split(const layout *l, const char *text, size_t length, lode_cell *cells) {
    const char *at = text;
    const char *const stop = text + length;
    const size_t width = l->colons ? 2 : 1;
    for (size_t count = 1;; ++count) {
        const char *cut = memmem(at, (size_t)(stop - at), l->colons ? "::" : "|", width);
        if (count <= FIELDS)
            cells[count - 1] =
                (lode_cell){at, (size_t)((cut ? cut : stop) - at), (size_t)(at - text) + 1};
        if (!cut) return count;
        at = cut + width;
    }
}

static bool is_number(const lode_cell *cell) {
    double number;
    return lode__parse_real(cell->text, cell->length, &number);
}

static bool is_flag(const lode_cell *cell) {
    return cell->length == 1 && (*cell->text == '0' || *cell->text == '1');
}

static bool is_gender(const lode_cell *cell) {
    return cell->length == 1 && (*cell->text == 'M' || *cell->text == 'F');
}

// u.item and u.user, by all that is known of their cells.
static bool fits_bars(const lode_cell *cells, size_t count) {
    if (count == 5) return is_number(&cells[0]) && is_number(&cells[1]) && is_gender(&cells[2]);
    bool flags = count == FIELDS && is_number(&cells[0]);
    for (size_t k = FLAGS; flags && k < FIELDS; ++k)
        flags = is_flag(&cells[k]);
    return flags;
}

// The layout of a sample; false when it is no file of MovieLens.
static bool find_layout(const lode_sample *sample, layout *out) {
    size_t position = 0, length, lines = 0;
    const char *text;
    lode_cell cells[FIELDS];
    *out = (layout){.third = true};
    while (lines < 100 && lode__sample_line(sample, &position, &text, &length)) {
        if (lines == 0) out->colons = memmem(text, length, "::", 2) != NULL;
        const size_t count = split(out, text, length, cells);
        if (lines++ == 0) out->fields = count;
        if (count != out->fields && !out->colons)
            return false; // reading will tell about the others
        out->third = out->third && count >= 3 && is_number(&cells[2]);
        if (out->colons ? out->fields < 3 || out->fields > 5 : !fits_bars(cells, count))
            return false;
    }
    return lines > 0;
}

static bool movielens_detect(const lode_sample *sample) {
    layout found;
    return find_layout(sample, &found);
}

static void name_all(lode_table *table, const char *const *names) {
    for (size_t k = 0; k < table->heading_count; ++k)
        table->headings[k].name = names[k];
    table->named = true;
}

// Names of a file whose fields are separated by ::.
static void name_colons(lode_table *table, bool third) {
    static const char *const movies[] = {"movie", "title", "genres"};
    static const char *const ratings[] = {"user", "movie", "rating", "time"};
    static const char *const timed[] = {"user", "movie", "time"};
    static const char *const tags[] = {"user", "movie", "tag", "time"};
    static const char *const users[] = {"user", "gender", "age", "occupation", "zip_code"};
    if (table->heading_count == 3) {
        name_all(table, third ? timed : movies);
        if (!third) {
            table->headings[2].type = LODE_COLUMN_TOKENS;
            table->headings[2].separator = '|';
        }
    } else if (table->heading_count == 4) {
        name_all(table, third ? ratings : tags);
    } else {
        name_all(table, users);
    }
}

static void name_bars(lode_table *table) {
    static const char *const items[] = {"movie",      "title", "release_date",
                                        "video_date", "url",   "genres"};
    static const char *const users[] = {"user", "age", "gender", "occupation", "zip_code"};
    if (table->heading_count == 5) {
        name_all(table, users);
        return;
    }
    name_all(table, items);
    table->headings[3].about = table->headings[4].about = LODE_ABOUT_NOTHING;
    table->headings[3].reason = table->headings[4].reason = "it describes no movie";
    table->headings[5].type = LODE_COLUMN_TOKENS;
    table->headings[5].separator = '|';
}

static lode_status movielens_open(lode_table *table, lode_error *error) {
    lode_sample sample;
    layout *const l = lode__arena_alloc(&table->arena, 1, sizeof *l);
    if (!l) return lode__fail_memory(error);
    table->state = l;
    LODE_TRY(lode__input_peek(table->input, &sample.text, &sample.length, &sample.whole, error));
    if (!find_layout(&sample, l))
        return lode__table_fail(table, 1, 1, error,
                                "found a line that is not of MovieLens, expected 3 to 5 fields "
                                "separated by '::', or u.item or u.user of MovieLens 100K");
    lode__input_encode(table->input, table->options.encoding,
                       table->options.encoding == LODE_ENCODING_AUTO);
    const bool flags = l->fields == FIELDS;
    LODE_TRY(lode__table_columns(table, flags ? FLAGS + 1 : l->fields, error));
    if (l->colons)
        name_colons(table, l->third);
    else
        name_bars(table);
    return LODE_OK;
}

// The flags of u.item as "Comedy|Drama".
static lode_status join_genres(lode_table *table, const lode_cell *cells, lode_error *error) {
    size_t length = 0;
    if (!lode__grow((void **)&table->record, &table->record_capacity, GENRES * 16, 1))
        return lode__fail_memory(error);
    for (size_t k = 0; k < GENRES; ++k) {
        const lode_cell *const cell = &cells[FLAGS + k];
        if (!is_flag(cell))
            return lode__table_fail(table, table->line, cell->column, error,
                                    "found '%.*s', expected 0 or 1",
                                    (int)LODE_MIN(cell->length, (size_t)40), cell->text);
        if (*cell->text == '0') continue;
        if (length > 0) table->record[length++] = '|';
        memcpy(table->record + length, genres[k], strlen(genres[k]));
        length += strlen(genres[k]);
    }
    table->cells[FLAGS] = (lode_cell){table->record, length, cells[FLAGS].column};
    return LODE_OK;
}

static lode_status movielens_read(lode_table *table, bool *end, lode_error *error) {
    const layout *const l = table->state;
    lode_line line;
    LODE_TRY(lode__table_line(table, &line, end, error));
    if (*end) return LODE_OK;
    lode_cell cells[FIELDS];
    const size_t count = split(l, line.text, line.length, cells);
    if (count != l->fields)
        return lode__table_fail(table, line.number, 1, error,
                                "found %zu fields, expected %zu as in the first line; repair or "
                                "remove the line",
                                count, l->fields);
    const bool flags = l->fields == FIELDS;
    memcpy(table->cells, cells, (flags ? FLAGS : count) * sizeof *cells);
    return flags ? join_genres(table, cells, error) : LODE_OK;
}

const lode_reader lode__reader_movielens = {"movielens",
                                            movielens_detect,
                                            movielens_open,
                                            movielens_read,
                                            NULL,
                                            "MovieLens as published: ratings.dat, movies.dat, "
                                            "users.dat and tags.dat with '::'; u.item, u.user"};
