"""What the model's process sees of the machine it runs on."""

import os
import sys
import tempfile

from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self) -> dict:
        return {
            "variables": dict(os.environ),
            "folder": os.getcwd(),
            "files": sorted(os.listdir()),
            "temporary": tempfile.gettempdir(),
            "pid": os.getpid(),
            "group": os.getpgrp(),
            "python": ".".join(map(str, sys.version_info[:3])),
        }
