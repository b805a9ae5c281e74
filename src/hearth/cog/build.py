"""Environments for models, made with uv, shared by every version with the same lock.

An environment lives at `<root>/envs/<key>`, where key is the SHA-256 of its lock, its Python and its run
commands; virtual environments can't be moved, so it is built in place and counts only once `hearth.json` is
in it, written last. `<root>/index/<hash>` remembers which key a set of requirements led to: a push that
changes only code runs no resolver. Builds of one environment exclude each other, across processes, by flock.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import platform
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from hearth.cog import interpreters, requirements, system
from hearth.cog.config import CogConfig, RunStep
from hearth.cog.interpreters import Interpreter
from hearth.cog.process import execute, tail
from hearth.errors import BuildFailed

COG_VERSION = "0.23.1"
_MARKER = "hearth.json"
_PGET = Path(__file__).with_name("pget.py")
_LOCK_PAUSE = 0.2
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_PASSED_PREFIXES = ("UV_", "PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
_OWN_UV = frozenset({"UV_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_SYSTEM_PYTHON", "UV_TARGET"})
"""uv settings that would send packages somewhere else than into the environment."""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """A finished environment."""

    key: str
    """64 hex digits over lock, Python and run commands."""
    path: Path
    lock: str
    """`uv pip freeze`, after the run commands."""
    python_version: str
    """`3.11.7`."""
    cog_version: str

    @property
    def bin(self) -> Path:
        """First on PATH of everything that runs in it: coglet finds its worker's Python there."""
        return self.path / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"


class _Marker(msgspec.Struct, frozen=True):
    lock: str
    python_version: str
    cog_version: str


class Environments:
    """Builds and finds environments under `root`.

    `environ` is the platform's own environment: package index, certificate and proxy settings are taken from
    it (UV_*, SSL_CERT_FILE, HTTPS_PROXY ...), nothing else. `secrets` are what run commands may mount.
    `markers` are variables of every process that a build starts, by which the platform knows its own. `has_gpu`:
    whether models that ask for a GPU get one; without, they run on the processor, and are built for it.
    """

    def __init__(
        self,
        root: Path,
        uv: str | None = None,
        *,
        environ: Mapping[str, str],
        secrets: Mapping[str, str] | None = None,
        markers: Mapping[str, str] | None = None,
        install_system_packages: bool = False,
        has_gpu: bool = True,
    ) -> None:
        self._root = root.absolute()
        self._uv = uv or _find_uv(environ.get("PATH", os.defpath))
        self.markers = dict(markers or {})
        self._env = {
            name: value
            for name, value in environ.items()
            if name in _PASSED or (name.upper().startswith(_PASSED_PREFIXES) and name not in _OWN_UV)
        }
        self._env |= {"NO_COLOR": "1", "UV_NO_PROGRESS": "1", **self.markers}
        self._env.setdefault("PATH", os.defpath)
        if "UV_CONFIG_FILE" not in self._env:
            self._env["UV_NO_CONFIG"] = "1"  # a uv.toml in the model's folder is not ours to follow
        self._secrets = secrets or {}
        self._install_system_packages = install_system_packages
        self._has_gpu = has_gpu

    def get(self, key: str) -> Environment | None:
        """The finished environment of that key, if this machine has it."""
        path = self._root / "envs" / key
        try:
            marker = msgspec.json.decode((path / _MARKER).read_bytes(), type=_Marker)
        except FileNotFoundError:
            return None
        return Environment(
            key=key,
            path=path,
            lock=marker.lock,
            python_version=marker.python_version,
            cog_version=marker.cog_version,
        )

    async def use(self, key: str) -> Environment | None:
        """`get`, and from now on it counts as used: `remove` leaves it for a while."""
        if self.get(key) is None:
            return None
        async with self._exclusive(key, lambda line: None):
            found = self.get(key)
            if found is not None:
                os.utime(found.path / _MARKER)
        return found

    async def stale(self, before: float) -> list[str]:
        """The keys of those that nothing has used since (seconds since 1970)."""
        return await asyncio.to_thread(self._stale, before)

    async def remove(self, key: str, before: float) -> bool:
        """Remove one, unless it has been used since or is being built; whether it is gone."""
        gone = self._root / f".gone-{secrets.token_hex(8)}"
        if not await asyncio.to_thread(self._take_away, key, gone, before):
            return False
        await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)
        return True

    def sweep(self) -> None:
        """Remove what an interrupted run was removing. Blocks."""
        for left in self._root.glob(".gone-*"):
            shutil.rmtree(left, ignore_errors=True)

    async def prepare(self, config: CogConfig, *, workdir: Path, log: Callable[[str], None]) -> Environment:
        """The environment that `config` asks for, built if need be; `workdir` is the model's folder.

        `log` gets each line. Raises BuildFailed. Cancelling kills what runs; nothing half-made is ever used.
        """
        await system.ensure(config.system_packages, install=self._install_system_packages, env=self._env, log=log)
        version = config.python_version or interpreters.default_version()
        interpreter = await interpreters.find(version, uv=self._uv, env=self._env)
        lines = self._lines(config)
        wanted = self._fingerprint(lines, config.run, interpreter, workdir)
        index = self._root / "index" / wanted
        async with self._exclusive(wanted, log):
            if (found := await self._indexed(index)) is not None:
                log(f"Environment {found.key[:12]} is ready (Python {found.python_version})")
                return found
            log(f"Resolving requirements for Python {interpreter.version}")
            lock = await self._resolve(lines, interpreter, workdir, log)
            key = _digest([lock, interpreter.version, [_step(step) for step in config.run], _contents(lines, workdir)])
            async with self._exclusive(key, log):
                environment = self.get(key)
                if environment is None:
                    environment = await self._build(key, lock, lines, config.run, interpreter, workdir, log)
                os.utime(environment.path / _MARKER)
            index.parent.mkdir(parents=True, exist_ok=True)
            _write(index, key)
            return environment

    def _lines(self, config: CogConfig) -> list[str]:
        lines = list(config.requirements)
        # uv ignores PIP_ variables; the operator's folder of CPU wheels saves gigabytes of CUDA.
        links = self._env.get("PIP_FIND_LINKS")
        on_gpu = config.gpu and self._has_gpu
        if links and not on_gpu and any(_names(line, "torch") for line in lines):
            lines += [f"--find-links {link}" for link in links.split()]
        if any("pip" in step.command for step in config.run):
            lines.append("pip")
        return lines

    def _fingerprint(
        self, lines: Sequence[str], run: Sequence[RunStep], interpreter: Interpreter, workdir: Path
    ) -> str:
        return _digest(
            [
                list(lines),
                _contents(lines, workdir),
                [_step(step) for step in run],
                interpreter.version,
                COG_VERSION,
                platform.machine(),
                sorted((name, value) for name, value in self._env.items() if name.startswith("UV_")),
            ]
        )

    async def _indexed(self, index: Path) -> Environment | None:
        try:
            key = await asyncio.to_thread(index.read_text)
        except FileNotFoundError:
            return None
        return await self.use(key)

    def _stale(self, before: float) -> list[str]:
        """Forgets by the way which requirements led to environments that are gone."""
        for index in (self._root / "index").glob("[!.]*"):
            with contextlib.suppress(FileNotFoundError):
                if not (self._root / "envs" / index.read_text()).exists() and index.stat().st_mtime < before:
                    index.unlink()
        return [path.name for path in (self._root / "envs").glob("*") if _last_used(path) < before]

    def _take_away(self, key: str, gone: Path, before: float) -> bool:
        """Under the lock that builds and uses take, so that nobody finds it and then loses it."""
        path, lock = self._root / "envs" / key, self._root / "locks" / key
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as file:
            if not _locked(file.fileno()) or not _names_still(lock, file.fileno()):
                return False
            if not path.exists() or _last_used(path) >= before:
                return False
            os.rename(path, gone)
            lock.unlink()
            return True

    async def _resolve(
        self, lines: Sequence[str], interpreter: Interpreter, workdir: Path, log: Callable[[str], None]
    ) -> str:
        """The lock: every package pinned. Cog and pydantic are resolved together with the requirements; where
        that is impossible the requirements win, and Cog is put on top of them as upstream does."""

        async def resolve(content: Sequence[str]) -> tuple[int, str, list[str]]:
            said: list[str] = []
            python = str(interpreter.path)
            arguments = ["pip", "compile", "-", "--python", python, "--no-header", "--no-annotate"]
            code, text = await execute(
                [self._uv, *arguments],
                env=self._env,
                cwd=workdir,
                input="\n".join(content) + "\n",
                capture=True,
                log=said.append,
            )
            return code, text, said

        code, lock, said = await resolve([*lines, f"cog=={COG_VERSION}", "pydantic"])
        if code:
            code, lock, plain = await resolve([*lines, "pydantic"])
            if code:
                raise BuildFailed("The requirements cannot be resolved:\n" + "\n".join(plain[-20:]))
            log(f"The requirements do not agree with cog {COG_VERSION}; it is installed over them:")
            for line in said[-5:]:
                log(line)
            lock += f"# then\ncog=={COG_VERSION}\n"
        return lock

    async def _build(
        self,
        key: str,
        lock: str,
        lines: Sequence[str],
        run: Sequence[RunStep],
        interpreter: Interpreter,
        workdir: Path,
        log: Callable[[str], None],
    ) -> Environment:
        path = self._root / "envs" / key
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        options = [line for line in lines if line.startswith("-")]
        pinned, _, over = lock.partition("# then\n")
        try:
            await self._uv_run(["venv", "--python", interpreter.path, path], workdir, log, what="make the environment")
            # The lock is complete; what comes over it brings its own dependencies. Bytecode: decision 0007.
            for content, complete in ((pinned, ["--no-deps"]), (over, [])):
                if not content:
                    continue
                await self._uv_run(
                    ["pip", "install", "--python", path, *complete, "-r", "-"],
                    workdir,
                    log,
                    what="install the requirements",
                    input="\n".join([*options, content]),
                )
            _install_pget(path)
            await self._run_steps(path, run, log)
            code, frozen = await execute(
                [self._uv, "pip", "freeze", "--python", path],
                env=self._env,
                cwd=workdir,
                capture=True,
            )
            if code:
                raise BuildFailed("uv could not list what it installed.")
        except BaseException:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, path, ignore_errors=True))
            raise
        marker = _Marker(frozen, interpreter.version, COG_VERSION)
        _write(path / _MARKER, msgspec.json.encode(marker).decode())
        environment = self.get(key)
        assert environment is not None
        return environment

    async def _uv_run(
        self,
        arguments: Sequence[str | Path],
        workdir: Path,
        log: Callable[[str], None],
        *,
        what: str,
        input: str = "",
    ) -> None:
        code, text = await execute([self._uv, *arguments], env=self._env, cwd=workdir, log=log, input=input)
        if code:
            raise BuildFailed(f"uv could not {what}:\n{tail(text, 20)}")

    async def _run_steps(self, path: Path, run: Sequence[RunStep], log: Callable[[str], None]) -> None:
        env = self._env | {
            "PATH": os.pathsep.join((str(path / "bin"), self._env["PATH"], str(self._uv_folder()))),
            "VIRTUAL_ENV": str(path),
        }
        for step in run:
            log(f"$ {step.command}")
            with tempfile.TemporaryDirectory(prefix="hearth-build-") as empty, self._mounted(step, Path(empty)):
                code, text = await execute(["/bin/sh", "-c", step.command], env=env, cwd=Path(empty), log=log)
            if code:
                raise BuildFailed(
                    f"build.run: `{step.command}` ended with exit code {code}:\n{tail(text, 20)}",
                    hint="As with Cog, these commands run without the files of the model; here in an empty folder,"
                    " as the user of the server.",
                )

    def _uv_folder(self) -> Path:
        """Holds uv and nothing else: our own tools beside it are not the model's."""
        folder = self._root / "bin"
        folder.mkdir(parents=True, exist_ok=True)
        uv = folder / "uv"
        if not uv.exists():
            with contextlib.suppress(FileExistsError):  # another build was faster
                uv.unlink(missing_ok=True)
                uv.symlink_to(Path(shutil.which(self._uv) or self._uv).absolute())
        return folder

    @contextlib.contextmanager
    def _mounted(self, step: RunStep, folder: Path) -> Iterator[None]:
        """Puts the step's secrets at their targets, for as long as it runs in `folder`."""
        placed: list[Path] = []
        try:
            for mount in step.secrets:
                if mount.id not in self._secrets:
                    raise BuildFailed(
                        f"build.run: the secret {mount.id} is not set on this platform.",
                        hint=f'Start the server with HEARTH_BUILD_SECRETS=\'{{"{mount.id}": "..."}}\'.',
                    )
                target = folder / mount.target
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                except OSError as error:
                    raise BuildFailed(f"build.run: cannot mount a secret at {target}: {error}") from error
                placed.append(target)
                with os.fdopen(descriptor, "w") as file:
                    file.write(self._secrets[mount.id])
            yield
        finally:
            for target in placed:
                target.unlink(missing_ok=True)

    @contextlib.asynccontextmanager
    async def _exclusive(self, name: str, log: Callable[[str], None]) -> AsyncIterator[None]:
        path = self._root / "locks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        waiting = False
        while True:
            with path.open("w") as file:
                if _locked(file.fileno()):
                    if not _names_still(path, file.fileno()):
                        continue  # it was removed with its environment: others would lock another one
                    yield
                    return
            if not waiting:
                log("Waiting for another build of the same environment")
                waiting = True
            await asyncio.sleep(_LOCK_PAUSE)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _names_still(path: Path, fd: int) -> bool:
    """Whether the open file is the one that the path names."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


def _last_used(path: Path) -> float:
    """Of an environment; of one that is not finished: when something was last done to its folder."""
    try:
        return (path / _MARKER).stat().st_mtime
    except FileNotFoundError:
        return path.stat().st_mtime


def _find_uv(path: str) -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv", path=path)
    if found is None:
        raise BuildFailed("uv is not installed.", hint="pip install uv")
    return found


def _install_pget(path: Path) -> None:
    """Many models call Replicate's downloader; a small one of our own stands in for it."""
    target = path / "bin" / "pget"
    if not target.exists():
        target.write_text(f"#!{path / 'bin' / 'python'}\n{_PGET.read_text()}")
        target.chmod(0o755)


def _names(line: str, package: str) -> bool:
    return line.startswith(package) and not line[len(package) : len(package) + 1].replace("-", "a").isalnum()


def _step(step: RunStep) -> list[str]:
    return [step.command, *(f"{mount.id}={mount.target}" for mount in step.secrets)]


def _contents(lines: Sequence[str], workdir: Path) -> list[str]:
    """Hashes of the local files that requirements refer to."""
    found = []
    for path in requirements.local_paths(lines, workdir):
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]
    return found


def _digest(parts: object) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _write(path: Path, text: str) -> None:
    """Whole or not at all, also across a crash."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
