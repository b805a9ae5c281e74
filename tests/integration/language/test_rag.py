"""Answers out of documents: the embeddings package and examples/rag, on a live server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hearth.testing.live import LiveServer

ROOT = Path(__file__).parents[3]
DOCUMENTS = {
    "pumps.md": "# Pumps\n\nPump two leaks when the seal is worn. Replace it every spring.\n\nAll pumps are blue.\n",
    "food/soup.txt": "Soup is cooked slowly, with onions and salt.\n\nBread goes well with it.\n",
    "ignored.bin": "the seal of pump two",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("server") / "hearth-data") as running:
        running.hearth("push", str(ROOT / "models/embeddings/minilm"), "admin/minilm", "--create")
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    for name, text in DOCUMENTS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def run(server: LiveServer, *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "examples/rag/rag.py"), *arguments]
    ran = subprocess.run(command, env=server.environment(), capture_output=True, text=True, timeout=100, check=False)
    assert not ran.returncode, ran.stderr
    return ran.stdout


def test_documents_are_quoted_with_their_sources(server: LiveServer, folder: Path) -> None:
    said = run(server, str(folder), "Why does water come out of the second pump?", "What do I eat with soup?")
    pumps, soup = said.split("What do I eat")
    assert "leaks when the seal is worn" in pumps
    assert pumps.split("Sources:")[1].strip().startswith("[1] pumps.md:3")
    assert "Bread" in soup
    assert "ignored.bin" not in said


def test_like_meanings_have_like_vectors(server: LiveServer) -> None:
    texts = ["The pump is leaking.", "Water drips from the machine.", "He sings an old song."]
    output = server.hearth("run", "admin/minilm", "-i", f"texts={json.dumps(texts)}", "--json").stdout
    leak, drip, song = json.loads(output)["output"]
    assert len(leak) == 384

    def alike(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert alike(leak, drip) > 2 * alike(leak, song)
    assert alike(leak, leak) == pytest.approx(1, abs=1e-4)


def test_lines_of_a_file_become_an_array(server: LiveServer, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('{"text": "one"}\n\n{"text": "two"}\n')
    output = tmp_path / "out"
    server.hearth(
        "run",
        "admin/minilm",
        "-i",
        f"path=@{tmp_path / 'texts.jsonl'}",
        "-i",
        "convert_to_numpy=true",
        "-o",
        str(output),
    )
    assert np.load(next(output.glob("*.npy"))).shape == (2, 384)


def test_nothing_to_embed_is_said(server: LiveServer) -> None:
    ran = server.hearth("run", "admin/minilm", check=False)
    assert ran.returncode
    assert "nothing to embed" in ran.stdout + ran.stderr
