"""One frozen record of everything an operator can set, and the only reader of environment and hearth.toml.

Order: built-in defaults, then `hearth.toml` in the data folder (or `HEARTH_CONFIG`), then `HEARTH_*`
variables, then command-line flags. Each field is the variable `HEARTH_<NAME>` and the TOML key `<name>`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec


class SettingsInvalid(Exception):
    """A setting cannot be used. The message names it and says what is expected."""


class HardwareSetting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[hardware.gpu-h100]`: what is said of one SKU."""

    name: str | None = None
    price: float | None = None
    """Per second."""
    hidden: bool = False
    """Don't offer it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes are bytes, times are seconds."""

    data: Path = Path("hearth-data")
    """Everything Hearth keeps on this disk."""
    host: str = "127.0.0.1"
    """Address to listen on. Beyond this machine: `0.0.0.0` or an address of its own, and `tls_names`."""
    port: int = 8700
    """Port to listen on; 0 picks one."""
    tls: bool = True
    """Serve https with a certificate of a local authority made on first start: the official clients wrap
    only https and data outputs."""
    tls_names: tuple[str, ...] = ()
    """Further host names and addresses for the certificate."""
    public_url: str | None = None
    """How callers reach this server, if a proxy stands before it. Default: what each request says."""
    trust_proxy: bool = False
    """Believe X-Forwarded-Proto, X-Forwarded-Host and, of who tries to sign in, X-Forwarded-For."""

    database: str | None = None
    """`postgresql://…`; default: SQLite in the data folder."""
    blobs: str | None = None
    """`s3://bucket/prefix` (credentials by AWS_* variables); default: a folder in the data folder."""
    secret_key: str | None = None
    """Seals secrets at rest; default: made on first start and kept in the data folder."""

    bootstrap_user: str = "admin"
    """Name of the account that is made at the start if it does not exist. It is an admin."""
    bootstrap_token: str | None = None
    """Its token, if it has none yet. Default: one is made and printed once."""

    session_life: float = 30 * 24 * 3600.0
    """How long a browser stays signed in."""

    allow_private_addresses: bool = False
    """Let webhooks and input URLs reach private ranges. Loopback is allowed by itself when the server
    listens on loopback only; cloud metadata addresses are refused always."""
    allow_addresses: tuple[str, ...] = ()
    """Networks that may be reached even so: `10.1.0.0/16`."""

    memory: int | None = None
    """Memory for all instances together. Default: what the machine has, or the cgroup that the server runs in, less
    a tenth, at least a gigabyte."""
    instance_memory: int | None = None
    """The most that one instance may take; beyond, it is ended. Default: as much as `memory`."""
    instance_cpus: float | None = None
    """CPUs that one instance may use; `1.5` with cgroups, whole ones without. Default: all."""
    instance_file_size: int | None = None
    """The size of any one file that an instance may write. Default: no limit. Linux only."""
    unknown_memory: int = 1_000_000_000
    """Memory reserved for an instance of a version of which nothing is known: no version of its model has run, and
    its folder holds no weights."""
    max_instances: int = 64
    """Instances at the same time, over all models. `memory` is what bounds them; this guards against thousands of
    small ones."""
    max_instances_per_version: int = 1
    """How many of them one version may have when its line grows."""
    idle_timeout: float = 300.0
    """An instance without work this long is stopped."""
    zygote_after: float = 1.0
    """Seconds of processor time that a model's imports take, from which on its environment gets a zygote: a process
    that has its libraries imported and forks the next instances. 0: none."""
    zygote_idle: float = 1800.0
    """A zygote that no boot has needed this long ends."""
    setup_timeout: float = 600.0
    """How long an instance may take from its start until the model is ready."""
    run_timeout: float = 1800.0
    """How long one prediction may run; then it is stopped and fails."""
    training_timeout: float = 24 * 3600.0
    """How long one training may run."""
    trainings: int = 1
    """Trainings that run at the same time; fewer if they would leave no room for a prediction."""
    deployment_quiet: float = 15 * 60.0
    """How long a deployment must have been offline and unused before it can be deleted."""
    max_waiting: int | None = None
    """How many predictions may wait for one version (of a deployment: for it); what is more is refused with 429 and
    says when to come again. Less urgent ones do not count. Default: any number."""
    cancel_grace: float = 10.0
    """Between a polite cancel and a kill."""
    drain_timeout: float = 30.0
    """On SIGTERM, how long running predictions may go on."""
    install_system_packages: bool = False
    """Let a push install the Debian packages its cog.yaml names, if the server may."""
    build_secrets: dict[str, str] = {}
    """Secrets that `build.run` steps may mount, by their id."""
    hardware: dict[str, HardwareSetting] = {}
    """Names and prices (per second) of hardware by SKU, over what was found on the machine; unknown SKUs are added:
    `[hardware.gpu-h100]` with `name`, `price`, `hidden`."""
    max_models: int = 1000
    """Models of one account at most."""
    builds: int = 2
    """Pushes that build at the same time."""

    max_file: int = 100 * 1024 * 1024
    """One uploaded file."""
    max_input_file: int = 2 * 1024**3
    """One file that an input URL names."""
    max_output_file: int = 10 * 1024**3
    """One file that a model makes."""
    max_body: int = 64 * 1024 * 1024
    """One JSON body; inline data URIs count."""
    inline_limit: int = 256 * 1024
    """Data URIs in inputs beyond this are stored as files."""
    data_uri_outputs: int = 20 * 1024 * 1024
    """Over plain http, file outputs up to this size come as data URIs in held replies."""

    upload_ttl: float = 24 * 3600.0
    """How long an uploaded file is kept."""
    retention: float = 30 * 24 * 3600.0
    """How long a finished API prediction keeps its input, output, logs and files; `replicate`: 3600. Examples,
    shared ones and what was made in the browser stay. Accounts and single predictions may have their own."""
    keep_unused: float = 30 * 24 * 3600.0
    """What can be made again is removed from this disk when nothing has used it for so long: unpacked sources and
    weights, environments that no version has any more."""
    rate_limits: str = "off"
    """How often an account may call: `off`, `replicate` (600 predictions and 3000 other calls a minute), or two
    numbers of one's own, `100/500`. Accounts may have their own: `hearth account limit`."""
    show_aborted: bool = False
    """Show `aborted` on the wire instead of `canceled`. Current official clients break on it."""

    log_level: str = "info"
    """debug, info, warning or error."""
    log_format: str = "text"
    """text or json."""
    model_environment: dict[str, str] = {}
    """Variables for every model process: HF_TOKEN, HF_HUB_OFFLINE …"""


def load(flags: Mapping[str, Any] | None = None, *, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in force. Raises SettingsInvalid, naming the setting."""
    env = os.environ if environ is None else environ
    given = {k: v for k, v in (flags or {}).items() if v is not None}
    data = Path(given.get("data") or env.get("HEARTH_DATA") or "hearth-data").expanduser().absolute()
    values: dict[str, Any] = {}
    file = Path(env["HEARTH_CONFIG"]) if "HEARTH_CONFIG" in env else data / "hearth.toml"
    if file.exists() or "HEARTH_CONFIG" in env:
        try:
            values.update(tomllib.loads(file.read_text()))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise SettingsInvalid(f"{file}: {error}") from error
    names = {f.name: f for f in msgspec.structs.fields(Settings)}
    for name in values:
        if name not in names:
            raise SettingsInvalid(f"{file}: unknown setting {name!r}")
    for name in names:
        text = env.get(f"HEARTH_{name.upper()}")
        if text is not None:
            values[name] = _from_text(name, text, names[name].type)
    values.update(given)
    values["data"] = str(data)
    if values.get("retention") == "replicate":
        values["retention"] = 3600.0
    rate_limits(str(values.get("rate_limits", "off")))
    try:
        return msgspec.convert(_plain(values), Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise SettingsInvalid(f"a setting has a wrong value: {error}") from error


def _from_text(name: str, text: str, type_: Any) -> Any:
    if type_ is bool:
        lowered = text.strip().lower()
        if lowered not in ("1", "0", "true", "false", "yes", "no", "on", "off"):
            raise SettingsInvalid(f"HEARTH_{name.upper()}: expected 1 or 0, got {text!r}")
        return lowered in ("1", "true", "yes", "on")
    if type_ == tuple[str, ...]:
        return [part.strip() for part in text.split(",") if part.strip()]
    if type_ == dict[str, HardwareSetting]:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise SettingsInvalid(f"HEARTH_{name.upper()}: expected a JSON object by SKU: {error}") from error
    if type_ == dict[str, str]:
        try:
            return msgspec.json.decode(text, type=dict[str, str])
        except msgspec.DecodeError as error:
            raise SettingsInvalid(f"HEARTH_{name.upper()}: expected a JSON object of strings: {error}") from error
    if text == "" and type_ is not str:
        return None
    return text


def rate_limits(text: str) -> tuple[int | None, int | None]:
    """Creates and other calls a minute; None: no limit. Raises SettingsInvalid."""
    known: dict[str, tuple[int | None, int | None]] = {"off": (None, None), "replicate": (600, 3000)}
    if text in known:
        return known[text]
    creates, slash, others = text.partition("/")
    if not (slash and creates.isdecimal() and others.isdecimal()):
        raise SettingsInvalid(f"rate_limits: expected off, replicate or numbers like 600/3000, got {text!r}")
    return int(creates) or None, int(others) or None


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, Path) else list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _path(type_: type, value: Any) -> Any:
    return type_(value)
