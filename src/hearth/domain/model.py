"""Models, their immutable versions, and the builds that make versions."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import msgspec

from hearth.domain.file import PREFIX
from hearth.domain.prediction import Prediction


class Visibility(StrEnum):
    PUBLIC = "public"
    PRIVATE = "private"


class Model(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    account_id: str
    owner: str
    name: str
    created_at: float
    visibility: Visibility = Visibility.PRIVATE
    hardware: str = "cpu"
    description: str | None = None
    readme: str | None = None
    github_url: str | None = None
    paper_url: str | None = None
    weights_url: str | None = None
    license_url: str | None = None
    cover_image_url: str | None = None
    run_count: int = 0
    latest_version_id: str | None = None
    latest_version_at: float | None = None
    default_example_id: str | None = None
    priority: int = 0
    """Breaks ties when a bare `latest` fits several models: the higher one is meant."""
    undecided: tuple[str, ...] = ()
    """Fields that its maker left open (`visibility`, `hardware`): the first version's hearth.yaml decides them."""

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"


def content_key(sha256: str) -> str:
    """Of the blob that holds a content of sources."""
    return f"sources/{sha256[:2]}/{sha256}"


class SourceFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a pushed folder, by content."""

    path: str
    """Relative, with `/`, no `..`."""
    sha256: str
    size: int
    executable: bool = False

    @property
    def key(self) -> str:
        """Of the blob that holds the content."""
        return content_key(self.sha256)


MOST_BATCH_SIZE, MOST_BATCH_WAIT = 1024, 10.0
"""The largest group, and the longest wait for one, in seconds."""


class Batching(msgspec.Struct, frozen=True, kw_only=True):
    """How waiting predictions of a version are grouped into one run (docs/batching.md)."""

    inputs: tuple[str, ...]
    """Those that the model takes as lists, one entry for each prediction. All others must be equal in a group."""
    max_size: int = 16
    max_wait: float = 0.05
    """Seconds that a prediction waits for others while a slot is free."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes to start an instance of a version."""

    source: tuple[SourceFile, ...]
    environment: str
    """Key of the built environment: 64 hex digits over lock, interpreter and run commands."""
    lock: str = ""
    """`uv pip freeze` of that environment."""
    python_version: str = ""
    predict: str | None = None
    """`predict.py:Predictor`."""
    train: str | None = None
    concurrency: int = 1
    is_async: bool = False
    streaming: bool = False
    """Declared with @cog.streaming, or the output is an iterator."""
    takes_weights: bool = False
    weights: str | None = None
    """Becomes COG_WEIGHTS: set on versions that a training made."""
    variables: dict[str, str] = {}
    """cog.yaml's `environment`."""
    tokenizer: str | None = None
    """Path of its tokenizer.json among the source."""
    batching: Batching | None = None
    """The published schema then shows one entry where the model takes and returns lists."""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable, runnable state of a model."""

    id: str
    """64 hex digits, over model name, source, environment and schema: the same push is the same version."""
    model_id: str
    model: str
    """`owner/name`."""
    created_at: float
    cog_version: str
    openapi_schema: dict[str, Any]
    recipe: Recipe


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """A version that was deleted, while there is something left of it."""

    version_id: str
    model: str
    source: tuple[SourceFile, ...]
    weights: str | None = None
    """What it had of its own, if a training made it."""
    created_at: float


class BuildState(StrEnum):
    UPLOADING = "uploading"
    """Waits for the files that the server does not have."""
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        return self in (BuildState.SUCCEEDED, BuildState.FAILED)


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """One push on its way to a version. Its log is kept apart (`store.builds.log`)."""

    id: str
    account_id: str
    model_id: str
    model: str
    source: tuple[SourceFile, ...]
    created_at: float
    state: BuildState = BuildState.UPLOADING
    version_id: str | None = None
    error: str | None = None
    hint: str | None = None
    completed_at: float | None = None


_PICTURE = re.compile(
    rf"(?:{PREFIX}[0-9a-z]{{26}}/[^/]+|https?://[^\s?#]+)\.(?:png|jpe?g|gif|webp|avif|svg)(?:[?#]\S*)?", re.IGNORECASE
)


def cover(model: Model, example: Prediction | None) -> str | None:
    """The picture that stands for a model: its own, else one that its default example made, else one that the
    example was given (replicate-platform.md 7.1). A URL or a file reference."""
    if model.cover_image_url is not None:
        return model.cover_image_url
    return None if example is None else _picture(example.output) or _picture(example.input)


def _picture(value: Any) -> str | None:
    if isinstance(value, str):
        return value if _PICTURE.fullmatch(value) else None
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for item in items if (found := _picture(item))), None)
