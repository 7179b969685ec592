"""Drive JupyterLab in a browser: start it, open and run a notebook, and read what the user sees."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clock import slower

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

ROOT = Path(__file__).resolve().parents[2]
_PANELS = ".jp-OutputArea-output .widget-vbox:has(> .widget-box > img.widget-image)"
_OPEN = "() => window.jupyterapp?.shell?.currentWidget?.sessionContext !== undefined"
_READY = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  const kernel = panel.sessionContext.session.kernel;
  await kernel.info;
  window.faults = [];  // also of callbacks, which no cell shows
  kernel.iopubMessage.connect((_, message) => {
    const {header, content} = message;
    if (header.msg_type === "error") window.faults.push(`${content.ename}: ${content.evalue}`);
    if (header.msg_type === "stream" && content.name === "stderr" && content.text.includes("Traceback"))
      window.faults.push(content.text);
  });
  return panel.sessionContext.session.kernel.connectionStatus;
}"""
_CELLS = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
  const found = [];
  for (let n = 0; n < cells.length; n++) {
    const cell = cells.get(n);
    if (cell.type !== "code") continue;
    found.push({count: cell.executionCount, state: cell.executionState, outputs: cell.outputs.toJSON()});
  }
  return found;
}"""


_SCROLL = """async (element) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  const place = notebook.widgets.findIndex((cell) => cell.node.contains(element));
  await notebook.scrollToItem(place, "start");
}"""
_BYTES = """async (image) => {
  const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
  return Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), (b) => b.toString(16)).join(" ");
}"""


@dataclass
class Lab:
    """JupyterLab, running on a folder of notebooks."""

    url: str
    token: str
    folder: Path

    def open(self, page: Any, notebook: str) -> None:
        """Open a notebook in its own workspace and wait until its kernel answers."""
        workspace = f"w{secrets.token_hex(4)}"
        page.goto(f"{self.url}/lab/workspaces/{workspace}/tree/{notebook}?token={self.token}")
        page.wait_for_function(_OPEN, timeout=90_000 * slower())
        page.evaluate(_READY)

    def run_all(self, page: Any, *, timeout_s: float = 180.0) -> list[dict[str, Any]]:
        """Run every cell, wait for the last, and return the code cells with their outputs."""
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        deadline = time.monotonic() + timeout_s * slower()
        while time.monotonic() < deadline:
            cells = self.cells(page)
            if errors(cells) or all(cell["count"] for cell in cells):
                return cells
            time.sleep(0.5)
        raise TimeoutError(
            f"the notebook did not finish in {timeout_s:.0f} s: {[cell['count'] for cell in self.cells(page)]}"
        )

    def cells(self, page: Any) -> list[dict[str, Any]]:
        """Return the code cells as the browser has them."""
        return list(page.evaluate(_CELLS))

    def panel(self, page: Any, place: int = 0) -> PanelOnPage:
        """Scroll to a panel of the notebook (default: the first) and return it."""
        panel = PanelOnPage(page, page.locator(_PANELS).nth(place))
        panel.see()
        return panel

    def faults(self, page: Any) -> list[str]:
        """Return the kernel's errors since the notebook was opened, including those of callbacks."""
        return list(page.evaluate("() => window.faults"))

    def close(self, page: Any) -> None:
        """End the notebook's kernel and close the page."""
        page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        page.close()


class PanelOnPage:
    """Panel as the user sees it: labelled controls, a picture, a status line and the content below."""

    def __init__(self, page: Any, root: Any) -> None:
        self.page = page
        self.root = root

    def see(self) -> None:
        """Scroll to the panel: JupyterLab does not render cells that are out of sight."""
        self.page.evaluate(_SCROLL, self.root.element_handle())
        self.root.locator("> .widget-html").first.wait_for(state="visible")

    def control(self, words: str) -> Any:
        """Return the control with this label."""
        label = self.page.locator(f".widget-label:text-is({words!r})")
        return self.root.locator(".jupyter-widgets:not(.widget-box)", has=label).first

    def choose(self, words: str, option: int) -> None:
        """Pick the option at this index of a list."""
        self.control(words).locator("select").select_option(index=option)

    def slide(self, words: str, *keys: str) -> None:
        """Focus a slider's first handle and press keys."""
        self.control(words).locator(".noUi-handle").first.focus()
        for key in keys:
            self.page.keyboard.press(key)

    def press(self, words: str) -> None:
        """Click a button."""
        self.root.get_by_role("button", name=words).click()

    def picture(self) -> str:
        """Return a digest of the picture's bytes."""
        return str(self.page.evaluate(_BYTES, self.root.locator("> .widget-box > img").element_handle()))

    def texts(self) -> list[str]:
        """Return the status line and the content below it."""
        return [str(one.inner_text()) for one in self.root.locator("> .widget-html").all()]

    @property
    def status(self) -> str:
        """Return the status line."""
        return self.texts()[0]

    @contextlib.contextmanager
    def changes(self, *, timeout_s: float = 20.0) -> Iterator[None]:
        """Check that the block changes the picture, and wait for the new status line."""
        picture, status = self.picture(), self.status
        yield
        wait_until(lambda: self.picture() != picture, f"the picture did not change; {status}", timeout_s=timeout_s)
        wait_until(lambda: self.status.endswith(" ms)"), f"the status says {self.status}", timeout_s=timeout_s)


def wait_until(holds: Callable[[], bool], otherwise: str, *, timeout_s: float = 20.0) -> None:
    """Poll a condition 20 times per second; raise AssertionError with ``otherwise`` if it never holds."""
    deadline = time.monotonic() + timeout_s * slower()
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def errors(cells: list[dict[str, Any]]) -> list[str]:
    """Return errors in outputs, including those of JupyterLab's stderr type."""
    found = []
    for number, cell in enumerate(cells):
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                found.append(f"cell {number}: {output.get('ename')}: {output.get('evalue')}")
            elif "application/vnd.jupyter.stderr" in output.get("data", {}):
                found.append(f"cell {number}: {output['data']['application/vnd.jupyter.stderr']}")
    return found


@contextlib.contextmanager
def running_lab(folder: Path, home: Path) -> Iterator[Lab]:
    """Start JupyterLab on ``folder`` with an empty home, and end it with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root",
        f"--IdentityProvider.token={token}", f"--notebook-dir={folder}", "--LabApp.expose_app_in_browser=True",
        "--ServerApp.port_retries=0",
    ]  # fmt: skip
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')  # no pop-up over the notebook
    log = (home / "lab.log").open("wb")
    environment = {
        **os.environ, "HOME": str(home), "JUPYTER_CONFIG_DIR": str(home), "JUPYTER_DATA_DIR": str(home),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "PYTHONPATH": str(ROOT),  # kernels import this checkout
    }  # fmt: skip
    server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90 * slower()
        while True:
            try:
                with urllib.request.urlopen(f"{url}/api/status?token={token}", timeout=2):
                    break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("JupyterLab did not start:\n" + (home / "lab.log").read_text()[-2000:]) from None
                time.sleep(0.3)
        yield Lab(url, token, folder)
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()
