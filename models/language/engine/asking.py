"""What is asked, from inputs by whatever name a family knows them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .engine import Request
from .errors import UserError, wrong
from .job import Params
from .prompt import messages_of
from .shape import Shape

Inputs = Mapping[str, Any]


def request_of(inputs: Inputs, limit: tuple[str, int]) -> Request:
    """The same request, whatever a family calls its inputs. Raises UserError."""
    if inputs.get("replicate_weights"):
        raise wrong("replicate_weights", "this server's language models can't load an adapter; push a merged model")
    name, default = limit
    old = "max_tokens" if name == "max_new_tokens" else "max_new_tokens"
    seed = inputs.get("seed")
    template = inputs.get("prompt_template")
    messages = inputs.get("messages")
    return Request(
        prompt=inputs.get("prompt") or "",
        system=inputs.get("system_prompt") or "",
        template=template or None,
        messages=messages_of(messages) if messages else None,
        image=Path(image) if (image := inputs.get("image")) else None,
        shape=shape_of(inputs),
        params=Params(
            seed=secrets.randbelow(2**32) if seed is None else seed % 2**64,
            max_tokens=_either(inputs, name, old, default, "E1102", "InvalidArgumentMaxTokens"),
            min_tokens=_either(inputs, *_min_names(name), "E1101", "InvalidArgumentMinTokens"),
            temperature=_or(inputs.get("temperature"), 1.0),
            top_p=_or(inputs.get("top_p"), 1.0),
            top_k=_or(inputs.get("top_k"), 0),
            repetition_penalty=_or(inputs.get("repetition_penalty"), 1.0),
            presence_penalty=_or(inputs.get("presence_penalty"), 0.0),
            frequency_penalty=_or(inputs.get("frequency_penalty"), 0.0),
            stop=(*stops_of(inputs.get("stop_sequences")), *stops_of(inputs.get("stop"))),
        ),
    )


def shape_of(inputs: Inputs) -> Shape:
    choices = _json(inputs, "choices")
    if choices is not None and not (isinstance(choices, list) and choices and all(isinstance(c, str) for c in choices)):
        raise wrong("choices", 'send a JSON list of texts such as ["yes", "no"]')
    tools = _json(inputs, "tools")
    if tools is not None and not (isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)):
        raise wrong("tools", "send a JSON list of functions")
    choice = inputs.get("tool_choice") or "auto"
    return Shape(
        jsonschema=inputs.get("jsonschema") or None,
        grammar=inputs.get("grammar") or None,
        regex=inputs.get("regex") or None,
        choices=choices,
        tools=tools or None,
        tool_choice=json.loads(choice) if choice.startswith("{") else choice,
    )


def stops_of(text: str | None) -> tuple[str, ...]:
    """Separated by commas; a JSON list where one holds a comma."""
    if not text:
        return ()
    if text.startswith("["):
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if isinstance(found, list) and all(isinstance(stop, str) for stop in found):
            return tuple(stop for stop in found if stop)
    return tuple(stop for stop in text.split(",") if stop)


def _min_names(limit: str) -> tuple[str, str, int]:
    return ("min_new_tokens", "min_tokens", -1) if limit == "max_new_tokens" else ("min_tokens", "min_new_tokens", 0)


def _either(inputs: Inputs, name: str, other: str, default: int, code: str, title: str) -> int:
    """The limit by either of its names."""
    value, old = _or(inputs.get(name), default), inputs.get(other)
    if old is None or old == value:
        return value
    if value != default:
        raise UserError(code, title, f"{name} is {value} and {other} is {old}: send one of them")
    return old


def _json(inputs: Inputs, name: str) -> Any:
    text = inputs.get(name)
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise wrong(name, f"not JSON: {error}") from None


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
