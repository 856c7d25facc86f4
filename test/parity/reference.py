"""The models and the optimizer in plain PyTorch, and the results that the TypeScript tests compare with.

`python reference.py` checks this file against other formulations of the same mathematics, then writes `stored/`.
Everything here is written the obvious way (a loop over experts, every expert on every token), never the fast way.
Shapes: B sequences, T positions, E width, H query heads, G key heads, D head size, N experts, K chosen experts,
V vocabulary.
"""

import itertools
import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

STORED = Path(__file__).parent / "stored"
BATCH = 3
LOSS_WEIGHTS = {"loadBalance": 0.01, "routerZ": 0.001}
LOGIT_EPSILON = 1e-6  # equal logits have no deviation to divide by
OPTIMIZER = {"beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "clip": 1.0, "weightDecay": 0.1}
# Float32 results of two implementations differ by about 1e-6; a choice of experts nearer to a tie than this could flip.
SMALLEST_MARGIN = 1e-3

Parameters = dict[str, Tensor]


def architecture(
    tied: bool, attention: str | None = None, top_k: int = 1, gate: str = "softmax-topk", **routing
) -> dict:
    """One tiny architecture, in the field names of the TypeScript type `Architecture`; dense without `attention`."""
    dense = dict(layers=2, width=16, heads=4, kvHeads=2, ffnHidden=24, context=12, vocabulary=40)
    dense |= dict(tiedEmbeddings=tied, ropeBase=10000, normEpsilon=1e-5)
    if attention is None:
        return dense
    return dense | {"mixture": dict(experts=3, ffnTopK=top_k, gate=gate, attention=attention, **routing)}


CASES = {
    "dense-tied": architecture(True),
    "dense-untied": architecture(False),
    "btx-top1": architecture(True, "averaged", 1),
    "btx-top2-topk-softmax": architecture(False, "averaged", 2, "topk-softmax"),
    "bam-kv-experts-top1": architecture(True, "kv-experts", 1),
    "bam-shared-kv-top2": architecture(False, "shared-kv", 2),
    "btx-soft": architecture(True, "averaged", 3, ffnRouting="soft"),
    "bam-attention-top2": architecture(True, "kv-experts", 1, attentionTopK=2),
    "btx-balance-bias": architecture(True, "averaged", 2, router=dict(balanceBias=0.01)),
    "btx-sample-top1": architecture(True, "averaged", 1, ffnRouting="sample-top-1", router=dict(noise=0.2)),
    "bam-attention-top2-topk-softmax": architecture(
        True, "shared-kv", 2, "topk-softmax", attentionTopK=2, router=dict(normalizeLogits=1.5)
    ),
}


# The cases of which continuations are stored.
DECODING_CASES = ["dense-tied", "btx-top2-topk-softmax", "bam-kv-experts-top1"]


# ---- Parameters -----------------------------------------------------------------------------------------------------


def attention_copies(a: dict) -> dict[str, int]:
    """How many experts own each projection of attention; 1 where all share it."""
    experts = a["mixture"]["experts"] if "mixture" in a else 1
    kind = a["mixture"]["attention"] if "mixture" in a else "averaged"
    queries = 1 if kind == "averaged" else experts
    keys = experts if kind == "kv-experts" else 1
    return {"query": queries, "key": keys, "value": keys, "output": queries}


def name_of(layer: int, part: str, projection: str, copies: int, expert: int) -> str:
    """Name of a projection of `attention` or `ffn`; the expert shows only where there are several copies."""
    return f"layers.{layer}.{part}.{f'experts.{expert}.' if copies > 1 else ''}{projection}.weight"


def parameter_shapes(a: dict) -> dict[str, list[int]]:
    """Every parameter with its shape; matrices are (outputs, inputs)."""
    E, hidden, copies = a["width"], a["ffnHidden"], attention_copies(a)
    key_rows = E // a["heads"] * a["kvHeads"]
    experts = a["mixture"]["experts"] if "mixture" in a else 1
    attention = {"query": [E, E], "key": [key_rows, E], "value": [key_rows, E], "output": [E, E]}
    ffn = {"gate": [hidden, E], "up": [hidden, E], "down": [E, hidden]}
    shapes = {"embedding.weight": [a["vocabulary"], E]}
    for layer in range(a["layers"]):
        shapes[f"layers.{layer}.norm.weight"] = [E]
        if copies["query"] > 1:
            shapes[f"layers.{layer}.attention.router.weight"] = [experts, E]
        for projection, shape in attention.items():
            for expert in range(copies[projection]):
                shapes[name_of(layer, "attention", projection, copies[projection], expert)] = shape
        if experts > 1:
            shapes[f"layers.{layer}.ffn.router.weight"] = [experts, E]
        if "balanceBias" in a.get("mixture", {}).get("router", {}):
            shapes[f"layers.{layer}.ffn.router.bias"] = [experts]
        for projection, shape in ffn.items():
            for expert in range(experts):
                shapes[name_of(layer, "ffn", projection, experts, expert)] = shape
    shapes["norm.weight"] = [E]
    if not a["tiedEmbeddings"]:
        shapes["head.weight"] = [a["vocabulary"], E]
    return shapes


def random_parameters(a: dict, generator: torch.Generator) -> Parameters:
    """Normal(0, 0.3), norm scales 1 + Normal(0, 0.1): so large that no softmax is near uniform."""
    parameters = {}
    for name, shape in parameter_shapes(a).items():
        noise = torch.randn(shape, generator=generator)
        parameters[name] = 1 + 0.1 * noise if name.endswith("norm.weight") else 0.3 * noise
    return parameters


def random_draws(a: dict, generator: torch.Generator) -> Parameters:
    """What the routers of a training pass draw, (B*T, ...) each, and the temperature; nothing for most models."""
    draws, mixture, tokens = {}, a.get("mixture", {}), BATCH * a["context"]
    noise, samples = mixture.get("router", {}).get("noise"), mixture.get("ffnRouting") == "sample-top-1"
    for layer in range(a["layers"]):
        if noise:
            uniform = torch.rand(tokens, a["width"], generator=generator)
            draws[f"layers.{layer}.ffn.router.noise"] = 1 + noise * (2 * uniform - 1)
        if samples and layer > 0:
            uniform = torch.rand(tokens, mixture["experts"], generator=generator).clamp(min=1e-7)
            draws[f"layers.{layer}.ffn.router.gumbel"] = -torch.log(-torch.log(uniform))
    if samples:
        draws["temperature"] = torch.tensor(0.8)
    return draws


# ---- Forward pass ---------------------------------------------------------------------------------------------------


@dataclass
class Router:
    """What a router decided. Of a soft router `chosen` is None, and the weights are of all experts in their order."""

    logits: Tensor  # (B, T, N)
    scored: Tensor  # (B, T, N), the logits that choice and weights are made of: perturbed ones where the choice is a draw
    rank: Tensor  # (B, T, N), what the best are chosen by
    chosen: Tensor | None  # (B, T, K)
    weights: Tensor  # (B, T, K)

    def weight_of(self, expert: int) -> Tensor:
        """(B, T, 1); 0 where the expert was not chosen."""
        if self.chosen is None:
            return self.weights[..., [expert]]
        return (self.weights * (self.chosen == expert)).sum(-1, keepdim=True)


def layer_norm(x: Tensor, scale: Tensor, epsilon: float) -> Tensor:
    """LayerNorm without a shift."""
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + epsilon) * scale


def rotary(x: Tensor, base: float) -> Tensor:
    """Rotary positions in the half-split form, on (B, heads, T, D): dimension i turns together with i + D/2."""
    T, D = x.shape[-2:]
    frequencies = base ** (-torch.arange(0, D, 2, dtype=x.dtype) / D)  # (D/2)
    angles = torch.outer(torch.arange(T, dtype=x.dtype), frequencies).repeat(1, 2)  # (T, D)
    first, second = x.chunk(2, dim=-1)
    return x * angles.cos() + torch.cat([-second, first], dim=-1) * angles.sin()


def split_heads(x: Tensor, size: int) -> Tensor:
    """(B, T, heads * size) to (B, heads, T, size)."""
    return x.unflatten(-1, (-1, size)).transpose(1, 2)


def attention_expert(u: Tensor, query: Tensor, key: Tensor, value: Tensor, output: Tensor, a: dict) -> Tensor:
    """Causal grouped-query attention of normed inputs (B, T, E), with its own four projections; gives (B, T, E)."""
    D, T = a["width"] // a["heads"], u.shape[1]
    q = rotary(split_heads(u @ query.T, D), a["ropeBase"])  # (B, H, T, D)
    k = rotary(split_heads(u @ key.T, D), a["ropeBase"])  # (B, G, T, D)
    v = split_heads(u @ value.T, D)  # (B, G, T, D)
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    heads = []
    for head in range(a["heads"]):
        group = head // (a["heads"] // a["kvHeads"])
        scores = q[:, head] @ k[:, group].transpose(-1, -2) / D**0.5  # (B, T, T)
        heads.append(scores.masked_fill(future, float("-inf")).softmax(-1) @ v[:, group])  # (B, T, D)
    return torch.cat(heads, dim=-1) @ output.T


def attention(
    parameters: Parameters, a: dict, layer: int, u: Tensor, routers: list[Router], expert_forward=attention_expert
) -> Tensor:
    """One attention, or a mixture of attention experts: all as BAM has it (arXiv 2408.08274), sum_j g_j MHA_j(u), or the best."""
    copies = attention_copies(a)
    outputs = []
    for expert in range(copies["query"]):
        names = {p: name_of(layer, "attention", p, copies[p], expert) for p in copies}
        outputs.append(expert_forward(u, **{p: parameters[name] for p, name in names.items()}, a=a))
    if len(outputs) == 1:
        return outputs[0]
    logits = u @ parameters[f"layers.{layer}.attention.router.weight"].T  # (B, T, N)
    K = a["mixture"].get("attentionTopK")
    if K is None:
        return sum(logits.softmax(-1)[..., [expert]] * output for expert, output in enumerate(outputs))
    routers.append(choose(logits, K, a["mixture"]["gate"]))
    return sum(routers[-1].weight_of(expert) * output for expert, output in enumerate(outputs))


def ffn_expert(parameters: Parameters, layer: int, u: Tensor, copies: int = 1, expert: int = 0) -> Tensor:
    """SwiGLU: down(silu(gate(u)) * up(u))."""
    gate, up, down = (parameters[name_of(layer, "ffn", p, copies, expert)] for p in ("gate", "up", "down"))
    return (F.silu(u @ gate.T) * (u @ up.T)) @ down.T


def choose(
    logits: Tensor, K: int, gate: str, bias: Tensor | float = 0.0, scored: Tensor | None = None
) -> Router:
    """Chooses K experts of every token by probability and bias, and weighs them by probability alone."""
    scored = logits if scored is None else scored
    probabilities = scored.softmax(-1)  # (B, T, N)
    rank = probabilities + bias
    chosen = rank.topk(K, dim=-1).indices
    if gate == "softmax-topk":
        return Router(logits, scored, rank, chosen, probabilities.gather(-1, chosen))  # not renormalised
    return Router(logits, scored, rank, chosen, scored.gather(-1, chosen).softmax(-1))


def ffn_router(parameters: Parameters, mixture: dict, layer: int, u: Tensor, draws: Parameters) -> Router:
    """What the FFN router of a layer says of normed inputs (B, T, E)."""
    noise, gumbel = (draws.get(f"layers.{layer}.ffn.router.{name}") for name in ("noise", "gumbel"))
    if noise is not None:
        u = u * noise.view_as(u)
    logits = u @ parameters[f"layers.{layer}.ffn.router.weight"].T
    if deviation := mixture.get("router", {}).get("normalizeLogits"):
        variance = logits.var(-1, correction=0, keepdim=True)
        logits = deviation * (logits - logits.mean(-1, keepdim=True)) / torch.sqrt(variance + LOGIT_EPSILON)
    if gumbel is not None:  # BTX's sampling (arXiv 2403.07816)
        perturbed = (logits + gumbel.view_as(logits)) / draws["temperature"]
        return choose(logits, 1, "softmax-topk", scored=perturbed)
    if "ffnRouting" in mixture:  # soft; sampling leaves layer 0 so
        return Router(logits, logits, logits.softmax(-1), None, logits.softmax(-1))
    bias = parameters.get(f"layers.{layer}.ffn.router.bias", 0.0)
    return choose(logits, mixture["ffnTopK"], mixture["gate"], bias)


def ffn_mixture(parameters: Parameters, mixture: dict, layer: int, u: Tensor, router: Router) -> Tensor:
    """The weighted sum of the experts; every expert runs on every token, with weight 0 where not chosen."""
    N = mixture["experts"]
    return sum(router.weight_of(expert) * ffn_expert(parameters, layer, u, N, expert) for expert in range(N))


def forward(parameters: Parameters, a: dict, inputs: Tensor, draws: Parameters) -> tuple[Tensor, list[Router]]:
    """Logits (B, T, V) of token ids (B, T), and the routers that losses are made of: of FFNs, and what else chooses."""
    x = parameters["embedding.weight"][inputs]  # (B, T, E)
    routers: list[Router] = []
    for layer in range(a["layers"]):
        u = layer_norm(x, parameters[f"layers.{layer}.norm.weight"], a["normEpsilon"])
        if "mixture" in a:
            routers.append(ffn_router(parameters, a["mixture"], layer, u, draws))
            y = ffn_mixture(parameters, a["mixture"], layer, u, routers[-1])
        else:
            y = ffn_expert(parameters, layer, u)
        x = x + attention(parameters, a, layer, u, routers) + y
    x = layer_norm(x, parameters["norm.weight"], a["normEpsilon"])
    head = parameters["embedding.weight" if a["tiedEmbeddings"] else "head.weight"]
    return x @ head.T, routers


def losses(
    parameters: Parameters, a: dict, inputs: Tensor, targets: Tensor, draws: Parameters
) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits, and the losses: cross entropy, N sum_i f_i P_i and squared logsumexp (sums over layers), and total."""
    logits, routers = forward(parameters, a, inputs, draws)
    balance, z = torch.zeros((), dtype=logits.dtype), torch.zeros((), dtype=logits.dtype)
    for router in routers:
        N, r = a["mixture"]["experts"], router.logits
        z = z + (r.logsumexp(-1) ** 2).mean()
        if router.chosen is None:
            continue
        f = F.one_hot(router.chosen, N).to(r.dtype).mean((0, 1, 2))  # counts of choices: no gradient flows through them
        balance = balance + N * (f * r.softmax(-1).mean((0, 1))).sum()
    language = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    total = language + LOSS_WEIGHTS["loadBalance"] * balance + LOSS_WEIGHTS["routerZ"] * z
    return logits, {"languageModel": language, "loadBalance": balance, "routerZ": z, "total": total}


# ---- Checks: the same mathematics, written another way --------------------------------------------------------------


def attention_expert_again(u: Tensor, query: Tensor, key: Tensor, value: Tensor, output: Tensor, a: dict) -> Tensor:
    """`attention_expert` with rotary positions as complex rotations, and PyTorch's own grouped-query attention."""
    D = a["width"] // a["heads"]

    def rotate(x: Tensor) -> Tensor:
        pairs = torch.complex(x[..., : D // 2], x[..., D // 2 :])
        for position, i in itertools.product(range(x.shape[-2]), range(D // 2)):
            angle = torch.tensor(position * a["ropeBase"] ** (-2 * i / D), dtype=x.dtype)
            pairs[..., position, i] *= torch.polar(torch.ones((), dtype=x.dtype), angle)
        return torch.cat([pairs.real, pairs.imag], dim=-1)

    q, k, v = (split_heads(F.linear(u, weight), D) for weight in (query, key, value))
    heads = F.scaled_dot_product_attention(rotate(q), rotate(k), v, is_causal=True, enable_gqa=True)
    return F.linear(heads.transpose(1, 2).flatten(2), output)


def check_layers(parameters: Parameters, a: dict, draws: Parameters, generator: torch.Generator) -> None:
    """Norm and attention against PyTorch's own; the mixtures against loops over tokens and their experts."""
    close = dict(rtol=1e-5, atol=1e-5)
    x, scale = torch.randn(BATCH, a["context"], a["width"], generator=generator), parameters["layers.0.norm.weight"]
    u = layer_norm(x, scale, a["normEpsilon"])
    torch.testing.assert_close(u, F.layer_norm(x, scale.shape, scale, None, a["normEpsilon"]), **close)
    again = attention(parameters, a, 0, u, [], attention_expert_again)
    torch.testing.assert_close(attention(parameters, a, 0, u, []), again, **close)
    if "mixture" not in a:
        return
    N, K, gate = (a["mixture"][key] for key in ("experts", "ffnTopK", "gate"))
    router = ffn_router(parameters, a["mixture"], 1, u, draws)
    tokens = []
    bias = parameters.get("layers.1.ffn.router.bias", torch.zeros(N)).tolist()
    for token, scores in zip(u.flatten(0, 1), router.scored.flatten(0, 1).tolist()):
        weights = loop_weights(scores, bias, K, gate)
        tokens.append(sum(weight * ffn_expert(parameters, 1, token, N, i) for i, weight in weights.items()))
    y = ffn_mixture(parameters, a["mixture"], 1, u, router)
    torch.testing.assert_close(y, torch.stack(tokens).view_as(u), **close)


def loop_weights(scores: list[float], bias: list[float], K: int, gate: str) -> dict[int, float]:
    """One token's chosen experts with their weights."""
    powers = [math.exp(score) for score in scores]
    chosen = sorted(range(len(scores)), key=lambda expert: -powers[expert] / sum(powers) - bias[expert])[:K]
    whole = sum(powers if gate == "softmax-topk" else [powers[i] for i in chosen])
    return {i: powers[i] / whole for i in chosen}


def check_gradients(
    parameters: Parameters, a: dict, inputs: Tensor, targets: Tensor, draws: Parameters, gradients: Parameters
) -> None:
    """Every gradient along a random direction, against central differences of the total loss in float64."""
    generator = torch.Generator().manual_seed(0)
    exact = {name: value.detach().double() for name, value in parameters.items()}
    drawn = {name: value.double() for name, value in draws.items()}
    for name in gradients:
        value = exact[name]
        direction = torch.randn(value.shape, generator=generator).double()
        ends = [exact | {name: value + step * direction} for step in (1e-5, -1e-5)]
        plus, minus = (losses(end, a, inputs, targets, drawn)[1]["total"] for end in ends)
        analytic = (gradients[name].double() * direction).sum()
        torch.testing.assert_close((plus - minus) / 2e-5, analytic, rtol=1e-4, atol=1e-6, msg=lambda m: f"{name}: {m}")


def routes_clearly(parameters: Parameters, a: dict, inputs: Tensor, draws: Parameters) -> bool:
    """Whether every expert of every router that chooses gets tokens, and no choice is near a tie. True for a dense model."""
    for router in forward(parameters, a, inputs, draws)[1]:
        if router.chosen is None:
            continue
        K, ranked = router.chosen.shape[-1], router.rank.sort(-1, descending=True)
        margin = (ranked.values[..., K - 1] - ranked.values[..., K]).min()
        if margin <= SMALLEST_MARGIN or ranked.indices[..., :K].unique().numel() < a["mixture"]["experts"]:
            return False
    return True


# ---- Stored results -------------------------------------------------------------------------------------------------


def write_safetensors(path: Path, tensors: dict[str, Tensor], metadata: dict) -> None:
    """Float32 and int32 tensors: length of the header (8 bytes, little-endian), header (JSON), numbers."""
    header: dict = {"__metadata__": {key: json.dumps(value) for key, value in metadata.items()}}
    data = b""
    for name, tensor in tensors.items():
        numbers = tensor.detach().contiguous().numpy()
        kind = {"float32": "F32", "int32": "I32"}[str(numbers.dtype)]
        end = len(data) + numbers.nbytes
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [len(data), end]}
        data += numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # numbers start at a multiple of 8
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def store_case(case: str, a: dict) -> None:
    """Makes, checks and stores one model's results, with the first seed that routes clearly."""
    for seed in itertools.count(1):
        generator = torch.Generator().manual_seed(seed)
        parameters = random_parameters(a, generator)
        ids = torch.randint(a["vocabulary"], (BATCH, a["context"] + 1), generator=generator)
        inputs, targets = ids[:, :-1], ids[:, 1:]
        draws = random_draws(a, generator)
        if routes_clearly(parameters, a, inputs, draws):
            break
    check_layers(parameters, a, draws, generator)
    for parameter in parameters.values():
        parameter.requires_grad_()
    logits, loss = losses(parameters, a, inputs, targets, draws)
    loss["total"].backward()
    # A bias only takes part in choices, so it has none.
    gradients = {name: parameter.grad for name, parameter in parameters.items() if parameter.grad is not None}
    check_gradients(parameters, a, inputs, targets, draws, gradients)
    tensors = {"inputs": inputs.int(), "targets": targets.int(), "logits": logits}
    groups = {"loss": loss, "parameters": parameters, "gradients": gradients, "draws": draws}
    for group, members in groups.items():
        tensors |= {f"{group}.{name}": tensor for name, tensor in members.items()}
    metadata = {"architecture": a, "lossWeights": LOSS_WEIGHTS, "seed": seed}
    write_safetensors(STORED / f"{case}.safetensors", tensors, metadata)
    print(f"{case}: seed {seed}, " + ", ".join(f"{name} {value.item():.6f}" for name, value in loss.items()))


def adamw_again(value: Tensor, moments: list[Tensor], gradient: Tensor, step: int, rate: float, decay: float) -> Tensor:
    """AdamW (arXiv 1711.05101, algorithm 2) with decay scaled by the learning rate; updates `moments` in place."""
    beta1, beta2 = OPTIMIZER["beta1"], OPTIMIZER["beta2"]
    moments[0] = beta1 * moments[0] + (1 - beta1) * gradient
    moments[1] = beta2 * moments[1] + (1 - beta2) * gradient**2
    mean, square = moments[0] / (1 - beta1**step), moments[1] / (1 - beta2**step)
    return value - rate * (mean / (square.sqrt() + OPTIMIZER["epsilon"]) + decay * value)


def store_adamw() -> None:
    """Five steps of clipping by global norm and AdamW on given gradients; weight decay on the matrix only."""
    generator = torch.Generator().manual_seed(1)
    shapes, decays = {"matrix": (5, 7), "vector": (7,)}, {"matrix": OPTIMIZER["weightDecay"], "vector": 0.0}
    values = {name: torch.randn(shape, generator=generator).requires_grad_() for name, shape in shapes.items()}
    groups = [{"params": [values[name]], "weight_decay": decays[name]} for name in shapes]
    optimizer = torch.optim.AdamW(groups, betas=(OPTIMIZER["beta1"], OPTIMIZER["beta2"]), eps=OPTIMIZER["epsilon"])
    tensors = {f"initial.{name}": value.detach().clone() for name, value in values.items()}
    again = {name: value.detach().double() for name, value in values.items()}
    moments = {name: [torch.zeros_like(value), torch.zeros_like(value)] for name, value in again.items()}
    # Gradients of about 6.5 times these sizes: steps 2, 4 and 5 are clipped.
    for step, (size, rate) in enumerate(zip([0.05, 0.5, 0.1, 1, 0.3], [1e-3, 1e-2, 2e-2, 5e-3, 2e-3]), start=1):
        gradients = {name: size * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
        norm = torch.cat([gradient.flatten().double() for gradient in gradients.values()]).norm()
        for name, value in values.items():
            value.grad = gradients[name].clone()
        for group in optimizer.param_groups:
            group["lr"] = rate
        torch.nn.utils.clip_grad_norm_(values.values(), OPTIMIZER["clip"])
        optimizer.step()
        tensors[f"step.{step}.learningRate"] = torch.tensor(rate)
        for name, value in values.items():
            clipped = gradients[name].double() * min(1, OPTIMIZER["clip"] / norm)
            again[name] = adamw_again(again[name], moments[name], clipped, step, rate, decays[name])
            torch.testing.assert_close(value.detach().double(), again[name], rtol=1e-5, atol=1e-6)
            tensors[f"step.{step}.gradient.{name}"] = gradients[name]
            tensors[f"step.{step}.value.{name}"] = value.detach().clone()
        print(f"adamw: step {step}, gradient norm {norm:.3f}")
    write_safetensors(STORED / "adamw.safetensors", tensors, {"optimizer": OPTIMIZER})


def store_decoding() -> None:
    """Greedy continuations, and log-likelihoods of continuations, of the models above; each sequence computed alone and unpadded."""
    generator = torch.Generator().manual_seed(2)
    tensors = {}
    for case in DECODING_CASES:
        a = CASES[case]
        parameters = random_parameters(a, generator)
        tensors |= {f"{case}.parameters.{name}": value for name, value in parameters.items()}
        for i, length in enumerate([2, 5, 7]):
            sequence = torch.randint(a["vocabulary"], (length,), generator=generator)
            tensors[f"{case}.prompt.{i}"] = sequence.float()
            while len(sequence) < a["context"]:
                logits, _ = forward(parameters, a, sequence[None])
                best = logits[0, -1].topk(2)
                assert best.values[0] - best.values[1] > SMALLEST_MARGIN, "a greedy choice near a tie: take another seed"
                sequence = torch.cat([sequence, best.indices[:1]])
            tensors[f"{case}.greedy.{i}"] = sequence.float()
            given = torch.randint(a["vocabulary"], (4,), generator=generator)
            whole = torch.cat([tensors[f"{case}.prompt.{i}"].long(), given])
            logits, _ = forward(parameters, a, whole[None, :-1])
            chosen = logits[0].log_softmax(-1).gather(-1, whole[1:, None])[:, 0]
            tensors[f"{case}.continuation.{i}"] = given.float()
            tensors[f"{case}.logLikelihood.{i}"] = chosen[-4:].sum()
        print(f"decoding: {case}")
    write_safetensors(STORED / "decoding.safetensors", tensors, {"architectures": {case: CASES[case] for case in DECODING_CASES}})


if __name__ == "__main__":
    torch.set_num_threads(1)  # the order of sums, and so the last bit, then does not depend on the number of cores
    STORED.mkdir(exist_ok=True)
    for case, a in CASES.items():
        store_case(case, a)
    store_adamw()
    store_decoding()
