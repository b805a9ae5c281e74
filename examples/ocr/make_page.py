"""Make page.jpg: a printed notice, as a phone would photograph it.

python make_page.py        (needs Pillow, and DejaVu Serif: Debian package fonts-dejavu-core)
"""

from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

PAPER = (1260, 1624)
PHOTO = (1400, 1736)
INK = (38, 36, 44)
TYPEFACE = "DejaVuSerif.ttf"
WORD_GAP = 0.5  # of the type size; a thinner gap does not survive the blur
# Where the paper's corners (top left, top right, bottom right, bottom left) lie in the photo.
CORNERS = ((104, 81), (1310, 129), (1350, 1635), (53, 1674))

NOTICE = [
    (64, "LANTERN RIDGE HUT"),
    (36, "Open from 12 June to 4 October, 2,140 m"),
    (20, ""),
    (42, "Good to know"),
    (33, "The spring behind the woodshed is safe to drink."),
    (33, "Boots stay in the drying room, please."),
    (33, "Lights go out at ten; the kettle never does."),
    (33, "Storm bell: three short, one long. Come inside."),
    (20, ""),
    (42, "Prices"),
    (33, "Bunk for one night|24.00"),
    (33, "Bowl of barley soup|8.50"),
    (33, "Bread and mountain cheese|9.80"),
    (33, "Pot of thyme tea|3.20"),
    (33, "Hot shower, four minutes|4.00"),
    (20, ""),
    (42, "Paths from here"),
    (33, "Grey Saddle, 1 h 40, marked red and white"),
    (33, "Heron Lake, 2 h 15, steep after the bridge"),
    (33, "Down to Millbrook station, 3 h 05"),
    (20, ""),
    (33, "Last radio check with the valley: 19:30"),
    (33, "Keeper: Ida Morell, warden no. 417"),
]


def write(pen: ImageDraw.ImageDraw, x: float, y: float, text: str, size: int) -> float:
    """Print `text` from `x` on and say where it ends."""
    font = ImageFont.truetype(TYPEFACE, size)
    gap = size * WORD_GAP
    for word in text.split():
        pen.text((x, y), word, fill=INK, font=font)
        x += font.getlength(word) + gap
    return x - gap


def paper() -> Image.Image:
    page = Image.new("RGB", PAPER, (247, 243, 233))
    pen = ImageDraw.Draw(page)
    y = 106
    for size, text in NOTICE:
        left, _, right = text.partition("|")
        end = write(pen, 112, y, left, size)
        if right:
            start = PAPER[0] - 126 - ImageFont.truetype(TYPEFACE, size).getlength(right)
            write(pen, start, y, right, size)
            pen.line([(end + 18, y + size), (start - 18, y + size)], fill=(190, 184, 172), width=2)
        y += round(size * 1.72)
    pen.rectangle((56, 48, PAPER[0] - 56, PAPER[1] - 48), outline=(150, 140, 124), width=3)
    return page


def perspective(source: tuple[tuple[float, float], ...], target: tuple[tuple[float, float], ...]) -> list[float]:
    """The eight numbers with which Pillow maps each `target` point back to its `source` point."""
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(target, source, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, v])
    for column in range(8):  # Gauss-Jordan elimination with row exchange
        pivot = max(range(column, 8), key=lambda row: abs(rows[row][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for row in range(8):
            if row != column:
                factor = rows[row][column]
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[column], strict=True)]
    return [row[8] for row in rows]


def photograph(page: Image.Image) -> Image.Image:
    width, height = PAPER
    warp = perspective(((0, 0), (width, 0), (width, height), (0, height)), CORNERS)
    table = Image.new("RGB", PHOTO, (92, 71, 54))
    sheet = page.transform(PHOTO, Image.Transform.PERSPECTIVE, warp, Image.Resampling.BICUBIC)
    mask = Image.new("L", PAPER, 255).transform(PHOTO, Image.Transform.PERSPECTIVE, warp)
    table.paste((58, 44, 34), (13, 18), mask.filter(ImageFilter.GaussianBlur(12)))
    table.paste(sheet, (0, 0), mask)
    slant = Image.linear_gradient("L").rotate(28, Image.Resampling.BICUBIC).crop((54, 54, 202, 202))
    light = slant.resize(PHOTO, Image.Resampling.BICUBIC).point(lambda level: 176 + level // 3)
    photo = ImageChops.multiply(table, Image.merge("RGB", (light, light, light.point(lambda level: level - 10))))
    grain = Image.effect_noise(PHOTO, 14)
    photo = Image.blend(photo, Image.merge("RGB", (grain, grain, grain)), 0.07)
    return photo.filter(ImageFilter.GaussianBlur(1.0))


if __name__ == "__main__":
    target = Path(__file__).with_name("page.jpg")
    photograph(paper()).save(target, quality=66, optimize=True)
    print(f"{target.name}: {target.stat().st_size // 1000} kB")
