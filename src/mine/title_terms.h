/// A title as terms: hashed pieces of its normalised text, the same on every machine and without a dictionary.
///
/// Normalising. UTF-8 is read letter by letter and put in lower case (Latin, Greek, Cyrillic, Armenian and full-width
/// letters, by ranges of code points; no locale is asked). Latin letters lose their accents, as do those followed by
/// combining marks ("Pokémon" = "pokemon"; ß = ss, æ = ae); Cyrillic ё is \u0435. Apostrophes, soft hyphens and invisible
/// characters vanish ("don't" = "dont"). Blanks, punctuation, symbols, emoji and bytes that are no UTF-8 separate words.
/// Letters and digits within a word stay together ("cb335wn"). Each ideograph and kana is a word of its own.
///
/// Terms. A word, two words that follow each other, and the 3 to 5 letters long pieces of a word with the blank
/// before and behind it (so that beginnings and ends differ from middles). A word of digits is a *number* and has no pieces,
/// because 1995 is not almost 1996.
#ifndef LODE_MINE_TITLE_TERMS_H
#define LODE_MINE_TITLE_TERMS_H

#include "base/memory.h"

/// What a term is: its lowest two bits.
typedef enum lode_term_kind {
    LODE_TERM_PIECE,
    LODE_TERM_WORD,
    LODE_TERM_PAIR,
    LODE_TERM_NUMBER,
    LODE_TERM_KINDS
} lode_term_kind;

typedef struct lode_term_options {
    size_t shortest, longest; ///< letters of a piece, blanks counted; longest 0 = no pieces
    bool pairs;
    size_t bytes; ///< of a title that are read
} lode_term_options;

/// The terms of one title, and the scratch memory of one thread to make them.
typedef struct lode_title_terms {
    lode_term_options options;
    uint64_t *terms; ///< [count] distinct, rising; see lode_term_kind
    uint32_t *times; ///< [count] how often each stands in the title
    size_t count;
    bool cut; ///< the title is longer than options.bytes

    char *text;       ///< the normalised title: " toy story "
    uint32_t *starts; ///< [letters + 1] where each letter of `text` begins
    size_t letters, words;
} lode_title_terms;

/// Everything lives in the arena: some 40 times options.bytes.
LODE_CHECK lode_status lode__title_terms_init(lode_title_terms *terms,
                                              const lode_term_options *options, lode_arena *arena,
                                              lode_error *error);

/// Read a title; count is 0 where nothing of it is a word. No allocation.
void lode__title_terms_read(lode_title_terms *terms, const char *title, size_t length);

#endif
