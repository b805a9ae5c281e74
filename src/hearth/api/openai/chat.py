"""`POST /openai/v1/chat/completions`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from hearth import ids
from hearth.api.http import Request, Stream
from hearth.api.openai import calls
from hearth.api.openai.bodies import (
    ChatAnswer,
    ChatBody,
    ChatChoice,
    ChatChunk,
    ChatChunkChoice,
    Delta,
    Function,
    Said,
    ToolCall,
    TurnBody,
)
from hearth.api.openai.refusals import CALLED
from hearth.api.route import Route
from hearth.domain.prediction import Prediction
from hearth.service import language
from hearth.service.language import Message

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


async def create(request: Request, body: ChatBody) -> ChatAnswer | Stream:
    count = calls.choices(body)
    _check_tools(body)
    speaker = await request.services.language.find(request.account, body.model)
    asked = calls.asked(
        body,
        max_tokens=body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens,
        jsonschema=_schema(body.response_format),
        tools=body.tools,
        tool_choice=body.tool_choice,
    )
    input = language.chat(speaker, [_message(n, turn) for n, turn in enumerate(body.messages)], asked)
    inputs = calls.several([input], count)
    if body.stream:
        return _streamed(request, body, await calls.begun(request, speaker, inputs))
    found = await calls.ended(request, speaker, inputs)
    return ChatAnswer(
        id=f"chatcmpl-{found[0].id}",
        created=int(found[0].created_at),
        model=body.model,
        choices=[_choice(n, prediction, body) for n, prediction in enumerate(found)],
        usage=calls.usage(found, count),
    )


def _choice(index: int, prediction: Prediction, body: ChatBody) -> ChatChoice:
    text = language.text(prediction.output)
    called = _tool_call(text, body)
    if called is not None:
        return ChatChoice(index=index, message=Said(tool_calls=[called]), finish_reason="tool_calls")
    return ChatChoice(index=index, message=Said(content=text), finish_reason=calls.finish_reason(prediction))


def _streamed(request: Request, body: ChatBody, predictions: list[Prediction]) -> Stream:
    first = predictions[0]
    may_call = bool(body.tools) and body.tool_choice != "none"
    held = ["" if may_call else None for _ in predictions]
    """A call of a tool is told as one: what may become one is held back. It is JSON, so other texts show themselves."""
    counted = body.stream_options is not None and body.stream_options.include_usage

    def chunk(index: int, delta: Delta, finish_reason: str | None = None) -> bytes:
        choice = ChatChunkChoice(index=index, delta=delta, finish_reason=finish_reason)
        return calls.event(_chunk(first, body, [choice]))

    def say(index: int, text: str) -> bytes:
        before = held[index]
        if before is None:
            return chunk(index, Delta(content=text))
        whole = held[index] = before + text
        if whole.lstrip()[:1] in ("", "{"):
            return b""
        held[index] = None
        return chunk(index, Delta(content=whole))

    def end(index: int, final: Prediction) -> bytes:
        parts, reason, text = [], calls.finish_reason(final), held[index]
        if text:
            called = _tool_call(text, body, index=0)
            reason = reason if called is None else "tool_calls"
            parts.append(chunk(index, Delta(content=text) if called is None else Delta(tool_calls=[called])))
        parts.append(chunk(index, Delta(), reason))
        return b"".join(parts)

    def close(finals: Sequence[Prediction]) -> bytes:
        return calls.event(_chunk(first, body, [], calls.usage(finals, len(predictions)))) if counted else b""

    async def chunks() -> Any:
        yield b"".join(chunk(n, Delta(role="assistant", content="")) for n in range(len(predictions)))
        async with aclosing(calls.stream(request, predictions, say, end, close)) as parts:
            async for part in parts:
                yield part

    return Stream(chunks(), b"text/event-stream", 200, calls.headers(first))


def _chunk(prediction: Prediction, body: ChatBody, choices: list[ChatChunkChoice], usage: Any = None) -> ChatChunk:
    return ChatChunk(
        id=f"chatcmpl-{prediction.id}",
        created=int(prediction.created_at),
        model=body.model,
        choices=choices,
        usage=usage,
    )


def _message(number: int, turn: TurnBody) -> Message:
    """Raises InvalidRequest."""
    where = f"messages/{number}"
    if turn.role not in _ROLES:
        raise calls.wrong(where, f"{turn.role} is no role")
    if turn.content is None and turn.role != "assistant":
        raise calls.wrong(where, "content is missing")
    content, images = turn.content, []
    if isinstance(content, list):
        texts = []
        for part in content:
            if part.type in ("text", "input_text") and part.text is not None:
                texts.append(part.text)
            elif part.type == "image_url" and part.image_url is not None:
                images.append(part.image_url if isinstance(part.image_url, str) else part.image_url.url)
            else:
                raise calls.wrong(where, f"parts of type {part.type} are not understood, only text and image_url")
        content = "\n".join(texts)
    role = "tool" if turn.role == "function" else turn.role
    return Message(
        role=role,
        content=content or "",
        name=turn.name,
        tool_calls=turn.tool_calls,
        tool_call_id=turn.tool_call_id,
        images=tuple(images),
    )


def _check_tools(body: ChatBody) -> None:
    """Raises InvalidRequest."""
    if body.functions or body.function_call is not None:
        raise calls.wrong("functions", "send tools and tool_choice, which took their place")
    choice = body.tool_choice
    if choice is None or choice in ("none", "auto"):
        return
    if not body.tools:
        raise calls.wrong("tool_choice", "there are no tools to choose from")
    if isinstance(choice, dict):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, dict) else None
    else:
        name = None if choice == "required" else choice
        if name is None:
            return
    if name not in _offered(body):
        raise calls.wrong("tool_choice", f"there is no tool named {name}")


def _offered(body: ChatBody) -> set[str]:
    functions = [tool.get("function") for tool in body.tools or ()]
    return {str(function.get("name")) for function in functions if isinstance(function, dict)}


def _schema(wanted: dict[str, Any] | None) -> dict[str, Any] | None:
    """The JSON schema that the answer must follow."""
    kind = (wanted or {}).get("type", "text")
    if wanted is None or kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    named = wanted.get("json_schema")
    if kind == "json_schema" and isinstance(named, dict) and isinstance(named.get("schema"), dict):
        schema: dict[str, Any] = named["schema"]
        return schema
    raise calls.wrong("response_format", "must be text, json_object, or json_schema with json_schema.schema")


def _tool_call(text: str, body: ChatBody, index: int | None = None) -> ToolCall | None:
    """The call that the text is, if it is one of a tool that was offered."""
    if not body.tools or body.tool_choice == "none":
        return None
    try:
        said = json.loads(text)
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("name") not in _offered(body):
        return None
    arguments = said.get("arguments", {})
    arguments = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCall(id=f"call_{ids.random32()}", function=Function(name=said["name"], arguments=arguments), index=index)


ROUTES = (
    Route(
        method="POST",
        path="/openai/v1/chat/completions",
        operation_id="openai.chat.completions.create",
        summary="Answer a chat, as OpenAI's API does",
        handler=create,
        body=ChatBody,
        reply=ChatAnswer,
        errors=CALLED,
        creates=True,
        streams=True,
        openai=True,
        ours=True,
    ),
)
