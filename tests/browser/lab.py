"""A real JupyterLab in a real browser, for tests: start it, open a notebook, run it, look at what a user would see."""

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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

_OPEN = "() => window.jupyterapp?.shell?.currentWidget?.sessionContext !== undefined"
_READY = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
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


@dataclass
class Lab:
    """A running JupyterLab on a folder of notebooks."""

    url: str
    token: str
    folder: Path

    def open(self, page: Any, notebook: str) -> None:
        """Open a notebook in a workspace of its own and wait until its kernel answers."""
        workspace = f"w{secrets.token_hex(4)}"
        page.goto(f"{self.url}/lab/workspaces/{workspace}/tree/{notebook}?token={self.token}")
        page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget?.sessionContext !== undefined", timeout=90_000
        )
        page.evaluate(_READY)

    def run_all(self, page: Any, *, timeout_s: float = 180.0) -> list[dict[str, Any]]:
        """Run every cell and wait for the last; returns the code cells with their outputs."""
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            cells = self.cells(page)
            if errors(cells) or all(cell["count"] for cell in cells):
                return cells
            time.sleep(0.5)
        raise TimeoutError(
            f"the notebook did not finish in {timeout_s:.0f} s: {[cell['count'] for cell in self.cells(page)]}"
        )

    def cells(self, page: Any) -> list[dict[str, Any]]:
        """The code cells as the browser has them."""
        return list(page.evaluate(_CELLS))


def errors(cells: list[dict[str, Any]]) -> list[str]:
    """Errors in outputs, also those that come as JupyterLab's own stderr type."""
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
    """JupyterLab on ``folder`` with an empty home, ended when the block ends."""
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
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
    }  # fmt: skip
    server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
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
