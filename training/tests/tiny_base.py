"""A base of our architecture that is small enough for a test: random weights, a vocabulary of bytes and a few merges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType
from tokenizers import pre_tokenizers

from continuo_training.base import RENAMED, Base, read_base
from continuo_training.ggml import encode
from continuo_training.gguf_file import Tensor, flag, integers, number, real, text, texts, write_gguf

LAYERS, WIDTH, HEADS, KV_HEADS, FFN = 2, 96, 3, 1, 256
MERGES = ["a b", "ab c", "d e", "Ġ a", "Ġ d", "Ġd e"]
#: The first control tokens of SmolLM2, in its order.
CONTROL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>", "<gh_stars>",
    "<issue_start>", "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>",
    "<jupyter_output>", "<jupyter_script>", "<empty_output>",
]  # fmt: skip
assert set(RENAMED) <= set(CONTROL)


def tokens() -> list[str]:
    return CONTROL + sorted(pre_tokenizers.ByteLevel.alphabet()) + [merge.replace(" ", "") for merge in MERGES]


def shapes() -> dict[str, tuple[int, ...]]:
    """By GGUF name: (out, in) of matrices."""
    kv_width = WIDTH // HEADS * KV_HEADS
    block = {
        "attn_norm": (WIDTH,),
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (kv_width, WIDTH),
        "attn_v": (kv_width, WIDTH),
        "attn_output": (WIDTH, WIDTH),
        "ffn_norm": (WIDTH,),
        "ffn_gate": (FFN, WIDTH),
        "ffn_up": (FFN, WIDTH),
        "ffn_down": (WIDTH, FFN),
    }
    layers = {f"blk.{layer}.{name}.weight": shape for layer in range(LAYERS) for name, shape in block.items()}
    return {"token_embd.weight": (len(tokens()), WIDTH), "output_norm.weight": (WIDTH,)} | layers


def random_weights(seed: int) -> dict[str, np.ndarray]:
    """Large enough that every layer changes the logits by much more than rounding does."""
    random = np.random.default_rng(seed)
    return {
        name: (random.uniform(0.5, 1.5, shape) if len(shape) == 1 else random.normal(0, 0.15, shape)).astype(np.float32)
        for name, shape in shapes().items()
    }


def write_tiny_base(path: Path, seed: int = 1) -> Base:
    vocabulary = tokens()
    metadata = {
        "general.name": text("Tiny"),
        "general.finetune": text("of somebody else"),
        "llama.block_count": number(LAYERS),
        "llama.context_length": number(512),
        "llama.embedding_length": number(WIDTH),
        "llama.feed_forward_length": number(FFN),
        "llama.attention.head_count": number(HEADS),
        "llama.attention.head_count_kv": number(KV_HEADS),
        "llama.rope.freq_base": real(100_000.0),
        "llama.rope.dimension_count": number(WIDTH // HEADS),
        "llama.attention.layer_norm_rms_epsilon": real(1e-5),
        "llama.vocab_size": number(len(vocabulary)),
        "tokenizer.ggml.model": text("gpt2"),
        "tokenizer.ggml.pre": text("smollm"),
        "tokenizer.ggml.tokens": texts(vocabulary),
        "tokenizer.ggml.token_type": integers([3 if token in CONTROL else 1 for token in vocabulary]),
        "tokenizer.ggml.merges": texts(MERGES),
        "tokenizer.ggml.bos_token_id": number(1),
        "tokenizer.ggml.eos_token_id": number(2),
    }
    kind = GGMLQuantizationType.F32
    weights = random_weights(seed)
    write_gguf(path, metadata, [Tensor(name, each.shape, kind, lambda each=each: encode(each, kind)) for name, each in weights.items()])
    return read_base(path)
