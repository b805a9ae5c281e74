"""OpenAI's official clients, Python and npm, at Hearth's door for them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import openai
import pytest

from hearth.testing.live import LiveServer
from hearth.testing.programs import Program

PNG = "data:image/png;base64,iVBORw0KGgo="
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def speaker(models: Any) -> str:
    return str(models("speaker").name)


@pytest.fixture
def ai(server: LiveServer) -> Iterator[openai.OpenAI]:
    context = ssl.create_default_context(cafile=server.connection.ca)
    http = httpx.Client(verify=context, trust_env=False)
    with openai.OpenAI(base_url=f"{server.url}/openai/v1", api_key=server.token, http_client=http) as client:
        yield client


@pytest.fixture
async def async_ai(server: LiveServer) -> AsyncIterator[openai.AsyncOpenAI]:
    context = ssl.create_default_context(cafile=server.connection.ca)
    http = httpx.AsyncClient(verify=context, trust_env=False)
    async with openai.AsyncOpenAI(base_url=f"{server.url}/openai/v1", api_key=server.token, http_client=http) as client:
        yield client


def ask(ai: openai.OpenAI, model: str, content: Any, **options: Any) -> Any:
    return ai.chat.completions.create(model=model, messages=[{"role": "user", "content": content}], **options)


def test_a_chat_is_answered(ai: openai.OpenAI, speaker: str, api: Any) -> None:
    answer = ai.chat.completions.create(
        model=speaker,
        messages=[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Say hello"}],
        temperature=0,
        seed=7,
        user="somebody",
    )
    assert answer.choices[0].message.content == "system: Be kind. / user: Say hello"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == speaker
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (4, 7, 11)
    prediction = api.get(answer.id.removeprefix("chatcmpl-"))
    assert prediction["status"] == "succeeded"
    assert prediction["input"]["temperature"] == 0.01  # the nearest that this model takes
    assert prediction["input"]["seed"] == 7


def test_a_prompt_counts_once_for_all_answers_to_it(ai: openai.OpenAI, speaker: str) -> None:
    chats = [ask(ai, speaker, "one two", n=n).usage for n in (1, 3)]
    assert [(usage.prompt_tokens, usage.completion_tokens) for usage in chats] == [(2, 3), (2, 9)]
    options = {"n": 2, "stream": True, "stream_options": {"include_usage": True}}
    *_, last = ai.completions.create(model=speaker, prompt=["one two", "one two"], **options)
    assert last.usage is not None
    assert last.usage.prompt_tokens == 4


def test_tokens_are_limited(ai: openai.OpenAI, speaker: str) -> None:
    answer = ask(ai, speaker, "one two three four", max_completion_tokens=3)
    assert answer.choices[0].message.content == "user: one two"
    assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize(("stop", "left"), [("three", "user: one two "), (["two, three", "x"], "user: one ")])
def test_stop_sequences_end_it(ai: openai.OpenAI, speaker: str, stop: Any, left: str) -> None:
    content = "one two, three" if isinstance(stop, list) else "one two three"
    assert ask(ai, speaker, content, stop=stop).choices[0].message.content == left


def test_a_chat_streams(ai: openai.OpenAI, speaker: str) -> None:
    stream = ask(ai, speaker, "one two", stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    assert [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content] == [
        "user:", " one", " two",
    ]  # fmt: skip
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 5
    assert len({c.id for c in chunks}) == 1


async def test_a_stream_that_is_closed_cancels(async_ai: openai.AsyncOpenAI, models: Any, api: Any) -> None:
    endless = models.write(
        "endless-speaker",
        "import time\nfrom cog import BaseRunner, ConcatenateIterator\n\n\nclass Predictor(BaseRunner):\n"
        "    def run(self, prompt: str) -> ConcatenateIterator[str]:\n        while True:\n"
        "            yield prompt\n            time.sleep(0.01)\n",
    ).name
    stream = await async_ai.chat.completions.create(
        model=endless, messages=[{"role": "user", "content": "again"}], stream=True
    )
    chunks = aiter(stream)
    first = await anext(chunks)
    assert (await anext(chunks)).choices[0].delta.content == "again"
    await stream.close()
    assert api.ended(first.id.removeprefix("chatcmpl-"))["status"] == "canceled"


def test_several_answers(ai: openai.OpenAI, speaker: str) -> None:
    answer = ask(ai, speaker, "hello", n=3, seed=1)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.usage.completion_tokens == 6


def test_an_answer_follows_a_schema(ai: openai.OpenAI, speaker: str) -> None:
    schema = {"name": "thing", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}
    answer = ask(ai, speaker, "go", response_format={"type": "json_schema", "json_schema": schema})
    assert answer.choices[0].message.content == '{"schema": "object", "temperature": 0.6, "seed": null}'
    assert "object" in ask(ai, speaker, "go", response_format={"type": "json_object"}).choices[0].message.content


def test_tools_are_called(ai: openai.OpenAI, speaker: str) -> None:
    answer = ask(ai, speaker, "Weather in Oslo?", tools=[WEATHER])
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    call = choice.message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Oslo"}')
    turns: list[Any] = [
        {"role": "user", "content": "Weather in Oslo?"},
        choice.message.to_dict(),
        {"role": "tool", "tool_call_id": call.id, "content": "rain"},
    ]
    after = ai.chat.completions.create(model=speaker, messages=turns, tools=[WEATHER])  # type: ignore[list-item]
    assert after.choices[0].message.content == "user: Weather in Oslo? / assistant:  / tool: rain"
    plain = ask(ai, speaker, "Weather?", tools=[WEATHER], tool_choice="none")
    assert plain.choices[0].message.content == "user: Weather?"


def test_a_called_tool_streams_as_one(ai: openai.OpenAI, speaker: str) -> None:
    chunks = list(ask(ai, speaker, "Weather in Oslo?", tools=[WEATHER], stream=True))
    calls = [c.choices[0].delta.tool_calls for c in chunks if c.choices[0].delta.tool_calls]
    assert [call[0].function.name for call in calls] == ["weather"]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_an_image_is_seen(ai: openai.OpenAI, speaker: str) -> None:
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PNG}}]
    assert ask(ai, speaker, parts).choices[0].message.content == "user: What is it? (8 bytes)"


def test_a_text_goes_on(ai: openai.OpenAI, speaker: str) -> None:
    answer = ai.completions.create(model=speaker, prompt=["one two", "three"], max_tokens=1, echo=True)
    assert [choice.text for choice in answer.choices] == ["one twoone", "threethree"]
    assert [choice.finish_reason for choice in answer.choices] == ["length", "stop"]
    stream = ai.completions.create(model=speaker, prompt="one two", stream=True, max_tokens=9)
    assert "".join(chunk.choices[0].text for chunk in stream) == "one two"


@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}])
def test_texts_become_vectors(ai: openai.OpenAI, models: Any, options: Any) -> None:
    answer = ai.embeddings.create(model=models("embedder").name, input=["banana", "ice"], **options)
    assert [vector.embedding for vector in answer.data] == [[3, 0, 0, 0, 0], [0, 1, 1, 0, 0]]
    assert [vector.index for vector in answer.data] == [0, 1]


def test_models_are_listed(ai: openai.OpenAI, speaker: str, models: Any) -> None:
    other = models("sleeper").name
    listed = {model.id: model for model in ai.models.list()}
    assert listed[speaker].owned_by == "admin"
    assert other not in listed
    assert ai.models.retrieve(speaker).id == speaker


def test_errors_are_read(ai: openai.OpenAI, speaker: str, api: Any) -> None:
    with pytest.raises(openai.NotFoundError, match="admin/nothing"):
        ask(ai, "admin/nothing", "hello")
    with pytest.raises(openai.BadRequestError) as refused:
        ask(ai, speaker, "hello", n=99)
    assert refused.value.param == "n"
    with pytest.raises(openai.AuthenticationError):
        ask(ai.with_options(api_key="nothing"), speaker, "hello")
    before = len(api.call("GET", "predictions")["results"])
    with pytest.raises(openai.InternalServerError, match="no"):
        ai.completions.create(model=speaker, prompt="fail")
    if before < 100:  # a model's own error is not asked for again
        assert len(api.call("GET", "predictions")["results"]) == before + 1
    turns: Any = [{"role": "system", "content": "x"}, {"role": "user", "content": "fail"}]
    with pytest.raises(openai.BadRequestError) as long:
        ai.chat.completions.create(model=speaker, messages=turns)
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.APIError, match="no"):
        list(ai.completions.create(model=speaker, prompt="fail", stream=True))


def test_a_model_that_cannot_says_so(ai: openai.OpenAI, models: Any) -> None:
    plain = models.write(
        "plain-speaker",
        "from cog import BaseRunner, ConcatenateIterator\n\n\nclass Predictor(BaseRunner):\n"
        "    def run(self, prompt: str) -> ConcatenateIterator[str]:\n        yield prompt\n",
    ).name
    turns: Any = [
        {"role": "system", "content": "Be kind."}, {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"},
    ]  # fmt: skip
    said = ai.chat.completions.create(model=plain, messages=turns, temperature=0.5).choices[0].message.content
    assert said == "Be kind.\n\nUser: a\nAssistant: b\nUser: c\nAssistant:"
    with pytest.raises(openai.BadRequestError, match="jsonschema"):
        ask(ai, plain, "hello", response_format={"type": "json_object"})
    with pytest.raises(openai.BadRequestError, match="tools"):
        ask(ai, plain, "hello", tools=[WEATHER])


def test_javascript(js: Program, server: LiveServer, speaker: str, models: Any) -> None:
    code = """
      const OpenAI = require("openai");
      const ai = new OpenAI({ baseURL: `${url}/openai/v1`, apiKey: token });
      const messages = [{ role: "user", content: "one two" }];
      const answer = await ai.chat.completions.create({ model, messages });
      const stream = await ai.chat.completions.create({ model, messages, stream: true });
      let streamed = "";
      for await (const chunk of stream) streamed += chunk.choices[0]?.delta?.content ?? "";
      const vectors = await ai.embeddings.create({ model: embedder, input: ["banana"] });
      const listed = [];
      for await (const each of ai.models.list()) listed.push(each.id);
      let refused;
      try { await ai.chat.completions.create({ model: "admin/nothing", messages }); }
      catch (error) { refused = error.status; }
      return {
        content: answer.choices[0].message.content, tokens: answer.usage.total_tokens, streamed,
        vector: Array.from(vectors.data[0].embedding), listed, refused,
      };
    """
    found = js(code, url=server.url, token=server.token, model=speaker, embedder=models("embedder").name)
    assert found["content"] == found["streamed"] == "user: one two"
    assert found["tokens"] == 5
    assert found["vector"] == [3, 0, 0, 0, 0]
    assert speaker in found["listed"]
    assert found["refused"] == 404
