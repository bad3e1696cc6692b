#!/usr/bin/env python3
"""What a log's own test says, beside what people would have clicked: made-up shops along the dial of exposure bias.

    bench/exposure_bias.py [--lodestone build/lodestone] [--biases 0,0.5,1,1.5] [--users 20000] [--items 5000]

For each bias a shop is made (`synth --set bias=B`: items are shown in proportion to popularity^B), imported, trained
on, and measured twice: on the last click of each user, and on `shop.truth.tsv`, clicks drawn from true preferences with
all items shown alike. Recall@K of the model and of every baseline, as a Markdown table. The truth has no session
signal and many targets a user, so its figures stand for themselves; what matters is how rows change places.
"""
import argparse
import json
import os
import subprocess
import tempfile


def run(args, *words):
    out = subprocess.run([args.lodestone, *words], stdout=subprocess.PIPE, text=True, check=True)
    return out.stdout


def measure(args, bias, folder):
    shop, data, bundle = (os.path.join(folder, name) for name in ('shop', 'shop.lode', 'run'))
    run(args, 'synth', '-q', '-o', shop, '--users', str(args.users), '--items', str(args.items), '--seed',
        str(args.seed), '--set', f'bias={bias}', '--set', 'exposures=0')
    run(args, 'import', '-q', shop, '-o', data)
    run(args, 'train', '-q', '--data', data, '-o', bundle, '--set', 'train.learning_rate=3e-3', '--set',
        'train.batch=1024', '--set', f'train.epochs={args.epochs}')
    report = json.loads(run(args, 'eval', '-q', bundle, '--json', '--cutoffs', str(args.k), '--truth',
                            os.path.join(shop, 'shop.truth.tsv')))
    truth = next(table for table in report['also'] if 'truth' in table)
    metric = f'recall@{args.k}'
    return {name: (row[metric], truth['rows'][name][metric]) for name, row in report['rows'].items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--lodestone', default='build/lodestone')
    parser.add_argument('--biases', default='0,0.5,1,1.5')
    parser.add_argument('--users', type=int, default=20000)
    parser.add_argument('--items', type=int, default=5000)
    parser.add_argument('--epochs', type=int, default=6)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--k', type=int, default=50)
    args = parser.parse_args()
    names = None
    for bias in args.biases.split(','):
        with tempfile.TemporaryDirectory() as folder:
            rows = measure(args, bias, folder)
        if names is None:
            names = list(rows)
            print('| bias | ' + ' | '.join(f'{name}, log | {name}, truth' for name in names) + ' |')
            print('|---' * (1 + 2 * len(names)) + '|')
        print(f'| {bias} | ' + ' | '.join(f'{rows[name][0]:.4f} | {rows[name][1]:.4f}' for name in names) + ' |',
              flush=True)


main()
