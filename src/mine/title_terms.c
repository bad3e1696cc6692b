// Normalising is one table of ranges of code points, and everything that it does not name is a letter as it is. Hashes are taken of
// bytes of UTF-8, so they do not depend on the order of bytes in the machine's words.
#include "mine/title_terms.h"
#include "base/dictionary.h"
#include "base/order.h"

#include <stdlib.h>
#include <string.h>

// ------------------------------------------------------------------------------------------------
// Letters
// ------------------------------------------------------------------------------------------------

typedef enum rule {
    LETTER,   // as it is, plus `shift`
    PAIRS,    // capitals have even numbers, their small letters the next
    BASE,     // Latin letter `shift` with something on it
    SEPARATE, // words
    VANISH,
    ALONE // a word of its own
} rule;

typedef struct range {
    uint32_t low, high;
    rule rule;
    int32_t shift;
} range;

// Rising, without overlaps. U+00C0 .. U+017F stand in `latin`.
static const range ranges[] = {
    {0x80, 0xa9, SEPARATE, 0},     {0xaa, 0xaa, BASE, 'a'},       {0xab, 0xac, SEPARATE, 0},
    {0xad, 0xad, VANISH, 0},       {0xae, 0xb1, SEPARATE, 0},     {0xb2, 0xb3, LETTER, -0x80},
    {0xb4, 0xb4, SEPARATE, 0},     {0xb5, 0xb5, LETTER, 0x307},   {0xb6, 0xb8, SEPARATE, 0},
    {0xb9, 0xb9, LETTER, -0x88},   {0xba, 0xba, BASE, 'o'},       {0xbb, 0xbf, SEPARATE, 0},
    {0x1a0, 0x1a1, BASE, 'o'},     {0x1af, 0x1b0, BASE, 'u'},     {0x200, 0x21f, PAIRS, 0},
    {0x300, 0x36f, VANISH, 0},     {0x386, 0x386, LETTER, 0x26},  {0x388, 0x38a, LETTER, 0x25},
    {0x38c, 0x38c, LETTER, 0x40},  {0x38e, 0x38f, LETTER, 0x3f},  {0x391, 0x3ab, LETTER, 0x20},
    {0x3c2, 0x3c2, LETTER, 1},     {0x400, 0x400, LETTER, 0x50},  {0x401, 0x401, LETTER, 0x34},
    {0x402, 0x40f, LETTER, 0x50},  {0x410, 0x42f, LETTER, 0x20},  {0x451, 0x451, LETTER, -0x1c},
    {0x460, 0x481, PAIRS, 0},      {0x483, 0x489, VANISH, 0},     {0x48a, 0x4bf, PAIRS, 0},
    {0x4d0, 0x52f, PAIRS, 0},      {0x531, 0x556, LETTER, 0x30},  {0x591, 0x5bd, VANISH, 0},
    {0x60c, 0x60d, SEPARATE, 0},   {0x610, 0x61a, VANISH, 0},     {0x61b, 0x61f, SEPARATE, 0},
    {0x640, 0x640, VANISH, 0},     {0x64b, 0x65f, VANISH, 0},     {0x66a, 0x66d, SEPARATE, 0},
    {0x6d4, 0x6d4, SEPARATE, 0},   {0x964, 0x965, SEPARATE, 0},   {0x1e00, 0x1e95, PAIRS, 0},
    {0x1ea0, 0x1eb7, BASE, 'a'},   {0x1eb8, 0x1ec7, BASE, 'e'},   {0x1ec8, 0x1ecb, BASE, 'i'},
    {0x1ecc, 0x1ee3, BASE, 'o'},   {0x1ee4, 0x1ef1, BASE, 'u'},   {0x1ef2, 0x1ef9, BASE, 'y'},
    {0x2000, 0x200a, SEPARATE, 0}, {0x200b, 0x200f, VANISH, 0},   {0x2010, 0x2018, SEPARATE, 0},
    {0x2019, 0x2019, VANISH, 0},   {0x201a, 0x2029, SEPARATE, 0}, {0x202a, 0x202e, VANISH, 0},
    {0x202f, 0x205f, SEPARATE, 0}, {0x2060, 0x206f, VANISH, 0},   {0x20a0, 0x20cf, SEPARATE, 0},
    {0x2100, 0x2bff, SEPARATE, 0}, {0x2e00, 0x2e7f, SEPARATE, 0}, {0x3000, 0x3004, SEPARATE, 0},
    {0x3005, 0x3005, ALONE, 0},    {0x3006, 0x303f, SEPARATE, 0}, {0x3040, 0x30fa, ALONE, 0},
    {0x30fb, 0x30fb, SEPARATE, 0}, {0x30fc, 0x30ff, ALONE, 0},    {0x3400, 0x4dbf, ALONE, 0},
    {0x4e00, 0x9fff, ALONE, 0},    {0xf900, 0xfaff, ALONE, 0},    {0xfe00, 0xfe0f, VANISH, 0},
    {0xfe10, 0xfe6f, SEPARATE, 0}, {0xfeff, 0xfeff, VANISH, 0},   {0xff5f, 0xff65, SEPARATE, 0},
    {0xff66, 0xff9f, ALONE, 0},    {0xffe0, 0xffff, SEPARATE, 0}, {0x1f000, 0x1faff, SEPARATE, 0},
    {0x20000, 0x3ffff, ALONE, 0},  {0xe0000, 0x10ffff, VANISH, 0}};

enum { RANGES = sizeof ranges / sizeof *ranges };

// U+00C0 .. U+017F without what is on the letters; capitals are two letters: Ae Oe Ss Th Ij. A blank separates.
static const char latin[] = "aaaaaaAceeeeiiiidnooooo ouuuuyTS"
                            "aaaaaaAceeeeiiiidnooooo ouuuuyTy"
                            "aaaaaaccccccccddddeeeeeeeeeegggg"
                            "gggghhhhiiiiiiiiiiIIjjkkklllllll"
                            "lllnnnnnnnnnooooooOOrrrrrrssssss"
                            "ssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

static const range *range_of(uint32_t point) {
    size_t low = 0, high = RANGES;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (ranges[middle].high < point)
            low = middle + 1;
        else
            high = middle;
    }
    return low < RANGES && ranges[low].low <= point ? &ranges[low] : NULL;
}

/// The next code point, and how many bytes it takes; a byte that begins none is U+FFFD, which separates.
static uint32_t decode(const unsigned char *bytes, size_t left, size_t *taken) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned lead = bytes[0];
    const size_t length = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
    *taken = 1;
    if (lead < 0x80) return lead;
    if (length == 1 || length > left) return 0xfffd;
    uint32_t point = lead & (0x7fu >> length);
    for (size_t k = 1; k < length; k++) {
        if ((bytes[k] & 0xc0) != 0x80) return 0xfffd;
        point = point << 6 | (bytes[k] & 0x3fu);
    }
    const bool surrogate = point >= 0xd800 && point < 0xe000;
    if (point < least[length] || point > 0x10ffff || surrogate) return 0xfffd;
    *taken = length;
    return point;
}

// ------------------------------------------------------------------------------------------------
// Normalising
// ------------------------------------------------------------------------------------------------

/// Writes the text; words are separated by one blank, and one stands at both ends.
typedef struct writer {
    lode_title_terms *terms;
    size_t length;
    bool open; ///< the last letter is not the end of a word
} writer;

static void put_letter(writer *w, uint32_t point) {
    w->terms->starts[w->terms->letters++] = (uint32_t)w->length;
    char *at = w->terms->text + w->length;
    if (point < 0x80) {
        at[0] = (char)point;
        w->length += 1;
    } else if (point < 0x800) {
        at[0] = (char)(0xc0 | point >> 6);
        at[1] = (char)(0x80 | (point & 0x3f));
        w->length += 2;
    } else if (point < 0x10000) {
        at[0] = (char)(0xe0 | point >> 12);
        at[1] = (char)(0x80 | (point >> 6 & 0x3f));
        at[2] = (char)(0x80 | (point & 0x3f));
        w->length += 3;
    } else {
        at[0] = (char)(0xf0 | point >> 18);
        at[1] = (char)(0x80 | (point >> 12 & 0x3f));
        at[2] = (char)(0x80 | (point >> 6 & 0x3f));
        at[3] = (char)(0x80 | (point & 0x3f));
        w->length += 4;
    }
    w->open = point != ' ';
}

static void put_end(writer *w) {
    if (!w->open) return;
    put_letter(w, ' ');
    w->terms->words++;
}

static void put_ascii(writer *w, uint32_t point) {
    const bool capital = point >= 'A' && point <= 'Z';
    const bool small = (point >= 'a' && point <= 'z') || (point >= '0' && point <= '9');
    if (capital || small)
        put_letter(w, capital ? point + 32 : point);
    else if (point != '\'')
        put_end(w);
}

static void put_latin(writer *w, uint32_t point) {
    const char letter = latin[point - 0xc0];
    const char *const two = letter == 'A'   ? "ae"
                            : letter == 'O' ? "oe"
                            : letter == 'S' ? "ss"
                            : letter == 'T' ? "th"
                            : letter == 'I' ? "ij"
                                            : NULL;
    if (two != NULL) {
        put_letter(w, (uint32_t)two[0]);
        put_letter(w, (uint32_t)two[1]);
    } else if (letter == ' ') {
        put_end(w);
    } else {
        put_letter(w, (uint32_t)letter);
    }
}

static void put(writer *w, uint32_t point) {
    if (point >= 0xff01 && point <= 0xff5e) point -= 0xfee0; // full width
    if (point < 0x80) {
        put_ascii(w, point);
        return;
    }
    if (point >= 0xc0 && point < 0x180) {
        put_latin(w, point);
        return;
    }
    const range *of = range_of(point);
    switch (of != NULL ? of->rule : LETTER) {
    case LETTER:
        put_letter(w, of != NULL ? (uint32_t)((int64_t)point + of->shift) : point);
        break;
    case PAIRS:
        put_letter(w, point | 1);
        break;
    case BASE:
        put_letter(w, (uint32_t)of->shift);
        break;
    case ALONE:
        put_end(w);
        put_letter(w, point);
        put_end(w);
        break;
    case SEPARATE:
        put_end(w);
        break;
    case VANISH:
        break;
    }
}

static void normalise(lode_title_terms *terms, const char *title, size_t length) {
    writer w = {.terms = terms};
    terms->letters = terms->words = 0;
    put_letter(&w, ' ');
    for (size_t at = 0, taken; at < length; at += taken)
        put(&w, decode((const unsigned char *)title + at, length - at, &taken));
    put_end(&w);
    terms->starts[terms->letters] = (uint32_t)w.length;
}

// ------------------------------------------------------------------------------------------------
// Terms
// ------------------------------------------------------------------------------------------------

/// The term of letters first .. last - 1 of the text.
static void add(lode_title_terms *terms, lode_term_kind kind, size_t first, size_t last) {
    const uint32_t begin = terms->starts[first], end = terms->starts[last];
    const uint64_t hash = lode__hash(terms->text + begin, end - begin, kind);
    terms->terms[terms->count++] = (hash & ~(uint64_t)3) | kind;
}

static bool is_number(const lode_title_terms *terms, size_t first, size_t last) {
    for (size_t k = first; k < last; k++) {
        const char c = terms->text[terms->starts[k]];
        if (c < '0' || c > '9') return false;
    }
    return true;
}

/// Pieces of the word with its blanks, letters first .. last - 1; the whole of it is the word itself.
static void add_pieces(lode_title_terms *terms, size_t first, size_t last) {
    const size_t most = LODE_MIN(terms->options.longest, last - first - 1);
    if (terms->options.longest == 0) return;
    for (size_t n = terms->options.shortest; n <= most; n++)
        for (size_t k = first; k + n <= last; k++)
            add(terms, LODE_TERM_PIECE, k, k + n);
}

static void add_words(lode_title_terms *terms) {
    size_t before = 0; // first letter of the word before
    for (size_t first = 1, last; first < terms->letters; first = last + 1) {
        last = first;
        while (terms->text[terms->starts[last]] != ' ')
            last++;
        const bool number = is_number(terms, first, last);
        add(terms, number ? LODE_TERM_NUMBER : LODE_TERM_WORD, first, last);
        if (!number) add_pieces(terms, first - 1, last + 1);
        if (terms->options.pairs && before > 0) add(terms, LODE_TERM_PAIR, before, last);
        before = first;
    }
}

/// Sort them and count the equal ones.
static void count(lode_title_terms *terms) {
    size_t distinct = 0;
    qsort(terms->terms, terms->count, sizeof *terms->terms, lode__rising_u64);
    for (size_t k = 0; k < terms->count; k++) {
        if (distinct > 0 && terms->terms[distinct - 1] == terms->terms[k]) {
            terms->times[distinct - 1]++;
            continue;
        }
        terms->terms[distinct] = terms->terms[k];
        terms->times[distinct++] = 1;
    }
    terms->count = distinct;
}

lode_status lode__title_terms_init(lode_title_terms *terms, const lode_term_options *options,
                                   lode_arena *arena, lode_error *error) {
    *terms = (lode_title_terms){.options = *options};
    // three bytes are a letter, which may get a blank; two are at most two letters and no blank
    const size_t letters = 2 * options->bytes + 2;
    const size_t sizes = options->longest > 0 ? options->longest - options->shortest + 1 : 0;
    size_t most;
    if (!lode__size_mul(letters, sizes + 2, &most)) return lode__fail_memory(error);
    terms->text = lode__arena_alloc(arena, letters, 1);
    terms->starts = lode__arena_alloc(arena, letters + 1, sizeof *terms->starts);
    terms->terms = lode__arena_alloc(arena, most, sizeof *terms->terms);
    terms->times = lode__arena_alloc(arena, most, sizeof *terms->times);
    if (!terms->text || !terms->starts || !terms->terms || !terms->times)
        return lode__fail_memory(error);
    return LODE_OK;
}

void lode__title_terms_read(lode_title_terms *terms, const char *title, size_t length) {
    terms->cut = length > terms->options.bytes;
    if (terms->cut) { // not within a letter
        length = terms->options.bytes;
        while (length > 0 && ((unsigned char)title[length] & 0xc0) == 0x80)
            length--;
    }
    terms->count = 0;
    normalise(terms, title, length);
    add_words(terms);
    count(terms);
}
