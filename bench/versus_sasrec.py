"""SASRec training: ours beside our own PyTorch script (`torch_sasrec.py`), the same model on the same file, ml1m-t80.

    train-sasrec-f32    presets/sasrec-paper.yaml: windows of 200 clicks, 50 dimensions, 2 blocks, one head, dropout .2,
                        128 windows a step, one uniform negative a position that the user never clicked, Adam 1e-3

A rate counts targets: positions of windows that have a next click. PyTorch pads windows to 200, as the public code does;
ours are packed. Both clocks leave out the first three steps. The peer makes its batches outside its clock, ours inside. In
the first round both sides train so many epochs and rank all items for each user's last click (seen items out): hit@10 is
the quality. Later rounds are cut short. Peers and rounds as in versus_training.py.

The data are those of LODESTONE_DATA/ml1m-t80.
"""
import json
import os
import shutil
import subprocess

import harness
from harness import Figure, Program, Skip

PEER = os.path.join(harness.HERE, 'torch_sasrec.py')
PRESET = os.path.join(harness.ROOT, 'presets', 'sasrec-paper.yaml')
TARGET = 10


def output(command, who, **options):
    out = subprocess.run(command, capture_output=True, text=True, **options)
    if out.returncode != 0:
        raise Skip(f'{who}: {out.stderr.strip().splitlines()[-1] if out.stderr.strip() else out.returncode}')
    return json.loads(out.stdout)


class Ours:
    def __init__(self, args, lode, epochs, precision, folder):
        self.args, self.lode, self.epochs, self.precision, self.folder = args, lode, epochs, precision, folder
        self.quality = None

    def __call__(self):
        run = os.path.join(self.folder, f'run-{self.precision}')
        shutil.rmtree(run, ignore_errors=True)
        epochs = self.epochs if self.quality is None else 1
        command = [self.args.lodestone, 'train', '-c', PRESET, '--data', self.lode, '-o', run, '--json', '--quiet']
        for setting in [f'train.threads={self.args.threads}', f'train.epochs={epochs}', f'eval.every={epochs}',
                        'eval.protocol=leave_one_out', 'eval.valid_cases=10', f'train.precision={self.precision}']:
            command += ['--set', setting]
        report = output(command, 'ours')
        if self.quality is None:
            rows = output([self.args.lodestone, 'eval', run, '--json', '--quiet', '--no-baselines', '--cutoffs', '10'], 'ours')
            self.quality = f'hit@10 {rows["rows"]["model"]["hit@10"]:.4f} after {epochs} epochs'
        return Figure(report['examples_per_second'], self.quality)


class Torch:
    def __init__(self, args, python, environment, raw, epochs, precision):
        self.epochs, self.quality, self.steps = epochs, None, 40 if args.full else 8
        self.program = Program([python, PEER, raw, '--threads', str(args.threads), '--precision', precision, '--serve'], environment)

    def __call__(self):
        first = self.quality is None
        report = self.program.ask_json('train', self.epochs) if first else self.program.ask_json('go', self.steps)
        if first:
            self.quality = f'hit@10 {report["hit@10"]:.4f} after {self.epochs} epochs'
        return Figure(report['targets_per_second'], self.quality)


def skipped(reason):
    def side():
        raise Skip(reason)
    return side


def run(args, folder):
    data = os.path.join(os.environ.get('LODESTONE_DATA', ''), 'ml1m-t80')
    if not os.path.isdir(data):
        print('skipped train-sasrec-f32 no data: LODESTONE_DATA/ml1m-t80')
        print('skipped train-sasrec-bf16 no data: LODESTONE_DATA/ml1m-t80')
        return
    lode, epochs = os.path.join(folder, 'ml1m-t80.lode'), 20 if args.full else 3
    subprocess.run([args.lodestone, 'import', data, '-o', lode, '--quiet'], check=True, stdout=subprocess.DEVNULL)
    blas = harness.fastest_blas(args.python, args.threads)
    sides = {'f32': Ours(args, lode, epochs, 'f32', folder), 'bf16': Ours(args, lode, epochs, 'bf16', folder),
             'PyTorch': skipped(f'{args.python} has no PyTorch (Debian: python3-torch)')}
    if blas:
        print(f'# Debian PyTorch: {blas.text}')
        sides['PyTorch'] = Torch(args, args.python, blas.models, data, epochs, 'f32')
    for precision in ['f32', 'bf16']:
        try:
            sides[f'newest {precision}'] = Torch(args, harness.newest_torch(), harness.peer_environment(args.threads), data,
                                                 epochs, precision)
        except Skip as reason:
            sides[f'newest {precision}'] = skipped(str(reason))
    print('# train-sasrec: one uniform negative a position on both sides, never an item of the user')
    amx = harness.has('amx_bf16')
    few = [name for name in sides if name not in (['f32', 'bf16', 'PyTorch'] if amx else ['f32', 'PyTorch'])]
    found = harness.measure('train-sasrec', sides, args.rounds, [] if args.full else few)
    for side in sides.values():
        if isinstance(side, Torch):
            side.program.close()
    harness.verdict('train-sasrec-f32', found['f32'], found['PyTorch'], TARGET)
    harness.verdict('train-sasrec-bf16', found['bf16'], found['PyTorch'],
                    TARGET if amx else 'no AMX')
    harness.verdict('train-sasrec-newest-f32', found['f32'], found['newest f32'], 'no target')
    harness.verdict('train-sasrec-newest-bf16', found['bf16'], found['newest bf16'], 'no target')
