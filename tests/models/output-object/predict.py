import tempfile

from cog import BaseModel, BaseRunner, Path


def save(name: str, text: str) -> Path:
    path = Path(tempfile.mkdtemp()) / name
    path.write_text(text)
    return path


class Part(BaseModel):
    name: str
    file: Path


class Report(BaseModel):
    title: str
    parts: list[Part]
    by_name: dict[str, Path]


class Predictor(BaseRunner):
    def run(self) -> Report:
        return Report(
            title="two parts",
            parts=[Part(name=f"part {n}", file=save("part.txt", f"content {n}")) for n in range(2)],
            by_name={"cover": save("cover.txt", "cover")},
        )
