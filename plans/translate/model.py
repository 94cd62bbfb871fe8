"""The translation networks: a transformer encoder and a decoder of simpler simple recurrent units (SSRU; Kim et al. 2019,
"From Research to Production and Back"), which carry one state vector a layer instead of a growing cache.

Norm before each part, embeddings shared by source, target and output, positions by sines. Everything that a decoding step needs
of the source are the keys and values of the decoder's attention, so they are computed once a sentence (`memory`).
"""
import pickle

import torch
import torch.nn as nn
import torch.nn.functional as F

from text import BOS, EOS, LONGEST, PAD, fail

MASKED = -1e4  # added to the attention's scores at padding; finite, so that fp16 holds it

# name: width, heads, width within the feed-forward parts, encoder layers, decoder layers, dropout, decoder has feed-forward
NETWORKS = {
    "d64": (64, 2, 256, 1, 1, 0.0, False),
    "d128": (128, 4, 512, 3, 1, 0.1, True),
    "d192": (192, 6, 768, 3, 1, 0.1, True),
    "d256": (256, 4, 1024, 4, 1, 0.2, True),
}


def positions(count, d):
    angle = torch.arange(count).unsqueeze(1) / 10000 ** (torch.arange(0, d, 2) / d)
    return torch.cat([angle.sin(), angle.cos()], 1)


class Dropout(nn.Module):
    """Dropout whose masks are cut from one pool of random numbers at a random place. Drawing a fresh mask for each call took a
    fifth of a training step on a CPU; a cut costs no more than the product."""

    POOL = 1 << 23  # entries: more than the largest tensor of a batch
    pools = {}

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0.0:
            return x
        key = (self.p, x.dtype, x.device)
        if key not in self.pools:
            drawn = torch.rand(self.POOL, generator=torch.Generator().manual_seed(2020)) >= self.p
            self.pools[key] = (drawn.float() / (1 - self.p)).to(x.device, x.dtype)
        if x.numel() > self.POOL:
            return F.dropout(x, self.p)
        place = int(torch.randint(0, self.POOL - x.numel() + 1, ()))
        return x * self.pools[key][place : place + x.numel()].view_as(x)


class Attention(nn.Module):
    """Attention of `heads` heads; keys and values come from one projection, with the query's beside it where all three read the
    same rows."""

    def __init__(self, d, heads, own):
        super().__init__()
        self.heads, self.own = heads, own
        self.scale = (d // heads) ** -0.5
        self.q = None if own else nn.Linear(d, d)
        self.kv = nn.Linear(d, 3 * d if own else 2 * d)
        self.o = nn.Linear(d, d)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def attend(self, q, k, v, mask):
        scores = torch.matmul(self.split(q) * self.scale, self.split(k).transpose(-1, -2)) + mask
        return self.o(torch.matmul(scores.softmax(-1), self.split(v)).transpose(1, 2).reshape(q.shape))

    def forward(self, x, mask):
        return self.attend(*self.kv(x).chunk(3, -1), mask)


class SSRU(nn.Module):
    """c' = f c + (1 - f) z, output relu(c'); the forget gate f and z read the layer's input alone."""

    def __init__(self, d):
        super().__init__()
        self.w = nn.Linear(d, 2 * d)

    def forward(self, x, state):
        f, z = self.w(x).chunk(2, -1)
        f = torch.sigmoid(f)
        z = (1 - f) * z
        out = []
        for ft, zt in zip(f.unbind(1), z.unbind(1)):
            state = ft * state + zt
            out.append(state)
        return F.relu(torch.stack(out, 1)), state


class FeedForward(nn.Sequential):
    def __init__(self, d, inner, dropout):
        super().__init__(nn.Linear(d, inner), nn.ReLU(), Dropout(dropout), nn.Linear(inner, d))


class EncoderLayer(nn.Module):
    def __init__(self, d, heads, inner, dropout):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attention = Attention(d, heads, own=True)
        self.feed = FeedForward(d, inner, dropout)
        self.drop = Dropout(dropout)

    def forward(self, x, mask):
        x = x + self.drop(self.attention(self.n1(x), mask))
        return x + self.drop(self.feed(self.n2(x)))


class DecoderLayer(nn.Module):
    def __init__(self, d, heads, inner, dropout, feed):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.recurrent = SSRU(d)
        self.attention = Attention(d, heads, own=False)
        self.n3 = nn.LayerNorm(d) if feed else None
        self.feed = FeedForward(d, inner, dropout) if feed else None
        self.drop = Dropout(dropout)

    def forward(self, x, state, k, v, mask):
        y, state = self.recurrent(self.n1(x), state)
        x = x + self.drop(y)
        x = x + self.drop(self.attention.attend(self.attention.q(self.n2(x)), k, v, mask))
        if self.feed is not None:
            x = x + self.drop(self.feed(self.n3(x)))
        return x, state


class Network(nn.Module):
    def __init__(self, name, vocabulary):
        super().__init__()
        d, heads, inner, encoders, decoders, dropout, feed = NETWORKS[name]
        self.d, self.scale = d, d**0.5
        self.embedding = nn.Embedding(vocabulary, d)
        nn.init.normal_(self.embedding.weight, 0, d**-0.5)
        self.encoder = nn.ModuleList(EncoderLayer(d, heads, inner, dropout) for _ in range(encoders))
        self.decoder = nn.ModuleList(DecoderLayer(d, heads, inner, dropout, feed) for _ in range(decoders))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(d), nn.LayerNorm(d)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.drop = Dropout(dropout)
        self.register_buffer("positions", positions(4 * LONGEST, d), persistent=False)

    def embed(self, ids, first=0):
        return self.drop(self.embedding(ids) * self.scale + self.positions[first : first + ids.shape[1]])

    def memory(self, source):
        """Keys and values of each decoder layer, and the mask [B, 1, 1, S] that is added to the attention's scores."""
        mask = (source == PAD)[:, None, None, :].float() * MASKED
        x = self.embed(source)
        for layer in self.encoder:
            x = layer(x, mask)
        x = self.encoder_norm(x)
        return [layer.attention.kv(x).chunk(2, -1) for layer in self.decoder], mask

    def decode(self, memory, mask, states, target, first=0):
        """What the output layer reads, for target pieces from place `first` on, and the states after them."""
        x, after = self.embed(target, first), []
        for layer, state, (k, v) in zip(self.decoder, states, memory):
            x, state = layer(x, state, k, v, mask)
            after.append(state)
        return self.decoder_norm(x), after

    def logits(self, x):
        return F.linear(x, self.embedding.weight, self.bias)

    def start(self, rows):
        return [self.bias.new_zeros(rows, self.d) for _ in self.decoder]

    def loss(self, source, target, smoothing):
        """Cross entropy summed over the target's pieces, and their count. Padding is dropped before the output layer, which is
        the dearest one."""
        memory, mask = self.memory(source)
        x, _ = self.decode(memory, mask, self.start(source.shape[0]), target[:, :-1])
        wanted = target[:, 1:]
        keep = wanted != PAD
        out = self.logits(x[keep]).float()
        return F.cross_entropy(out, wanted[keep], reduction="sum", label_smoothing=smoothing), out.shape[0]


def limit(source_pieces):
    """Most target pieces for a source of so many pieces (its end counted)."""
    return min(LONGEST, 2 * source_pieces + 8)


@torch.no_grad()
def greedy(network, source):
    """Greedy translations of a padded batch, as lists of pieces without BOS and EOS."""
    memory, mask = network.memory(source)
    rows = source.shape[0]
    states, done = network.start(rows), torch.zeros(rows, dtype=torch.bool, device=source.device)
    token, out = torch.full((rows, 1), BOS, device=source.device), []
    for step in range(limit(source.shape[1])):
        x, states = network.decode(memory, mask, states, token, step)
        token = network.logits(x[:, 0]).argmax(-1).masked_fill(done, EOS)
        out.append(token)
        done = done | (token == EOS)
        if done.all():
            break
        token = token[:, None]
    return [row[: row.index(EOS)] if EOS in row else row for row in torch.stack(out, 1).tolist()]


@torch.no_grad()
def beam(network, source, width, power=1.0):
    """The best translation of each row of a padded batch by beam search, score divided by length to `power`; as greedy's."""
    rows, vocabulary = source.shape[0], network.bias.shape[0]
    memory, mask = network.memory(source)
    memory = [tuple(x.repeat_interleave(width, 0) for x in kv) for kv in memory]
    mask = mask.repeat_interleave(width, 0)
    states, device = network.start(rows * width), source.device
    first_beam = torch.arange(rows, device=device)[:, None] * width
    # All beams of a row begin alike, so all but the first are ruled out for the first step.
    score = torch.full((rows, width), -1e9, device=device)
    score[:, 0] = 0.0
    length = torch.zeros(rows, width, device=device)
    done = torch.zeros(rows, width, dtype=torch.bool, device=device)
    token, out = torch.full((rows * width, 1), BOS, device=device), torch.zeros(rows, width, 0, dtype=torch.long, device=device)
    for step in range(limit(source.shape[1])):
        x, states = network.decode(memory, mask, states, token, step)
        gain, piece = network.logits(x[:, 0]).log_softmax(-1).topk(width, -1)
        gain, piece = gain.view(rows, width, width), piece.view(rows, width, width)
        # A finished beam goes on as itself, in one of its places.
        gain = gain.masked_fill(done[:, :, None], -1e9)
        piece = piece.masked_fill(done[:, :, None], EOS)
        gain[:, :, 0].masked_fill_(done, 0.0)
        total = score[:, :, None] + gain
        long = (length + (~done).float())[:, :, None].expand_as(total)
        best = (total / long.clamp_min(1.0) ** power).view(rows, -1).topk(width, -1).indices
        origin = best // width
        score, length = total.view(rows, -1).gather(1, best), long.reshape(rows, -1).gather(1, best)
        chosen = piece.view(rows, -1).gather(1, best)
        done = done.gather(1, origin) | (chosen == EOS)
        out = torch.cat([out.gather(1, origin[:, :, None].expand(-1, -1, step)), chosen[:, :, None]], 2)
        flat = (first_beam + origin).view(-1)
        states = [state[flat] for state in states]
        token = chosen.view(-1, 1)
        # Beams are in order of their scores: what is first and finished may still be overtaken, but seldom is.
        if done[:, 0].all():
            break
    return [row[: row.index(EOS)] if EOS in row else row for row in out[:, 0].tolist()]


def read(path):
    """What a checkpoint holds."""
    try:
        return torch.load(path, map_location="cpu")
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as e:
        fail(f"checkpoint {path}: expected a file of train.py, got {str(e).splitlines()[0]}; name another, or remove it")


def load(path, vocabulary):
    """The network of a checkpoint best.pt, its name, and what the checkpoint says of itself."""
    saved = read(path)
    try:
        weights, name = saved.pop("weights"), saved["network"]
        network = Network(name, vocabulary)
        network.load_state_dict(weights)
    except (KeyError, AttributeError, RuntimeError) as e:
        fail(f"checkpoint {path}: expected a best.pt of train.py, got one without {str(e).splitlines()[0]}; name a best.pt")
    return network.eval(), name, saved
