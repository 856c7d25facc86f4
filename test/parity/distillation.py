"""The importance of neurons and the distillation loss of MoEBERT (arXiv 2204.07675) in plain PyTorch.

`python distillation.py` checks both against other formulations, then writes `stored/distillation.safetensors`.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from reference import BATCH, STORED, Parameters, architecture, attention, ffn_expert, layer_norm, random_parameters
from reference import write_safetensors

STUDENT = architecture(True)
TEACHER = architecture(True) | {"ffnHidden": 40}
WEIGHT = 0.7


def forward(parameters: Parameters, a: dict, inputs: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits (B, T, V), and the residual stream behind the embedding and behind every layer, (B, T, E) each."""
    states = [parameters["embedding.weight"][inputs]]
    for layer in range(a["layers"]):
        u = layer_norm(states[-1], parameters[f"layers.{layer}.norm.weight"], a["normEpsilon"])
        states.append(states[-1] + attention(parameters, a, layer, u, []) + ffn_expert(parameters, layer, u))
    last = layer_norm(states[-1], parameters["norm.weight"], a["normEpsilon"])
    return last @ parameters["embedding.weight"].T, states


def importance(parameters: Parameters, a: dict, inputs: Tensor, targets: Tensor) -> list[Tensor]:
    """By layer, sum over sequences of |sum over the weights of a neuron of w dL/dw|, each sequence with a backward pass."""
    sums = [torch.zeros(a["ffnHidden"]) for _ in range(a["layers"])]
    for ids, following in zip(inputs, targets):
        loss = F.cross_entropy(forward(parameters, a, ids[None])[0][0], following)
        gradients = dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values()))))
        for layer, total in enumerate(sums):
            by = {p: parameters[name] * gradients[name] for p in ("gate", "up", "down") for name in [ffn_name(layer, p)]}
            total += (by["gate"].sum(1) + by["up"].sum(1) + by["down"].sum(0)).abs().detach()
    return sums


def ffn_name(layer: int, projection: str) -> str:
    return f"layers.{layer}.ffn.{projection}.weight"


def distillation(student: tuple, teacher: tuple, layers: str) -> Tensor:
    """Mean squared differences of states, summed over layers, and the symmetric divergence of predictions, mean over tokens."""
    (p, states), (q, taught) = student, teacher
    p, q = (logits.flatten(0, 1).log_softmax(-1) for logits in (p, q))
    kl = [F.kl_div(b, a, reduction="batchmean", log_target=True) for a, b in ((p, q), (q, p))]
    pairs = {"all": list(zip(states, taught)), "last": [(states[-1], taught[-1])], "none": []}[layers]
    return sum((F.mse_loss(own, other) for own, other in pairs), 0.5 * sum(kl))


def check(parameters: Parameters, inputs: Tensor, targets: Tensor, found: list[Tensor]) -> None:
    """The importance of some neurons against central differences of the loss by a factor on their weights, in float64."""
    exact = {name: value.detach().double() for name, value in parameters.items()}
    for layer, neuron in ((0, 3), (1, 17)):
        total = 0.0
        for ids, following in zip(inputs, targets):
            ends = []
            for factor in (1 + 1e-5, 1 - 1e-5):
                changed = {name: value.clone() for name, value in exact.items()}
                for projection in ("gate", "up"):
                    changed[ffn_name(layer, projection)][neuron] *= factor
                changed[ffn_name(layer, "down")][:, neuron] *= factor
                ends.append(F.cross_entropy(forward(changed, STUDENT, ids[None])[0][0], following))
            total += abs((ends[0] - ends[1]) / 2e-5).item()
        torch.testing.assert_close(found[layer][neuron].item(), total, rtol=1e-3, atol=1e-5)


def main() -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(3)
    student, teacher = random_parameters(STUDENT, generator), random_parameters(TEACHER, generator)
    ids = torch.randint(STUDENT["vocabulary"], (BATCH, STUDENT["context"] + 1), generator=generator)
    inputs, targets = ids[:, :-1], ids[:, 1:]
    for parameter in student.values():
        parameter.requires_grad_()
    tensors = {"inputs": inputs.int(), "targets": targets.int()}
    tensors |= {f"parameters.{name}": value for name, value in student.items()}
    tensors |= {f"teacher.{name}": value for name, value in teacher.items()}
    found = importance(student, STUDENT, inputs, targets)
    check(student, inputs, targets, found)
    tensors |= {f"importance.{layer}": value for layer, value in enumerate(found)}
    taught = forward(teacher, TEACHER, inputs)
    for layers in ("all", "last", "none"):
        own = forward(student, STUDENT, inputs)
        distilled = distillation(own, taught, layers)
        p, q = own[0].softmax(-1), taught[0].softmax(-1)
        if layers == "none":
            torch.testing.assert_close(distilled, (0.5 * (p - q) * (p.log() - q.log())).sum(-1).mean())
        total = F.cross_entropy(own[0].flatten(0, 1), targets.flatten()) + WEIGHT * distilled
        gradients = torch.autograd.grad(total, list(student.values()))
        tensors |= {f"{layers}.distillation": distilled, f"{layers}.total": total}
        tensors |= {f"{layers}.gradients.{name}": gradient for name, gradient in zip(student, gradients)}
        print(f"{layers}: distillation {distilled.item():.6f}, total {total.item():.6f}")
    metadata = {"architecture": STUDENT, "teacher": TEACHER, "weight": WEIGHT}
    write_safetensors(STORED / "distillation.safetensors", tensors, metadata)


if __name__ == "__main__":
    main()
