"""What stands before the page: only this machine's own name, only our own paths, nothing outward.

A page of another site can point its name at 127.0.0.1; the Host header gives it away. The content
policy is the second wall: whatever a letter holds, the browser sends nothing to another host.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?\Z")
# Of Gradio's own paths, those that serve what letterpress does not have.
_CLOSED = re.compile(
    r"/+(gradio_api/+)?(deep_link|proxy=|file=https?:|upload|monitoring|dev/|runs|stream/|info|openapi)"
)
# Gradio's templates and start script need inline and evaluated code.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class Guard:
    """An ASGI layer around the page that refuses foreign hosts and adds the headers."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a refusal."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if scope["type"] == "websocket" or (refusal := _refusal(scope)):
            status = 403 if scope["type"] == "websocket" else refusal
            await _refuse(scope, send, status)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        await self.app(scope, receive, with_headers)


def _refusal(scope: Message) -> int:
    """The status to refuse a request with, or 0."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or not _HOST.match(hosts[0].decode("latin-1")):
        return 421
    return 404 if _CLOSED.match(scope["path"]) else 0


async def _refuse(scope: Message, send: Send, status: int) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "http.response.start", "status": status, "headers": list(_HEADERS)})
    await send({"type": "http.response.body", "body": b"Refused: the page is for this machine.\n"})
