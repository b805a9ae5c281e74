"""Sleeps, in the ways that matter to a cancel."""

import sys
import time

from cog import BaseRunner, CancelationException, Input


class Predictor(BaseRunner):
    def run(
        self,
        seconds: float = Input(default=1, ge=0),
        mode: str = Input(
            description="python: in short steps; call: one call that nothing interrupts; "
            "swallow: ignores the cancel and answers; cleanup: tidies up first; stubborn: sleeps to the end.",
            default="python",
            choices=["python", "call", "swallow", "cleanup", "stubborn"],
        ),
    ) -> str:
        print(f"sleeping {seconds} s, {mode}", flush=True)
        if mode == "call":
            time.sleep(seconds)
            return "slept"
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                time.sleep(0.005)
            except CancelationException:
                print("asked to stop", file=sys.stderr, flush=True)
                if mode == "swallow":
                    return "swallowed"
                if mode == "cleanup":
                    time.sleep(0.1)
                    print("cleaned up")
                if mode != "stubborn":
                    raise
        return "slept"
