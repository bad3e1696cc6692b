"""Training of the two-tower model: ours beside PyTorch's (`torch_two_tower.py`), the same model on the same files.

Shape of MicRec's base: 20 clicks, one Transformer block of width 64, 100,000 items with 7 fields, batch 4096.

    train-sampled    softmax over the item and 50 uniform ones, drawn once a batch and shared, on both sides
    train-in_batch   softmax over the 4096 items of the batch, log q subtracted, repeats masked, on both sides

Both sides read the same log, train on every click with at least 20 before it but for each user's last two, in batches
drawn from the same set, Adam 3e-3 (lazy on touched rows), and their clocks leave out the first three steps. The first round
of each side trains one whole epoch and ranks all items for each user's last click (seen items out): hit@50 is the
quality. Later rounds of the peer are cut short: only the rate is wanted. Its process lives from round to round. Sides whose
lines have no target take part in three rounds, unless with --full.

Peers: Debian's PyTorch in f32 at its fastest settings; the newest PyTorch of PyPI in f32 and under bf16 autocast, where
`newest_torch.sh` has installed it.
"""
import json
import os
import shutil
import subprocess
from itertools import accumulate
from random import Random

import harness
from harness import Figure, Program, Skip

PEER = os.path.join(harness.HERE, 'torch_two_tower.py')
FIELDS = [50000, 10000, 2000, 300, 50, 30, 20]
LOSSES = {'sampled': '[{type: sampled_softmax, negatives: {count: 50, scope: batch, from: uniform}, log_q: false}]',
          'in_batch': '[{type: in_batch}]'}
SCOPE = {'sampled': '50 uniform negatives a batch, shared by its 4096 examples', 'in_batch': "the batch's 4096 items"}
BATCH, MIN_HISTORY, CLICKS, RATE = 4096, 20, 43, 3e-3
TARGETS = {'f32': 3, 'bf16': 10, 'newest-bf16': 3}


def make_shop(folder, users, items=100000):
    """A log in which a user stays within a group of items for a while: field3 names the group."""
    random = Random(1)
    groups = FIELDS[3]

    def zipf(n, power=0.8):
        return list(accumulate((r + 2) ** -power for r in range(n)))

    group_of = [random.randrange(groups) for _ in range(items)]
    members = [[] for _ in range(groups)]
    for item, group in enumerate(group_of):
        members[group].append(item)
    weights, group_weights = [zipf(len(one), 1.3) for one in members], zipf(groups)
    with open(f'{folder}/shop.inter', 'w', encoding='utf-8') as file:
        file.write('user_id:token\titem_id:token\ttimestamp:float\n')
        for user in range(users):
            group = random.choices(range(groups), cum_weights=group_weights)[0]
            for k in range(CLICKS):
                if random.random() < 0.05:
                    group = random.choices(range(groups), cum_weights=group_weights)[0]
                item = random.choices(members[group], cum_weights=weights[group])[0]
                file.write(f'u{user}\ti{item}\t{1700000000 + 60 * k}\n')
    columns = [random.choices(range(n), cum_weights=zipf(n), k=items) for n in FIELDS]
    columns[3] = group_of
    with open(f'{folder}/shop.item', 'w', encoding='utf-8') as file:
        file.write('item_id:token' + ''.join(f'\tfield{i}:token' for i in range(len(FIELDS))) + '\n')
        for item in range(items):
            file.write(f'i{item}' + ''.join(f'\tv{column[item]}' for column in columns) + '\n')
    with open(f'{folder}/shop.user', 'w', encoding='utf-8') as file:
        file.write('user_id:token\tgender:token\tage:token\n')
        for user in range(users):
            file.write(f'u{user}\tg{random.randrange(3)}\ta{random.randrange(12)}\n')


class Ours:
    """One side: a training run of ours; the rate is that of the clock of `train --json`."""

    def __init__(self, args, lode, loss, precision, folder):
        self.args, self.lode, self.loss, self.precision, self.folder = args, lode, loss, precision, folder
        self.quality = None

    def __call__(self):
        run = os.path.join(self.folder, f'run-{self.loss}-{self.precision}')
        shutil.rmtree(run, ignore_errors=True)
        command = [self.args.lodestone, 'train', '--data', self.lode, '-o', run, '--json', '--quiet']
        for setting in [f'objectives={LOSSES[self.loss]}', f'train.batch={BATCH}', f'train.threads={self.args.threads}',
                        'train.epochs=1', f'data.min_history={MIN_HISTORY}', 'data.history=20',
                        'fields.user=[id, gender, age]', f'fields.item=[{", ".join(f"field{i}" for i in range(len(FIELDS)))}]',
                        'eval.valid_cases=10', f'train.learning_rate={RATE}', 'model.user={tower: ican}', 'model.item={tower: mlp}',
                        f'train.precision={self.precision}']:
            command += ['--set', setting]
        out = subprocess.run(command, capture_output=True, text=True)
        if out.returncode != 0:
            raise Skip(f'ours: {out.stderr.strip().splitlines()[-1] if out.stderr.strip() else "failed"}')
        report = json.loads(out.stdout)
        if self.quality is None:
            out = subprocess.run([self.args.lodestone, 'eval', run, '--data', self.lode, '--json', '--quiet', '--no-baselines',
                                  '--cutoffs', '50'], capture_output=True, text=True, check=True)
            self.quality = f'hit@50 {json.loads(out.stdout)["rows"]["model"]["hit@50"]:.4f}'
        return Figure(report['examples_per_second'], self.quality)


class Torch:
    """The other side, a process that serves both losses. `precision` bf16 is autocast."""

    def __init__(self, args, python, environment, raw, precision):
        self.seconds = 20 if args.full else 3
        self.program = Program([python, PEER, raw, '--precision', precision, '--batch', str(BATCH), '--threads',
                                str(args.threads), '--min-history', str(MIN_HISTORY), '--rate', str(RATE), '--serve'], environment)

    def side(self, loss):
        quality = []

        def once():
            if not quality:
                report = self.program.ask_json('epoch', loss, 50)
                quality.append(f'hit@50 {report["hit"]:.4f}')
            else:
                report = self.program.ask_json('go', self.seconds)
            return Figure(report['examples_per_second'], quality[0])
        return once

    def close(self):
        self.program.close()


class Absent:
    """A peer that is not there."""

    def __init__(self, reason):
        self.reason = reason

    def side(self, loss):
        del loss

        def once():
            raise Skip(self.reason)
        return once

    def close(self):
        pass


def peers(args, raw):
    """Debian's PyTorch and the newest one, by the names of their sides."""
    blas = harness.fastest_blas(args.python, args.threads)
    if blas is None:
        found = {'PyTorch': Absent(f'{args.python} has no PyTorch (Debian: python3-torch)')}
    elif blas.gflops < 10:
        found = {'PyTorch': Absent('PyTorch has no optimised BLAS (Debian: libopenblas0-pthread)')}
    else:
        print(f'# Debian PyTorch: {blas.text}')
        found = {'PyTorch': Torch(args, args.python, blas.models, raw, 'f32')}
    for precision in ['f32', 'bf16']:
        try:
            python = harness.newest_torch()
            found[f'newest {precision}'] = Torch(args, python, harness.peer_environment(args.threads), raw, precision)
        except Skip as reason:
            found[f'newest {precision}'] = Absent(str(reason))
    return found


def run(args, folder):
    raw, lode = os.path.join(folder, 'raw'), os.path.join(folder, 'shop.lode')
    os.mkdir(raw)
    make_shop(raw, 20000 if args.full else 6000)
    subprocess.run([args.lodestone, 'import', raw, '-o', lode, '--quiet'], check=True, stdout=subprocess.DEVNULL)
    amx, others = harness.has('amx_bf16'), peers(args, raw)
    few = ['newest f32'] + ([] if amx else ['bf16', 'newest bf16'])
    for loss in LOSSES:
        print(f'# train-{loss}: negatives on both sides: {SCOPE[loss]}; hit@50 after one epoch of the same examples')
        found = harness.measure(f'train-{loss}', {
            'f32': Ours(args, lode, loss, 'f32', folder), 'bf16': Ours(args, lode, loss, 'bf16', folder),
            **{name: other.side(loss) for name, other in others.items()}}, args.rounds, [] if args.full else few)
        harness.verdict(f'train-{loss}-f32', found['f32'], found['PyTorch'], TARGETS['f32'])
        harness.verdict(f'train-{loss}-bf16', found['bf16'], found['PyTorch'], TARGETS['bf16'] if amx else 'no AMX')
        harness.verdict(f'train-{loss}-newest-f32', found['f32'], found['newest f32'], 'no target')
        harness.verdict(f'train-{loss}-newest-bf16', found['bf16'], found['newest bf16'],
                        TARGETS['newest-bf16'] if amx else 'no AMX')
    for other in others.values():
        other.close()
