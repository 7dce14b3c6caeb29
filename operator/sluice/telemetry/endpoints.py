"""`/metrics`, `/healthz` and `/readyz`, on one port."""

from collections.abc import Callable

from aiohttp import web

_UNAVAILABLE = 503


async def serve(
    *,
    address: tuple[str, int],
    page: Callable[[str], tuple[bytes, str]],
    unhealthy: Callable[[], str | None],
    unready: Callable[[], str | None],
) -> web.AppRunner:
    """Start serving; the caller ends it by the runner's `cleanup`.

    `page` gives the metrics and their content type for an `Accept` header.
    `unhealthy` and `unready` say in words what is wrong, or None; the words are the answer's body.

    Raises:
        OSError: the address is in use or not ours.
    """
    app = web.Application()
    app.router.add_routes(routes(page=page, unhealthy=unhealthy, unready=unready))
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, *address).start()
    return runner


def routes(
    *,
    page: Callable[[str], tuple[bytes, str]],
    unhealthy: Callable[[], str | None],
    unready: Callable[[], str | None],
) -> list[web.RouteDef]:
    """The endpoints, for a server that has others too; `/livez` is `/healthz`."""

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = page(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def healthz(_: web.Request) -> web.Response:
        return _answer(unhealthy())

    async def readyz(_: web.Request) -> web.Response:
        return _answer(unready())

    return [
        web.get("/metrics", metrics),
        web.get("/healthz", healthz),
        web.get("/livez", healthz),
        web.get("/readyz", readyz),
    ]


def _answer(problem: str | None) -> web.Response:
    return web.Response(text=f"{problem or 'ok'}\n", status=_UNAVAILABLE if problem else 200)
