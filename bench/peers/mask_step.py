#!/usr/bin/env python3
"""The work of `weir bench mask-step` by PyTorch and Hugging Face transformers; prints one JSON line.

A step of continuous sparsification (2504.15471) on the Pythia-70M shape, random weights, float32: a soft mask
sigmoid(beta m) on every matrix of attention and MLP, weights frozen; cross-entropy to a bigram row for each of 8 x 128
positions plus 10 times the mean mask; AdamW on m; how many masks are decided. By default targets are dense rows made in
float64, as the published training loop has them; --sparse gathers the 64 entries of each row instead. Compare it only
with figures of the same machine and hour.

  python bench/peers/mask_step.py [--sparse] [--threads 2] [--runs 5]
"""
import argparse
import json
import statistics
import time

VOCABULARY, SUCCESSORS = 50277, 64


def peak_rss_mb():
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sparse", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()

    import torch
    import transformers
    from torch.nn import functional

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    config = transformers.GPTNeoXConfig(hidden_size=512, num_hidden_layers=6, num_attention_heads=8, rotary_pct=0.25,
                                        intermediate_size=2048, vocab_size=50304, attention_dropout=0, hidden_dropout=0)
    model = transformers.GPTNeoXForCausalLM(config).requires_grad_(False)
    beta = [1.0]

    class Masked(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner, self.m = inner, torch.nn.Parameter(torch.zeros_like(inner.weight))

        def soft(self):
            return torch.sigmoid(beta[0] * self.m)

        def forward(self, x):
            self.mask = self.soft()
            return functional.linear(x, self.inner.weight * self.mask, self.inner.bias)

    masked = []
    for block in model.gpt_neox.layers:
        for owner, name in ((block.attention, "query_key_value"), (block.attention, "dense"), (block.mlp, "dense_h_to_4h"),
                            (block.mlp, "dense_4h_to_h")):
            setattr(owner, name, Masked(getattr(owner, name)))
            masked.append(getattr(owner, name))
    size = sum(layer.m.numel() for layer in masked)
    optimizer = torch.optim.AdamW([layer.m for layer in masked], lr=5e-5)
    tokens = torch.randint(VOCABULARY, (8, 8, 128))
    successors = torch.randint(VOCABULARY, (VOCABULARY, SUCCESSORS))
    shares = torch.rand(VOCABULARY, SUCCESSORS)
    shares /= shares.sum(1, keepdim=True)

    def cross_entropy(logits, contexts):
        if args.sparse:
            listed = (logits.gather(1, successors[contexts]) * shares[contexts]).sum(1)
            return (logits.logsumexp(1) - listed).mean()
        target = torch.zeros(len(contexts), VOCABULARY, dtype=torch.float64)
        target.scatter_add_(1, successors[contexts], shares[contexts].double())
        return functional.cross_entropy(logits, target.float())

    count = [0]

    def step():
        batch = tokens[count[0] % 8]
        count[0] += 1
        logits = model(batch, use_cache=False).logits[..., :VOCABULARY].flatten(0, 1)
        loss = cross_entropy(logits, batch.flatten()) + 10 / size * sum(layer.mask.sum() for layer in masked)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            below = sum(int((layer.soft() < 0.1).sum()) for layer in masked)
            above = sum(int((layer.soft() > 0.9).sum()) for layer in masked)
        beta[0] *= 1.001
        return size - below - above

    step()
    seconds = []
    for _ in range(args.runs):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    print(json.dumps({
        "name": "mask-step", "peer": f"torch {torch.__version__}, transformers {transformers.__version__}",
        "targets": "sparse" if args.sparse else "dense float64", "seconds_median": median, "seconds_min": min(seconds),
        "seconds_max": max(seconds), "runs": args.runs, "rate": 8 * 128 / median, "unit": "tokens/s",
        "peak_rss_mb": peak_rss_mb(), "threads": args.threads}))


if __name__ == "__main__":
    main()
