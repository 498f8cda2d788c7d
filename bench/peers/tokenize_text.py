#!/usr/bin/env python3
"""The work of `weir bench tokenize` by the tokenizers package: encode_batch of all documents; prints one JSON line.

The same made-up prose, or the documents of FILE (between lines of <|endoftext|>). Only encode_batch is timed, not
reading or writing. The tokenizer is tests/golden/tokenizers/smollm2, or another tokenizer.json.

  python bench/peers/tokenize_text.py [--text FILE] [--tokenizer FILE] [--runs 3] [--fast]
"""
import argparse
import json
import pathlib
import statistics
import time

TEXT_BYTES, DOCUMENT_BYTES, WORDS = 8_000_000, 40_000, 16384
SYLLABLES = ["ba", "con", "di", "er", "fo", "ing", "ka", "le", "mi", "nor", "o", "pre", "ra", "st", "ti", "un"]
MASK = (1 << 64) - 1


class Draw:
    """weir/base/draw.h"""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, n):
        limit = MASK - MASK % n
        while True:
            value = self.next()
            if value < limit:
                return value % n


def made_documents():
    draw = Draw(0)
    words = []
    for _ in range(WORDS):
        n = 1 + draw.below(4)
        words.append("".join(SYLLABLES[draw.below(len(SYLLABLES))] for _ in range(n)))
    documents, total = [], 0
    while total < TEXT_BYTES:
        parts, size = [], 0
        while size < DOCUMENT_BYTES:
            for n in range(6 + draw.below(12), 0, -1):
                most = 1 << (1 + draw.below(14))
                parts.append(words[draw.below(most)] + ("." if n == 1 else " "))
                size += len(parts[-1])
            parts.append("\n" if draw.below(4) == 0 else " ")
            size += 1
        documents.append("".join(parts))
        total += size + len("<|sep|>")
    return documents


def main():
    here = pathlib.Path(__file__).resolve().parent.parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text")
    parser.add_argument("--tokenizer", default=str(here / "tests/golden/tokenizers/smollm2/tokenizer.json"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--fast", action="store_true", help="encode_batch_fast, without offsets")
    args = parser.parse_args()

    import tokenizers

    documents = made_documents()
    if args.text:
        parts = pathlib.Path(args.text).read_text(encoding="utf-8").split("<|endoftext|>\n")
        documents = [part for part in parts if part]
    tokenizer = tokenizers.Tokenizer.from_file(args.tokenizer)
    encode = tokenizer.encode_batch_fast if args.fast else tokenizer.encode_batch
    seconds, n_tokens = [], 0
    for run in range(args.runs + 1):
        start = time.perf_counter()
        encodings = encode(documents, add_special_tokens=False)
        if run > 0:
            seconds.append(time.perf_counter() - start)
        n_tokens = sum(len(encoding) for encoding in encodings)
        del encodings
    n_bytes = sum(len(document.encode()) for document in documents)
    with open("/proc/self/status", encoding="ascii") as status:
        peak = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
    print(json.dumps({
        "name": "tokenize", "peer": f"tokenizers {tokenizers.__version__}", "call": encode.__name__,
        "seconds_median": statistics.median(seconds), "seconds": seconds,
        "rate": n_bytes / 1e6 / statistics.median(seconds), "unit": "MB/s", "tokens": n_tokens,
        "documents": len(documents), "peak_rss_mb": peak}))


if __name__ == "__main__":
    main()
