"""Hugging Face transformers: any causal model, encoder-decoders such as T5, and LLaVA.

Prompts are read one by one. Sequences that generate share a padded cache, which is put together anew only when one
joins or leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoModelForSeq2SeqLM
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from ..errors import wrong

_HALF_FROM = 4 << 30
"""Bytes of weights from which a CPU keeps them in 16 bits, to have room for them."""
_DEFAULT_CONTEXT = 4096

Layers = list[tuple[Tensor, Tensor]]


class State:
    def __init__(self) -> None:
        self.length = 0
        self.layers: Layers = []
        """Keys and values; empty while they are part of the group's."""
        self.memory: Tensor | None = None
        """What the encoder made of the prompt."""
        self.pixels: dict[str, Tensor] = {}


class Causal:
    _kind: Any = AutoModelForCausalLM

    def __init__(self, path: Path, *, slots: int, threads: int) -> None:
        config = AutoConfig.from_pretrained(path, local_files_only=True)
        torch.set_num_threads(threads)
        on_gpu = torch.cuda.is_available()
        size = sum(file.stat().st_size for file in path.glob("*.safetensors"))
        dtype: Any = "auto" if on_gpu else torch.float32 if size < _HALF_FROM else torch.bfloat16
        place = {"device_map": "auto"} if on_gpu else {}
        self._model = self._kind.from_pretrained(path, dtype=dtype, local_files_only=True, **place).eval()
        text = config.get_text_config()
        self.slots, self.chunk = slots, 512
        self.context = int(getattr(text, "max_position_embeddings", None) or _DEFAULT_CONTEXT)
        self.vocab = int(self._model.get_output_embeddings().weight.shape[0])
        self._group: list[State] = []
        self._cache: Any = None

    def start(self, prompt: Sequence[int], room: int, image: Any = None) -> tuple[State, list[int]]:
        return State(), list(prompt)

    def end(self, state: State) -> None:
        if state in self._group:
            self._part()

    def close(self) -> None:
        self._group, self._cache, self._model = [], None, None

    @torch.inference_mode()
    def feed(self, work: Sequence[tuple[State, Sequence[int]]]) -> NDArray[np.floating]:
        rows: list[Tensor | None] = [None] * len(work)
        together = []
        for row, (state, tokens) in enumerate(work):
            if state.length and len(tokens) == 1:
                together.append(row)
            else:
                rows[row] = self._alone(state, tokens)
        if together:
            scores = self._together([work[row][0] for row in together], [work[row][1][0] for row in together])
            for row, of in zip(together, scores, strict=True):
                rows[row] = of
        found: NDArray[np.floating] = torch.stack([row for row in rows if row is not None]).float().cpu().numpy()
        return found

    def _alone(self, state: State, tokens: Sequence[int]) -> Tensor:
        """A piece of a prompt."""
        if state in self._group:
            self._part()
        cache = self._joined([state])
        ids = self._tensor([list(tokens)])
        places = self._tensor([list(range(state.length, state.length + len(tokens)))])
        scores = self._scores([state], cache, ids, self._tensor([[1] * (state.length + len(tokens))]), places)
        state.length += len(tokens)
        state.pixels = {}
        state.layers = _layers(cache)
        return scores[0]

    def _together(self, states: list[State], tokens: list[int]) -> Tensor:
        """A step of everything that generates."""
        if states != self._group:
            self._part()
            self._group, self._cache = states, self._joined(states)
            for state in states:
                state.layers = []
        longest = max(state.length for state in states)
        mask = [[0] * (longest - state.length) + [1] * (state.length + 1) for state in states]
        places = self._tensor([[state.length] for state in states])
        ids = self._tensor([[token] for token in tokens])
        scores = self._scores(states, self._cache, ids, self._tensor(mask), places)
        for state in states:
            state.length += 1
        return scores

    def _part(self) -> None:
        """Give the sequences of the group their keys and values back."""
        layers = _layers(self._cache) if self._group else []
        for row, state in enumerate(self._group):
            state.layers = [
                (k[row : row + 1, :, -state.length :], v[row : row + 1, :, -state.length :]) for k, v in layers
            ]
        self._group, self._cache = [], None

    def _joined(self, states: list[State]) -> Any:
        """One cache for these sequences, the shorter ones padded on the left."""
        cache = DynamicCache()
        if not states[0].layers:
            return cache
        longest = max(state.length for state in states)
        for number in range(len(states[0].layers)):
            keys, values = (torch.cat([_padded(s.layers[number][n], longest) for s in states]) for n in (0, 1))
            cache.update(keys, values, number)
        return cache

    def _scores(self, states: list[State], cache: Any, ids: Tensor, mask: Tensor, places: Tensor) -> Tensor:
        """For what follows the last token of each row."""
        out = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=places,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            **(states[0].pixels if len(states) == 1 else {}),
        )
        scores: Tensor = out.logits[:, -1]
        return scores

    def _tensor(self, rows: list[list[int]]) -> Tensor:
        return torch.tensor(rows, dtype=torch.long, device=self._model.device)


class Seq2Seq(Causal):
    """Reads the prompt at once with its encoder; what is fed and generated is the decoder's."""

    _kind = AutoModelForSeq2SeqLM

    def __init__(self, path: Path, *, slots: int, threads: int) -> None:
        super().__init__(path, slots=slots, threads=threads)
        self._memory: Tensor | None = None
        self._seen: Tensor | None = None

    @torch.inference_mode()
    def start(self, prompt: Sequence[int], room: int, image: Any = None) -> tuple[State, list[int]]:
        state = State()
        state.memory = self._model.get_encoder()(input_ids=self._tensor([list(prompt)])).last_hidden_state
        return state, [int(self._model.config.decoder_start_token_id)]

    def _joined(self, states: list[State]) -> Any:
        lengths = [state.memory.shape[1] for state in states if state.memory is not None]
        padded = [torch.nn.functional.pad(s.memory, (0, 0, 0, max(lengths) - s.memory.shape[1])) for s in states]
        self._memory = torch.cat(padded)
        self._seen = self._tensor([[1] * length + [0] * (max(lengths) - length) for length in lengths])
        return EncoderDecoderCache(super()._joined(states), DynamicCache())  # the second is filled by the first step

    def _scores(self, states: list[State], cache: Any, ids: Tensor, mask: Tensor, places: Tensor) -> Tensor:
        out = self._model(
            encoder_outputs=(self._memory,),
            attention_mask=self._seen,
            decoder_input_ids=ids,
            decoder_attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
        )
        scores: Tensor = out.logits[:, -1]
        return scores


class Llava(Causal):
    """A causal model that also sees one picture."""

    _kind = AutoModelForImageTextToText

    def __init__(self, path: Path, *, slots: int, threads: int) -> None:
        from transformers import AutoImageProcessor

        super().__init__(path, slots=slots, threads=threads)
        self.chunk = self.context  # a picture and the text around it belong together
        self._pictures = AutoImageProcessor.from_pretrained(path, local_files_only=True)

    def start(self, prompt: Sequence[int], room: int, image: Any = None) -> tuple[State, list[int]]:
        state, tokens = State(), list(prompt)
        if image is None:
            return state, tokens
        from PIL import Image, UnidentifiedImageError

        try:
            with Image.open(image) as opened:
                seen = self._pictures(images=opened.convert("RGB"), return_tensors="pt")
        except (UnidentifiedImageError, OSError) as error:
            raise wrong("image", f"not a picture that can be read: {error}") from None
        state.pixels = {"pixel_values": seen["pixel_values"].to(self._model.device, self._model.dtype)}
        vision, marker = self._model.config.vision_config, self._model.config.image_token_id
        patches = (vision.image_size // vision.patch_size) ** 2
        at = tokens.index(marker)
        after = [token for token in tokens[at + 1 :] if token != marker]  # a prompt may name it; there is one picture
        return state, [*tokens[:at], *[marker] * patches, *after]


def _layers(cache: Any) -> Layers:
    own = cache.self_attention_cache if isinstance(cache, EncoderDecoderCache) else cache
    return [(layer.keys, layer.values) for layer in own.layers]


def _padded(tensor: Tensor, length: int) -> Tensor:
    return torch.nn.functional.pad(tensor, (0, 0, length - tensor.shape[2], 0))
