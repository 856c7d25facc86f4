"""Configuration of a model that BAM Studio exported."""

from transformers import PretrainedConfig


class BamConfig(PretrainedConfig):
    """The shape of the model; `experts` is 0 in a dense one.

    `block` is None for x + attn(N x) + ffn(N x), "parallel-two-norms" for x + attn(N1 x) + ffn(N2 x), or "sequential".
    `norm` is "layer" or "rms", `ffn` is "swiglu" or "gelu", `biases` says whether norms and projections add one.
    `attention` is "averaged" (one for all experts), "kv-experts" (one for each), or "shared-kv" (keys and values shared).
    `gate` is "softmax-topk" (probabilities of the chosen experts) or "topk-softmax" (renormalised over them).
    """

    model_type = "bam"
    attribute_map = {
        "hidden_size": "width",
        "num_hidden_layers": "layers",
        "num_attention_heads": "heads",
        "num_key_value_heads": "kv_heads",
        "intermediate_size": "ffn_hidden",
        "max_position_embeddings": "context",
    }

    def __init__(
        self,
        vocab_size=257,
        layers=2,
        width=32,
        heads=4,
        kv_heads=4,
        ffn_hidden=64,
        context=64,
        rope_base=10000.0,
        rotary_dimensions=None,
        norm_epsilon=1e-5,
        block=None,
        norm="layer",
        ffn="swiglu",
        biases=False,
        logit_scale=1.0,
        experts=0,
        ffn_top_k=1,
        gate="softmax-topk",
        attention="averaged",
        tie_word_embeddings=True,
        **kwargs,
    ):
        self.vocab_size = vocab_size
        self.layers = layers
        self.width = width
        self.heads = heads
        self.kv_heads = kv_heads
        self.ffn_hidden = ffn_hidden
        self.context = context
        self.rope_base = rope_base
        self.rotary_dimensions = rotary_dimensions or width // heads
        self.norm_epsilon = norm_epsilon
        self.block = block
        self.norm = norm
        self.ffn = ffn
        self.biases = biases
        self.logit_scale = logit_scale
        self.experts = experts
        self.ffn_top_k = ffn_top_k
        self.gate = gate
        self.attention = attention
        kwargs["use_cache"] = False
        super().__init__(tie_word_embeddings=tie_word_embeddings, **kwargs)
