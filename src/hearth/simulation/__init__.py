"""The whole engine in virtual time: a trace of arrivals is played through the scheduler that runs in the server.

Nothing of the scheduler is written a second time here. The engine is the real one, with a clock that jumps from one
event to the next (`virtual`), a runtime whose instances and runs only take time (`machine`) and a store that takes
everything and remembers nothing (`void`). So a day of a server is played in seconds, always with the same result, and
what is found holds for the server.
"""

from hearth.simulation.replay import Report, replay
from hearth.simulation.trace import Arrival, Facts, Trace, TraceInvalid, bursty, poisson, read, write, zipf

__all__ = [
    "Arrival",
    "Facts",
    "Report",
    "Trace",
    "TraceInvalid",
    "bursty",
    "poisson",
    "read",
    "replay",
    "write",
    "zipf",
]
