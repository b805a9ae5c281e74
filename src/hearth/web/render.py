"""Templates to bytes: one Jinja environment, with everything escaped, and what all templates may use."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from hearth import __version__
from hearth.domain.file import parse_reference
from hearth.web import assets, csrf
from hearth.web.links import file_url
from hearth.web.markdown import code, markdown
from hearth.web.outputs import MAX_PIECES
from hearth.web.request import Request
from hearth.web.versions import type_name
from hearth.web.widgets import limits, slider_step


class Renderer:
    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("hearth.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(
            ago=ago,
            code=code,
            compact=compact,
            date=date,
            hue=hue,
            iso=iso,
            json=as_json,
            limits=limits,
            price=price,
            markdown=markdown,
            money=money,
            seconds=seconds,
            sentence=sentence,
            short=short,
            size=size,
            slider_step=slider_step,
            type_name=type_name,
        )
        self._environment.tests.update(reference=lambda value: isinstance(value, str) and bool(parse_reference(value)))
        self._environment.globals.update(
            static=assets.url, version=__version__, file_url=file_url, max_pieces=MAX_PIECES
        )

    def render(self, template: str, request: Request, /, **values: Any) -> bytes:
        if not request.csrf:
            request.csrf = csrf.token(request)
        values.setdefault("toast", None)
        found = self._environment.get_template(template)
        return found.render(request=request, account=request.account, now=request.services.now(), **values).encode()


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def iso(at: float) -> str:
    return moment(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def date(at: float) -> str:
    """`20 Nov 2026`."""
    found = moment(at)
    return f"{found.day} {found:%b %Y}"


def ago(at: float, now: float) -> str:
    """`3 minutes ago`; scripts keep it fresh by the time's `datetime`."""
    passed = max(now - at, 0.0)
    if passed < 10:
        return "just now"
    for limit, unit, name in ((60, 1, "second"), (3600, 60, "minute"), (86400, 3600, "hour"), (2592000, 86400, "day")):
        if passed < limit:
            count = int(passed // unit)
            return f"{count} {name}{'' if count == 1 else 's'} ago"
    return date(at)


def seconds(value: float | None) -> str:
    """A duration as people read it: `240 ms`, `3.2 s`, `2 min 5 s`."""
    if value is None:
        return "–"
    if 0 < value < 0.001:
        return "< 1 ms"
    if value < 1:
        return f"{max(value, 0) * 1000:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    if value < 3600:
        return f"{int(value // 60)} min {int(value % 60)} s"
    return f"{int(value // 3600)} h {int(value % 3600 // 60)} min"


def money(value: float) -> str:
    """An amount, in whatever currency the operator thinks in."""
    if 0 < value < 0.0001:
        return "< 0.0001"
    return f"{value:,.2f}" if value >= 1 or value == 0 else f"{value:.4f}"


def sentence(text: str) -> str:
    """A reason, standing alone."""
    return text[:1].upper() + text[1:]


def compact(value: float) -> str:
    """`1.2K`, `3.4M`."""
    if abs(value) < 1000:
        return f"{value:g}"
    power = min(int(math.log10(abs(value)) // 3), 4)
    text = f"{value / 1000**power:.1f}".removesuffix(".0")
    return f"{text}{'KMBT'[power - 1]}"


def size(value: float | None) -> str:
    """Bytes as people read them."""
    if value is None:
        return "–"
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def hue(text: str) -> int:
    """One of six colours, always the same for a name."""
    return sum(text.encode()) % 6


def price(value: float) -> str:
    """Small amounts with as many digits as they need."""
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"


def short(id: str) -> str:
    """The beginning of a version id, as people say it."""
    return id[:8]


def as_json(value: Any, indent: int | None = 2) -> str:
    """For people; the escaping is the template's."""
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False, indent=indent)
