"""Check whether a host can be reached, before a library waits for it."""

from __future__ import annotations

import socket
import threading
import urllib.request
from urllib.parse import urlsplit

CONNECT_SECONDS = 3.0  # includes the look-up of the host's name


def reachable(url: str, *, timeout: float = CONNECT_SECONDS) -> bool:
    """Return whether the host of a URL, or its proxy, accepts a connection within `timeout`.

    Looking up a name has no time limit of its own. So everything runs in a thread, which is
    abandoned when the time is up.
    """
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and parts.hostname and not urllib.request.proxy_bypass(parts.hostname):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
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
