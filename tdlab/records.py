"""The nouns of tdlab: frozen records that every room passes on, with one canonical JSON form.

A record never changes; what looks like a change is a new record (``model_copy(update=...)``). Identity is by content:
`canonical_json` gives the same bytes for the same record on any machine, and `digest` hashes them.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

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
"""A distribution over taxonomy domain ids; the values sum to 1."""


def heaviest(domains: Mapping[str, float]) -> str:
    """Return the domain with the most weight.

    Args:
        domains: Weight by taxonomy domain id.

    Returns:
        Its id: of equals the first by name, of none the empty string.

    Example:
        >>> heaviest({"travel": 0.5, "finance": 0.5})
        'finance'
    """
    return min(domains, key=lambda domain: (-domains[domain], domain), default="")


def canonical_json(value: object) -> str:
    """The one JSON text of a value: sorted keys, no spaces, UTF-8, no NaN. Records are dumped first."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def digest(*parts: object, length: int = 16) -> str:
    """Hex SHA-256 of the canonical JSON of ``parts``, cut to ``length`` characters (4 bits each)."""
    text = canonical_json([p.model_dump(mode="json") if isinstance(p, BaseModel) else p for p in parts])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def rng_for(*parts: object) -> random.Random:
    """A random generator that depends on ``parts`` alone: the way every seed in tdlab is derived."""
    return random.Random(int(digest(*parts, length=32), 16))


class Record(BaseModel):
    """Base of all records: frozen, strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


# ------------------------------------------------------------------------------------------------------------ the pool


class Annotations(Record):
    """MCP tool annotations; ``None`` where the server said nothing. Hints, never guarantees."""

    title: str | None = None
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None


class ToolError(Record):
    """One documented way in which a tool fails. ``message`` may hold ``{parameter}`` placeholders."""

    code: str
    message: str


class Tool(Record):
    """A tool: name, description, JSON Schema of its input and, where known, of its output (MCP ``tools/list``).

    ``output_inferred`` marks an ``output_schema`` that the server does not declare: a guess made for simulation.
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
        """Parameter name to its schema; a schema that is ``true`` or no object counts as ``{}``."""
        properties = self.input_schema.get("properties")
        if not isinstance(properties, dict):
            return {}
        return {name: schema if isinstance(schema, dict) else {} for name, schema in properties.items()}

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Names of the required parameters that are declared, in declared order."""
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
    """Why a dependency is believed: ``kind`` is a stable word, ``detail`` is for people, ``weight`` is in [0, 1]."""

    kind: str
    detail: str
    weight: float


class Dependency(Record):
    """A directed edge: a value that ``source`` returns at ``path`` is one that ``target`` needs as ``parameter``.

    ``path`` goes through the (declared or inferred) output of the source; an integer stands for a list position.
    Both ``path`` and ``parameter`` are empty for a pure ordering edge (``create`` before ``update``), which binds
    nothing. ``score`` is in [0, 1].
    """

    source: str
    target: str
    path: tuple[str | int, ...] = ()
    parameter: str = ""
    score: float
    evidence: tuple[Evidence, ...] = ()


class BusinessCluster(Record):
    """A set of tools joined by dependencies that one real task could use (paper: Business Cluster)."""

    id: str
    tools: tuple[str, ...]
    dependencies: tuple[Dependency, ...]
    domains: Domains
    title: str = ""


# ------------------------------------------------------------------------------------------------------ the blueprints


class Constant(Record):
    """The argument is this value, known to the plan alone (a default, a constant)."""

    kind: Literal["literal"] = "literal"
    value: Json


class FromUser(Record):
    """The argument is what the user says: at once in the turn's request, or only if asked."""

    kind: Literal["said"] = "said"
    slot: str
    value: Json
    when: Literal["at_once", "if_asked"] = "at_once"


class FromResult(Record):
    """The argument is found at ``path`` in what ``call`` (an index) of an earlier ``step`` returned."""

    kind: Literal["observed"] = "observed"
    step: str
    path: tuple[str | int, ...]
    call: int = 0
    as_list: bool = False


class FromTemplate(Record):
    """The argument is a text that the assistant writes: a program, or the input of one.

    ``template`` has gaps, ``«name»`` each, for the values of ``inputs``, which are written as ``form`` says: as Python
    or SQL literals, or as lines of columns parted by tabs. Of an input that is a list of objects only the ``fields`` of
    that name are written. ``returns`` is the JSON Schema of the object that the program prints; empty for other text.
    """

    kind: Literal["written"] = "written"
    form: Literal["python", "sql", "lines"]
    template: str
    inputs: dict[str, Annotated[FromUser | FromResult, Field(discriminator="kind")]] = {}
    fields: dict[str, tuple[str, ...]] = {}
    returns: dict[str, Json] = {}


Binding = Annotated[Constant | FromUser | FromResult | FromTemplate, Field(discriminator="kind")]
"""Where an argument's value comes from."""


class Call(Record):
    """One tool call of a plan: a tool key and a binding for each argument."""

    tool: str
    arguments: dict[str, Binding] = {}

    def sources(self) -> Iterator[Constant | FromUser | FromResult]:
        """Where the values come from: every binding, and of a text that the assistant writes every input."""
        for binding in self.arguments.values():
            if isinstance(binding, FromTemplate):
                yield from binding.inputs.values()
            else:
                yield binding


class Failure(Record):
    """An injected failure: the first call of the step gets this error; the recovery is to ``retry``."""

    code: str
    message: str
    recovery: Literal["retry"] = "retry"


class Ask(Record):
    """What the assistant has to ask for: a slot and how a person would name it."""

    slot: str
    label: str


StepKind = Literal["call", "parallel", "code", "ask", "confirm", "refuse"]


class Step(Record):
    """One node of a blueprint's DAG.

    ``call`` has one call and ``parallel`` at least two, independent of each other. ``ask`` lists slots that the user
    tells only if asked. ``confirm`` names in ``about`` the step that needs a yes. ``refuse`` holds in ``request`` what
    the user wants and no offered tool can do. ``code`` has one call, of the code tool; ``request`` says what the
    program is for, and where ``about`` names a step, it picks one of what that step returned. ``after`` lists steps
    that must come first besides those whose output is bound. ``turn`` counts the user's requests.
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
        """Ids of the steps that must come before this one: data first, then ``after``; no repeats."""
        bound = [b.step for call in self.calls for b in call.sources() if isinstance(b, FromResult)]
        return tuple(dict.fromkeys([*bound, *self.after]))


class Persona(Record):
    """Who the user is, and how they write."""

    name: str
    role: str
    style: Literal["plain", "brief", "chatty", "formal"] = "plain"


class SeedEntity(Record):
    """An entity that exists before the task starts: its type, its identifier and the fields that are fixed."""

    entity: str
    id: Json
    fields: dict[str, Json] = {}


class Promise(Record):
    """One fact about the end state: an entity is there (with these fields), or is gone.

    ``identity`` and the values of ``fields`` are bindings, so a promise can speak of an id that a step will return.
    """

    kind: Literal["exists", "absent"]
    entity: str
    identity: Binding
    fields: dict[str, Binding] = {}


class Blueprint(Record):
    """The plan of one task: intent, persona, what the user knows, a DAG of steps, the end state (paper: blueprint).

    ``seed`` fixes the simulated world and every wording. ``offered`` are the tools that the assistant sees, a superset
    of those the steps use. ``lineage`` lists the mutation operators applied since the plan was made, oldest first.
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
        """The step of that id; KeyError where there is none."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    def calls(self) -> Iterator[tuple[Step, int, Call]]:
        """Every planned call with its step and its index in the step, in the order of ``steps``."""
        for step in self.steps:
            for index, call in enumerate(step.calls):
                yield step, index, call

    @property
    def tools(self) -> tuple[str, ...]:
        """Keys of the tools that the steps call, each once, in order of first use."""
        return tuple(dict.fromkeys(call.tool for _, _, call in self.calls()))


# ---------------------------------------------------------------------------------------------------- the trajectories


class ToolCall(Record):
    """A call in a message: ``name`` as offered to the model, ``arguments`` decoded.

    Where a recording holds arguments that are not a JSON object, ``arguments`` is empty and ``malformed`` keeps the
    text.
    """

    id: str
    name: str
    arguments: dict[str, Json] = {}
    malformed: str | None = None


class Message(Record):
    """One chat message, in the roles of the OpenAI API. A ``tool`` message answers ``tool_call_id``."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    is_error: bool = False


class Execution(Record):
    """An executor's own receipt for one call, kept apart from the conversation.

    ``executor`` is ``simulated``, ``live:SERVER`` or ``sandbox``. ``result_sha256`` is the hex hash of the tool
    message's text as the executor gave it.
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
    that carried it out. ``state`` holds what changed in the simulated world: entity, then identifier, then its fields,
    or null for an entity that is gone. The last six fields are empty for conversations that come from elsewhere.
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
        """Every tool call in order."""
        for message in self.messages:
            yield from message.tool_calls

    def results(self) -> Mapping[str, Message]:
        """Tool messages by the id of the call they answer."""
        return {m.tool_call_id: m for m in self.messages if m.role == "tool" and m.tool_call_id is not None}


class Check(Record):
    """One verification check: its name, whether it passed, and if not, why."""

    name: str
    passed: bool
    reason: str = ""


class Verdict(Record):
    """What verification found: accepted when every check passed."""

    trajectory: str
    checks: tuple[Check, ...]

    @property
    def accepted(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """``name: reason`` of every check that failed."""
        return tuple(f"{check.name}: {check.reason}" for check in self.checks if not check.passed)
