"""Everything that can go wrong, on purpose: a mixed load on a live server, and trouble that comes at random.

`Chaos` runs both and then says what is owed and missing; the acceptance suite plays it for seconds, `python -m bench
soak` for minutes, with a report.
"""

from hearth.testing.chaos.chaos import Chaos, Report

__all__ = ["Chaos", "Report"]
