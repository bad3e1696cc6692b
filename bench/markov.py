#!/usr/bin/env python3
"""How much the order of clicks alone says: Markov chains, sharing no code with lodestone.

    bench/markov.py FILE.inter[.gz]                      first order, leave-one-out
    bench/markov.py FILE.inter[.gz] --cut 0.9 --order 5  the last 5 clicks, weighed by 1 / distance; chronological

FILE is RecBole's: user_id item_id [rating] timestamp, tab separated. Leave-one-out: the last click of a user is the
test, the one before it validation, the rest training (users with fewer than three clicks only train); items of the
history are left out, and popularity fills the list. With --cut: the share of all clicks, the earliest, that trains;
each later click is a case from the clicks before it, those of the test included, nothing left out; clicks on items that
training never saw are dropped (the protocol micrec). Prints hit@50 on the test.
"""
import argparse
import gzip
from collections import Counter, defaultdict


def read(path):
    """(user, item) in the order of time."""
    opener = gzip.open if path.endswith(".gz") else open
    rows = []
    with opener(path, "rt", encoding="utf-8") as file:
        head = [name.split(":")[0] for name in next(file).rstrip("\n").split("\t")]
        user, item, time = (head.index(name) for name in ("user_id", "item_id", "timestamp"))
        for number, line in enumerate(file):
            row = line.rstrip("\n").split("\t")
            rows.append((float(row[time]), number, row[user], row[item]))
    return [(user, item) for _, _, user, item in sorted(rows)]


def leave_one_out(clicks):
    users = defaultdict(list)
    for user, item in clicks:
        users[user].append(item)
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
    return hits, cases


def chronological(clicks, cut, order):
    follows, popular, history = defaultdict(Counter), Counter(), defaultdict(list)
    first_test = int(cut * len(clicks))
    for user, item in clicks[:first_test]:
        for distance, before in enumerate(reversed(history[user][-order:]), 1):
            follows[before][item] += 1 / distance
        history[user].append(item)
        popular[item] += 1
    hits = cases = 0
    for user, item in clicks[first_test:]:
        if popular[item]:
            scores = Counter()
            for distance, before in enumerate(reversed(history[user][-order:]), 1):
                total = sum(follows[before].values())
                for after, count in follows[before].most_common(300):
                    scores[after] += count / total / distance
            hits += item in dict(scores.most_common(50))
            cases += 1
        history[user].append(item)
    return hits, cases


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--cut", type=float, help="share of the clicks that trains; without it leave-one-out")
    parser.add_argument("--order", type=int, default=5, help="with --cut: clicks looked back at")
    args = parser.parse_args()
    clicks = read(args.file)
    hits, cases = chronological(clicks, args.cut, args.order) if args.cut else leave_one_out(clicks)
    print(f"hit@50 {hits / cases:.4f} of {cases} cases")


main()
