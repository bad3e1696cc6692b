/// Building one typed column of a data set from cells of text.
///
/// Every cell becomes one 32-bit word: the bits of a float, or the index of the cell's text among the
/// distinct texts of the column. Words are kept by row (tables) or spooled in log order (context columns);
/// sequences are taken apart once a distinct text, when the column is written.
#ifndef LODE_DATA_COLUMN_BUILD_H
#define LODE_DATA_COLUMN_BUILD_H

#include "base/dictionary.h"
#include "base/text.h"
#include "data/columns.h"
#include "data/npy_read.h"
#include "data/spool.h"

#define LODE_PART_MARK '\xff' ///< begins each part of a sequence that was taken over

#define LODE_OLD_ROW 0x80000000u ///< words with this bit are rows of `old`

typedef struct lode_column_builder {
    const char *name;
    lode_use use;
    lode_dictionary texts;
    lode_dictionary parts; ///< codes of a token_seq that was taken over; new parts come behind them
    lode_text key;         ///< private: scratch of lode__column_recode
    uint32_t *words;       ///< of a table: [word_count], rows beyond are missing
    size_t word_count, word_capacity;
    uint64_t differing; ///< values that came after another one of the same row
    lode_spool spool;   ///< of a context column
    const lode_column *old; ///< a table's float_seq that was taken over and outlives the builder, or NULL
    lode_npy vectors;       ///< of a column of vectors: words are its rows; no columns = none
} lode_column_builder;

/// NULL when a cell can be encoded, or what was expected instead.
const char *lode__column_check(const lode_column_builder *builder, const lode_cell *cell);
/// The word of a cell that was checked; an empty cell is missing.
LODE_CHECK lode_status lode__column_encode(lode_column_builder *builder, const lode_cell *cell,
                                           uint32_t *word, lode_error *error);
uint32_t lode__column_missing(const lode_column_builder *builder);
/// Set a row of a table's column unless it is set already.
LODE_CHECK lode_status lode__column_set(lode_column_builder *builder, uint32_t row, uint32_t word,
                                        lode_error *error);
/// Settle what the columns file and the header left open, from the values: before writing.
void lode__column_settle(lode_column_builder *builder);
/// Write the sections PREFIX.K.*: from the table's words, or from the spool.
LODE_CHECK lode_status lode__column_write(lode_column_builder *builder,
                                          lode_container_writer *writer, const char *prefix,
                                          size_t number, uint64_t rows, lode_error *error);
/// Write a dictionary as two sections NAME (bytes) and STARTS.
LODE_CHECK lode_status lode__tokens_write(const lode_dictionary *dictionary,
                                          lode_container_writer *writer, const char *name,
                                          const char *starts, lode_error *error);
/// Take over the dictionary of a column of an existing data set: before anything is encoded.
LODE_CHECK lode_status lode__column_adopt(lode_column_builder *builder, const lode_column *column,
                                          lode_error *error);
/// The word of a row of a column that was taken over.
LODE_CHECK lode_status lode__column_recode(lode_column_builder *builder, const lode_column *column,
                                           uint64_t row, uint32_t *word, lode_error *error);
void lode__column_release(lode_column_builder *builder);

#endif
