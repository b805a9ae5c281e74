"""Language models by what they are asked, whatever their inputs are called.

Models of one kind name one thing in several ways (model-catalog.md section 3): what is asked for is fitted to the
fields that the version has. What only shapes the answer (a temperature) is left out where a model has no such field;
what the caller relies on (a schema for the answer, tools, an image) is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from hearth.domain.account import Account
from hearth.domain.deployment import Deployment
from hearth.domain.field import Field
from hearth.domain.model import Model, Version
from hearth.domain.schema import InputSchema
from hearth.errors import InvalidRequest, InvalidVersion, NotFound, Pointer
from hearth.service.deployments import Deployments
from hearth.service.versions import Resolved, Resolver

_NAMES: dict[str, tuple[str, ...]] = {
    "max_tokens": ("max_tokens", "max_new_tokens", "max_length"),
    "min_tokens": ("min_tokens", "min_new_tokens"),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "top_k": ("top_k",),
    "seed": ("seed",),
    "presence_penalty": ("presence_penalty",),
    "frequency_penalty": ("frequency_penalty",),
    "repetition_penalty": ("repetition_penalty",),
}
"""What models call it, the usual name first."""
_STOPS = ("stop_sequences", "stop")
_TEXTS = ("texts", "text_batch", "text", "input", "prompt", "document")
"""What embedding models call their text; the first two take a JSON list of several."""
_SEVERAL = frozenset({"texts", "text_batch"})


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One turn of a chat."""

    role: str
    content: str
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    images: tuple[str, ...] = ()
    """URLs and data URIs."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How the answer is to be. None: as the model does by itself."""

    max_tokens: int | None = None
    min_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    stop: tuple[str, ...] = ()
    jsonschema: dict[str, Any] | None = None
    grammar: str | None = None
    regex: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None


class Speaker(NamedTuple):
    """What answers: a model's version, or what a deployment serves."""

    name: str
    model: Model
    version: Version
    schema: InputSchema
    deployment: Deployment | None = None


class Language:
    def __init__(self, *, versions: Resolver, deployments: Deployments) -> None:
        self._versions, self._deployments = versions, deployments

    async def models(self, caller: Account) -> list[Resolved]:
        """Those that the caller may ask: their newest version takes a prompt and answers in text, or embeds text."""
        return [found for found in await self._versions.latest(caller) if speaks(found.schema) or embeds(found.schema)]

    async def find(self, caller: Account, name: str) -> Speaker:
        """By `owner/name`, `owner/name:version` or a deployment's `owner/name`. Raises NotFound."""
        owner, slash, rest = name.partition("/")
        if slash:
            try:
                found = await self._versions.resolve(caller, version=name)
                return Speaker(name, found.model, found.version, found.schema)
            except InvalidVersion as error:
                unknown = error
            try:
                deployment = await self._deployments.route(caller, owner, rest)
                found = await self._versions.resolve(caller, version=deployment.route.version)
                return Speaker(name, found.model, found.version, found.schema, deployment)
            except NotFound:
                raise NotFound(f"The model {name} does not exist, or has no version.", hint=unknown.hint) from None
        raise NotFound(f"The model {name} does not exist.", hint='Models are named "owner/name".')


def speaks(schema: InputSchema) -> bool:
    """Whether it takes a prompt and answers in text, piece by piece."""
    kind = schema.output_kind
    return "prompt" in schema.keys and kind.is_iterator and not kind.has_files


def embeds(schema: InputSchema) -> bool:
    """Whether it turns text into something whole: only a run shows whether that is a vector."""
    return not schema.output_kind.is_iterator and _text_field(schema) is not None and len(schema.required) <= 1


def chat(speaker: Speaker, messages: Sequence[Message], asked: Asked) -> dict[str, Any]:
    """The input for the next turn of a chat. Raises InvalidRequest for what the model cannot do."""
    if not messages:
        raise _wrong("messages", "send at least one message")
    keys = speaker.schema.keys
    images = [image for message in messages for image in message.images]
    input = _asked(speaker, asked)
    if images:
        input["image"] = _only_image(speaker, images)
    system = "\n\n".join(m.content for m in messages if m.role in ("system", "developer") and m.content)
    turns = [m for m in messages if m.role not in ("system", "developer")]
    if "messages" in keys:
        said = [msgspec.to_builtins(msgspec.structs.replace(m, images=())) for m in messages]
        input["messages"] = json.dumps(said, ensure_ascii=False)
        input["prompt"] = turns[-1].content if turns else system
        return input
    if system and "system_prompt" in keys:
        input["system_prompt"], system = system, ""
    input["prompt"] = _transcript(turns, system)
    return input


def completion(speaker: Speaker, prompt: str, asked: Asked) -> dict[str, Any]:
    """The input that goes on with a text. A chat template would get in between, so none is used where it can be
    set aside."""
    input = {**_asked(speaker, asked), "prompt": prompt}
    if "prompt_template" in speaker.schema.keys:
        input["prompt_template"] = "{prompt}"
    return input


def embedding(speaker: Speaker, texts: Sequence[str]) -> list[dict[str, Any]]:
    """The inputs that embed these texts: one for all where the model takes several, else one each."""
    field = _text_field(speaker.schema)
    if field is None:
        raise _wrong("model", f"{speaker.name} takes no text to embed")
    if field.type == "array":
        return [{field.name: list(texts)}]
    if field.name in _SEVERAL:
        return [{field.name: json.dumps(list(texts), ensure_ascii=False)}]
    return [{field.name: text} for text in texts]


def vectors(output: Any) -> list[list[float]]:
    """The vectors in what an embedding model returned, in any of the shapes that are in use (model-catalog.md 11).
    Raises ValueError."""
    if isinstance(output, dict):
        output = next((output[key] for key in ("embedding", "embeddings", "vectors", "data") if key in output), None)
    if isinstance(output, list) and output:
        if all(isinstance(item, int | float) for item in output):
            return [output]
        if all(isinstance(item, dict) for item in output):
            return [vector for item in output for vector in vectors(item)]
        if all(isinstance(item, list) and item for item in output):
            return output
    raise ValueError("the output holds no vector")


def text(output: Any) -> str:
    """What a model said, as one text."""
    if isinstance(output, list):
        return "".join(str(item) for item in output)
    return "" if output is None else str(output)


def _asked(speaker: Speaker, asked: Asked) -> dict[str, Any]:
    fields = {field.name: field for field in speaker.schema.fields}
    input: dict[str, Any] = {}
    for what, names in _NAMES.items():
        value = getattr(asked, what)
        name = next((n for n in names if n in fields), None)
        if value is not None and name is not None:
            input[name] = _within(fields[name], value)
    if asked.stop and (name := next((n for n in _STOPS if n in fields), None)):
        input[name] = _stops(fields[name], asked.stop)
    if asked.jsonschema is not None:
        input[_needed(speaker, "jsonschema", "response_format")] = json.dumps(asked.jsonschema)
    if asked.grammar is not None:
        input[_needed(speaker, "grammar", "grammar")] = asked.grammar
    if asked.regex is not None:
        input[_needed(speaker, "regex", "regex")] = asked.regex
    if asked.tools and asked.tool_choice != "none":
        input[_needed(speaker, "tools", "tools")] = json.dumps(asked.tools)
        if asked.tool_choice is not None and "tool_choice" in fields:
            choice = asked.tool_choice
            input["tool_choice"] = choice if isinstance(choice, str) else json.dumps(choice)
    return input


def _within(field: Field, value: float) -> float:
    """Its bounds differ between models (a temperature of 0 is 0.01 to some): the nearest that it takes."""
    if field.minimum is not None and value < field.minimum:
        value = field.minimum
    if field.maximum is not None and value > field.maximum:
        value = field.maximum
    return int(value) if field.type == "integer" else value


def _stops(field: Field, stops: Sequence[str]) -> Any:
    """Separated by commas, as these models read them; as JSON where a comma or a blank is part of one."""
    if field.type == "array":
        return list(stops)
    plain = all("," not in stop and stop == stop.strip() and not stop.startswith("[") for stop in stops)
    return ",".join(stops) if plain else json.dumps(list(stops), ensure_ascii=False)


def _needed(speaker: Speaker, field: str, what: str) -> str:
    if field not in speaker.schema.keys:
        raise _wrong(what, f"{speaker.name} cannot do this: it has no input {field}")
    return field


def _only_image(speaker: Speaker, images: Sequence[str]) -> str:
    _needed(speaker, "image", "messages")
    if len(images) > 1:
        raise _wrong("messages", f"{speaker.name} takes one image, and there are {len(images)}")
    return images[0]


def _transcript(turns: Sequence[Message], system: str) -> str:
    """A chat as one text, for models that take only that."""
    if len(turns) == 1 and not system:
        return turns[0].content
    names: Mapping[str, str] = {"user": "User", "assistant": "Assistant", "tool": "Tool"}
    if len(turns) == 1:
        return f"{system}\n\n{turns[0].content}"
    said = [f"{names.get(m.role, m.role)}: {m.content}" for m in turns]
    return "\n".join([*([system, ""] if system else []), *said, "Assistant:"])


def _text_field(schema: InputSchema) -> Field | None:
    fields = {field.name: field for field in schema.fields}
    for name in _TEXTS:
        field = fields.get(name)
        if field is not None and (field.type == "string" or (field.type == "array" and name in _SEVERAL)):
            return field
    return None


def _wrong(parameter: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=(Pointer(f"/{parameter}", f"{parameter}: {detail}"),))
