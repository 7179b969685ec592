"""The settings of the language models behind an LLM teacher."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from tdlab.config._section import Section

__all__ = ["NOT_IN_DIGEST", "TeacherConfig", "TeacherRole", "address_problem"]

TeacherRole = Literal["author", "writer", "user", "assistant", "environment", "inspector", "judge"]
"""The agents that a language model can play."""


class TeacherConfig(Section):
    """The language models behind ``rollout.teacher: llm``.

    The API key is not part of the configuration; it is read from ``OPENAI_API_KEY``. Roles that are not in ``roles``
    are played by code: the scripted user and assistant, the simulated environment, and the inspector that follows the
    blueprint. Without a model there is no writer and no judge. The settings in `NOT_IN_DIGEST` say how to reach the
    server and how much to spend; they may change when a run is resumed.
    """

    model: str = Field(default="", max_length=200, description="The model of every role that is not in `models`.")
    models: dict[TeacherRole, str] = Field(default_factory=dict, description="Role -> the model that plays it.")
    roles: tuple[TeacherRole, ...] = Field(
        default=("writer", "user", "assistant"), strict=False, description="The roles that a model plays."
    )
    temperature: float | None = Field(
        default=None, ge=0.0, le=2.0, description="Sampling temperature; null: the server's default."
    )
    max_tokens: int = Field(default=2048, ge=16, le=1_000_000, description="Most tokens in one reply.")
    base_url: str | None = Field(
        default=None, max_length=2000, description="Address of the server; null: OPENAI_BASE_URL, or OpenAI's."
    )
    concurrency: int = Field(default=32, ge=1, le=1024, description="Most calls in flight at the same time.")
    tries: int = Field(default=8, ge=1, le=100, description="Attempts at a call before it counts as failed.")
    patience_s: float = Field(
        default=600.0, gt=0.0, le=86400.0,
        description="Longest time without any answer, in seconds: also the longest `Retry-After` that is waited for.",
    )  # fmt: skip
    timeout_s: float = Field(default=120.0, gt=0.0, le=3600.0, description="Time limit of one reply, in seconds.")
    connect_timeout_s: float = Field(default=5.0, gt=0.0, le=600.0, description="Time limit of connecting, in seconds.")
    budget_tokens: int | None = Field(default=None, ge=0, description="Stop after this many tokens; null: no limit.")
    budget_money: float | None = Field(
        default=None,
        ge=0.0,
        description="Stop after spending this much, in the currency of the price table; null: no limit.",
    )
    failing_window: int | None = Field(
        default=16,
        ge=1,
        description="Stop when too many of the last so many rollouts failed; null: never. Until the first that does "
        "not fail, hardly more than this many are begun.",
    )
    failing_share: float = Field(
        default=1.0, gt=0.0, le=1.0, description="The share of `failing_window` that is too many."
    )
    prices: str | None = Field(default=None, description="Path of a price table (JSON); null: the bundled one.")

    @model_validator(mode="after")
    def _reachable_without_secrets(self) -> Self:
        problem = address_problem(self.base_url) if self.base_url is not None else ""
        if problem:
            raise ValueError(f"teacher.base_url {problem}")
        return self

    def model_of(self, role: TeacherRole) -> str:
        """Return the model that plays a role."""
        return self.models.get(role) or self.model


def address_problem(address: str) -> str:
    """Say why an address cannot be used as a server's address.

    The address is shown in errors and stored with the run, so it must not contain a secret.

    Args:
        address: A URL, such as ``http://127.0.0.1:8000/v1``.

    Returns:
        The end of a sentence that begins with the name of the setting and does not show the address; empty if the
        address can be used.

    Example:
        >>> address_problem("http://127.0.0.1:8000/v1")
        ''
        >>> address_problem("ftp://127.0.0.1")
        'does not start with http:// or https://'
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "has no valid host or port"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "contains a user, a password or a query; it is shown and stored, so put the key in OPENAI_API_KEY"
    if parts.scheme not in ("http", "https"):
        return "does not start with http:// or https://"
    if not host or port == 0 or any(c.isspace() or not c.isprintable() for c in address):
        return "has no valid host or port"
    return ""


NOT_IN_DIGEST = frozenset(
    "base_url concurrency tries patience_s timeout_s connect_timeout_s budget_tokens budget_money prices "
    "failing_window failing_share".split()
)
"""Settings of `TeacherConfig` that are not part of the digest, since the same replies give the same dataset."""
