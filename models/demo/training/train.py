"""Trains the demo model. `python train.py <folder> [minutes]`; goes on from a checkpoint there.

Matrices are trained by Muon (orthogonalised momentum), the rest by Adam. Needs numpy and jax.
With XLA_FLAGS="--xla_force_host_platform_device_count=2 --xla_cpu_multi_thread_eigen=false" two
cores work on half of each batch, and meet once in each step.
"""

import json
import pathlib
import random
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

import corpus
import model
import tokenizer

BATCH, TIME, TIME_LAST = 16, 256, 512
RATE_MATRIX, RATE_OTHER, DECAY = 0.02, 0.002, 0.01
# The rate falls to nothing over the last part of the time; the last eighth uses long rows.
WARM_STEPS, FALL_SHARE, LONG_SHARE = 50, 0.5, 0.12
SEED = 20260


def orthogonal(g):
    """Newton-Schulz iteration of Muon: all singular values near one."""
    flip = g.shape[0] > g.shape[1]
    x = g.T if flip else g
    x = x / (jnp.linalg.norm(x) + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    x = x * max(1.0, g.shape[1] / g.shape[0]) ** 0.5
    return x.T if flip else x


def is_matrix(name: str) -> bool:
    return name.startswith("blk.") and not name.endswith("_norm")


@jax.jit
def step(weights, first, second, count, tokens, rate):
    """One step for all weights; `rate` scales both methods."""
    found, slopes = jax.value_and_grad(model.loss)(weights, tokens)
    total = jnp.sqrt(sum((g * g).sum() for g in slopes.values()))
    shrink = jnp.minimum(1.0, 1.0 / (total + 1e-6))
    new = ({}, {}, {})
    for name, w in weights.items():
        g = slopes[name] * shrink
        if is_matrix(name):
            m, v = 0.95 * first[name] + g, second[name]
            change = RATE_MATRIX * orthogonal(g + 0.95 * m) + RATE_MATRIX * DECAY * w
        else:
            m = 0.9 * first[name] + 0.1 * g
            v = 0.99 * second[name] + 0.01 * g * g
            tall = jnp.sqrt(v / (1 - 0.99 ** count)) + 1e-8
            change = RATE_OTHER * (m / (1 - 0.9 ** count)) / tall
        for group, value in zip(new, (w - rate * change, m, v)):
            group[name] = value
    return *new, found


def rows(encoder, rng: random.Random, batch: int, time_tokens: int):
    """Rows that begin with a document; others follow until the row is full."""
    row = []
    while len(row) < batch:
        ids: list = []
        while len(ids) < time_tokens + 1:
            ids += encoder.document(corpus.document(rng))
        row.append(ids[:time_tokens + 1])
    return np.array(row, np.int32)


def placed(tree, *axes):
    """On all devices: the rows of a batch over them with the axis `rows`, else a copy on each."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("rows",))
    layout = jax.sharding.PartitionSpec(*axes)
    return jax.device_put(tree, jax.sharding.NamedSharding(mesh, layout))


def save(folder, state, seconds):
    weights, first, second, count = state
    data = {f"{k}/{n}": np.asarray(a) for k, group in (("w", weights), ("m", first), ("v", second))
            for n, a in group.items()}
    part = folder / "part.npz"
    np.savez(part, count=count, seconds=seconds, **data)
    part.rename(folder / "checkpoint.npz")


def load(folder):
    file = folder / "checkpoint.npz"
    if not file.exists():
        weights = model.start(jax.random.PRNGKey(SEED))
        zero = {n: jnp.zeros_like(a) for n, a in weights.items()}
        return (weights, zero, zero, 0), 0.0
    data = np.load(file)
    groups = [{n[2:]: jnp.asarray(data[n]) for n in data.files if n.startswith(f"{k}/")}
              for k in ("w", "m", "v")]
    return (*groups, int(data["count"])), float(data["seconds"])


def vocabulary(folder):
    file = folder / "vocabulary.json"
    if not file.exists():
        texts = (segment for d in corpus.documents(1, 20000) for segment in d)
        file.write_text(json.dumps(tokenizer.train(texts, model.SHAPE["vocab"])))
    return json.loads(file.read_text())


def main(folder: pathlib.Path, minutes: float):
    folder.mkdir(parents=True, exist_ok=True)
    tokens, scores, _ = vocabulary(folder)
    encoder = tokenizer.Encoder(tokens, scores)
    (weights, first, second, count), spent = load(folder)
    weights, first, second = placed((weights, first, second))
    rng = random.Random(SEED + count)
    check = [rows(encoder, random.Random(7 + i), BATCH, TIME) for i in range(2)]
    limit, began, saved = minutes * 60, time.monotonic() - spent, spent
    while (now := time.monotonic() - began) < limit:
        share = now / limit
        rate = min(1.0, (count + 1) / WARM_STEPS, max(0.02, (1 - share) / FALL_SHARE))
        long = share > 1 - LONG_SHARE
        data = rows(encoder, rng, BATCH // 2 if long else BATCH, TIME_LAST if long else TIME)
        count += 1
        weights, first, second, found = step(
            weights, first, second, count, placed(data, "rows"), rate)
        if count % 25 == 0:
            line = f"{count},{count * BATCH * TIME},{now:.0f},{rate:.3f},{float(found):.4f}"
            if count % 100 == 0:
                line += f",{sum(float(model.loss(weights, c)) for c in check) / len(check):.4f}"
            with open(folder / "loss.csv", "a") as log:
                log.write(line + "\n")
        if now - saved > 90:
            save(folder, (weights, first, second, count), now)
            saved = now
    save(folder, (weights, first, second, count), limit)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 60)
