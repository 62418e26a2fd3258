"""The documentation page, its files, and the OpenAPI document.

All addresses on the page are relative: a proxy may serve it under any prefix.
"""

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Match
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_PARAMETERS = {
    "tryItOutEnabled": True,
    "persistAuthorization": True,
    "filter": True,
    "displayRequestDuration": True,
}


def add_documentation(app: FastAPI, servers: Callable[[Scope], list[dict[str, str]]]) -> None:
    """Add the routes; `servers` returns the addresses of the API for the caller of a request."""

    async def root(_: Request) -> Response:
        return RedirectResponse("docs")

    async def docs(_: Request) -> Response:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=f"{app.title} - Swagger UI",
            swagger_js_url="swagger/swagger-ui-bundle.js",
            swagger_css_url="swagger/swagger-ui.css",
            swagger_favicon_url="swagger/favicon-32x32.png",
            swagger_ui_parameters=_PARAMETERS,
        )

    async def document(request: Request) -> Response:
        known = servers(request.scope)
        return JSONResponse({**app.openapi(), "servers": known} if known else app.openapi())

    app.add_route("/", root, include_in_schema=False)
    app.add_route("/docs", docs, include_in_schema=False)
    app.add_route("/openapi.json", document, include_in_schema=False)
    app.mount("/swagger", StaticFiles(packages=[("fastapi_swagger", "resources")]))


def redirect_without_slash(request: Request) -> Response | None:
    """Return a relative redirect to the route that the path names but for a slash at its end."""
    path: str = request.scope["path"].removesuffix("/")
    scope = {**request.scope, "path": path}
    if path == request.scope["path"] or not any(
        route.matches(scope)[0] is not Match.NONE for route in request.app.routes
    ):
        return None
    return RedirectResponse(f"../{path.rpartition('/')[2]}")
