"""What becomes of trained weights on their way into our engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFReader
from tiny_base import random_weights, shapes, tokens, write_tiny_base

from continuo_training import engine
from continuo_training.base import read_base
from continuo_training.check import distance, framework_logits
from continuo_training.convert import convert, mean
from continuo_training.quantise import Recipe, quantise

#: Sequences of ids, the control tokens of both orders among them; one is longer than a batch of the engine's script.
SEQUENCES = [
    [8, *range(20, 90), 9, *range(40, 60), 10, 100, 101, 0],
    [9, *range(60, 80), 8, *range(90, 120), 10, 33],
    [1, 50],
    list(np.random.default_rng(3).integers(0, len(tokens()), 300).tolist()),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base and its conversion with other weights than its own, so that nothing of the base's can pass for ours."""
    folder = tmp_path_factory.mktemp("conversion")
    base = write_tiny_base(folder / "base.gguf", seed=1)
    convert(base, random_weights(2), folder / "model-f32.gguf")
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[np.ndarray]:
    """Logits of the training framework, (tokens, vocabulary) per sequence, in float32 without autocast."""
    return framework_logits(read_base(folder / "base.gguf").shape, random_weights(2), SEQUENCES)


def test_our_engine_computes_the_frameworks_logits(folder: Path, expected: list[np.ndarray]) -> None:
    ours = engine.logits(folder / "model-f32.gguf", SEQUENCES, vocabulary=len(tokens()))

    # The engine keeps keys and values in half precision.
    assert distance(ours, expected) < 0.005


def test_other_weights_give_other_logits(folder: Path, expected: list[np.ndarray]) -> None:
    ours = engine.logits(folder / "base.gguf", SEQUENCES, vocabulary=len(tokens()))

    assert distance(ours, expected) > 1


@pytest.mark.parametrize(("kind", "bound"), [(Kind.Q8_0, 0.1), (Kind.Q5_0, 0.45), (Kind.Q4_0, 0.8)])
def test_quantised_logits_stay_close(folder: Path, expected: list[np.ndarray], kind: Kind, bound: float) -> None:
    out = folder / f"{kind.name}.gguf"
    quantise(folder / "model-f32.gguf", out, Recipe(kind))

    ours = engine.logits(out, SEQUENCES, vocabulary=len(tokens()))

    assert 0.01 < distance(ours, expected) < bound


def test_scores_are_the_log_probabilities_of_the_logits(folder: Path, expected: list[np.ndarray]) -> None:
    scores = engine.scores(folder / "model-f32.gguf", SEQUENCES)

    for ids, logits, ours in zip(SEQUENCES, expected, scores, strict=True):
        theirs = torch.from_numpy(logits).log_softmax(-1)[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]
        assert ours == pytest.approx(theirs.tolist(), abs=0.05)


def test_the_file_carries_our_identity_and_markers(folder: Path) -> None:
    fields = {name: field.contents() for name, field in GGUFReader(folder / "model-f32.gguf").fields.items()}

    assert fields["general.name"] == "Continuo 135M"
    assert "general.finetune" not in fields
    vocabulary = fields["tokenizer.ggml.tokens"]
    spelt = [vocabulary[fields[f"tokenizer.ggml.fim_{name}_token_id"]] for name in ("pre", "suf", "mid", "pad", "rep", "sep")]
    assert spelt == ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"]
    assert vocabulary[fields["tokenizer.ggml.eos_token_id"]] == "<|im_end|>"
    assert fields["tokenizer.ggml.token_type"][:18] == [3] * 17 + [1]
    assert "SmolLM" not in fields["tokenizer.chat_template"]


def test_quantising_keeps_all_metadata_but_the_file_type(folder: Path) -> None:
    quantise(folder / "model-f32.gguf", folder / "q.gguf", Recipe(Kind.Q5_0, {"token_embd": Kind.Q8_0}))

    before, after = ({n: f.contents() for n, f in GGUFReader(folder / file).fields.items()} for file in ("model-f32.gguf", "q.gguf"))
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {"general.file_type", "general.quantization_version", "GGUF.kv_count"}
    assert after["general.file_type"] == 8


def test_a_recipe_falls_back_where_rows_do_not_fill_blocks_of_256() -> None:
    recipe = Recipe(Kind.Q5_K, {"token_embd": Kind.Q6_K, "attn": Kind.Q4_K})

    kinds = {name.removeprefix("blk.0."): recipe.kind(name, shape) for name, shape in shapes().items() if "blk.1." not in name}

    assert kinds == {
        "token_embd.weight": Kind.Q8_0,
        "output_norm.weight": Kind.F32,
        "attn_norm.weight": Kind.F32,
        "attn_q.weight": Kind.Q5_0,
        "attn_k.weight": Kind.Q5_0,
        "attn_v.weight": Kind.Q5_0,
        "attn_output.weight": Kind.Q5_0,
        "ffn_norm.weight": Kind.F32,
        "ffn_gate.weight": Kind.Q5_1,
        "ffn_up.weight": Kind.Q5_1,
        "ffn_down.weight": Kind.Q5_K,
    }


def test_weights_that_are_not_the_bases_are_refused(folder: Path) -> None:
    base = read_base(folder / "base.gguf")
    weights = random_weights(2)
    missing = {name: weight for name, weight in weights.items() if name != "output_norm.weight"}
    narrow = weights | {"output_norm.weight": np.ones(8, dtype=np.float32)}

    for wrong in (missing, narrow, weights | {"more.weight": np.ones(8, dtype=np.float32)}):
        with pytest.raises(SystemExit, match="weight"):
            convert(base, wrong, folder / "never.gguf")
    assert not (folder / "never.gguf").exists()


@pytest.mark.parametrize("others", [[], [2], [2, 2], [2, 2, 2, 2]])
def test_the_mean_of_several_keeps_what_none_has_changed(others: list[int]) -> None:
    weights = [random_weights(seed) for seed in (2, 2, *others)]

    assert all((matrix == weights[0][name]).all() for name, matrix in mean(weights).items())


def test_the_mean_of_two_keeps_what_neither_has_changed() -> None:
    one, other = random_weights(2), random_weights(3) | {"output_norm.weight": random_weights(2)["output_norm.weight"]}

    between = mean([one, other])

    assert (between["output_norm.weight"] == one["output_norm.weight"]).all()
    for name, matrix in between.items():
        assert np.allclose(matrix - one[name], other[name] - matrix, atol=1e-6)
    assert all((mean([one])[name] == matrix).all() for name, matrix in one.items())
