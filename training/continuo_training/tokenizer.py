"""Text to token ids, exactly as llama.cpp's `smollm` vocabulary cuts it."""

from __future__ import annotations

from tokenizers import Regex, Tokenizer as Bpe, decoders, models, pre_tokenizers

from .base import Base


class Tokenizer:
    """Byte-level BPE with every digit on its own. Text never becomes a control token: those are named in `control`."""

    def __init__(self, base: Base) -> None:
        self.control = base.control
        vocabulary = {token: index for index, token in enumerate(base.tokens)}
        merges = [tuple(merge.split(" ", 1)) for merge in base.merges]
        self._bpe = Bpe(models.BPE(vocab=vocabulary, merges=merges))
        # The two patterns of llama.cpp's LLAMA_VOCAB_PRE_TYPE_SMOLLM; GPT-2's own is what ByteLevel applies.
        self._bpe.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(r"\p{N}"), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
        self._bpe.decoder = decoders.ByteLevel()

    def encode(self, text: str) -> list[int]:
        return self._bpe.encode(text, add_special_tokens=False).ids

    def encode_joined(self, first: str, second: str) -> tuple[list[int], int]:
        """Ids of both as one text, and how many of them lie in the first alone."""
        encoding = self._bpe.encode(first + second, add_special_tokens=False)
        return encoding.ids, sum(1 for _, end in encoding.offsets if end <= len(first))

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._bpe.encode_batch(texts, add_special_tokens=False)]

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`; control tokens are spelt out."""
        return self._bpe.decode(ids, skip_special_tokens=False)
