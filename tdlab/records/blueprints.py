"""Records of plans: a blueprint, its steps and where the values of their calls come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from tdlab.records.base import Json, Record
from tdlab.records.scripts import Recipe, TaskScript

__all__ = [
    "Ask",
    "Binding",
    "Blueprint",
    "Call",
    "Constant",
    "Failure",
    "FromResult",
    "FromTemplate",
    "FromUser",
    "Persona",
    "Promise",
    "SeedEntity",
    "Step",
    "StepKind",
]


class Constant(Record):
    """The argument is this value, which only the plan knows (a default, for example)."""

    kind: Literal["literal"] = "literal"
    value: Json


class FromUser(Record):
    """The argument is what the user says: right away in the turn's request, or only when asked."""

    kind: Literal["said"] = "said"
    slot: str
    value: Json
    when: Literal["at_once", "if_asked"] = "at_once"


class FromResult(Record):
    """The argument is the value at ``path`` in the result of an earlier ``step``.

    ``call`` is the index of the call in that step; with ``as_list``, the value is wrapped in a list.
    """

    kind: Literal["observed"] = "observed"
    step: str
    path: tuple[str | int, ...]
    call: int = 0
    as_list: bool = False


class FromTemplate(Record):
    """The argument is a text that the assistant writes: a program, or input for one.

    ``template`` has one placeholder, ``«name»``, for the value of each of the ``inputs``. ``form`` says how values are
    written: as Python or SQL literals, or as lines of tab-separated columns. Of an input that is a list of objects,
    only the ``fields`` listed under its name are written. ``returns`` is the JSON Schema of the object that the program
    prints; it is empty for other texts.
    """

    kind: Literal["written"] = "written"
    form: Literal["python", "sql", "lines"]
    template: str
    inputs: dict[str, Annotated[FromUser | FromResult, Field(discriminator="kind")]] = Field(default_factory=dict)
    fields: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    returns: dict[str, Json] = Field(default_factory=dict)


Binding = Annotated[Constant | FromUser | FromResult | FromTemplate, Field(discriminator="kind")]
"""The source of an argument's value."""


class Call(Record):
    """One planned tool call: a tool key and a binding for each argument."""

    tool: str
    arguments: dict[str, Binding] = Field(default_factory=dict)

    def sources(self) -> Iterator[Constant | FromUser | FromResult]:
        """Yield the source of every value: each binding and, for a text from a template, each of its inputs."""
        for binding in self.arguments.values():
            if isinstance(binding, FromTemplate):
                yield from binding.inputs.values()
            else:
                yield binding


class Failure(Record):
    """A failure that the plan foresees: the first call of the step returns this error.

    The recovery is to ``retry``, where the failure passes, or to ``report`` it to the user.
    """

    code: str
    message: str
    recovery: Literal["retry", "report"] = "retry"


class Ask(Record):
    """A question that the assistant has to ask: a slot, and the words that a person would use for it."""

    slot: str
    label: str


StepKind = Literal["call", "parallel", "code", "ask", "confirm", "refuse"]


class Step(Record):
    """One node of a blueprint's DAG.

    A ``call`` step has one call; a ``parallel`` step has two or more that are independent of each other. An ``ask``
    step lists the slots that the user reveals only when asked. A ``confirm`` step names in ``about`` the step that
    needs the user's consent. A ``refuse`` step holds in ``request`` a wish that no offered tool can serve. A ``code``
    step has one call of the code tool; its ``request`` says what the program is for, and where ``about`` names a step,
    the program picks one of the items which that step returned. ``after`` lists further steps that must come first,
    besides those whose results are bound. ``turn`` is the number, from 0, of the user's request that the step belongs
    to.
    """

    id: str
    kind: StepKind
    calls: tuple[Call, ...] = ()
    failure: Failure | None = None
    asks: tuple[Ask, ...] = ()
    about: str | None = None
    request: str = ""
    after: tuple[str, ...] = ()
    turn: int = 0

    def needs(self) -> tuple[str, ...]:
        """Return the ids of the steps that must come first: sources of values, then ``after``; no repeats."""
        bound = [b.step for call in self.calls for b in call.sources() if isinstance(b, FromResult)]
        return tuple(dict.fromkeys([*bound, *self.after]))


class Persona(Record):
    """The user's name and role, and the style in which they write."""

    name: str
    role: str
    style: Literal["plain", "brief", "chatty", "formal"] = "plain"


class SeedEntity(Record):
    """An entity that exists before the task starts: its type, its identifier and the fields that are fixed."""

    entity: str
    id: Json
    fields: dict[str, Json] = Field(default_factory=dict)


class Promise(Record):
    """One fact about the end state: an entity exists (with these fields), or is gone.

    ``identity`` and the values of ``fields`` are bindings, so a promise can refer to an id that a step will return.
    """

    kind: Literal["exists", "absent"]
    entity: str
    identity: Binding
    fields: dict[str, Binding] = Field(default_factory=dict)


class Blueprint(Record):
    """The plan of one task: intent, persona, a DAG of steps, the end state (the paper's blueprint).

    A plan on executable worlds has a ``recipe`` and the ``script`` made from it: its steps are those of the script, and
    its end state is what the script's goals say. A plan for services without a pack has neither.

    ``seed`` determines the simulated world and all wording. ``offered`` lists the tools that the assistant sees: those
    that the steps use, and distractors. ``lineage`` lists the mutation operators applied since the plan was made,
    oldest first. ``story`` is what the user says and knows, for each request, where a model wrote it.
    """

    id: str
    cluster: str
    seed: int
    intent: str
    persona: Persona
    steps: tuple[Step, ...]
    offered: tuple[str, ...]
    world: tuple[SeedEntity, ...] = ()
    promises: tuple[Promise, ...] = ()
    parent: str | None = None
    lineage: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    recipe: Recipe | None = None
    script: TaskScript | None = None
    story: tuple[str, ...] = Field(default=(), exclude_if=lambda story: not story)

    def step(self, step_id: str) -> Step:
        """Return the step with that id.

        Raises:
            KeyError: No step has that id.
        """
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    def calls(self) -> Iterator[tuple[Step, int, Call]]:
        """Yield every planned call with its step and its index in the step, in the order of ``steps``."""
        for step in self.steps:
            for index, call in enumerate(step.calls):
                yield step, index, call

    @property
    def tools(self) -> tuple[str, ...]:
        """The keys of the tools that the steps call, each once, in order of first use."""
        return tuple(dict.fromkeys(call.tool for _, _, call in self.calls()))
