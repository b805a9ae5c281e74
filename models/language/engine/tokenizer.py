"""Text to tokens, and a token to the bytes it stands for, from a folder of Hugging Face's or a GGUF file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Fast

from .errors import ModelError
from .gguf import File

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
_CUTS = {"gpt-2": _GPT2, "default": _GPT2, "llama-bpe": _LLAMA3, "llama3": _LLAMA3, "qwen2": _QWEN2}
"""How words are cut before byte pairs are joined, by `tokenizer.ggml.pre` of llama.cpp."""
_CONTROL, _BYTE = 3, 6
_ENDS = ("<|eot_id|>", "<|im_end|>", "<|end_of_text|>", "<|endoftext|>")
"""Tokens that end a turn, whatever the settings call the end."""


class Tokenizer:
    def __init__(
        self,
        fast: Fast,
        *,
        ends: Iterable[int],
        begin: int | None = None,
        template: str | None = None,
        specials: Iterable[int] = (),
    ) -> None:
        """`begin`: the token that `encode` puts first, where `fast` doesn't by itself."""
        fast.no_truncation()
        fast.no_padding()
        self.fast, self.template, self._begin = fast, template, begin
        self.vocab = fast.get_vocab_size(with_added_tokens=True)
        self.ends = frozenset([*ends, *(i for name in _ENDS if (i := fast.token_to_id(name)) is not None)])
        added = {i for i, token in fast.get_added_tokens_decoder().items() if token.special}
        self.specials = frozenset(specials) | self.ends | added
        self._bytes = _bytes_of(fast)
        self._pieces: dict[int, bytes] = {}

    def encode(self, text: str, *, complete: bool = True) -> list[int]:
        """`complete`: with the tokens that the model expects around a text. A chat template writes its own."""
        ids: list[int] = self.fast.encode(text, add_special_tokens=complete).ids
        return [self._begin, *ids] if complete and self._begin is not None and ids[:1] != [self._begin] else ids

    def piece(self, token: int) -> bytes:
        """The bytes of a token; none for one that only steers."""
        found = self._pieces.get(token)
        if found is None:
            text = None if token in self.specials else self.fast.id_to_token(token)
            found = self._pieces[token] = b"" if text is None else self._bytes(text)
        return found

    def name(self, token: int | None) -> str:
        return (self.fast.id_to_token(token) or "") if token is not None else ""

    @property
    def begin(self) -> int | None:
        """The token that begins a text, for chat templates that write it themselves."""
        if self._begin is not None:
            return self._begin
        first = self.fast.encode("a").ids[:1]
        return first[0] if first and first[0] in self.specials else None


def of_weights(path: Path) -> Tokenizer:
    """The tokenizer in a GGUF file, or in a folder of Hugging Face's."""
    return from_gguf(File(path)) if path.suffix == ".gguf" else from_folder(path)


def from_folder(folder: Path) -> Tokenizer:
    """Of a folder as `save_pretrained` leaves it."""
    path = folder / "tokenizer.json"
    if path.is_file():
        fast = Fast.from_file(str(path))
    else:
        from transformers import AutoTokenizer

        fast = AutoTokenizer.from_pretrained(str(folder), local_files_only=True).backend_tokenizer
    settings = _read(folder / "tokenizer_config.json")
    ends: list[int] = []
    for name in ("generation_config.json", "config.json"):
        found = _read(folder / name).get("eos_token_id")
        ends += found if isinstance(found, list) else [found] if isinstance(found, int) else []
    end = _content(settings.get("eos_token"))
    if end and (token := fast.token_to_id(end)) is not None:
        ends.append(token)
    template = settings.get("chat_template")
    if isinstance(template, list):
        template = next((t["template"] for t in template if t["name"] == "default"), None)
    jinja = folder / "chat_template.jinja"
    if jinja.is_file():
        template = jinja.read_text(encoding="utf-8")
    begin = fast.token_to_id(_content(settings.get("bos_token")) or "") if settings.get("add_bos_token") else None
    return Tokenizer(fast, ends=ends, begin=begin, template=template)


def from_gguf(file: File) -> Tokenizer:
    settings = file.settings
    kind = settings.get("tokenizer.ggml.model")
    words: Sequence[str] = settings.get("tokenizer.ggml.tokens", [])
    kinds: Sequence[int] = settings.get("tokenizer.ggml.token_type", [])
    vocab = {word: n for n, word in enumerate(words)}
    if kind == "gpt2":
        fast = _byte_level(settings, vocab)
    elif kind == "llama":
        fast = _sentence_piece(settings, words, vocab)
    else:
        raise ModelError(f"{file.path.name} has a tokenizer of the kind {kind!r}; gpt2 and llama can be read")
    controls = [n for n, of in enumerate(kinds) if of == _CONTROL]
    fast.add_special_tokens([AddedToken(words[n], special=True, normalized=False) for n in controls])
    adds = settings.get("tokenizer.ggml.add_bos_token", kind == "llama")
    return Tokenizer(
        fast,
        ends=[settings[k] for k in ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id") if k in settings],
        begin=settings.get("tokenizer.ggml.bos_token_id") if adds else None,
        template=settings.get("tokenizer.chat_template"),
        specials=controls,
    )


def _byte_level(settings: dict[str, Any], vocab: dict[str, int]) -> Fast:
    name = settings.get("tokenizer.ggml.pre", "default")
    if name not in _CUTS:
        raise ModelError(f"words cut by {name!r} are not known here, but {', '.join(_CUTS)}")
    merges = [tuple(merge.split(" ", 1)) for merge in settings.get("tokenizer.ggml.merges", [])]
    fast = Fast(models.BPE(vocab=vocab, merges=merges))
    cut = pre_tokenizers.Split(Regex(_CUTS[name]), "isolated")
    fast.pre_tokenizer = pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(False, use_regex=False)])
    fast.decoder = decoders.ByteLevel()
    return fast


def _sentence_piece(settings: dict[str, Any], words: Sequence[str], vocab: dict[str, int]) -> Fast:
    """The same as SentencePiece with byte pairs: what has the better score is joined first."""
    scores = settings.get("tokenizer.ggml.scores", [0.0] * len(words))
    joins = []
    for word, number in vocab.items():
        splits = [(word[:n], word[n:]) for n in range(1, len(word))]
        joins += [(scores[number], left, right) for left, right in splits if left in vocab and right in vocab]
    joins.sort(key=lambda join: (-join[0], vocab[join[1]], vocab[join[2]]))
    unknown = words[settings.get("tokenizer.ggml.unknown_token_id", 0)]
    merges = [(left, right) for _, left, right in joins]
    fast = Fast(models.BPE(vocab=vocab, merges=merges, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    prefixed = settings.get("tokenizer.ggml.add_space_prefix", True)
    blanks = [normalizers.Replace(" ", "▁")]
    fast.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), *blanks] if prefixed else blanks)
    fast.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return fast


def _bytes_of(fast: Fast) -> Any:
    """What turns a token's name into its bytes: byte-level names stand for bytes, others are text."""
    if "ByteLevel" in json.dumps(json.loads(fast.to_str()).get("decoder")):
        table = byte_names()
        return lambda name: b"".join(table[c] if c in table else c.encode() for c in name)

    def plain(name: str) -> bytes:
        if len(name) == _BYTE and name.startswith("<0x"):
            return bytes([int(name[3:5], 16)])
        return name.replace("▁", " ").encode()

    return plain


def byte_names() -> dict[str, bytes]:
    """GPT-2's names of the 256 bytes: printable ones are themselves, the rest are moved past 255."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    names = {chr(byte): bytes([byte]) for byte in shown}
    hidden = [byte for byte in range(256) if byte not in shown]
    return names | {chr(256 + n): bytes([byte]) for n, byte in enumerate(hidden)}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _content(token: Any) -> str | None:
    return token.get("content") if isinstance(token, dict) else token
