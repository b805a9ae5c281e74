"""Tokens under a prompt, for a model that ships its tokenizer; the same by the API and the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Api, Model, Models

ECHO = """
from cog import BasePredictor, current_scope

class Predictor(BasePredictor):
    def predict(self, prompt: str, other: str = "") -> str:
        current_scope().record_metric("input_token_count", 3)
        current_scope().record_metric("output_token_count", 4)
        return prompt
"""
TOKENIZER = Path(__file__).parents[2] / "models" / "language" / "tiny" / "weights" / "tokenizer.json"


@pytest.fixture(scope="module")
def echo(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("echo")
    (folder / "cog.yaml").write_text('build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\n')
    (folder / "predict.py").write_text(ECHO)
    (folder / "words").mkdir()
    (folder / "hearth.yaml").write_text("tokenizer: words/tokenizer.json\n")
    shutil.copy(TOKENIZER, folder / "words" / "tokenizer.json")
    return models.push(folder, "echo-tokens")


def test_the_api_counts_and_splits(api: Api, echo: Model, models: Models):
    text = "What is a lantern? 🙂"
    for path in (f"models/{echo.name}", f"models/{echo.name}/versions/{echo.version}"):
        found = api("POST", f"{path}/tokens", json={"text": text})
        assert found["count"] == len(found["tokens"]) > 5
        assert "".join(token["text"] for token in found["tokens"]) == text
    refused = api.http.post(f"models/{models('noop').name}/tokens", json={"text": text})
    assert refused.status_code == 404
    assert "no tokenizer" in json.dumps(refused.json())
    assert api.http.post(f"models/{echo.name}/tokens", json={"text": "a" * 200_001}).status_code == 400


def test_the_count_follows_what_is_typed(page: Page, accessible, echo: Model):
    page.goto("/admin/echo-tokens")
    count = page.locator("#in-prompt-count")
    expect(count).to_have_text("0 tokens")
    page.locator("#in-prompt").fill("What is a lantern?")
    expect(count).to_have_text("7 tokens")
    count.click()
    expect(page.locator("#in-prompt-tokens .token")).to_have_text(["What", " is", " a", " l", "an", "tern", "?"])
    expect(page.locator("#in-other-count")).to_have_count(0)
    accessible(page)


def test_a_prediction_tells_its_tokens(page: Page, api: Api, echo: Model):
    made = api.run(echo, {"prompt": "one two"})
    page.goto(f"/p/{made['id']}")
    details = page.locator("#details .facts")
    expect(details).to_contain_text("3 in, 4 out")
    expect(details).to_contain_text("tokens per second")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_on_a_phone(open_page, accessible, echo: Model, theme: str):
    page = open_page("/admin/echo-tokens", theme=theme, size=PHONE, anonymous=True)
    page.locator("#in-prompt").fill("many words " * 60)
    expect(page.locator("#in-prompt-count")).to_contain_text("tokens")
    page.locator("#in-prompt-count").click()
    accessible(page)
