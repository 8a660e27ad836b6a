"""The loss that keeps no logits, against the one that does."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from continuo_training.loss import CHUNK, summed_cross_entropy

WIDTH, CONTROL, WORDS = 16, 3, 40


def parts(rows: int, words_learn: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    hidden = torch.randn(rows, WIDTH, generator=generator, requires_grad=True)
    control = torch.randn(CONTROL, WIDTH, generator=generator, requires_grad=True)
    words = torch.randn(WORDS, WIDTH, generator=generator, requires_grad=words_learn)
    targets = torch.randint(0, CONTROL + WORDS, (rows,), generator=generator)
    return hidden, control, words, targets


def test_it_is_torchs_cross_entropy_with_its_gradients_over_several_chunks() -> None:
    ours, theirs = parts(CHUNK + 5, words_learn=True), parts(CHUNK + 5, words_learn=True)

    # A factor behind it, so that the gradient handed down is not one.
    (summed_cross_entropy(*ours) * 0.5).backward()
    hidden, control, words, targets = theirs
    loss = F.cross_entropy(hidden @ torch.cat([control, words]).t(), targets, reduction="sum")
    (loss * 0.5).backward()

    torch.testing.assert_close(summed_cross_entropy(*ours), loss, rtol=1e-5, atol=1e-3)
    for mine, expected in zip(ours[:3], theirs[:3]):
        torch.testing.assert_close(mine.grad, expected.grad, rtol=1e-4, atol=1e-4)


def test_words_that_do_not_learn_get_no_gradient_and_change_nobody_elses() -> None:
    frozen, learning = parts(9, words_learn=False), parts(9, words_learn=True)

    summed_cross_entropy(*frozen).backward()
    summed_cross_entropy(*learning).backward()

    assert frozen[2].grad is None
    torch.testing.assert_close(frozen[0].grad, learning[0].grad)
    torch.testing.assert_close(frozen[1].grad, learning[1].grad)
