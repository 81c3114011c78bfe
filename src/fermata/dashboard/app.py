"""The dashboard over HTTP: it only reads, runs no script, and refuses everything else."""

from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fermata.dashboard.checks import Checks
from fermata.dashboard.pages import BYTES, POLICY, Page, missing_page, render
from fermata.dashboard.source import Source
from fermata.errors import FermataError

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: then browsers would not say which site's button started the verifier.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-cache",
}
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
PATH_CHARACTERS_MAX = 200


def make_app(source: Source, checks: Checks, is_loopback: bool) -> ASGIApp:
    """The dashboard as an ASGI application.

    ``is_loopback``: it is served on the machine itself and answers only to the names of loopback,
    so that a page of another site cannot read it under a name of its own (DNS rebinding).
    """

    def show(request: Request) -> Response:
        name = request.path_params["name"] or "index.html"
        try:
            now, view = source.snapshot(), checks.view()
            page = render(now, view, name) if len(name) <= PATH_CHARACTERS_MAX else None
            return _response(page or missing_page(now, view), name)
        except FermataError as error:
            text = f"The log cannot be shown now: {error.reason}. Try again.\n"
            return PlainTextResponse(text, 503)
        except Exception as fault:  # noqa: BLE001 - the edge: a fault of ours shows no traceback
            text = f"A fault of this program: {type(fault).__name__}; please report it.\n"
            return PlainTextResponse(text, 500)

    def verify(request: Request) -> Response:
        if not is_same_origin(request):
            return PlainTextResponse("Press the button on the page itself.\n", 403)
        checks.start()
        return RedirectResponse("verify.html", 303)

    routes = [
        Route("/verify.html", verify, methods=["POST"]),
        Route("/{name:path}", show, methods=["GET"]),
    ]
    return _guarded(Starlette(routes=routes), is_loopback)


def is_same_origin(request: Request) -> bool:
    """Whether the browser says that a page of this very site sends the request."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(request.headers.get("origin", ""))
    return bool(origin.netloc) and origin.netloc == request.headers.get("host", "")


def _response(page: Page, name: str) -> Response:
    response = Response(page.body, page.status, media_type=None)
    response.headers["Content-Type"] = page.media_type
    if page.media_type == BYTES:
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _guarded(app: ASGIApp, is_loopback: bool) -> ASGIApp:
    """The application with the headers on every answer, whichever part made it."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *headers]}
            await send(message)

        if is_loopback and not _is_for_loopback(scope):
            refusal = PlainTextResponse("This address is for the machine itself.\n", 421)
            await refusal(scope, receive, send_with_headers)
            return
        await app(scope, receive, send_with_headers)

    return guarded


def _is_for_loopback(scope: Scope) -> bool:
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1:
        return False
    try:
        return urlsplit(f"//{hosts[0]}").hostname in LOOPBACK_NAMES
    except ValueError:
        return False
