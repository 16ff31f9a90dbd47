"""The model: a llama with grouped queries and a tied output, as plain functions of JAX."""

import jax
import jax.numpy as jnp

from shape import SHAPE


def start(key) -> dict:
    """Small normal numbers; what leads back to the residual starts smaller."""
    s = SHAPE
    q, kv = s["heads"] * s["head"], s["kv_heads"] * s["head"]
    sizes = dict(attn_q=(s["width"], q), attn_k=(s["width"], kv), attn_v=(s["width"], kv),
                 attn_output=(q, s["width"]), ffn_gate=(s["width"], s["ffn"]),
                 ffn_up=(s["width"], s["ffn"]), ffn_down=(s["ffn"], s["width"]))
    weights = {"token_embd": 0.02 * jax.random.normal(key, (s["vocab"], s["width"])),
               "output_norm": jnp.ones(s["width"])}
    for layer in range(s["layers"]):
        for name, size in sizes.items():
            key, use = jax.random.split(key)
            scale = size[0] ** -0.5
            if name in ("attn_output", "ffn_down"):
                scale *= (2 * s["layers"]) ** -0.5
            weights[f"blk.{layer}.{name}"] = scale * jax.random.normal(use, size)
        weights[f"blk.{layer}.attn_norm"] = jnp.ones(s["width"])
        weights[f"blk.{layer}.ffn_norm"] = jnp.ones(s["width"])
    return weights


def norm(x, weight):
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + SHAPE["epsilon"]) * weight


def turn(x, cos, sin):
    """Rotary positions of neighbouring pairs, as the architecture `llama` has them in GGUF."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return jnp.stack((even * cos - odd * sin, even * sin + odd * cos), -1).reshape(x.shape)


def logits(weights: dict, tokens):
    """`tokens` [batch, time] -> [batch, time, vocab]."""
    s = SHAPE
    batch, time = tokens.shape
    groups = s["heads"] // s["kv_heads"]
    frequency = s["rope_base"] ** (-jnp.arange(0, s["head"], 2) / s["head"])
    angle = jnp.arange(time)[:, None, None] * frequency
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    causal = jnp.tril(jnp.ones((time, time), bool))
    x = weights["token_embd"][tokens]
    for layer in range(s["layers"]):
        w = {name: weights[f"blk.{layer}.{name}"] for name in (
            "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down",
            "attn_norm", "ffn_norm")}
        h = norm(x, w["attn_norm"])
        q = turn((h @ w["attn_q"]).reshape(batch, time, s["heads"], s["head"]), cos, sin)
        k = turn((h @ w["attn_k"]).reshape(batch, time, s["kv_heads"], s["head"]), cos, sin)
        v = (h @ w["attn_v"]).reshape(batch, time, s["kv_heads"], s["head"])
        q = q.reshape(batch, time, s["kv_heads"], groups, s["head"])
        scores = jnp.einsum("btkgd,bskd->bkgts", q, k) * s["head"] ** -0.5
        seen = jax.nn.softmax(jnp.where(causal, scores, -1e9), -1)
        mixed = jnp.einsum("bkgts,bskd->btkgd", seen, v).reshape(batch, time, -1)
        x = x + mixed @ w["attn_output"]
        h = norm(x, w["ffn_norm"])
        x = x + (jax.nn.silu(h @ w["ffn_gate"]) * (h @ w["ffn_up"])) @ w["ffn_down"]
    return norm(x, weights["output_norm"]) @ weights["token_embd"].T


def loss(weights: dict, tokens):
    """Mean negative log likelihood of the next token; `tokens` [batch, time + 1]."""
    found = jax.nn.log_softmax(logits(weights, tokens[:, :-1]))
    return -jnp.take_along_axis(found, tokens[:, 1:, None], -1).mean()
