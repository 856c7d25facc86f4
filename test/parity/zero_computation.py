"""Mixtures with zero-computation experts and gating residuals (MoE++, arXiv 2410.07348) in plain PyTorch, beside `reference.py`; writes
their cases into `stored/`. Every token goes to its experts one by one here.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from reference import (
    BATCH,
    LOSS_WEIGHTS,
    STORED,
    Parameters,
    architecture,
    attention,
    ffn_expert,
    layer_norm,
    parameter_shapes,
    random_parameters,
    write_safetensors,
)


def kinds(zero: int, copy: int, constant: int, tau: float, **capacity: float) -> dict:
    return dict(zero=zero, copy=copy, constant=constant, tau=tau) | capacity


CASES = {
    "zero-computation-top2": architecture(True, "averaged", 2, zeroComputation=kinds(1, 1, 2, 0.75), gatingResidual=True),
    "zero-computation-top1-capacity": architecture(
        False, "averaged", 1, zeroComputation=kinds(1, 2, 1, 0.5, capacity=0.7)
    ),
    "zero-computation-bam-capacity": architecture(
        True, "kv-experts", 2, "topk-softmax", zeroComputation=kinds(0, 1, 2, 0.6, capacity=0.8), gatingResidual=True
    ),
    "gating-residual": architecture(True, "shared-kv", 2, gatingResidual=True),
}


def columns(a: dict) -> list[str]:
    """What each column of a router is, FFN experts first."""
    mixture = a["mixture"]
    others = mixture.get("zeroComputation", {})
    return ["ffn"] * mixture["experts"] + [kind for kind in ("constant", "copy", "zero") for _ in range(others.get(kind, 0))]


def all_shapes(a: dict) -> dict[str, list[int]]:
    """Shapes of all parameters: routers have more rows than those of `reference.py`."""
    N, E, shapes = len(columns(a)), a["width"], parameter_shapes(a)
    for layer in range(a["layers"]):
        shapes[f"layers.{layer}.ffn.router.weight"] = [N, E]
        if layer and a["mixture"].get("gatingResidual"):
            shapes[f"layers.{layer}.ffn.router.residual.weight"] = [N, N]
        for j in range(columns(a).count("constant")):
            shapes[f"layers.{layer}.ffn.constants.{j}.mix.weight"] = [2, E]
            shapes[f"layers.{layer}.ffn.constants.{j}.vector"] = [E]
    return shapes


def room(a: dict) -> list[float]:
    """How many choices of a sequence each column takes."""
    kind, others = columns(a), a["mixture"].get("zeroComputation", {})
    if "capacity" not in others:
        return [float("inf")] * len(kind)
    tau, gamma, ffns = others["tau"], others["capacity"], kind.count("ffn")
    whole, slots = tau * ffns + len(kind) - ffns, a["context"] * a["mixture"]["ffnTopK"]
    return [round(gamma * slots * (tau if one == "ffn" else 1) / whole) for one in kind]


def ffn(parameters: Parameters, a: dict, layer: int, u: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, int]:
    """What the experts of every token of u (S, E) give, how often each column was chosen, and how many choices found no room."""
    mixture, kind, K = a["mixture"], columns(a), a["mixture"]["ffnTopK"]
    left, counts, dropped, outputs = [], torch.zeros(len(kind)), 0, []
    for place, (token, scores) in enumerate(zip(u, logits)):
        if place % a["context"] == 0:
            left = room(a)
        chosen = scores.topk(K).indices.tolist()
        gates = scores.softmax(-1)[chosen] if mixture["gate"] == "softmax-topk" else scores[chosen].softmax(-1)
        y = torch.zeros_like(token)
        for gate, i in zip(gates, chosen):
            counts[i] += 1
            left[i] -= 1
            if left[i] < 0:
                dropped += 1
            elif kind[i] == "ffn":
                y = y + gate * ffn_expert(parameters, layer, token, mixture["experts"], i)
            elif kind[i] == "copy":
                y = y + gate * token
            elif kind[i] == "constant":
                name = f"layers.{layer}.ffn.constants.{i - mixture['experts']}"
                a1, a2 = (parameters[f"{name}.mix.weight"] @ token).softmax(-1)
                y = y + gate * (a1 * token + a2 * parameters[f"{name}.vector"])
        outputs.append(y)
    return torch.stack(outputs), counts, dropped


def losses(parameters: Parameters, a: dict, inputs: Tensor, targets: Tensor) -> tuple[Tensor, dict[str, Tensor], dict]:
    """Logits, losses, and facts that say whether a case is worth storing."""
    x = parameters["embedding.weight"][inputs]
    balance, z = torch.zeros((), dtype=x.dtype), torch.zeros((), dtype=x.dtype)
    kind, before, facts = columns(a), None, {"dropped": 0, "margin": 1.0, "unused": 0}
    eta = torch.tensor([1.0 if one == "ffn" else a["mixture"]["zeroComputation"]["tau"] for one in kind], dtype=x.dtype)
    for layer in range(a["layers"]):
        u = layer_norm(x, parameters[f"layers.{layer}.norm.weight"], a["normEpsilon"])
        tokens = u.flatten(0, 1)
        scores = tokens @ parameters[f"layers.{layer}.ffn.router.weight"].T
        if a["mixture"].get("gatingResidual") and before is not None:
            scores = scores + before @ parameters[f"layers.{layer}.ffn.router.residual.weight"].T
        before = scores
        y, counts, dropped = ffn(parameters, a, layer, tokens, scores)
        probabilities, K = scores.softmax(-1), a["mixture"]["ffnTopK"]
        best = probabilities.sort(-1, descending=True).values
        margin = (best[:, :K] - best[:, 1 : K + 1]).min().item()
        facts["dropped"] += dropped
        facts["margin"] = min(facts["margin"], margin)
        facts["unused"] += int((counts == 0).sum())
        balance = balance + len(kind) * (eta * counts / counts.sum() * probabilities.mean(0)).sum()
        z = z + (scores.logsumexp(-1) ** 2).mean()
        x = x + attention(parameters, a, layer, u, []) + y.view_as(u)
    x = layer_norm(x, parameters["norm.weight"], a["normEpsilon"])
    head = parameters["embedding.weight" if a["tiedEmbeddings"] else "head.weight"]
    logits = x @ head.T
    language = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    total = language + LOSS_WEIGHTS["loadBalance"] * balance + LOSS_WEIGHTS["routerZ"] * z
    return logits, {"languageModel": language, "loadBalance": balance, "routerZ": z, "total": total}, facts


def check_gradients(parameters: Parameters, a: dict, ids: tuple[Tensor, Tensor]) -> None:
    """Every gradient along a random direction, against central differences in float64."""
    generator = torch.Generator().manual_seed(0)
    exact = {name: value.detach().double() for name, value in parameters.items()}
    for name, value in exact.items():
        if parameters[name].grad is None:
            continue
        direction = torch.randn(value.shape, generator=generator).double()
        plus, minus = (losses(exact | {name: value + d * direction}, a, *ids)[1]["total"] for d in (1e-5, -1e-5))
        analytic = (parameters[name].grad.double() * direction).sum()
        torch.testing.assert_close((plus - minus) / 2e-5, analytic, rtol=1e-4, atol=1e-6, msg=lambda m: f"{name}: {m}")


def store_case(case: str, a: dict) -> None:
    """Stores the results with the first seed with which no choice is near a tie, every expert is used, and some find no room."""
    limited = "capacity" in a["mixture"].get("zeroComputation", {})
    for seed in range(1000):
        generator = torch.Generator().manual_seed(seed)
        parameters = random_parameters(a, generator)
        parameters = {name: parameters[name] if name in parameters and list(parameters[name].shape) == shape
                      else 0.3 * torch.randn(shape, generator=generator) for name, shape in all_shapes(a).items()}
        ids = torch.randint(a["vocabulary"], (BATCH, a["context"] + 1), generator=generator)
        inputs, targets = ids[:, :-1], ids[:, 1:]
        with torch.no_grad():
            facts = losses(parameters, a, inputs, targets)[2]
        if facts["margin"] > 1e-3 and not facts["unused"] and (facts["dropped"] > 0) == limited:
            break
    for parameter in parameters.values():
        parameter.requires_grad_()
    logits, loss, facts = losses(parameters, a, inputs, targets)
    loss["total"].backward()
    check_gradients(parameters, a, (inputs, targets))
    gradients = {name: p.grad for name, p in parameters.items() if p.grad is not None}
    tensors = {"inputs": inputs.int(), "targets": targets.int(), "logits": logits}
    for group, members in {"loss": loss, "parameters": parameters, "gradients": gradients}.items():
        tensors |= {f"{group}.{name}": tensor for name, tensor in members.items()}
    metadata = {"architecture": a, "lossWeights": LOSS_WEIGHTS, "seed": seed}
    write_safetensors(STORED / f"{case}.safetensors", tensors, metadata)
    print(f"{case}: seed {seed}, {facts}, " + ", ".join(f"{name} {value.item():.6f}" for name, value in loss.items()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for case, a in CASES.items():
        store_case(case, a)
