#!/usr/bin/env python3
"""The work of `weir bench train-step` by PyTorch and Hugging Face transformers; prints one JSON line.

GPT-2 architecture, 8 layers, 8 heads, 256 wide, vocabulary 50257, random weights, no dropout: forward, next-token loss,
backward, clipping and AdamW over 8 x 256 tokens in float32. Compare it only with figures of the same machine and hour.

  python bench/peers/train_step.py [--threads 2] [--runs 5]
"""
import argparse
import json
import statistics
import time


def flops(tokens, layers, width, vocabulary, positions):
    """The least that forward and backward need, scores counted causal (multiply + add = 2)."""
    per_layer = 2 * width * 12 * width + 2 * 2 * width * (positions + 1) / 2
    return 3 * tokens * (layers * per_layer + 2 * width * vocabulary)


def peak_rss_mb():
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()

    import torch
    import transformers

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    config = transformers.GPT2Config(n_layer=8, n_head=8, n_embd=256, vocab_size=50257, n_positions=256,
                                     resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)
    model = transformers.GPT2LMHeadModel(config).train()
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    plain = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}], lr=1e-4)
    tokens = torch.randint(50257, (8, 257))

    def step():
        optimizer.zero_grad(set_to_none=True)
        logits = model(tokens[:, :-1], use_cache=False).logits
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    step()
    seconds = []
    for _ in range(args.runs):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    median, work = statistics.median(seconds), flops(8 * 256, 8, 256, 50257, 256)
    print(json.dumps({
        "name": "train-step", "peer": f"torch {torch.__version__}, transformers {transformers.__version__}",
        "seconds_median": median, "seconds_min": min(seconds), "seconds_max": max(seconds), "runs": args.runs,
        "rate": 8 * 256 / median, "unit": "tokens/s", "flops": work, "gflops_per_s": work / median / 1e9,
        "peak_rss_mb": peak_rss_mb(), "threads": args.threads}))


if __name__ == "__main__":
    main()
