"""Read the text of a photographed or scanned page."""

import tempfile
from pathlib import Path as LocalPath
from typing import NamedTuple

import numpy as np
from cog import BaseModel, BaseRunner, Input, Path
from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError
from rapidocr_onnxruntime import RapidOCR

BOX_COLOUR = (214, 40, 57)
LONGEST_SIDE = 8000  # pixels; a larger picture costs gigabytes once decoded


class Line(BaseModel):
    text: str
    confidence: float
    box: list[list[float]]


class Output(BaseModel):
    text: str
    lines: list[Line]
    page: Path


class Found(NamedTuple):
    """One line as the engine saw it: four corners clockwise from top left, in pixels."""

    corners: list[tuple[float, float]]
    text: str
    confidence: float

    @property
    def left(self) -> float:
        return min(x for x, _ in self.corners)

    @property
    def middle(self) -> float:
        return sum(y for _, y in self.corners) / 4

    @property
    def height(self) -> float:
        ys = [y for _, y in self.corners]
        return max(ys) - min(ys)


class Predictor(BaseRunner):
    def setup(self) -> None:
        self.engine = RapidOCR()
        self.engine(np.full((64, 256, 3), 255, np.uint8))  # the first run allocates the memory arenas

    def run(
        self,
        image: Path = Input(description="A page: a photo or a scan (JPEG, PNG, WebP, TIFF)."),
        min_confidence: float = Input(
            description="Leave out lines that were read with less confidence than this.",
            default=0.5,
            ge=0,
            le=1,
        ),
        straighten: bool = Input(description="Turn lines that stand on their head the right way up.", default=True),
        number_boxes: bool = Input(
            description="Number the boxes on the returned page, in the order of `lines`.", default=True
        ),
    ) -> Output:
        page = open_page(image)
        raw, timings = self.engine(
            np.asarray(page)[:, :, ::-1],  # the engine expects BGR
            use_cls=straighten,
            text_score=min_confidence,
        )
        found = [Found([(x, y) for x, y in box], text, float(score)) for box, text, score in raw or []]
        rows = reading_order(found)
        ordered = [line for row in rows for line in row]
        for stage, seconds in zip(("detection", "orientation", "recognition"), timings or (), strict=False):
            print(f"{stage:12} {seconds:.2f} s")
        print(f"{len(ordered)} lines read from {page.width} x {page.height} pixels")
        self.record_metric("lines", len(ordered))

        return Output(
            text="\n".join("  ".join(line.text for line in row) for row in rows),
            lines=[
                Line(
                    text=line.text,
                    confidence=round(line.confidence, 4),
                    box=[[round(x, 1), round(y, 1)] for x, y in line.corners],
                )
                for line in ordered
            ],
            page=draw(page, ordered, numbers=number_boxes),
        )


def open_page(path: LocalPath) -> Image.Image:
    """The picture in RGB, turned as the camera meant it."""
    try:
        with Image.open(path) as picture:
            if max(picture.size) > LONGEST_SIDE:
                raise ValueError(f"the picture is {picture.width} x {picture.height}; at most {LONGEST_SIDE} a side")
            return ImageOps.exif_transpose(picture).convert("RGB")
    except UnidentifiedImageError as error:
        raise ValueError("`image` is not a picture that can be read; send JPEG, PNG, WebP or TIFF") from error


def reading_order(found: list[Found]) -> list[list[Found]]:
    """Rows from top to bottom, each from left to right.

    A line joins the row above it when their middles are less than half a line height apart: a price at
    the right edge belongs to the words at the left, even on a page that was photographed at a slant.
    """
    rows: list[list[Found]] = []
    for line in sorted(found, key=lambda each: each.middle):
        if rows and line.middle - rows[-1][-1].middle < 0.5 * min(line.height, rows[-1][-1].height):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda each: each.left) for row in rows]


def draw(page: Image.Image, lines: list[Found], *, numbers: bool) -> Path:
    """A PNG of the page with a box round each line."""
    marked = page.copy()
    pen = ImageDraw.Draw(marked)
    width = max(2, page.width // 500)
    for number, line in enumerate(lines, start=1):
        corners = [(round(x), round(y)) for x, y in line.corners]
        pen.line([*corners, corners[0]], fill=BOX_COLOUR, width=width, joint="curve")
        if numbers:
            pen.text(corners[0], str(number), fill=BOX_COLOUR, anchor="rs", font_size=max(12, page.width // 60))
    target = Path(tempfile.mkdtemp()) / "page.png"
    marked.save(target)
    return target
