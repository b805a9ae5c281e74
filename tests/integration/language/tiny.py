"""Tiny models of random weights, in folders as `save_pretrained` leaves them.

Also a program, for an environment that has torch where the caller's hasn't: `python tiny.py llama|t5|llava FOLDER`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
IMAGE = 259
"""The token that a picture takes the place of."""
PATCHES = 16


def llama(path: Path) -> Path:
    """With heads of a size that vLLM has on processors."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    common = {**SMALL, "hidden_size": 128, "num_key_value_heads": 2, "max_position_embeddings": 256}
    return save(sharpened(LlamaForCausalLM(LlamaConfig(vocab_size=259, eos_token_id=1, **common))), path)


def t5(path: Path) -> Path:
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    config = T5Config(vocab_size=259, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, decoder_start_token_id=0)
    return save(sharpened(T5ForConditionalGeneration(config)), path)


def llava(path: Path) -> Path:
    import torch
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    torch.manual_seed(0)
    vision = CLIPVisionConfig(**{**SMALL, "num_hidden_layers": 3}, image_size=56, patch_size=14)
    text = LlamaConfig(vocab_size=264, num_key_value_heads=2, max_position_embeddings=256, eos_token_id=1, **SMALL)
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_id=IMAGE)
    folder = save(LlavaForConditionalGeneration(config), path, more=["<image>"])
    pictures = CLIPImageProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    pictures.save_pretrained(folder)
    return folder


def sharpened(model: Any) -> Any:
    """Random weights are all but indifferent between tokens; larger ones have opinions."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    return model


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


KINDS: dict[str, Callable[[Path], Path]] = {"llama": llama, "t5": t5, "llava": llava}

if __name__ == "__main__":
    KINDS[sys.argv[1]](Path(sys.argv[2]))
