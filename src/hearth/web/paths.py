"""Paths to routes: literal segments go before `{named}` ones, a slash at the end does not matter."""

from __future__ import annotations

from typing import NamedTuple

from hearth.web.route import Route

RESERVED = frozenset({"v1", "healthz", "readyz", "metrics", "openapi.json"})
"""First segments that are never a page: the API answers there."""


class Found(NamedTuple):
    route: Route
    params: dict[str, str]


class Paths:
    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._by_length: dict[int, list[tuple[tuple[str, ...], Route]]] = {}
        for route in routes:
            segments = tuple(route.path.strip("/").split("/")) if route.path != "/" else ()
            same = self._by_length.setdefault(len(segments), [])
            if any(_pattern(other) == _pattern(segments) and known.method == route.method for other, known in same):
                raise ValueError(f"{route.method} {route.path} is there twice")
            same.append((segments, route))
        for same in self._by_length.values():  # literals first, from the left
            same.sort(key=lambda entry: [segment.startswith("{") for segment in entry[0]])

    def match(self, method: str, path: str) -> Found | list[str]:
        """The route, or the methods that the path does have: none for an unknown one."""
        segments = path.strip("/").split("/") if path.strip("/") else []
        allowed: list[str] = []
        for pattern, route in self._by_length.get(len(segments), ()):
            if all(p.startswith("{") or p == s for p, s in zip(pattern, segments, strict=True)):
                if route.method == method or (route.method == "GET" and method == "HEAD"):
                    params = {p[1:-1]: s for p, s in zip(pattern, segments, strict=True) if p.startswith("{")}
                    return Found(route, params)
                allowed.append(route.method)
        return allowed


def reserved(path: str) -> bool:
    return path.lstrip("/").partition("/")[0] in RESERVED


def _pattern(segments: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("{}" if segment.startswith("{") else segment for segment in segments)
