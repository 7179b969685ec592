"""The author: a model writes the service pack of a service, against the check that every pack has to pass.

The model gets the tool definitions and replies with files. Code writes them into a draft folder, checks them in a
process of its own and replies with what is wrong, for a bounded number of rounds. A pack that passes is moved into
place whole, with its provenance. Definitions come from the pool: the model adds what they lack and changes nothing. A
request holds the files as they stand and the last problems, not the whole session: each round's cost is bounded.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tdlab._files import atomic_write
from tdlab.config import TeacherConfig
from tdlab.errors import ConfigError, PackError, TeacherError
from tdlab.records import Json, Service, digest
from tdlab.rollout.llm._pack_files import (
    REPLY,
    REPLY_SCHEMA,
    TOOLS,
    pool_tools,
    read_reply,
    tool_digests,
    with_additions,
)
from tdlab.rollout.llm._pack_folder import (
    PROVENANCE,
    draft_folder,
    folder_name,
    hash_of,
    move_into_place,
    provenance_in,
    refuse_another,
)
from tdlab.rollout.llm.budget import Prices
from tdlab.rollout.llm.client import RequestRefused
from tdlab.rollout.llm.prompts import VERSIONS, prompt
from tdlab.rollout.llm.protocol import ChatReply, ChatRequest
from tdlab.rollout.llm.session import ModelBackend
from tdlab.tasks import check_apart
from tdlab.tools import shorten
from tdlab.worlds import FILES, load_pack

__all__ = [
    "MOST_TOKENS",
    "AuthorEstimate",
    "AuthoredPack",
    "RoundsEstimate",
    "WrittenPack",
    "author_of",
    "estimate_pack",
    "pack_in_place",
    "write_pack",
    "written_pack",
]

MOST_TOKENS = 32_768
"""Most tokens of one reply: a pack of eight tools takes half of it."""

_SHOWN = 20  # problems sent to the model
_MOST_SHOWN = 500  # characters of one
_MOST_RAW = 4_000  # characters of a reply that is none, shown again
_MOST_REASONS = 4_000  # characters kept
_TOKENS_PER_TOOL = 2_100  # of world.sql and tasks.yaml, the median of the bundled packs


class AuthoredPack(NamedTuple):
    """A pack in place.

    Attributes:
        folder: The folder of the pack.
        service: The name of the service.
        rounds: Rounds that it took; 0 if it was there already.
        reasons: What the model gave as its reasons.
    """

    folder: Path
    service: str
    rounds: int
    reasons: str = ""


class WrittenPack(NamedTuple):
    """A pack that is in place already: its folder, the tools that changed since, and the files edited by hand since."""

    folder: Path
    changed: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()


class RoundsEstimate(NamedTuple):
    """Calls, tokens and cost of some rounds; the cost is None for a model without a price."""

    calls: int
    input_tokens: int
    output_tokens: int
    money: float | None


class AuthorEstimate(NamedTuple):
    """The estimated cost of writing a pack, from `estimate_pack`.

    Attributes:
        service: The name of the service.
        model: The model that writes.
        one: One round.
        all: All rounds, if the last is the first to pass.
        most: The same, if every reply is as long as it may be.
        currency: Currency of the price table.
        doubt: What speaks against starting, such as a budget below the estimate; empty if nothing does.
    """

    service: str
    model: str
    one: RoundsEstimate
    all: RoundsEstimate
    most: RoundsEstimate
    currency: str
    doubt: str = ""


def author_of(config: TeacherConfig, *, timeout_s: float = 1800.0) -> TeacherConfig:
    """Return the settings of an author: one role, and time for a reply of many thousand tokens.

    Args:
        config: The teacher's settings.
        timeout_s: Least time limit of one reply, in seconds.

    Returns:
        The settings for a `LiveBackend`.

    Raises:
        ConfigError: No model is named.

    Example:
        >>> from tdlab.config import TeacherConfig
        >>> author_of(TeacherConfig(model="m")).roles
        ('author',)
    """
    if not config.model_of("author"):
        raise ConfigError(
            "no model is named for the author", expected="teacher.model, or teacher.models.author",
            do="add --set teacher.model=NAME, and --set teacher.base_url=URL for a server of your own",
        )  # fmt: skip
    return config.model_copy(
        update={
            "roles": ("author",),
            "timeout_s": max(config.timeout_s, timeout_s),
            "patience_s": max(config.patience_s, 2 * timeout_s),
        }
    )


# ------------------------------------------------------------------------------------------------------- before paying


def written_pack(service: Service, out: str | Path) -> WrittenPack | None:
    """Look for the pack of a service.

    Args:
        service: The service, as the pool has it.
        out: The folder of packs.

    Returns:
        The pack, and whether the service's tools or its own files are other than when it was written; None if there is
        no pack.

    Raises:
        PackError: The pack is there and cannot be loaded, or no pack can have the names of the service.

    Example:
        >>> import tdlab
        >>> service = tdlab.ToolPool.bundled().service("saffron_gable")
        >>> written_pack(service, "packs") is None
        True
    """
    pool_tools(service)  # the name becomes part of a path: check it first
    folder = Path(out) / folder_name(service.name)
    if not any((folder / name).is_file() for name in FILES):
        return None
    pack = load_pack(folder)
    provenance = provenance_in(folder)
    now = tool_digests(service)
    if provenance is None:  # written by hand
        before = {tool.name: tool.input_schema for tool in pack.service.tools}
        schemas = {tool.name: tool.input_schema for tool in service.tools}
        changed = [name for name in {**before, **schemas} if before.get(name) != schemas.get(name)]
        return WrittenPack(folder, tuple(changed))
    tools, hashes = provenance.get("tools"), provenance.get("sha256")
    tools = tools if isinstance(tools, dict) else {}
    hashes = hashes if isinstance(hashes, dict) else {}
    changed = [name for name in {**tools, **now} if tools.get(name) != now.get(name)]
    edited = [name for name in FILES if hashes.get(name) != hash_of(folder / name)]
    return WrittenPack(folder, tuple(changed), tuple(edited))


def pack_in_place(service: Service, out: str | Path) -> AuthoredPack | None:
    """Return the pack of a service if there is one for its tools as they are.

    Args:
        service: The service, as the pool has it.
        out: The folder of packs.

    Returns:
        The pack; None if there is none.

    Raises:
        PackError: The pack was written for other tools, cannot be loaded, or no pack can have the names of the service.

    Example:
        >>> import tdlab
        >>> pack_in_place(tdlab.ToolPool.bundled().service("saffron_gable"), "packs") is None
        True
    """
    present = written_pack(service, out)
    if present is None:
        return None
    if present.changed:
        raise PackError(
            f"the pack was written for other tools: {', '.join(present.changed[:8])} changed since",
            file=str(present.folder / TOOLS), rule="tools", expected="the tools of the pool",
            do=f"add --force to have the pack of {service.name} written again",
        )  # fmt: skip
    reasons = (provenance_in(present.folder) or {}).get("reasons", "")
    return AuthoredPack(present.folder, service.name, 0, str(reasons))


def estimate_pack(
    config: TeacherConfig, service: Service, *, rounds: int = 5, max_tokens: int = MOST_TOKENS
) -> AuthorEstimate:
    """Estimate the cost of writing a pack, without calling any API.

    Args:
        config: The teacher's settings.
        service: The service.
        rounds: Most rounds.
        max_tokens: Most tokens of one reply.

    Returns:
        The estimate. Tokens are counted as four characters each, and files as long as those of the bundled packs.

    Raises:
        ConfigError: No model is named, or the price table cannot be read.
        PackError: No pack can have the definitions of the service.

    Example:
        >>> import tdlab
        >>> from tdlab.config import TeacherConfig
        >>> service = tdlab.ToolPool.bundled().service("saffron_gable")
        >>> estimate = estimate_pack(TeacherConfig(model="m"), service, rounds=3)
        >>> estimate.one.calls, estimate.all.calls, estimate.one.output_tokens, estimate.one.money is None
        (1, 3, 16800, True)
    """
    model = author_of(config).model_of("author")
    prices = Prices.load(config.prices)
    first = _request(config, pool_tools(service), _Draft(), max_tokens).size
    expected = _TOKENS_PER_TOOL * len(service.tools)
    problems = _SHOWN * _MOST_SHOWN // 4

    def of(number: int, reply: int, problems: int) -> RoundsEstimate:
        sent = number * first + (number - 1) * (reply + problems)
        return RoundsEstimate(number, sent, number * reply, prices.cost(model, sent, number * reply))

    reply = min(expected, max_tokens)
    estimate = AuthorEstimate(
        service.name, model, of(1, reply, 0), of(rounds, reply, problems // 2), of(rounds, max_tokens, problems),
        prices.currency,
    )  # fmt: skip
    return estimate._replace(doubt=_doubt(config, estimate, expected, max_tokens))


def _doubt(config: TeacherConfig, estimate: AuthorEstimate, expected: int, max_tokens: int) -> str:
    tokens, money = estimate.all.input_tokens + estimate.all.output_tokens, estimate.all.money
    if expected > max_tokens:
        return f"a reply takes about {expected:,} tokens and may have {max_tokens:,}: raise --max-tokens"
    if config.budget_tokens is not None and tokens > config.budget_tokens:
        return f"teacher.budget_tokens is {config.budget_tokens:,}: the session may stop before its last round"
    if config.budget_money is not None and money is not None and money > config.budget_money:
        return f"teacher.budget_money is {config.budget_money:g}: the session may stop before its last round"
    return ""


# --------------------------------------------------------------------------------------------------------- the session


class _Draft:
    """The state of a session: the files as they stand, and what is wrong with them."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.reasons = ""
        self.raw = ""  # the last reply, where it could not be read
        self.problems: tuple[PackError, ...] = ()
        self.rounds = 0


def write_pack(
    backend: ModelBackend,
    config: TeacherConfig,
    service: Service,
    *,
    out: str | Path,
    rounds: int = 5,
    max_tokens: int = MOST_TOKENS,
    force: bool = False,
    check_s: float = 300.0,
    on_round: Callable[[int, Sequence[PackError]], None] | None = None,
) -> AuthoredPack:
    """Let a model write the pack of a service, and put it in place once it passes every check.

    With a journal behind ``backend``, a session that was interrupted is resumed by the same call, and its replies are
    not paid for again.

    Args:
        backend: Sends the requests: a `LiveBackend` of `author_of`.
        config: The teacher's settings; the role ``author`` says which model writes.
        service: The service with its tools, as the pool has it.
        out: The folder of packs; the pack becomes its subfolder, named after the service.
        rounds: Most replies that are asked for.
        max_tokens: Most tokens of one reply.
        force: Write a pack that is there already again. The earlier one is kept beside it, as ``.before-NAME``.
        check_s: Time limit of one check, in seconds.
        on_round: Called after every round with its number and the problems found; none for the round that passes.

    Returns:
        The pack in place. One that was there already, for the same tools, is returned as it is.

    Raises:
        ConfigError: ``rounds`` is below 1, or no model is named.
        PackError: A pack is there for other tools, or no pack can have the definitions of the service.
        TeacherError: No reply passed; the message has the last problems. Nothing is left in ``out``.
        BudgetSpent: The budget is spent.
        StoreError: ``out`` cannot be written.

    Example:
        >>> import tdlab
        >>> from tdlab.config import TeacherConfig
        >>> from tdlab.rollout.llm.mock_model import completion
        >>> service = tdlab.ToolPool.bundled().service("saffron_gable")
        >>> with MockServer(answer=lambda body: completion("m", {"content": "I cannot."}, prompt="")) as server:
        ...     config = author_of(TeacherConfig(model="m", base_url=server.base_url))
        ...     with LiveBackend(config) as backend:
        ...         write_pack(backend, config, service, out="packs", rounds=1)
        Traceback (most recent call last):
        tdlab.errors.TeacherError: no sound pack of saffron_gable in 1 round; the last reply: it is not one JSON...
    """
    if rounds < 1:
        raise ConfigError(f"rounds is {rounds}", expected="1 or more", do="leave it out for five")
    author_of(config)
    document = pool_tools(service)
    present = None if force else pack_in_place(service, out)
    if present is not None:
        return present
    refuse_another(Path(out) / folder_name(service.name))  # before anything is paid
    draft = _Draft()
    with draft_folder(Path(out), folder_name(service.name)) as folder:
        while draft.rounds < rounds:
            request = _request(config, document, draft, max_tokens)
            reply = _asked(backend, request)
            draft.rounds += 1
            draft.problems = _problems(draft, reply, document, folder, max_tokens=max_tokens, check_s=check_s)
            if on_round is not None:
                on_round(draft.rounds, draft.problems)
            if not draft.problems:
                _write(folder / PROVENANCE, _provenance(request.model, draft, service, folder))
                target = Path(out) / folder.name
                move_into_place(folder, target)
                return AuthoredPack(target, service.name, draft.rounds, draft.reasons)
    raise _failed(service, draft, rounds)


def _asked(backend: ModelBackend, request: ChatRequest) -> ChatReply:
    try:
        return backend.ask(request)
    except RequestRefused as refused:
        raise TeacherError(
            f"author: {refused}", expected="a server and a model that accept the request",
            do="check teacher.model and --max-tokens against the server's message, then re-run the same command",
        ) from None  # fmt: skip


def _request(config: TeacherConfig, document: dict[str, Json], draft: _Draft, max_tokens: int) -> ChatRequest:
    material = json.dumps(document, ensure_ascii=False, indent=1)
    messages: list[dict[str, Json]] = [
        {"role": "system", "content": prompt("author")},
        {"role": "user", "content": f"Write the pack of this service. Its tools, as data:\n\n{material}"},
    ]
    if draft.rounds:
        shown = json.dumps({"reasons": draft.reasons, "files": draft.files}, ensure_ascii=False)
        if not draft.files:
            shown = draft.raw or "(an empty reply)"
        messages += [{"role": "assistant", "content": shown}, {"role": "user", "content": _told(draft)}]
    return ChatRequest(
        role="author", model=config.model_of("author"), messages=tuple(messages), reply_schema=REPLY_SCHEMA,
        temperature=config.temperature, max_tokens=max_tokens,
    )  # fmt: skip


def _told(draft: _Draft) -> str:
    """Return the message after a round: its problems, and how to go on."""
    lines = [f"{number}. {_line(problem)}" for number, problem in enumerate(draft.problems[:_SHOWN], start=1)]
    if len(draft.problems) > _SHOWN:
        lines.append(f"and {len(draft.problems) - _SHOWN} more.")
    if draft.raw and draft.files:
        lines.append("Your last reply could not be used; above are the files as they stood before it.")
    return (
        f"The checker refuses attempt {draft.rounds}. Problems: {len(draft.problems)}.\n\n"
        + "\n".join(lines)
        + "\n\nReply with reasons for what you change, and with the whole text of each file that changes. A file that"
        " you leave out stays as it is."
    )


def _line(problem: PackError) -> str:
    expected = f" Expected: {problem.expected}." if problem.expected else ""
    return shorten(" ".join(f"{problem.found}.{expected}".split()), _MOST_SHOWN)


def _problems(
    draft: _Draft, reply: ChatReply, document: dict[str, Json], folder: Path, *, max_tokens: int, check_s: float
) -> tuple[PackError, ...]:
    """Take a reply over into the draft, write its files and check them; return what is wrong."""
    draft.raw = ""
    try:
        if reply.refusal or reply.finish == "content_filter":
            raise PackError(f"the model refused: {reply.refusal or reply.text}", file=REPLY, rule="reply")
        if reply.finish == "length":
            raise PackError(
                f"it was cut off after {max_tokens:,} tokens", file=REPLY, rule="reply",
                expected="a shorter pack, or only the files that change",
            )  # fmt: skip
        answer = read_reply(reply.text)
    except PackError as error:
        draft.raw = shorten(reply.text, _MOST_RAW)
        return (error,)
    draft.files |= answer.files
    draft.reasons = shorten(answer.reasons, _MOST_REASONS)
    missing = [name for name in FILES if name != TOOLS and name not in draft.files]
    if missing:
        return tuple(
            PackError("the file is missing", file=name, rule="files", expected="world.sql and tasks.yaml, each whole")
            for name in missing
        )
    tools, errors = with_additions(document, draft.files.get(TOOLS))
    if errors:
        return tuple(errors)
    for name in FILES:
        text = json.dumps(tools, ensure_ascii=False, indent=2) + "\n" if name == TOOLS else draft.files[name]
        _write(folder / name, text)
    return tuple(_plain(error, folder) for error in check_apart(folder, seconds=check_s))


def _plain(error: PackError, folder: Path) -> PackError:
    """Return an error without the path of the draft, so that the same files give the same request anywhere."""
    place, file = f"{error.file}:{error.line}" if error.line else error.file, Path(error.file).name
    found = error.found.removeprefix(f"{place}: ").removesuffix(f" [{error.rule}]").replace(f"{folder}{os.sep}", "")
    # the model does not see tools.json as it is written: a line of it means nothing
    return PackError(
        found, file=file, line=0 if file == TOOLS else error.line, rule=error.rule,
        expected=error.expected.replace(f"{folder}{os.sep}", ""),
    )  # fmt: skip


def _failed(service: Service, draft: _Draft, rounds: int) -> TeacherError:
    first, *others = [shorten(error.found, _MOST_SHOWN) for error in draft.problems[:_SHOWN]]
    more = f"\n  and {len(draft.problems) - _SHOWN} more" if len(draft.problems) > _SHOWN else ""
    return TeacherError(
        f"no sound pack of {service.name} in {rounds} round{'s' if rounds > 1 else ''}; the last "
        + (first if draft.problems[0].file == REPLY else f"problems:\n  {first}")
        + "".join(f"\n  {problem}" for problem in others)
        + more,
        expected="a pack that passes `tdlab packs check`",
        do=f"add --rounds {2 * rounds} to go on (with the same file of replies, no round is paid for twice), or choose"
        " another model with --set teacher.model=NAME",
    )


def _write(path: Path, text: str) -> None:
    atomic_write(path, text.encode("utf-8", "replace"))


def _provenance(model: str, draft: _Draft, service: Service, folder: Path) -> str:
    digests = tool_digests(service)
    return (
        json.dumps(
            {
                "service": service.name,
                "model": model,
                "prompt": VERSIONS["author"],
                "prompt_sha256": hashlib.sha256(prompt("author").encode()).hexdigest(),
                "rounds": draft.rounds,
                "tdlab": importlib.metadata.version("tdlab"),
                "sha256": {name: hash_of(folder / name) for name in FILES},
                "tools_digest": digest("tools", digests),
                "tools": digests,
                "reasons": draft.reasons,
            },
            ensure_ascii=False,
            indent=2,
        )
        + "\n"
    )
