"""Drive a headless Chromium over its debugging pipe, to look at pages as a reader does."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class Page:
    """A page in a browser of its own.

    Attributes:
        errors: what the console and the policy complained of.
        requests: every address that the page asked for.
    """

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        self._process = subprocess.Popen(
            [
                *("bash", "-c", f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'),
                *(str(BROWSER), *FLAGS, f"--user-data-dir={self._profile}"),
            ],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._number, self._session = b"", 0, ""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._profile, ignore_errors=True)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol, and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            got = os.read(self._in, 1 << 20)
            assert got, "the browser has ended"
            self._buffer += got
        line, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, method: str | None, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"])[:500])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.errors.append(json.dumps(params["args"])[:500])
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])

    def open(self, path: Path) -> float:
        """Open a file, and return the seconds until it was loaded and drawn."""
        began = time.perf_counter()
        self.send("Page.navigate", url=path.resolve().as_uri())
        self.run(
            "new Promise(done => { const after = () => requestAnimationFrame(() => "
            "requestAnimationFrame(done)); document.readyState === 'complete' ? after() : "
            "addEventListener('load', after); })"
        )
        return time.perf_counter() - began

    def run(self, code: str) -> Any:
        """Return the value of a JavaScript expression; a promise is awaited."""
        answer = self.send(
            "Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Click on the middle of an element."""
        code = f"document.querySelector({json.dumps(selector)})"
        x, y = self.run(
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
            f" return [r.x + r.width / 2, r.y + r.height / 2]; }})({code})"
        )
        for kind in ("mousePressed", "mouseReleased"):
            place = {"x": x, "y": y, "button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, **place)

    def press(self, key: str, selector: str | None = None) -> None:
        """Press a key, on an element that has the focus."""
        if selector is not None:
            self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        codes = {"Enter": 13, " ": 32, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9}
        text = {"Enter": "\r", " ": " "}.get(key, "")
        about = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def look(self, *, width: int = 1000, dark: bool = False, media: str = "screen") -> None:
        """Set the width in pixels, the colour scheme and the medium."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def picture(
        self,
        file: Path,
        *,
        selector: str | None = None,
        height: int | None = None,
        scale: float = 1.0,
    ) -> None:
        """Write a screenshot of an element or of the page, down to a height in pixels."""
        if selector is not None:
            x, y, width, tall = self.run(
                f"(r => [r.x + scrollX, r.y + scrollY, r.width, r.height])(document.querySelector("
                f"{json.dumps(selector)}).getBoundingClientRect())"
            )
        else:
            x = y = 0
            width, tall = self.run(
                "[document.documentElement.clientWidth, document.documentElement.scrollHeight]"
            )
        clip = {"x": x, "y": y, "width": width, "height": min(tall, height or tall)}
        clip["scale"] = scale
        shot = self.send("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))
