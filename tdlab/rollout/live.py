"""The live environment: calls go to real MCP servers, and the trajectory records their results.

Results are saved before use, so that a resumed run repeats no call whose result it has. Nothing is planned, invented or
corrected here. A server that exits during a call ends the rollout, so that no model is paid to continue it; a server
that cannot be restarted ends the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tdlab.errors import ConfigError, RolloutError
from tdlab.records import Blueprint, Json, Tool, canonical_json, digest
from tdlab.rollout.environments import ENVIRONMENTS, ToolResult, receipt
from tdlab.rollout.views import RolloutStopped
from tdlab.tools import nature

if TYPE_CHECKING:
    from tdlab.pool import LiveServers

__all__ = ["LiveEnvironment"]


@ENVIRONMENTS.register("live")
class LiveEnvironment:
    """Execute calls on live MCP servers.

    Args:
        blueprint: The plan of the rollout; its id is the rollout's name in the journal.
        tools: Every tool that the blueprint offers, by key.
        servers: The servers, from `tdlab.pool`.
        timeout_s: Seconds to wait for each result.
        journal_get: Looks up a saved result by key; None to look up nothing.
        journal_put: Saves a result under a key; None to save nothing.
    """

    name = "live"
    replayable = False
    external = True

    def __init__(
        self,
        blueprint: Blueprint,
        tools: Mapping[str, Tool],
        *,
        servers: LiveServers | None = None,
        timeout_s: float = 30.0,
        journal_get: Callable[[str], str | None] | None = None,
        journal_put: Callable[[str, str], None] | None = None,
    ) -> None:
        if servers is None:
            raise ConfigError(
                "calls of the live environment, without servers", expected="live MCP servers", do="pass --servers FILE"
            )
        self._servers = servers
        self._scope = blueprint.id
        self._timeout_s = timeout_s
        self._get = journal_get
        self._put = journal_put

    def call(self, tool: Tool, arguments: Mapping[str, Json], *, call_id: str) -> ToolResult:
        """Call the server, or return the saved result of the same call in the same rollout.

        Raises:
            RolloutStopped: If the server exited before it answered.
            RolloutError: If the server cannot be restarted.
        """
        key = "live/" + digest(self._scope, call_id, tool.key, dict(arguments), length=40)
        saved_text = self._get(key) if self._get else None
        if saved_text is not None:
            saved = json.loads(saved_text)
            ok, text, ended = bool(saved["ok"]), str(saved["text"]), bool(saved.get("ended"))
        else:
            repeatable = nature(tool).effect in ("read", "search", "compute")
            result = self._servers.call(
                tool.service, tool.name, dict(arguments), timeout_s=self._timeout_s, repeatable=repeatable
            )
            if result.lost:
                raise RolloutError(
                    f"the live server {tool.service} is gone: {result.text}",
                    expected="a server that can be restarted",
                    do="repair the server, then re-run the same command to resume; finished work is kept",
                )
            ok, ended = result.ok, result.ended
            text = canonical_json(result.structured) if result.ok and result.structured is not None else result.text
            if self._put and not (ended and repeatable):  # a call that may have had an effect is never repeated
                self._put(key, canonical_json({"ok": ok, "text": text, **({"ended": True} if ended else {})}))
        if ended:
            raise RolloutStopped(f"{tool.service}: {text}")
        return ToolResult(ok, text, receipt(call_id, tool, f"live:{tool.service}", arguments, text, ok=ok))

    def changes(self) -> dict[str, dict[str, Json]]:
        """Return nothing: what changed on a real server is not known."""
        return {}
