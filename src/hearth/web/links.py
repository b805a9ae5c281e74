"""Addresses within this server. Pages use them without scheme and host, whatever name the browser knows us by."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from hearth.domain.file import parse_reference

_SAFE = "@=,+()"


def file_url(value: str, origin: str = "") -> str:
    """Of a file reference; any other string is an address already."""
    reference = parse_reference(value)
    return f"{origin}/v1/files/{reference[0]}/{quote(reference[1], safe=_SAFE)}" if reference else value


def with_urls(value: Any, origin: str) -> Any:
    """A copy of a value with every file reference turned into its address."""
    if isinstance(value, str):
        return file_url(value, origin)
    if isinstance(value, list):
        return [with_urls(item, origin) for item in value]
    if isinstance(value, dict):
        return {key: with_urls(item, origin) for key, item in value.items()}
    return value
