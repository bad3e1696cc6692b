"""Full ranking: encoded vectors in, the 100 best items of each user out, items that the user has seen left out.

    versus full_sort-f32   users/s, ours (bytes with bounds, f32 scores: the lists of exact search) against dense PyTorch:
                           scores = users @ items, seen ones set to -inf, torch.topk, in the fastest of some batch sizes (found on 4,096 users)

Vectors are those of a short training on globo-news (LODESTONE_DATA), or of a made-up shop where that is not at hand.
Our figure includes coding the items, PyTorch's leaves transposing them out. Seen items are laid out for both beforehand.
"""
import csv
import io
import os
import subprocess

import harness

PEER = '''
import json, sys, time, numpy, torch
folder, count, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
users = torch.from_numpy(numpy.load(folder + '/users.npy')[:count])
items = torch.from_numpy(numpy.load(folder + '/items.npy')).T.contiguous()
starts = numpy.fromfile(folder + '/starts.u64', numpy.int64)[:count + 1]
seen = torch.from_numpy(numpy.fromfile(folder + '/seen.u32', numpy.uint32)[:starts[-1]].astype(numpy.int64))
rows = torch.from_numpy(numpy.repeat(numpy.arange(count), numpy.diff(starts)))
def rank(batch, count):
    out, start = [], time.perf_counter()
    for first in range(0, count, batch):
        last = min(first + batch, count)
        scores = users[first:last] @ items
        part = slice(starts[first], starts[last])
        scores[rows[part] - first, seen[part]] = -torch.inf
        out.append(torch.topk(scores, min(100, items.shape[1]), dim=1).indices)
    return time.perf_counter() - start, out

batch = min((rank(batch, min(count, 4096))[0], batch) for batch in [256, 512, 1024])[1]
for line in sys.stdin:
    seconds, out = rank(batch, count)
    torch.cat(out).numpy().astype(numpy.uint32).tofile(folder + '/peer.u32')
    print(json.dumps({'seconds': seconds, 'batch': batch}), flush=True)
'''


class Served:
    """build/bench/bench_search --serve: one command a line, one answer."""

    def __init__(self, args):
        path = os.path.join(os.path.dirname(args.lodestone), 'bench', 'bench_search')
        target = os.path.relpath(path, harness.ROOT)
        subprocess.run(['make', '-s', '-C', harness.ROOT, f'BUILD={target.split("/bench/")[0]}', target], check=True,
                       stdout=subprocess.DEVNULL)
        self.process = subprocess.Popen([path, '--serve'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        """Seconds, as the answer says."""
        print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().split(' ', 1)
        if answer[0] != 'ok':
            raise RuntimeError(f'bench_search: {" ".join(map(str, words))}: {" ".join(answer)}')
        return float(answer[1])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def run_quietly(command):
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode != 0:
        raise harness.Skip(f'{" ".join(command)}: {out.stderr.strip().splitlines()[-1:]}')


def make_vectors(args, folder):
    """A folder with users.npy and items.npy of a short training, and the log's (user, item) columns.

    The folder stands beside `folder` and serves every family of this run.
    """
    folder = os.path.join(os.path.dirname(folder), 'vectors')
    data = os.path.join(os.environ.get('LODESTONE_DATA', ''), 'globo-news')
    real = os.path.isdir(data)
    if not real:
        data = os.path.join(folder, 'shop')
    if os.path.exists(os.path.join(folder, 'items.npy')):
        return folder, open_log(data, real)
    os.mkdir(folder)
    if not real:
        run_quietly([args.lodestone, 'synth', '--users', '40000', '--items', '40000', '-o', data])
    lode, out = os.path.join(folder, 'data.lode'), os.path.join(folder, 'run')
    run_quietly([args.lodestone, 'import', data, '-o', lode, '--quiet'])
    run_quietly([args.lodestone, 'train', '--data', lode, '-o', out, '--quiet', '--set', 'train.epochs=1', '--set',
                 'train.batch=2048', '--set', 'eval.valid_cases=1000', '--set', 'model.user={tower: youtubednn}'])
    run_quietly([args.lodestone, 'encode', out, '--items', os.path.join(folder, 'items.npy'), '--users',
                 os.path.join(folder, 'users.npy')])
    return folder, open_log(data, real)


def open_log(data, real):
    """Rows (user, item) of the log in the order of the file."""
    if real:
        zstd = subprocess.Popen(['zstd', '-dc', os.path.join(data, 'clicks.csv.zst')], stdout=subprocess.PIPE)
        rows = csv.reader(io.TextIOWrapper(zstd.stdout, newline=''))
        names = ('user_id', 'click_article_id')
    else:
        path = [name for name in sorted(os.listdir(data)) if name.startswith('click') or name.endswith('.inter')][0]
        rows = csv.reader(open(os.path.join(data, path), newline=''), delimiter='\t' if path.endswith('.inter') else ',')
        names = ('user_id', 'item_id')
    header = [name.split(':')[0] for name in next(rows)]
    user, item = (header.index(name) for name in names)
    return ((row[user], row[item]) for row in rows)


def read_ids(path):
    with open(path) as file:
        return {token: row for row, token in enumerate(file.read().split('\n')[:-1])}


def lay_out(numpy, folder, log, count):
    """Seen items of the first `count` users (all but the last of each), raw; both vector files, raw."""
    users, items = read_ids(os.path.join(folder, 'users.ids')), read_ids(os.path.join(folder, 'items.ids'))
    seen = [[] for _ in range(count)]
    for user, item in log:
        row, place = users.get(user, count), items.get(item)
        if row < count and place is not None:
            seen[row].append(place)
    seen = [one[:-1] for one in seen]
    starts = numpy.concatenate([[0], numpy.cumsum([len(one) for one in seen])])
    starts.astype(numpy.uint64).tofile(os.path.join(folder, 'starts.u64'))
    numpy.array([item for one in seen for item in one], numpy.uint32).tofile(os.path.join(folder, 'seen.u32'))
    for name in ['users', 'items']:
        vectors = numpy.load(os.path.join(folder, f'{name}.npy'))
        vectors.astype(numpy.float32).tofile(os.path.join(folder, f'{name}.f32'))
    return numpy.load(os.path.join(folder, 'items.npy')).shape


def run(args, folder):
    workload = 'full_sort-f32'
    blas = harness.fastest_blas(args.python, args.threads)
    try:
        import numpy
        if blas is None:
            raise harness.Skip(f'{args.python} has no PyTorch (Debian: python3-torch)')
        folder, log = make_vectors(args, folder)
        users = len(read_ids(os.path.join(folder, 'users.ids')))
        count = users if args.full else min(users, 32768)
        items, dim = lay_out(numpy, folder, log, count)
    except (harness.Skip, ImportError) as reason:
        print(f'skipped {workload} {reason}')
        return
    print(f'# PyTorch: {blas.text}; {count} users x {items} items of {dim}, top 100')
    ours, peer = Served(args), harness.Program([args.python, '-c', PEER, folder, str(count), str(args.threads)], blas.products)
    ours.ask('items', os.path.join(folder, 'items.f32'), dim)
    ours.ask('queries', os.path.join(folder, 'users.f32'), dim)
    ours.ask('seen', os.path.join(folder, 'starts.u64'), os.path.join(folder, 'seen.u32'))

    def mine():
        seconds = ours.ask('build', 'scan', 0)
        seconds += ours.ask('search', args.threads, 4096, 100, 0, 0, count, os.path.join(folder, 'ours.u32'))
        return harness.Figure(count / seconds, 'the lists of exact search')

    def theirs():
        found = peer.ask_json('go')
        one, other = (numpy.fromfile(os.path.join(folder, name), numpy.uint32).reshape(count, -1)
                      for name in ['ours.u32', 'peer.u32'])
        same = numpy.mean([len(numpy.intersect1d(a, b)) / len(b) for a, b in zip(one[:2000], other[:2000])])
        return harness.Figure(count / found['seconds'], f'batch {found["batch"]}, {same:.5f} of its items are ours')

    harness.compare(workload, mine, theirs, 10, args.rounds)
    ours.close()
    peer.close()
