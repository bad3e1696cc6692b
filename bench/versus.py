#!/usr/bin/env python3
"""Our training rate beside PyTorch's: the same model on the same files, in turns, on this machine now.

    make bench-versus          or   bench/versus.py --lodestone build/lodestone [--data FOLDER] [--rounds 3]

Prints the context, the rounds, and for each workload `versus WORKLOAD OURS PEER RATIO TARGET` (examples/s: the best
round of each, because whatever else runs on a shared machine only ever slows a round down). FOLDER
has RecBole files; without one a shop of 100,000 items with 7 fields is made up. Where something is missing it prints
`skipped ...`. Exit status 1 when a ratio is below its target and --strict is given.

PyTorch gets the fastest setting known: the OpenBLAS kernels that are fastest here (OPENBLAS_CORETYPE is tried out),
ATEN_CPU_CAPABILITY=avx512 where the processor has it, tcmalloc where it is installed, two threads.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from itertools import accumulate
from random import Random

HERE = os.path.dirname(os.path.abspath(__file__))
PEER = os.path.join(HERE, 'torch_two_tower.py')
TARGET = 1.0
WORKLOADS = {'train-in_batch-f32': ('in_batch', '[{type: in_batch}]'),
             'train-sampled-f32': ('sampled', '[{type: sampled_softmax, negatives: {count: 50}, log_q: false}]')}
TCMALLOC = ['/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4', '/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4']
PRODUCT = '''
import time, torch
torch.set_num_threads({threads})
a, b, best = torch.randn(4096, 1280), torch.randn(1280, 128), 1e9
for _ in range(30):
    start = time.perf_counter(); a @ b; best = min(best, time.perf_counter() - start)
print(2 * 4096 * 1280 * 128 / best / 1e9)
'''


def make_shop(folder, users, clicks):
    """A Zipf log of the size that MicRec's setting has: 100,000 items, 7 item fields, 2 user fields."""
    random = Random(1)
    sizes, items = [50000, 10000, 2000, 300, 50, 30, 20], 100000

    def zipf(n, size):
        values = list(range(n))
        random.shuffle(values)
        return random.choices(values, cum_weights=list(accumulate(1 / r for r in range(1, n + 1))), k=size)

    clicked = zipf(items, users * clicks)
    with open(f'{folder}/shop.inter', 'w') as f:
        f.write('user_id:token\titem_id:token\ttimestamp:float\n')
        for user in range(users):
            f.writelines(f'u{user}\ti{item}\t{1700000000 + 60 * k}\n' for k, item in enumerate(clicked[user * clicks:(user + 1) * clicks]))
    columns = [zipf(n, items) for n in sizes]
    with open(f'{folder}/shop.item', 'w') as f:
        f.write('item_id:token' + ''.join(f'\tfield{i}:token' for i in range(len(sizes))) + '\n')
        for item in range(items):
            f.write(f'i{item}' + ''.join(f'\tv{column[item]}' for column in columns) + '\n')
    with open(f'{folder}/shop.user', 'w') as f:
        f.write('user_id:token\tgender:token\tage:token\n')
        for user in range(users):
            f.write(f'u{user}\tg{random.randrange(3)}\ta{random.randrange(12)}\n')


def environment(args, coretype):
    values = dict(os.environ, OMP_NUM_THREADS=str(args.threads))
    if coretype:
        values['OPENBLAS_CORETYPE'] = coretype
    if ' avx512f ' in open('/proc/cpuinfo').read():
        values['ATEN_CPU_CAPABILITY'] = 'avx512'
    if args.blas:
        values['LD_LIBRARY_PATH'] = args.blas
    for path in TCMALLOC:
        if os.path.exists(path):
            values['LD_PRELOAD'] = path
            break
    return values


def best_environment(args):
    """The setting of OPENBLAS_CORETYPE with the fastest matrix product, and that in GFLOP/s."""
    found = []
    for coretype in ['', 'SkylakeX', 'ZEN', 'Haswell']:
        values = environment(args, coretype)
        out = subprocess.run([args.python, '-c', PRODUCT.format(threads=args.threads)], env=values,
                             capture_output=True, text=True)
        if out.returncode == 0:
            found.append((float(out.stdout), coretype, values))
    return max(found, key=lambda one: one[0]) if found else None


def ours(args, lode, objectives, folder):
    """Examples/s of one epoch, without the first three steps; validation is outside the clock."""
    run = os.path.join(folder, 'run')
    shutil.rmtree(run, ignore_errors=True)
    command = [args.lodestone, 'train', '--data', lode, '-o', run, '--json', '--quiet']
    for setting in [f'objectives={objectives}', f'train.batch={args.batch}', f'train.threads={args.threads}',
                    'train.epochs=1', f'data.min_history={args.min_history}', 'data.history=20',
                    'fields.user=[id, gender, age]' if args.data is None else 'fields.user=[id]',
                    'fields.item=' + ('auto' if args.data else f'[{", ".join(f"field{i}" for i in range(7))}]'),
                    'eval.valid_cases=10', 'model.user={tower: ican}', 'model.item={tower: mlp}']:
        command += ['--set', setting]
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(f'versus: {" ".join(command)}\n{out.stderr}')
    return json.loads(out.stdout)['examples_per_second']


def peer(args, values, loss, folder):
    out = subprocess.run([args.python, PEER, folder, '--loss', loss, '--batch', str(args.batch), '--threads',
                          str(args.threads), '--min-history', str(args.min_history), '--seconds', str(args.seconds)],
                         env=values, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(f'versus: {PEER}\n{out.stderr}')
    return json.loads(out.stdout)['examples_per_second']


def prepare(args, folder):
    raw = os.path.join(folder, 'raw')
    os.mkdir(raw)
    if args.data is None:
        make_shop(raw, args.users, 40)
    else:
        for name in os.listdir(args.data):
            if name.endswith('.gz'):
                with open(os.path.join(raw, name[:-3]), 'wb') as f:
                    subprocess.run(['gzip', '-dc', os.path.join(args.data, name)], stdout=f, check=True)
            else:
                shutil.copy(os.path.join(args.data, name), raw)
    lode = os.path.join(folder, 'shop.lode')
    subprocess.run([args.lodestone, 'import', raw, '-o', lode, '--quiet'], check=True, stdout=subprocess.DEVNULL)
    return raw, lode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--lodestone', default='build/lodestone')
    parser.add_argument('--python', default='/usr/bin/python3', help='one that has PyTorch')
    parser.add_argument('--blas', help="folder of the libblas.so.3 that PyTorch is to use, if not the system's")
    parser.add_argument('--data', help='folder of RecBole files')
    parser.add_argument('--users', type=int, default=8000, help='of the made-up shop; 40 clicks each')
    parser.add_argument('--batch', type=int, default=4096)
    parser.add_argument('--min-history', type=int, default=20)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=15, help="of PyTorch's clock a round")
    parser.add_argument('--strict', action='store_true')
    args = parser.parse_args()
    if subprocess.run([args.python, '-c', 'import torch'], capture_output=True).returncode != 0:
        print(f'skipped versus: {args.python} has no PyTorch (Debian: python3-torch)')
        return 0
    gflops, coretype, values = best_environment(args)
    print(f'PyTorch: {gflops:.0f} GFLOP/s in a 4096 x 1280 x 128 product, OPENBLAS_CORETYPE={coretype or "unset"}, '
          f'{values.get("LD_PRELOAD", "glibc malloc")}; {args.threads} threads, load {os.getloadavg()[0]:.1f}')
    if gflops < 10:
        print('skipped versus: that is no optimised BLAS (Debian: libopenblas0-pthread); see --blas')
        return 0
    slow = 0
    with tempfile.TemporaryDirectory() as folder:
        raw, lode = prepare(args, folder)
        for name, (loss, objectives) in WORKLOADS.items():
            pairs = []
            for _ in range(args.rounds):
                pairs.append((ours(args, lode, objectives, folder), peer(args, values, loss, raw)))
                print(f'  {name}: {pairs[-1][0]:.0f} / {pairs[-1][1]:.0f}', flush=True)
            mine, theirs = max(a for a, _ in pairs), max(b for _, b in pairs)
            slow += mine < TARGET * theirs
            print(f'versus {name} {mine:.0f} {theirs:.0f} {mine / theirs:.2f} {TARGET:.2f}')
    return 1 if slow and args.strict else 0


sys.exit(main())
