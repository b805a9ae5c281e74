"""Paths to routes: a dictionary for fixed paths, a small tree for the rest, both built once.

`/v1/v1/…` and paths without `/v1` mean `/v1/…`: one environment variable means two things to the official
clients (client-contract.md section 2). Trailing slashes are ignored and nothing is ever redirected. A path
of `/v1/` and one of our own absolute URLs means that URL: the Go client pages so (section 12).
"""

from __future__ import annotations

import re
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

_ABSOLUTE = re.compile(r"^/(?:v1/+)*https?:/{1,2}[^/]+(/.*)$")


class Match(NamedTuple, Generic[T]):
    found: T
    params: dict[str, str]
    path: str
    """With exactly one `/v1`, without a trailing slash."""


class _Node(Generic[T]):
    __slots__ = ("literal", "methods", "param")

    def __init__(self) -> None:
        self.literal: dict[str, _Node[T]] = {}
        self.param: _Node[T] | None = None
        self.methods: dict[str, tuple[T, tuple[str, ...]]] = {}


class Matcher(Generic[T]):
    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._fixed: dict[tuple[str, str], Match[T]] = {}

    def add(self, method: str, path: str, value: T) -> None:
        """`path` as in the table: `/models/{owner}/{name}`. Raises ValueError if it is taken."""
        node, names = self._root, []
        for segment in path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.param = node.param or _Node()
                node = node.param
            else:
                node = node.literal.setdefault(segment, _Node())
        if method in node.methods:
            raise ValueError(f"{method} {path} is there twice")
        node.methods[method] = (value, tuple(names))
        if not names:
            self._fixed[method, f"/v1{path}"] = Match(value, {}, f"/v1{path}")

    def match(self, method: str, path: str) -> Match[T] | list[str] | None:
        """The route; or the methods that the path does have; or None for an unknown path."""
        fixed = self._fixed.get((method, path))
        if fixed is not None:
            return fixed
        absolute = _ABSOLUTE.match(path) if "http" in path else None
        if absolute:
            path = absolute[1]
        segments = [s for s in path.split("/") if s]
        while segments and segments[0] == "v1":
            del segments[0]
        values: list[str] = []
        node = self._walk(self._root, segments, 0, values)
        if node is None:
            return None
        entry = node.methods.get(method) or (node.methods.get("GET") if method == "HEAD" else None)
        if entry is None:
            return self._allowed(node)
        value, names = entry
        return Match(value, dict(zip(names, values, strict=True)), "/v1/" + "/".join(segments))

    def _walk(self, node: _Node[T], segments: list[str], at: int, values: list[str]) -> _Node[T] | None:
        if at == len(segments):
            return node if node.methods else None
        literal = node.literal.get(segments[at])
        if literal is not None:
            found = self._walk(literal, segments, at + 1, values)
            if found is not None:
                return found
        if node.param is None:
            return None
        values.append(segments[at])
        found = self._walk(node.param, segments, at + 1, values)
        if found is None:
            values.pop()
        return found

    @staticmethod
    def _allowed(node: _Node[T]) -> list[str]:
        methods = sorted(node.methods)
        return [*methods, "HEAD"] if "GET" in methods else methods
