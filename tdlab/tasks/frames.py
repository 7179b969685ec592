"""Task frames: what a person may want of a service, as its pack's ``tasks.yaml`` states it.

A frame has a *target* (a query whose rows are the tasks that a world makes possible), the *act* that fulfils the wish,
a *goal* (a query that gives a row once it is fulfilled), what the user must be *told*, and the words for all of it. How
the assistant gets there is not written down: the planner finds it (`tdlab.tasks.plan_task`).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import Field, ValidationError

from tdlab.errors import PackError
from tdlab.records import Record, Service
from tdlab.worlds import Document, ServicePack

__all__ = [
    "Choosing",
    "Computation",
    "Continuation",
    "Event",
    "Following",
    "Frame",
    "Given",
    "Refusal",
    "SlotWords",
    "TaskPack",
    "Twist",
    "meeting_of",
    "read_frames",
]

Texts = tuple[str, ...]


class SlotWords(Record):
    """How the assistant asks for a value, as a clause (``which day you would like``), and how users then tell it."""

    ask: str
    tell: Texts


class Choosing(Record):
    """One way of choosing among the rows of a list.

    ``by`` is ``lowest FIELD``, ``highest FIELD``, ``same FIELD`` (the user tells the value), or ``ask``: the assistant
    offers the rows and the user names one.
    """

    by: str
    say: Texts
    offer: Texts = ()


class Event(Record):
    """Something that happens in the world just before the assistant calls a tool for the first time."""

    before: str
    sql: str


class Continuation(Record):
    """How a conversation goes on after an obstacle: the user changes some facts, wants another frame, or stops.

    ``change`` is a query with the facts as parameters; each of its rows has the facts that are new. ``frame`` takes the
    place of the first wish; with ``back``, which is how the user comes back to that, it only clears the way. ``carry``
    says what it has of the first (fact of that frame: fact of this one), else all that is known. ``happens`` is SQL:
    the user has removed the obstacle in the world, and it is tried again; a ``change`` beside it finds the facts as
    they are then. With none of them the user gives in, and the task goes on as it would have.
    """

    say: Texts
    change: str = ""
    frame: str = ""
    carry: dict[str, str] = Field(default_factory=dict)
    back: Texts = ()
    happens: str = ""
    stop: bool = False
    reply: Texts = ()


class Following(Record):
    """A frame that may come next: what carries over (fact of that frame: fact of this one), and how it is asked for.

    ``when`` is a fact of this one: it comes next only where that is neither null, zero, false nor empty.
    """

    frame: str
    carry: dict[str, str]
    say: Texts
    when: str = ""


class Given(Record):
    """What a frame takes from another service: the facts of its own that are given, and how users then ask for it.

    ``domains`` are those of the services whose users would want it; none for any.
    """

    facts: dict[str, str]
    say: Texts
    domains: tuple[str, ...] = ()

    def suits(self, service: Service) -> bool:
        """Return whether users of a service would want it."""
        return not self.domains or bool(service.domains.keys() & set(self.domains))


class Twist(Record):
    """What does not go as the user hoped.

    ``meets`` says where the assistant finds out: ``TOOL CODE`` for a documented error, ``TOOL empty`` for a list with
    no rows, ``seen FACT`` for a fact in a result that makes the act pointless, so that it is not tried; or ``policy``,
    where the user opens with a wish that the policy forbids (``open`` and ``reply``), and ``change``,
    where they change their mind when asked to confirm.
    """

    meets: str
    target: str = ""
    happens: Event | None = None
    open: Texts = ()
    say: Texts = ()
    reply: Texts = ()
    then: tuple[Continuation, ...]


class Computation(Record):
    """A fact that no tool returns: it is worked out from all rows of a list.

    ``how`` is count, sum, mean, min, max or top; ``of`` is the field, ``where`` fields that have to equal facts, and
    ``top`` gives the value of the field ``by`` whose rows add up to most. Few rows are worked out in the head, many by
    a program (`tdlab.tasks.programs`).
    """

    rows: str
    how: Literal["count", "sum", "mean", "min", "max", "top"]
    of: str = ""
    by: str = ""
    where: dict[str, str] = Field(default_factory=dict)


class Frame(Record):
    """One kind of task. See the module's docstring, and ``.github/PACKS.md`` for an example with every field.

    ``act`` lists calls in order, each with the facts of its parameters' names, or parameter to fact. ``know`` are facts
    that the assistant must find out before it acts. ``program`` says that what is worked out takes too many rows for
    the head, so that such tasks are drawn only where programs run. ``in_turn`` says that each act waits for the one
    before it, also where both call the same tool. ``follows`` are frames that may come next in the
    same service.
    ``gives`` offers facts to frames of other services as an ``event``, ``message``, ``note``, ``payment`` or ``task``
    (`tdlab.tasks._references.KINDS` has their fields); ``takes`` is the other side of it.
    """

    wish: str
    target: str
    act: tuple[dict[str, tuple[str, ...] | dict[str, str]], ...] = ()
    know: tuple[str, ...] = ()
    goal: str = ""
    tell: tuple[str, ...] = ()
    compute: dict[str, Computation] = Field(default_factory=dict)
    program: bool = False
    in_turn: bool = False
    user: dict[str, str] = Field(default_factory=dict)
    open: Texts
    choose: dict[str, tuple[Choosing, ...]] = Field(default_factory=dict)
    confirm: Texts = ()
    done: Texts
    twists: dict[str, Twist] = Field(default_factory=dict)
    follows: tuple[Following, ...] = ()
    gives: dict[str, dict[str, str]] = Field(default_factory=dict)
    takes: dict[str, Given] = Field(default_factory=dict)


class Refusal(Record):
    """A wish close to the service that no tool of it can fulfil; ``unless`` are tools of any service that could."""

    wish: str
    say: Texts
    reply: Texts
    unless: tuple[str, ...] = ()


class _Tasks(Record):
    """The whole of ``tasks.yaml``."""

    lists: dict[str, list[Any]] = Field(default_factory=dict)
    roles: tuple[str, ...] = ("customer",)
    policy: tuple[str, ...] = ()
    terms: dict[str, dict[str, tuple[str, ...]]] = Field(default_factory=dict)
    slots: dict[str, SlotWords] = Field(default_factory=dict)
    implies: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    frames: dict[str, Frame] = Field(default_factory=dict)
    beyond: tuple[Refusal, ...] = Field(default=())
    reach: dict[str, str] = Field(default_factory=dict)


class TaskPack(NamedTuple):
    """A service pack with its frames.

    ``booleans`` and ``structured`` are the names of parameters that are booleans, and lists or objects: in SQL these
    are numbers and JSON text.
    """

    pack: ServicePack
    roles: tuple[str, ...]
    policy: tuple[str, ...]
    terms: dict[str, dict[str, tuple[str, ...]]]
    slots: dict[str, SlotWords]
    implies: dict[str, tuple[str, ...]]
    frames: dict[str, Frame]
    beyond: tuple[Refusal, ...]
    reach: dict[str, str]
    booleans: frozenset[str]
    structured: frozenset[str]

    def error(self, rule: str, found: str, *path: str | int, expected: str = "") -> PackError:
        """Return the error of one part of ``tasks.yaml``."""
        document: Document = self.pack.tasks
        return PackError(found, file=document.file, line=document.line(*path), rule=rule, expected=expected)


def read_frames(pack: ServicePack) -> TaskPack:
    """Read the frames of a pack.

    Args:
        pack: A service pack.

    Returns:
        The pack with its frames.

    Raises:
        PackError: ``tasks.yaml`` has an unknown key, or lacks one.

    Example:
        >>> from tdlab.worlds import bundled_packs, load_pack
        >>> tasks = read_frames(load_pack(bundled_packs()["saffron_gable"]))
        >>> list(tasks.frames)
        ['book_table', 'join_waitlist', 'cancel_booking', 'see_options', 'move_booking']
    """
    document = pack.tasks
    try:
        tasks = _Tasks.model_validate(document.data)
    except ValidationError as error:
        first = error.errors()[0]
        path = tuple(part for part in first["loc"] if isinstance(part, (str, int)))
        raise PackError(
            f"{'.'.join(map(str, path))}: {first['msg']}", file=document.file, line=document.line(*path),
            rule="frames", expected="the keys of a task frame (.github/PACKS.md)",
        ) from None  # fmt: skip
    parameters = [named for program in pack.programs.values() for named in program.tool.parameters.items()]
    return TaskPack(
        pack,
        tasks.roles,
        tasks.policy,
        tasks.terms,
        tasks.slots,
        tasks.implies,
        tasks.frames,
        tasks.beyond,
        tasks.reach,
        frozenset(name for name, schema in parameters if schema.get("type") == "boolean"),
        frozenset(name for name, schema in parameters if schema.get("type") in ("array", "object")),
    )


Meeting = Literal["error", "empty", "seen", "policy", "change"]


def meeting_of(twist: Twist) -> tuple[Meeting, str, str]:
    """Return the kind of a twist's obstacle, and where the assistant meets it.

    Args:
        twist: The twist.

    Returns:
        The kind; the tool that shows the obstacle (empty where none does); the error's code, or the fact that is seen.

    Example:
        >>> frame = stage_here().tasks("saffron_gable").frames["book_table"]
        >>> meeting_of(frame.twists["taken_meanwhile"])
        ('error', 'book_table', 'sitting_taken')
    """
    if twist.meets in ("policy", "change"):
        # Membership in the tuple narrows the text to the words of Meeting, which the type checker does not see.
        return twist.meets, "", ""  # type: ignore[return-value]
    tool, _, code = twist.meets.partition(" ")
    if tool == "seen":
        return "seen", "", code
    return ("empty" if code == "empty" else "error"), tool, code
