"""The table of all operations. What the server does, it does because a row here says so."""

from __future__ import annotations

from hearth.api import accounts, deployments, files, models, predictions, pushes, stream, system, trainings
from hearth.api.route import Route

ROUTES: tuple[Route, ...] = (
    *predictions.ROUTES,
    *models.ROUTES,
    *deployments.ROUTES,
    *trainings.ROUTES,
    *files.ROUTES,
    *accounts.ROUTES,
    *stream.ROUTES,
    *pushes.ROUTES,
    *system.ROUTES,
)
