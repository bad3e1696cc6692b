#!/usr/bin/env python3
"""How much the order of clicks alone says: a first-order Markov chain under leave-one-out.

    bench/markov.py FILE.inter[.gz]        (RecBole: user_id item_id [rating] timestamp, tab separated)

The last click of a user is the test, the one before it validation, the rest training (users with fewer than three
clicks only train). Items are ranked by how often they followed the user's last known item in training, then by
popularity; items of the history are left out. Prints hit@50 on the test.
"""
import gzip
import sys
from collections import Counter, defaultdict


def read(path):
    opener = gzip.open if path.endswith(".gz") else open
    users = defaultdict(list)
    with opener(path, "rt", encoding="utf-8") as file:
        head = [name.split(":")[0] for name in next(file).rstrip("\n").split("\t")]
        user, item, time = (head.index(name) for name in ("user_id", "item_id", "timestamp"))
        for number, line in enumerate(file):
            row = line.rstrip("\n").split("\t")
            users[row[user]].append((float(row[time]), number, row[item]))
    return {user: [item for _, _, item in sorted(clicks)] for user, clicks in users.items()}


def main():
    users = read(sys.argv[1])
    follows, popular = defaultdict(Counter), Counter()
    for clicks in users.values():
        train = clicks[:-2] if len(clicks) >= 3 else clicks
        popular.update(train)
        for before, after in zip(train, train[1:]):
            follows[before][after] += 1
    ranked = [item for item, _ in popular.most_common()]
    hits = cases = 0
    for clicks in users.values():
        if len(clicks) < 3:
            continue
        seen = set(clicks[:-1])
        best = sorted((i for i in follows[clicks[-2]] if i not in seen),
                      key=lambda i: (-follows[clicks[-2]][i], -popular[i]))[:50]
        if len(best) < 50:
            have = seen | set(best)
            best += [i for i in ranked if i not in have][:50 - len(best)]
        hits += clicks[-1] in best
        cases += 1
    print(f"hit@50 {hits / cases:.4f} of {cases} users")


main()
