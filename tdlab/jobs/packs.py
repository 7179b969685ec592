"""Service packs written by a language model: the cost, and the session with its journal of replies."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tdlab.config import TeacherConfig
from tdlab.errors import PackError
from tdlab.jobs.run import REPLIES
from tdlab.pool import ToolPool
from tdlab.records import digest
from tdlab.rollout import MOST_TOKENS, AuthoredPack, LiveBackend, author_of, pack_in_place, write_pack
from tdlab.store import ReplyJournal

__all__ = ["write_service_pack"]


def write_service_pack(
    pool: ToolPool,
    service: str,
    config: TeacherConfig,
    *,
    out: str | Path,
    rounds: int = 5,
    max_tokens: int = MOST_TOKENS,
    force: bool = False,
    replies: str | Path | None = None,
    api_key: str | None = None,
    on_round: Callable[[int, Sequence[PackError]], None] | None = None,
) -> AuthoredPack:
    """Let a language model write the pack of a service, so that runs execute the service offline from then on.

    A run uses the pack if ``rollout.packs`` names ``out``. Re-running the same call resumes an interrupted session; the
    replies that it has are not paid for again. A pack that is there for the same tools is returned at no cost.

    Args:
        pool: The pool with the service.
        service: The name of the service.
        config: The teacher's settings: the model of the role ``author``, the server, the budget.
        out: The folder of packs; the pack becomes its subfolder, named after the service.
        rounds: Most replies that are asked for.
        max_tokens: Most tokens of one reply.
        force: Write a pack that is there already again. The earlier one is kept beside it, as ``.before-NAME``.
        replies: File of saved replies; default: ``teacher-replies.sqlite`` in ``out``.
        api_key: Key of the server; default: ``OPENAI_API_KEY``. It is not stored.
        on_round: Called after every round with its number and the problems found.

    Returns:
        The pack in place.

    Raises:
        PoolError: The pool has no such service.
        ConfigError: A setting or argument is invalid.
        PackError: A pack is there for other tools, or no pack can have the definitions of the service.
        TeacherError: The server cannot be used, or no reply passed the check.
        BudgetSpent: The budget is spent.
        StoreError: ``out`` cannot be written.

    Example:
        >>> from tdlab.config import TeacherConfig
        >>> from tdlab.pool import ToolPool
        >>> config = TeacherConfig(model="m", base_url="http://127.0.0.1:9/v1")
        >>> write_service_pack(ToolPool.bundled(), "saffron_gable", config, out="packs")
        Traceback (most recent call last):
        tdlab.errors.TeacherError: http://127.0.0.1:9/v1: cannot be reached: ...
    """
    wanted, settings, folder = pool.service(service), author_of(config), Path(out)
    present = None if force else pack_in_place(wanted, folder)
    if present is not None:
        return present
    journal_file = Path(replies) if replies is not None else folder / REPLIES
    owner = digest("author", os.path.abspath(folder), wanted, length=32)
    with (
        ReplyJournal(journal_file) as journal,
        LiveBackend(settings, journal=journal, owner=owner, api_key=api_key) as backend,
    ):
        return write_pack(
            backend, settings, wanted, out=folder, rounds=rounds, max_tokens=max_tokens, force=force, on_round=on_round
        )
