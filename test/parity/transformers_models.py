"""Checkpoints of the transformers library, and what they compute: what the tests of import and export compare with.

`python transformers_models.py make` writes `checkpoints/NAME`: a tiny random model as `save_pretrained` writes it, with
`expected.json` beside it: token ids (rows of one sequence each), the logits that transformers computes from them in float32, the mean
loss where each id is to be told from those before (the last of a row: the first of it), and the norm of its gradient by every tensor.

`python transformers_models.py check FOLDER` loads the exported models that `write_exports.ts` wrote into folders of FOLDER, each
with an `expected.json` of the logits that our program computes, compares these, and writes `exports.json`: the hash of every folder
that passed. The tests compare what is exported now with these hashes, so that they need no Python.
"""

import hashlib
import json
import shutil
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, CohereConfig, GPTNeoXConfig, LlamaConfig

HERE = Path(__file__).parent
TOLERANCE = 1e-4
CONTEXT = 24
VOCABULARY = 67
COMMON = dict(
    vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=CONTEXT
)
UNUSED = dict(bos_token_id=None, eos_token_id=0, pad_token_id=None)

# What is saved: the configuration, the type of the numbers, and the largest size of a file.
MODELS = {
    "cohere": (
        CohereConfig(
            **COMMON | UNUSED,
            intermediate_size=48,
            num_key_value_heads=2,
            logit_scale=0.25,
            rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
        ),
        torch.bfloat16,
        "1GB",
    ),
    "gpt-neox": (
        GPTNeoXConfig(
            **COMMON | UNUSED,
            intermediate_size=80,
            use_parallel_residual=True,
            rope_parameters={"rope_type": "default", "rope_theta": 1000.0, "partial_rotary_factor": 0.5},
        ),
        torch.float32,
        "1GB",
    ),
    "gpt-neox-sequential": (
        GPTNeoXConfig(
            **COMMON | UNUSED,
            intermediate_size=64,
            use_parallel_residual=False,
            tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0},
        ),
        torch.float32,
        "1GB",
    ),
    "llama": (
        LlamaConfig(
            **COMMON | UNUSED,
            intermediate_size=48,
            tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
        ),
        torch.float16,
        "1GB",
    ),
    "llama-gqa-sharded": (
        LlamaConfig(
            **COMMON | UNUSED,
            intermediate_size=48,
            num_key_value_heads=1,
            rms_norm_eps=1e-3,
            rope_parameters={"rope_type": "default", "rope_theta": 500.0},
        ),
        torch.float32,
        "40KB",
    ),
}


def randomize(model: torch.nn.Module, generator: torch.Generator) -> None:
    """Normal(0, 0.3), norm scales 1 + Normal(0, 0.1), biases Normal(0, 0.2): so large that every part shows in the logits."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_scale = parameter.dim() == 1 and name.endswith("weight")
            parameter.copy_(1 + 0.1 * noise if is_scale else noise * (0.2 if parameter.dim() == 1 else 0.3))


def random_ids(generator: torch.Generator) -> torch.Tensor:
    return torch.randint(0, VOCABULARY, (2, CONTEXT), generator=generator)


def load_whole(folder: Path, trust: bool = False) -> torch.nn.Module:
    """The model of a folder in float32. Stops if transformers misses a tensor or finds one too many."""
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", trust_remote_code=trust, output_loading_info=True
    )
    problems = {key: value for key, value in info.items() if value}
    assert not problems, f"{folder}: {problems}"
    return model.eval()


def gradient_norms(model: torch.nn.Module, ids: torch.Tensor) -> tuple[float, dict[str, float]]:
    """The loss of the next ids, and the norm of its gradient by every tensor."""
    loss = F.cross_entropy(model(ids).logits.flatten(0, 1), torch.roll(ids, -1, dims=1).flatten())
    loss.backward()
    return loss.item(), {name: parameter.grad.norm().item() for name, parameter in model.named_parameters()}


def make() -> None:
    for seed, (name, (config, dtype, shard)) in enumerate(MODELS.items()):
        generator = torch.Generator().manual_seed(seed)
        folder = HERE / "checkpoints" / name
        shutil.rmtree(folder, ignore_errors=True)
        model = AutoModelForCausalLM.from_config(config)
        randomize(model, generator)
        model.to(dtype).save_pretrained(folder, max_shard_size=shard)
        (folder / "generation_config.json").unlink(missing_ok=True)
        ids = random_ids(generator)
        model = load_whole(folder)
        expected = {"ids": ids.tolist(), "logits": [round(x, 6) for x in model(ids).logits.flatten().tolist()]}
        expected["loss"], expected["gradientNorms"] = gradient_norms(model, ids)
        (folder / "expected.json").write_text(json.dumps(expected) + "\n")
        print(name, sorted(path.name for path in folder.iterdir()))


def hash_of(folder: Path) -> str:
    """SHA-256 over names and contents of all files but `expected.json`, by name."""
    hasher = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name != "expected.json":
            hasher.update(f"{path.name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return hasher.hexdigest()


def check(exports: Path) -> None:
    hashes = {}
    for folder in sorted(exports.iterdir()):
        expected = json.loads((folder / "expected.json").read_text())
        hashes[folder.name] = hash_of(folder)
        ids = torch.tensor(expected["ids"])
        with torch.no_grad():
            found = load_whole(folder, trust=True)(ids).logits
        ours = torch.tensor(expected["logits"]).reshape(found.shape)
        difference = (found - ours).abs().max().item()
        assert difference <= TOLERANCE, f"{folder}: logits are off by {difference}"
        if json.loads((folder / "config.json").read_text())["model_type"] == "bam":
            check_code(folder, ids)
        print(f"{folder.name}: logits agree to {difference:.1e}")
    (HERE / "exports.json").write_text(json.dumps(hashes, indent=2) + "\n")


def check_code(folder: Path, ids: torch.Tensor) -> None:
    """What our modeling code does beside logits: padding, loss, generation, saving and loading again."""
    load = partial(AutoModelForCausalLM.from_pretrained, trust_remote_code=True, dtype=torch.float32)
    model = load(folder).eval()
    with torch.no_grad():
        logits = model(ids).logits
        padding, length = torch.full((len(ids), 3), 5), ids.shape[1]
        for parts, at in (([padding, ids], 3), ([ids, padding], 0)):
            seen = torch.cat([torch.full_like(part, part is ids) for part in parts], dim=1)
            found = model(torch.cat(parts, dim=1), attention_mask=seen).logits[:, at : at + length]
            assert (found - logits).abs().max() <= TOLERANCE
        loss = model(ids, labels=ids).loss
        expected = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        assert (loss - expected).abs() <= 1e-6
        begun = ids[:, :-3]
        written = model.generate(begun, max_new_tokens=3, do_sample=False, eos_token_id=None)
        assert written.shape == ids.shape
        assert torch.equal(written[:, begun.shape[1]], logits[:, begun.shape[1] - 1].argmax(-1))
        with TemporaryDirectory() as again:
            model.save_pretrained(again)
            assert (load(again).eval()(ids).logits - logits).abs().max() <= 1e-5


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make()
    else:
        check(Path(sys.argv[2]))
