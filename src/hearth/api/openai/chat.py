"""`POST /openai/v1/chat/completions`."""

from __future__ import annotations

import json
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
from hearth.service.language import Message, Speaker

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


async def create(request: Request, body: ChatBody) -> ChatAnswer | Stream:
    count = calls.choices(body)
    speaker = await request.services.language.find(request.account, body.model)
    asked = calls.asked(
        body,
        max_tokens=body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens,
        jsonschema=_schema(body.response_format),
        tools=body.tools,
        tool_choice=body.tool_choice,
    )
    input = language.chat(speaker, [_message(n, turn) for n, turn in enumerate(body.messages)], asked)
    if body.stream:
        return await _streamed(request, body, speaker, input)
    inputs = [input if "seed" not in input else {**input, "seed": input["seed"] + n} for n in range(count)]
    found = await calls.ended(request, speaker, inputs)
    return ChatAnswer(
        id=f"chatcmpl-{found[0].id}",
        created=int(found[0].created_at),
        model=body.model,
        choices=[_choice(n, prediction, body) for n, prediction in enumerate(found)],
        usage=calls.usage(found),
    )


def _choice(index: int, prediction: Prediction, body: ChatBody) -> ChatChoice:
    text = language.text(prediction.output)
    called = _tool_call(text, body)
    if called is not None:
        return ChatChoice(index=index, message=Said(tool_calls=[called]), finish_reason="tool_calls")
    return ChatChoice(index=index, message=Said(content=text), finish_reason=calls.finish_reason(prediction))


async def _streamed(request: Request, body: ChatBody, speaker: Speaker, input: dict[str, Any]) -> Stream:
    prediction = await calls.create(request, speaker, input, hold=None)
    held: list[str] | None = [] if body.tools and body.tool_choice != "none" else None
    """A call of a tool is told as one, so what may become one is held back to the end."""
    counted = body.stream_options is not None and body.stream_options.include_usage

    def chunk(delta: Delta, finish_reason: str | None = None) -> bytes:
        choice = ChatChunkChoice(index=0, delta=delta, finish_reason=finish_reason)
        return calls.event(_chunk(prediction, body, [choice]))

    def piece(text: str) -> bytes:
        if held is None:
            return chunk(Delta(content=text))
        held.append(text)
        return b""

    def end(final: Prediction) -> bytes:
        parts, reason = [], calls.finish_reason(final)
        if held:
            called = _tool_call("".join(held), body, index=0)
            reason = reason if called is None else "tool_calls"
            parts.append(chunk(Delta(content="".join(held)) if called is None else Delta(tool_calls=[called])))
        parts.append(chunk(Delta(), reason))
        if counted:
            parts.append(calls.event(_chunk(prediction, body, [], calls.usage([final]))))
        return b"".join(parts)

    async def chunks() -> Any:
        yield chunk(Delta(role="assistant", content=""))
        async for part in calls.pieces(request, prediction, piece, end):
            yield part

    return Stream(chunks(), b"text/event-stream", 200, calls.headers(prediction))


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
    offered = {tool.get("function", {}).get("name") for tool in body.tools}
    try:
        said = json.loads(text)
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("name") not in offered:
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
