#!/usr/bin/env python3
"""SASRec in PyTorch, for timing and quality beside ours on the same data file.

    torch_sasrec.py FOLDER [--hidden 50] [--maxlen 200] [--batch 128] [--epochs 3] [--evaluate]

FOLDER holds a RecBole file NAME.inter[.gz] (user_id, item_id, timestamp). Each user's last click is the test, the one
before it validation; a sequence is a user's last --maxlen training clicks, padded at the left.

The model is that of the public code (pmixer/SASRec.pytorch), whose settings are the defaults here: item embeddings times
sqrt(hidden), positions, dropout; blocks of q = LN(x), x = LN(q + attention(q; x, x)), x = x + FF(x); a last layer norm;
binary cross-entropy of each position's next click against one uniform negative that the user never clicked; Adam
(1e-3, .9, .98). Dropout of attention is on its output, as in ours; --dropout-at weights puts it on the attention
weights, as the public code. --fast: no debug or slow paths of PyTorch are used in any case: attention is two batched
products and a masked softmax, losses are taken of the valid positions alone, batches are made outside the clock.

Prints one JSON line: targets_per_second counts valid positions, not padding. --evaluate adds hit@10 and ndcg@10 of the
test click among all items, seen ones left out, as `lodestone eval --protocol leave_one_out` has them.
"""
import argparse
import contextlib
import glob
import gzip
import itertools
import json
import math
import resource
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def read_log(folder):
    """Clicks of every user in order of time, as numbers from 1."""
    path = sorted(glob.glob(f'{folder}/*.inter') + glob.glob(f'{folder}/*.inter.gz'))[0]
    with (gzip.open(path, 'rt') if path.endswith('.gz') else open(path)) as file:
        names = [field.split(':')[0] for field in file.readline().rstrip('\n').split('\t')]
        rows = [line.rstrip('\n').split('\t') for line in file]
    user, item, when = (names.index(name) for name in ('user_id', 'item_id', 'timestamp'))
    numbers, clicks = {}, {}
    for row in sorted(rows, key=lambda row: float(row[when])):  # stable: the file's order where times are equal
        clicks.setdefault(row[user], []).append(numbers.setdefault(row[item], len(numbers) + 1))
    return list(clicks.values()), len(numbers)


class Windows:
    """Training windows and their negatives, made by numpy."""

    def __init__(self, users, items, maxlen):
        self.users = [clicks[:-2] if len(clicks) >= 3 else clicks for clicks in users]
        self.users = [clicks for clicks in self.users if len(clicks) > 1]
        self.items, self.maxlen = items, maxlen
        self.known = np.zeros((len(self.users), items + 1), bool)
        for row, clicks in enumerate(self.users):
            self.known[row, clicks] = True
        self.inputs = np.zeros((len(self.users), maxlen), np.int64)
        self.positives = np.zeros_like(self.inputs)
        for row, clicks in enumerate(self.users):
            window = clicks[-maxlen - 1:]
            self.inputs[row, maxlen - len(window) + 1:] = window[:-1]
            self.positives[row, maxlen - len(window) + 1:] = window[1:]
        self.random = np.random.default_rng(1)

    def epoch(self, batch):
        order = self.random.permutation(len(self.users))
        for first in range(0, len(order), batch):
            rows = order[first:first + batch]
            negatives = self.random.integers(1, self.items + 1, (len(rows), self.maxlen))
            while True:
                again = self.known[rows[:, None], negatives]
                if not again.any():
                    break
                negatives[again] = self.random.integers(1, self.items + 1, again.sum())
            yield tuple(torch.from_numpy(x) for x in (self.inputs[rows], self.positives[rows], negatives))


class Block(nn.Module):
    def __init__(self, hidden, heads, dropout, at_weights):
        super().__init__()
        self.heads, self.at_weights = heads, at_weights
        self.query, self.pair, self.output = nn.Linear(hidden, hidden), nn.Linear(hidden, 2 * hidden), nn.Linear(hidden, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden, eps=1e-8) for _ in range(2))
        self.inner, self.outer = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)

    def attention(self, query, x, mask):
        b, n, d = x.shape
        width = d // self.heads
        q = self.query(query) * (1 / math.sqrt(width))
        k, v = self.pair(x).split(d, 2)
        q, k, v = (t.reshape(b, n, self.heads, width).transpose(1, 2).reshape(-1, n, width) for t in (q, k, v))
        weights = torch.baddbmm(mask, q, k.transpose(1, 2)).softmax(-1)
        if self.at_weights:
            weights = self.dropout(weights)
        y = torch.bmm(weights, v).reshape(b, self.heads, n, width).transpose(1, 2).reshape(b, n, d)
        y = self.output(y)
        return y if self.at_weights else self.dropout(y)

    def forward(self, x, mask):
        query = self.norms[0](x)
        x = self.norms[1](query + self.attention(query, x, mask))
        return x + self.dropout(self.outer(self.dropout(F.relu(self.inner(x)))))


class SASRec(nn.Module):
    def __init__(self, items, args):
        super().__init__()
        self.hidden = args.hidden
        self.table = nn.Embedding(items + 1, args.hidden, padding_idx=0)
        self.places = nn.Embedding(args.maxlen, args.hidden)
        self.blocks = nn.ModuleList(Block(args.hidden, args.heads, args.dropout, args.dropout_at == 'weights')
                                    for _ in range(args.blocks))
        self.norm = nn.LayerNorm(args.hidden, eps=1e-8)
        self.dropout = nn.Dropout(args.dropout)
        mask = torch.full((args.maxlen, args.maxlen), -math.inf).triu(1)
        self.register_buffer('mask', mask.unsqueeze(0), persistent=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter)
        with torch.no_grad():
            self.table.weight[0] = 0

    def forward(self, inputs):
        x = self.table(inputs) * math.sqrt(self.hidden) + self.places.weight
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, self.mask)
        return self.norm(x)

    def loss(self, inputs, positives, negatives):
        valid = positives != 0
        x = self(inputs)[valid]
        positive = (x * self.table(positives[valid])).sum(1)
        negative = (x * self.table(negatives[valid])).sum(1)
        return F.softplus(-positive).mean() + F.softplus(negative).mean()


def evaluate(model, users, items, maxlen):
    model.eval()
    hit = gain = count = 0
    with torch.no_grad():
        for first in range(0, len(users), 256):
            part = [clicks for clicks in users[first:first + 256] if len(clicks) >= 3]
            inputs = torch.zeros(len(part), maxlen, dtype=torch.long)
            for row, clicks in enumerate(part):
                window = clicks[:-1][-maxlen:]
                inputs[row, maxlen - len(window):] = torch.tensor(window)
            scores = model(inputs)[:, -1] @ model.table.weight.T
            scores[:, 0] = -math.inf
            truth = scores[range(len(part)), [clicks[-1] for clicks in part]].clone()
            for row, clicks in enumerate(part):
                scores[row, clicks] = -math.inf
            rank = (scores > truth[:, None]).sum(1)
            hit += (rank < 10).sum().item()
            gain += (1 / torch.log2(rank[rank < 10] + 2.0)).sum().item()
            count += len(part)
    model.train()
    return {'hit@10': hit / count, 'ndcg@10': gain / count, 'cases': count}


class Training:
    """A model with its optimiser; what trains it returns the report of that piece of training."""

    def __init__(self, windows, args):
        torch.manual_seed(args.seed)
        self.windows, self.args, self.losses = windows, args, []
        self.model = SASRec(windows.items, args)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-3, betas=(0.9, 0.98))
        bf16 = args.precision == 'bf16'
        self.autocast = torch.autocast('cpu', torch.bfloat16) if bf16 else contextlib.nullcontext()

    def step(self, batch):
        self.optimiser.zero_grad(set_to_none=True)
        with self.autocast:
            loss = self.model.loss(*batch)
        loss.backward()
        self.optimiser.step()
        self.losses.append(loss.item())

    def epochs(self, count, most=10**9, warm=3):  # three steps warm up, as in our own clock
        """Train `count` epochs, or until `most` steps after the first `warm` have been timed."""
        seconds, targets, steps = 0.0, 0, 0
        for batch in itertools.chain.from_iterable(self.windows.epoch(self.args.batch) for _ in range(count)):
            start = time.perf_counter()
            self.step(batch)
            steps += 1
            if steps > warm:
                seconds += time.perf_counter() - start
                targets += int((batch[1] != 0).sum())
            if steps >= most + warm:
                break
        return {'targets_per_second': targets / seconds, 'seconds': seconds, 'steps': steps, 'epochs': count,
                'loss_last': float(np.mean(self.losses[-len(self.windows.users) // self.args.batch:])),
                'torch': torch.__version__, 'peak_rss_bytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def serve(users, windows, args):
    """Commands from standard input, a JSON line for each: `train EPOCHS` starts anew and evaluates, `go STEPS` goes on."""
    training = None
    for line in sys.stdin:
        word, number = line.split()
        if word == 'train':
            training = Training(windows, args)
            report = training.epochs(int(number))
            report.update(evaluate(training.model, users, windows.items, args.maxlen))
        else:
            report = training.epochs(1000, int(number), 1)
        print(json.dumps(report), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder')
    parser.add_argument('--hidden', type=int, default=50)
    parser.add_argument('--maxlen', type=int, default=200)
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--blocks', type=int, default=2)
    parser.add_argument('--heads', type=int, default=1)
    parser.add_argument('--dropout', type=float, default=0.2)
    parser.add_argument('--dropout-at', choices=['output', 'weights'], default='output')
    parser.add_argument('--epochs', type=int, default=1)
    parser.add_argument('--steps', type=int, default=10**9, help='stop after so many timed steps')
    parser.add_argument('--precision', choices=['f32', 'bf16'], default='f32', help='bf16: autocast')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--evaluate', action='store_true')
    parser.add_argument('--serve', action='store_true', help='train what standard input asks for')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    users, items = read_log(args.folder)
    windows = Windows(users, items, args.maxlen)
    if args.serve:
        serve(users, windows, args)
        return
    training = Training(windows, args)
    report = training.epochs(args.epochs, args.steps)
    if args.evaluate:
        report.update(evaluate(training.model, users, items, args.maxlen))
    print(json.dumps(report))


main()
