"""What every versus_*.py shares: context, the fastest settings of the peers, alternating rounds, the printed lines.

A workload has sides: callables that measure once and return a `Figure` (a rate, higher is better, with the quality that
was reached beside it) or raise `Skip`. `measure` calls them in turns, `verdict` prints a pair of them (`compare` does both):

    versus WORKLOAD-PRECISION OURS PEER RATIO TARGET        medians, all plain numbers
    skipped WORKLOAD-PRECISION REASON                       what could not be compared (or has no target here), and why

Other talk stands on lines of its own that begin with '#' or with two spaces. The ratio is that of the medians; beside it
stands the spread of the ratios of single rounds, which is what noise of the machine does to it.
"""
import glob
import os
import statistics
import subprocess
import sys
from collections import namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TCMALLOC = ['/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4', '/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4']
PRODUCT = '''
import time, torch
torch.set_num_threads({threads})
a, b, best = torch.randn(4096, 1280), torch.randn(1280, 128), 1e9
for _ in range(30):
    start = time.perf_counter(); torch.mm(a, b); best = min(best, time.perf_counter() - start)
print(2 * 4096 * 1280 * 128 / best / 1e9)
'''

Figure = namedtuple('Figure', 'rate quality')  # quality is a text, such as 'hit@50 .431', never empty

below = []  # workloads whose ratio is under their target


class Skip(Exception):
    """Raised by a side that cannot run here; the text is the reason."""


def first_line(command, fallback='unknown', **options):
    try:
        out = subprocess.run(command, capture_output=True, text=True, check=True, **options).stdout
    except (OSError, subprocess.CalledProcessError):
        return fallback
    return out.strip().split('\n')[0] or fallback


def has(flag):
    """Whether the processor reports an instruction set, as /proc/cpuinfo spells it."""
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        return f' {flag} ' in file.read().replace('\n', ' ')


def cpu_level(lodestone):
    out = subprocess.run([lodestone, 'version'], capture_output=True, text=True).stdout
    found = [line.split()[1] for line in out.split('\n') if line.startswith('cpu')]
    return found[0] if found else 'unknown'


def print_context(lodestone, threads):
    """Everything that decides what the numbers below it mean."""
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        model = [line.split(':', 1)[1].strip() for line in file if line.startswith('model name')]
    flags = os.path.join(os.path.dirname(os.path.abspath(lodestone)), 'flags')
    commit = first_line(['git', 'describe', '--always', '--dirty', '--abbrev=12'], cwd=ROOT)
    print(f'# commit    {commit}')
    print(f'# machine   {model[0] if model else "unknown"}, {os.cpu_count()} cores')
    for line in subprocess.run([lodestone, 'version'], capture_output=True, text=True).stdout.strip().split('\n'):
        print(f'# {line}')
    print(f'# flags     {first_line(["cat", flags])}')
    print(f'# threads   {threads}')
    print(f'# load      {os.getloadavg()[0]:.1f}' + ('   BUSY: numbers will be off' if os.getloadavg()[0] > 0.5 else ''))
    sys.stdout.flush()


def peer_environment(threads, **more):
    """The environment for a Python peer at its best: threads, vector instructions, allocator."""
    values = dict(os.environ, OMP_NUM_THREADS=str(threads), **more)
    if has('avx512f'):
        values.setdefault('ATEN_CPU_CAPABILITY', 'avx512')
    for path in TCMALLOC:
        if os.path.exists(path):
            values.setdefault('LD_PRELOAD', path)
            break
    return values


def fastest_blas(python, threads):
    """Debian's OpenBLAS misjudges new processors: (environment, setting, GFLOP/s) of the fastest kernels, or None."""
    found = []
    for coretype in ['', 'SkylakeX', 'ZEN', 'Haswell']:
        values = peer_environment(threads, **({'OPENBLAS_CORETYPE': coretype} if coretype else {}))
        out = subprocess.run([python, '-c', PRODUCT.format(threads=threads)], env=values, capture_output=True, text=True)
        if out.returncode == 0:
            found.append((float(out.stdout), coretype or 'unset', values))
    if not found:
        return None
    speed, coretype, values = max(found, key=lambda one: one[0])
    return values, coretype, speed


def newest_torch():
    """The python of the environment that bench/newest_torch.sh made; raises Skip where there is none."""
    for python in [os.environ.get('NEWEST_TORCH', ''), os.path.join(ROOT, 'build', 'newest-torch', 'bin', 'python')]:
        if python and os.path.exists(python):
            if subprocess.run([python, '-c', 'import torch'], capture_output=True).returncode == 0:
                return python
    raise Skip('no newest PyTorch: bench/newest_torch.sh installs it from PyPI')


def has_module(python, module):
    return subprocess.run([python, '-c', f'import {module}'], capture_output=True).returncode == 0


def spread(values):
    return (max(values) - min(values)) / statistics.median(values)


def measure(workload, sides, rounds=5):
    """Call the sides in turns: {name: callable that returns a Figure} gives {name: [Figure, ...]}, or the Skip of a side."""
    found = {name: [] for name in sides}
    for number in range(rounds):
        said = []
        for name, side in sides.items():
            if isinstance(found[name], Skip):
                continue
            try:
                found[name].append(side())
                said.append(f'{name} {found[name][-1].rate:.6g} ({found[name][-1].quality})')
            except Skip as reason:
                found[name] = reason
        print(f'  {workload} round {number + 1}: ' + ', '.join(said), flush=True)
    return found


def verdict(workload, ours, peer, target, warn=True):
    """Print the line of two lists of Figures that were measured in turns.

    @param target  the ratio to reach; or a text, why none holds: then the line is `skipped`, with the figures
    @return the ratio of the medians, or None when a side was skipped
    """
    for side in [ours, peer]:
        if isinstance(side, Skip):
            print(f'skipped {workload} {side}', flush=True)
            return None
    mine, theirs = [one.rate for one in ours], [one.rate for one in peer]
    ratios = sorted(a / b for a, b in zip(mine, theirs))
    a, b = statistics.median(mine), statistics.median(theirs)
    print(f'  {workload} ours: median {a:.6g}, min {min(mine):.6g}, max {max(mine):.6g}; peer: median {b:.6g}, min {min(theirs):.6g}, '
          f'max {max(theirs):.6g}; ratio of rounds {ratios[0]:.2f} .. {ratios[-1]:.2f}')
    print(f'  {workload} quality: ours {ours[0].quality}; peer {peer[0].quality}')
    if warn and max(spread(mine), spread(theirs)) > 0.3:
        print(f'# {workload}: rounds differ by more than 30 %: the machine is busy, do not trust this line')
    if isinstance(target, str):
        print(f'skipped {workload} {target}: measured {a:.6g} {b:.6g} {a / b:.2f} without a target', flush=True)
    else:
        if a / b < target:
            below.append(workload)
        print(f'versus {workload} {a:.6g} {b:.6g} {a / b:.2f} {target:.2f}', flush=True)
    return a / b


def compare(workload, ours, peer, target, rounds=5):
    """`measure` and `verdict` of one pair."""
    found = measure(workload, {'ours': ours, 'peer': peer}, rounds)
    return verdict(workload, found['ours'], found['peer'], target)


def families():
    """Names of the workload families beside this file: versus_NAME.py, each with `run(args, folder)`."""
    found = [os.path.basename(path)[len('versus_'):-3] for path in glob.glob(os.path.join(HERE, 'versus_*.py'))]
    order = ['training', 'sasrec', 'full_sort', 'search', 'products']
    return sorted(found, key=lambda name: (order.index(name) if name in order else len(order), name))
