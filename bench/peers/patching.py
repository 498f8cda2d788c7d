#!/usr/bin/env python3
"""The work of `weir bench patch-head-z`, `path-patching` and `attribution-grids` by TransformerLens; a JSON line each.

GPT-2-small shape with random weights, prompts of 16 tokens, float32. Experiments of the first two cost the same one by
one, so that a sample of them is timed (`--sample`) and the whole is the sample scaled up; both are printed. Parameters
want no gradients here: leaving them on, as TransformerLens does by default, makes the third slower
(`--parameter-gradients`). Compare only with figures of the same machine and hour.

  python bench/peers/patching.py [--threads 2] [--runs 5] [--sample 48]
"""
import argparse
import json
import statistics
import time

LAYERS, HEADS, WIDTH, POSITIONS = 12, 12, 768, 16


def peak_rss_mb():
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def timed(call, runs):
    call()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


class Work:
    def __init__(self, args):
        import torch
        import transformer_lens

        torch.set_num_threads(args.threads)
        torch.manual_seed(0)
        self.torch, self.args, self.lens = torch, args, transformer_lens
        config = transformer_lens.HookedTransformerConfig(
            n_layers=LAYERS, n_heads=HEADS, d_model=WIDTH, d_head=WIDTH // HEADS, d_mlp=4 * WIDTH, d_vocab=50257,
            n_ctx=1024, act_fn="gelu_new", normalization_type="LN", seed=0)
        self.model = transformer_lens.HookedTransformer(config)
        self.model.requires_grad_(args.parameter_gradients)

    def pairs(self, n):
        return [self.torch.randint(50257, shape) for shape in ((n, POSITIONS), (n, POSITIONS), (n,), (n,))]

    @staticmethod
    def logit_diff(logits, answer, wrong):
        end = logits[:, -1]
        return (end.gather(1, answer[:, None]) - end.gather(1, wrong[:, None])).mean()

    def head_z(self):
        import pandas
        from transformer_lens import patching

        clean, corrupt, answer, wrong = self.pairs(8)
        cells = [(layer, position, head) for layer in range(LAYERS) for position in range(POSITIONS)
                 for head in range(HEADS)]
        chosen = cells[::max(1, len(cells) // self.args.sample)]
        index = pandas.DataFrame(chosen, columns=["layer", "pos", "head"])
        with self.torch.no_grad():
            _, cache = self.model.run_with_cache(clean, names_filter=lambda name: name.endswith("hook_z"))
            seconds = timed(lambda: patching.generic_activation_patch(
                self.model, corrupt, cache, lambda logits: self.logit_diff(logits, answer, wrong),
                patching.layer_pos_head_vector_patch_setter, "z", index_df=index), 1)
        return self.scaled("patch-head-z", seconds, len(chosen), len(cells))

    def path_patching(self):
        """Each sender: all heads keep their clean z, the sender's at END is the corrupt mean, MLPs are computed."""
        clean, corrupt, answer, wrong = self.pairs(16)
        kept = lambda name: name.endswith(("hook_z", "hook_mlp_out"))
        senders = [(layer, head) for layer in range(LAYERS) for head in range(HEADS + 1)]  # HEADS: the MLP
        chosen = senders[::max(1, len(senders) // self.args.sample)]
        with self.torch.no_grad():
            _, clean_cache = self.model.run_with_cache(clean, names_filter=kept)
            _, corrupt_cache = self.model.run_with_cache(corrupt, names_filter=kept)

            def one(layer, head):
                def freeze(z, hook):
                    z = clean_cache[hook.name].clone()
                    if hook.layer() == layer and head < HEADS:
                        z[:, -1, head] = corrupt_cache[hook.name][:, -1, head].mean(0)
                    return z

                def write(out, hook):
                    out[:, -1] = corrupt_cache[hook.name][:, -1].mean(0)
                    return out
                hooks = [(f"blocks.{at}.attn.hook_z", freeze) for at in range(LAYERS)]
                if head == HEADS:
                    hooks.append((f"blocks.{layer}.hook_mlp_out", write))
                return self.logit_diff(self.model.run_with_hooks(clean, fwd_hooks=hooks), answer, wrong)
            seconds = timed(lambda: [one(*sender) for sender in chosen], 1)
        return self.scaled("path-patching", seconds, len(chosen), len(senders))

    def attribution(self):
        clean, corrupt, answer, wrong = self.pairs(8)
        sites = ("hook_resid_pre", "hook_resid_mid", "hook_resid_post", "hook_attn_out", "hook_mlp_out", "hook_z",
                 "hook_q", "hook_k", "hook_v", "hook_pattern")
        wanted = lambda name: name.endswith(sites) and name.startswith("blocks")

        def grids():
            with self.torch.no_grad():
                _, source = self.model.run_with_cache(clean, names_filter=wanted)
            own, gradient = {}, {}

            def forward(x, hook):
                if not x.requires_grad:
                    x.requires_grad_(True)
                own[hook.name] = x.detach()

            def backward(x, hook):
                gradient[hook.name] = x.detach()
            with self.model.hooks(fwd_hooks=[(wanted, forward)], bwd_hooks=[(wanted, backward)]):
                self.logit_diff(self.model(corrupt), answer, wrong).backward()
            self.model.zero_grad()
            return {name: ((source[name] - own[name]) * gradient[name]).sum((0, -1)) for name in gradient}
        seconds = timed(grids, self.args.runs)
        assert len(grids()) == LAYERS * len(sites)
        return self.result("attribution-grids", statistics.median(seconds), seconds)

    def scaled(self, name, seconds, n_timed, n_all):
        return self.result(name, statistics.median(seconds) * n_all / n_timed, seconds, timed=n_timed, of=n_all)

    def result(self, name, median, seconds, **more):
        return {"name": name, "peer": f"TransformerLens {version('transformer-lens')}, torch {self.torch.__version__}",
                "seconds_median": median, "seconds_timed": seconds, "parameter_gradients": self.args.parameter_gradients,
                "peak_rss_mb": peak_rss_mb(), "threads": self.args.threads, **more}


def version(package):
    import importlib.metadata
    return importlib.metadata.version(package)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sample", type=int, default=48)
    parser.add_argument("--parameter-gradients", action="store_true")
    parser.add_argument("works", nargs="*", default=["head_z", "path_patching", "attribution"])
    work = Work(args := parser.parse_args())
    for name in args.works:
        print(json.dumps(getattr(work, name)()), flush=True)


if __name__ == "__main__":
    main()
