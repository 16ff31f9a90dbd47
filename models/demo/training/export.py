"""Writes a checkpoint as GGUF: `python export.py <folder> <file.gguf>`. Needs numpy alone.

Matrices as Q8_0 (blocks of 32 numbers with one scale of 16 bits), norms as F32.
"""

import json
import pathlib
import struct
import sys

import numpy as np

ALIGNMENT = 32
F32, Q8_0 = 0, 8
U32, F32_VALUE, STRING, ARRAY, BOOL, I32 = 4, 6, 8, 9, 7, 5
NAME = "Hearthmesh demo"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] | trim }}{{ '\\n' }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ 'Ember: ' + message['content'] | trim + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Ember:' }}{% endif %}")


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key: str, kind: int, value) -> bytes:
    head = text(key) + struct.pack("<I", kind)
    if kind == STRING:
        return head + text(value)
    if kind == ARRAY:
        of, values = value
        packed = b"".join(text(v) for v in values) if of == STRING else struct.pack(
            f"<{len(values)}{'f' if of == F32_VALUE else 'i'}", *values)
        return head + struct.pack("<IQ", of, len(values)) + packed
    return head + struct.pack({U32: "<I", F32_VALUE: "<f", BOOL: "<?"}[kind], value)


def q8_0(rows: np.ndarray) -> bytes:
    blocks = rows.reshape(-1, 32).astype(np.float32)
    scale = np.abs(blocks).max(1) / 127.0
    inverse = np.where(scale > 0, 1.0 / np.where(scale > 0, scale, 1), 0)[:, None]
    whole = np.clip(np.rint(blocks * inverse), -127, 127).astype(np.int8)
    out = np.zeros(len(blocks), dtype=[("d", "<f2"), ("q", "i1", 32)])
    out["d"], out["q"] = scale.astype(np.float16), whole
    return out.tobytes()


def tensors_of(weights: dict) -> list:
    """Name, shape as GGUF has it (the row's length first), type, bytes."""
    found = []
    for name, values in weights.items():
        if name.endswith("norm"):
            raw = values.astype("<f4").tobytes()
            found.append((f"{name}.weight", values.shape, F32, raw))
            continue
        # The model multiplies rows by columns; GGUF keeps one row for each output.
        rows = values if name == "token_embd" else values.T
        shape = (rows.shape[1], rows.shape[0])
        found.append((f"{name}.weight", shape, Q8_0, q8_0(np.ascontiguousarray(rows))))
    return found


def metadata(shape: dict, tokens: list, scores: list, types: list) -> list:
    return [
        entry("general.architecture", STRING, "llama"),
        entry("general.name", STRING, NAME),
        entry("general.license", STRING, "apache-2.0"),
        entry("general.description", STRING, "Tells short stories in simple English"),
        entry("general.file_type", U32, 7),
        entry("llama.context_length", U32, shape["context"]),
        entry("llama.embedding_length", U32, shape["width"]),
        entry("llama.block_count", U32, shape["layers"]),
        entry("llama.feed_forward_length", U32, shape["ffn"]),
        entry("llama.attention.head_count", U32, shape["heads"]),
        entry("llama.attention.head_count_kv", U32, shape["kv_heads"]),
        entry("llama.attention.key_length", U32, shape["head"]),
        entry("llama.attention.value_length", U32, shape["head"]),
        entry("llama.attention.layer_norm_rms_epsilon", F32_VALUE, shape["epsilon"]),
        entry("llama.rope.dimension_count", U32, shape["head"]),
        entry("llama.rope.freq_base", F32_VALUE, shape["rope_base"]),
        entry("llama.vocab_size", U32, shape["vocab"]),
        entry("tokenizer.ggml.model", STRING, "llama"),
        entry("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
        entry("tokenizer.ggml.scores", ARRAY, (F32_VALUE, scores)),
        entry("tokenizer.ggml.token_type", ARRAY, (I32, types)),
        entry("tokenizer.ggml.bos_token_id", U32, 1),
        entry("tokenizer.ggml.eos_token_id", U32, 2),
        entry("tokenizer.ggml.unknown_token_id", U32, 0),
        entry("tokenizer.ggml.add_bos_token", BOOL, True),
        entry("tokenizer.ggml.add_eos_token", BOOL, False),
        entry("tokenizer.ggml.add_space_prefix", BOOL, True),
        entry("tokenizer.chat_template", STRING, CHAT_TEMPLATE),
    ]


def main(folder: pathlib.Path, target: pathlib.Path, shape: dict):
    data = np.load(folder / "checkpoint.npz")
    weights = {n[2:]: data[n] for n in data.files if n.startswith("w/")}
    entries = metadata(shape, *json.loads((folder / "vocabulary.json").read_text()))
    tensors = tensors_of(weights)
    table, offset = [], 0
    for name, dims, kind, raw in tensors:
        table.append(text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset))
        offset += -(-len(raw) // ALIGNMENT) * ALIGNMENT
    head = struct.pack("<IIQQ", 0x46554747, 3, len(tensors), len(entries))
    head += b"".join(entries) + b"".join(table)
    with open(target, "wb") as out:
        out.write(head + b"\0" * (-len(head) % ALIGNMENT))
        for _, _, _, raw in tensors:
            out.write(raw + b"\0" * (-len(raw) % ALIGNMENT))
    print(target, target.stat().st_size, "bytes")


if __name__ == "__main__":
    from shape import SHAPE
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), SHAPE)
