"""The engine of a language model alone, in the environment that a push made: what Hearth's figures are held against.

`python language_bare.py PACKAGE TOKENS PROMPT` reads rounds, `[concurrency, count]` a line, and prints the figures of
each.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any


def length(seed: int, tokens: int) -> int:
    """How long this answer is: half to one and a half times `tokens`."""
    return tokens // 2 + seed * 37 % (tokens + 1)


async def measure(engine: Any, package: Any, concurrency: int, count: int, tokens: int, prompt: str) -> dict[str, Any]:
    firsts: list[float] = []
    left = list(range(count))
    total = sum(length(seed, tokens) for seed in left)

    async def work() -> None:
        while left:
            seed = left.pop()
            most = length(seed, tokens)
            params = package.Params(seed=seed, max_tokens=most, min_tokens=most, temperature=0.7)
            began = time.perf_counter()
            waiting = True
            async for _ in engine.generate(package.Request(prompt=prompt, params=params)):
                if waiting:
                    firsts.append(time.perf_counter() - began)
                    waiting = False

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return {"rate": total / (time.perf_counter() - began), "first": sorted(firsts)[len(firsts) // 2]}


async def main() -> None:
    folder, tokens, prompt = sys.argv[1:]
    sys.path.insert(0, folder)
    package = importlib.import_module("engine")
    card = package.Card(name="bench", weights=Path(folder, "weights"))
    engine = package.load(card)
    await measure(engine, package, 1, 2, 8, prompt)
    print("ready", flush=True)
    for line in sys.stdin:  # a round when it is asked for, so that both sides take turns
        concurrency, count = json.loads(line)
        print(json.dumps(await measure(engine, package, concurrency, count, int(tokens), prompt)), flush=True)
    engine.close()


if __name__ == "__main__":
    asyncio.run(main())
