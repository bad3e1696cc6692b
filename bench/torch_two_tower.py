#!/usr/bin/env python3
"""The two-tower model of presets in PyTorch, for timing beside ours on the same data files.

    torch_two_tower.py FOLDER [--loss in_batch|sampled] [--precision f32|bf16] [--seconds 20 | --epochs 1 --rank 50]

FOLDER holds RecBole files NAME.inter (user_id, item_id, timestamp), NAME.item and NAME.user with token columns. Every
training click with at least --min-history clicks before it is an example; each user's last two clicks are left out.

User   last 20 clicks: item id embedding + position, one post-norm Transformer block (64 wide, 4 heads, feed-forward
       256), flattened, user id's and user fields' embeddings beside it, MLP 128-64-64
Item   embeddings of id and fields side by side, MLP 128-64-64
Loss   in_batch: softmax over the batch's items, log of the items' share of clicks subtracted, repeats masked;
       sampled: softmax over the item and 50 uniform ones, drawn once a batch

As fast as we know to write it: Adam for dense weights and small tables (--dense-rows; their gradients are cheaper than
coalescing sparse ones), SparseAdam for large tables, shared negatives encoded once, sequences without padding take the
mask-free path, attention is PyTorch's own fused one where it has one, batches are made outside the clock (ours are made
inside). bf16 is autocast. Prints one JSON line; --rank K ranks all items with a training click for each user's last click,
seen ones left out, and adds hit: the share found among the first K.
"""
import argparse
import glob
import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

DIM, HISTORY, NEGATIVES = 64, 20, 50


def read_table(path):
    """Columns of a RecBole file by name, as lists of texts."""
    with open(path) as file:
        names = [field.split(':')[0] for field in file.readline().rstrip('\n').split('\t')]
        rows = [line.rstrip('\n').split('\t') for line in file]
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def numbers_of(texts):
    """Texts as numbers from 1, and how many rows a table for them has."""
    values, codes = np.unique(np.array(texts), return_inverse=True)
    return codes + 1, len(values) + 1


class Shop:
    def __init__(self, folder, min_history):
        log = read_table(glob.glob(f'{folder}/*.inter')[0])
        users, self.user_rows = numbers_of(log['user_id'])
        item_names = {name: row + 1 for row, name in enumerate(dict.fromkeys(log['item_id']))}
        items = np.array([item_names[name] for name in log['item_id']])
        order = np.lexsort((np.array(log['timestamp'], np.float64), users))
        users, items = users[order], items[order]
        self.item_fields, self.item_sizes = self.fields(folder, 'item', item_names)
        self.item_fields.insert(0, torch.arange(len(item_names) + 1))
        self.item_sizes.insert(0, len(item_names) + 1)
        names, codes = np.unique(np.array(log['user_id']), return_inverse=True)
        self.user_fields, self.user_sizes = self.fields(folder, 'user', {n: r + 1 for r, n in enumerate(names)})
        self.user_fields.insert(0, torch.arange(self.user_rows))
        self.user_sizes.insert(0, self.user_rows)
        self.examples(users, items, min_history)

    @staticmethod
    def fields(folder, side, row_of):
        """For every column a tensor [rows] of codes; row 0 and unknown ones are 0."""
        found, sizes = [], []
        for path in glob.glob(f'{folder}/*.{side}'):
            table = read_table(path)
            rows = np.array([row_of.get(name, 0) for name in table[f'{side}_id']])
            for name, texts in table.items():
                if name == f'{side}_id':
                    continue
                codes, size = numbers_of(texts)
                column = np.zeros(len(row_of) + 1, np.int64)
                column[rows] = codes
                column[0] = 0
                found.append(torch.from_numpy(column))
                sizes.append(size)
        return found, sizes

    def examples(self, users, items, min_history):
        """The log stays as it is; an example is a position in it. Histories are cut out when a batch is made."""
        first = np.searchsorted(users, np.arange(users.max() + 2))
        place = np.arange(len(users)) - first[users]
        left = first[users + 1] - np.arange(len(users))
        self.position = torch.from_numpy(np.flatnonzero((place >= min_history) & (left > 2)))
        self.user, self.item = torch.from_numpy(users), torch.from_numpy(items)
        self.place = torch.from_numpy(place)
        self.left = torch.from_numpy(left)
        count = np.bincount(items[left > 2], minlength=self.item_sizes[0])
        self.trained = torch.from_numpy(count > 0)
        self.log_q = torch.from_numpy(np.log(np.maximum(count, 1) / count.sum())).float()

    def batch(self, part):
        """User, history, where it is empty, and target of positions in the log."""
        back = torch.arange(1, HISTORY + 1)
        known = back[None, :] <= self.place[part][:, None]
        history = self.item[(part[:, None] - back).clamp(min=0)].masked_fill(~known, 0)
        return self.user[part], history, ~known, self.item[part]

    def batches(self, size):
        while True:
            for part in self.position[torch.randperm(len(self.position))].split(size):
                yield self.batch(part)


def mlp(inputs):
    return nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, DIM))


class TwoTower(nn.Module):
    def __init__(self, shop, dense_rows):
        super().__init__()
        self.shop = shop
        self.item_tables = nn.ModuleList(nn.Embedding(n, DIM, sparse=n > dense_rows) for n in shop.item_sizes)
        self.user_tables = nn.ModuleList(nn.Embedding(n, DIM, sparse=n > dense_rows) for n in shop.user_sizes)
        self.places = nn.Parameter(torch.zeros(HISTORY, DIM))
        for table in [*self.item_tables, *self.user_tables]:
            nn.init.normal_(table.weight, std=0.05)
        nn.init.normal_(self.places, std=0.05)
        self.block = nn.TransformerEncoderLayer(DIM, 4, 256, dropout=0.0, batch_first=True)
        self.user_mlp = mlp((HISTORY + len(self.user_tables)) * DIM)
        self.item_mlp = mlp(len(self.item_tables) * DIM)

    def sparse_tables(self):
        return [t.weight for t in [*self.item_tables, *self.user_tables] if t.sparse]

    def users(self, user, history, unknown):
        x = self.item_tables[0](history) + self.places
        if unknown.any():
            x = self.block(x, src_key_padding_mask=unknown).masked_fill(unknown.unsqueeze(-1), 0.0)
        else:
            x = self.block(x)
        fields = [table(codes[user]) for table, codes in zip(self.user_tables, self.shop.user_fields)]
        return self.user_mlp(torch.cat([x.flatten(1)] + fields, 1))

    def items(self, item):
        return self.item_mlp(torch.cat([t(c[item]) for t, c in zip(self.item_tables, self.shop.item_fields)], 1))

    def loss(self, kind, user, history, unknown, target):
        query, key = self.users(user, history, unknown), self.items(target)
        if kind == 'in_batch':
            logits = query @ key.T - self.shop.log_q[target]
            same = target[:, None] == target[None, :]
            same.fill_diagonal_(False)
            return F.cross_entropy(logits.masked_fill_(same, -torch.inf), torch.arange(len(target)))
        drawn = torch.randint(1, self.shop.item_sizes[0], (NEGATIVES,))
        other = (query @ self.items(drawn).T).masked_fill(target[:, None] == drawn, -torch.inf)
        logits = torch.cat([(query * key).sum(1, keepdim=True), other], 1)
        return F.cross_entropy(logits, torch.zeros(len(target), dtype=torch.long))


def rank(model, shop, most):
    """The share of users whose last click is among the first `most` of all items, those seen before left out."""
    hits, users = 0, torch.nonzero(shop.left == 1).flatten()
    with torch.no_grad():
        keys = model.items(torch.arange(shop.item_sizes[0])).float().T
        for part in users.split(512):
            user, history, unknown, target = shop.batch(part)
            scores = model.users(user, history, unknown).float() @ keys
            scores[:, ~shop.trained] = -torch.inf
            for row, position in enumerate(part.tolist()):
                scores[row, shop.item[position - int(shop.place[position]):position]] = -torch.inf
            hits += int((torch.topk(scores, most).indices == target[:, None]).sum())
    return hits / len(users)


class Training:
    """A model with its optimisers; what trains it returns the report of that piece of training."""

    def __init__(self, shop, args, loss):
        torch.manual_seed(1)
        self.shop, self.args, self.loss, self.losses = shop, args, loss, []
        self.model = TwoTower(shop, args.dense_rows)
        sparse = {id(p) for p in self.model.sparse_tables()}
        self.optimisers = [torch.optim.Adam([p for p in self.model.parameters() if id(p) not in sparse], lr=args.rate)]
        if sparse:
            self.optimisers.append(torch.optim.SparseAdam(self.model.sparse_tables(), lr=args.rate))
        self.batches = shop.batches(args.batch)

    def step(self, batch):
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        with torch.autocast('cpu', torch.bfloat16, enabled=self.args.precision == 'bf16'):
            loss = self.model.loss(self.loss, *batch)
        loss.backward()
        for optimiser in self.optimisers:
            optimiser.step()
        self.losses.append(loss.item())

    def until(self, done, warm):
        """The first `warm` steps are not timed; done(seconds, steps with those) says when to stop."""
        seconds, examples, steps, first = 0.0, 0, 0, len(self.losses)
        while not done(seconds, len(self.losses) - first):
            batch = next(self.batches)
            start = time.perf_counter()
            self.step(batch)
            if len(self.losses) - first > warm:
                seconds += time.perf_counter() - start
                examples += len(batch[0])
                steps += 1
        return {'examples_per_second': examples / seconds, 'steps': steps, 'seconds': seconds,
                'examples': len(self.shop.position), 'parameters': sum(p.numel() for p in self.model.parameters()),
                'loss_first': self.losses[0], 'loss_last': self.losses[-1], 'torch': torch.__version__}

    def epochs(self, count, warm=3):  # as in our own clock
        steps = count * -(-len(self.shop.position) // self.args.batch)
        return self.until(lambda _, done: done >= steps, warm)

    def spell(self, length, warm=3):
        return self.until(lambda seconds, _: seconds >= length, warm)


def serve(shop, args):
    """Commands from standard input, a JSON line for each: `epoch LOSS K` starts anew and ranks, `go SECONDS` goes on."""
    training = None
    for line in sys.stdin:
        word, *rest = line.split()
        if word == 'epoch':
            training = Training(shop, args, rest[0])
            report = training.epochs(1)
            report['hit'] = rank(training.model, shop, int(rest[1]))
        else:
            report = training.spell(float(rest[0]), 1)
        print(json.dumps(report), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder')
    parser.add_argument('--loss', choices=['in_batch', 'sampled'], default='in_batch')
    parser.add_argument('--precision', choices=['f32', 'bf16'], default='f32')
    parser.add_argument('--batch', type=int, default=4096)
    parser.add_argument('--min-history', type=int, default=20)
    parser.add_argument('--seconds', type=float, default=20, help='of the clock, unless --epochs is given')
    parser.add_argument('--epochs', type=int, default=0, help='train so many whole ones')
    parser.add_argument('--rank', type=int, default=0, metavar='K', help='measure hit@K at the end')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rate', type=float, default=1e-3, help="Adam's")
    parser.add_argument('--dense-rows', type=int, default=1000, help='tables of up to so many rows have dense gradients')
    parser.add_argument('--serve', action='store_true', help='train what standard input asks for')
    parser.add_argument('--profile', action='store_true', help='print the time by operation of ten steps')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    shop = Shop(args.folder, args.min_history)
    if args.serve:
        serve(shop, args)
        return
    training = Training(shop, args, args.loss)
    if args.profile:
        training.step(next(training.batches))
        with torch.profiler.profile() as profile:
            for _ in range(10):
                training.step(next(training.batches))
        print(profile.key_averages().table(sort_by='self_cpu_time_total', row_limit=25, max_name_column_width=60))
        return
    report = training.epochs(args.epochs) if args.epochs else training.spell(args.seconds)
    if args.rank:
        report['hit'] = rank(training.model, shop, args.rank)
    print(json.dumps(report))


main()
