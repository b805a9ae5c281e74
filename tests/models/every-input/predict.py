"""One input of each kind that Cog knows; the answer says what reached the model."""

import enum
import hashlib
from typing import Annotated, Any, Literal, Optional, TypedDict

from cog import BaseRunner, File, Input, Opaque, Path, Secret


class Shape(str, enum.Enum):
    ROUND = "round"
    SQUARE = "square"


class Point(TypedDict):
    x: float
    y: float


def seen(value: Any) -> Any:
    """JSON for any input: files as size and digest, secrets as their length."""
    if isinstance(value, Path):
        content = value.read_bytes()
        return {"path": value.name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if isinstance(value, Secret):
        return {"secret": len(value.get_secret_value() or "")}
    if hasattr(value, "read"):
        content = value.read()
        return {"file": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if isinstance(value, enum.Enum):
        return {"enum": value.name}
    if isinstance(value, list):
        return [seen(each) for each in value]
    if isinstance(value, dict):
        return {key: seen(each) for key, each in value.items()}
    return value


class Predictor(BaseRunner):
    def run(
        self,
        text: str = Input(description="The only input that must be given."),
        bare: str = "bare default",
        whole: int = Input(default=3, ge=0, le=10, description="0 to 10"),
        number: float = Input(default=0.5, ge=-1, le=1),
        flag: bool = Input(default=False),
        colour: str = Input(default="red", choices=["red", "green", "blue"]),
        size: int = Input(default=2, choices=[1, 2, 4]),
        literal: Literal["low", "high"] = Input(default="low"),
        shape: Shape = Input(default=Shape.ROUND),
        short: str = Input(default="ab", min_length=1, max_length=4),
        word: str = Input(default="abc", regex="^[a-z]+$"),
        old: str = Input(default="", deprecated=True),
        path: Path = Input(default=None, accept="image/*"),
        file: File = Input(default=None),
        secret: Secret = Input(default=None),
        mapping: dict = Input(default=None),
        anything: Any = Input(default=None),
        point: Point = Input(default=None),
        opaque: Annotated[dict, Opaque] = Input(default=None),
        words: list[str] = Input(default=None),
        wholes: list[int] = Input(default=None),
        paths: list[Path] = Input(default=None),
        things: list = Input(default=None),
        maybe_text: Optional[str] = Input(default=None),
        maybe_whole: Optional[int] = None,
        maybe_number: float | None = Input(default=None, ge=0),
        maybe_path: Optional[Path] = Input(default=None),
        maybe_words: Optional[list[str]] = Input(default=None),
        maybe_colour: Optional[Literal["red", "green"]] = Input(default=None),
        either: int | str = Input(default="one"),
        either_or_none: int | str | None = Input(default=None),
        seed: int = Input(default=None),
    ) -> dict:
        given = {key: value for key, value in locals().items() if key != "self"}
        return {key: {"type": type(value).__name__, "value": seen(value)} for key, value in given.items()}
