"""A model for the eyes: paints pictures with a progress bar, and, if asked to, things that must not run."""

import os
import struct
import sys
import tempfile
import time
import zlib

from cog import BaseRunner, Input, Path

PALETTES = {
    "ember": ((255, 214, 140), (222, 92, 38), (60, 20, 30)),
    "sea": ((214, 240, 236), (54, 130, 160), (18, 30, 66)),
    "meadow": ((248, 240, 196), (110, 160, 80), (24, 52, 44)),
}
EVIL = "<script>window.top.pwned = document.title = 'pwned'</script>"


def mix(a, b, t):
    return tuple(int(x + (y - x) * t) for x, y in zip(a, b, strict=True))


def png(width, height, palette, seed):
    light, middle, dark = palette
    hills = [
        (0.55 + 0.1 * n, 0.05 + 0.02 * ((seed * (n + 3)) % 5), 2 + (seed + n) % 4, (seed * 7 + n * 5) % 6)
        for n in range(4)
    ]
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            t = y / height
            colour = mix(light, middle, min(t * 1.5, 1))
            sx, sy = x / width - 0.3 - 0.1 * (seed % 5), t - 0.3
            if sx * sx * (width / height) ** 2 + sy * sy < 0.012:
                colour = mix(light, (255, 255, 255), 0.6)
            for n, (base, height_of, waves, phase) in enumerate(hills):
                u = x / width * waves + phase
                wave = abs((u % 2) - 1)
                if t > base - height_of * (3 * wave * wave - 2 * wave**3) * 2:
                    colour = mix(middle, dark, 0.3 + 0.22 * n)
            rows += bytes(colour)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(rows), 9))
        + chunk(b"IEND", b"")
    )


class Predictor(BaseRunner):
    def run(
        self,
        prompt: str = Input(description="What the hills should look like."),
        palette: str = Input(default="ember", choices=["ember", "sea", "meadow"], description="Light and colours."),
        pictures: int = Input(default=2, ge=1, le=6, description="How many to paint."),
        steps: int = Input(default=4, ge=1, le=500, description="Steps for each of them."),
        pace: float = Input(default=0.0, ge=0, le=2, description="Seconds for a step."),
        evil: bool = Input(default=False, description="Make files that try to run scripts."),
    ) -> list[Path]:
        made, total = [], pictures * steps
        for n in range(pictures):
            for step in range(steps):
                done = n * steps + step + 1
                bar = "█" * (10 * done // total)
                sys.stderr.write(f"\r{100 * done // total:3d}%|{bar:<10}| {done}/{total} [00:00<00:01]")
                sys.stderr.flush()
                time.sleep(pace)
            path = Path(tempfile.mkdtemp()) / f"{palette}-{n + 1}.png"
            path.write_bytes(png(320, 200, PALETTES[palette], len(prompt) + 3 * n))
            made.append(path)
        if evil:
            for name, text in (
                ("evil.svg", f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{EVIL}</svg>'),
                ("evil.html", f"<p>hello</p>{EVIL}"),
            ):
                path = Path(tempfile.mkdtemp()) / name
                path.write_text(text)
                made.append(path)
        os.write(2, b"\n")
        return made
