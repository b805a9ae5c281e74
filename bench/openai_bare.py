"""llama.cpp's own server on a GGUF file, in an environment that has xllamacpp: what OpenAI's door is held against.

`python openai_bare.py GGUF SLOTS THREADS CONTEXT` prints the server's URL in a line of JSON, and ends with its standard
input. `CONTEXT` is in tokens, of each slot.
"""

from __future__ import annotations

import importlib
import json
import sys

ERRORS_ONLY = 1
"""A verbosity of llama.cpp's: its log says a few lines for every request."""


def main() -> None:
    gguf, slots, threads, context = sys.argv[1], *map(int, sys.argv[2:])
    xllamacpp = importlib.import_module("xllamacpp")
    settings = xllamacpp.CommonParams()
    settings.model.path = gguf
    settings.n_parallel, settings.n_ctx = slots, slots * context
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    settings.verbosity = ERRORS_ONLY
    server = xllamacpp.Server(settings)  # on a free port of 127.0.0.1, by C++ threads
    print(json.dumps({"url": server.listening_address, "version": xllamacpp.__version__}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
