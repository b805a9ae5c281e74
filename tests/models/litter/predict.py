"""Leaves files in the temporary folder and says where."""

import tempfile

from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self) -> str:
        with tempfile.NamedTemporaryFile(prefix="litter-", delete=False) as file:
            file.write(b"forgotten")
        return file.name
