"""The HTTP interface: the addresses of endpoints, and those that tell of all of them.

Knows nothing of Ray. A request is answered 400 when its bytes are not what its Content-Type says, 413 when there are
too many, 415 for another Content-Type, 422 when it is read but cannot be answered. Paths are whole, wherever an
application is mounted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

from fastapi import FastAPI, HTTPException, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.desks import AnyDesk
from serve.endpoints import ENDPOINTS, Route
from serve.openapi import answers_of, request_of
from serve.schema import AnyServed, Health, Models

Answered = Callable[[Request], Awaitable[Response]]


class Whole:
    """An application that reads whole paths, also behind a prefix."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "root_path": ""}, receive, send)


def api(desk: AnyDesk) -> FastAPI:
    """The address of one endpoint, and nothing else."""
    app = bare(docs_url=None, redoc_url=None, openapi_url=None)
    add(app, desk.route, desk.endpoint.model, desk.answered)
    return app


def front(served: Mapping[str, AnyServed], desks: Iterable[AnyDesk]) -> FastAPI:
    """GET /v1/models, /healthz, /docs and /openapi.json of all that is `served`, and the addresses of `desks`."""

    async def models() -> Models:
        """What is served."""
        return Models(models=list(served.values()))

    app = bare(
        title="Darkglass",
        summary="Dark matter in, baryons and halos out; images of lenses in, sources out",
        license_info={"name": "MIT"},
    )
    app.add_api_route("/healthz", health, methods=["GET"], response_model=Health)
    app.add_api_route("/v1/models", models, methods=["GET"], response_model=Models)
    here = {desk.route.path: desk.answered for desk in desks}
    for name, model in served.items():
        route = ENDPOINTS[name].route
        add(app, route, model, here.get(route.path, not_yet))
    return app


def bare(**described: object) -> FastAPI:
    app = FastAPI(**described)  # type: ignore[arg-type]
    app.add_middleware(Whole)
    app.add_exception_handler(ClientDisconnect, nobody_listens)
    return app


def add(app: FastAPI, route: Route, model: AnyServed, answered: Answered) -> None:
    """Give `app` the address of `route`."""
    app.add_api_route(
        route.path,
        answered,
        methods=["POST"],
        name=route.path.rpartition("/")[2],
        summary=route.summary,
        description=route.description,
        response_class=Response,
        responses=answers_of(route),
        openapi_extra=request_of(route, model),
    )


async def health() -> Health:
    """Answers when the service is up."""
    return Health()


async def not_yet(request: Request) -> Response:
    """A longer prefix takes these requests elsewhere, once their application is up."""
    raise HTTPException(503, f"{request.url.path}: not up yet, try again", headers={"Retry-After": "1"})


async def nobody_listens(_request: Request, _error: Exception) -> Response:
    """The client went away in mid-upload: whatever is answered is lost, but nothing failed."""
    return Response(status_code=400)
