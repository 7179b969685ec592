"""RunConfig: every number that a run depends on, in one frozen, validated tree, to and from YAML.

The dataset of a run is a function of this tree and of the pool's content; nothing about the machine (workers, paths,
time) is in it. The headline dial is ``target``: how many verified trajectories to make.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tdlab.errors import ConfigError
from tdlab.records import Json, digest

__all__ = [
    "NOT_IN_DIGEST",
    "BlueprintConfig",
    "ClusterConfig",
    "EvolutionConfig",
    "RolloutConfig",
    "RunConfig",
    "SandboxConfig",
    "TeacherConfig",
    "TeacherRole",
    "VerifyConfig",
    "address_problem",
]

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class ClusterConfig(_Section):
    """Mining of Business Clusters."""

    min_tools: int = Field(default=3, ge=1, le=50, description="fewest tools in a cluster")
    max_tools: int = Field(default=12, ge=1, le=50, description="most tools in a cluster")
    edge_threshold: Share = Field(default=0.35, description="dependencies scored lower are not used")
    candidates_per_tool: int = Field(
        default=3, ge=1, le=100, description="candidate clusters grown from every seed tool"
    )
    coverage: Share = Field(default=0.98, description="stop selecting at this share of the reachable weight")
    max_clusters: int | None = Field(default=None, ge=1, description="stop selecting at this many clusters")
    tool_weight: float = Field(default=1.0, ge=0.0, le=100.0, description="weight of covering a tool")
    edge_weight: float = Field(
        default=0.5, ge=0.0, le=100.0, description="weight of covering a dependency, times its score"
    )

    @model_validator(mode="after")
    def _sizes_in_order(self) -> Self:
        if self.min_tools > self.max_tools:
            raise ValueError(
                f"clusters.min_tools ({self.min_tools}) is larger than clusters.max_tools ({self.max_tools})"
            )
        return self


class BlueprintConfig(_Section):
    """Planning of tasks."""

    max_depth: int = Field(default=4, ge=1, le=12, description="longest chain of producers behind a goal")
    max_steps: int = Field(default=14, ge=1, le=60, description="most steps a blueprint may grow to")
    optional_share: Share = Field(default=0.3, description="chance that an optional parameter is used")
    distractors: int = Field(
        default=2, ge=0, le=20, description="tools offered to the assistant that the plan does not need"
    )


class RolloutConfig(_Section):
    """Playing blueprints out."""

    teacher: Literal["scripted", "llm"] = Field(default="scripted", description="who writes the words")
    environment: Literal["simulated", "live"] = Field(default="simulated", description="what executes the calls")
    allow_writes: bool = Field(
        default=False, description="live only: plan tools that may change something on the server"
    )
    facts: dict[str, dict[str, list[Json]]] = Field(
        default_factory=dict, description="live only: service -> parameter -> values that really exist there"
    )
    call_timeout_s: float = Field(
        default=30.0, gt=0.0, le=3600.0, description="live only: seconds allowed for one call"
    )


TeacherRole = Literal["writer", "user", "assistant", "environment", "inspector", "judge"]
"""The agents that a language model may play."""


class TeacherConfig(_Section):
    """The language models behind ``rollout.teacher: llm``. The key is no part of it: ``OPENAI_API_KEY`` holds it.

    A role that is not in ``roles`` is played by code: the scripted user and assistant, the simulated environment, the
    inspector that follows the blueprint; there is no writer and no judge then. The values named in `NOT_IN_DIGEST` say
    how the server is reached and what may be spent; they may change when a run is resumed.
    """

    model: str = Field(default="", max_length=200, description="the model of every role that has none of its own")
    models: dict[TeacherRole, str] = Field(default_factory=dict, description="role -> its own model")
    roles: tuple[TeacherRole, ...] = Field(
        default=("writer", "user", "assistant"), strict=False, description="the roles that a model plays"
    )
    temperature: float | None = Field(
        default=None, ge=0.0, le=2.0, description="sampling temperature; null: what the server takes by itself"
    )
    max_tokens: int = Field(default=2048, ge=16, le=1_000_000, description="most tokens of one reply")
    base_url: str | None = Field(
        default=None, max_length=2000, description="the server's address; null: OPENAI_BASE_URL, else OpenAI's own"
    )
    concurrency: int = Field(default=32, ge=1, le=1024, description="most calls in flight")
    tries: int = Field(default=8, ge=1, le=100, description="how often a call that fails is made before it is given up")
    timeout_s: float = Field(default=120.0, gt=0.0, le=3600.0, description="seconds allowed for one reply")
    connect_timeout_s: float = Field(default=5.0, gt=0.0, le=600.0, description="seconds allowed for connecting")
    budget_tokens: int | None = Field(default=None, ge=0, description="stop when this many tokens were paid for")
    budget_money: float | None = Field(
        default=None, ge=0.0, description="stop when this much was spent, in the currency of the price table"
    )
    prices: str | None = Field(default=None, description="path of a price table (JSON); null: the one that ships")

    @model_validator(mode="after")
    def _reachable_without_secrets(self) -> Self:
        problem = address_problem(self.base_url) if self.base_url is not None else ""
        if problem:
            raise ValueError(f"teacher.base_url {problem}")
        return self

    def model_of(self, role: TeacherRole) -> str:
        """The model that plays a role."""
        return self.models.get(role) or self.model


def address_problem(address: str) -> str:
    """What keeps ``address`` from being that of a server, as the end of a sentence that does not show it; or nothing.

    It is told in errors and stored with the run, so it must hold no secret.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "has no host or port that can be read"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "holds a user, a password or a query; it is shown and stored, and a key belongs into OPENAI_API_KEY"
    if parts.scheme not in ("http", "https"):
        return "does not start with http:// or https://"
    if not host or port == 0 or any(c.isspace() or not c.isprintable() for c in address):
        return "has no host or port that can be read"
    return ""


NOT_IN_DIGEST = frozenset(
    "base_url concurrency tries timeout_s connect_timeout_s budget_tokens budget_money prices".split()
)
"""The values of `TeacherConfig` that no digest tells: the same replies give the same dataset whatever they are."""


class SandboxConfig(_Section):
    """Where programs run. Without a sandbox no code step is planned; nothing ever runs outside of one."""

    backend: Literal["none", "auto", "docker", "bubblewrap"] = Field(
        default="none", description="jail of code steps; auto: the first that holds here; none: no code steps"
    )
    wall_s: float = Field(default=30.0, gt=0.0, le=600.0, description="seconds that a program may take")
    cpu_s: float = Field(default=10.0, gt=0.0, le=600.0, description="CPU seconds that a program may take")
    memory_mb: int = Field(default=256, ge=32, le=65536, description="MB of memory that a program may use")

    @property
    def on(self) -> bool:
        """Whether code steps are planned."""
        return self.backend != "none"


class VerifyConfig(_Section):
    """What makes a trajectory count."""

    near_duplicate: float = Field(
        default=0.9, ge=0.1, le=1.0, description="estimated Jaccard similarity at which two are the same"
    )


class EvolutionConfig(_Section):
    """The steering loop."""

    strategy: Literal["evolved", "random", "planned", "quantity"] = Field(
        default="evolved",
        description="the loop, or a control: random (uniform draws), planned (plans that are never mutated), quantity "
        "(a few plans with new values)",
    )
    batch: int = Field(default=64, ge=1, le=4096, description="offspring tried in a generation")
    domain_threshold: Share = Field(default=0.998, description="steer domains while H_dom / ceiling is lower; 0: never")
    mode_threshold: Share = Field(
        default=0.9, description="steer modes while steering H_mode / ceiling is lower; 0: never"
    )
    complexity_threshold: float = Field(
        default=36.0, ge=0.0, le=1000.0, description="steer complexity while mean CAC is lower; 0: never"
    )
    strength: float = Field(
        default=1.0, ge=0.0, le=10.0, description="b in (count + a)^(-b), the draw of rarer domains"
    )
    smoothing: float = Field(default=1.0, ge=1e-9, le=1000.0, description="a in (count + a)^(-b)")
    window: int = Field(default=256, ge=1, le=1_000_000, description="trajectories in the sliding window of the gauges")
    max_mutations: int = Field(default=4, ge=0, le=20, description="most mutations of one offspring")
    min_gain: float | None = Field(
        default=None, ge=-100.0, le=100.0, description="marginal gain that a verified offspring must pass; null: no bar"
    )
    budget: int | None = Field(
        default=None, ge=1, le=100_000_000, description="offspring tried, kept or not, before stopping; null: no limit"
    )
    patience: int | None = Field(
        default=50, ge=1, le=100_000,
        description="generations for which the gauges that steer stay flat before stopping; null: never for that",
    )  # fmt: skip
    flat: Share = Field(
        default=0.002, description="a gauge is flat while it moves no more than this share of its range or threshold"
    )
    dry: int = Field(
        default=12, ge=1, le=100_000, description="generations without an accepted trajectory before stopping"
    )
    quantity_seeds: int = Field(default=20, ge=1, le=10_000, description="clusters that the quantity control repeats")


class RunConfig(_Section):
    """All that a run depends on besides its pool's content. ``digest`` names it."""

    target: int = Field(default=200, ge=1, le=1_000_000, description="verified trajectories to make")
    seed: int = Field(default=0, ge=0, le=2**63 - 1, description="seed of every random choice")
    pool: str = Field(default="bundled", description="'bundled', or the path of a pool file or folder")
    clusters: ClusterConfig = ClusterConfig()
    blueprints: BlueprintConfig = BlueprintConfig()
    rollout: RolloutConfig = RolloutConfig()
    sandbox: SandboxConfig = SandboxConfig()
    teacher: TeacherConfig = TeacherConfig()
    verify: VerifyConfig = VerifyConfig()
    evolution: EvolutionConfig = EvolutionConfig()

    @model_validator(mode="after")
    def _models_are_named(self) -> Self:
        if self.rollout.teacher == "llm":
            nameless = [role for role in self.teacher.roles if not self.teacher.model_of(role)]
            if nameless:
                raise ValueError(
                    f"rollout.teacher is llm and no model plays the {nameless[0]}: set teacher.model,"
                    " or teacher.model=rehearsal for `tdlab rehearse`"
                )
            if self.rollout.environment == "live" and "environment" in self.teacher.roles:
                raise ValueError("rollout.environment is live and teacher.roles has a model play the environment")
        return self

    @property
    def digest(self) -> str:
        """16 hex digits that name this config, but for the pool's path and what `NOT_IN_DIGEST` names."""
        return digest(self.model_dump(mode="json", exclude={"pool": True, "teacher": set(NOT_IN_DIGEST)}))

    @classmethod
    def from_mapping(cls, values: dict[str, Any], *, source: str = "the config") -> Self:
        """Validate a nested mapping; ConfigError names each wrong key or value, and ``source``."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(
                f"{source}: " + "; ".join(_explain(e["loc"], e["type"], e["msg"], e["input"]) for e in error.errors()),
                expected="the keys and ranges of tdlab.RunConfig",
                do="correct the entries named above; `tdlab run --help` and the README list them all",
            ) from None

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a YAML file; ConfigError says what is wrong with it."""
        try:
            text = Path(path).read_text(encoding="utf-8")
            values = yaml.load(text, Loader=_Loader)  # noqa: S506  # a safe loader that refuses repeated keys
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be read ({error.strerror})", expected="a YAML config file", do="check the path"
            ) from None
        except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
            raise ConfigError(
                f"{path}: is not UTF-8 YAML ({error})", expected="a YAML mapping", do="write one with RunConfig.to_yaml"
            ) from None
        if values is None:
            values = {}
        if not isinstance(values, dict):
            raise ConfigError(
                f"{path}: holds a {type(values).__name__}", expected="a YAML mapping", do="write `key: value` lines"
            )
        return cls.from_mapping(values, source=str(path))

    def to_yaml(self, path: str | Path | None = None) -> str:
        """The YAML text, every value spelled out; written to ``path`` where one is given."""
        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        if path is not None:
            try:
                Path(path).write_text(text, encoding="utf-8")
            except OSError as error:
                raise ConfigError(
                    f"{path}: cannot be written ({error.strerror})", do="choose a folder that you may write to"
                ) from None
        return text

    def with_values(self, **dotted: Any) -> Self:
        """A copy with some values replaced; a double underscore goes into a section: ``evolution__batch=8``."""
        values = self.model_dump(mode="json")
        for name, value in dotted.items():
            *sections, key = name.split("__")
            place = values
            for section in sections:
                place = place.get(section) if isinstance(place, dict) else None  # type: ignore[assignment]  # told below
                if not isinstance(place, dict):
                    raise ConfigError(f"no config section {section!r}", do="use the sections of tdlab.RunConfig")
            place[key] = value
        return type(self).from_mapping(values)


class _Loader(yaml.SafeLoader):
    """YAML in which no mapping names a key twice; plain YAML lets the last one win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


def _explain(location: tuple[int | str, ...], kind: str, message: str, found: object) -> str:
    key = ".".join(str(part) for part in location) or "config"
    if kind == "extra_forbidden":
        return f"unknown key {key!r}"
    if kind == "value_error":  # of a section as a whole: the message says it, and the values may hold a secret
        return message.removeprefix("Value error, ")
    return f"{key} is {found!r}: {message[0].lower()}{message[1:]}"
