"""The command line, the environment and the files of one coglet process.

Pure composition: who starts the process decides about ports, folders and limits (`runtime`). The process
group must be its own (`start_new_session`), the working directory the model's source folder, and the
descriptor `alive_fd`, the read end of a pipe, must be passed on (`pass_fds`).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hearth.cog.batching import plural
from hearth.cog.build import Environment
from hearth.cog.openapi import runtime_schema

LAUNCH = Path(__file__).with_name("launch.py")
WRAPPER = Path(__file__).with_name("wrapper.py")
SCHEMA_FILE = Path(".cog/openapi_schema.json")

_PASSED = frozenset(
    {
        "LANG",
        "LC_ALL",
        "TZ",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "CUDA_VISIBLE_DEVICES",
        "NVIDIA_VISIBLE_DEVICES",
        "LD_LIBRARY_PATH",
        "OMP_NUM_THREADS",
    }
)
"""Of the platform's own environment, what a model may see: certificates, proxies, locale, devices."""


def passed(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of the platform's environment that instances inherit."""
    return {name: value for name, value in environ.items() if name in _PASSED}


def command(environment: Environment) -> list[str]:
    """What to execute; everything else travels in the environment."""
    return [str(environment.python), str(LAUNCH)]


def environment(
    environment: Environment,
    *,
    reference: str,
    port: int,
    tmp: Path,
    out: Path,
    home: Path,
    train: bool = False,
    concurrency: int = 1,
    host: str = "127.0.0.1",
    weights: str | None = None,
    setup_timeout: int | None = None,
    alive_fd: int | None = None,
    variables: Mapping[str, str] | None = None,
    operator: Mapping[str, str] | None = None,
    inherited: Mapping[str, str] | None = None,
    path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
) -> dict[str, str]:
    """The whole environment of an instance: nothing is inherited but `inherited` (see `passed`).

    `reference` is `predict.py:Predictor`, or the trainer with `train`. `tmp` and `out` are private folders,
    `home` may be shared by all instances (caches of downloaded weights). `setup_timeout` in seconds.
    `operator` holds settings such as HF_TOKEN or HF_HUB_OFFLINE; `variables` is cog.yaml's `environment`,
    which it may override. What the platform itself needs wins over both.
    """
    composed = {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "HF_HOME": str(home / ".cache" / "huggingface"),
        "TORCH_HOME": str(home / ".cache" / "torch"),
        "LANG": "C.UTF-8",
        **(inherited or {}),
        **(variables or {}),
        **(operator or {}),
        "PATH": f"{environment.bin}{os.pathsep}{path}",
        "TMPDIR": str(tmp),
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
        "COG_PREDICT_TYPE_STUB": f"{WRAPPER}:Model",
        "COG_MAX_CONCURRENCY": str(concurrency),
        "COG_LOG_LEVEL": "error",
        "HEARTH_COG_VERSION": environment.cog_version,
        "HEARTH_HOST": host,
        "HEARTH_MODEL": reference,
        "HEARTH_MODE": "train" if train else "predict",
        "HEARTH_OUT": str(out),
    }
    if weights is not None:
        composed["COG_WEIGHTS"] = weights
    if setup_timeout is not None:
        composed["COG_SETUP_TIMEOUT"] = str(max(1, setup_timeout))
    if alive_fd is not None:
        composed["HEARTH_ALIVE_FD"] = str(alive_fd)
    return composed


def write_schema(
    source: Path, openapi: Mapping[str, Any], *, train: bool = False, batched: Collection[str] = ()
) -> None:
    """Puts the schema where coglet reads it, below its working directory, before `setup()` has ended.

    `batched`: inputs that are published in the singular and come to the model as lists."""
    path = source / SCHEMA_FILE
    path.parent.mkdir(exist_ok=True)
    schema = runtime_schema(openapi, train=train)
    if batched and not train:
        schema = plural(schema, batched)
    path.write_bytes(msgspec.json.encode(schema))
