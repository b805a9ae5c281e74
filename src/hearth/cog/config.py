"""cog.yaml and the optional hearth.yaml beside it, read once into records that the builder trusts.

Follows cog-runtime.md 12. Unknown keys are warnings (upstream refuses them): a folder written for a newer
Cog still works. Everything that would fail later anyway is `ConfigInvalid` here, with line and key.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from hearth.cog import batching, marked, requirements
from hearth.domain.model import Batching
from hearth.errors import ConfigInvalid

PYTHON_VERSIONS = ("3.10", "3.11", "3.12", "3.13")
"""What cog 0.23.1 runs on."""

_TOP = ("build", "run", "predict", "train", "image", "model", "concurrency", "environment", "weights")
_BUILD = (
    "python_version",
    "python_packages",
    "python_requirements",
    "system_packages",
    "run",
    "pre_install",
    "gpu",
    "cuda",
    "cudnn",
    "sdk_version",
)
_REFERENCE = re.compile(r"^(?P<file>[^:]+\.py)(?::(?P<name>[A-Za-z_][A-Za-z0-9_]*))?$")
_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_FORBIDDEN = frozenset(
    {
        "PATH",
        "LD_LIBRARY_PATH",
        "PYTHONPATH",
        "VIRTUAL_ENV",
        "PYTHONUNBUFFERED",
        "LIBRARY_PATH",
        "HF_ENDPOINT",
        "HF_HUB_ENABLE_HF_TRANSFER",
    }
)
_FORBIDDEN_PREFIXES = ("R8_", "REPLICATE_", "CUDA_", "NVIDIA_", "NV_", "PGET_", "KUBERNETES_")
_OURS = ("HEARTH_", "COG_")
"""Set by the platform for each instance (`instance.py`), so a model can't set them."""


class SecretMount(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that one run command reads as a file."""

    id: str
    target: str
    """Absolute, or below the folder that the command runs in."""


class RunStep(msgspec.Struct, frozen=True, kw_only=True):
    """One shell command of `build.run`, executed without the model's source."""

    command: str
    secrets: tuple[SecretMount, ...] = ()


class WeightSource(msgspec.Struct, frozen=True, kw_only=True):
    """Files that have to lie at `target` before an instance starts."""

    name: str
    target: str
    uri: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class CogConfig(msgspec.Struct, frozen=True, kw_only=True):
    """cog.yaml, checked."""

    python_version: str | None = None
    """`3.11`; None leaves the choice to the builder."""
    requirements: tuple[str, ...] = ()
    """Plain requirement lines and options, without comments and without cog itself."""
    system_packages: tuple[str, ...] = ()
    run: tuple[RunStep, ...] = ()
    gpu: bool = False
    cuda: str | None = None
    predict: str | None = None
    """`predict.py:Predictor`, from `predict` or `run`."""
    train: str | None = None
    concurrency_max: int | None = None
    environment: dict[str, str] = {}
    weights: tuple[WeightSource, ...] = ()
    image: str | None = None
    warnings: tuple[str, ...] = ()


class HearthConfig(msgspec.Struct, frozen=True, kw_only=True):
    """hearth.yaml: what the platform alone needs to know."""

    description: str | None = None
    github_url: str | None = None
    paper_url: str | None = None
    license_url: str | None = None
    readme: str | None = None
    """Path of the README inside the folder; README.md where it exists."""
    cover: str | None = None
    """Path inside the folder, or a URL."""
    hardware: str | None = None
    visibility: str | None = None
    priority: int = 0
    """Breaks ties when a bare `latest` fits several models."""
    examples: tuple[dict[str, Any], ...] = ()
    tokenizer: str | None = None
    """Path of the tokenizer inside the folder, in Hugging Face's format; tokenizer.json where it exists."""
    batching: Batching | None = None
    """What the model takes and returns as lists, one entry for each prediction of a group."""
    warnings: tuple[str, ...] = ()


def load(folder: Path) -> CogConfig:
    """The folder's cog.yaml. Raises ConfigInvalid, also for files it names that are not there."""
    path = folder / "cog.yaml"
    if not path.is_file():
        raise ConfigInvalid("not found", hint="A model folder holds a cog.yaml; `hearth push` takes that folder.")
    top = marked.parse(_read(path), file="cog.yaml")
    warnings = list(top.unknown(_TOP))
    build = top.mapping("build")
    fields: dict[str, Any] = {}
    if build is not None:
        warnings += build.unknown(_BUILD)
        if "sdk_version" in build:
            line = build.line_of("sdk_version")
            warnings.append(f"cog.yaml:{line}: build.sdk_version: ignored, the platform's SDK is used")
        fields |= {
            "python_version": _python_version(build),
            "requirements": _requirements(build, folder, warnings),
            "system_packages": tuple(text for _, text in build.texts("system_packages")),
            "run": _run_steps(build, "pre_install") + _run_steps(build, "run"),
            "gpu": build.boolean("gpu"),
            "cuda": build.text("cuda"),
        }
    if "predict" in top and "run" in top:
        raise top.error("run", "both `run` and `predict` are given; keep one of them")
    predict = _reference(top, "run" if "run" in top else "predict", folder)
    train = _reference(top, "train", folder)
    if predict is None and train is None:
        raise ConfigInvalid(
            "names no code to run", key="predict", hint='Add a line such as predict: "predict.py:Predictor".'
        )
    concurrency = top.mapping("concurrency")
    if concurrency is not None:
        warnings += concurrency.unknown(("max", "default_target"))
        fields["concurrency_max"] = concurrency.integer("max", minimum=1)
    return CogConfig(
        **fields,
        predict=predict,
        train=train,
        environment=_environment(top),
        weights=_weights(top, warnings),
        image=top.text("image"),
        warnings=tuple(warnings),
    )


_HEARTH = tuple(name for name in HearthConfig.__struct_fields__ if name != "warnings")


def load_hearth(folder: Path) -> HearthConfig:
    """The folder's hearth.yaml; all defaults where there is none. Raises ConfigInvalid."""
    path = folder / "hearth.yaml"
    default_readme = "README.md" if (folder / "README.md").is_file() else None
    default_tokenizer = "tokenizer.json" if (folder / "tokenizer.json").is_file() else None
    if not path.is_file():
        return HearthConfig(readme=default_readme, tokenizer=default_tokenizer)
    top = marked.parse(_read(path), file="hearth.yaml")
    visibility = top.text("visibility")
    if visibility not in (None, "public", "private"):
        raise top.error("visibility", f"must be public or private, not {visibility}")
    for name in ("readme", "cover"):
        value = top.text(name)
        if value and not value.startswith(("http://", "https://")):
            _inside(top, name, value, folder)
    if tokenizer := top.text("tokenizer"):
        _inside(top, "tokenizer", tokenizer, folder)
    examples = top.value("examples") or []
    if not isinstance(examples, list) or not all(isinstance(entry, dict) for entry in examples):
        raise top.error("examples", "must be a list of inputs, each a mapping of input names to values")
    return HearthConfig(
        description=top.text("description"),
        github_url=top.text("github_url"),
        paper_url=top.text("paper_url"),
        license_url=top.text("license_url"),
        readme=top.text("readme") or default_readme,
        cover=top.text("cover"),
        hardware=top.text("hardware"),
        visibility=visibility,
        priority=top.integer("priority") or 0,
        examples=tuple(examples),
        tokenizer=tokenizer or default_tokenizer,
        batching=batching.read(top),
        warnings=tuple(top.unknown(_HEARTH)),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigInvalid("is not UTF-8 text", file=path.name) from None


def _python_version(build: marked.Mapping) -> str | None:
    text = build.text("python_version")
    if text is None:
        return None
    match = re.match(r"^(3\.\d+)(\.\d+)?$", text.strip())
    if match is None or match[1] not in PYTHON_VERSIONS:
        raise build.error(
            "python_version",
            f"{text!r} is not a version that can be run",
            hint=f"Use one of {', '.join(PYTHON_VERSIONS)}, in quotes.",
        )
    return match[1]


def _requirements(build: marked.Mapping, folder: Path, warnings: list[str]) -> tuple[str, ...]:
    packages, file = build.texts("python_packages"), build.text("python_requirements")
    if packages and file:
        raise build.error("python_requirements", "python_packages and python_requirements exclude each other; keep one")
    if file is None:
        return requirements.clean((text for _, text in packages), warnings)
    return requirements.read(_inside(build, "python_requirements", file, folder), folder, warnings)


def _run_steps(build: marked.Mapping, name: str) -> tuple[RunStep, ...]:
    steps = []
    for line, entry in build.items(name):
        if isinstance(entry, str):
            command, mounts = entry, tuple[SecretMount, ...]()
        else:
            command = entry.text("command") or ""
            mounts = tuple(_mount(entry, mount) for mount in entry.items("mounts"))
        if not command.strip():
            raise build.error(name, "a run step needs a command", line=line)
        if "\n" in command.strip():
            raise build.error(name, "a run step is one line; join commands with && or list them apart", line=line)
        steps.append(RunStep(command=command.strip(), secrets=mounts))
    return tuple(steps)


def _mount(step: marked.Mapping, item: tuple[int, str | marked.Mapping]) -> SecretMount:
    line, entry = item
    if isinstance(entry, str):
        raise step.error("mounts", "each mount is a mapping with type, id and target", line=line)
    if entry.text("type") != "secret":
        raise entry.error("type", "only mounts of type `secret` exist", line=line)
    id, target = entry.text("id"), entry.text("target")
    if not id or not target:
        raise step.error("mounts", "a secret mount needs an id and a target", line=line)
    if ".." in PurePosixPath(target).parts:
        raise entry.error("target", f"{target} must not hold ..", line=line)
    return SecretMount(id=id, target=target)


def _reference(top: marked.Mapping, name: str, folder: Path) -> str | None:
    text = top.text(name)
    if text is None:
        return None
    match = _REFERENCE.match(text.strip())
    if match is None:
        raise top.error(
            name,
            f"{text!r} does not name a class or function",
            hint='Write the file and the name in it: "predict.py:Predictor".',
        )
    _inside(top, name, match["file"], folder)
    return text.strip()


def _inside(section: marked.Mapping, name: str, relative: str, folder: Path) -> Path:
    """The file `relative` of the folder. Raises ConfigInvalid when it is missing or lies outside."""
    path = folder / relative
    if Path(relative).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise section.error(name, f"{relative} lies outside the model's folder")
    if not path.is_file():
        raise section.error(name, f"{relative} does not exist in the model's folder")
    return path


def _environment(top: marked.Mapping) -> dict[str, str]:
    variables: dict[str, str] = {}
    for line, entry in top.texts("environment"):
        name, separator, value = entry.partition("=")
        if not separator or not _VARIABLE.match(name):
            raise top.error("environment", f"{entry!r} is not NAME=value", line=line)
        if name in _FORBIDDEN or name.startswith(_FORBIDDEN_PREFIXES + _OURS):
            raise top.error("environment", f"{name} is set by the platform and can't be changed", line=line)
        variables[name] = value
    return variables


def _weights(top: marked.Mapping, warnings: list[str]) -> tuple[WeightSource, ...]:
    sources: list[WeightSource] = []
    for line, entry in top.items("weights"):
        if isinstance(entry, str):
            raise top.error("weights", "each entry is a mapping with name, target and source", line=line)
        warnings += entry.unknown(("name", "target", "source"))
        source = entry.mapping("source")
        name, target = entry.text("name"), entry.text("target")
        uri = source.text("uri") if source is not None else None
        if source is None or not name or not target or not uri:
            raise top.error("weights", "each entry needs name, target and source.uri", line=line)
        if not target.startswith("/"):
            raise entry.error("target", f"{target} must be an absolute path")
        if any(name == other.name or target == other.target for other in sources):
            raise top.error("weights", f"name and target must differ from the other entries ({name})", line=line)
        warnings += source.unknown(("uri", "include", "exclude"))
        sources.append(
            WeightSource(
                name=name,
                target=target,
                uri=uri,
                include=tuple(text for _, text in source.texts("include")),
                exclude=tuple(text for _, text in source.texts("exclude")),
            )
        )
    return tuple(sources)
