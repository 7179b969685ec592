"""The settings of the language models behind an LLM teacher."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, model_serializer, model_validator

from tdlab.config._section import Section
from tdlab.records import canonical_json

__all__ = ["NOT_IN_DIGEST", "RoleConfig", "Sampling", "TeacherConfig", "TeacherRole", "address_problem"]

TeacherRole = Literal["author", "proposer", "user", "assistant", "environment", "committee"]
"""The agents that a language model can play."""

_SET_BY_CLIENT = frozenset(
    "model messages tools functions response_format stream stream_options n max_tokens max_completion_tokens "
    "temperature top_p seed tdlab_script".split()
)
"""Keys of a request's body that the client sets itself, or that would change the form of the reply."""

Addresses = str | Annotated[tuple[str, ...], Field(min_length=1, max_length=64, strict=False)] | None


class Sampling(NamedTuple):
    """What each request of a role sends beside its messages; None for the server's default."""

    model: str
    temperature: float | None
    top_p: float | None
    max_tokens: int
    seed: int | None
    extra_body: dict[str, JsonValue]


class RoleConfig(Section):
    """The settings of one role that replace those of `TeacherConfig`; null or empty: the general ones hold."""

    model: str | None = Field(default=None, min_length=1, max_length=200)
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    max_tokens: int | None = Field(default=None, ge=16, le=1_000_000)
    seed: int | None = Field(default=None, ge=0, le=2**31 - 1)
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    base_url: Addresses = None

    @model_validator(mode="after")
    def _can_be_sent(self) -> Self:
        _check(self.base_url, self.extra_body)
        return self

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if value is not None and value != {}}


class TeacherConfig(Section):
    """The language models behind ``rollout.teacher: llm``.

    The API key is not part of the configuration; it is read from ``OPENAI_API_KEY``. Roles that are not in ``roles``
    are played by code: the scripted user and assistant, and the simulated environment. Without a model there is no
    proposer and no committee. A model plays the environment only for services without a pack, and the author only for
    `tdlab packs write`. The settings in `NOT_IN_DIGEST` say how to reach the
    server and how much to spend; they may change when a run is resumed.
    """

    model: str = Field(default="", max_length=200, description="The model of every role without one in `by_role`.")
    by_role: dict[TeacherRole, RoleConfig] = Field(
        default_factory=dict,
        description="Role -> its own `model`, `temperature`, `top_p`, `max_tokens`, `seed`, `extra_body` or "
        "`base_url`, as in --set teacher.by_role.user.model=NAME.",
    )
    roles: tuple[TeacherRole, ...] = Field(
        default=("proposer", "user", "assistant", "environment"),
        strict=False,
        description="The roles that a model plays.",
    )
    judges: tuple[str, ...] = Field(
        default=("", "", ""),
        min_length=1,
        max_length=16,
        strict=False,
        description="The committee's judges by model; empty text: the committee's model, with a seed for each judge.",
    )
    revise: bool = Field(
        default=True, description="Whether a rollout that the committee rejects is played once more with its reasons."
    )
    keep_reasoning: bool = Field(
        default=False, description="Whether the assistant's reasoning is kept in the trajectory."
    )
    temperature: float | None = Field(
        default=None, ge=0.0, le=2.0, description="Sampling temperature; null: the server's default."
    )
    top_p: float | None = Field(
        default=None, gt=0.0, le=1.0, description="Nucleus sampling: share of probability; null: the server's default."
    )
    max_tokens: int = Field(default=2048, ge=16, le=1_000_000, description="Most tokens in one reply.")
    seed: int | None = Field(
        default=None, ge=0, le=2**31 - 1,
        description="Seed of the server's sampling; null: none is sent, except with a request for another reply.",
    )  # fmt: skip
    extra_body: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="Added to the body of each request, for options of one server: "
        "`{chat_template_kwargs: {enable_thinking: false}}`.",
    )
    base_url: Addresses = Field(
        default=None,
        description="Address of the server, or a list of addresses that share the calls; null: OPENAI_BASE_URL, or "
        "OpenAI's.",
    )
    concurrency: int = Field(
        default=32,
        ge=1,
        le=1024,
        description="Most rollouts at the same time, and most calls in flight to one address.",
    )
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
    def _can_be_sent(self) -> Self:
        _check(self.base_url, self.extra_body)
        return self

    def model_of(self, role: TeacherRole) -> str:
        """Return the model that plays a role."""
        own = self.by_role.get(role)
        return (own.model if own is not None else None) or self.model

    def sampling(self, role: TeacherRole) -> Sampling:
        """Return how the replies to a role are sampled.

        Args:
            role: The role.

        Returns:
            The role's own settings in `by_role`, and the general ones where it has none. ``extra_body`` has the keys of
            both.

        Example:
            >>> config = TeacherConfig(model="small", seed=1, by_role={"user": {"temperature": 1.0}})
            >>> config.sampling("user").temperature, config.sampling("user").model
            (1.0, 'small')
        """
        own = self.by_role.get(role)
        if own is None:
            return Sampling(self.model, self.temperature, self.top_p, self.max_tokens, self.seed, self.extra_body)
        return Sampling(
            own.model or self.model,
            self.temperature if own.temperature is None else own.temperature,
            self.top_p if own.top_p is None else own.top_p,
            own.max_tokens or self.max_tokens,
            self.seed if own.seed is None else own.seed,
            {**self.extra_body, **own.extra_body},
        )

    def addresses(self, role: TeacherRole) -> tuple[str, ...]:
        """Return the addresses that a role's calls go to, without repetitions; empty if none is set."""
        own = self.by_role.get(role)
        base_url = own.base_url if own is not None and own.base_url is not None else self.base_url
        listed = (base_url,) if isinstance(base_url, str) else base_url or ()
        return tuple(dict.fromkeys(address.rstrip("/") for address in listed))

    def with_one_model(self, model: str) -> Self:
        """Return a copy in which one model plays every role."""
        by_role = {role: own.model_copy(update={"model": None}) for role, own in self.by_role.items()}
        return self.model_copy(update={"model": model, "by_role": by_role})


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
    if len(address) > 2000:
        return "is longer than 2,000 characters"
    return ""


def _check(base_url: Addresses, extra_body: dict[str, Any]) -> None:
    for address in (base_url,) if isinstance(base_url, str) else base_url or ():
        problem = address_problem(address)
        if problem:
            raise ValueError(f"teacher.base_url {problem}")
    taken = sorted(_SET_BY_CLIENT & extra_body.keys())
    if taken:
        raise ValueError(
            f"teacher.extra_body has {', '.join(map(repr, taken))}, which tdlab sets itself: use the setting of that"
            " name, if there is one"
        )
    try:
        canonical_json(extra_body)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("teacher.extra_body holds a value that is not JSON") from None


NOT_IN_DIGEST = frozenset(
    "base_url concurrency tries patience_s timeout_s connect_timeout_s budget_tokens budget_money prices "
    "failing_window failing_share".split()
)
"""Settings of `TeacherConfig` that are not part of the digest, since the same replies give the same dataset.

``base_url`` in `RoleConfig` is not part of it either.
"""
