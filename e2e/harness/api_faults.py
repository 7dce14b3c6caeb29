"""What an `ApiProxy` may do with a request in place of forwarding it."""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from e2e.harness.api_proxy import Action, Exchange

# Source: k8s.io/apimachinery/pkg/apis/meta/v1, `StatusReason`.
_REASONS = {
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    504: "Timeout",
}


def _status(code: int) -> dict[str, Any]:
    """The body of a refusal. Source: k8s.io/apimachinery/pkg/apis/meta/v1, `Status`."""
    return {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": _REASONS[code],
        "message": f"a test has the proxy answer {code}",
    }


def refused(code: int, *, retry_after: int | None = None) -> Action:
    """The API server answers `code`, and does nothing."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}

    async def action(_: Exchange) -> web.StreamResponse:
        return web.json_response(_status(code), status=code, headers=headers)

    return action


async def expired_within(exchange: Exchange) -> web.StreamResponse:
    """The watch begins, and says at once that its version is too old."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(exchange.request)
    event = {"type": "ERROR", "object": _status(410)}
    await response.write(json.dumps(event).encode() + b"\n")
    return response


async def unanswered(exchange: Exchange) -> web.StreamResponse:
    """The API server does it, and the connection breaks before its answer."""
    await exchange.forward()
    return exchange.abort()


async def broken(exchange: Exchange) -> web.StreamResponse:
    """The connection breaks, and nothing is done."""
    return exchange.abort()


def calling(function: Callable[[], object], *, done: bool) -> Action:
    """`function` is called before anything is done, or once it is `done`; nobody is answered."""

    async def action(exchange: Exchange) -> web.StreamResponse:
        if done:
            await exchange.forward()
        function()
        return exchange.abort()

    return action
