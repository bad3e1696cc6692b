#!/usr/bin/env python3
"""Golden files: what PyTorch computes for small models of ours, for tests/golden/test_golden.c.

    /usr/bin/python3 tests/golden/make_golden.py [CASE...]      (needs PyTorch; `make check` does not run this)

Writes a made-up log (shop/shop.inter, .item, .user) and one CASE.safetensors a case. Everything is worked out
here from the raw log, with none of our code: splits, histories, vocabularies, sampling probabilities, masks; the
models are PyTorch's own layers in float64, the optimisers torch.optim.Adam and SparseAdam. Rows of tables are
numbered in this program's own order; their tokens stand in the metadata and the test maps them.

A case holds: metadata `config` (our configuration text) and `tokens.TABLE`; `examples` [steps, batch, 2] (user
number, position in the user's clicks), `negatives` [steps, n] (item rows), `init/NAME`, `gradient/NAME` (first
step), `final/NAME` (after all steps), `user_vectors`, `item_vectors` (first step, of examples and their items) and
`losses` [steps].
"""
import json
import math
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.stateless import functional_call

HERE = os.path.dirname(os.path.abspath(__file__))
USERS, ITEMS, BATCH, STEPS, HISTORY, DIM = 16, 24, 10, 10, 5, 8
rng = np.random.default_rng(20)
torch.manual_seed(20)
torch.set_default_dtype(torch.float64)


# --- the log ---------------------------------------------------------------------------------------------

def make_shop():
    """Clicks by user, in time order: (item, device). The last two of a user are validation and test."""
    weight = 1 / np.arange(1, ITEMS + 1)
    clicks = []
    for user in range(USERS):
        count = int(rng.integers(5, 14))
        items = rng.choice(ITEMS, count, p=weight / weight.sum())
        clicks.append([(int(i), ['phone', 'desk', ''][rng.integers(3)]) for i in items])
    category = [['a', 'b', 'c', ''][rng.integers(4)] for _ in range(ITEMS)]
    tags = [sorted(rng.choice(['red', 'blue', 'old', 'new', 'big'], rng.integers(0, 4), replace=False))
            for _ in range(ITEMS)]
    gender = [['f', 'm', ''][rng.integers(3)] for _ in range(USERS)]
    return clicks, category, tags, gender


def moment(user, click):
    """Seconds since 1970 of a click."""
    return 1700000000 + 1000 * click + user


def write_shop(shop):
    clicks, category, tags, gender = shop
    os.makedirs(f'{HERE}/shop', exist_ok=True)
    rows = [(moment(u, k), u, i, d) for u, own in enumerate(clicks) for k, (i, d) in enumerate(own)]
    with open(f'{HERE}/shop/shop.inter', 'w') as f:
        f.write('user_id:token\titem_id:token\ttimestamp:float\tdevice:token\n')
        for time, user, item, device in sorted(rows):
            f.write(f'u{user}\ti{item}\t{time}\t{device}\n')
    with open(f'{HERE}/shop/shop.item', 'w') as f:
        f.write('item_id:token\tcategory:token\ttags:token_seq\n')
        for item in range(ITEMS):
            f.write(f'i{item}\t{category[item]}\t{" ".join(tags[item])}\n')
    with open(f'{HERE}/shop/shop.user', 'w') as f:
        f.write('user_id:token\tgender:token\n')
        for user in range(USERS):
            f.write(f'u{user}\t{gender[user]}\n')


class Shop:
    """The training part, and row numbers: 0 = unknown, then tokens in the order of `tokens`."""

    def __init__(self, shop):
        self.clicks, self.category, self.tags, self.gender = shop
        self.train = [own[:-2] for own in self.clicks]
        self.count = np.zeros(ITEMS, np.int64)
        for own in self.train:
            for item, _ in own:
                self.count[item] += 1
        known = [i for i in range(ITEMS) if self.count[i] > 0]
        self.row = {item: r + 1 for r, item in enumerate(known)}
        self.items = known
        devices = sorted({d for own in self.train for _, d in own if d})
        tables = {'item.id': [f'i{i}' for i in known],
                  'item.category': sorted({self.category[i] for i in known if self.category[i]}),
                  'item.tags': sorted({t for i in known for t in self.tags[i]}),
                  'user.id': [f'u{u}' for u in range(USERS)],
                  'user.gender': sorted({g for g in self.gender if g}),
                  'context.device': devices}
        self.tokens = tables
        self.rows = {name: {t: r + 1 for r, t in enumerate(tokens)} for name, tokens in tables.items()}

    def examples(self, least):
        return [(u, k) for u in range(USERS) for k in range(least, len(self.train[u]))]


# --- the model -------------------------------------------------------------------------------------------

POOLED = ('fm', 'deepfm', 'autoint')


class Model:
    """Parameters under our names; tables give sparse gradients."""

    def __init__(self, shop, case):
        self.shop, self.case = shop, case
        self.sparse = case.get('optimiser', 'lazy_adam') == 'lazy_adam'
        self.params, self.tables = {}, set()
        user_fields = case['user_fields']
        for name in ['item.id', 'item.category', 'item.tags'] + user_fields:
            self.table(name, len(shop.tokens[name]) + 1, 0.5)
        self.pooled = case['user'] in POOLED
        if self.pooled:
            self.rival('item', case['item'], 3)
            self.rival('user', case['user'], 1 + len(user_fields))
            return
        if case['item'] == 'mlp':
            self.mlp('item.mlp', 3 * DIM, [12, DIM])
        width = DIM * len(user_fields)
        if case['user'] == 'ican':
            by_field = case.get('rows') == 'fields'
            if not by_field:
                self.table('user.history.position', HISTORY, 0.3)
            if case.get('history_fields'):
                inputs = DIM * len(self.history_fields())
                self.add('user.history.fields.weight', inputs, DIM, scale=inputs ** -0.5)
            self.block('user.block0', case['feed_forward'])
            width += (3 if by_field else HISTORY) * DIM
        elif case['user'] == 'bert4rec':
            self.bert4rec()
            return
        elif case['user'] == 'wha':
            self.wha()
            width += DIM * (case['heads'] if case.get('merge') == 'concat' else 1)
            if width == DIM:
                return  # merged heads are the user
        elif case.get('history', True):
            width += DIM
        self.mlp('user.mlp', width, [12, DIM])
        if case['user'] == 'ican':
            self.layer = nn.TransformerEncoderLayer(DIM, case['heads'], case['feed_forward'], dropout=0.0,
                                                    batch_first=True)

    def wha(self):
        case = self.case
        if case['item'] == 'projected':
            self.add('item.fields.weight', 2 * DIM, DIM, scale=(2 * DIM) ** -0.5)
        self.table('user.history.position', HISTORY, 0.3)
        self.table('user.history.time', len(case['time_buckets']) + 1, 0.3)
        self.add('user.attention.0.weight', DIM, case['feed_forward'], scale=DIM ** -0.5)
        self.add('user.attention.0.bias', 1, case['feed_forward'], scale=0.1)
        self.add('user.attention.1.weight', case['feed_forward'], case['heads'], scale=1.0)

    def bert4rec(self):
        case = self.case
        self.table('user.history.position', HISTORY, 0.3)
        self.table('user.mask', 1, 0.5)
        self.norm('user.norm')
        for i in range(case['blocks']):
            self.block(f'user.block{i}', case['feed_forward'])
        self.add('user.transform.weight', DIM, DIM, scale=DIM ** -0.5)
        self.add('user.transform.bias', 1, DIM, scale=0.1)
        self.norm('user.transform.norm')
        if case['bias']:
            self.add('item.bias', len(self.shop.tokens['item.id']) + 1, 1, scale=0.3)
            self.tables.add('item.bias')
        gelu = lambda x: F.gelu(x, approximate='tanh')
        self.layer = nn.TransformerEncoderLayer(DIM, case['heads'], case['feed_forward'], dropout=0.0, activation=gelu,
                                                layer_norm_eps=1e-12, batch_first=True)

    def norm(self, prefix):
        self.params[f'{prefix}.gain'] = (1 + 0.1 * torch.randn(1, DIM)).requires_grad_()
        self.add(f'{prefix}.bias', 1, DIM, scale=0.1)

    def normed(self, prefix, x):
        return F.layer_norm(x, (DIM,), self.params[f'{prefix}.gain'][0], self.params[f'{prefix}.bias'][0], 1e-12)

    def masked_states(self, examples):
        """State of a mask behind the newest HISTORY - 1 clicks [m, DIM]; clicks in order of time, places from the newest."""
        p, rows, lengths = self.params, [], []
        for u, k in examples:
            items = [i for i, _ in self.shop.train[u][max(0, k - HISTORY + 1):k]]
            x = self.embed('user.mask', [0])
            if items:
                x = torch.cat([self.embed('item.id', [self.shop.row[i] for i in items]), x])
            x = self.normed('user.norm', x + self.embed('user.history.position', torch.arange(len(items), -1, -1)))
            rows.append(torch.cat([x, torch.zeros(HISTORY - len(x), DIM)]))
            lengths.append(len(x))
        lengths = torch.tensor(lengths)
        padding = torch.arange(HISTORY)[None, :] >= lengths[:, None]
        x = torch.stack(rows)
        for i in range(self.case['blocks']):
            x = self.transformer(x, padding, f'user.block{i}')
        x = x[torch.arange(len(x)), lengths - 1] @ p['user.transform.weight'] + p['user.transform.bias']
        return self.normed('user.transform.norm', F.gelu(x, approximate='tanh'))

    def history_fields(self):
        fields = self.case['history_fields']
        return ['category', 'tags'] if fields == 'auto' else fields

    def rival(self, side, tower, fields):
        if tower == 'fm' and side == 'item':
            for field in ['id', 'category', 'tags']:
                name = f'item.linear.{field}'
                self.add(name, len(self.shop.tokens[f'item.{field}']) + 1, 1, scale=0.3)
                self.tables.add(name)
        if tower == 'deepfm':
            self.mlp(f'{side}.mlp', fields * DIM, [12, DIM])
            self.mlp(f'{side}.fm', 2 * DIM, [DIM])
        if tower == 'autoint':
            for i in range(self.case['blocks']):
                self.add(f'{side}.block{i}.projections.weight', DIM, 3 * DIM, scale=DIM ** -0.5)
                self.add(f'{side}.block{i}.output.weight', 2 * DIM, DIM, scale=DIM ** -0.5)
            self.mlp(f'{side}.mlp', fields * DIM, [DIM])

    def run_rival(self, side, tower, parts, linear):
        """parts: the fields' embeddings, [m, DIM] each; linear: the items' linear terms, [m, 1] each."""
        p, x = self.params, torch.stack(parts, 1)
        pairs = [parts[f] * parts[g] for f in range(len(parts)) for g in range(f)]
        pairs = sum(pairs) if pairs else torch.zeros_like(parts[0])
        if tower == 'fm':
            last = sum(linear)[:, 0] + pairs.sum(1) if side == 'item' else torch.ones(len(x))
            return torch.cat([sum(parts), last[:, None]], 1)
        if tower == 'deepfm':
            wide = torch.cat([sum(parts), pairs], 1) @ p[f'{side}.fm.0.weight'] + p[f'{side}.fm.0.bias']
            return wide + self.run_mlp(f'{side}.mlp', torch.cat(parts, 1))
        for i in range(self.case['blocks']):
            query, key, value = (x @ p[f'{side}.block{i}.projections.weight']).split(DIM, 2)
            heads = []
            for h in torch.arange(DIM).chunk(self.case['heads']):
                logits = query[:, :, h] @ key[:, :, h].transpose(1, 2) / math.sqrt(len(h))
                heads.append(torch.softmax(logits, 2) @ value[:, :, h])
            weight = p[f'{side}.block{i}.output.weight']
            x = torch.relu(torch.cat(heads, 2) @ weight[:DIM] + x @ weight[DIM:])
        return x.flatten(1) @ p[f'{side}.mlp.0.weight'] + p[f'{side}.mlp.0.bias']

    def add(self, name, *shape, scale):
        self.params[name] = (scale * torch.randn(*shape)).requires_grad_()

    def table(self, name, rows, scale):
        self.add(name, rows, DIM, scale=scale)
        self.tables.add(name)

    def mlp(self, prefix, inputs, widths):
        for i, width in enumerate(widths):
            self.add(f'{prefix}.{i}.weight', inputs, width, scale=inputs ** -0.5)
            self.add(f'{prefix}.{i}.bias', 1, width, scale=0.1)
            inputs = width

    def block(self, prefix, feed_forward):
        self.add(f'{prefix}.projections.weight', DIM, 3 * DIM, scale=DIM ** -0.5)
        self.add(f'{prefix}.projections.bias', 1, 3 * DIM, scale=0.1)
        self.add(f'{prefix}.output.weight', DIM, DIM, scale=DIM ** -0.5)
        self.add(f'{prefix}.output.bias', 1, DIM, scale=0.1)
        for n in '01':
            self.params[f'{prefix}.norm{n}.gain'] = (1 + 0.1 * torch.randn(1, DIM)).requires_grad_()
            self.add(f'{prefix}.norm{n}.bias', 1, DIM, scale=0.1)
        self.mlp(f'{prefix}.feed_forward', DIM, [feed_forward, DIM])

    def embed(self, name, ids):
        return F.embedding(torch.as_tensor(ids), self.params[name], sparse=self.sparse)

    def mean(self, name, lists):
        empty = torch.zeros(self.params[name].shape[1])
        return torch.stack([self.embed(name, own).mean(0) if own else empty for own in lists])

    def run_mlp(self, prefix, x):
        hidden = torch.tanh if self.case.get('activation') == 'tanh' else torch.relu
        if prefix.endswith('feed_forward'):
            hidden = torch.relu
        x = hidden(x @ self.params[f'{prefix}.0.weight'] + self.params[f'{prefix}.0.bias'])
        return x @ self.params[f'{prefix}.1.weight'] + self.params[f'{prefix}.1.bias']

    def transformer(self, x, padding, b='user.block0'):
        p = self.params
        weights = {'self_attn.in_proj_weight': p[f'{b}.projections.weight'].T,
                   'self_attn.in_proj_bias': p[f'{b}.projections.bias'][0],
                   'self_attn.out_proj.weight': p[f'{b}.output.weight'].T,
                   'self_attn.out_proj.bias': p[f'{b}.output.bias'][0],
                   'linear1.weight': p[f'{b}.feed_forward.0.weight'].T, 'linear1.bias': p[f'{b}.feed_forward.0.bias'][0],
                   'linear2.weight': p[f'{b}.feed_forward.1.weight'].T, 'linear2.bias': p[f'{b}.feed_forward.1.bias'][0],
                   'norm1.weight': p[f'{b}.norm0.gain'][0], 'norm1.bias': p[f'{b}.norm0.bias'][0],
                   'norm2.weight': p[f'{b}.norm1.gain'][0], 'norm2.bias': p[f'{b}.norm1.bias'][0]}
        return functional_call(self.layer, weights, (x,), {'src_key_padding_mask': padding})

    def field_of_clicks(self, field, items):
        """Embedding of a field of each of a list of items [len, DIM]."""
        shop = self.shop
        if field == 'category':
            return self.embed('item.category', [shop.rows['item.category'].get(shop.category[i], 0) for i in items])
        return self.mean('item.tags', [[shop.rows['item.tags'][t] for t in shop.tags[i]] for i in items])

    def rows_of_clicks(self, items):
        """Rows of one history, newest first, padded with zeros [HISTORY, DIM]. SparseAdam moves rows that were looked up:
        padding must not look up any."""
        if not items:
            return torch.zeros(HISTORY, DIM)
        x = self.embed('item.id', [self.shop.row[i] for i in items])
        x = x + self.embed('user.history.position', torch.arange(len(items)))
        if self.case.get('history_fields'):
            others = torch.cat([self.field_of_clicks(f, items) for f in self.history_fields()], 1)
            x = x + others @ self.params['user.history.fields.weight']
        return torch.cat([x, torch.zeros(HISTORY - len(items), DIM)])

    def heads_of_clicks(self, user, k):
        """wha's heads [heads, DIM] of the clicks before the user's click k, whose time is the moment ages count from."""
        shop, case, p = self.shop, self.case, self.params
        numbers = list(range(max(0, k - HISTORY), k))
        if not numbers:
            return torch.zeros(case['heads'], DIM)
        items = [shop.train[user][n][0] for n in numbers]
        base = self.embed('item.id', [shop.row[i] for i in items])
        if case.get('history_fields'):
            others = torch.cat([self.field_of_clicks(f, items) for f in self.history_fields()], 1)
            base = base + others @ p['item.fields.weight']
        forward = case.get('position') == 'forward'
        places = [n - numbers[0] if forward else k - 1 - n for n in numbers]
        minutes = [(moment(user, k) - moment(user, n)) / 60 for n in numbers]
        buckets = np.searchsorted(case['time_buckets'], minutes, side='right')
        x = base + self.embed('user.history.position', places) + self.embed('user.history.time', buckets)
        hidden = torch.tanh(x @ p['user.attention.0.weight'] + p['user.attention.0.bias'])
        weights = torch.softmax(hidden @ p['user.attention.1.weight'], 0)
        return weights.T @ (base if case.get('values') == 'plain' else x)

    def merge_heads(self, heads):
        """[m, heads, DIM] to [m, DIM] or, concatenated, [m, heads DIM]."""
        if self.case.get('merge') == 'concat':
            return heads.flatten(1)
        weights = torch.softmax((heads * heads.mean(1, keepdim=True)).sum(2), 1)
        return (weights[:, :, None] * heads).sum(1)

    def fields_of_history(self, histories):
        """rows: fields: means over the history of id, category, tags [len(histories), 3, DIM]; tags over all values."""
        shop, out = self.shop, []
        for items in histories:
            rows = [('item.id', [shop.row[i] for i in items]),
                    ('item.category', [shop.rows['item.category'].get(shop.category[i], 0) for i in items]),
                    ('item.tags', [shop.rows['item.tags'][t] for i in items for t in shop.tags[i]])]
            out.append(torch.stack([self.embed(n, ids).mean(0) if ids else torch.zeros(DIM) for n, ids in rows]))
        return torch.stack(out)

    def user_parts(self, examples):
        shop, parts = self.shop, []
        histories = [[i for i, _ in shop.train[u][max(0, k - HISTORY):k][::-1]] for u, k in examples]
        lists = [[shop.row[i] for i in own] for own in histories]
        if self.case['user'] == 'ican' and self.case.get('rows') == 'fields':
            x = self.fields_of_history(histories)
            parts.append(self.transformer(x, torch.zeros(x.shape[:2], dtype=torch.bool)).flatten(1))
        elif self.case['user'] == 'ican':
            padding = torch.tensor([[p >= len(own) for p in range(HISTORY)] for own in histories])
            x = torch.stack([self.rows_of_clicks(own) for own in histories])
            x = self.transformer(x, padding).masked_fill(padding.unsqueeze(-1), 0.0)
            parts.append(x.flatten(1))
        elif self.case['user'] == 'wha':
            parts.append(self.merge_heads(torch.stack([self.heads_of_clicks(u, k) for u, k in examples])))
        elif self.case.get('history', True):
            parts.append(self.mean('item.id', lists))
        for name in self.case['user_fields']:
            column = {'user.id': lambda u, k: f'u{u}', 'user.gender': lambda u, k: shop.gender[u],
                      'context.device': lambda u, k: shop.train[u][k][1]}[name]
            parts.append(self.embed(name, [shop.rows[name].get(column(u, k), 0) for u, k in examples]))
        return parts

    def score_ready(self, x):
        return F.normalize(x) if self.case.get('scorer') == 'cosine' else x

    def users(self, examples):
        if self.case['user'] == 'bert4rec':
            x = self.masked_states(examples)
            return torch.cat([x, torch.ones(len(x), 1)], 1) if self.case['bias'] else x
        if self.pooled:
            return self.score_ready(self.run_rival('user', self.case['user'], self.user_parts(examples), []))
        x = torch.cat(self.user_parts(examples), 1)
        return self.score_ready(self.run_mlp('user.mlp', x) if 'user.mlp.0.weight' in self.params else x)

    def item_parts(self, prefix, items):
        shop = self.shop
        return [self.embed(f'{prefix}.id', [shop.row[i] for i in items]),
                self.embed(f'{prefix}.category', [shop.rows['item.category'].get(shop.category[i], 0) for i in items]),
                self.mean(f'{prefix}.tags', [[shop.rows['item.tags'][t] for t in shop.tags[i]] for i in items])]

    def item_vectors(self, items):
        shop = self.shop
        if self.pooled:
            return self.score_ready(self.run_rival('item', self.case['item'], self.item_parts('item', items),
                                                   self.item_parts('item.linear', items) if self.case['item'] == 'fm' else []))
        parts = [self.embed('item.id', [shop.row[i] for i in items])]
        if self.case['item'] == 'mlp':
            parts.append(self.embed('item.category', [shop.rows['item.category'].get(shop.category[i], 0) for i in items]))
            parts.append(self.mean('item.tags', [[shop.rows['item.tags'][t] for t in shop.tags[i]] for i in items]))
            return self.score_ready(self.run_mlp('item.mlp', torch.cat(parts, 1)))
        if self.case['item'] == 'projected':
            own, category, tags = self.item_parts('item', items)
            return self.score_ready(own + torch.cat([category, tags], 1) @ self.params['item.fields.weight'])
        if self.case.get('bias'):
            return torch.cat([parts[0], self.embed('item.bias', [shop.row[i] for i in items])], 1)
        return self.score_ready(parts[0])


# --- losses ----------------------------------------------------------------------------------------------

def log_q(shop, objective):
    """log of the probability that an item is drawn, as the float32 that our losses take in."""
    count = shop.count.astype(np.float64)
    if objective['type'] == 'in_batch':
        q = count / count.sum()
    elif objective['from'] == 'popularity':
        q = np.where(count > 0, count ** 0.75, 0)
        q = q / q.sum()
    else:
        q = np.where(count > 0, 1 / (count > 0).sum(), 0)
    with np.errstate(divide='ignore'):
        return np.log(q).astype(np.float32)


def in_batch(shop, objective, users, vectors, targets):
    """vectors: of the distinct targets, in order of appearance. A repeated item stands for as many negatives."""
    distinct = list(dict.fromkeys(targets))
    times = np.array([targets.count(i) for i in distinct])
    q = log_q(shop, objective) if objective['log_q'] else np.zeros(ITEMS, np.float32)
    shift = torch.tensor([float(np.float32(q[i] - np.float32(np.log(float(c))))) for i, c in zip(distinct, times)])
    own = torch.tensor([distinct.index(i) for i in targets])
    z = users @ vectors.T / objective['temperature']
    positive = z[torch.arange(len(targets)), own] - torch.tensor([float(q[i]) for i in targets])
    negative = (z - shift).masked_fill(F.one_hot(own, len(distinct)).bool(), -math.inf)
    loss = F.cross_entropy(torch.cat([positive[:, None], negative], 1), torch.zeros(len(targets), dtype=torch.long))
    # The same the plain way: every row of the batch is a column, other clicks of the same item are left out.
    plain = (users @ vectors[own].T / objective['temperature']) - torch.tensor([float(q[i]) for i in targets])
    same = (own[:, None] == own[None, :]) & ~torch.eye(len(targets), dtype=torch.bool)
    other = F.cross_entropy(plain.masked_fill(same, -math.inf), torch.arange(len(targets)))
    assert abs(loss.item() - other.item()) < 1e-6, (loss.item(), other.item())
    return loss


def sampled(shop, objective, examples, users, positives, negatives, drawn):
    """negatives: vectors [n, d] (shared) or [batch, n, d]; drawn: items likewise."""
    shared, t = objective['scope'] == 'batch', objective['temperature']
    z = (users @ negatives.T if shared else torch.einsum('bd,bnd->bn', users, negatives)) / t
    drawn = np.broadcast_to(np.array(drawn), z.shape)
    positive = (users * positives).sum(1) / t
    if objective['type'] == 'sampled_softmax' and objective['log_q']:
        q = log_q(shop, objective).astype(np.float64)
        z = z - torch.tensor(q[drawn])
        positive = positive - torch.tensor([q[shop.train[u][k][0]] for u, k in examples])
    if objective['mask'] == 'same_item':
        out = [{shop.train[u][k][0]} for u, k in examples]
    elif objective['mask'] == 'user_items':
        out = [{i for i, _ in shop.train[u]} for u, k in examples]
    else:
        out = [set() for _ in examples]
    keep = torch.tensor([[int(i) not in own for i in row] for row, own in zip(drawn, out)])
    if objective['type'] == 'sampled_softmax':
        logits = torch.cat([positive[:, None], z.masked_fill(~keep, -math.inf)], 1)
        return F.cross_entropy(logits, torch.zeros(len(examples), dtype=torch.long))
    if objective['type'] == 'bce':
        loss = F.binary_cross_entropy_with_logits(positive, torch.ones_like(positive), reduction='none')
        each = F.binary_cross_entropy_with_logits(z, torch.zeros_like(z), reduction='none')
        return (loss + (each * keep).sum(1)).mean()
    each = -F.logsigmoid(positive[:, None] - z) * keep
    return (each.sum(1) / keep.sum(1).clamp(min=1)).mean()


def total_loss(model, case, examples, drawn):
    shop = model.shop
    targets = [shop.train[u][k][0] for u, k in examples]
    users, loss = model.users(examples), 0
    distinct = list(dict.fromkeys(targets))
    for objective, own in zip(case['objectives'], drawn):
        if objective['type'] == 'in_batch':
            part = in_batch(shop, objective, users, model.item_vectors(distinct), targets)
        elif objective['type'] == 'full_softmax':
            logits = users @ model.item_vectors(shop.items).T / objective['temperature']
            part = F.cross_entropy(logits, torch.tensor([shop.items.index(i) for i in targets]))
        else:
            vectors = model.item_vectors(own)
            if objective['scope'] == 'example':
                vectors, own = vectors.view(len(examples), -1, vectors.shape[1]), np.array(own).reshape(len(examples), -1)
            part = sampled(shop, objective, examples, users, model.item_vectors(targets), vectors, own)
        loss = loss + objective['weight'] * part
    return loss, users, model.item_vectors(targets)


# --- cases -----------------------------------------------------------------------------------------------

def objective(type, **over):
    base = dict(type=type, weight=1.0, temperature=1.0, mask='same_item', log_q=True)
    if type == 'full_softmax':
        base.update(mask='none')
    elif type != 'in_batch':
        base.update(count=6, scope='batch')
        base['from'] = 'uniform'
    base.update(over)
    return base


CASES = {
    'ican_sampled': dict(user='ican', item='mlp', heads=2, feed_forward=12, user_fields=['user.gender'],
                         objectives=[objective('sampled_softmax', temperature=0.7, **{'from': 'popularity'})]),
    'ican_in_batch': dict(user='ican', item='mlp', heads=4, feed_forward=6, user_fields=['user.gender', 'context.device'],
                          objectives=[objective('in_batch', temperature=0.8)]),
    'youtubednn_in_batch': dict(user='youtubednn', item='mlp', user_fields=['user.gender', 'context.device'], least=0,
                                scorer='cosine', activation='tanh', objectives=[objective('in_batch', temperature=0.2)]),
    'dssm_sampled_each': dict(user='dssm', item='mlp', user_fields=['user.id', 'user.gender'], least=0,
                              objectives=[objective('sampled_softmax', scope='example', count=4, log_q=True,
                                                    **{'from': 'popularity'})]),
    'youtubednn_bce': dict(user='youtubednn', item='mlp', user_fields=['user.gender'], epsilon=1e-8,
                           objectives=[objective('bce', mask='none')]),
    'dssm_bpr': dict(user='dssm', item='id', history=False, user_fields=['user.id', 'user.gender'],
                     objectives=[objective('bpr', scope='example', count=3)]),
    'youtubednn_bpr': dict(user='youtubednn', item='id', user_fields=[],
                           objectives=[objective('bpr', mask='user_items', count=9)]),
    'ican_two_dense': dict(user='ican', item='mlp', heads=1, feed_forward=10, user_fields=['user.gender'],
                           optimiser='adam_dense', decay=0.01,
                           objectives=[objective('in_batch', weight=0.7, log_q=False),
                                       objective('bce', weight=0.3, scope='example', count=2)]),
    'fm_in_batch': dict(user='fm', item='fm', user_fields=['user.gender', 'context.device'], least=0,
                        objectives=[objective('in_batch', temperature=0.8)]),
    'deepfm_sampled': dict(user='deepfm', item='deepfm', user_fields=['user.gender'], least=0,
                           objectives=[objective('sampled_softmax')]),
    'autoint_in_batch': dict(user='autoint', item='autoint', heads=2, blocks=2, user_fields=['user.gender', 'context.device'],
                             least=0, objectives=[objective('in_batch', temperature=0.8)]),
    'ican_history_fields': dict(user='ican', item='mlp', heads=2, feed_forward=12, user_fields=['user.gender'],
                                history_fields='auto', objectives=[objective('in_batch', temperature=0.8)]),
    'ican_history_tags': dict(user='ican', item='id', heads=4, feed_forward=6, user_fields=[], history_fields=['tags'],
                              objectives=[objective('sampled_softmax')]),
    'ican_rows_fields': dict(user='ican', item='mlp', rows='fields', heads=8, feed_forward=12, least=0,
                             user_fields=['user.gender', 'context.device'], objectives=[objective('in_batch', temperature=0.8)]),
    'wha_merged': dict(user='wha', item='projected', heads=3, feed_forward=10, user_fields=[], least=0,
                       history_fields='auto', time_buckets=[17, 50, 70], scorer='cosine',
                       objectives=[objective('in_batch', temperature=0.2, log_q=False)]),
    'wha_concat': dict(user='wha', item='mlp', heads=2, feed_forward=6, user_fields=['user.gender'], merge='concat',
                       values='plain', position='forward', activation='tanh', time_buckets=[20, 60],
                       objectives=[objective('sampled_softmax')]),
    'bert4rec_full': dict(user='bert4rec', item='id', bias=True, heads=2, blocks=2, feed_forward=6, user_fields=[], least=0,
                          objectives=[objective('full_softmax', temperature=0.8)]),
}


def config_text(case):
    fields = lambda side: [f.split('.')[1] for f in case['user_fields'] if f.startswith(side)]
    user = dict(tower=case['user'], layers=[12, DIM], activation=case.get('activation', 'relu'))
    if case['user'] == 'ican':
        user.update(heads=case['heads'], feed_forward=case['feed_forward'])
        if 'history_fields' in case:
            user['history_fields'] = case['history_fields']
        if 'rows' in case:
            user['rows'] = case['rows']
            del user['heads']  # 8 is the default
    if case['user'] == 'dssm':
        user['history'] = case.get('history', True)
    if case['user'] == 'wha':
        own = ('heads', 'feed_forward', 'time_buckets', 'merge', 'values', 'position', 'history_fields')
        user.update({k: case[k] for k in own if k in case}, activation='tanh')
        if case.get('merge') != 'concat':
            del user['layers']
    item = dict(tower=case['item'])
    if case['user'] == 'bert4rec':
        user = dict(tower='bert4rec', dropout=0, **{k: case[k] for k in ('heads', 'blocks', 'feed_forward')})
        item.update(bias=case['bias'])
    if case['user'] == 'fm':
        user = dict(tower='fm')
    if case['user'] == 'autoint':
        item.update(heads=case['heads'], blocks=case['blocks'], width=DIM)
        user = dict(item)
    if case['item'] in ('mlp', 'deepfm'):
        item.update(layers=[12, DIM], activation=case.get('activation', 'relu'))
    objectives = []
    for one in case['objectives']:
        own = {k: v for k, v in one.items() if k in ('type', 'weight', 'temperature', 'mask')}
        if one['type'] in ('in_batch', 'sampled_softmax'):
            own['log_q'] = one['log_q']
        if one['type'] not in ('in_batch', 'full_softmax'):
            own['negatives'] = {k: one[k] for k in ('count', 'scope', 'from')}
        objectives.append(own)
    whole = dict(data=dict(history=HISTORY, min_history=case.get('least', 1)),
                 fields=dict(user=fields('user.'), context=fields('context.')),
                 model=dict(dim=DIM, scorer=case.get('scorer', 'dot'), user=user, item=item), objectives=objectives,
                 train=dict(batch=BATCH, learning_rate=0.005, epsilon=case.get('epsilon', 1e-4),
                            optimiser=case.get('optimiser', 'lazy_adam'), weight_decay=case.get('decay', 0)))
    return json.dumps(whole)  # JSON is YAML


def optimisers(model, case):
    adam = dict(lr=0.005, eps=case.get('epsilon', 1e-4))
    if not model.sparse:
        return [torch.optim.Adam(model.params.values(), weight_decay=case['decay'], **adam)]
    dense = [p for n, p in model.params.items() if n not in model.tables]
    sparse = torch.optim.SparseAdam([model.params[n] for n in model.tables], **adam)
    return [torch.optim.Adam(dense, **adam), sparse] if dense else [sparse]


def dense_of(parameter):
    if parameter.grad is None:
        return np.zeros(parameter.shape)
    return (parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad).numpy().copy()


def values_of(model, prefix):
    return {f'{prefix}/{n}': p.detach().numpy().copy() for n, p in model.params.items()}


def make_case(shop, name, case):
    model = Model(shop, case)
    steps = optimisers(model, case)
    all_examples = shop.examples(case.get('least', 1))
    tensors, losses, chosen, negatives = values_of(model, 'init'), [], [], []
    for step in range(STEPS):
        size = BATCH if step < STEPS - 1 else BATCH - 3  # a short last batch
        examples = [all_examples[i] for i in rng.permutation(len(all_examples))[:size]]
        drawn = []
        for one in case['objectives']:
            count = one.get('count', 0) * (size if one.get('scope') == 'example' else 1)
            drawn.append([shop.items[i] for i in rng.integers(0, len(shop.items), count)])
        loss, users, items = total_loss(model, case, examples, drawn)
        for o in steps:
            o.zero_grad()
        loss.backward()
        if step == 0:
            tensors.update({f'gradient/{n}': dense_of(p) for n, p in model.params.items()})
            tensors.update(user_vectors=users.detach().numpy(), item_vectors=items.detach().numpy())
        for o in steps:
            o.step()
        losses.append(loss.item())
        chosen.append(examples + [(-1, -1)] * (BATCH - size))
        negatives.append([shop.row[i] for own in drawn for i in own])
    longest = max(1, max(map(len, negatives)))
    tensors.update(values_of(model, 'final'), losses=np.array(losses), examples=np.array(chosen, np.int32),
                   negatives=np.array([own + [0] * (longest - len(own)) for own in negatives], np.int32))
    metadata = {'config': config_text(case)}
    for table in model.tables:
        metadata['tokens.' + table] = ' '.join(shop.tokens.get(table.replace('.linear', '').replace('item.bias', 'item.id'), []))
    write_safetensors(f'{HERE}/{name}.safetensors', tensors, metadata)
    print(f'{name}: {len(tensors)} tensors, loss {losses[0]:.6f} -> {losses[-1]:.6f}')


def write_safetensors(path, tensors, metadata):
    header, at, data = {'__metadata__': dict(sorted(metadata.items()))}, 0, []
    for name in sorted(tensors, key=lambda n: (tensors[n].itemsize != 8, n)):  # eight-byte numbers first: aligned
        values = np.ascontiguousarray(tensors[name])
        dtype = {'float64': 'F64', 'int32': 'I32'}[values.dtype.name]
        header[name] = {'dtype': dtype, 'shape': list(values.shape), 'data_offsets': [at, at + values.nbytes]}
        data.append(values.tobytes())
        at += values.nbytes
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-(8 + len(text)) % 64)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + b''.join(data))


def main():
    raw = make_shop()
    write_shop(raw)
    shop = Shop(raw)
    for name, case in CASES.items():
        if name in sys.argv[1:] or len(sys.argv) == 1:
            make_case(shop, name, case)
    print(f'PyTorch {torch.__version__}, NumPy {np.__version__}')


main()
