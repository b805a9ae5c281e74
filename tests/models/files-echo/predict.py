import hashlib

from cog import BaseRunner, Input, Path


class Predictor(BaseRunner):
    def run(
        self,
        file: Path = Input(description="Any file."),
        more: list[Path] = Input(description="More of them.", default=[]),
    ) -> list[dict]:
        found = []
        for path in [file, *more]:
            content = path.read_bytes()
            found.append({"name": path.name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()})
        return found
