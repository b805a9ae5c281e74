"""Every page there is, in one table."""

from __future__ import annotations

from hearth.web import (
    account,
    assets,
    batch_form,
    batches,
    collections,
    compare,
    create,
    dashboard,
    deployments,
    docs,
    download,
    explore,
    home,
    instances,
    live,
    model_settings,
    models,
    playground,
    predictions,
    signin,
    theme,
    training,
)
from hearth.web.route import Route

ROUTES: tuple[Route, ...] = (
    *assets.ROUTES,
    *theme.ROUTES,
    *signin.ROUTES,
    *home.ROUTES,
    *live.ROUTES,
    *explore.ROUTES,
    *compare.ROUTES,
    *create.ROUTES,
    *account.ROUTES,
    *dashboard.ROUTES,
    *batches.ROUTES,
    *batch_form.ROUTES,
    *deployments.ROUTES,
    *instances.ROUTES,
    *collections.ROUTES,
    *docs.ROUTES,
    *predictions.ROUTES,
    *download.ROUTES,
    *models.ROUTES,
    *model_settings.ROUTES,
    *training.ROUTES,
    *playground.ROUTES,
)
