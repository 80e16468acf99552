"""ASGI's types, and what this server adds to a request's state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ABORT = "abort"
"""Key in ``scope["state"]`` of the function that ends the connection at once."""
CHAIN = "peer_chain"
"""Key in ``scope["state"]`` of the connection's verified chain; read it by ``chain.peer_chain``."""
