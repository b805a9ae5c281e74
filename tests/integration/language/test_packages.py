"""Every package of models/language has the inputs of its table (model-catalog.md 3 and 4), and the kinds of them run.

They are read and run in the environment of the tiny one, which has no torch: what needs torch is imported late. Their
weights are random ones, of a GGUF file that the tests make.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from engine.testing import random_gguf

from hearth.cog import config, schema
from hearth.cog.build import Environment, Environments
from hearth.testing.live import LiveServer

LANGUAGE = Path(__file__).parents[3] / "models" / "language"
PACKAGES = sorted(path.parent.name for path in LANGUAGE.glob("*/cog.yaml"))
CACHE = Path(os.environ.get("HEARTH_TEST_CACHE") or Path.home() / ".cache" / "hearth-tests")
OPEN = None


class Of(NamedTuple):
    type: str
    default: Any = None
    least: float | None = OPEN
    most: float | None = OPEN
    required: bool = False


TEXT, NUMBER = Of("string"), Of("integer")
EXTRA = {
    "stop": TEXT, "messages": TEXT, "jsonschema": TEXT, "grammar": TEXT, "regex": TEXT, "choices": TEXT,
    "tools": TEXT, "tool_choice": TEXT, "seed": NUMBER,
}  # fmt: skip
BASE = {
    "prompt": Of("string", required=True),
    "max_new_tokens": Of("integer", 128, 1),
    "min_new_tokens": Of("integer", -1, -1),
    "temperature": Of("number", 0.7, 0.01, 5),
    "top_p": Of("number", 0.95, 0, 1),
    "top_k": Of("integer", -1, -1),
    "repetition_penalty": Of("number", 1.15, 0),
    "stop_sequences": TEXT,
    "debug": Of("boolean", False),
    "prompt_template": TEXT,
    "replicate_weights": TEXT,
    "max_tokens": NUMBER,
    "min_tokens": NUMBER,
    **EXTRA,
}
SYSTEM = Of("string", ...)
CHAT = {**BASE, "system_prompt": SYSTEM}
VLLM = {
    "prompt": Of("string", ""),
    "system_prompt": SYSTEM,
    "max_tokens": Of("integer", 512, 1),
    "min_tokens": Of("integer", 0, -1),
    "temperature": Of("number", 0.6, 0, 5),
    "top_p": Of("number", 0.9, 0, 1),
    "top_k": Of("integer", 50, -1),
    "presence_penalty": Of("number", 0),
    "frequency_penalty": Of("number", 0),
    "stop_sequences": Of("string", ""),
    "prompt_template": Of("string", ""),
    "max_new_tokens": NUMBER,
    "min_new_tokens": NUMBER,
    "log_performance_metrics": Of("boolean", False),
    **EXTRA,
}
TRITON = {
    **{name: of for name, of in VLLM.items() if name != "frequency_penalty"},
    "temperature": Of("number", 0.7, 0, 5),
    "top_p": Of("number", 0.95, 0, 1),
    "top_k": Of("integer", 0, -1),
    "length_penalty": Of("number", 1, 0, 5),
}
FIRST = {
    "prompt": Of("string", required=True),
    "max_new_tokens": Of("integer", 512, 1),
    "temperature": Of("number", 0.6, 0, 5),
    "top_p": Of("number", 0.9, 0, 1),
    "top_k": Of("integer", 50, -1),
    "presence_penalty": Of("number", 0),
    "frequency_penalty": Of("number", 0),
    "prompt_template": Of("string", "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"),
    "max_tokens": NUMBER,
    "min_new_tokens": NUMBER,
    "min_tokens": NUMBER,
    "stop_sequences": TEXT,
    **EXTRA,
}
MIXTRAL = {
    **FIRST,
    "max_new_tokens": Of("integer", 1024, 1),
    "prompt_template": Of("string", "<s>[INST] {prompt} [/INST]"),
}
FLAN = {
    "prompt": Of("string", required=True),
    "max_length": Of("integer", 50, 1),
    "temperature": Of("number", 0.75, 0.01, 5),
    "top_p": Of("number", 1.0, 0.01, 1),
    "repetition_penalty": Of("number", 1, 0.01, 5),
    "debug": Of("boolean", False),
}
LLAVA = {
    "image": Of("uri", required=True),
    "prompt": Of("string", required=True),
    "top_p": Of("number", 1.0, 0, 1),
    "temperature": Of("number", 0.2, 0),
    "max_tokens": Of("integer", 1024, 0),
    **{name: EXTRA[name] for name in ("stop", "seed", "jsonschema", "grammar", "regex", "choices")},
}
TABLES = {
    "flan-t5-xl": FLAN,
    "llava-13b": LLAVA,
    "meta-llama-3.1-405b-instruct": VLLM,
    "mistral-7b-instruct-v0.2": VLLM,
    "tiny": VLLM,
    "mixtral-8x7b-instruct-v0.1": MIXTRAL,
    "hermes-2-pro-llama-3-8b": FIRST,
    **{f"meta-llama-3-{size}b{kind}": TRITON for size in (8, 70) for kind in ("", "-instruct")},
    **{f"llama-2-{size}b": BASE for size in (7, 13, 70)},
    **{f"llama-2-{size}b-chat": CHAT for size in (7, 13, 70)},
    **{f"codellama-{size}b{kind}": BASE for size in (7, 13, 34) for kind in ("", "-python")},
    **{f"codellama-{size}b-instruct": CHAT for size in (7, 13, 34)},
    "mistral-7b-v0.1": BASE,
    "mistral-7b-instruct-v0.1": CHAT,
    "phind-codellama-34b-v2": CHAT,
    "nous-hermes-13b": CHAT,
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """That of the tiny model, kept from run to run."""

    async def prepare() -> Environment:
        environments = Environments(CACHE, environ=os.environ)
        wanted = config.load(LANGUAGE / "tiny")
        return await environments.prepare(wanted, workdir=tmp_path_factory.mktemp("build"), log=lambda line: None)

    return prepare


def copied(name: str, to: Path) -> Path:
    """A package as a push takes it along: what is linked is in it."""
    return shutil.copytree(LANGUAGE / name, to / name, ignore=shutil.ignore_patterns("*.gguf", "train"))


def test_every_package_of_the_catalogue_is_here() -> None:
    assert sorted(TABLES) == PACKAGES


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_says_what_it_is(name: str, tmp_path: Path) -> None:
    folder = copied(name, tmp_path)
    about = config.load_hearth(folder)
    assert about.description
    assert about.license_url.startswith("https://")
    assert about.priority >= 1
    assert config.load(folder).warnings == about.warnings == ()
    assert (folder / "README.md").read_text().startswith("# ")
    assert (LANGUAGE / name / "engine").resolve() == LANGUAGE / "engine"


@pytest.mark.parametrize("name", PACKAGES)
async def test_a_package_has_the_inputs_of_its_table(name: str, environment: Any, tmp_path: Path) -> None:
    folder = copied(name, tmp_path)
    described = await schema.describe(folder, config.load(folder), await environment(), log=lambda line: None)
    document = described.openapi_schema["components"]["schemas"]
    assert described.is_async_generator
    assert described.concurrency == 16
    assert document["Output"]["x-cog-array-display"] == "concatenate"
    required = set(document["Input"].get("required", ()))
    found = {}
    for key, of in document["Input"]["properties"].items():
        kind = "uri" if of.get("format") == "uri" else of["type"]
        default = ... if key == "system_prompt" and of.get("default") else of.get("default")
        found[key] = Of(kind, default, of.get("minimum"), of.get("maximum"), key in required)
    assert found == TABLES[name]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    weights = random_gguf(tmp_path_factory.mktemp("weights") / "random.gguf")
    given = json.dumps({"MODEL_WEIGHTS": str(weights), "MODEL_BACKEND": "numpy"})
    data = tmp_path_factory.mktemp("server") / "hearth-data"
    with LiveServer(data, tls=False, variables={"HEARTH_MODEL_ENVIRONMENT": given}) as running:
        yield running


def pushed(server: LiveServer, name: str, to: Path) -> str:
    """The version, with the tiny one's requirements: no torch for a test."""
    folder = copied(name, to)
    shutil.copy(LANGUAGE / "tiny" / "cog.yaml", folder / "cog.yaml")
    (folder / "hearth.yaml").unlink()
    return server.hearth("push", str(folder), f"admin/{name}", "--create").stdout.strip().split(":")[1]


def predicted(server: LiveServer, version: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """A prediction that has ended."""
    answer = httpx.post(
        f"{server.url}/v1/predictions",
        json={"version": version, "input": inputs},
        headers={"Authorization": f"Bearer {server.token}", "Prefer": "wait=60"},
        timeout=70,
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("llama-2-7b-chat", {"max_new_tokens": 8, "min_new_tokens": 8}),
        ("codellama-7b-python", {"max_tokens": 8, "min_tokens": 8}),
        ("meta-llama-3-8b-instruct", {"max_tokens": 8, "min_tokens": 8}),
        ("mixtral-8x7b-instruct-v0.1", {"max_new_tokens": 8, "min_tokens": 8}),
        ("tiny", {"max_new_tokens": 8, "min_new_tokens": 8}),
    ],
)
def test_a_package_runs(name: str, inputs: dict[str, Any], server: LiveServer, tmp_path: Path) -> None:
    version = pushed(server, name, tmp_path)
    asked = {"prompt": "Say something.", "seed": 5, **inputs}
    first, second = predicted(server, version, asked), predicted(server, version, asked)
    assert first["status"] == "succeeded", first["error"]
    assert "".join(first["output"]) == "".join(second["output"])
    metrics = first["metrics"]
    assert metrics["output_token_count"] == 8
    assert metrics["input_token_count"] > 0
    assert metrics["finish_reason"] == "length"
    assert metrics["tokens_per_second"] > 0
    assert 0 < metrics["time_to_first_token"] < 60
    assert "seed: 5" in first["logs"]


def test_what_cannot_be_answered_says_why(server: LiveServer, tmp_path: Path) -> None:
    version = pushed(server, "tiny", tmp_path)
    for inputs, error in [({"prompt": " "}, "E1001"), ({"prompt": "a", "prompt_template": "b"}, "E1003")]:
        done = predicted(server, version, inputs)
        assert done["status"] == "failed"
        assert error in done["error"]
