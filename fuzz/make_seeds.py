#!/usr/bin/env python3
"""Writes the seed corpus of every fuzz target, from the files of tests/golden and tests/report.

Usage: make_seeds.py FOLDER; makes FOLDER/TARGET/... .
"""
import hashlib
import pathlib
import shutil
import struct
import sys
import zipfile

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests/golden"
OUT = pathlib.Path(sys.argv[1])
MAX_BYTES = 1 << 16


def write(target, name, data):
    folder = OUT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def copy(target, pattern):
    for path in sorted(GOLDEN.glob(pattern)):
        if path.stat().st_size <= MAX_BYTES:
            write(target, str(path.relative_to(GOLDEN)).replace("/", "-"), path.read_bytes())


def safetensors(header, data):
    return struct.pack("<Q", len(header)) + header + data


def llama2c(is_legacy):
    sizes = struct.pack("<7i", 4, 6, 2, 2, 1, 5, 3)
    weights = bytes(4 * 280)
    if is_legacy:
        return sizes + weights + bytes(4 * 6)
    return (b"24ka" + struct.pack("<i", 1) + sizes + b"\1").ljust(256, b"\0") + weights


def gguf_text(text):
    return struct.pack("<Q", len(text)) + text


def gguf_strings(key, values):
    return gguf_text(key) + struct.pack("<IIQ", 9, 8, len(values)) + b"".join(map(gguf_text, values))


def gguf_vocabulary(kind, pre=None):
    """A GGUF file of six tokens: metadata only."""
    tokens = [b"<unk>", b"<s>", b"</s>", b"a", b"b", b"ab"]
    entries = [gguf_text(b"tokenizer.ggml.model") + struct.pack("<I", 8) + gguf_text(kind),
               gguf_strings(b"tokenizer.ggml.tokens", tokens),
               gguf_text(b"tokenizer.ggml.token_type") + struct.pack("<IIQ6i", 9, 5, 6, 2, 3, 3, 1, 1, 1),
               gguf_text(b"tokenizer.ggml.bos_token_id") + struct.pack("<II", 4, 1),
               gguf_text(b"tokenizer.ggml.eos_token_id") + struct.pack("<II", 4, 2)]
    if kind == b"gpt2":
        entries += [gguf_text(b"tokenizer.ggml.pre") + struct.pack("<I", 8) + gguf_text(pre),
                    gguf_strings(b"tokenizer.ggml.merges", [b"a b"])]
    else:
        entries += [gguf_text(b"tokenizer.ggml.scores") + struct.pack("<IIQ6f", 9, 6, 6, 0, 0, 0, -1, -2, -3)]
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries)


def sentencepiece():
    """Three pieces, the third a byte pair: the fields of a model that a trainer writes."""
    def piece(text, score, kind):
        body = b"\x0a" + bytes([len(text)]) + text + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind])
        return b"\x0a" + bytes([len(body)]) + body
    return (piece(b"<unk>", 0, 2) + piece(b"a", -1, 1) + piece(b"<0x0A>", 0, 6) +
            b"\x12\x02\x18\x02" + b"\x1a\x02\x18\x01")  # trainer: BPE; normalizer: dummy prefix


def token_shard(documents, token_bytes, vocab_size=1000):
    """By the description in weir/data/token_shard.h."""
    ends = [0]
    for document in documents:
        ends.append(ends[-1] + len(document))
    tokens = b"".join(struct.pack("<H" if token_bytes == 2 else "<I", token) for document in documents for token in document)
    tokens += bytes(-(256 + len(tokens)) % 8)
    table = struct.pack(f"<{len(ends)}Q", *ends)

    def header(checksum):
        numbers = struct.pack("<IIQQQ", 1, token_bytes, vocab_size, ends[-1], len(documents))
        return (b"WEIRTOKS" + numbers + b"0" * 64 + checksum).ljust(256, b"\0")
    checksum = hashlib.sha256(header(b"0" * 64) + tokens + table).hexdigest().encode()
    return header(checksum) + tokens + table


def check_every_target_has_seeds():
    for source in pathlib.Path(__file__).resolve().parent.glob("fuzz_*.cpp"):
        target = source.stem[len("fuzz_"):]
        if not (OUT / target).is_dir():
            sys.exit(f"make_seeds.py: no seeds for {target}")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    copy("json", "**/*.json")
    for path in sorted((GOLDEN.parents[1] / "recipes").glob("*.toml")):
        write("toml", path.name, path.read_bytes())
    write("toml", "odd", b'a = [inf, -nan, 1e-3, {b.c = true}]\n["d.e"]\nf = """x\ny"""\n[[g]]\nh = 0x1f\n')
    copy("safetensors", "**/*.safetensors")
    write("safetensors", "small", safetensors(
        b'{"a":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]},"__metadata__":{"format":"pt"},'
        b'"b":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}', bytes(8)))
    copy("gguf", "**/*.gguf")
    copy("npy", "**/*.npy")
    copy("npz", "**/*.npz")
    copy("torch_archive", "torch/*.pt")
    for path in sorted(GOLDEN.glob("torch/*.pt")):
        if not zipfile.is_zipfile(path):
            continue
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("/data.pkl"):
                    write("torch_pickle", path.name, archive.read(name))
    write("llama2c", "legacy", llama2c(True))
    write("llama2c", "version_1", llama2c(False))
    # The first two bytes are the size of the vocabulary less 3, as fuzz_llama2c_vocabulary reads them.
    for name, n_pieces in (("tok105", 105), ("tok512", 512)):
        vocabulary = (GOLDEN / f"tokenizers/llama2c/{name}.bin").read_bytes()
        write("llama2c_vocabulary", name, struct.pack("<H", n_pieces - 3) + vocabulary)
    copy("sentencepiece", "tokenizers/llama2c/*.model")
    write("sentencepiece", "small", sentencepiece())
    for pre in (b"gpt-2", b"llama-bpe", b"qwen2", b"deepseek-coder"):
        write("gguf_vocabulary", pre.decode(), gguf_vocabulary(b"gpt2", pre))
    write("gguf_vocabulary", "llama", gguf_vocabulary(b"llama"))
    write("token_shard", "narrow", token_shard([[1, 2, 3], [], [4]], 2))
    write("token_shard", "wide", token_shard([[999], [1, 0]], 4))
    write("token_shard", "empty", token_shard([], 2))
    copy("sharded_index", "**/*.index.json")
    write("sharded_index", "small", b'{"metadata": {"total_size": 8}, "weight_map": {"a": "x/s.safetensors"}}')
    for path in sorted((GOLDEN.parent / "report/documents").glob("*.json")):
        write("report", path.name, path.read_bytes())
    check_every_target_has_seeds()


main()
