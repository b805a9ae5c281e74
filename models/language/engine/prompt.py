"""Prompts: a model's template around what the user wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .errors import UserError, wrong

Message = dict[str, Any]


def formatted(template: str, prompt: str, system: str = "") -> str:
    """`prompt` within a template such as `[INST] {prompt} [/INST]`. A system prompt right before it gets a blank."""
    if "{prompt}" not in template:
        raise UserError("E1003", "BadPromptTemplate", "prompt_template has to contain {prompt}, where the prompt goes")
    if system and "{system_prompt}{prompt}" in template:
        system += " "
    try:
        text = template.format(prompt=prompt, system_prompt=system)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise UserError(
            "E1004",
            "PromptTemplateError",
            f"prompt_template is not a format string with {{prompt}} and {{system_prompt}} ({error!r}). "
            "Write {{ and }} for braces, and put what you ask for into prompt, not into prompt_template",
        ) from None
    return text.removeprefix("<s>")  # the tokenizer adds it


def messages_of(text: str) -> list[Message]:
    """The messages input: a JSON list of `{role, content, …}`."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise wrong("messages", f"not JSON: {error}") from None
    if not isinstance(found, list) or not found:
        raise wrong("messages", 'send a list such as [{"role": "user", "content": "Hello."}]')
    for message in found:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise wrong("messages", "each message is an object with a role and a content")
        content = message.get("content")
        if isinstance(content, list):  # as OpenAI has it, in parts
            content = "".join(part.get("text", "") for part in content if isinstance(part, dict))
        message["content"] = "" if content is None else str(content)
        for call in message.get("tool_calls") or []:
            call = call.get("function", call) if isinstance(call, dict) else {}
            if isinstance(call.get("arguments"), str):
                call["arguments"] = _json_or_text(call["arguments"])
    return found


def transcript(messages: Sequence[Message]) -> str:
    """A chat for a model that has no template: who says what, line by line."""
    if len(messages) == 1:
        return str(messages[0]["content"])
    system = [m["content"] for m in messages if m["role"] == "system"]
    said = [f"{m['role'].capitalize()}: {m['content']}" for m in messages if m["role"] != "system"]
    return "\n".join([*system, *said, "Assistant:"])


def told(messages: Sequence[Message], tools: Sequence[dict[str, Any]]) -> list[Message]:
    """The messages with the tools in the system's, for models that know no other way."""
    functions = "\n".join(json.dumps(tool.get("function", tool)) for tool in tools)
    told = f'You can call functions. To call one, answer with {{"name": …, "arguments": …}} only.\n{functions}'
    if messages and messages[0]["role"] == "system":
        return [{**messages[0], "content": f"{messages[0]['content']}\n\n{told}"}, *messages[1:]]
    return [{"role": "system", "content": told}, *messages]


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
