#!/usr/bin/env python3
"""The work of `weir bench composition` by TransformerLens: all_composition_scores for Q, K and V; prints one JSON line.

GPT-2-small shape with random weights, float32: the Frobenius scores of all pairs of heads. Scores by component, the
work of `weir bench composition-components`, have no counterpart there. It makes a product [k, k] for each of the
144 x 144 pairs, so that its memory is some 10 GB (`--types` for fewer passes, the peak is that of one). Compare only
with figures of the same machine and hour.

  python bench/peers/composition.py [--threads 2] [--runs 1] [--types QKV]
"""
import argparse
import importlib.metadata
import json
import statistics
import time

LAYERS, HEADS, WIDTH = 12, 12, 768


def rss_mb(field):
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(field))


def dense_gap(torch, model, scores, mode):
    """One score against its d_model x d_model products."""
    reader = {"Q": model.QK, "K": model.QK.T, "V": model.OV}[mode][LAYERS - 1, 2].AB
    writer = model.OV[0, 1].AB
    expected = (writer @ reader).norm() / writer.norm() / reader.norm()
    return abs(scores[0, 1, LAYERS - 1, 2] - expected).item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--types", default="QKV")
    args = parser.parse_args()

    import torch
    import transformer_lens

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    config = transformer_lens.HookedTransformerConfig(
        n_layers=LAYERS, n_heads=HEADS, d_model=WIDTH, d_head=WIDTH // HEADS, d_mlp=4 * WIDTH, d_vocab=50257,
        n_ctx=1024, act_fn="gelu_new", normalization_type="LN", seed=0)
    model = transformer_lens.HookedTransformer(config)
    model.requires_grad_(False)
    before = rss_mb("VmRSS")
    by_type = {mode: [] for mode in args.types}
    gap = 0.0
    for _ in range(args.runs):
        for mode, seconds in by_type.items():
            start = time.perf_counter()
            scores = model.all_composition_scores(mode)
            seconds.append(time.perf_counter() - start)
            gap = max(gap, dense_gap(torch, model, scores, mode))
    assert gap < 1e-5, gap
    totals = [sum(run) for run in zip(*by_type.values())]
    print(json.dumps({
        "name": "composition", "peer": f"TransformerLens {importlib.metadata.version('transformer-lens')}, "
                                       f"torch {torch.__version__}",
        "types": args.types, "seconds_median": statistics.median(totals), "seconds": totals,
        "seconds_by_type": {mode: statistics.median(seconds) for mode, seconds in by_type.items()},
        "peak_rss_mb": rss_mb("VmHWM"), "mb_above_the_weights": rss_mb("VmHWM") - before,
        "largest_gap_to_dense": gap, "threads": args.threads}))


if __name__ == "__main__":
    main()
