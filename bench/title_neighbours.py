#!/usr/bin/env python3
"""Title vectors made elsewhere, and how good neighbours by title are.

    title_neighbours.py make TABLE OUT.npy [--id 0 --title 1 --dim 256 --method svd]
    title_neighbours.py compare DATA.lode TABLE --column genres [--id 0 --title 1 -k 10]

`make` reads a table (tab-separated, or CSV where its name ends so), makes a vector of each title with scikit-learn
(TF-IDF of words and of pieces of 3 to 5 letters, truncated SVD to `dim` numbers, length 1) and writes OUT.npy with the
ids in OUT.ids, one a line: what `lodestone mine --miner vectors --set file=OUT.npy` reads. A language model takes the
place of `vectors_of`; nothing else changes.

`compare` prints the share of neighbours that share a token of `column` with their item, for the miner `titles` with the
given --set, for `vectors` on what `make` makes, and for pairs by chance. Items without a token that another has do not count.
"""
import argparse
import collections
import csv
import os
import random
import subprocess
import tempfile


def read_table(path, id_column, title_column):
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(file) if path.endswith(".csv") else (
            line.rstrip("\r\n").split("\t") for line in file)
        rows = [row for row in rows if len(row) > max(id_column, title_column)]
    return [row[id_column] for row in rows], [row[title_column] for row in rows]


def vectors_of(titles, dim, method):
    """[titles, dim] float32; method: svd (words and pieces), svd-words (words and pairs), svd-pieces."""
    import numpy
    from scipy.sparse import hstack
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    parts = []
    if method != "svd-pieces":
        parts.append(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+"))
    if method != "svd-words":
        parts.append(TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True))
    matrix = hstack([part.fit_transform(titles) for part in parts]).tocsr()
    if method == "tfidf":
        return matrix
    vectors = TruncatedSVD(min(dim, min(matrix.shape) - 1), random_state=1).fit_transform(matrix)
    vectors /= numpy.maximum(numpy.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors.astype("<f4")


def make(table, output, id_column, title_column, dim, method):
    import numpy
    ids, titles = read_table(table, id_column, title_column)
    numpy.save(output, vectors_of(titles, dim, method))
    with open(os.path.splitext(output)[0] + ".ids", "w", encoding="utf-8") as file:
        file.writelines(name + "\n" for name in ids)


def mine(program, data, miner, sets, output):
    command = [program, "mine", "-q", "--data", data, "--miner", miner, "--cache", "none", "-o", output]
    for setting in sets:
        command += ["--set", setting]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(output, encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file]


def share(pairs, tokens):
    """Percent of the pairs of items with tokens that share one, and how many such pairs there are."""
    known = [(a, b) for a, b in pairs if a in tokens and b in tokens]
    hits = sum(1 for a, b in known if not tokens[a].isdisjoint(tokens[b]))
    return 100 * hits / max(len(known), 1), len(known)


def compare(a):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.tsv")
        tokens = collections.defaultdict(set)
        for item, token, _ in mine(a.program, a.data, "taxonomy", [f"column={a.column}"], out):
            tokens[item].add(token)
        names = sorted(tokens)
        chance = random.Random(1)
        pairs = [tuple(chance.sample(names, 2)) for _ in range(200000)]
        rows = [("pairs by chance", *share(pairs, tokens))]
        for setting in a.sets or [""]:
            sets = [f"k={a.k}"] + setting.split()
            found = mine(a.program, a.data, "titles", sets, out)
            rows.append(("titles " + setting, *share([pair[:2] for pair in found], tokens)))
        for method in a.methods:
            file = os.path.join(folder, "titles.npy")
            make(a.table, file, a.id, a.title, a.dim, method)
            found = mine(a.program, a.data, "vectors", [f"k={a.k}", f"file={file}"], out)
            name = f"scikit-learn {method}, dim {a.dim}"
            rows.append((name, *share([pair[:2] for pair in found], tokens)))
    for name, percent, count in rows:
        print(f"{name:50}  {percent:6.2f} %  of {count} pairs", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    of_make, of_compare = verbs.add_parser("make"), verbs.add_parser("compare")
    of_compare.add_argument("data")
    of_compare.add_argument("table")
    of_make.add_argument("table")
    of_make.add_argument("output")
    for verb in (of_make, of_compare):
        verb.add_argument("--id", type=int, default=0)
        verb.add_argument("--title", type=int, default=1)
        verb.add_argument("--dim", type=int, default=256)
    of_make.add_argument("--method", default="svd", choices=["svd", "svd-words", "svd-pieces"])
    of_compare.add_argument("--column", required=True)
    of_compare.add_argument("--program", default="build/lodestone")
    of_compare.add_argument("-k", type=int, default=10)
    of_compare.add_argument("--set", dest="sets", action="append", help="settings of titles; repeat to compare")
    of_compare.add_argument("--methods", nargs="*", default=["svd", "svd-words", "svd-pieces"])
    a = parser.parse_args()
    if a.verb == "make":
        make(a.table, a.output, a.id, a.title, a.dim, a.method)
    else:
        compare(a)


if __name__ == "__main__":
    main()
