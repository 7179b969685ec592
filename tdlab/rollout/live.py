"""The live environment: calls go to real MCP servers, and what they answer is what the trajectory records.

Answers are journalled before they are used, so that a resumed run repeats no call whose answer it has. Nothing is
planned, invented or corrected here. A server that ends in a call ends the rollout, so that no model is paid to go on
with it; one that cannot be started again ends the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tdlab.errors import RolloutError
from tdlab.records import Json, Tool, canonical_json, digest
from tdlab.rollout.environments import ToolResult, receipt
from tdlab.rollout.views import RolloutStopped
from tdlab.tools import nature

if TYPE_CHECKING:
    from tdlab.pool import LiveServers

__all__ = ["LiveEnvironment"]


class LiveEnvironment:
    """Executes calls on ``servers``, waiting up to ``timeout_s`` seconds for each answer.

    ``scope`` names the rollout in the journal; ``journal_get`` and ``journal_put`` are the store's, or both None to
    keep nothing.
    """

    name = "live"

    def __init__(
        self,
        servers: LiveServers,
        *,
        scope: str,
        timeout_s: float = 30.0,
        journal_get: Callable[[str], str | None] | None = None,
        journal_put: Callable[[str, str], None] | None = None,
    ) -> None:
        self._servers = servers
        self._scope = scope
        self._timeout_s = timeout_s
        self._get = journal_get
        self._put = journal_put

    def call(self, tool: Tool, arguments: Mapping[str, Json], *, call_id: str) -> ToolResult:
        """Call the server, or take its journalled answer to the very same call of the very same rollout.

        RolloutStopped where the server ended before it answered, RolloutError where it cannot be started again.
        """
        key = "live/" + digest(self._scope, call_id, tool.key, dict(arguments), length=40)
        kept = self._get(key) if self._get else None
        if kept is not None:
            answer = json.loads(kept)
            ok, text, ended = bool(answer["ok"]), str(answer["text"]), bool(answer.get("ended"))
        else:
            repeatable = nature(tool).effect in ("read", "search", "compute")
            result = self._servers.call(
                tool.service, tool.name, dict(arguments), timeout_s=self._timeout_s, repeatable=repeatable
            )
            if result.lost:
                raise RolloutError(
                    f"the live server {tool.service} is gone: {result.text}",
                    expected="a server that can be started again",
                    do="what was made is kept; see to the server and give the same command again: it goes on",
                )
            ok, ended = result.ok, result.ended
            text = canonical_json(result.structured) if result.ok and result.structured is not None else result.text
            if self._put and not (ended and repeatable):  # a call that may have had its effect is never made again
                self._put(key, canonical_json({"ok": ok, "text": text, **({"ended": True} if ended else {})}))
        if ended:
            raise RolloutStopped(f"{tool.service}: {text}")
        return ToolResult(ok, text, receipt(call_id, tool, f"live:{tool.service}", arguments, text, ok=ok))

    def changes(self) -> dict[str, dict[str, Json]]:
        """Nothing: what changed on a real server is not known from here."""
        return {}
