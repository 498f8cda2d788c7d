#!/usr/bin/env python3
"""Token ids, tokens, byte offsets and decoded text for the tokenizers in $WEIR_TEST_DATA/tokenizers (see README.md).

    make_tokenizers.py --export GGUF    writes $WEIR_TEST_DATA/tokenizers/smollm2 from the GGUF's vocabulary
    make_tokenizers.py [--out DIR]      writes the goldens, and checks the ggml vectors in $WEIR_TEST_DATA/tokenizers/vectors
"""
import argparse, json, os
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import sentencepiece
from tokenizers import AddedToken, Tokenizer, pre_tokenizers
from transformers import AutoTokenizer, GPT2Tokenizer, LlamaTokenizer, Qwen2Tokenizer

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("WEIR_TEST_DATA", HERE.parents[2] / "shared/data"))
DIR = DATA / "tokenizers"

TEXTS = [
    "", " ", "  ", "     ", "\t", "\n", "\n\n\n", "\r\n", " \n \t\n  ",
    "Hello world", " Hello world", "Hello  world", "Hello   world ", "trailing spaces   ", "   leading spaces",
    "tab\tseparated\t\tvalues", "line one\nline two\n\n  indented", "windows\r\nline\r\n\r\nends", "mixed \t \n \r\n end",
    "I'm you're he's we've they'll I'd don't", "I'M YOU'RE HE'S WE'VE THEY'LL I'D DON'T", "rock 'n' roll's '90s 's't",
    "caf\u00e9 na\u00efve \u00c5ngstr\u00f6m", "cafe\u0301 nai\u0308ve A\u030angstro\u0308m", "\u00fc vs u\u0308; \ufb01 ligature; \u212b \u2126",
    "日本語のテキストを分割する。", "中文，没有空格。你好！世界", "한국어 형태소 분석기", "混合 English と 日本語 123",
    "مرحبا بالعالم، كيف حالك؟", "شُكْرًا جَزِيلًا ١٢٣٤", "नमस्ते दुनिया, क्षत्रिय १२३", "สวัสดีชาวโลก", "Привет, мир! Ёлка", "שלום עולם",
    "😀 😃😄", "👩\u200d👩\u200d👧\u200d👦 family", "👍🏽 🇫🇷🇯🇵 🏳\ufe0f\u200d🌈", "☃\ufe0f ☕ ✈ ∀x∈ℝ: ⌈x⌉ ≥ x",
    "0 1 12 123 1234 12345 1234567890", "3.14159, -2.5e-10, 1,000,000 and 0x1F", "½ ² Ⅷ ١ ४ 𝟜", "In 1984,  there were  2 × 10 = 20",
    "def f(x):\n    return x**2  # square\n", "for (int i=0;i<n;++i){a[i]+=b[i]&0xff;}", "<div class=\"a\">x &amp; y</div>",
    "https://example.com/a/b?c=d&e=%20f#g", "user.name+tag@mail.example.org", "C:\\Program Files\\x\\y.txt", "a_b-c.d,e;f:g!h?i(j)[k]{l}",
    "<|endoftext|>", "a<|endoftext|>b <|endoftext|> c", "<|im_start|>user\nHi there<|im_end|>\n<|im_start|>assistant\n", "<s>[INST] hi [/INST]</s> <unk> <0x0A>",
    "<|endoftext", "nul\u0000inside\u0000", "\u0001\u0007\u001b[0m\u007f\u0085", "nbsp\u00a0thin\u2009ideographic\u3000zwsp\u200bbom\ufeffend",
    "Donaudampfschifffahrtsgesellschaftskapitän" * 12, "ſ'ſ K's İi ıI ǅ ß ẞ",
]

def strings_of(tokenizer, text):
    """One case from a Hugging Face tokenizers.Tokenizer. Offsets are converted from characters to UTF-8 bytes."""
    e = tokenizer.encode(text, add_special_tokens=False)
    at = [0]
    for ch in text:
        at.append(at[-1] + len(ch.encode()))
    return {"ids": e.ids, "tokens": e.tokens, "offsets": [[at[a], at[b]] for a, b in e.offsets],
            "decoded": tokenizer.decode(e.ids, skip_special_tokens=False),
            "ids_with_special": tokenizer.encode(text, add_special_tokens=True).ids}

def spm_of(sp, text):
    ids = sp.encode(text)
    return {"ids": ids, "tokens": [sp.id_to_piece(i) for i in ids], "decoded": sp.decode(ids)}

def load_all():
    """name -> (how it was made, function text -> fields)"""
    gpt2 = GPT2Tokenizer(str(DIR / "gpt2/encoder.json"), str(DIR / "gpt2/vocab.bpe"))._tokenizer
    neox = Tokenizer.from_file(str(DIR / "gpt_neox/20B_tokenizer.json"))
    qwen = Qwen2Tokenizer(str(DIR / "qwen2/vocab.json"), str(DIR / "qwen2/merges.txt"))._tokenizer
    qwen.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    smol = Tokenizer.from_file(str(DIR / "smollm2/tokenizer.json"))
    llama_spm = sentencepiece.SentencePieceProcessor(model_file=str(DIR / "llama2/tokenizer.model"))
    llama_hf = llama_from_spm(DIR / "llama2/tokenizer.model")
    unigram = sentencepiece.SentencePieceProcessor(model_file=str(DIR / "sentencepiece/test_model.model"))

    def llama(text):
        return {**spm_of(llama_spm, text), "hf": strings_of(llama_hf, text)}
    hf = lambda t: (lambda text: strings_of(t, text))
    return {
        "gpt2": ("transformers GPT2Tokenizer(encoder.json, vocab.bpe)", hf(gpt2)),
        "gpt_neox": ("tokenizers Tokenizer.from_file(20B_tokenizer.json)", hf(neox)),
        "qwen2": ("transformers Qwen2Tokenizer(vocab.json, merges.txt) + <|endoftext|> 151643, <|im_start|> 151644, <|im_end|> 151645", hf(qwen)),
        "smollm2": ("tokenizers Tokenizer.from_file(smollm2/tokenizer.json)", hf(smol)),
        "llama2": ("sentencepiece tokenizer.model; field hf: transformers LlamaTokenizer (legacy=False) of the same model", llama),
        "sentencepiece": ("sentencepiece test_model.model (unigram, nmt_nfkc)", lambda text: spm_of(unigram, text)),
    }

def llama_from_spm(path):
    """Vocabulary, and merges rebuilt from piece scores, as transformers does for tokenizer.model files."""
    sp = sentencepiece.SentencePieceProcessor(model_file=str(path))
    vocab = {sp.id_to_piece(i): i for i in range(sp.vocab_size())}
    merges = []
    for piece, i in vocab.items():
        if sp.is_control(i) or sp.is_unknown(i) or sp.is_byte(i):
            continue
        local = [(piece[:k], piece[k:]) for k in range(1, len(piece)) if piece[:k] in vocab and piece[k:] in vocab]
        local.sort(key=lambda m: (vocab[m[0]], vocab[m[1]]))
        merges += [(a, b, sp.get_score(i)) for a, b in local]
    merges.sort(key=lambda m: (m[2], len(m[0]), len(m[1])), reverse=True)
    return LlamaTokenizer(vocab=vocab, merges=[m[:2] for m in merges], add_bos_token=True)._tokenizer

def export_smollm2(path, out):
    """transformers' export keeps only the GPT-2 split; tokenizer.ggml.pre = smollm isolates each digit first."""
    path, out = Path(path), Path(out)
    tok = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    backend = tok._tokenizer
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                     pre_tokenizers.ByteLevel(add_prefix_space=False)])
    out.mkdir(parents=True, exist_ok=True)
    backend.save(str(out / "tokenizer.json"), pretty=False)
    (out / "chat_template.jinja").write_text(tok.chat_template)
    (out / "tokenizer_config.json").write_text(json.dumps({
        "bos_token": tok.bos_token, "eos_token": tok.eos_token, "pad_token": tok.pad_token, "unk_token": tok.unk_token,
        "add_bos_token": False, "model_max_length": 8192, "clean_up_tokenization_spaces": False,
        "tokenizer_class": "PreTrainedTokenizerFast"}, indent=2) + "\n")

def check_vectors(tokenizers):
    report = {}
    for name, vector in (("gpt2", "gpt-2"), ("qwen2", "qwen2"), ("llama2", "llama-spm")):
        texts = (DIR / f"vectors/ggml-vocab-{vector}.gguf.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
        want = [[int(v) for v in line.split()] for line in (DIR / f"vectors/ggml-vocab-{vector}.gguf.out").read_text().splitlines()]
        got = [tokenizers[name][1](t)["ids"] for t in texts]
        report[name] = {"vector": vector, "texts": len(texts), "lines": len(want), "equal": sum(a == b for a, b in zip(got, want))}
    return report

def write(texts, out):
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    assert len(set(texts)) == len(texts)
    tokenizers = load_all()
    vectors = check_vectors(tokenizers)
    for name, (how, encode) in tokenizers.items():
        cases = [{"text": t, "utf8": t.encode().hex(), **encode(t)} for t in texts]
        note = {"name": name, "made_with": how, "versions": {k: version(k) for k in ("tokenizers", "transformers", "sentencepiece")},
                "round_trips": sum(c["decoded"] == c["text"] for c in cases), "ggml_vector_check": vectors.get(name), "cases": cases}
        (out / f"{name}.json").write_text(json.dumps(note, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        print(name, len(cases), "cases,", note["round_trips"], "round trips,", sum(len(c["ids"]) for c in cases), "tokens", vectors.get(name, ""))

def main(texts, default_out):
    a = argparse.ArgumentParser()
    a.add_argument("--export", metavar="GGUF")
    a.add_argument("--out")
    a = a.parse_args()
    if a.export:
        export_smollm2(a.export, a.out or DIR / "smollm2")
    else:
        write(texts, a.out or default_out)

if __name__ == "__main__":
    main(TEXTS, HERE / "tokenizers")
