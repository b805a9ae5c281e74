from cog import BaseRunner, ConcatenateIterator, Input


class Predictor(BaseRunner):
    def run(
        self,
        count: int = Input(default=10000, ge=0),
        size: int = Input(description="Characters each.", default=8, ge=1),
    ) -> ConcatenateIterator[str]:
        for number in range(count):
            yield f"{number} ".rjust(size)
