"""What is kept warm of a model or deployment: the form that owners find on its settings, and admins under Instances."""

from __future__ import annotations

import msgspec

from hearth.errors import HearthError
from hearth.service.scaling import Standing
from hearth.web import errors
from hearth.web.forms import Form
from hearth.web.request import Request

FIELDS = ("warm", "schedule", "zone", "idle_timeout", "max_waiting")


class Warming(msgspec.Struct, frozen=True, kw_only=True):
    """What the form shows."""

    because: str
    """What is so now, as a sentence."""
    told: dict[str, str]
    error: str = ""


async def of(request: Request, target: str) -> Warming:
    """`target`: an id, from `service.scaling.Scalings.of_model` or `of_deployment`."""
    standing = await request.services.scalings.get(target)
    if standing is None:
        told = {"warm": "0", "schedule": "", "zone": "UTC", "idle_timeout": "", "max_waiting": ""}
        return Warming(because="Nothing is kept warm: as many run as are needed", told=told)
    known = standing.scaling
    told = {"warm": str(known.warm), "schedule": known.schedule, "zone": known.zone}
    told["idle_timeout"] = "" if known.idle_timeout is None else f"{known.idle_timeout:g}"
    told["max_waiting"] = "" if known.max_waiting is None else str(known.max_waiting)
    return Warming(because=standing.because, told=told)


async def put(request: Request, target: str, form: Form) -> Standing:
    """As the form says; what it has no field for stays as it was. Raises InvalidRequest."""
    before = await request.services.scalings.get(target)
    idle = before.scaling.idle_timeout if before is not None else None
    if form.has("idle_timeout"):
        idle = _seconds(form.get("idle_timeout"))
    waiting = before.scaling.max_waiting if before is not None else None
    if form.has("max_waiting"):
        waiting = _count(form.get("max_waiting")) if form.get("max_waiting") else None
    return await request.services.scalings.put(
        request.signed_in,
        target,
        warm=_count(form.get("warm")),
        schedule=form.get("schedule"),
        zone=form.get("zone") or "UTC",
        version=before.scaling.version if before is not None else None,
        idle_timeout=idle,
        max_waiting=waiting,
    )


def refused(form: Form, error: HearthError) -> Warming:
    """The form as it was sent, and why it was not taken."""
    found = errors.by_field(error)
    text = "; ".join(f"{field}: {text}" if field else text for field, text in found.items())
    return Warming(because="", told={name: form.get(name) for name in FIELDS}, error=text)


def _count(text: str) -> int:
    """What is no number is out of every bound."""
    return int(text) if text.isdecimal() and len(text) < 9 else -1


def _seconds(text: str) -> float | None:
    """None if it is empty; what is no number is out of every bound."""
    try:
        return float(text) if text.strip() else None
    except ValueError:
        return -1.0
