"""A byte-fallback vocabulary as SentencePiece has it, made from the corpus, and its encoder."""

import re
from collections import Counter, defaultdict

SPACE = "\u2581"
BOS, EOS = 1, 2
PIECES = re.compile(rf"{SPACE}?[A-Za-z]+|{SPACE}?[^\sA-Za-z0-9{SPACE}]+|{SPACE}|.", re.DOTALL)


def pieces_of(text: str) -> list:
    return PIECES.findall(SPACE + text.replace(" ", SPACE))


def train(texts, size: int) -> tuple:
    """Merges the most frequent pair, again and again; a piece's score is minus its rank."""
    counts = Counter()
    for text in texts:
        counts.update(pieces_of(text))
    chars = sorted({c for piece in counts for c in piece if c != "\n"} | set(
        map(chr, range(33, 127))))
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    types = [2, 3, 3] + [6] * 256
    merged: list = []
    words = [(list(piece), n) for piece, n in counts.items()]
    while len(tokens) + len(merged) + len(chars) < size:
        pairs: dict = defaultdict(int)
        for symbols, n in words:
            for a, b in zip(symbols, symbols[1:]):
                pairs[a, b] += n
        (a, b), n = max(pairs.items(), key=lambda item: (item[1], item[0]))
        if n < 5:
            break
        if a + b not in merged:
            merged.append(a + b)
        for symbols, _ in words:
            i = 0
            while i + 1 < len(symbols):
                if symbols[i] == a and symbols[i + 1] == b:
                    symbols[i:i + 2] = [a + b]
                i += 1
    scores = [0.0] * len(tokens) + [-float(i) for i in range(len(merged) + len(chars))]
    tokens += merged + chars
    types += [1] * (len(merged) + len(chars))
    return tokens, scores, types


class Encoder:
    """Greedy by score, as llama.cpp and SentencePiece do it; words are remembered."""

    def __init__(self, tokens: list, scores: list):
        self.ids = {token: i for i, token in enumerate(tokens) if i > 258}
        self.scores = scores
        self.known: dict = {}

    def word(self, piece: str) -> list:
        symbols = list(piece)
        while True:
            best, at = None, -1
            for i, pair in enumerate(zip(symbols, symbols[1:])):
                found = self.ids.get(pair[0] + pair[1])
                if found is not None and (best is None or self.scores[found] > best):
                    best, at = self.scores[found], i
            if at < 0:
                break
            symbols[at:at + 2] = [symbols[at] + symbols[at + 1]]
        ids: list = []
        for symbol in symbols:
            found = self.ids.get(symbol)
            ids += [found] if found is not None else [3 + b for b in symbol.encode()]
        return ids

    def encode(self, text: str) -> list:
        ids: list = []
        for piece in pieces_of(text):
            if piece not in self.known:
                self.known[piece] = self.word(piece)
            ids += self.known[piece]
        return ids

    def document(self, segments: list) -> list:
        """Begin, then every segment and its end."""
        ids = [BOS]
        for segment in segments:
            ids += self.encode(segment) + [EOS]
        return ids
