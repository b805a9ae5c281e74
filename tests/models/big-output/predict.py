import tempfile

from cog import BaseModel, BaseRunner, Input, Path


class Output(BaseModel):
    text: str
    file: Path


class Predictor(BaseRunner):
    def run(
        self,
        text_mb: int = Input(description="Megabytes of text.", default=1, ge=0, le=200),
        file_mb: int = Input(description="Megabytes of file.", default=1, ge=0, le=2000),
    ) -> Output:
        path = Path(tempfile.mkdtemp()) / "big.bin"
        with path.open("wb") as file:
            for _ in range(file_mb):
                file.write(bytes(1_000_000))
        return Output(text="0123456789" * (100_000 * text_mb), file=path)
