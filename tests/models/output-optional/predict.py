from typing import Optional

from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self, text: str = "") -> Optional[str]:
        return text or None
