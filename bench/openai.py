"""`python -m bench openai [--quick] [--numpy]`: OpenAI's door beside llama.cpp's own server, on the same GGUF file.

The same streamed chats go to both in turns: the same messages, seeds, temperature and lengths, which differ so that
those who run together do not begin together. llama.cpp's server is the C++ one that PyPI's xllamacpp brings as a wheel,
with as many slots and threads as Hearth's engine has. Tokens as each side counts them (`usage`), and the time until the
first text.

Hearth runs the model by the llama.cpp of the same wheel, so that servers are compared; with `--numpy` by the engine
that Kindling is shipped with, and the figures compare two engines. The result says which it was. There are no targets.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import uvloop
from rich.console import Console
from rich.table import Table

from bench import results
from bench.http import Connection
from bench.language_bare import length
from hearth.testing.live import LiveServer

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "models" / "language" / "tiny"
GGUF = PACKAGE / "weights" / "kindling.gguf"
WORDS = ("river", "ship", "house", "music", "winter", "letter", "garden", "king", "horse", "stone", "bread", "window")
SLOTS, THREADS, CONTEXT, TOKENS = 16, 1, 512, 96
AT_A_TIME = (1, 4, 16)
console = Console(highlight=False)
Figures = dict[str, float]


class Side(NamedTuple):
    """A server that speaks OpenAI's dialect."""

    url: str
    path: str
    model: str
    headers: Mapping[str, str]


class Native:
    """llama.cpp's server in a process of its own. A context manager."""

    side: Side
    version: str

    def __init__(self, python: Path) -> None:
        program = str(Path(__file__).with_name("openai_bare.py"))
        command = [str(python), program, str(GGUF), *map(str, (SLOTS, THREADS, CONTEXT))]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> Native:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        while line and not line.startswith("{"):
            line = self._process.stdout.readline()
        assert line, "llama.cpp's server did not start"
        started = json.loads(line)
        self.version = started["version"]
        self.side = Side(started["url"], "/v1/chat/completions", "kindling", {})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def asked(model: str, seed: int) -> dict[str, Any]:
    """The request of this seed. Each side reads its own way to be told a fewest number of tokens, and ignores the
    other's; neither draws from fewer tokens than all."""
    most = length(seed, TOKENS)
    return {
        "model": model,
        "messages": [{"role": "user", "content": f"Use the word {WORDS[seed % len(WORDS)]} in a sentence."}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "seed": seed,
        "max_tokens": most,
        "min_tokens": most,
        "ignore_eos": True,
        "temperature": 0.7,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.0,
    }


async def load(side: Side, concurrency: int, seeds: range) -> Figures:
    """Tokens a second over all of them, the median seconds until the first text, and the tokens of the prompts."""
    firsts: list[float] = []
    prompts: list[int] = []
    tokens: list[int] = []
    left = list(seeds)

    async def work() -> None:
        while left:
            seed = left.pop()
            began = time.time()
            seen = await Connection(side.url).events(side.path, dict(side.headers), "POST", asked(side.model, seed))
            first, prompt, count = read(seen)
            assert count == length(seed, TOKENS), f"{side.url} made {count} tokens of {length(seed, TOKENS)}"
            firsts.append(first - began)
            tokens.append(count)
            prompts.append(prompt)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    rate = sum(tokens) / (time.perf_counter() - began)
    return {"rate": rate, "first": statistics.median(firsts), "prompts": sum(prompts)}


def read(seen: list[tuple[float, bytes]]) -> tuple[float, int, int]:
    """When the first text came, and how many tokens the prompt and the answer have, as the server counts. Raises
    ValueError for an answer that is not whole."""
    first, prompt, tokens = None, 0, None
    for at, line in seen:
        if not line.startswith(b"data: {"):
            continue
        part = json.loads(line[6:])
        if first is None and any(choice["delta"].get("content") for choice in part.get("choices", ())):
            first = at
        if usage := part.get("usage"):
            prompt, tokens = usage["prompt_tokens"], usage["completion_tokens"]
    if first is None or tokens is None:
        raise ValueError(f"this is no whole answer: {b''.join(line for _, line in seen[:20])!r}")
    return first, prompt, tokens


def main(arguments: list[str]) -> int:
    rounds, each = (2, 1) if "--quick" in arguments else (6, 3)
    rows = []
    with tempfile.TemporaryDirectory(prefix="hearth-bench-") as name:
        folder = Path(name)
        python = _environment(folder / "native")
        if python is None:
            console.print("Skipped: there is no wheel of xllamacpp here, which has llama.cpp's own server.")
            return 0
        engine = "numpy" if "--numpy" in arguments else "llama.cpp"
        server = LiveServer(folder / "data", tls=False, variables={"HEARTH_LOG_LEVEL": "warning"})
        with server, Native(python) as native:
            console.print(f"pushing the model, to run by {engine}")
            package = str(_package(folder / "kindling", None if engine == "numpy" else native.version))
            server.hearth("push", package, "admin/kindling", "--create", "--json", timeout=600)
            headers = {"Authorization": f"Bearer {server.token}"}
            theirs = native.side
            ours = Side(server.url, "/openai/v1/chat/completions", "admin/kindling", headers)
            warm = [uvloop.run(load(side, SLOTS, range(SLOTS))) for side in (theirs, ours)]
            assert warm[0]["prompts"] == warm[1]["prompts"], f"the prompts differ: {warm}"
            for concurrency in AT_A_TIME:
                console.print(f"{concurrency} at a time")
                rows.append(_row(concurrency, _pairs(theirs, ours, concurrency, rounds, each * max(concurrency, 4))))
    about = {"llama_cpp": f"xllamacpp {native.version}", "hearth_engine": engine, "slots": SLOTS, "threads": THREADS}
    _show(rows, about)
    if "--quick" not in arguments:
        console.print(f"written to {results.write('openai', {**about, 'rows': rows}).relative_to(ROOT)}")
    return 0


def _pairs(theirs: Side, ours: Side, concurrency: int, rounds: int, count: int) -> list[tuple[Figures, Figures]]:
    """In turns, so that a noisy minute hits both; each is first as often."""
    pairs = []
    for n in range(rounds):
        seeds = range(n * count, (n + 1) * count)
        if n % 2:
            second = uvloop.run(load(ours, concurrency, seeds))
            pairs.append((uvloop.run(load(theirs, concurrency, seeds)), second))
        else:
            first = uvloop.run(load(theirs, concurrency, seeds))
            pairs.append((first, uvloop.run(load(ours, concurrency, seeds))))
    return pairs


def _environment(folder: Path) -> Path | None:
    """The interpreter of a new environment with xllamacpp; None: there is no wheel of it to be had."""
    python = folder / "bin" / "python"
    subprocess.run([*_UV, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    wanted = ["--quiet", "--only-binary", ":all:", "--python", str(python), "xllamacpp"]
    done = subprocess.run([*_UV, "pip", "install", *wanted], capture_output=True)
    return python if done.returncode == 0 else None


def _package(folder: Path, version: str | None) -> Path:
    """Kindling, to run by llama.cpp from this version of xllamacpp, or by numpy."""
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("train", "__pycache__"))
    variables = {
        "MODEL_BACKEND": "llama_cpp" if version else "numpy",
        "MODEL_SLOTS": str(SLOTS),
        "MODEL_CONTEXT": str(CONTEXT),
        "MODEL_THREADS": str(THREADS),
    }
    config = folder / "cog.yaml"
    text = config.read_text()
    lines = "".join(f"  - {name}={value}\n" for name, value in variables.items())
    text = text.replace("\nenvironment:\n", f"\nenvironment:\n{lines}")
    if version:
        text = text.replace("python_packages:\n", f"python_packages:\n    - xllamacpp=={version}\n")
    config.write_text(text)
    return folder


def _row(concurrency: int, pairs: list[tuple[Figures, Figures]]) -> dict[str, Any]:
    def median(key: str, side: int) -> float:
        return statistics.median(pair[side][key] for pair in pairs)

    return {
        "at_a_time": concurrency,
        "llama_cpp_tokens_per_second": median("rate", 0),
        "hearth_tokens_per_second": median("rate", 1),
        "rate": statistics.median(ours["rate"] / theirs["rate"] for theirs, ours in pairs),
        "llama_cpp_first_ms": median("first", 0) * 1000,
        "hearth_first_ms": median("first", 1) * 1000,
        "first": statistics.median(ours["first"] / theirs["first"] for theirs, ours in pairs),
    }


def _show(rows: list[dict[str, Any]], about: Mapping[str, Any]) -> None:
    console.print(
        f"llama.cpp's server of {about['llama_cpp']}; Hearth's engine: {about['hearth_engine']}; "
        f"{about['slots']} slots, {about['threads']} thread each",
        soft_wrap=True,
    )
    table = Table("at a time", "llama.cpp tokens/s", "Hearth", "ratio", "llama.cpp first", "Hearth", "ratio", box=None)
    for row in rows:
        rates = [f"{row[key]:.0f}" for key in ("llama_cpp_tokens_per_second", "hearth_tokens_per_second")]
        firsts = [f"{row[key]:.1f} ms" for key in ("llama_cpp_first_ms", "hearth_first_ms")]
        table.add_row(str(row["at_a_time"]), *rates, f"{row['rate']:.2f}", *firsts, f"{row['first']:.2f}")
    console.print(table)


_UV = (sys.executable, "-m", "uv")
