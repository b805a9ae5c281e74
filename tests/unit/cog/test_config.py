"""cog.yaml and hearth.yaml: what is read, and that each error names its line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from hearth.cog.config import RunStep, SecretMount, load, load_hearth
from hearth.errors import ConfigInvalid

PREDICT = 'predict: "predict.py:Predictor"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "predict.py").write_text("")
    (tmp_path / "train.py").write_text("")
    return tmp_path


def write(folder: Path, text: str, name: str = "cog.yaml") -> Path:
    (folder / name).write_text(text)
    return folder


def failure(folder: Path, text: str) -> ConfigInvalid:
    with pytest.raises(ConfigInvalid) as caught:
        load(write(folder, text))
    return caught.value


def test_everything_that_the_builder_needs_is_read(folder: Path) -> None:
    config = load(
        write(
            folder,
            """\
build:
  gpu: true
  cuda: 12.1
  python_version: "3.12"
  python_packages:
    - numpy==1.26.4
    - --extra-index-url https://example.com/simple
  system_packages: [ffmpeg]
  pre_install:
    - echo first
  run:
    - echo second
    - command: make it
      mounts:
        - type: secret
          id: token
          target: /run/secrets/token
predict: predict.py:Predictor
train: train.py:train
image: r8.im/someone/model
concurrency:
  max: 4
environment:
  - MODE=fast
  - EMPTY=
  - URL=a=b
weights:
  - name: base
    target: /src/weights
    source:
      uri: hf://owner/name
      include: ["*.safetensors"]
""",
        )
    )
    assert config.gpu
    assert config.cuda == "12.1"
    assert config.python_version == "3.12"
    assert config.requirements == ("numpy==1.26.4", "--extra-index-url https://example.com/simple")
    assert config.system_packages == ("ffmpeg",)
    assert config.run == (
        RunStep(command="echo first"),
        RunStep(command="echo second"),
        RunStep(command="make it", secrets=(SecretMount(id="token", target="/run/secrets/token"),)),
    )
    assert (config.predict, config.train) == ("predict.py:Predictor", "train.py:train")
    assert config.concurrency_max == 4
    assert config.environment == {"MODE": "fast", "EMPTY": "", "URL": "a=b"}
    assert config.image == "r8.im/someone/model"
    assert [(w.name, w.target, w.uri, w.include) for w in config.weights] == [
        ("base", "/src/weights", "hf://owner/name", ("*.safetensors",))
    ]
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("written", "meant"), [("3.10", "3.10"), ('"3.10"', "3.10"), ("3.11.4", "3.11"), ("'3.13'", "3.13")]
)
def test_python_version_is_read_from_the_raw_text(folder: Path, written: str, meant: str) -> None:
    assert load(write(folder, f"build:\n  python_version: {written}\n{PREDICT}")).python_version == meant


def test_the_new_key_run_names_the_predictor(folder: Path) -> None:
    assert load(write(folder, "run: predict.py:Runner\n")).predict == "predict.py:Runner"
    assert load(write(folder, "predict: predict.py\n")).predict == "predict.py"


def test_unknown_keys_warn_with_the_nearest_known_one(folder: Path) -> None:
    config = load(write(folder, f"{PREDICT}build:\n  python_verison: '3.11'\nfoo: 1\n"))
    assert config.python_version is None
    assert config.warnings == (
        "cog.yaml:4: foo: unknown key, ignored",
        "cog.yaml:3: build.python_verison: unknown key, ignored; did you mean `python_version`?",
    )


@pytest.mark.parametrize(
    ("text", "line", "key", "says"),
    [
        ("build: [\n", 2, None, "expected"),
        ("- a\n", 1, None, "must be a mapping"),
        (f"{PREDICT}build: 3\n", 2, "build", "must be a mapping"),
        (f"{PREDICT}build:\n  gpu: maybe\n", 3, "build.gpu", "true or false"),
        (f"{PREDICT}build:\n  python_version: '2.7'\n", 3, "build.python_version", "'2.7'"),
        (f"{PREDICT}build:\n  python_version: 3.9\n", 3, "build.python_version", "'3.9'"),
        (f"{PREDICT}build:\n  python_packages: numpy\n", 3, "build.python_packages", "must be a list"),
        (f"{PREDICT}build:\n  python_packages:\n    - a\n    - b: 1\n", 5, "build.python_packages", "text"),
        (f"{PREDICT}build:\n  python_requirements: no.txt\n", 3, "build.python_requirements", "not exist"),
        (f"{PREDICT}build:\n  python_requirements: ../x\n", 3, "build.python_requirements", "outside"),
        (
            f"{PREDICT}build:\n  python_packages: [a]\n  python_requirements: predict.py\n",
            4,
            "build.python_requirements",
            "exclude",
        ),
        (f"{PREDICT}build:\n  run:\n    - ok\n    - command: ''\n", 5, "build.run", "command"),
        (f'{PREDICT}build:\n  run:\n    - "a\\nb"\n', 4, "build.run", "one line"),
        (
            f"{PREDICT}build:\n  run:\n    - command: x\n      mounts:\n        - type: cache\n",
            6,
            "build.run[0].mounts[0].type",
            "secret",
        ),
        (
            f"{PREDICT}build:\n  run:\n    - command: x\n      mounts:\n"
            "        - {type: secret, id: a, target: ../b}\n",
            6,
            "build.run[0].mounts[0].target",
            "must not hold ..",
        ),
        (f"{PREDICT}run: predict.py\n", 2, "run", "keep one"),
        ("predict: predict\n", 1, "predict", "does not name"),
        ("predict: nothing.py:P\n", 1, "predict", "nothing.py does not exist"),
        ("predict: /etc/x.py:P\n", 1, "predict", "outside"),
        ("train: nothing.py:train\n", 1, "train", "does not exist"),
        ("build: {}\n", None, "predict", "names no code"),
        (f"{PREDICT}concurrency:\n  max: 0\n", 3, "concurrency.max", "at least 1"),
        (f"{PREDICT}concurrency:\n  max: many\n", 3, "concurrency.max", "whole number"),
        (f"{PREDICT}environment:\n  - A=1\n  - novalue\n", 4, "environment", "NAME=value"),
        (f"{PREDICT}environment:\n  - PATH=/x\n", 3, "environment", "PATH"),
        (f"{PREDICT}environment: [CUDA_HOME=/x]\n", 2, "environment", "CUDA_HOME"),
        (f"{PREDICT}environment: [HEARTH_MODEL=x]\n", 2, "environment", "HEARTH_MODEL"),
        (f"{PREDICT}weights:\n  - name: a\n", 3, "weights", "needs name, target and source.uri"),
        (
            f"{PREDICT}weights:\n  - name: a\n    target: here\n    source: {{uri: x}}\n",
            4,
            "weights[0].target",
            "absolute",
        ),
        (f"{PREDICT}build: {{}}\nbuild: {{}}\n", 3, "build", "twice"),
    ],
)
def test_each_error_names_line_and_key(folder: Path, text: str, line: int | None, key: str | None, says: str) -> None:
    error = failure(folder, text)
    assert (error.line, error.key, error.file) == (line, key, "cog.yaml")
    assert says in error.message
    if line:
        assert error.message.startswith(f"cog.yaml:{line}: ")


def test_a_folder_without_cog_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="not found"):
        load(tmp_path)


def test_requirements_file_is_cleaned(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "more.txt").write_text("./wheel-1.0-py3-none-any.whl\nhttpx\n")
    (folder / "requirements.txt").write_text(
        "# a comment\n"
        "torch==2.1 # pinned\n"
        "--extra-index-url https://example.com/simple\n"
        "numpy \\\n    >=1.20\n"
        "cog==0.8.0\n"
        "coglet\n"
        "cogito==1\n"
        "-e .\n"
        "-r sub/more.txt\n"
        "git+https://example.com/x.git#egg=x\n"
    )
    config = load(write(folder, f"{PREDICT}build:\n  python_requirements: requirements.txt\n"))
    assert config.requirements == (
        "torch==2.1",
        "--extra-index-url https://example.com/simple",
        "numpy >=1.20",
        "cogito==1",
        "./sub/wheel-1.0-py3-none-any.whl",
        "httpx",
        "git+https://example.com/x.git#egg=x",
    )
    assert [w.split("`")[1] for w in config.warnings] == ["cog==0.8.0", "coglet", "-e ."]


def test_a_tokenizer_is_named_or_found(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    assert load_hearth(folder).tokenizer == "tokenizer.json"
    assert load_hearth(write(folder, "description: d\n", "hearth.yaml")).tokenizer == "tokenizer.json"
    (folder / "words.json").write_text("{}")
    assert load_hearth(write(folder, "tokenizer: words.json\n", "hearth.yaml")).tokenizer == "words.json"
    with pytest.raises(ConfigInvalid, match="does not exist"):
        load_hearth(write(folder, "tokenizer: other.json\n", "hearth.yaml"))


def test_hearth_yaml_is_optional_and_finds_the_readme(folder: Path) -> None:
    assert load_hearth(folder).readme is None
    (folder / "README.md").write_text("hi")
    assert load_hearth(folder).readme == "README.md"


def test_hearth_yaml_is_read(folder: Path) -> None:
    (folder / "cover.png").write_bytes(b"")
    config = load_hearth(
        write(
            folder,
            "description: Reads text\npriority: 3\nvisibility: public\ncover: cover.png\nhardware: cpu\n"
            "examples:\n  - prompt: hi\n    n: 2\nlicence_url: x\n",
            "hearth.yaml",
        )
    )
    assert (config.description, config.priority, config.visibility) == ("Reads text", 3, "public")
    assert config.examples == ({"prompt": "hi", "n": 2},)
    assert config.warnings == ("hearth.yaml:9: licence_url: unknown key, ignored; did you mean `license_url`?",)


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("visibility: hidden\n", 1, "visibility"),
        ("description: a\npriority: high\n", 2, "priority"),
        ("examples: x\n", 1, "examples"),
        ("readme: docs/none.md\n", 1, "readme"),
        ("cover: ../x.png\n", 1, "cover"),
    ],
)
def test_hearth_yaml_errors_name_line_and_key(folder: Path, text: str, line: int, key: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load_hearth(write(folder, text, "hearth.yaml"))
    assert (caught.value.file, caught.value.line, caught.value.key) == ("hearth.yaml", line, key)
