"""Whether a host can be reached, asked before a library waits for it."""

from __future__ import annotations

import socket
import threading
import urllib.request
from urllib.parse import urlsplit

CONNECT = 3.0  # seconds, the look-up of a name among them


def reachable(url: str, *, timeout: float = CONNECT) -> bool:
    """Whether the host of a URL, or the proxy set for it, accepts a connection within `timeout`.

    The look-up of a name has no time limit of its own, so all of it runs in a thread that is
    left behind when the time is up.
    """
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and parts.hostname and not urllib.request.proxy_bypass(parts.hostname):
        parts = urlsplit(proxy)
    address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection(address, timeout=timeout).close()
            answered.set()
        except OSError:
            pass
        finally:
            done.set()

    done = threading.Event()
    threading.Thread(target=connect, daemon=True).start()
    done.wait(timeout)
    return answered.is_set()
