"""Every page there is, in one table."""

from __future__ import annotations

from hearth.web import assets, home, live, models, playground, predictions, signin, theme
from hearth.web.route import Route

ROUTES: tuple[Route, ...] = (
    *assets.ROUTES,
    *theme.ROUTES,
    *signin.ROUTES,
    *home.ROUTES,
    *live.ROUTES,
    *predictions.ROUTES,
    *models.ROUTES,
    *playground.ROUTES,
)
