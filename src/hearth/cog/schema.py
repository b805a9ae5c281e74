"""What a version needs to know of its code: the OpenAPI document, and how it wants to be run.

The facts come from importing the model inside its environment; where the import fails for want of a GPU or of
a system library, from reading the source (cog-runtime.md 6.5).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hearth.cog.build import Environment
from hearth.cog.config import CogConfig
from hearth.cog.facts import ErrorFact, Facts
from hearth.cog.openapi import document_of, runtime_schema
from hearth.cog.process import execute, tail
from hearth.errors import BuildFailed

__all__ = ["ModelDescription", "describe", "runtime_schema"]

_INTROSPECT = Path(__file__).with_name("introspect.py")
_STATIC = Path(__file__).with_name("introspect_static.py")
_TIMEOUT = 300.0
"""Seconds. An import of torch and transformers from a cold disk takes up to a minute."""
_MACHINE = re.compile(
    r"cuda|cudnn|nvidia|\bgpus?\b|\brocm\b|hip error|driver|\.so(\.\d+)*\b|shared object|dylib", re.IGNORECASE
)
"""Messages of imports that fail because of this machine, not because of the code."""
_decoder = msgspec.json.Decoder(Facts)


class ModelDescription(msgspec.Struct, frozen=True, kw_only=True):
    openapi_schema: dict[str, Any]
    is_async: bool
    is_async_generator: bool
    is_iterator: bool
    """The output arrives item by item."""
    streaming: bool
    """Declared with @cog.streaming."""
    concurrency: int
    takes_weights: bool
    trainable: bool
    cog_version: str


async def describe(
    source: Path,
    config: CogConfig,
    env: Environment,
    *,
    log: Callable[[str], None],
    markers: Mapping[str, str] | None = None,
    timeout: float = _TIMEOUT,
) -> ModelDescription:
    """Reads the model in `source`, a working copy: the import may write there. `markers` are variables of the
    process that does it. Raises BuildFailed with the end of the traceback."""
    facts = await _facts(_INTROSPECT, source, config, env, log, markers or {}, timeout)
    if facts.error is not None and _about_machine(facts.error):
        log(f"The model can't be imported here ({_first_line(facts.error)}); reading its source instead.")
        facts = await _facts(_STATIC, source, config, env, log, markers or {}, timeout)
    if facts.error is not None:
        raise BuildFailed(
            f"The model's code can't be loaded:\n{tail(facts.error.traceback, 15)}", hint=_hint(facts.error)
        )
    document = document_of(facts)
    main = facts.predict or facts.train
    assert main is not None
    output = document["components"]["schemas"]["Output"]
    return ModelDescription(
        openapi_schema=document,
        is_async=main.is_async,
        is_async_generator=main.is_async_generator,
        is_iterator=output.get("x-cog-array-type") == "iterator",
        streaming=main.streaming,
        concurrency=_concurrency(config, main.concurrent_max, main.is_async, log),
        takes_weights=main.takes_weights,
        trainable=facts.train is not None,
        cog_version=env.cog_version,
    )


async def _facts(
    script: Path,
    source: Path,
    config: CogConfig,
    env: Environment,
    log: Callable[[str], None],
    markers: Mapping[str, str],
    timeout: float,
) -> Facts:
    request = msgspec.json.encode({"predict": config.predict, "train": config.train}).decode()
    with tempfile.TemporaryDirectory(prefix="hearth-schema-") as tmp:
        variables = {
            "LANG": "C.UTF-8",
            "HOME": tmp,
            **config.environment,
            "PATH": f"{env.bin}{os.pathsep}{os.defpath}",
            "TMPDIR": tmp,
            "PYTHONUNBUFFERED": "1",
            "CUDA_VISIBLE_DEVICES": "",
            **markers,
        }
        try:
            code, text = await execute(
                [env.python, script, request],
                env=variables,
                cwd=source,
                log=log,
                capture=True,
                timeout=timeout,
            )
        except TimeoutError:
            raise BuildFailed(
                f"Importing the model took longer than {timeout:.0f} s.",
                hint="Load weights and start downloads in setup(), not at the top of the file.",
            ) from None
    if code:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise BuildFailed(f"The process that imports the model {how}.")
    return _decoder.decode(text)


def _about_machine(error: ErrorFact) -> bool:
    missing_module = error.type == "ModuleNotFoundError"
    return not missing_module and error.type != "SyntaxError" and bool(_MACHINE.search(error.message))


def _concurrency(config: CogConfig, declared: int | None, is_async: bool, log: Callable[[str], None]) -> int:
    wanted = config.concurrency_max or declared or 1
    if wanted > 1 and not is_async:
        log(f"concurrency {wanted} needs an async model; this one runs one prediction at a time.")
        return 1
    return wanted


def _hint(error: ErrorFact) -> str | None:
    if error.type == "ModuleNotFoundError":
        return "Add the package to build.python_packages, or the file to the folder."
    return None


def _first_line(error: ErrorFact) -> str:
    return f"{error.type}: {error.message.splitlines()[0] if error.message else ''}"
