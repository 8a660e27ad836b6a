"""A GGUF file of the llama or qwen2 architecture as the folder that vLLM loads: config, tokenizer, weights in float32.

    python convert.py MODEL.gguf FOLDER

Every weight is what llama.cpp computes with, quantized ones multiplied out, so that both engines run the same numbers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from gguf import GGUFReader, dequantize
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

#: `tokenizer.ggml.token_type`.
CONTROL, USER_DEFINED = 3, 4

CLASSES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}

#: Names in a block of the file, and in a layer of the folder.
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
OTHER_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}

#: How Qwen2 cuts text into words.
QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class Model:
    def __init__(self, path: Path) -> None:
        self.reader = GGUFReader(path)
        self.architecture = self["general.architecture"]
        if self.architecture not in CLASSES:
            raise SystemExit(f"{path}: architecture {self.architecture}; this script knows {', '.join(CLASSES)}")

    def __getitem__(self, key: str):
        return self.reader.fields[key].contents()

    def hyper(self, key: str):
        return self[f"{self.architecture}.{key}"]

    def has_tensor(self, name: str) -> bool:
        return any(tensor.name == name for tensor in self.reader.tensors)


def config(model: Model) -> dict[str, object]:
    return {
        "architectures": [CLASSES[model.architecture]],
        "model_type": model.architecture,
        "torch_dtype": "float32",
        "vocab_size": len(model["tokenizer.ggml.tokens"]),
        "hidden_size": model.hyper("embedding_length"),
        "intermediate_size": model.hyper("feed_forward_length"),
        "num_hidden_layers": model.hyper("block_count"),
        "num_attention_heads": model.hyper("attention.head_count"),
        "num_key_value_heads": model.hyper("attention.head_count_kv"),
        "max_position_embeddings": model.hyper("context_length"),
        "rms_norm_eps": model.hyper("attention.layer_norm_rms_epsilon"),
        "rope_theta": model.hyper("rope.freq_base"),
        "hidden_act": "silu",
        "tie_word_embeddings": not model.has_tensor("output.weight"),
        "bos_token_id": model["tokenizer.ggml.bos_token_id"],
        "eos_token_id": model["tokenizer.ggml.eos_token_id"],
    }


def tokenizer(model: Model) -> Tokenizer:
    tokens, kinds = model["tokenizer.ggml.tokens"], model["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ", 1)) for merge in model["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges))
    words = model["tokenizer.ggml.pre"]
    if words == "smollm":
        first, bytes_cut = pre_tokenizers.Split(Regex(r"\p{N}"), behavior="isolated"), True
    elif words == "qwen2":
        made.normalizer = normalizers.NFC()
        first, bytes_cut = pre_tokenizers.Split(Regex(QWEN2_WORDS), behavior="isolated"), False
    else:
        raise SystemExit(f"text is cut as {words} does; this script knows smollm and qwen2")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [first, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=bytes_cut)]
    )
    made.decoder = decoders.ByteLevel()
    named = [(token, kind) for token, kind in zip(tokens, kinds, strict=True) if kind in (CONTROL, USER_DEFINED)]
    made.add_tokens([AddedToken(token, special=kind == CONTROL, normalized=False) for token, kind in named])
    return made


def tokenizer_config(model: Model) -> dict[str, object]:
    tokens = model["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "eos_token": tokens[model["tokenizer.ggml.eos_token_id"]],
        "pad_token": tokens[model["tokenizer.ggml.padding_token_id"]],
        "model_max_length": model.hyper("context_length"),
        "chat_template": model["tokenizer.chat_template"],
    }


def weights(model: Model) -> dict[str, np.ndarray]:
    return {
        name_of(tensor.name): ordered(model, tensor.name, dequantize(tensor.data, tensor.tensor_type))
        for tensor in model.reader.tensors
    }


def name_of(name: str) -> str:
    if not name.startswith("blk."):
        stem, kind = name.split(".")
        return f"{OTHER_NAMES[stem]}.{kind}"
    _, layer, stem, kind = name.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[stem]}.{kind}"


def ordered(model: Model, name: str, values: np.ndarray) -> np.ndarray:
    """Files of the llama architecture keep the two numbers that rotate together side by side, the folder half a head apart."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    if model.architecture != "llama" or not (".attn_q." in name or ".attn_k." in name):
        return values
    heads = model.hyper("attention.head_count" if ".attn_q." in name else "attention.head_count_kv")
    pairs = values.reshape(heads, values.shape[0] // heads // 2, 2, *values.shape[1:])
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(values.shape))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    model, folder = Model(arguments.model), arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in (("config.json", config(model)), ("tokenizer_config.json", tokenizer_config(model))):
        (folder / name).write_text(json.dumps(value, indent=1), encoding="utf-8")
    tokenizer(model).save(str(folder / "tokenizer.json"))
    save_file(weights(model), folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main()
