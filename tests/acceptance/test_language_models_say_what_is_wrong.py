"""What OpenAI's official client asks for and cannot have is refused, in its words; several answers stream together."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from hearth.testing.live import LiveServer

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
SLOW = """
import time
from cog import BaseRunner, ConcatenateIterator


class Predictor(BaseRunner):
    def run(self, prompt: str) -> ConcatenateIterator[str]:
        for _ in range(3000):
            yield prompt
            time.sleep(0.01)
"""
REFUSING = """
from cog import BaseRunner, ConcatenateIterator


class Predictor(BaseRunner):
    def run(self, prompt: str) -> ConcatenateIterator[str]:
        raise ValueError(prompt)
        yield ""
"""
PLAIN = """
from cog import BaseRunner, ConcatenateIterator


class Predictor(BaseRunner):
    def run(self, prompt: str, tools: str = "") -> ConcatenateIterator[str]:
        for word in ("No", " tool", " needed"):
            yield word
"""


@pytest.fixture(scope="module")
def speaker(models: Any) -> str:
    return str(models("speaker").name)


@pytest.fixture
def ai(server: LiveServer) -> Iterator[openai.OpenAI]:
    with (
        httpx.Client(verify=ssl.create_default_context(cafile=server.connection.ca), trust_env=False) as http,
        openai.OpenAI(base_url=f"{server.url}/openai/v1", api_key=server.token, http_client=http) as client,
    ):
        yield client


def ask(ai: openai.OpenAI, model: str, **options: Any) -> Any:
    options.setdefault("messages", [{"role": "user", "content": "one two"}])
    return ai.chat.completions.create(model=model, **options)


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"50": 10}}, "logit_bias"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -5}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
        ({"messages": [{"role": "user", "content": None}]}, "messages/0"),
    ],
)
def test_what_cannot_be_had_is_refused(ai: openai.OpenAI, speaker: str, options: Any, parameter: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(ai, speaker, **options)
    assert refused.value.param == parameter


@pytest.mark.parametrize(("options", "parameter"), [({"best_of": 3}, "best_of"), ({"logprobs": 0}, "logprobs")])
def test_completions_refuse_as_well(ai: openai.OpenAI, speaker: str, options: Any, parameter: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ai.completions.create(model=speaker, prompt="one", **options)
    assert refused.value.param == parameter


def test_the_callers_mistakes_are_not_the_servers(ai: openai.OpenAI, models: Any) -> None:
    refusing = models.write("refusing-speaker", REFUSING).name
    with pytest.raises(openai.BadRequestError, match="E1000") as refused:
        ai.completions.create(model=refusing, prompt="E1000 InvalidInput: jsonschema: no")
    assert refused.value.code == "invalid_request"
    with pytest.raises(openai.InternalServerError):
        ai.completions.create(model=refusing, prompt="E2100 something else")


def test_an_operation_that_is_not_here_says_which_are(ai: openai.OpenAI, speaker: str) -> None:
    with pytest.raises(openai.NotFoundError, match="chat/completions") as refused:
        ai.responses.create(model=speaker, input="hello")
    assert refused.value.code == "unknown_url"


def test_several_answers_stream_together(ai: openai.OpenAI, speaker: str) -> None:
    chunks = list(ask(ai, speaker, n=3, seed=1, stream=True, stream_options={"include_usage": True}))
    said = dict.fromkeys(range(3), "")
    for chunk in chunks:
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
    assert set(said.values()) == {"user: one two"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].usage.completion_tokens == 9
    assert sum(bool(chunk.choices and chunk.choices[0].finish_reason) for chunk in chunks) == 3
    texts = ["", ""]
    for piece in ai.completions.create(model=speaker, prompt=["a b", "c"], stream=True, echo=True):
        texts[piece.choices[0].index] += piece.choices[0].text
    assert texts == ["a ba b", "cc"]


def test_one_that_fails_ends_the_stream_of_all(ai: openai.OpenAI, speaker: str) -> None:
    with pytest.raises(openai.APIError, match="no"):
        list(ai.completions.create(model=speaker, prompt=["one two", "fail"], stream=True))


def test_a_text_beside_tools_streams(ai: openai.OpenAI, models: Any) -> None:
    talking = models.write("talking-speaker", PLAIN).name
    pieces = [c.choices[0].delta.content for c in ask(ai, talking, tools=[WEATHER], stream=True)]
    assert [piece for piece in pieces if piece] == ["No", " tool", " needed"]


def test_a_caller_who_hangs_up_cancels(ai: openai.OpenAI, models: Any, api: Any) -> None:
    slow = models.write("slow-speaker", SLOW).name
    ask(ai, slow, stream=True).close()  # it is up, or coming up
    impatient = ai.with_options(timeout=1.0, max_retries=0)
    with pytest.raises(openai.APITimeoutError):
        ask(impatient, slow, n=2)
    ids = [p["id"] for p in api.call("GET", "predictions")["results"] if p["model"] == slow]
    assert len(ids) == 3
    assert {api.ended(id)["status"] for id in ids} == {"canceled"}
