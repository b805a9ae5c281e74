"""Turn a trained net into the model that ships: `python export.py OUT MODEL.gguf`.

One GGUF file with 8-bit weights (Q8_0), the tokenizer and the chat template inside: llama.cpp reads it as it is,
`transformers` with `gguf_file=`, and Hearth's own numpy engine as well. Beside it
the tokenizer alone, `tokenizer.json`, with which Hearth counts tokens.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf.quants import quantize
from train import END, SPECIAL, USER

NAME = "Kindling"
LICENSE = "WordNet-3.0"
# It was taught nothing with a system message, and is the worse for one: there is no place for it.
TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}<|user|>{{ message['content'] }}"
    "{% elif message['role'] == 'assistant' %}<|assistant|>{{ message['content'] }}<|end|>"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rotary pairs side by side, as llama.cpp turns them; the net has them in halves."""
    rows = weight.shape[0] // heads
    return weight.reshape(heads, 2, rows // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("model", type=Path)
    args = parser.parse_args()
    shape = json.loads((args.out / "shape.json").read_text())
    words = json.loads((args.out / "tokenizer.json").read_text())
    net = torch.load(args.out / "checkpoint.pt", map_location="cpu", weights_only=True)["net"]

    writer = gguf.GGUFWriter(str(args.model), "llama")
    writer.add_name(NAME)
    writer.add_license(LICENSE)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_context_length(shape["context"])
    writer.add_embedding_length(shape["width"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["hidden"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv_heads"])
    writer.add_layer_norm_rms_eps(shape["epsilon"])
    writer.add_rope_dimension_count(shape["width"] // shape["heads"])
    writer.add_rope_freq_base(shape["theta"])
    writer.add_vocab_size(shape["vocab"])

    vocab = sorted(words["model"]["vocab"].items(), key=lambda item: item[1])
    kinds = [gguf.TokenType.CONTROL if word in SPECIAL else gguf.TokenType.NORMAL for word, _ in vocab]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([word for word, _ in vocab])
    writer.add_token_types(kinds)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in words["model"]["merges"]])
    ids = words["model"]["vocab"]
    writer.add_bos_token_id(ids[USER])
    writer.add_eos_token_id(ids[END])
    writer.add_pad_token_id(ids[END])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)

    for name, tensor in net.items():
        weight = tensor.float().numpy()
        if "q_proj" in name:
            weight = interleaved(weight, shape["heads"])
        if "k_proj" in name:
            weight = interleaved(weight, shape["kv_heads"])
        add(writer, renamed(name), weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    shutil.copyfile(args.out / "tokenizer.json", args.model.with_name("tokenizer.json"))
    print(f"{args.model}: {args.model.stat().st_size / 1e6:.1f} MB")


def renamed(name: str) -> str:
    if name == "embed_tokens.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, number, rest = name.split(".", 2)
    return f"blk.{number}.{_NAMES[rest.removesuffix('.weight')]}.weight"


def add(writer: gguf.GGUFWriter, name: str, weight: np.ndarray) -> None:
    if weight.ndim == 1:  # norms stay exact
        writer.add_tensor(name, weight.astype(np.float32))
    else:
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, quantize(weight, kind), raw_dtype=kind)


if __name__ == "__main__":
    main()
