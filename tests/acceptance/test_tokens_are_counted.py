"""Tokens: of a text, by a command, and of a prediction, in its metrics and in those of the server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

WORDS = """
from typing import Iterator
from cog import BasePredictor, current_scope

class Predictor(BasePredictor):
    def predict(self, prompt: str) -> Iterator[str]:
        words = prompt.split()
        current_scope().record_metric("input_token_count", len(words))
        yield from words
        current_scope().record_metric("output_token_count", len(words))
"""
TOKENIZER = Path(__file__).parents[2] / "models" / "language" / "tiny" / "weights" / "tokenizer.json"


@pytest.fixture(scope="module")
def counting(server: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("counting")
    (folder / "cog.yaml").write_text('build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\n')
    (folder / "predict.py").write_text(WORDS)
    shutil.copy(TOKENIZER, folder)
    server.hearth("push", str(folder), "admin/counting", "--create")
    return "admin/counting"


def test_a_text_is_split_by_a_command(server: Any, counting: str, tmp_path: Path) -> None:
    said = server.hearth("tokens", counting, "What is a lantern?").stdout
    assert said == "What| is| a| l|an|tern|?\n7 tokens\n"
    version = json.loads(server.hearth("versions", counting, "--json").stdout)[0]["id"]
    found = json.loads(server.hearth("tokens", f"{counting}:{version}", "a lantern", "--json").stdout)
    assert (found["count"], [token["text"] for token in found["tokens"]]) == (4, ["a", " l", "an", "tern"])


def test_a_model_without_a_tokenizer_says_so(server: Any, models: Any) -> None:
    refused = server.hearth("tokens", models("noop").name, "text", check=False)
    assert refused.returncode == 1
    assert "ships no tokenizer" in refused.stderr
    assert "hearth.yaml" in refused.stderr


def test_what_a_model_counts_is_timed(server: Any, counting: str) -> None:
    found = json.loads(server.hearth("run", counting, "-i", "prompt=one two three", "--json").stdout)
    metrics = found["metrics"]
    assert (metrics["input_token_count"], metrics["output_token_count"]) == (3, 3)
    assert 0 <= metrics["time_to_first_token"] <= metrics["predict_time"] + 1
    assert metrics["tokens_per_second"] > 0
