// Columns of an existing data set go back into builders. The words of a builder stand for texts; what is taken
// over has lost its text where it was a sequence. Such a sequence gets a key that no cell of a log can be: its
// parts, each after a byte that UTF-8 does not know. lode__column_write takes it apart again.
#include "data/column_build.h"

#include "base/text.h"

#include <string.h>

static lode_status adopt_tokens(lode_dictionary *dictionary, const lode_tokens *tokens,
                                lode_error *error) {
    for (uint32_t k = 0; k < tokens->count; ++k) {
        const size_t length = (size_t)(tokens->starts[k + 1] - tokens->starts[k]) - 1;
        uint32_t index;
        LODE_TRY(lode__dictionary_add(dictionary, tokens->bytes + tokens->starts[k], length, &index,
                                      error));
    }
    return LODE_OK;
}

lode_status lode__column_adopt(lode_column_builder *builder, const lode_column *column,
                               lode_error *error) {
    if (column->type == LODE_COLUMN_TOKEN)
        return adopt_tokens(&builder->texts, &column->tokens, error);
    return column->type == LODE_COLUMN_TOKENS ? adopt_tokens(&builder->parts, &column->tokens, error)
                                              : LODE_OK;
}

// The key of a sequence.
static lode_status recode_sequence(lode_column_builder *builder, const lode_column *column,
                                   uint64_t row, uint32_t *word, lode_error *error) {
    static const char mark[2] = {LODE_PART_MARK, 0};
    lode_text *const key = &builder->key;
    key->length = 0;
    for (uint64_t k = column->starts[row]; k < column->starts[row + 1]; ++k) {
        lode__text_add(key, mark);
        if (column->type == LODE_COLUMN_TOKENS)
            lode__text_add(key, column->tokens.bytes + column->tokens.starts[column->codes[k]]);
        else
            lode__text_printf(key, "%.9g", (double)column->values[k]);
    }
    if (key->failed) return lode__fail_memory(error);
    return lode__dictionary_add(&builder->texts, key->data, key->length, word, error);
}

lode_status lode__column_recode(lode_column_builder *builder, const lode_column *column,
                                uint64_t row, uint32_t *word, lode_error *error) {
    *word = lode__column_missing(builder);
    switch (column->type) {
    case LODE_COLUMN_TOKEN:
        *word = column->codes[row];
        return LODE_OK;
    case LODE_COLUMN_FLOAT:
        memcpy(word, &column->values[row], sizeof *word);
        return LODE_OK;
    case LODE_COLUMN_TOKENS:
    case LODE_COLUMN_FLOATS:
        if (column->starts[row] == column->starts[row + 1]) return LODE_OK;
        if (builder->old) {
            *word = LODE_OLD_ROW | (uint32_t)row;
            return LODE_OK;
        }
        return recode_sequence(builder, column, row, word, error);
    case LODE_COLUMN_TEXT: {
        const size_t length = (size_t)(column->starts[row + 1] - column->starts[row]) - 1;
        if (length == 0) return LODE_OK;
        return lode__dictionary_add(&builder->texts, column->bytes + column->starts[row], length,
                                    word, error);
    }
    }
    return LODE_OK;
}
