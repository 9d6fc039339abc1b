"""A headless Chromium of one's own, steered over a pipe by the DevTools protocol: messages of JSON that end in a zero.

No driver and no port: the browser ends with the block that started it.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.shared.errors import Rejected, Transient

ANSWER_S_MAX = 60.0
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    *("--headless=new", "--no-first-run", "--disable-gpu", "--mute-audio", "--window-size=1280,900"),
    *("--autoplay-policy=no-user-gesture-required", "--disable-background-networking", "--disable-dev-shm-usage"),
    *("--disable-component-update", "--disable-sync", "--remote-debugging-pipe"),
)


def browser_program() -> str | None:
    """The browser's program; None when there is none."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


class Tab:
    """One page of the browser."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._unread = b""
        self._calls = 0
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session: str = attached["sessionId"]
        self.told: list[str] = []
        """What scripts wrote to the console, and what they failed with."""
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable", {}, self._session)

    def go(self, url: str) -> None:
        """Opens an address."""
        self._call("Page.navigate", {"url": url}, self._session)

    def run(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise. Transient with its text when it throws."""
        asked = {"expression": script, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        answer = self._call("Runtime.evaluate", asked, self._session)
        if "exceptionDetails" in answer:
            raise Transient(f"the page failed: {json.dumps(answer['exceptionDetails'])[:1_000]}")
        return answer["result"].get("value")

    def wait_for(self, script: str, seconds_max: float = ANSWER_S_MAX) -> Any:
        """The first value of an expression that is true. Transient when there is none in time."""
        deadline = time.monotonic() + seconds_max
        while not (value := self.run(script)):
            if time.monotonic() > deadline:
                raise Transient(f"not within {seconds_max:g} s: {script}; the page said {self.told[-10:]}")
            time.sleep(0.05)
        return value

    def slow_link(self, bits_s: int, latency_ms: int) -> None:
        """From now on everything is fetched over such a link, and nothing from the cache."""
        self._call("Network.enable", {}, self._session)
        self._call("Network.setCacheDisabled", {"cacheDisabled": True}, self._session)
        link = {"offline": False, "latency": latency_ms, "downloadThroughput": bits_s / 8, "uploadThroughput": -1}
        self._call("Network.emulateNetworkConditions", link, self._session)

    def screenshot(self, path: Path) -> None:
        """What the page looks like now, as PNG."""
        data = self._call("Page.captureScreenshot", {"format": "png"}, self._session)["data"]
        path.write_bytes(base64.b64decode(data))

    def _call(self, method: str, parameters: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._calls:
                if "error" in answer:
                    raise Transient(f"{method}: {answer['error'].get('message')}")
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        if event.get("method") in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}:
            self.told.append(json.dumps(event["params"])[:1_000])

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + ANSWER_S_MAX
        while b"\0" not in self._unread:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([self._from], [], [], left_s)[0]:
                raise Transient(f"the browser has said nothing for {ANSWER_S_MAX:g} s")
            piece = os.read(self._from, 1 << 20)
            if not piece:
                raise Transient("the browser has ended")
            self._unread += piece
        text, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message


@contextmanager
def open_tab(folder: Path) -> Iterator[Tab]:
    """A browser with one page, its profile in `folder`. Rejected where there is no browser."""
    program = browser_program()
    if program is None:
        raise Rejected("Chromium is needed; on Debian: apt-get install chromium")
    hears, to_browser = os.pipe()
    from_browser, says = os.pipe()
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root in its sandbox
    command = [program, *_OPTIONS, *sandbox, f"--user-data-dir={folder}", "about:blank"]
    with (folder / "browser.log").open("wb") as output:
        process = subprocess.Popen(
            # The browser listens on descriptor 3 and speaks on 4.
            ["bash", "-c", f'exec "$@" 3<&{hears} 4>&{says}', "browser", *command],
            pass_fds=(hears, says),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    os.close(hears)
    os.close(says)
    try:
        yield Tab(to_browser, from_browser)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(to_browser)
        os.close(from_browser)
