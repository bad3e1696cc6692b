// One small file of every format, imported: what becomes of its rows and columns, and what is said about it.
#include "shelf.h"

#include <math.h>

static void keep_notice(void *cookie, const char *line) {
    char *all = cookie;
    const size_t at = strlen(all);
    snprintf(all + at, 4096 - at, "%s\n", line);
}

/// Import NAME and keep what is said.
static lode_dataset *import_saying(shelf *s, const char *name, const char *options, char said[4096]) {
    const lode_hooks hooks = {.cookie = said, .notice = keep_notice};
    lode_error error = {0};
    *said = 0;
    if (lode_import(*name ? shelf_path(s, name) : s->folder, shelf_path(s, "out.lode"), options,
                    &hooks, NULL, &error) != LODE_OK)
        fail_msg("import: %s", error.message);
    lode_dataset *data = NULL;
    if (lode__dataset_open(&data, shelf_path(s, "out.lode"), true, &error) != LODE_OK)
        fail_msg("open: %s", error.message);
    unlink(shelf_path(s, "out.lode"));
    return data;
}

static void expect_said(const char *said, const char *piece) {
    if (!strstr(said, piece)) fail_msg("expected '%s' in:\n%s", piece, said);
}

/// A column of items as text: "TOKEN: value value\n" for each item that has one.
static void expect_items(const lode_dataset *data, const char *name, lode_column_type type,
                         const char *expected) {
    const lode_column *c = lode__column_find(data->item_columns, data->item_column_count, name);
    char text[4096] = "";
    size_t at = 0;
    if (!c) fail_msg("no item column %s", name);
    assert_int_equal(c->type, type);
    for (uint32_t k = 0; k < data->items.count; ++k) {
        const uint64_t begin = c->starts ? c->starts[k] : k,
                       end = c->starts ? c->starts[k + 1] : k + 1;
        const char *const item = lode__token(&data->items, k);
        if (type == LODE_COLUMN_TEXT) {
            if (end - begin > 1)
                at += (size_t)snprintf(text + at, sizeof text - at, "%s: %s\n", item,
                                       c->bytes + begin);
            continue;
        }
        const bool none =
            begin == end || (type == LODE_COLUMN_TOKEN && c->codes[k] == LODE_CODE_NONE);
        if (none || (type == LODE_COLUMN_FLOAT && isnan(c->values[k]))) continue;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s:", item);
        for (uint64_t j = begin; j < end; ++j)
            if (c->codes)
                at += (size_t)snprintf(text + at, sizeof text - at, " %s",
                                       lode__token(&c->tokens, c->codes[j]));
            else
                at += (size_t)snprintf(text + at, sizeof text - at, " %g", (double)c->values[j]);
        at += (size_t)snprintf(text + at, sizeof text - at, "\n");
    }
    assert_string_equal(text, expected);
}

static void movielens_colons(void **state) {
    shelf *s = *state;
    char said[4096];
    shelf_put(s, "ratings.dat", "1::10::5::978300760\n1::20::3::978302109\n2::10::4::978301968\n");
    shelf_put(s, "movies.dat",
              "10::Am\xe9lie (2001)::Comedy|Romance\n20::Heat (1995)::Action\n30::X::Drama\n");
    shelf_put(s, "users.dat", "1::F::1::10::48067\n2::M::56::16::70072\n");
    shelf_put(s, "tags.dat",
              "1::10::funny::978300760\n2::10::paris::978300761\n2::10::funny::1\n2::99::odd::1\n");
    shelf_put(s, "README", "no data\n");
    lode_dataset *data = import_saying(s, "", "label: 'rating>=4'", said);
    expect_log(data, "1 10 978300760000\n1 20 978302109000\n2 10 978301968000\n");
    assert_int_equal(data->behaviour[1], LODE_EXPOSURE);
    expect_items(data, "title", LODE_COLUMN_TEXT,
                 "10: Am\xc3\xa9lie (2001)\n20: Heat (1995)\n30: X\n");
    expect_items(data, "genres", LODE_COLUMN_TOKENS, "10: Comedy Romance\n20: Action\n30: Drama\n");
    expect_items(data, "tag", LODE_COLUMN_TOKENS, "10: funny paris\n");
    assert_int_equal(data->user_column_count, 4);
    assert_string_equal(data->user_columns[3].name, "zip_code");
    expect_said(said, "movies.dat: 1 line(s) were read as ISO-8859-1");
    expect_said(said, "tags.dat: 1 row(s) tag items of no log or table and are left out");
    lode__dataset_free(&data);
    shelf_refuse(s, "", "encoding: utf8", LODE_E_INPUT, "movies.dat:1:7: found byte 0xe9");
    shelf_put(s, "ratings.dat", "1::10::5::978300760\n1::20::3\n");
    shelf_refuse(s, "", NULL, LODE_E_INPUT, "ratings.dat:2:1: found 3 fields, expected 4");
}

static void movielens_100k(void **state) {
    shelf *s = *state;
    char said[4096];
    shelf_put(s, "u.data",
              "196\t242\t3\t881250949\n186\t302\t3\t891717742\n196\t302\t1\t881250950\n");
    shelf_put(s, "u.item",
              "242|Kolya (1996)|24-Jan-1997||http://x|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
              "302|L.A., Caf\xe9|01-Jan-1997||http://y|0|0|0|0|0|0|1|0|0|0|1|0|0|1|0|0|1|0|0\n");
    shelf_put(s, "u.user", "196|49|M|writer|55105\n186|39|F|executive|00000\n");
    shelf_put(s, "u.genre", "unknown|0\nAction|1\n");
    shelf_put(s, "u.info", "943 users\n1682 items\n");
    shelf_put(s, "u1.base", "196\t242\t3\t881250949\n");
    lode_dataset *data = import_saying(s, "", NULL, said);
    expect_log(data, "196 242 881250949000\n196 302 881250950000\n186 302 891717742000\n");
    assert_true(data->label[0] == 3.0f);
    expect_items(data, "genres", LODE_COLUMN_TOKENS,
                 "242: Comedy\n302: Crime Film-Noir Mystery Thriller\n");
    expect_items(data, "title", LODE_COLUMN_TEXT, "242: Kolya (1996)\n302: L.A., Caf\xc3\xa9\n");
    expect_said(said, "taken for user, item, rating, time");
    expect_said(said, "u1.base is skipped: it is a fold of u.data");
    expect_said(said, "column url is left out");
    lode__dataset_free(&data);
}

static void latin1(void **state) {
    shelf *s = *state;
    char said[4096];
    shelf_put(s, "l.csv", "user,item\na,caf\xe9\nb,\xc3\xa9\n");
    shelf_refuse(s, "l.csv", NULL, LODE_E_INPUT, "l.csv:2:6: found byte 0xe9, which is not UTF-8");
    lode_dataset *data = import_saying(s, "l.csv", "encoding: latin1", said);
    expect_log(data, "a caf\xc3\xa9 -1\nb \xc3\x83\xc2\xa9 -1\n"); // all of it, said the key
    expect_said(said, "l.csv: 2 line(s) were read as ISO-8859-1");
    lode__dataset_free(&data);
}

static void third_column(void **state) {
    shelf *s = *state;
    char said[4096];
    static const struct {
        const char *text, *options;
        bool weight, label;
    } cases[] = {{"1 10 1\n1 11 1\n2 10 1\n", NULL, true, false},   // all equal
                 {"1 10 0.5\n1 11 2\n2 10 1\n", NULL, true, false}, // fractions
                 {"1 10 5\n1 11 5\n2 10 4\n", NULL, true, false},   // a user has a number twice
                 {"1 10 0\n1 11 1\n2 10 0\n", NULL, false, false},  // an index within the user
                 {"1 10 1500000000\n1 11 1500000000\n", NULL, false, false}, // times
                 {"1 10 1\n1 11 1\n2 10 1\n", "third: time", false, false},
                 {"1 10 0\n1 11 1\n2 10 0\n", "third: weight", true, false},
                 {"1 10 3\n1 11 3\n2 10 5\n", "third: rating", false, true},
                 {"1,10,5\n1,11,5\n2,10,4\n", NULL, true, false},
                 {"1,10,0\n1,11,1\n2,10,0\n", NULL, false, false}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k) {
        shelf_put(s, "l.txt", cases[k].text);
        lode_dataset *data = import_saying(s, "l.txt", cases[k].options, said);
        if ((data->weight != NULL) != cases[k].weight || (data->label != NULL) != cases[k].label ||
            (data->time != NULL) == (cases[k].weight || cases[k].label))
            fail_msg("case %zu", k);
        lode__dataset_free(&data);
    }
    shelf_put(s, "l.txt", "1 10 x\n1 11 y\n");
    shelf_refuse(s, "l.txt", NULL, LODE_E_INPUT, "the format is not recognised");
}

static void counted_lists(void **state) {
    shelf *s = *state;
    char said[4096];
    shelf_put(s, "o.seq.tsv", "7\t1 2 1 3\t2\t1\t1\n8\t3 4\t0\t1\t1\n");
    shelf_put(
        s,
        "o.items.tsv", "1\tA fine red pen\tBic\n2\tTwo big blue pens\t\n9\tPaper of some kind\tX\n3\tOne, two three\tBic\n");
    shelf_put(s, "z.tsv", "q\tw x\t1\nr\tt\t2\n");
    lode_dataset *data = import_saying(s, "", NULL, said);
    expect_log(data, "7 1 -1\n7 2 -1\n7 1 -1\n7 3 -1\n8 3 -1\n8 4 -1\n");
    static const uint8_t parts[] = {0, 0, 1, 2, 1, 2};
    assert_memory_equal(data->part, parts, 6);
    expect_items(
        data, "title", LODE_COLUMN_TEXT,
        "1: A fine red pen\n2: Two big blue pens\n3: One, two three\n9: Paper of some kind\n");
    expect_items(data, "column_3", LODE_COLUMN_TOKEN, "1: Bic\n3: Bic\n9: X\n");
    expect_said(said,
                "o.items.tsv has no header: 3 of the first 4 values of its first column are items");
    expect_said(said, "z.tsv is skipped: it has no header, and its first column holds neither");
    lode__dataset_free(&data);
    shelf_put(s, "o.seq.tsv", "7\t1 2 1 3\t2\t1\t1\n8\t3 4\t0\t1\t2\n");
    shelf_refuse(s, "o.seq.tsv", "format: counted", LODE_E_INPUT,
                 "o.seq.tsv:2:1: found '8?3 4?0?1?2', expected as many items as the three numbers");
    shelf_put(s, "o.seq.tsv", "7\t1 2 1 3\t2\t1\t1\n\t3 4\t0\t1\t1\n");
    shelf_refuse(s, "o.seq.tsv", "format: counted", LODE_E_INPUT, "expected a user and items");
}

static void comirec(void **state) {
    shelf *s = *state;
    char said[4096];
    shelf_put(s, "book_train.txt", "1,10,0\n1,11,1\n1,10,2\n2,11,0\n");
    shelf_put(s, "book_valid.txt", "3,10,0\n");
    shelf_put(s, "book_test.txt", "4,12,0\n4,10,1\n");
    shelf_put(s, "book_item_cate.txt", "10,5\n11,6\n12,5\n");
    lode_dataset *data = import_saying(s, "", NULL, said);
    expect_log(data, "1 10 0\n1 11 1\n1 10 2\n2 11 0\n3 10 0\n4 12 0\n4 10 1\n");
    static const uint8_t parts[] = {0, 0, 0, 0, 1, 2, 2};
    assert_memory_equal(data->part, parts, 7);
    assert_int_equal(data->time_kind, LODE_TIME_ORDER);
    expect_items(data, "category", LODE_COLUMN_TOKEN, "10: 5\n11: 6\n12: 5\n");
    lode__dataset_free(&data);
}

static void taobao(void **state) {
    shelf *s = *state;
    char said[4096];
    shelf_put(
        s,
        "UserBehavior.csv", "1,10,7,pv,1511544070\n1,11,8,cart,1511561733\n2,10,9,fav,1511572885\n2,12,7,buy,1511593493\n");
    lode_dataset *data = import_saying(s, "UserBehavior.csv", NULL, said);
    expect_log(data,
               "1 10 1511544070000\n1 11 1511561733000\n2 10 1511572885000\n2 12 1511593493000\n");
    static const uint8_t behaviours[] = {LODE_CLICK, LODE_CART, LODE_FAVOURITE, LODE_BUY};
    assert_memory_equal(data->behaviour, behaviours, 4);
    assert_int_equal(data->context_count, 0);
    expect_items(data, "category", LODE_COLUMN_TOKEN, "10: 7\n11: 8\n12: 7\n");
    expect_said(said, "column category: 1 row(s) give an item another value than the first one");
    expect_said(said, "of items: category");
    lode__dataset_free(&data);
}

static void sessions(void **state) {
    shelf *s = *state;
    char said[4096];
    shelf_put(s, "clicks.dat",
              "1,2014-04-07T10:51:09.277Z,214536502,0\n1,2014-04-07T10:54:09.868Z,214536500,S\n"
              "2,2014-04-07T13:56:37.614Z,214662742,0\n");
    lode_dataset *data = import_saying(s, "clicks.dat", NULL, said);
    expect_log(data,
               "1 214536502 1396867869277\n1 214536500 1396868049868\n2 214662742 1396878997614\n");
    assert_non_null(data->session);
    assert_int_equal(data->context_count, 1);
    expect_said(said, "no column holds users; every session counts as a user");
    lode__dataset_free(&data);
    shelf_clear(s);
    shelf_put(s, "train-item-views.csv",
              "sessionId;userId;itemId;timeframe;eventdate\n1;NA;81766;526309;2016-05-09\n"
              "1;NA;31331;1031018;2016-05-09\n2;7;32118;243569;2016-05-09\n");
    shelf_put(s, "product-categories.csv", "itemId;categoryId\n81766;3\n");
    data = import_saying(s, "", NULL, said);
    expect_log(
        data,
        "session:1 81766 1462752526309\nsession:1 31331 1462753031018\n7 32118 1462752243569\n");
    expect_items(data, "categoryId", LODE_COLUMN_TOKEN, "81766: 3\n");
    expect_said(said, "2 row(s) name no user; their sessions count as users session:ID");
    expect_said(said, "column timeframe is added to the time");
    lode__dataset_free(&data);
    shelf_put(s, "train-item-views.csv",
              "sessionId;userId;itemId;timeframe;eventdate\n1;NA;81766;late;2016-05-09\n");
    shelf_refuse(s, "", NULL, LODE_E_INPUT,
                 "train-item-views.csv:2:12: found 'late', expected milli");
}

static void headless_names(void **state) {
    shelf *s = *state;
    char said[4096], options[256];
    snprintf(options, sizeof options, "columns: %s/map.yaml", s->folder);
    shelf_put(s, "map.yaml",
              "log: {names: [at, who, what, city, colour], user: who, item: what, time: at, "
              "user_columns: [city], item_columns: [colour]}\n"
              "item: {names: [what, price], id: what, price: float}\n");
    shelf_put(s, "l.csv",
              "2020-01-02,ann,pen,Rome,red\n2020-01-01,ann,ink,Oslo,\n2020-01-03,bob,pen,,blue\n");
    shelf_put(s, "goods.csv", "pen,1.5\nink,2\n");
    lode_dataset *data = import_saying(s, "", options, said);
    expect_log(data, "ann ink 1577836800000\nann pen 1577923200000\nbob pen 1578009600000\n");
    expect_items(data, "colour", LODE_COLUMN_TOKEN, "pen: red\n");
    expect_items(data, "price", LODE_COLUMN_FLOAT, "pen: 1.5\nink: 2\n");
    assert_string_equal(lode__token(&data->user_columns[0].tokens, data->user_columns[0].codes[0]),
                        "Rome");
    assert_int_equal(data->context_count, 0);
    lode__dataset_free(&data);
    shelf_put(s, "map.yaml", "log: {names: [who, what], user: who, item: what}\n");
    shelf_refuse(s, "l.csv", options, LODE_E_INPUT,
                 "l.csv:1:1: found 5 columns, expected 2 as under names in the columns file");
    shelf_put(s, "map.yaml", "log: {names: 5}\n");
    shelf_refuse(s, "l.csv", options, LODE_E_CONFIG, "map.yaml:1: expected a list of names");
    shelf_put(s, "map.yaml", "log: {names: [user, item]}\n");
    shelf_put(s, "l.inter", "user_id:token\titem_id:token\n1\t2\n");
    shelf_refuse(s, "l.inter", options, LODE_E_INPUT, "which names its columns itself");
    shelf_put(s, "l.csv", "name1,name2\nann,pen\n"); // names beat what looks like a header
    data = import_saying(s, "l.csv", options, said);
    expect_log(data, "name1 name2 -1\nann pen -1\n");
    lode__dataset_free(&data);
}

static void json_lines(void **state) {
    shelf *s = *state;
    char said[4096];
    shelf_put(
        s, "reviews.json",
        "{\"reviewerID\": \"A1\", \"asin\": \"B1\", \"reviewText\": \"so good I bought it again\", "
        "\"overall\": 5.0, \"unixReviewTime\": 1400000000, \"helpful\": [0, 1]}\n"
        "{\"reviewerID\": \"A2\", \"asin\": \"B2\", \"overall\": 2.0, \"unixReviewTime\": "
        "1400000001, "
        "\"summary\": \"bad\", \"later\": null}\n");
    shelf_put(
        s, "meta.json",
        "{\"asin\": \"B1\", \"title\": \"A pen\", \"price\": 1.5, \"brand\": \"Bic\", "
        "\"categories\": "
        "[[\"Office\", \"Pens\"], [\"Office\", \"Ink\"]], \"also_buy\": [\"B2\"], \"salesRank\": "
        "{\"Office\": 3}, \"size\": {\"w\": 2, \"deep\": {\"x\": 1}}}\n"
        "{\"asin\": \"B3\", \"title\": \"Paper\", \"brand\": null, \"v\": [0.5, 1, -2e3], \"ok\": "
        "true}\n");
    lode_dataset *data = import_saying(s, "", NULL, said);
    expect_log(data, "A1 B1 1400000000000\nA2 B2 1400000001000\n");
    assert_true(data->label[0] == 5.0f && data->label[1] == 2.0f);
    expect_items(data, "title", LODE_COLUMN_TEXT, "B1: A pen\nB3: Paper\n");
    expect_items(data, "categories", LODE_COLUMN_TOKENS, "B1: Office Pens Ink\n");
    expect_items(data, "price", LODE_COLUMN_FLOAT, "B1: 1.5\n");
    expect_items(data, "v", LODE_COLUMN_FLOATS, "B3: 0.5 1 -2000\n");
    expect_items(data, "size.w", LODE_COLUMN_TOKEN, "B1: 2\n");
    expect_items(data, "ok", LODE_COLUMN_TOKEN, "B3: true\n");
    expect_said(said, "column reviewText is left out: it is about the review");
    expect_said(said, "column also_buy is left out: it lists other items");
    expect_said(said, "meta.json: 1 values are left out, first 'size' in line 1: an object within");
    lode__dataset_free(&data);
}

static void json_refused(void **state) {
    shelf *s = *state;
    static const struct {
        const char *text, *piece;
    } cases[] = {
        {"{'user': 1, 'item': 2}\n", "l.jsonl:1:2: found broken JSON"},
        {"{\"user\": 1, \"item\": 2}\n{\"user\": 1, \"item\"}\n", "l.jsonl:2:"},
        {"{\"user\": 1, \"item\": 2}\n[1, 2]\n", "l.jsonl:2:1: found JSON that is no object"},
        {"[{\"user\": 1, \"item\": 2}]\n",
         "l.jsonl:1:1: found JSON that is no object, expected one"},
        {"{\"user\": 1, \"item\": 2}\n{\"user\": 1, \"user\": 1, \"item\": 2}\n", "duplicate"},
        {"{\"user\": 1, \"item\": 2}\n{\"item\": 2}\n", "l.jsonl:2:1: found no user"},
        {"{\"user\": 1, \"item\": 2}\n{\"user\": 99999999999999999999, \"item\": 2}\n",
         "l.jsonl:2:"},
        {"{\"a\": 1}\n", "found the columns 'a', expected one that holds the user"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k) {
        shelf_put(s, "l.jsonl", cases[k].text);
        shelf_refuse(s, "l.jsonl", NULL, LODE_E_INPUT, cases[k].piece);
    }
    char said[4096];
    shelf_put(s, "l.jsonl",
              "{\"user\": 1, \"item\": 2}\nno\n{\"item\": \"a\\u00e9\\n\", \"user\": 1.5}\n");
    lode_dataset *data = import_saying(s, "l.jsonl", "max_errors: 1", said);
    expect_log(data, "1 2 -1\n1.5 a\xc3\xa9\n -1\n");
    lode__dataset_free(&data);
}

static void attribute_maps(void **state) {
    shelf *s = *state;
    char said[4096];
    shelf_put(s, "A.txt", "1 10 11\n2 12 10 11\n");
    shelf_put(s, "A_item2attributes.json", "{\"10\": [1, 2, \"x y\"], \"12\": 3, \"99\": [1]}");
    shelf_put(s, "B_item2attributes.json", "{\n  \"10\": [7]\n}\n");
    shelf_put(s, "maker.json", "{\n  \"11\": \"M\"\n}\n");
    lode_dataset *data = import_saying(s, "", NULL, said);
    expect_items(data, "attributes", LODE_COLUMN_TOKENS, "10: 1 2 x y\n12: 3\n");
    expect_items(data, "maker", LODE_COLUMN_TOKENS, "11: M\n");
    expect_said(said, "B_item2attributes.json is skipped: it belongs to another set");
    expect_said(said, "A_item2attributes.json: 1 items stand in no log or table and are left out");
    lode__dataset_free(&data);
    data = import_saying(s, "A.txt", NULL, said); // picks its map up, and that alone
    assert_int_equal(data->item_column_count, 1);
    lode__dataset_free(&data);
    shelf_put(s, "A_item2attributes.json", "{\"10\": {\"a\": 1}}");
    shelf_refuse(s, "A.txt", NULL, LODE_E_INPUT,
                 "found another value than a token, a number or a list");
    shelf_put(s, "A_item2attributes.json", "{\"10\": [1, 2");
    shelf_refuse(s, "A.txt", NULL, LODE_E_INPUT, "A_item2attributes.json:2:1: found");
    shelf_put(s, "A_item2attributes.json", "[1]");
    shelf_refuse(s, "A.txt", NULL, LODE_E_INPUT, "found JSON that is no object");
}

static void time_formats(void **state) {
    shelf *s = *state;
    static const struct {
        const char *cell;
        long long ms;
    } cases[] = {{"2017-10-01 03:00:28", 1506826828000},
                 {"20171001", 1506816000000},
                 {"2017/10/01 03:00:28.5", 1506826828500},
                 {"2017-10-01 03:00:28 UTC", 1506826828000},
                 {"1506826828.25", 1506826828250}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k) {
        char text[128], said[4096], expected[64];
        snprintf(text, sizeof text, "user,item,time\na,b,%s\n", cases[k].cell);
        snprintf(expected, sizeof expected, "a b %lld\n", cases[k].ms);
        shelf_put(s, "l.csv", text);
        lode_dataset *data = import_saying(s, "l.csv", NULL, said);
        expect_log(data, expected);
        lode__dataset_free(&data);
    }
    shelf_put(s, "l.csv", "user,item,time\na,b,20171001\na,c,1506826828\n");
    shelf_refuse(s, "l.csv", NULL, LODE_E_INPUT,
                 "l.csv:3:5: found '1506826828', expected a date such");
    shelf_put(s, "l.csv", "user,item,time\na,b,1506826828\na,c,20171001\n");
    shelf_refuse(s, "l.csv", NULL, LODE_E_INPUT, "l.csv:3:5: found '20171001', expected seconds");
    shelf_put(s, "l.csv", "user,item,time\na,b,20171001\na,c,20171301\n");
    shelf_refuse(s, "l.csv", NULL, LODE_E_INPUT, "l.csv:3:5: found '20171301', expected a date such");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shelf_make, shelf_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(movielens_colons), CASE(movielens_100k), CASE(latin1),       CASE(third_column),
        CASE(counted_lists),    CASE(comirec),        CASE(taobao),       CASE(sessions),
        CASE(headless_names),   CASE(json_lines),     CASE(json_refused), CASE(attribute_maps),
        CASE(time_formats)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
