"""Make a picture smaller (or larger): a file in, a file out."""

import tempfile
from typing import Literal

from cog import BaseRunner, Input, Path
from PIL import Image, ImageOps, UnidentifiedImageError

LARGEST = 50_000_000  # pixels of the result; 150 MB once decoded


class Predictor(BaseRunner):
    def run(
        self,
        image: Path = Input(description="The picture (JPEG, PNG, WebP, GIF, TIFF)."),
        width: int = Input(description="New width in pixels; the height follows.", default=320, ge=1, le=10000),
        format: Literal["png", "jpeg", "webp"] = Input(description="Format of the result.", default="png"),
    ) -> Path:
        try:
            with Image.open(image) as opened:
                picture = ImageOps.exif_transpose(opened)
        except UnidentifiedImageError as error:
            raise ValueError("`image` is not a picture that can be read") from error
        size = width, max(1, round(picture.height * width / picture.width))
        if size[0] * size[1] > LARGEST:
            raise ValueError(f"the result would be {size[0]} x {size[1]} pixels; choose a smaller width")
        print(f"{picture.width} x {picture.height} -> {size[0]} x {size[1]}")
        mode = "RGB" if format == "jpeg" or not picture.has_transparency_data else "RGBA"
        result = picture.convert(mode).resize(size, Image.Resampling.LANCZOS)
        target = Path(tempfile.mkdtemp()) / f"resized.{format}"
        result.save(target, format)
        return target
