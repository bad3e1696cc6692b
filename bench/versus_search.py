"""The 100 best of many vectors for one query at a time, in one thread, at recall@100 >= .99.

    versus search-clustered-f32           queries/s, ours against the faster of FAISS's indexes (IVFFlat; HNSW with --full)
    versus search-clustered-hnswlib-f32   the same against hnswlib
    ... search-spread-..., search-trained-...

clustered = centres on the sphere plus noise, 244 vectors a centre; spread = normalised Gaussian; trained = the items of a
short training on globo-news, asked by its users (only where LODESTONE_DATA has it). 200,000 vectors, a million with
--full. Each side's knob (lists, ef) is doubled until the recall is reached; a side that never reaches it takes part with
what it has reached, and says so. Ours is the fastest of the exact scan, the lists and the graph. Indexes are built once;
those of the peers for --full take minutes, and are kept in build/search-peers.
"""
import os
import sys
import zlib

import harness
from versus_full_sort import Served, make_vectors

NOISE = 0.12  # a part of the clustered vectors: FAISS IVFFlat needs 32 of 4096 lists for .99 of a million then
RECALL = 0.99


class Peer(harness.Program):
    """search_peer.py. `keep` is a folder for indexes that take minutes to build, or None."""

    def __init__(self, args, environment, keep=None):
        super().__init__([args.python, os.path.join(harness.HERE, 'search_peer.py')], environment)
        self.keep, self.threads = keep, args.threads

    def seconds(self, *words):
        return float(self.ask(*words))

    def load(self, items, queries, dim):
        self.seconds('load', items, queries, dim)
        with open(items, 'rb') as file:
            self.sum = f'{zlib.crc32(file.read()):08x}'

    def build(self, name, lists):
        words = ['build', name, lists, self.threads]
        kept = self.keep and name != 'faiss-flat'
        if kept:
            words.append(os.path.join(self.keep, f'{name}-{lists}-{self.sum}'))
        seconds = self.seconds(*words)
        print(f'  {name}: {"built or read back" if kept else "built"} in {seconds:.1f} s', flush=True)


def make_files(numpy, kind, count, folder, args):
    """items.f32 and queries.f32; returns (vectors, queries)."""
    random = numpy.random.default_rng(1)

    def normal(n):
        return random.standard_normal((n, 64), dtype=numpy.float32)

    def unit(x):
        return x / numpy.linalg.norm(x, axis=1, keepdims=True)

    if kind == 'trained':
        if not os.path.isdir(os.path.join(os.environ.get('LODESTONE_DATA', ''), 'globo-news')):
            raise harness.Skip('LODESTONE_DATA has no globo-news')
        made, _ = make_vectors(args, folder)
        items, queries = (numpy.load(os.path.join(made, f'{name}.npy')) for name in ['items', 'users'])
        queries = queries[random.permutation(len(queries))[:500]]
    elif kind == 'clustered':
        centres = unit(normal(count // 244))
        items, queries = (unit(centres[random.integers(0, len(centres), n)] + NOISE * normal(n)) for n in [count, 500])
    else:
        items, queries = unit(normal(count)), unit(normal(500))
    items.astype(numpy.float32).tofile(os.path.join(folder, 'items.f32'))
    queries.astype(numpy.float32).tofile(os.path.join(folder, 'queries.f32'))
    return items.shape


class Side:
    """One index of one library: what `search` needs, and the effort that reached the recall."""

    def __init__(self, name, search, efforts):
        self.name, self.search, self.efforts = name, search, efforts
        self.effort = self.recall = self.rate = 0

    def tune(self, recall_of, count):
        for self.effort in self.efforts:
            seconds = self.search(self.effort, count)
            self.recall, self.rate = recall_of(count), count / seconds
            if self.recall >= RECALL:
                break
        print(f'  {self.name}: effort {self.effort}, recall {self.recall:.4f}, {self.rate:.0f} queries/s', flush=True)

    def figure(self, count):
        return harness.Figure(count / self.search(self.effort, count),
                              f'{self.name}, effort {self.effort}, recall {self.recall:.4f}')


def doubling(first, last):
    efforts = []
    while first < last:
        efforts += [first, first * 3 // 2] if first * 3 // 2 < last else [first]
        first *= 2
    return efforts + [last]


def measure_kind(numpy, args, environment, kind, folder):
    count, dim = make_files(numpy, kind, 1000000 if args.full else 200000, folder, args)
    lists = 4096 if count >= 500000 else 1024 if count >= 100000 else 256
    items, queries, ids, truth = (os.path.join(folder, name) for name in ['items.f32', 'queries.f32', 'ids', 'truth'])
    keep = os.path.join(os.path.dirname(args.lodestone), 'search-peers') if args.full else None
    if keep:
        os.makedirs(keep, exist_ok=True)
    ours, peer = Served(args), Peer(args, environment, keep)
    ours.ask('items', items, dim)
    ours.ask('queries', queries, dim)
    peer.load(items, queries, dim)
    ours.ask('build', 'exact', 0)
    ours.ask('search', args.threads, 500, 100, 0, 0, 500, truth)
    print(f'# {kind}: {count} vectors of {dim}, {lists} lists')

    def recall_of(n):
        found, want = (numpy.fromfile(path, numpy.uint32).reshape(-1, 100)[:n] for path in [ids, truth])
        return float(numpy.mean([len(numpy.intersect1d(a, b)) for a, b in zip(found, want)]) / 100)

    def mine(effort, n):
        return ours.ask('search', 1, 1, 100, effort, 0, n, ids)

    def theirs(effort, n):
        return peer.seconds('search', effort, n, ids)

    def best_of_ours():
        candidates = []
        for name in ['scan', 'ivf', 'graph']:
            print(f'  ours, {name}: built in {ours.ask("build", name, lists):.1f} s')
            efforts = {'scan': [1], 'ivf': doubling(4, lists), 'graph': doubling(64, 4096)}
            side = Side(f'ours {name}', mine, efforts[name])
            side.tune(recall_of, 200)
            candidates.append((side.rate if side.recall >= RECALL else 0, name, side))
        _, name, side = max(candidates, key=lambda one: one[0])
        ours.ask('build', name, lists)
        return side

    chosen = best_of_ours()
    for suffix, kinds, target in [('', ['faiss-flat', 'faiss-ivf'] + (['faiss-hnsw'] if args.full else []), 3),
                                  ('-hnswlib', ['hnswlib'], 2)]:
        workload = f'search-{kind}{suffix}-f32'
        try:
            found = []
            for name in kinds:
                peer.build(name, lists)
                side = Side(name, theirs, doubling(8, lists) if name == 'faiss-ivf' else doubling(100, 3200))
                if name == 'faiss-flat':
                    side.efforts = [1]
                side.tune(recall_of, 100)
                found.append((side.recall >= RECALL, side.rate, name, side))
            reached, _, name, side = max(found, key=lambda one: one[:2])
            if name != kinds[-1]:
                peer.build(name, lists)
            if not reached:
                print(f'# {workload}: {side.name} stops at recall {side.recall:.4f}')
            harness.compare(workload, lambda: chosen.figure(500), lambda s=side: s.figure(100 if s.rate < 500 else 500),
                            target, args.rounds)
        except harness.Skip as reason:
            print(f'skipped {workload} {reason}')
    ours.close()
    peer.close()


def run(args, folder):
    try:
        import numpy
    except ImportError:
        print(f'skipped search-f32 {sys.executable} has no numpy')
        return
    missing = [name for name in ['faiss', 'hnswlib'] if not harness.has_module(args.python, name)]
    if missing:
        print(f'skipped search-f32 {args.python} has no {" and no ".join(missing)} (Debian: python3-faiss, python3-hnswlib)')
        return
    blas = harness.fastest_blas(args.python, args.threads)
    environment = blas.products if blas else harness.peer_environment(args.threads)
    for kind in ['clustered', 'spread', 'trained']:
        own = os.path.join(folder, kind)
        os.mkdir(own)
        try:
            measure_kind(numpy, args, environment, kind, own)
        except harness.Skip as reason:
            print(f'skipped search-{kind}-f32 {reason}')
