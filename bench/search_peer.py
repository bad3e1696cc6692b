"""FAISS and hnswlib behind one command a line, for versus_search.py; one thread searches, queries come alone.

    load ITEMS QUERIES DIM | build faiss-ivf|faiss-hnsw|hnswlib|faiss-flat LISTS THREADS [FILE] | search EFFORT COUNT OUT

Answers one line: seconds, or `error ...`. A FILE that exists is read instead of building; otherwise it is written.
"""
import os
import sys
import time

import numpy


def build(kind, lists, items, threads):
    dim = items.shape[1]
    if kind == 'hnswlib':
        import hnswlib
        index = hnswlib.Index(space='ip', dim=dim)
        index.init_index(max_elements=len(items), M=16, ef_construction=200)
        index.add_items(items, num_threads=threads)
        index.set_num_threads(1)
        return index
    import faiss
    faiss.omp_set_num_threads(threads)
    if kind == 'faiss-flat':
        index = faiss.IndexFlatIP(dim)
    elif kind == 'faiss-ivf':
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, lists, faiss.METRIC_INNER_PRODUCT)
        index.train(items)
    else:
        index = faiss.IndexHNSWFlat(dim, 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 200
    index.add(items)
    faiss.omp_set_num_threads(1)
    return index


def cached(path, kind, lists, items, threads):
    """The index of an earlier run on the same vectors, or a new one that is kept for later runs."""
    if not os.path.exists(path):
        index, part = build(kind, lists, items, threads), f'{path}.part'
        if kind == 'hnswlib':
            index.save_index(part)
        else:
            import faiss
            faiss.write_index(index, part)
        os.replace(part, path)
        return index
    if kind == 'hnswlib':
        import hnswlib
        index = hnswlib.Index(space='ip', dim=items.shape[1])
        index.load_index(path, max_elements=len(items))
        index.set_num_threads(1)
        return index
    import faiss
    faiss.omp_set_num_threads(1)
    return faiss.read_index(path)


def search(index, kind, queries, effort, count):
    if kind == 'hnswlib':
        index.set_ef(max(effort, 100))
    elif kind == 'faiss-ivf':
        index.nprobe = effort
    elif kind == 'faiss-hnsw':
        index.hnsw.efSearch = effort
    found = []
    start = time.perf_counter()
    for k in range(count):
        one = queries[k:k + 1]
        found.append(index.knn_query(one, k=100)[0] if kind == 'hnswlib' else index.search(one, 100)[1])
    seconds = time.perf_counter() - start
    return seconds, numpy.concatenate(found).astype(numpy.uint32)


def main():
    items = queries = index = kind = None
    for line in sys.stdin:
        word, *rest = line.split()
        try:
            start = time.perf_counter()
            if word == 'load':
                items, queries = (numpy.fromfile(path, numpy.float32).reshape(-1, int(rest[2])) for path in rest[:2])
                seconds = 0
            elif word == 'build':
                kind = rest[0]
                index = None  # two large ones at a time might not fit
                lists, threads = int(rest[1]), int(rest[2])
                index = cached(rest[3], kind, lists, items, threads) if len(rest) > 3 else build(kind, lists, items, threads)
                seconds = time.perf_counter() - start
            else:
                seconds, ids = search(index, kind, queries, int(rest[0]), int(rest[1]))
                ids.tofile(rest[2])
            print(seconds, flush=True)
        except Exception as error:  # the other side decides what to do
            print(f'error {error!r}'.replace('\n', ' '), flush=True)


main()
