"""A model that BAM Studio exported: a dense decoder, or the mixture that Branch-Attend-Mix makes of several (arXiv 2408.08274).

Written to be read, not to be fast: experts run one after the other, and there is no cache of keys and values.
Shapes: B sequences, T positions, E width, H query heads, K key heads, D head size, N experts.
"""

import torch
from torch import nn
from torch.nn import functional as F
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from .configuration_bam import BamConfig


class BamNorm(nn.Module):
    """LayerNorm or RMSNorm, with a scale and perhaps a bias."""

    def __init__(self, config: BamConfig):
        super().__init__()
        self.subtracts_mean = config.norm == "layer"
        self.epsilon = config.norm_epsilon
        self.weight = nn.Parameter(torch.ones(config.width))
        self.bias = nn.Parameter(torch.zeros(config.width)) if config.biases else None

    def forward(self, x):
        x32 = x.float()
        if self.subtracts_mean:
            x32 = x32 - x32.mean(-1, keepdim=True)
        normed = (x32 * torch.rsqrt(x32.pow(2).mean(-1, keepdim=True) + self.epsilon)).to(x.dtype) * self.weight
        return normed if self.bias is None else normed + self.bias


def rotate(x, positions, base, turned):
    """Rotary positions on heads (B, H, T, D): the pairs (i, i + D/2) with i < turned/2 turn by t * base^(-2i/turned)."""
    half = x.shape[-1] // 2
    pairs = torch.arange(half, device=x.device, dtype=torch.float32)
    frequencies = torch.where(pairs < turned / 2, base ** (-2 * pairs / turned), 0.0)
    angles = (positions[..., None].float() * frequencies)[:, None]  # (B, 1, T, D/2)
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


class BamProjections(nn.Module):
    """Some projections of an attention: all of a dense model's, or those that one expert has for itself."""

    def __init__(self, config: BamConfig, names):
        super().__init__()
        keys = config.width // config.heads * config.kv_heads
        rows = {"query": config.width, "key": keys, "value": keys, "output": config.width}
        for name in names:
            self.add_module(name, nn.Linear(config.width, rows[name], bias=config.biases))


class BamAttention(BamProjections):
    """One causal attention, or the sum over experts j of g_j MHA_j(u) with g = softmax(W u): every expert attends."""

    def __init__(self, config: BamConfig):
        own = {"averaged": [], "shared-kv": ["query", "output"], "kv-experts": ["query", "key", "value", "output"]}
        own = own[config.attention if config.experts else "averaged"]
        shared = [name for name in ["query", "key", "value", "output"] if name not in own]
        super().__init__(config, shared)
        self.config = config
        self.own = own
        if config.block:
            self.norm = BamNorm(config)
        if own:
            self.router = nn.Linear(config.width, config.experts, bias=False)
            self.experts = nn.ModuleList([BamProjections(config, own) for _ in range(config.experts)])

    def forward(self, u, positions, mask):
        if not self.own:
            return self.attend(u, [self] * 4, positions, mask)
        gates = self.router(u).softmax(-1)  # (B, T, N)
        total = 0
        for j, expert in enumerate(self.experts):
            owners = [expert if name in self.own else self for name in ["query", "key", "value", "output"]]
            total = total + gates[..., j, None] * self.attend(u, owners, positions, mask)
        return total

    def attend(self, u, owners, positions, mask):
        config = self.config
        size = config.width // config.heads
        heads = lambda x: x.unflatten(-1, (-1, size)).transpose(1, 2)  # (B, heads, T, D)
        query = rotate(heads(owners[0].query(u)), positions, config.rope_base, config.rotary_dimensions)
        key = rotate(heads(owners[1].key(u)), positions, config.rope_base, config.rotary_dimensions)
        value = heads(owners[2].value(u))
        group = config.heads // config.kv_heads
        key, value = key.repeat_interleave(group, dim=1), value.repeat_interleave(group, dim=1)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return owners[3].output(attended.transpose(1, 2).flatten(2))


class BamExpert(nn.Module):
    """One FFN: down(silu(gate u) * up u), or down(gelu(up u))."""

    def __init__(self, config: BamConfig):
        super().__init__()
        if config.ffn == "swiglu":
            self.gate = nn.Linear(config.width, config.ffn_hidden, bias=config.biases)
        self.up = nn.Linear(config.width, config.ffn_hidden, bias=config.biases)
        self.down = nn.Linear(config.ffn_hidden, config.width, bias=config.biases)
        self.is_gated = config.ffn == "swiglu"

    def forward(self, u):
        return self.down(F.silu(self.gate(u)) * self.up(u) if self.is_gated else F.gelu(self.up(u)))


class BamMixture(nn.Module):
    """The sum over the top k experts i of p_i FFN_i(u). Dropless: every expert computes the tokens that chose it."""

    def __init__(self, config: BamConfig):
        super().__init__()
        self.top_k = config.ffn_top_k
        self.renormalizes = config.gate == "topk-softmax"
        self.router = nn.Linear(config.width, config.experts, bias=False)
        self.experts = nn.ModuleList([BamExpert(config) for _ in range(config.experts)])

    def forward(self, u):
        tokens = u.flatten(0, 1)
        probabilities = self.router(tokens).float().softmax(-1)
        gates, chosen = probabilities.topk(self.top_k, dim=-1)
        if self.renormalizes:
            gates = gates / gates.sum(-1, keepdim=True)
        total = torch.zeros_like(tokens)
        for i, expert in enumerate(self.experts):
            rows, place = (chosen == i).nonzero(as_tuple=True)
            total.index_add_(0, rows, gates[rows, place, None].to(u.dtype) * expert(tokens[rows]))
        return total.view_as(u)


class BamBlock(nn.Module):
    def __init__(self, config: BamConfig):
        super().__init__()
        self.form = config.block
        if not config.block:
            self.norm = BamNorm(config)
        self.attention = BamAttention(config)
        self.ffn = BamMixture(config) if config.experts else BamExpert(config)
        if config.block:
            self.ffn.norm = BamNorm(config)

    def forward(self, x, positions, mask):
        if not self.form:
            u = self.norm(x)
            return x + self.attention(u, positions, mask) + self.ffn(u)
        attended = self.attention(self.attention.norm(x), positions, mask)
        if self.form == "sequential":
            x = x + attended
            return x + self.ffn(self.ffn.norm(x))
        return x + attended + self.ffn(self.ffn.norm(x))


class BamForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = BamConfig
    _supports_sdpa = True

    def __init__(self, config: BamConfig):
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.layers = nn.ModuleList([BamBlock(config) for _ in range(config.layers)])
        self.norm = BamNorm(config)
        # A tied head is the embedding itself, so there is no second tensor to tie.
        self.head = None if config.tie_word_embeddings else nn.Linear(config.width, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self):
        return self.embedding

    def set_input_embeddings(self, embedding):
        self.embedding = embedding

    def get_output_embeddings(self):
        return self.head

    def prepare_inputs_for_generation(self, input_ids, attention_mask=None, **kwargs):
        return {"input_ids": input_ids, "attention_mask": attention_mask}

    def forward(self, input_ids, attention_mask=None, labels=None, **kwargs):
        """Logits (B, T, vocabulary), and with `labels` (B, T, -100 counts for nothing) the mean loss in nats."""
        length = input_ids.shape[1]
        mask = torch.ones(length, length, dtype=torch.bool, device=input_ids.device).tril()[None, None]
        positions = torch.arange(length, device=input_ids.device)[None]
        if attention_mask is not None:
            seen = attention_mask.bool()
            positions = (seen.long().cumsum(-1) - 1).clamp(min=0)
            # Padding looks at itself, since a softmax over nothing is not a number.
            diagonal = torch.eye(length, dtype=torch.bool, device=input_ids.device)
            mask = (mask & seen[:, None, None, :]) | diagonal
        x = self.embedding(input_ids)
        for layer in self.layers:
            x = layer(x, positions, mask)
        last = self.norm(x) * self.config.logit_scale
        logits = F.linear(last, self.embedding.weight) if self.head is None else self.head(last)
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten())
        return CausalLMOutput(loss=loss, logits=logits)
