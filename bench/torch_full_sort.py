#!/usr/bin/env python3
"""Full ranking as research frameworks do it: dense scores of a batch of users, seen items masked, torch.topk.

    bench/torch_full_sort.py users.npy items.npy clicks.csv --user user_id --item click_article_id [--k 100]

The vectors are those of `lodestone encode --users users.npy --items items.npy` (with their .ids); the log says which
items each user has seen (CSV with a header, .gz or .zst unpacked by the system's tools). A batch costs users x items
floats for scores and as much again inside topk; that is why batches stay small. The last click of each user in the
file is the item to be found, all before it are masked: the leave-one-out test without the cost of encoding users,
which our side pays. Prints one JSON object: users_per_second (ranking alone), seconds, peak_rss_bytes, hit.
"""
import argparse
import csv
import io
import json
import resource
import subprocess
import time

import numpy
import torch


def open_log(path):
    tool = {'zst': 'zstd', '.gz': 'gzip'}.get(path[-3:])
    if tool is None:
        return open(path, newline='')
    return io.TextIOWrapper(subprocess.Popen([tool, '-dc', path], stdout=subprocess.PIPE).stdout, newline='')


def read_ids(path):
    with open(path[:-4] + '.ids') as f:
        return {token: row for row, token in enumerate(f.read().split('\n')[:-1])}


def read_seen(args, users, items):
    """[user row] -> item rows in the order of time (of the file without a time column), -1 = no vector."""
    seen = [[] for _ in users]
    with open_log(args.log) as f:
        for row in csv.DictReader(f):
            user = users.get(row[args.user])
            if user is not None:
                seen[user].append((int(row[args.time]) if args.time else 0, items.get(row[args.item], -1)))
    for one in seen:
        one.sort(key=lambda click: click[0])
    return [[item for _, item in one] for one in seen]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('users')
    parser.add_argument('items')
    parser.add_argument('log')
    parser.add_argument('--user', default='user_id')
    parser.add_argument('--item', default='item_id')
    parser.add_argument('--time', help='column of times')
    parser.add_argument('--k', type=int, default=100)
    parser.add_argument('--batch', type=int, default=1024)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--most', type=int, default=0, help='users to rank, 0 = all')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    user_vectors = torch.from_numpy(numpy.load(args.users))
    item_vectors = torch.from_numpy(numpy.load(args.items)).T.contiguous()
    seen = read_seen(args, read_ids(args.users), read_ids(args.items))
    count = min(args.most or len(seen), len(seen))
    hits, start = 0, time.perf_counter()
    for begin in range(0, count, args.batch):
        rows = seen[begin:min(begin + args.batch, count)]
        scores = user_vectors[begin:begin + len(rows)] @ item_vectors
        masked = [(row, item) for row, items in enumerate(rows) for item in items[:-1] if item >= 0]
        where = torch.tensor(masked, dtype=torch.long).reshape(-1, 2)
        scores[where[:, 0], where[:, 1]] = -torch.inf
        top = torch.topk(scores, args.k, dim=1).indices
        truth = torch.tensor([items[-1] if items else -1 for items in rows])
        hits += int((top == truth[:, None]).any(dim=1).sum())
    seconds = time.perf_counter() - start
    print(json.dumps({'users': count, 'items': item_vectors.shape[1], 'k': args.k, 'batch': args.batch,
                      'torch': torch.__version__, 'seconds': seconds, 'users_per_second': count / seconds,
                      'peak_rss_bytes': 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                      f'hit@{args.k}': hits / count}))


main()
