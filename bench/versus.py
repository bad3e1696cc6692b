#!/usr/bin/env python3
"""Us beside the peers that people use today, in turns, on the same data, on this machine now.

    make bench-versus          within 15 minutes;  BENCH=full measures everything, with more and longer rounds
    bench/versus.py [--only training,search] [--rounds 5] [--full]

Prints its context and, for each workload, `versus WORKLOAD-PRECISION OURS PEER RATIO TARGET` (medians; the quality that
each side reached stands above) or `skipped WORKLOAD-PRECISION REASON`. A family of workloads is a file versus_NAME.py
with a function `run(args, folder)`; `harness.py` has what they share. Exit status 1 when a ratio is below its target and
--strict is given.
"""
import argparse
import importlib
import os
import sys
import tempfile
import time

import harness


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--lodestone', default=os.path.join(harness.ROOT, 'build', 'lodestone'))
    parser.add_argument('--python', default='/usr/bin/python3', help='one that has the peers of Debian: torch, faiss, hnswlib')
    parser.add_argument('--only', help='families, with commas: ' + ', '.join(harness.families()))
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--full', action='store_true', default=os.environ.get('BENCH') == 'full')
    parser.add_argument('--strict', action='store_true')
    args = parser.parse_args()
    args.lodestone = os.path.abspath(args.lodestone)
    chosen = args.only.split(',') if args.only else harness.families()
    unknown = [name for name in chosen if name not in harness.families()]
    if unknown:
        parser.error(f'no family {unknown[0]}; there are {", ".join(harness.families())}')
    harness.print_context(args.lodestone, args.threads)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='lodestone-versus-') as folder:
        for name in chosen:
            start = time.monotonic()
            print(f'# ---- {name}', flush=True)
            os.mkdir(os.path.join(folder, name))
            importlib.import_module(f'versus_{name}').run(args, os.path.join(folder, name))
            print(f'# {name} took {time.monotonic() - start:.0f} s', flush=True)
    print(f'# all took {time.monotonic() - begin:.0f} s')
    if harness.below:
        print('# below their targets: ' + ', '.join(harness.below))
    return 1 if harness.below and args.strict else 0


if __name__ == '__main__':
    sys.exit(main())
