#!/usr/bin/env python3
"""Writes splits.json: how llama.cpp cuts texts into words for each tokenizer.ggml.pre.

    pip install gguf numpy
    make_splits.py LIBLLAMA        path of a libllama.so (ours: release v0.5.0, as in node-llama-cpp 3.22.1)

A vocabulary that holds every substring of a text, and every way to merge two of them, makes one token of
whatever is cut out as one word; so the tokens of such a GGUF file are the words.
"""
import ctypes, json, sys, tempfile
from pathlib import Path

import gguf

HERE = Path(__file__).resolve().parent
PRES = ["gpt-2", "mpt", "olmo", "default", "llama-bpe", "smaug-bpe", "dbrx", "qwen2", "stablelm2", "smollm",
        "starcoder", "refact", "command-r", "falcon", "tekken", "gpt-4o", "bloom", "viking", "deepseek-llm", "deepseek-coder"]
TEXTS = ["I'M sure you'Ve SEEN it's", "x1 22 333 4444 55555", " a  b\t\tc   ", "a\n\nb \n c\r\n", "Über-Café #1: $3.50!?",
         "f(x)=a[i]+1; // ok", "camelCaseHTTPServer", "日本語と한국어 中文。", "Привет, мир ١٢٣", "a/b/c\n//\n", "\u3000x\u00a0y…。，z"]

# llama.cpp takes U+3000 for an ASCII space here, which the models' own tokenizers do not: their ranges of punctuation and
# of CJK characters hold it.
LEFT_OUT = {("deepseek-llm", TEXTS[-1]), ("deepseek-coder", TEXTS[-1])}


def byte_alphabet():
    """GPT-2's character for each byte."""
    printable = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    table = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        table.setdefault(byte, chr(0x100 + len(table) - len(printable)))
    return table


ALPHABET = byte_alphabet()


def write_gguf(path, text, pre):
    letters = [ALPHABET[byte] for byte in text.encode()]
    words = {ALPHABET[byte]: None for byte in range(256)}
    merges = {}
    for size in range(2, len(letters) + 1):
        for start in range(len(letters) - size + 1):
            words["".join(letters[start:start + size])] = None
            for middle in range(start + 1, start + size):
                merges["".join(letters[start:middle]) + " " + "".join(letters[middle:start + size])] = None
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(list(words))
    writer.add_token_types([gguf.TokenType.NORMAL] * len(words))
    writer.add_token_merges(list(merges))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class ModelParams(ctypes.Structure):
    """llama_model_params of v0.5.0, with room to spare; other releases differ before vocab_only."""
    _fields_ = [("devices", ctypes.c_void_p), ("overrides", ctypes.c_void_p), ("numbers", ctypes.c_int32 * 6),
                ("tensor_split", ctypes.c_void_p), ("callback", ctypes.c_void_p), ("user_data", ctypes.c_void_p),
                ("kv_overrides", ctypes.c_void_p), ("vocab_only", ctypes.c_bool), ("rest", ctypes.c_char * 255)]


def load_library(path):
    library = ctypes.CDLL(path)
    library.llama_model_default_params.restype = ModelParams
    library.llama_model_load_from_file.restype = ctypes.c_void_p
    library.llama_model_load_from_file.argtypes = [ctypes.c_char_p, ModelParams]
    library.llama_model_get_vocab.restype = ctypes.c_void_p
    library.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
    library.llama_tokenize.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.POINTER(ctypes.c_int32),
                                       ctypes.c_int32, ctypes.c_bool, ctypes.c_bool]
    library.llama_vocab_get_text.restype = ctypes.c_char_p
    library.llama_vocab_get_text.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    library.llama_model_free.argtypes = [ctypes.c_void_p]
    library.ggml_backend_load_all_from_path(str(Path(path).parent).encode())
    library.llama_backend_init()
    return library


def words_of(library, path, text):
    params = library.llama_model_default_params()
    params.vocab_only = True
    model = library.llama_model_load_from_file(str(path).encode(), params)
    if not model:
        raise SystemExit(f"llama.cpp refused {path}")
    vocab = library.llama_model_get_vocab(model)
    ids = (ctypes.c_int32 * 256)()
    data = text.encode()
    count = library.llama_tokenize(vocab, data, len(data), ids, 256, False, False)
    byte_of = {letter: byte for byte, letter in ALPHABET.items()}
    words = []
    for i in range(count):
        spelling = library.llama_vocab_get_text(vocab, ids[i]).decode()
        words.append(bytes(byte_of[letter] for letter in spelling).decode())
    library.llama_model_free(model)
    if "".join(words) != text:
        raise SystemExit(f"llama.cpp gave {words} for {text!r}")
    return words


def main():
    library = load_library(sys.argv[1])
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for pre in PRES:
            for text in TEXTS:
                if (pre, text) in LEFT_OUT:
                    continue
                path = Path(folder) / "vocabulary.gguf"
                write_gguf(path, text, pre)
                cases.append({"pre": pre, "text": text, "words": words_of(library, path, text)})
    golden = {"made_with": "llama.cpp v0.5.0", "cases": cases}
    (HERE / "splits.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


main()
