/// Readers: a file of some format, row by row.
///
/// A reader is one row of a static table: how to recognise the format, how to read the headings, how to
/// read one row. Rows are cells of text; what the columns mean is decided above (data/columns.h).
#ifndef LODE_DATA_READER_H
#define LODE_DATA_READER_H

#include "data/dataset.h"
#include "data/input.h"

#define LODE_COLUMNS_MAX 320 ///< columns of one table, and of each kind in a data set

typedef struct lode_cell {
    const char *text;
    size_t length;
    size_t column; ///< 1-based byte position in the line
} lode_cell;

/// What a column of a log describes, where the format knows it.
typedef enum lode_about {
    LODE_ABOUT_ROW,
    LODE_ABOUT_ITEM,
    LODE_ABOUT_USER,
    LODE_ABOUT_NOTHING
} lode_about;

typedef struct lode_heading {
    const char *name;
    int type;         ///< lode_column_type, or -1 where the header does not say
    lode_about about; ///< NOTHING: the column is left out, because of `reason`
    const char *reason;
    char separator; ///< of a sequence; 0 = found from the values
} lode_heading;

/// What the third column of a log without a header holds.
typedef enum lode_third {
    LODE_THIRD_AUTO,
    LODE_THIRD_TIME,
    LODE_THIRD_WEIGHT,
    LODE_THIRD_RATING
} lode_third;

typedef struct lode_table_options {
    const struct lode_reader *reader; ///< NULL recognises the format
    size_t max_line;
    lode_encoding encoding;
    lode_third third;
    const char *const *names; ///< the file has no header, and these are its columns; or NULL
    size_t name_count;
} lode_table_options;

struct lode_reader;

/// An open file with its headings and its current row.
typedef struct lode_table {
    lode_input *input;
    const struct lode_reader *reader;
    const char *name; ///< for messages
    lode_heading *headings;
    size_t heading_count;
    bool has_header; ///< the file names its columns itself
    bool named;      ///< somebody knows what the columns are; false: they are called column_1, ...
    lode_table_options options;
    char separator;   ///< of a delimited file
    const char *note; ///< a guess that the reader made, for people; or NULL
    const char *late; ///< the same at the end of the file
    lode_cell *cells; ///< the current row: [heading_count]
    uint64_t line;    ///< of the current row
    lode_line rest;   ///< private: the line that `lists` is working on
    size_t position;
    char *record; ///< private: a CSV record that spans lines, or a row that was rewritten
    void *state;  ///< private to a reader; it has a `close`
    size_t record_capacity, max_line;
    lode_arena arena;
} lode_table;

/// The beginning of a text, for recognising its format.
typedef struct lode_sample {
    const char *text;
    size_t length;
    bool whole;
} lode_sample;

typedef struct lode_reader {
    const char *name;
    bool (*detect)(const lode_sample *sample);
    /// Set headings, has_header.
    lode_status (*open)(lode_table *table, lode_error *error);
    /// Fill cells and line with the next row, or set *end.
    lode_status (*read)(lode_table *table, bool *end, lode_error *error);
    void (*close)(lode_table *table); ///< or NULL
    const char *help;
} lode_reader;

extern const lode_reader lode__reader_recbole, lode__reader_jsonl, lode__reader_movielens,
    lode__reader_counted, lode__reader_tsv, lode__reader_csv, lode__reader_lines, lode__reader_lists;

/// The readers in the order in which they are tried; NULL past the end.
const lode_reader *lode__reader_at(size_t index);
const lode_reader *lode__reader_find(const char *name);

/// LODE_E_INPUT when nobody recognises the format.
/// @param input  taken over in every case
LODE_CHECK lode_status lode__table_open(lode_table *table, lode_input *input,
                                        const lode_table_options *options, lode_error *error);
/// The next row. LODE_E_INPUT: the row was bad and is consumed; see lode__input_broken.
LODE_CHECK lode_status lode__table_read(lode_table *table, bool *end, lode_error *error);
void lode__table_close(lode_table *table);

/// LODE_E_INPUT with "name:line:column: " before the message.
lode_status lode__table_fail(const lode_table *table, uint64_t line, size_t column,
                             lode_error *error, const char *format, ...) LODE_FORMAT(5, 6);

// For readers.

/// Name the columns of a delimited file without a header by their shape (the table of shapes stands in
/// reader_shape.c), or column_1, column_2, ...
/// @param sample  what peek shows
LODE_CHECK lode_status lode__shape_name(lode_table *table, const lode_sample *sample, size_t count,
                                        lode_error *error);
/// True when the first line of a sample is a row and not a header.
bool lode__shape_headless(const lode_sample *sample, char separator);
/// True when the first line names a user, item or session column.
bool lode__shape_known(const lode_sample *sample, char separator);
/// Whether every line of the sample has the same number of fields, at least two; `lines` receives how many.
bool lode__shape_constant(const lode_sample *sample, char separator, size_t *lines);
/// What the third column is, from the first columns (users) and the third ones of `count` rows.
/// LODE_THIRD_AUTO when they are neither numbers nor times.
lode_third lode__shape_third(const lode_cell *users, const lode_cell *thirds, size_t count);
const char *lode__third_name(lode_third third);
bool lode__lines_detect(const lode_sample *sample);
/// One JSON object that maps ids to values, and no row of JSON lines.
bool lode__attributes_detect(const lode_sample *sample);

/// The next non-empty line of a sample; false at its end. An incomplete last line is left out unless it is
/// the only one.
bool lode__sample_line(const lode_sample *sample, size_t *position, const char **line,
                       size_t *length);
/// Room for `count` headings and cells; refuses more than LODE_COLUMNS_MAX.
LODE_CHECK lode_status lode__table_columns(lode_table *table, size_t count, lode_error *error);
/// The next line that is not empty.
LODE_CHECK lode_status lode__table_line(lode_table *table, lode_line *line, bool *end,
                                        lode_error *error);
/// Cut a line at a separator into cells; returns how many there are, of which `capacity` were stored.
size_t lode__line_split(const lode_line *line, char separator, lode_cell *cells, size_t capacity);
/// The first line of a file, which names the columns.
LODE_CHECK lode_status lode__table_header(lode_table *table, lode_line *line, lode_error *error);
/// Every name once, none empty (an empty one is called column_N).
LODE_CHECK lode_status lode__table_check_names(lode_table *table, lode_error *error);
/// Refuse a row with another number of cells than there are headings.
LODE_CHECK lode_status lode__table_check_count(const lode_table *table, size_t found,
                                               lode_error *error);

#endif
