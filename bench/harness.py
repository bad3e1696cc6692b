"""What every versus_*.py shares: context, the fastest settings of the peers, alternating rounds, the printed lines.

A workload has sides: callables that measure once and return a `Figure` (a rate, higher is better, with the quality that
was reached beside it) or raise `Skip`. `measure` calls them in turns, `verdict` prints a pair of them (`compare` does both):

    versus WORKLOAD-PRECISION OURS PEER RATIO TARGET        medians, all plain numbers
    skipped WORKLOAD-PRECISION REASON                       what could not be compared (or has no target here), and why

Other talk stands on lines of its own that begin with '#' or with two spaces. The ratio is that of the medians; beside it
stands the spread of the ratios of single rounds, which is what noise of the machine does to it.
"""
import functools
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TCMALLOC = ['/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4', '/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4']
PRODUCT = '''
import time, torch
torch.set_num_threads({threads})
def best(call):
    call()
    found, end = [], time.perf_counter() + 0.7
    while time.perf_counter() < end:
        start = time.perf_counter(); call(); found.append(time.perf_counter() - start)
    return min(found)

a, b = torch.randn(4096, 1280), torch.randn(1280, 128)
block, x = torch.nn.TransformerEncoderLayer(64, 4, 256, dropout=0.0, batch_first=True), torch.randn(256, 20, 64)
print(2e-9 * 4096 * 1280 * 128 / best(lambda: torch.mm(a, b)), best(lambda: block(x).sum().backward()))
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


Blas = namedtuple('Blas', 'products models gflops text')  # environments for large products and for whole models


def try_blas(python, threads, more):
    """(GFLOP/s of a large product, seconds of a Transformer block forward and back) with these settings, or None."""
    out = subprocess.run([python, '-c', PRODUCT.format(threads=threads)], env=peer_environment(threads, **more),
                         capture_output=True, text=True)
    return tuple(map(float, out.stdout.split())) if out.returncode == 0 else None


@functools.lru_cache(maxsize=None)
def fastest_blas(python, threads):
    """The settings at which Debian's PyTorch is fastest, found once for all families; None where there is no PyTorch.

    OpenBLAS misjudges new processors, so its kernels are tried out on a large product. Its own threads help such a
    product and hinder the many small ones of attention, so they are tried on a Transformer block, too.
    """
    found = []
    for coretype in ['', 'SkylakeX', 'ZEN', 'Haswell']:
        for count in ['', '1']:
            more = {'OPENBLAS_CORETYPE': coretype, 'OPENBLAS_NUM_THREADS': count}
            more = {name: value for name, value in more.items() if value}
            speeds = try_blas(python, threads, more)
            if speeds:
                found.append((*speeds, more))
    if not found:
        return None
    gflops, _, product = max(found, key=lambda one: one[0])
    model = min(found, key=lambda one: one[1])[2]
    values, models = peer_environment(threads, **product), peer_environment(threads, **model)

    def words(settings):
        return ' '.join(f'{name}={value}' for name, value in settings.items()) or 'nothing set'

    text = f'{gflops:.0f} GFLOP/s in a 4096 x 1280 x 128 product ({words(product)}), models with {words(model)}, '
    return Blas(values, models, gflops, text + values.get('LD_PRELOAD', 'glibc malloc'))


def newest_torch():
    """The python of the environment that bench/newest_torch.sh made; raises Skip where there is none."""
    for python in [os.environ.get('NEWEST_TORCH', ''), os.path.join(ROOT, 'build', 'newest-torch', 'bin', 'python')]:
        if python and os.path.exists(python):
            if subprocess.run([python, '-c', 'import torch'], capture_output=True).returncode == 0:
                return python
    raise Skip('no newest PyTorch: bench/newest_torch.sh installs it from PyPI')


def has_module(python, module):
    return subprocess.run([python, '-c', f'import {module}'], capture_output=True).returncode == 0


class Program:
    """A peer that stays alive from round to round: a line asks, a line answers. Raises Skip where it fails."""

    def __init__(self, command, environment):
        self.errors = tempfile.TemporaryFile(mode='w+')
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
                                        env=environment)

    def ask(self, *words):
        try:
            print(*words, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline().strip()
        if answer.startswith('error'):
            raise Skip(answer)
        if not answer:
            self.errors.seek(0)
            raise Skip('the peer ended: ' + ''.join(self.errors.read().strip().splitlines()[-1:]))
        return answer

    def ask_json(self, *words):
        return json.loads(self.ask(*words))

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended already
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def spread(values):
    return (max(values) - min(values)) / statistics.median(values)


FEW = 3  # rounds of a side that has no part in a target


def measure(workload, sides, rounds=5, few=()):
    """Call the sides in turns: {name: callable that returns a Figure} gives {name: [Figure, ...]}, or the Skip of a side.

    @param few  names of sides that only take part in the first rounds
    """
    found = {name: [] for name in sides}
    for number in range(rounds):
        said = []
        for name, side in sides.items():
            if isinstance(found[name], Skip) or (name in few and number >= FEW):
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
    both = min(len(ours), len(peer))  # rounds of the one without the other are no comparison
    mine, theirs = [one.rate for one in ours[:both]], [one.rate for one in peer[:both]]
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
