#!/usr/bin/env python3
"""frames.json: whether transformers puts BOS before and EOS after a text, by the tokenizer's class, by the post-processor
of its tokenizer.json (null: the folder has vocab.json and merges.txt instead) and by what tokenizer_config.json states."""
import json, os, tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoTokenizer

VOCAB = {"<unk>": 0, "<s>": 1, "</s>": 2, "a": 3, "b": 4, "ab": 5}
PROCESSORS = {
    "none": None,
    "bytes": processors.ByteLevel(trim_offsets=False),
    "bos": processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]),
    "both": processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)]),
}
CLASSES = ["PreTrainedTokenizerFast", "LlamaTokenizerFast", "GPT2TokenizerFast", "Qwen2Tokenizer", "GemmaTokenizerFast",
           "GPTNeoXTokenizerFast", None]

def tokenizer_json(processor):
    tokenizer = Tokenizer(models.BPE(vocab=VOCAB, merges=[("a", "b")], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    if processor is not None:
        tokenizer.post_processor = processor
    return json.loads(tokenizer.to_str())

def frame(folder, name, config):
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    ids = AutoTokenizer.from_pretrained(folder)("ab").input_ids
    return {"bos": ids[0] == 1, "eos": ids[-1] == 2}

def main():
    files = {name: tokenizer_json(processor) for name, processor in PROCESSORS.items()}
    cases = []
    for name in [*CLASSES, "GPT2Tokenizer"]:
        for file in [None] if name == "GPT2Tokenizer" else files:
            for add_bos in (None, True, False):
                for add_eos in (None, True, False):
                    config = {"tokenizer_class": name, "add_bos_token": add_bos, "add_eos_token": add_eos,
                              "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
                    config = {key: value for key, value in config.items() if value is not None}
                    with tempfile.TemporaryDirectory() as made:
                        folder = Path(made)
                        if file is None:
                            (folder / "vocab.json").write_text(json.dumps(VOCAB))
                            (folder / "merges.txt").write_text("#version: 0.2\na b\n")
                        else:
                            (folder / "tokenizer.json").write_text(json.dumps(files[file]))
                        cases.append({"file": file, "config": config, **frame(folder, name, config)})
    lines = ",\n".join("  " + json.dumps(case) for case in cases)
    text = (f'{{"made_by": "tests/golden/frames/make_frames.py, transformers {transformers.__version__}",\n'
            f' "tokenizers": {json.dumps(files)},\n "cases": [\n{lines}]}}\n')
    (Path(__file__).parent / "frames.json").write_text(text)

if __name__ == "__main__":
    main()
