"""Runs inside the model's process: coglet loads `Model` from here, and `Model` runs the user's code.

Standard library and the modules that it loads from beside it only, Python 3.10 to 3.13, started with
COG_PREDICT_TYPE_STUB=/path/wrapper.py:Model. It mends what coglet leaves open (cog-runtime.md 11 and 14): files by
path and in order, items of async generators at once, tracebacks and half lines in the logs, models written for
older Cog, trainers.

Environment:
  HEARTH_MODEL      the real reference, `predict.py:Predictor` or `train.py:train`, relative to the working directory
  HEARTH_MODE       `train` when the reference is a trainer
  HEARTH_OUT        folder that takes output files, `<HEARTH_OUT>/<prediction id>/<n>/<name>`
  HEARTH_ALIVE_FD   read end of a pipe that the platform holds open; its end kills this process group

Between platform and wrapper a file is a string. In: `hearth-in:///absolute/path`, for file inputs only, a copy
that belongs to this prediction. Out: `hearth-out:///absolute/path`, below HEARTH_OUT. A text of the model that
looks like one of ours is sent as `hearth-text:` + text (`files.py` undoes it). The platform still checks each path:
a model can do to this file what it likes.

Results are `{"hearth_value": JSON text}`, but for iterators. Their items are plain values or
`{"hearth_item": JSON text}`; those of async generators go out as the metric `hearth_chunk`,
`{"i": index, "v": item}`, and the result is `{"hearth_chunk": count}` (`client.py` puts the output together).
"""

import asyncio
import contextlib
import enum
import importlib.util
import inspect
import io
import json
import math
import os
import re
import shutil
import signal
import sys
import threading
import time
import traceback
import typing
import uuid

OUT = "hearth-out://"
TEXT = "hearth-text:"
CHUNK_METRIC = "hearth_chunk"
VALUE = "hearth_value"
ITEM = "hearth_item"
ID_CONTEXT = "hearth_id"
_ASYNC = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
_PLAIN = {int, bool, type(None)}
_SAFE_ID = re.compile(r"^[0-9A-Za-z_-]{1,64}$")


class OutputError(Exception):
    """The model returned something that can't be handed over."""


def _load_sibling(name):
    """A module of this folder, which is not on the model's sys.path."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"hearth_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


loading = _load_sibling("loading")
boot = _load_sibling("boot")
children = _load_sibling("children")
converting = _load_sibling("converting")
pacing = _load_sibling("pacing")
unfolding = _load_sibling("unfolding")


def guard():
    """Ends this process group when the platform dies: nothing else would stop a busy worker."""
    number = os.environ.get("HEARTH_ALIVE_FD", "")
    if not number.isdigit():
        return
    fd = int(number)
    os.set_inheritable(fd, False)

    def wait():
        while os.read(fd, 1):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, name="hearth-guard", daemon=True).start()


# Outputs


class Call:
    """One prediction: its inputs made ready, its outputs handed over, its logs complete at the end."""

    def __init__(self, inputs):
        import cog

        self._inputs = inputs
        self.opened = []
        self._scope = cog.current_scope()
        self._id = self._scope.context.pop(ID_CONTEXT, "")  # not the model's business
        self._waited_for = children.waited_for()
        self._began = time.time()
        self._folder = None
        self._count = 0
        self._moved = {}

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        for file in self.opened:
            file.close()
        flush()
        if isinstance(error, Exception) and not isinstance(error, OutputError):
            traceback.print_exception(kind, error, loading.without_ours(trace))
            flush()
        if children.waited_for() != self._waited_for:
            children.mark(self._scope, self._id)

    def inputs(self, values):
        return self._inputs.ready(values, self.opened)

    def output(self, value, last=True):
        """`value` as JSON. `last`: the model is done, so temporary files may be moved away."""
        kind = type(value)
        if kind is str:
            return TEXT + value if value.startswith((OUT, TEXT)) else value
        if kind in _PLAIN:
            return value
        if kind is float:
            if not math.isfinite(value):
                raise OutputError(f"the output holds {value}, which JSON can't carry; return None or a text instead")
            return value
        if isinstance(value, (list, tuple, set, frozenset)):
            kinds = set(map(type, value))
            if kinds <= _PLAIN or (kinds == {float} and all(map(math.isfinite, value))):
                return list(value)
            return [self.output(item, last) for item in value]
        if isinstance(value, dict):
            return {_key(key): self.output(item, last) for key, item in value.items()}
        return self._object(value, last)

    def _object(self, value, last):
        if isinstance(value, os.PathLike):
            return self._file(os.fspath(value), last)
        if isinstance(value, io.IOBase):
            return self._stream(value)
        held = unfolding.unfolded(value)
        if held is value:
            kind = type(value)
            raise OutputError(
                f"the output holds a {kind.__module__}.{kind.__qualname__}, which JSON can't carry; return text,"
                " numbers, lists or dictionaries, or write it to a file and return the Path of that"
            )
        return self.output(held, last)

    def _destination(self, name):
        if self._folder is None:
            id = self._id if _SAFE_ID.match(self._id) else uuid.uuid4().hex
            self._folder = os.path.join(os.environ["HEARTH_OUT"], id)
        while True:
            folder = os.path.join(self._folder, str(self._count))
            self._count += 1
            with contextlib.suppress(FileExistsError):  # of an earlier attempt at the same prediction
                os.makedirs(folder)
                break
        return os.path.join(folder, name)

    def _file(self, path, last):
        source = os.path.realpath(path)
        if source in self._moved:
            source = self._moved[source]
        if not os.path.isfile(source):
            what = "is a directory, not a file" if os.path.isdir(source) else "does not exist"
            raise OutputError(f"the output file {path} {what}")
        target = self._destination(os.path.basename(path) or "file")
        # Cog promises that a returned file is deleted, and models return files that other calls overwrite:
        # what this call made in the temporary folder is moved, everything else copied, never linked.
        status = os.stat(source)
        temporary = os.path.realpath(os.environ.get("TMPDIR", "/tmp"))
        mine = source.startswith(temporary + os.sep) and status.st_mtime >= self._began - 1 and status.st_nlink == 1
        if last and mine:
            shutil.move(source, target)
            self._moved[source] = target
        elif last and os.environ.get("HEARTH_MODE") == "train":
            _link(source, target)
        else:
            shutil.copyfile(source, target)
        return OUT + target

    def _stream(self, stream):
        name = getattr(stream, "name", None)
        target = self._destination(os.path.basename(name) if isinstance(name, str) and name else "file")
        with contextlib.suppress(OSError, ValueError):
            if stream.seekable():
                stream.seek(0)
        content = stream.read()
        with open(target, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        stream.close()
        return OUT + target


def to_json(value):
    """The text of a result, in the order of the model's own keys."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise OutputError(f"the output can't be written as JSON: {error}") from None


def to_item(value):
    """An item of an iterator: plain values as they are, tokens above all, and containers as text."""
    return value if value is None or isinstance(value, (str, int, float)) else {ITEM: to_json(value)}


def _link(source, target):
    """Weights of many gigabytes: the process ends with its one training, so nobody writes to them again."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _key(key):
    if isinstance(key, enum.Enum):
        key = key.value
    return key if isinstance(key, str) else json.dumps(key) if isinstance(key, (bool, type(None))) else str(key)


def flush():
    """Half a line left unflushed would appear in the logs of the next prediction."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


# What coglet sees


@contextlib.contextmanager
def _reported():
    """Prints the whole error of a step of the setup, with time for coglet to pass the last lines on."""
    try:
        yield
    except BaseException as error:
        traceback.print_exception(type(error), error, loading.without_ours(error.__traceback__))
        flush()
        time.sleep(0.1)
        raise
    flush()


def _runner(function, inputs, iterates):
    """`function` in the kind that it is. Results and items travel as JSON text: coglet sends a list
    element by element, and takes 36 microseconds to convert each number, a minute for a matrix."""
    import cog

    inner = loading.unwrap(function)

    def live(result):
        return (hasattr(result, "__next__") and not isinstance(result, io.IOBase)) or (
            iterates and isinstance(result, (list, tuple))
        )

    def iterate(call, items):
        with call, contextlib.closing(items) if hasattr(items, "close") else contextlib.nullcontext():
            for item in items:
                yield to_item(call.output(item, last=False))
                if wait := pacing.excess():
                    time.sleep(wait)

    async def stream(call, items):
        scope = cog.current_scope()
        count = 0
        try:
            async for item in items:
                scope.record_metric(CHUNK_METRIC, {"i": count, "v": to_item(call.output(item, last=False))})
                count += 1
                if wait := pacing.excess():
                    await asyncio.sleep(wait)
        finally:
            if hasattr(items, "aclose"):
                await items.aclose()
        return {CHUNK_METRIC: count}

    if any(check(f) for check in _ASYNC for f in (function, inner)):

        async def run(self, **values):
            with Call(inputs) as call:
                result = function(**call.inputs(values))
                if inspect.isawaitable(result):
                    result = await result
                if live(result):
                    result = _asynchronous(result)
                if hasattr(result, "__aiter__"):
                    return await stream(call, result)
                return {VALUE: to_json(call.output(result))}

    else:

        def run(self, **values):
            with contextlib.ExitStack() as stack:
                call = stack.enter_context(Call(inputs))
                result = function(**call.inputs(values))
                if not live(result):
                    return {VALUE: to_json(call.output(result))}
                stack.pop_all()  # `iterate` ends the call: its open files are read while it runs
            return iterate(call, result)

    return run


async def _asynchronous(items):
    for item in items:
        yield item


def _iterates(annotation):
    """Whether the declared output arrives item by item."""
    origin = typing.get_origin(annotation) or annotation
    return (
        inspect.isclass(origin)
        and (origin.__module__ == "collections.abc" or origin.__module__.startswith("cog"))
        and origin.__name__.endswith(("Iterator", "Iterable", "Generator"))
    )


def build(reference, train=False):
    """The class that coglet instantiates, around the class or function that `reference` names."""
    import cog

    path, _, name = reference.partition(":")
    module = loading.load_module(path)
    target = loading.find_target(module, name, train)
    method, function = loading.find_method(target, train)
    signed = loading.signed(function)
    hints = loading.hints_of(signed)
    signature = inspect.signature(signed)
    for layer in loading.layers(function):
        loading.unwrap_defaults(layer)
    parameters = [p for p in signature.parameters.values() if method is None or p.name != "self"]
    user = target() if method is not None else None
    bound = function if method is None else getattr(user, method)

    run = _runner(bound, converting.Inputs(parameters, hints), _iterates(hints.get("return")))
    run.__annotations__ = hints
    defaults = [
        p.replace(default=p.default.default if isinstance(p.default, cog.FieldInfo) else p.default) for p in parameters
    ]
    run.__signature__ = signature.replace(
        parameters=[inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD), *defaults]
    )
    run.__doc__ = function.__doc__
    members = {"run": run}
    if user is not None and callable(getattr(user, "setup", None)):
        members["setup"] = _setup(user.setup)
    if user is not None and callable(getattr(user, "healthcheck", None)):
        members["healthcheck"] = _passed(user.healthcheck)
    return type("Model", (), members)


def _setup(setup):
    written = loading.unwrap(setup)
    takes_weights = "weights" in inspect.signature(written).parameters
    annotation = loading.hints_of(getattr(written, "__func__", written)).get("weights")

    def call(weights):
        return setup(weights=converting.weights(annotation, weights)) if takes_weights else setup()

    if inspect.iscoroutinefunction(written):

        async def start(self, weights=None):
            with _reported():
                await call(weights)
            boot.ready()

    else:

        def start(self, weights=None):
            with _reported():
                call(weights)
            boot.ready()

    return start


def _passed(method):
    if inspect.iscoroutinefunction(method):

        async def call(self):
            return await method()

    else:

        def call(self):
            return method()

    return call


def _make_room():
    """For a `wrapper.py` of the model's own: coglet has put this file there. And `input()` meets the end of a file:
    descriptor 0 is coglet's, whose requests it would wait for, and take."""
    if getattr(sys.modules.get(__name__), "__dict__", None) is globals():
        del sys.modules[__name__]
    sys.stdin = open(os.devnull)  # noqa: SIM115 - for the life of the process


def __getattr__(name):
    if name != "Model":
        raise AttributeError(name)

    guard()
    _make_room()
    children.capture()
    children.close_input()
    boot.importing()
    pacing.install()
    with _reported():
        loading.install_compatibility()
        model = build(os.environ["HEARTH_MODEL"], os.environ.get("HEARTH_MODE") == "train")
    boot.imported()
    if not hasattr(model, "setup"):
        boot.ready()
    globals()["Model"] = model
    return model
