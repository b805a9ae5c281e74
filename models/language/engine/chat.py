"""A model's own template for chats."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .errors import ModelError
from .prompt import Message, told


class Chat:
    """A chat template in Jinja, as models carry them. It may come with weights from anywhere: it runs in a sandbox."""

    def __init__(self, template: str, *, begin: str = "", end: str = "") -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
        try:
            self._template = environment.from_string(template)
        except TemplateSyntaxError as error:
            raise ModelError(f"the model's chat template can't be read: {error}") from error
        self._names = {"bos_token": begin, "eos_token": end}
        self.has_tools = "tools" in template

    def render(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]] | None = None) -> str:
        """The text that the model goes on with. Tools that the template doesn't know are told in the system message."""
        if tools and not self.has_tools:
            messages, tools = told(messages, tools), None
        try:
            return self._render(messages, tools)
        except TemplateError:
            joined = _without_system(messages)
            if joined == messages:
                raise
        return self._render(joined, tools)

    def _render(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]] | None) -> str:
        return self._template.render(messages=messages, tools=tools, add_generation_prompt=True, **self._names)


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """For templates that refuse a system message: its text before the first of the user's."""
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    rest = [m for m in messages if m["role"] != "system"]
    if not system or not rest:
        return list(messages)
    return [{**rest[0], "content": f"{system}\n\n{rest[0]['content']}"}, *rest[1:]]


def _tojson(value: Any, indent: int | None = None, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise(message: str) -> None:
    raise TemplateError(message)
