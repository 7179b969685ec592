"""The nouns of tdlab: frozen records that all packages share, with one canonical JSON form.

A record never changes; a change makes a new record (``model_copy(update=...)``). Identity is by content:
`canonical_json` returns the same text for the same record on any machine, and `digest` hashes that text.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "CODE_TOOL",
    "Annotations",
    "Ask",
    "Binding",
    "Blueprint",
    "BusinessCluster",
    "Call",
    "Check",
    "Constant",
    "Dependency",
    "Domains",
    "Evidence",
    "Execution",
    "Failure",
    "FromResult",
    "FromTemplate",
    "FromUser",
    "Json",
    "Message",
    "Persona",
    "Promise",
    "Reason",
    "Record",
    "SeedEntity",
    "Service",
    "Step",
    "StepKind",
    "Tool",
    "ToolCall",
    "ToolError",
    "Trajectory",
    "Verdict",
    "canonical_json",
    "digest",
    "heaviest",
    "rng_for",
]

Json = Any
"""Any JSON value: None, bool, int, float, str, list, dict with string keys."""

CODE_TOOL = "tdlab/run_code"
"""The key of the code tool, which `tdlab.sandbox.RUN_CODE` defines and nothing but a sandbox executes."""

Domains = dict[str, float]
"""A distribution over the ids of the taxonomy's domains; the values sum to 1."""


def heaviest(domains: Mapping[str, float]) -> str:
    """Return the domain with the most weight; of equal ones, the first by name.

    Args:
        domains: Weights by domain id, such as those of a service or cluster.

    Returns:
        The domain's id, or an empty string where there is none.

    Example:
        >>> heaviest({"travel": 0.4, "food": 0.4, "sports": 0.2})
        'food'
    """
    return min(domains, key=lambda domain: (-domains[domain], domain), default="")


def canonical_json(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, non-ASCII text as it is.

    Args:
        value: A record or any JSON value.

    Returns:
        The same text for equal values, on any machine.

    Raises:
        ValueError: The value holds NaN or an infinity.
        TypeError: The value holds something that JSON has no form for.

    Example:
        >>> canonical_json({"b": 1, "a": [True, None]})
        '{"a":[true,null],"b":1}'
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def digest(*parts: object, length: int = 16) -> str:
    """Return the hex SHA-256 of the canonical JSON of ``parts``.

    Args:
        *parts: Records or JSON values; their order counts.
        length: How many hex digits to return, at most 64; each holds 4 bits.

    Returns:
        The first ``length`` digits.

    Raises:
        ValueError: A part holds NaN or an infinity.
        TypeError: A part holds something that JSON has no form for.

    Example:
        >>> digest("blueprint", {"seed": 7})
        '3d0c3a6b89bf4ae3'
    """
    text = canonical_json([p.model_dump(mode="json") if isinstance(p, BaseModel) else p for p in parts])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def rng_for(*parts: object) -> random.Random:
    """Return a random generator that depends on ``parts`` alone; tdlab derives all its seeds this way.

    Args:
        *parts: Records or JSON values that name the purpose, such as a seed, a word and an index.

    Returns:
        A generator in its initial state.

    Raises:
        ValueError: A part holds NaN or an infinity.
        TypeError: A part holds something that JSON has no form for.

    Example:
        >>> rng_for(7, "persona").random() == rng_for(7, "persona").random()
        True
    """
    return random.Random(int(digest(*parts, length=32), 16))


class Record(BaseModel):
    """Base class of all records: frozen, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


# ------------------------------------------------------------------------------------------------------------ the pool


class Annotations(Record):
    """MCP tool annotations; ``None`` where the server gave none. Hints, never guarantees."""

    title: str | None = None
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None


class ToolError(Record):
    """One documented way in which a tool can fail. ``message`` may contain ``{parameter}`` placeholders."""

    code: str
    message: str


class Tool(Record):
    """A tool: name, description, JSON Schema of its input and, where known, of its output (MCP ``tools/list``).

    ``output_inferred`` marks an ``output_schema`` that the server does not declare: a guess made for the simulation.

    Example:
        >>> tool = Tool(
        ...     service="shop",
        ...     name="get_order",
        ...     input_schema={
        ...         "type": "object",
        ...         "properties": {"order_id": {"type": "string"}},
        ...         "required": ["order_id"],
        ...     },
        ... )
        >>> tool.key, tool.required
        ('shop/get_order', ('order_id',))
    """

    service: str
    name: str
    description: str = ""
    input_schema: dict[str, Json]
    output_schema: dict[str, Json] | None = None
    output_inferred: bool = False
    annotations: Annotations = Annotations()
    errors: tuple[ToolError, ...] = ()

    @property
    def key(self) -> str:
        """``service/name``, unique in a pool."""
        return f"{self.service}/{self.name}"

    @cached_property
    def parameters(self) -> dict[str, dict[str, Json]]:
        """Each parameter's schema by name; a schema that is not an object (such as ``true``) counts as ``{}``."""
        properties = self.input_schema.get("properties")
        if not isinstance(properties, dict):
            return {}
        return {name: schema if isinstance(schema, dict) else {} for name, schema in properties.items()}

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The names of the required parameters that are declared, in the order of declaration."""
        required = self.input_schema.get("required")
        wanted = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
        return tuple(name for name in self.parameters if name in wanted)


class Service(Record):
    """An MCP server: the tools that one business offers."""

    name: str
    title: str = ""
    description: str = ""
    domains: Domains = {}
    category: str | None = None
    source: str = ""
    license: str = ""
    schema_quality: Literal["live", "published", "scraped", "none", "bundled"] = "published"
    tools: tuple[Tool, ...] = ()


# -------------------------------------------------------------------------------------------------------- the clusters


class Evidence(Record):
    """A reason to believe in a dependency.

    ``kind`` is a stable word, ``detail`` a sentence, ``weight`` a number in [0, 1].
    """

    kind: str
    detail: str
    weight: float


class Dependency(Record):
    """A directed edge: ``target`` needs, as ``parameter``, a value that ``source`` returns at ``path``.

    ``path`` leads through the (declared or inferred) output of the source; an integer is a list position. ``path`` and
    ``parameter`` are both empty for a pure ordering edge (``create`` before ``update``), which binds no value.
    ``score`` is in [0, 1].
    """

    source: str
    target: str
    path: tuple[str | int, ...] = ()
    parameter: str = ""
    score: float
    evidence: tuple[Evidence, ...] = ()


class BusinessCluster(Record):
    """A set of tools joined by dependencies that one real task could use (the paper's Business Cluster)."""

    id: str
    tools: tuple[str, ...]
    dependencies: tuple[Dependency, ...]
    domains: Domains
    title: str = ""


# ------------------------------------------------------------------------------------------------------ the blueprints


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
    inputs: dict[str, Annotated[FromUser | FromResult, Field(discriminator="kind")]] = {}
    fields: dict[str, tuple[str, ...]] = {}
    returns: dict[str, Json] = {}


Binding = Annotated[Constant | FromUser | FromResult | FromTemplate, Field(discriminator="kind")]
"""The source of an argument's value."""


class Call(Record):
    """One planned tool call: a tool key and a binding for each argument."""

    tool: str
    arguments: dict[str, Binding] = {}

    def sources(self) -> Iterator[Constant | FromUser | FromResult]:
        """Yield the source of every value: each binding and, for a text from a template, each of its inputs."""
        for binding in self.arguments.values():
            if isinstance(binding, FromTemplate):
                yield from binding.inputs.values()
            else:
                yield binding


class Failure(Record):
    """An injected failure: the first call of the step returns this error, and the recovery is to ``retry``."""

    code: str
    message: str
    recovery: Literal["retry"] = "retry"


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
    fields: dict[str, Json] = {}


class Promise(Record):
    """One fact about the end state: an entity exists (with these fields), or is gone.

    ``identity`` and the values of ``fields`` are bindings, so a promise can refer to an id that a step will return.
    """

    kind: Literal["exists", "absent"]
    entity: str
    identity: Binding
    fields: dict[str, Binding] = {}


class Blueprint(Record):
    """The plan of one task: intent, persona, a DAG of steps, the end state (the paper's blueprint).

    ``seed`` determines the simulated world and all wording. ``offered`` lists the tools that the assistant sees: those
    that the steps use, and distractors. ``lineage`` lists the mutation operators applied since the plan was made,
    oldest first.
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


# ---------------------------------------------------------------------------------------------------- the trajectories


class ToolCall(Record):
    """A call in a message: ``name`` as offered to the model, ``arguments`` decoded.

    Where a recording's arguments are not a JSON object, ``arguments`` is empty and ``malformed`` keeps their text.
    """

    id: str
    name: str
    arguments: dict[str, Json] = {}
    malformed: str | None = None


class Message(Record):
    """One chat message with a role of the OpenAI API. A ``tool`` message answers the call ``tool_call_id``."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    is_error: bool = False


class Execution(Record):
    """The executor's own receipt for one call, kept apart from the conversation.

    ``executor`` is ``simulated``, ``live:SERVER`` or ``sandbox``. ``result_sha256`` is the hex SHA-256 of the tool
    message's text as the executor returned it.
    """

    call_id: str
    tool: str
    executor: str
    ok: bool
    arguments_sha256: str
    result_sha256: str


class Trajectory(Record):
    """The recorded messages of one rollout, or one conversation read from a file.

    ``tools`` maps each name that the model saw to a tool key. ``steps`` maps a blueprint step to the ids of the calls
    made for it. ``state`` holds the changes to the simulated world: entity, then identifier, then the fields, or null
    for an entity that is gone. The last six fields are empty for conversations from other sources.
    """

    id: str
    messages: tuple[Message, ...]
    tools: dict[str, str] = {}
    blueprint: str | None = None
    teacher: str = ""
    environment: str = ""
    executions: tuple[Execution, ...] = ()
    steps: dict[str, tuple[str, ...]] = {}
    state: dict[str, dict[str, Json]] = {}

    def calls(self) -> Iterator[ToolCall]:
        """Yield every tool call in order."""
        for message in self.messages:
            yield from message.tool_calls

    def results(self) -> Mapping[str, Message]:
        """Return the tool messages by the id of the call that they answer."""
        return {m.tool_call_id: m for m in self.messages if m.role == "tool" and m.tool_call_id is not None}


class Check(Record):
    """One verification check: its name, whether it passed and, if not, the reason."""

    name: str
    passed: bool
    reason: str = ""


class Reason(NamedTuple):
    """Why something was rejected: the name of the failed check, and what it found; ``str`` gives ``check: text``.

    Example:
        >>> str(Reason("grounding", "city was never said")), Reason.parse("grounding: city was never said").check
        ('grounding: city was never said', 'grounding')
    """

    check: str
    text: str = ""

    def __str__(self) -> str:
        """Return one line, which `parse` reads."""
        return f"{self.check}: {self.text}" if self.text else self.check

    @classmethod
    def parse(cls, line: str) -> Self:
        """Return the reason in a line that ``str`` wrote."""
        check, _, text = line.partition(": ")
        return cls(check, text)


class Verdict(Record):
    """The result of verification: a trajectory is accepted when every check passed."""

    trajectory: str
    checks: tuple[Check, ...]

    @property
    def accepted(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """One reason for each check that failed."""
        return tuple(Reason(check.name, check.reason) for check in self.checks if not check.passed)
