"""The models of bench/train in plain PyTorch, written as one would for training on a CPU: scaled_dot_product_attention, fused AdamW,
one matrix product where projections can share it, and index_select for the experts' tokens.

Reads one JSON object a line from standard input and answers each with one:
  {"architecture": ..., "batch": ..., "compile": bool}  makes a model
  {"steps": n}                                          trains n steps: {"seconds": [...], "loss": ...}
  {"peak": n}                                           multiplies matrices of size n: {"flops": per second}
  {"memory": true}                                      {"peakBytes": ..., "anonymousBytes": ...} (the latter as of now)
"""

import json
import os
import resource
import sys
import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LOAD_BALANCE, ROUTER_Z, CLIP = 0.01, 0.001, 1.0


def rotary_table(context: int, size: int, base: float) -> tuple[Tensor, Tensor]:
    frequencies = base ** (-torch.arange(0, size, 2) / size)
    angles = torch.outer(torch.arange(context), frequencies).repeat(1, 2)  # (T, D)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Half-split rotary positions on (B, heads, T, D)."""
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-second, first], dim=-1) * sine


class Attention(nn.Module):
    """Attention of one expert or, side by side in one call, of several whose outputs a soft router weighs."""

    def __init__(self, a: dict):
        super().__init__()
        kind = a.get("mixture", {}).get("attention", "averaged")
        self.experts = 1 if kind == "averaged" else a["mixture"]["experts"]
        self.key_experts = self.experts if kind == "kv-experts" else 1
        self.heads, self.size = a["heads"], a["width"] // a["heads"]
        E = a["width"]
        self.query = nn.Linear(E, self.experts * E, bias=False)
        self.key_value = nn.Linear(E, 2 * self.key_experts * E, bias=False)
        self.output = nn.Linear(self.experts * E, E, bias=False)
        if self.experts > 1:
            self.router = nn.Linear(E, self.experts, bias=False)

    def forward(self, u: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
        B, T, E = u.shape
        split = lambda x: x.view(B, T, -1, self.size).transpose(1, 2)  # noqa: E731
        q = rotate(split(self.query(u)), *table)  # (B, N*H, T, D)
        key, value = self.key_value(u).chunk(2, dim=-1)
        k, v = rotate(split(key), *table), split(value)
        if self.key_experts < self.experts:  # the heads of all experts that use the same key head stand in one matrix
            q = q.view(B, self.experts, self.heads, T, self.size)
            k, v = (x.unsqueeze(1).expand_as(q) for x in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        y = y.reshape(B, self.experts * self.heads, T, self.size).transpose(1, 2)  # (B, T, N*H, D)
        if self.experts > 1:
            gates = self.router(u).softmax(-1)  # (B, T, N)
            y = y.reshape(B, T, self.experts, E) * gates.unsqueeze(-1)
        return self.output(y.reshape(B, T, -1))


class FeedForward(nn.Module):
    def __init__(self, a: dict):
        super().__init__()
        self.gate_up = nn.Linear(a["width"], 2 * a["ffnHidden"], bias=False)
        self.down = nn.Linear(a["ffnHidden"], a["width"], bias=False)

    def forward(self, u: Tensor) -> Tensor:
        gate, up = self.gate_up(u).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


class Mixture(nn.Module):
    """Dropless top-1 of several FFNs; gives the load balancing loss and the z-loss beside the output."""

    def __init__(self, a: dict):
        super().__init__()
        self.router = nn.Linear(a["width"], a["mixture"]["experts"], bias=False)
        self.experts = nn.ModuleList(FeedForward(a) for _ in range(a["mixture"]["experts"]))

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = u.reshape(-1, u.shape[-1])
        logits = self.router(x)
        probabilities = logits.softmax(-1)
        gate, chosen = probabilities.max(-1)
        order = chosen.argsort(stable=True)
        counts = chosen.bincount(minlength=len(self.experts))
        parts = x.index_select(0, order).split(counts.tolist())
        outputs = torch.cat([expert(part) for expert, part in zip(self.experts, parts)])
        y = torch.zeros_like(outputs).index_copy(0, order, outputs) * gate.unsqueeze(-1)
        balance = len(self.experts) * (counts / len(x) * probabilities.mean(0)).sum()
        z = logits.logsumexp(-1).square().mean()
        return y.view_as(u), balance, z


class Block(nn.Module):
    def __init__(self, a: dict):
        super().__init__()
        self.norm = nn.LayerNorm(a["width"], eps=a["normEpsilon"], bias=False)
        self.attention = Attention(a)
        self.ffn = Mixture(a) if "mixture" in a else FeedForward(a)


class Transformer(nn.Module):
    def __init__(self, a: dict):
        super().__init__()
        self.embedding = nn.Embedding(a["vocabulary"], a["width"])
        self.blocks = nn.ModuleList(Block(a) for _ in range(a["layers"]))
        self.norm = nn.LayerNorm(a["width"], eps=a["normEpsilon"], bias=False)
        self.table = rotary_table(a["context"], a["width"] // a["heads"], a["ropeBase"])
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        x = self.embedding(ids)
        extra = x.new_zeros(())
        for block in self.blocks:
            u = block.norm(x)
            found = block.ffn(u)
            if isinstance(found, tuple):
                found, balance, z = found
                extra = extra + LOAD_BALANCE * balance + ROUTER_Z * z
            x = x + block.attention(u, self.table) + found
        logits = F.linear(self.norm(x), self.embedding.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten()) + extra


class Trainer:
    def __init__(self, order: dict):
        torch.manual_seed(1)
        a = order["architecture"]
        self.shape, self.vocabulary = (order["batch"], a["context"]), a["vocabulary"]
        self.model = Transformer(a)
        decay = [{"params": [p for p in self.model.parameters() if (p.dim() > 1) == wide], "weight_decay": weight}
                 for wide, weight in ((True, 0.1), (False, 0.0))]
        self.optimizer = torch.optim.AdamW(decay, lr=1e-3, betas=(0.9, 0.95), fused=True)
        self.forward = torch.compile(self.model) if order.get("compile") else self.model

    def step(self) -> float:
        ids = torch.randint(self.vocabulary, (2, *self.shape))
        loss = self.forward(ids[0], ids[1])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()


def peak(size: int) -> float:
    """FLOPs a second of matrix products, the best of some."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    best = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def main() -> None:
    torch.set_num_threads(int(os.environ.get("BENCH_THREADS", "2")))
    trainer = None
    for line in sys.stdin:
        order = json.loads(line)
        if "architecture" in order:
            trainer, answer = Trainer(order), {"torch": torch.__version__}
        elif "steps" in order:
            seconds = []
            for _ in range(order["steps"]):
                start = time.perf_counter()
                loss = trainer.step()
                seconds.append(time.perf_counter() - start)
            answer = {"seconds": seconds, "loss": loss}
        elif "peak" in order:
            answer = {"flops": peak(order["peak"])}
        else:
            with open("/proc/self/status") as status:
                anonymous = next(int(line.split()[1]) for line in status if line.startswith("RssAnon:"))
            peak_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            answer = {"peakBytes": peak_kilobytes * 1024, "anonymousBytes": anonymous * 1024}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
