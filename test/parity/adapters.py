"""Models with adapters (MoV and MoLoRA, arXiv 2309.05444) in plain PyTorch, beside `reference.py`; writes their cases into `stored/`.

Every expert of an adapter is a vector or a pair of matrices of its own here, and all are applied one by one.
"""

import itertools
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from reference import (
    BATCH,
    LOSS_WEIGHTS,
    STORED,
    Parameters,
    architecture,
    attention_copies,
    ffn_mixture,
    ffn_router,
    layer_norm,
    name_of,
    parameter_shapes,
    random_parameters,
    rotary,
    split_heads,
    write_safetensors,
)

MOV = dict(method="mov", experts=3)
MOLORA = dict(method="molora", experts=3, rank=2, alpha=5)
BOTH = dict(parts=["attention", "ffn"])
CASES = {
    "adapters-mov": architecture(True) | {"adapters": MOV | BOTH},
    "adapters-ia3": architecture(True) | {"adapters": MOV | BOTH | {"experts": 1}},
    "adapters-molora": architecture(False) | {"adapters": MOLORA | BOTH},
    "adapters-lora": architecture(True) | {"adapters": MOLORA | BOTH | {"experts": 1}},
    "adapters-mov-kv-experts": architecture(True, "kv-experts", 1) | {"adapters": MOV | {"parts": ["attention"]}},
    "adapters-molora-kv-experts": architecture(True, "kv-experts", 1) | {"adapters": MOLORA | BOTH},
    "adapters-molora-shared-kv": architecture(True, "shared-kv", 2) | {"adapters": MOLORA | BOTH},
}


def adapter_sizes(a: dict) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of every place of a block that has an adapter."""
    E, hidden, copies, parts = a["width"], a["ffnHidden"], attention_copies(a), a["adapters"]["parts"]
    keys = copies["key"] * a["kvHeads"] * (E // a["heads"])
    queries = copies["query"] * E
    attention = {"query": (E, queries), "key": (E, keys), "value": (E, keys), "output": (queries, E)}
    ffn = {"gate": (E, hidden), "up": (E, hidden), "hidden": (hidden, hidden), "down": (hidden, E), "ffn": (E, E)}
    if a["adapters"]["method"] == "mov":
        wanted = {"attention": ["key", "value"], "ffn": ["hidden"]}
    else:
        wanted = {"attention": list(attention), "ffn": ["ffn"] if "mixture" in a else ["gate", "up", "down"]}
    return {place: (attention | ffn)[place] for part in parts for place in wanted[part]}


def adapter_shapes(a: dict) -> dict[str, list[int]]:
    """Every parameter of the adapters; of MoV the differences of the vectors to 1 are stored."""
    n, r = a["adapters"]["experts"], a["adapters"].get("rank")
    D, shapes = a["width"] // a["heads"], {}
    for layer, (place, (inputs, outputs)) in itertools.product(range(a["layers"]), adapter_sizes(a).items()):
        name = f"layers.{layer}.adapters.{place}"
        if n > 1:
            shapes[f"{name}.router"] = [n, inputs if r else outputs if place == "hidden" else D]
        if r:
            shapes |= {f"{name}.a": [n * r, inputs], f"{name}.b": [outputs, n * r]}
        else:
            shapes[f"{name}.vectors"] = [n, outputs]
    return shapes


def gates(parameters: Parameters, name: str, x: Tensor, n: int) -> Tensor:
    """s, (..., n)."""
    return (x @ parameters[f"{name}.router"].T).softmax(-1) if n > 1 else torch.ones(*x.shape[:-1], 1, dtype=x.dtype)


def adapt(parameters: Parameters, a: dict, layer: int, place: str, x: Tensor, y: Tensor) -> Tensor:
    """What a place gives, (B, T, outputs), with its adapter; `x` went in and `y` came out."""
    name, adapters = f"layers.{layer}.adapters.{place}", a["adapters"]
    if place not in adapter_sizes(a):
        return y
    n = adapters["experts"]
    if adapters["method"] == "molora":
        r, s = adapters["rank"], gates(parameters, name, x, n)
        A, B = parameters[f"{name}.a"].split(r, dim=0), parameters[f"{name}.b"].split(r, dim=1)
        return y + adapters["alpha"] / r * sum(s[..., [i]] * (x @ A[i].T @ B[i].T) for i in range(n))
    vectors = 1 + parameters[f"{name}.vectors"]
    D = y.shape[-1] if place == "hidden" else a["width"] // a["heads"]
    heads = []
    for head, part in enumerate(y.split(D, dim=-1)):
        s = gates(parameters, name, part, n)
        heads.append(part * sum(s[..., [i]] * vectors[i, head * D : (head + 1) * D] for i in range(n)))
    return torch.cat(heads, dim=-1)


def attention(parameters: Parameters, a: dict, layer: int, u: Tensor) -> Tensor:
    """Soft attention experts, or one attention; projections of all experts stand side by side for their adapter."""
    copies, D, T = attention_copies(a), a["width"] // a["heads"], u.shape[1]
    weight = lambda p, j: parameters[name_of(layer, "attention", p, copies[p], j)]
    project = lambda p: adapt(parameters, a, layer, p, u, torch.cat([u @ weight(p, j).T for j in range(copies[p])], -1))
    q, k, v = (project(p).chunk(copies[p], dim=-1) for p in ("query", "key", "value"))
    future, outputs = torch.ones(T, T, dtype=torch.bool).triu(1), []
    for j in range(copies["query"]):
        own = j if copies["key"] > 1 else 0
        query, key = rotary(split_heads(q[j], D), a["ropeBase"]), rotary(split_heads(k[own], D), a["ropeBase"])
        value, heads = split_heads(v[own], D), []
        for head in range(a["heads"]):
            group = head // (a["heads"] // a["kvHeads"])
            scores = query[:, head] @ key[:, group].transpose(-1, -2) / D**0.5
            heads.append(scores.masked_fill(future, float("-inf")).softmax(-1) @ value[:, group])
        outputs.append(torch.cat(heads, dim=-1))
    if len(outputs) > 1:
        g = (u @ parameters[f"layers.{layer}.attention.router.weight"].T).softmax(-1)
        outputs = [g[..., [j]] * output for j, output in enumerate(outputs)]
    y = sum(output @ weight("output", j).T for j, output in enumerate(outputs))
    return adapt(parameters, a, layer, "output", torch.cat(outputs, dim=-1), y)


def ffn(parameters: Parameters, a: dict, layer: int, u: Tensor) -> Tensor:
    """A dense SwiGLU FFN, adapted inside."""
    change = partial(adapt, parameters, a, layer)
    gate, up, down = (parameters[name_of(layer, "ffn", p, 1, 0)] for p in ("gate", "up", "down"))
    hidden = F.silu(change("gate", u, u @ gate.T)) * change("up", u, u @ up.T)
    hidden = change("hidden", hidden, hidden)
    return change("down", hidden, hidden @ down.T)


def losses(parameters: Parameters, a: dict, inputs: Tensor, targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits and losses, those of the FFN routers among them."""
    x = parameters["embedding.weight"][inputs]
    balance, z = torch.zeros((), dtype=x.dtype), torch.zeros((), dtype=x.dtype)
    for layer in range(a["layers"]):
        u = layer_norm(x, parameters[f"layers.{layer}.norm.weight"], a["normEpsilon"])
        if "mixture" in a:
            router, N = ffn_router(parameters, a["mixture"], layer, u, {}), a["mixture"]["experts"]
            y = ffn_mixture(parameters, a["mixture"], layer, u, router)
            y = adapt(parameters, a, layer, "ffn", u, y)
            z = z + (router.logits.logsumexp(-1) ** 2).mean()
            f = F.one_hot(router.chosen, N).to(x.dtype).mean((0, 1, 2))
            balance = balance + N * (f * router.logits.softmax(-1).mean((0, 1))).sum()
        else:
            y = ffn(parameters, a, layer, u)
        x = x + attention(parameters, a, layer, u) + y
    x = layer_norm(x, parameters["norm.weight"], a["normEpsilon"])
    head = parameters["embedding.weight" if a["tiedEmbeddings"] else "head.weight"]
    logits = x @ head.T
    language = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    total = language + LOSS_WEIGHTS["loadBalance"] * balance + LOSS_WEIGHTS["routerZ"] * z
    return logits, {"languageModel": language, "loadBalance": balance, "routerZ": z, "total": total}


def check_gradients(parameters: Parameters, a: dict, ids: tuple[Tensor, Tensor]) -> None:
    """Every gradient along a random direction, against central differences in float64."""
    generator = torch.Generator().manual_seed(0)
    exact = {name: value.detach().double() for name, value in parameters.items()}
    for name, value in exact.items():
        direction = torch.randn(value.shape, generator=generator).double()
        plus, minus = (losses(exact | {name: value + d * direction}, a, *ids)[1]["total"] for d in (1e-5, -1e-5))
        analytic = (parameters[name].grad.double() * direction).sum()
        torch.testing.assert_close((plus - minus) / 2e-5, analytic, rtol=1e-4, atol=1e-6, msg=lambda m: f"{name}: {m}")


def store_case(case: str, a: dict, seed: int = 3) -> None:
    generator = torch.Generator().manual_seed(seed)
    parameters = random_parameters(a, generator)
    parameters |= {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in adapter_shapes(a).items()}
    assert len(parameters) == len(parameter_shapes(a)) + len(adapter_shapes(a))
    ids = torch.randint(a["vocabulary"], (BATCH, a["context"] + 1), generator=generator)
    inputs, targets = ids[:, :-1], ids[:, 1:]
    for parameter in parameters.values():
        parameter.requires_grad_()
    logits, loss = losses(parameters, a, inputs, targets)
    loss["total"].backward()
    check_gradients(parameters, a, (inputs, targets))
    tensors = {"inputs": inputs.int(), "targets": targets.int(), "logits": logits}
    groups = {"loss": loss, "parameters": parameters, "gradients": {name: p.grad for name, p in parameters.items()}}
    for group, members in groups.items():
        tensors |= {f"{group}.{name}": tensor for name, tensor in members.items()}
    write_safetensors(STORED / f"{case}.safetensors", tensors, {"architecture": a, "lossWeights": LOSS_WEIGHTS, "seed": seed})
    print(f"{case}: " + ", ".join(f"{name} {value.item():.6f}" for name, value in loss.items()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for case, a in CASES.items():
        store_case(case, a)
