"""Folders of tiny models, as `save_pretrained` leaves them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors


def save(model: Any, path: Path, more: Sequence[str] = ()) -> Path:
    """A model with a byte-level tokenizer: 3 tokens that steer, the 256 bytes, then `more` that steer."""
    model.save_pretrained(path)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = ["<pad>", "</s>", "<s>", *alphabet, *more]
    words = Tokenizer(models.BPE(vocab={name: n for n, name in enumerate(names)}, merges=[]))
    words.pre_tokenizer, words.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    words.add_special_tokens(["<pad>", "</s>", "<s>", *more])
    words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 2)])
    words.save(str(path / "tokenizer.json"))
    (path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>", "bos_token": "<s>"}))
    return path
