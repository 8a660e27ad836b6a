"""Trained weights to a GGUF file in full precision, with the base's vocabulary and hyperparameters and our own metadata.

    training/run convert [--weights WEIGHTS.pt …] [--out FILE.gguf]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader

from . import ggml
from .base import Base, default_base, read_base
from .gguf_file import Tensor, Value, flag, integer, metadata_of, number, real, text, texts, write_gguf

#: ChatML as Qwen writes it, but without a system message that nobody asked for. A template of the base would put its own there.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

#: llama.cpp's keys for the markers of fill-in-the-middle. It finds Qwen's spellings without them; other readers may not.
FIM_KEYS = {
    "tokenizer.ggml.fim_pre_token_id": "<|fim_prefix|>",
    "tokenizer.ggml.fim_suf_token_id": "<|fim_suffix|>",
    "tokenizer.ggml.fim_mid_token_id": "<|fim_middle|>",
    "tokenizer.ggml.fim_pad_token_id": "<|fim_pad|>",
    "tokenizer.ggml.fim_rep_token_id": "<|repo_name|>",
    "tokenizer.ggml.fim_sep_token_id": "<|file_sep|>",
}

#: How our server uses the model unless a request says otherwise: sampling, where the prefix stands in fill-in-the-middle prompts, token healing.
#: Set to what the evaluation found best (model/MODEL.md).
DEFAULTS = {
    "general.sampling.temp": real(0.2),
    "general.sampling.top_p": real(0.9),
    "general.sampling.top_k": integer(20),
    "general.sampling.penalty_repeat": real(1.1),
    "continuo.fim.behind_middle": text("prefix"),
    "continuo.fim.stop_at_suffix": flag(True),
    "continuo.fim.healing": flag(True),
    "continuo.healing": flag(True),
    # The default size of a slot; the base's is 8192, which `context:` of the server still allows. Many programs ask for
    # answers of 4096 tokens, which must be less than a slot; four slots of this size take 450 MB, of 8192 tokens 720 MB.
    "llama.context_length": number(5120),
}

#: What the base says of itself.
_BASE_ONLY = ("general.finetune", "general.organization", "general.languages", "general.file_type")

#: `general.file_type` of llama.cpp: which type most tensors have.
FILE_TYPE_F32 = 0


def describe(base: Base, metadata: Mapping[str, Value]) -> dict[str, Value]:
    """The metadata of our model: the base's, with another identity, our control tokens and a plain chat template."""
    metadata = {name: value for name, value in metadata.items() if name not in _BASE_ONLY}
    metadata |= {
        "general.name": text("Continuo 135M"),
        "general.basename": text("continuo"),
        "general.size_label": text("135M"),
        "general.description": text("Fills in code and text and continues answers; trained from SmolLM2-135M-Instruct"),
        "general.license": text("apache-2.0"),
        "general.languages": texts(["en", "zh"]),
        "general.tags": texts(["text-generation", "fill-in-the-middle", "code"]),
        "general.base_model.count": number(1),
        "general.base_model.0.name": text("SmolLM2 135M Instruct"),
        "general.base_model.0.organization": text("HuggingFaceTB"),
        "general.base_model.0.repo_url": text("https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct"),
        "general.file_type": number(FILE_TYPE_F32),
        "tokenizer.ggml.tokens": texts(base.tokens),
        "tokenizer.ggml.add_bos_token": flag(False),
        "tokenizer.ggml.eos_token_id": number(base.control["<|im_end|>"]),
        "tokenizer.ggml.eot_token_id": number(base.control["<|im_end|>"]),
        "tokenizer.ggml.padding_token_id": number(base.control["<|endoftext|>"]),
        "tokenizer.chat_template": text(CHAT_TEMPLATE),
    }
    return metadata | DEFAULTS | {key: number(base.control[spelling]) for key, spelling in FIM_KEYS.items()}


def convert(base: Base, weights: Mapping[str, np.ndarray], out: Path) -> None:
    """Writes `weights` (GGUF tensor names, float32) as they are. Throws when they are not the tensors of the base."""
    reader = GGUFReader(base.path)
    # GGUF counts columns first, numpy rows first.
    shapes = {tensor.name: tuple(int(size) for size in reversed(tensor.shape)) for tensor in reader.tensors}
    wrong = [name for name in shapes.keys() | weights.keys() if name not in weights or weights[name].shape != shapes.get(name)]
    if wrong:
        raise SystemExit(f"{len(wrong)} of the weights are not tensors of {base.path.name}, or of another shape: {sorted(wrong)[:3]}")
    kind = GGMLQuantizationType.F32
    tensors = [Tensor(name, shape, kind, partial(ggml.encode, weights[name], kind)) for name, shape in shapes.items()]
    write_gguf(out, describe(base, metadata_of(reader)), tensors)


def load_weights(path: Path) -> dict[str, np.ndarray]:
    """The weights of a checkpoint or of the final export of `train`."""
    import torch  # here: everything else of this step works without it

    checkpoint = torch.load(path, map_location="cpu")
    return {name: tensor.float().numpy() for name, tensor in checkpoint["weights"].items()}


def mean(weights: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Of weights that were trained on from the same ones, each as often as it is named. What is alike everywhere stays so to the bit."""
    # In double precision a sum of equal weights is exact.
    return {name: (sum(each[name].astype(np.float64) for each in weights) / len(weights)).astype(np.float32) for name in weights[0]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="training/run convert", description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path(".cache/training/work"), help="folder of this run")
    parser.add_argument("--base", type=Path, default=default_base(), help="GGUF file that training started from")
    parser.add_argument("--weights", type=Path, nargs="+", help="several: their mean, in which one may be named more than once; `base`: the base's own (default: run/weights.pt in the work folder)")
    parser.add_argument("--out", type=Path, help="default: model-f32.gguf in the work folder")
    options = parser.parse_args()
    base = read_base(options.base)
    sources = options.weights or [options.work / "run" / "weights.pt"]
    weights = mean([base.weights() if str(source) == "base" else load_weights(source) for source in sources])
    out = options.out or options.work / "model-f32.gguf"
    out.parent.mkdir(parents=True, exist_ok=True)
    convert(base, weights, out)
    print(f"{out}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
