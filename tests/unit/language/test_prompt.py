"""What is put around a prompt."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from engine import Engine, Params, Request, UserError
from engine.chat import Chat
from engine.prompt import formatted, messages_of, transcript
from engine.shape import Shape

PARAMS = Params(seed=1)
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def test_a_template_takes_prompt_and_system() -> None:
    assert (
        formatted("<s>[INST] {system_prompt} {prompt} [/INST]", "Why?", "Be brief.") == "[INST] Be brief. Why? [/INST]"
    )


@pytest.mark.parametrize(
    ("template", "code"),
    [("no place", "E1003"), ("{prompt} {who}", "E1004"), ("{prompt} {", "E1004"), ("{prompt.x}", "E1003")],
)
def test_bad_templates_have_codes(template: str, code: str) -> None:
    with pytest.raises(UserError, match=code) as caught:
        formatted(template, "a")
    assert caught.value.code == code


def test_a_template_that_reaches_into_the_prompt_is_no_template() -> None:
    with pytest.raises(UserError, match="E1004"):
        formatted("{prompt} {prompt.nothing}", "a")


def test_a_chat_is_rendered() -> None:
    chat = Chat("{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", begin="<s>")
    assert chat.render([{"role": "user", "content": "a"}]) == "<s>user: a\n"


def test_a_template_that_refuses_a_system_message_gets_it_with_the_first_words() -> None:
    chat = Chat("{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ messages[0].content }}")
    assert (
        chat.render([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}])
        == "Be brief.\n\nWhy?"
    )


def test_tools_are_told_where_the_template_knows_none() -> None:
    text = Chat("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}").render(
        [{"role": "user", "content": "Rain?"}], [WEATHER]
    )
    assert text.startswith("system: ")
    assert '"weather"' in text


def test_tools_go_to_the_template_that_knows_them() -> None:
    chat = Chat("{{ tools | tojson }}")
    assert json.loads(chat.render([{"role": "user", "content": "Rain?"}], [WEATHER])) == [WEATHER]


def test_templates_come_from_strangers() -> None:
    with pytest.raises(Exception, match="unsafe"):
        Chat("{{ messages.__class__.__mro__ }}").render([{"role": "user", "content": "a"}])


@pytest.mark.parametrize("text", ["nonsense", "[]", "{}", '["a"]', '[{"content": "a"}]'])
def test_messages_are_checked(text: str) -> None:
    with pytest.raises(UserError, match="messages"):
        messages_of(text)


def test_messages_as_openai_has_them() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    text = json.dumps(
        [
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
        ]
    )
    user, assistant = messages_of(text)
    assert user["content"] == "ab"
    assert assistant["content"] == ""
    assert assistant["tool_calls"][0]["function"]["arguments"] == {"a": 1}


def test_a_chat_without_a_template_is_a_transcript() -> None:
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
    ]
    assert (
        transcript([*chat, {"role": "user", "content": "c"}]) == "Be brief.\nUser: a\nAssistant: b\nUser: c\nAssistant:"
    )


def test_which_way_a_prompt_goes(engine_of: Callable[..., Engine]) -> None:
    with_chat, without = engine_of(), engine_of(template=None)
    asked = Request(prompt="Why?", system="Be brief.", params=PARAMS)
    assert with_chat.prepare(asked).prompt == "<|system|>Be brief.<|user|>Why?<|assistant|>"
    assert without.prepare(asked).prompt == "Why?"
    plain = Request(prompt="Why?", template="{prompt}", params=PARAMS)
    assert with_chat.prepare(plain).prompt == "Why?"
    assert not with_chat.prepare(plain).is_answer
    chat = Request(prompt="x", messages=[{"role": "user", "content": "Why?"}], params=PARAMS)
    assert with_chat.prepare(chat).prompt == "<|user|>Why?<|assistant|>"
    tools = Request(prompt="Rain?", params=PARAMS, shape=Shape(tools=[WEATHER]))
    assert '"weather"' in without.prepare(tools).prompt
    none = Request(prompt="Rain?", params=PARAMS, shape=Shape(tools=[WEATHER], tool_choice="none"))
    assert "weather" not in with_chat.prepare(none).prompt


def test_an_empty_prompt_and_one_too_long_have_codes(engine_of: Callable[..., Engine]) -> None:
    engine = engine_of(context=32)
    with pytest.raises(UserError, match="E1001"):
        engine.prepare(Request(prompt=" ", params=PARAMS))
    with pytest.raises(UserError, match=r"E1002.*33 tokens"):
        engine.prepare(Request(prompt="x" * 33, template="{prompt}", params=PARAMS))


def test_the_limit_fits_into_the_context(engine_of: Callable[..., Engine]) -> None:
    prepared = engine_of(context=32).prepare(Request(prompt="x" * 20, template="{prompt}", params=PARAMS))
    assert prepared.params.max_tokens == 12
