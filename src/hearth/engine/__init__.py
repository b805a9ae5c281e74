"""The loops: what is waiting gets to run, what runs is recorded, what is owed goes out.

`dispatcher` gives slots to predictions; `planner` asks `policy` how many instances each lane should have, and
`supervisor` boots and ends them; `runner` leads one prediction from its slot to its outcome; `batches` lets several
share a run; `recorder` makes events, rows, webhooks and news of what happens; `courier` sends webhooks; `reaper` takes
over what a dead engine left and removes what is past its time; `builder` turns pushes into versions. `engine` puts
them together.
"""

from hearth.engine.engine import Engine
from hearth.engine.options import EngineOptions

__all__ = ["Engine", "EngineOptions"]
