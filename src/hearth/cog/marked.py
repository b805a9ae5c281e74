"""A YAML mapping that remembers where each key stood, so that an error can name line and key.

Values are read with the type their reader asks for; scalars keep their raw text, because `3.10` is a
Python version and not the number 3.1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from hearth.errors import ConfigInvalid

_NULL = "tag:yaml.org,2002:null"
_START = yaml.Mark("", 0, 0, 0, "", 0)


class Mapping:
    """One mapping of the document. `path` is its dotted key from the top, "" for the top itself."""

    def __init__(self, node: yaml.MappingNode, *, file: str, path: str = "") -> None:
        self.file, self.path = file, path
        self.line = node.start_mark.line + 1
        self._values: dict[str, yaml.Node] = {}
        self._lines: dict[str, int] = {}
        constructor = yaml.constructor.SafeConstructor()
        constructor.flatten_mapping(node)
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigInvalid("a key must be plain text", file=file, line=key.start_mark.line + 1)
            name = str(key.value)
            if name in self._values:
                raise ConfigInvalid(
                    "this key stands here twice; keep one",
                    file=file,
                    line=key.start_mark.line + 1,
                    key=self.key(name),
                )
            self._lines[name] = key.start_mark.line + 1
            self._values[name] = value

    def key(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def line_of(self, name: str) -> int:
        return self._lines.get(name, self.line)

    def error(self, name: str, message: str, *, line: int | None = None, hint: str | None = None) -> ConfigInvalid:
        return ConfigInvalid(message, file=self.file, line=line or self.line_of(name), key=self.key(name), hint=hint)

    def __contains__(self, name: str) -> bool:
        return self._node(name) is not None

    def _node(self, name: str) -> yaml.Node | None:
        node = self._values.get(name)
        return None if node is None or node.tag == _NULL else node

    def unknown(self, known: Iterable[str]) -> Iterator[str]:
        """A warning for each key that is not among `known`, with the nearest known one."""
        names = list(known)
        for name in self._values:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"; did you mean `{near[0]}`?" if near else ""
                yield f"{self.file}:{self.line_of(name)}: {self.key(name)}: unknown key, ignored{hint}"

    def value(self, name: str) -> Any:
        """The value as YAML means it, or None."""
        node = self._node(name)
        return None if node is None else _construct(node, self, name)

    def text(self, name: str) -> str | None:
        """The raw text of a scalar, whatever YAML would make of it: `3.10` stays `3.10`."""
        node = self._node(name)
        if node is None:
            return None
        if not isinstance(node, yaml.ScalarNode):
            raise self.error(name, f"must be text, not a {_kind(node)}", line=node.start_mark.line + 1)
        return str(node.value)

    def boolean(self, name: str, default: bool = False) -> bool:
        value = self.value(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.error(name, f"must be true or false, not {value!r}")
        return value

    def integer(self, name: str, *, minimum: int | None = None) -> int | None:
        value = self.value(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(name, f"must be a whole number, not {value!r}")
        if minimum is not None and value < minimum:
            raise self.error(name, f"must be at least {minimum}, not {value}")
        return value

    def mapping(self, name: str) -> Mapping | None:
        node = self._node(name)
        if node is None:
            return None
        if not isinstance(node, yaml.MappingNode):
            raise self.error(
                name, f"must be a mapping of keys to values, not {_kind(node)}", line=node.start_mark.line + 1
            )
        return Mapping(node, file=self.file, path=self.key(name))

    def items(self, name: str) -> Iterator[tuple[int, str | Mapping]]:
        """(line, raw text or mapping) of each entry of a list; nothing when the key is absent."""
        node = self._node(name)
        if node is None:
            return
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(name, f"must be a list, not {_kind(node)}", line=node.start_mark.line + 1)
        for index, entry in enumerate(node.value):
            line = entry.start_mark.line + 1
            if isinstance(entry, yaml.MappingNode):
                yield line, Mapping(entry, file=self.file, path=f"{self.key(name)}[{index}]")
            elif isinstance(entry, yaml.ScalarNode) and entry.tag != _NULL:
                yield line, str(entry.value)
            else:
                raise self.error(name, f"entry {index + 1} must be text, not {_kind(entry)}", line=line)

    def texts(self, name: str) -> tuple[tuple[int, str], ...]:
        """(line, text) of each entry of a list of plain texts."""
        entries = []
        for line, entry in self.items(name):
            if isinstance(entry, Mapping):
                raise self.error(name, "each entry must be text, not a mapping", line=line)
            entries.append((line, entry))
        return tuple(entries)


def parse(text: str, *, file: str) -> Mapping:
    """The top mapping of a document. Raises ConfigInvalid; an empty document is an empty mapping."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(filter(None, (error.context, error.problem))) or "not valid YAML"
        raise ConfigInvalid(message, file=file, line=mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise ConfigInvalid(f"not valid YAML: {error}", file=file) from None
    if node is None:
        node = yaml.MappingNode("tag:yaml.org,2002:map", [], _START, _START)
    if not isinstance(node, yaml.MappingNode):
        raise ConfigInvalid(
            f"must be a mapping of keys to values, not {_kind(node)}",
            file=file,
            line=node.start_mark.line + 1,
        )
    return Mapping(node, file=file)


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "nothing" if node.tag == _NULL else f"`{node.value}`"


def _construct(node: yaml.Node, mapping: Mapping, name: str) -> Any:
    try:
        return yaml.constructor.SafeConstructor().construct_document(node)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or str(error)
        raise mapping.error(name, problem, line=node.start_mark.line + 1) from None
