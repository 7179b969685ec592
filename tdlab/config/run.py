"""`RunConfig` and its sections, and how they are read from and written to YAML."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from tdlab.config._section import Name, Section, Share, flattened, unknown_key
from tdlab.config.clusters import ClusterConfig
from tdlab.config.teacher import NOT_IN_DIGEST, TeacherConfig
from tdlab.errors import ConfigError
from tdlab.records import Json, digest

__all__ = [
    "BlueprintConfig",
    "EvolutionConfig",
    "RolloutConfig",
    "RunConfig",
    "SandboxConfig",
    "VerifyConfig",
    "without_retired",
]


class BlueprintConfig(Section):
    """How blueprints (plans of tasks) are drawn."""

    max_depth: int = Field(default=4, ge=1, le=12, description="Longest chain of calls that lead to a goal.")
    max_steps: int = Field(default=14, ge=1, le=60, description="Most steps in a blueprint.")
    optional_share: Share = Field(default=0.3, description="Probability that an optional parameter is used.")
    max_optional: int = Field(default=4, ge=0, le=60, description="Most optional parameters of one call.")
    one_goal: Share = Field(default=0.6, description="Probability that the user wants one thing and not two.")
    linked_goal: float = Field(
        default=2.0, ge=0.0, le=100.0,
        description="Added to a tool's weight of 1, when goals are drawn, for each parameter that another tool fills.",
    )  # fmt: skip
    writing_goal: float = Field(
        default=1.5, ge=0.0, le=100.0, description="Added to that weight for a tool that changes something."
    )
    look_up_id: Share = Field(
        default=1.0, description="Probability that an identifier is looked up where the look-up needs none itself."
    )
    look_up_id_by_id: Share = Field(
        default=0.5, description="Probability that an identifier is looked up where the look-up needs another one."
    )
    look_up_value: Share = Field(
        default=0.8, description="Probability that another value is looked up where the look-up needs no identifier."
    )
    look_up_value_by_id: Share = Field(
        default=0.2, description="Probability that another value is looked up where the look-up needs an identifier."
    )
    max_distractors: int = Field(
        default=3, ge=1, le=20, description="Most distractor tools that one mutation adds to the offer."
    )
    max_programs: int = Field(default=2, ge=0, le=20, description="Most programs in a blueprint.")
    program_at_once: Share = Field(
        default=0.6, description="Probability that the user asks for a program in the same request as its data."
    )
    worlds: int = Field(default=3, ge=1, le=100, description="Number of worlds of each executable service in a run.")
    twisted: Share = Field(
        default=0.3, description="Probability that a new task on an executable world does not go as the user hopes."
    )
    beyond: Share = Field(
        default=0.15,
        description="Probability that add_refusal applies to a task on an executable world: people rarely "
        "wish for what is beyond a service.",
    )
    mutations: tuple[Name, ...] = Field(
        default=(), strict=False, description="Mutation operators of plug-ins to draw as well, by name."
    )


class RolloutConfig(Section):
    """How blueprints are played out."""

    teacher: Name = Field(
        default="scripted",
        description="Who plays the user and the assistant: a script (scripted), language models (llm) or a plug-in.",
    )
    environment: Name = Field(
        default="simulated",
        description="What executes tool calls: a simulation (simulated), MCP servers (live) or a plug-in.",
    )
    guessed: Literal["leave_out", "keep"] = Field(
        default="leave_out",
        description="Trajectories with guessed results, of services without a pack: leave_out (of the dataset) or "
        "keep. Where some services of a pool have packs, leave_out plans tasks of these alone.",
    )
    packs: tuple[str, ...] = Field(
        default=(), strict=False,
        description="Folders of your own service packs, such as those of `tdlab packs write`, to use besides the "
        "bundled ones. A run is resumed only with the same packs, wherever they are.",
    )  # fmt: skip
    allow_writes: bool = Field(
        default=False, description="Live only: also plan tools that may change data on the server."
    )
    facts: dict[str, dict[str, list[Json]]] = Field(
        default_factory=dict, description="Live only: service -> parameter -> values that exist there."
    )
    call_timeout_s: float = Field(
        default=30.0, gt=0.0, le=3600.0, description="Live only: time limit of one call, in seconds."
    )
    result_bytes: int = Field(
        default=65_536, ge=1024, le=16_777_216,
        description="Live only: most bytes of one result; a longer one is cut, with a mark at its end.",
    )  # fmt: skip


class SandboxConfig(Section):
    """Where programs run. Code never runs outside a sandbox; without one, no code step is planned."""

    backend: Name = Field(
        default="none",
        description="Sandbox of code steps: docker, bubblewrap or a plug-in's; auto: the first that works on this "
        "machine; none: no code steps.",
    )
    wall_s: float = Field(default=30.0, gt=0.0, le=600.0, description="Time limit of a program, in seconds.")
    cpu_s: float = Field(default=10.0, gt=0.0, le=600.0, description="CPU time limit of a program, in seconds.")
    memory_mb: int = Field(default=256, ge=32, le=65536, description="Memory limit of a program, in MB.")

    @property
    def on(self) -> bool:
        """Return whether code steps are planned."""
        return self.backend != "none"


class VerifyConfig(Section):
    """When a trajectory is rejected."""

    near_duplicate: float = Field(
        default=0.9,
        ge=0.1,
        le=1.0,
        description="Estimated Jaccard similarity from which two trajectories are near-duplicates.",
    )
    small_number: int = Field(
        default=100,
        ge=0,
        le=1_000_000,
        description="Numbers below this are too common to identify anything: as arguments they must match by name, and "
        "in replies they are not checked.",
    )
    number_pairs: int = Field(
        default=40,
        ge=0,
        le=1000,
        description="A number in a reply may be the sum, difference or product of two known ones while at most this "
        "many are known.",
    )
    checks: tuple[Name, ...] = Field(
        default=(), strict=False, description="Checks of plug-ins to run as well, by name."
    )


class EvolutionConfig(Section):
    """The steering loop."""

    strategy: Name = Field(
        default="evolved",
        description="The steering loop (evolved), a control: random (uniform draws), planned (plans without "
        "mutations), quantity (a few plans with new values), or a plug-in.",
    )
    batch: int = Field(default=64, ge=1, le=4096, description="Offspring per generation.")
    domain_threshold: Share = Field(
        default=0.998, description="Steer domains while H_dom / ceiling is lower; 0: never."
    )
    mode_threshold: Share = Field(
        default=0.9, description="Steer modes while the steering H_mode / ceiling is lower; 0: never."
    )
    complexity_threshold: float = Field(
        default=36.0, ge=0.0, le=1000.0, description="Steer complexity while the mean CAC is lower; 0: never."
    )
    gauges: dict[Name, Annotated[float, Field(ge=0.0)]] = Field(
        default_factory=dict, description="Gauges of plug-ins -> threshold: steer while the gauge is lower; 0: never."
    )
    strength: float = Field(
        default=1.0,
        ge=0.0,
        le=10.0,
        description="b in (count + a)^(-b), the weight of a domain when domains are drawn.",
    )
    smoothing: float = Field(
        default=1.0,
        ge=1e-9,
        le=1000.0,
        description="a in (count + a)^(-b), the weight of a domain when domains are drawn.",
    )
    full_at: float = Field(
        default=0.2, gt=0.0, le=1.0,
        description="Shortfall, as a share of its threshold, at which the mode or the complexity gauge steers fully.",
    )  # fmt: skip
    domain_full_at: float = Field(
        default=0.005, gt=0.0, le=1.0,
        description="The same for the domain gauge: in an even pool, chance alone comes within 0.01 of the ceiling.",
    )  # fmt: skip
    window: int = Field(
        default=256, ge=1, le=1_000_000, description="Trajectories in the sliding window of the gauges."
    )
    max_mutations: int = Field(default=4, ge=0, le=20, description="Most mutations of one offspring.")
    extra_mutations: int = Field(
        default=3, ge=0, le=20, description="Mutations added to the random number when modes or complexity steer fully."
    )
    mutation_floor: float = Field(
        default=0.2, gt=0.0, le=100.0, description="Weight of every mutation when no gauge steers."
    )
    mode_weight: float = Field(
        default=2.0, ge=0.0, le=100.0,
        description="Added to the weight of a mutation that brings a new mode letter, when modes steer fully.",
    )  # fmt: skip
    max_drafts: int = Field(
        default=3, ge=1, le=100, description="Drafts of an offspring, of which the best is played, at full steering."
    )
    parent_share: Share = Field(
        default=0.25, description="Probability that a draft starts from an accepted trajectory's blueprint."
    )
    max_parents: int = Field(
        default=64, ge=1, le=10_000, description="Most accepted blueprints that a cluster keeps as parents."
    )
    distractors: int = Field(
        default=6, ge=0, le=1000, description="Distractor tools from which an offspring's mutations can choose."
    )
    min_gain: float | None = Field(
        default=None, ge=-100.0, le=100.0, description="Least marginal gain of an accepted offspring; null: no minimum."
    )
    most_faults: int | None = Field(
        default=0, ge=0, le=100,
        description="Most faults of an accepted offspring when a gauge steers (contradictions, idle calls, blind "
        "retries, ...: `tdlab.quality.FAULTS`), unless it rests on guessed results; null: no limit.",
    )  # fmt: skip
    budget: int | None = Field(
        default=None,
        ge=1,
        le=100_000_000,
        description="Stop after this many offspring, accepted or not; null: no limit.",
    )
    patience: int | None = Field(
        default=50, ge=1, le=100_000,
        description="Stop after this many generations in which every steering gauge is flat; null: never.",
    )  # fmt: skip
    flat: Share = Field(
        default=0.002, description="A gauge is flat while it moves by at most this share of its range or threshold."
    )
    dry: int = Field(
        default=12, ge=1, le=100_000, description="Stop after this many generations without an accepted trajectory."
    )
    quantity_seeds: int = Field(default=20, ge=1, le=10_000, description="Clusters that the quantity control repeats.")

    @model_validator(mode="after")
    def _one_threshold_each(self) -> Self:
        if len(self.thresholds) < 3 + len(self.gauges):
            raise ValueError("evolution.gauges has domain, mode or cac: set domain_threshold and its like instead")
        return self

    @property
    def thresholds(self) -> dict[str, float]:
        """The thresholds of all gauges, by name."""
        own = {"domain": self.domain_threshold, "mode": self.mode_threshold, "cac": self.complexity_threshold}
        return {**own, **self.gauges}


class RunConfig(Section):
    """Every setting of a run.

    Values are validated when the config is made; a config is frozen. `digest` identifies it.

    Example:
        >>> config = RunConfig(target=50).with_values(evolution__batch=16)
        >>> config.target, config.evolution.batch, config.evolution.strategy
        (50, 16, 'evolved')
    """

    target: int = Field(default=200, ge=1, le=1_000_000, description="Number of verified trajectories to make.")
    seed: int = Field(default=0, ge=0, le=2**63 - 1, description="Seed of every random choice.")
    pool: str | tuple[str, ...] = Field(
        default="bundled", description="'bundled', or the path of a pool file or folder; or a list of several."
    )
    clusters: ClusterConfig = ClusterConfig()
    blueprints: BlueprintConfig = BlueprintConfig()
    rollout: RolloutConfig = RolloutConfig()
    sandbox: SandboxConfig = SandboxConfig()
    teacher: TeacherConfig = TeacherConfig()
    verify: VerifyConfig = VerifyConfig()
    evolution: EvolutionConfig = EvolutionConfig()

    @field_validator("pool", mode="before")
    @classmethod
    def _one_or_several_pools(cls, pool: object) -> object:
        paths = list(pool) if isinstance(pool, (list, tuple)) else [pool]
        if not paths or not all(isinstance(path, str) and path.strip() for path in paths):
            raise ValueError(f"pool is {pool!r:.80}, expected 'bundled', a path, or a list of them")
        return paths[0] if len(paths) == 1 else tuple(paths)

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools by name or path, one or several."""
        return (self.pool,) if isinstance(self.pool, str) else self.pool

    @model_validator(mode="after")
    def _models_are_named(self) -> Self:
        if self.rollout.teacher == "llm":
            nameless = [role for role in self.teacher.roles if not self.teacher.model_of(role)]
            if nameless:
                raise ValueError(
                    f"rollout.teacher is llm and no model plays the {nameless[0]}: set teacher.model,"
                    " or teacher.model=mock for `tdlab mock-server`"
                )
        return self

    @property
    def models_environment(self) -> bool:
        """True if a model plays the environment of services without a pack."""
        return (
            self.rollout.teacher == "llm" and self.rollout.environment != "live" and "environment" in self.teacher.roles
        )

    @property
    def digest(self) -> str:
        """Return 16 hex digits that identify this config, apart from paths of pool and packs and `NOT_IN_DIGEST`."""
        left_out: Any = {"pool": True, "rollout": {"packs"}, "teacher": set(NOT_IN_DIGEST)}
        plain = self.model_dump(mode="json", exclude=left_out)
        for role, own in list(plain["teacher"]["by_role"].items()):
            if own.keys() <= {"base_url"}:
                del plain["teacher"]["by_role"][role]
            else:
                own.pop("base_url", None)
        return digest(plain)

    @classmethod
    def from_mapping(cls, values: dict[str, Any], *, source: str = "the config") -> Self:
        """Validate a nested mapping.

        Args:
            values: Section -> setting -> value, as in a YAML file; missing settings take their defaults.
            source: What errors call the mapping, such as the name of its file.

        Returns:
            The config.

        Raises:
            ConfigError: A key is unknown or a value is invalid; the error names each.

        Example:
            >>> RunConfig.from_mapping({"target": 50, "evolution": {"batch": 16}}).evolution.batch
            16
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(
                f"{source}: " + "; ".join(_explain(e) for e in error.errors()),
                expected="the keys and ranges of tdlab.RunConfig",
                do="correct the entries named above; `tdlab config` lists all keys with their ranges",
            ) from None

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a YAML file.

        Args:
            path: The file; settings that it does not name take their defaults.

        Returns:
            The config.

        Raises:
            ConfigError: The file cannot be read, is not YAML, names a key twice, or holds an invalid key or value.

        Warns:
            UserWarning: The file names a setting that an earlier version of tdlab had; it is ignored.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     _ = RunConfig(target=50).to_yaml(f"{folder}/config.yaml")
            ...     RunConfig.from_yaml(f"{folder}/config.yaml").target
            50
        """
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
        values, retired = without_retired(values)
        for note in retired:
            warnings.warn(
                f"{path}: {note}; `tdlab config --config {path} --write NEW.yaml` writes a file without it",
                stacklevel=2,
            )
        return cls.from_mapping(values, source=str(path))

    def to_yaml(self, path: str | Path | None = None) -> str:
        """Return the config as YAML, with every setting spelled out.

        Args:
            path: Also write the text to this file.

        Returns:
            The YAML text.

        Raises:
            ConfigError: The file cannot be written.

        Example:
            >>> RunConfig(target=50).to_yaml().splitlines()[:2]
            ['target: 50', 'seed: 0']
        """
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
        """Return a copy with some settings replaced.

        Args:
            dotted: Setting -> new value; a double underscore separates section and setting: ``evolution__batch=8``.

        Returns:
            The changed config; this one stays as it is.

        Raises:
            ConfigError: A section or setting is unknown, or a value is invalid.

        Example:
            >>> RunConfig().with_values(seed=3, evolution__batch=8).evolution.batch
            8
        """
        values = self.model_dump(mode="json")
        for name, value in dotted.items():
            *sections, key = name.split("__")
            place: Any = values
            for section in sections:
                place = place.setdefault(section, {})
                if not isinstance(place, dict):
                    raise ConfigError(
                        f"{name.replace('__', '.')}: {section} is a setting and has none in it",
                        do="`tdlab config` lists all keys with their ranges",
                    )
            place[key] = value
        return type(self).from_mapping(values)


class _Loader(yaml.SafeLoader):
    """Load YAML, refusing repeated keys: plain YAML silently takes the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


_RETIRED = {
    "blueprints.distractors": "had no effect and is ignored (see blueprints.max_distractors)",
    "teacher.models": "is now part of teacher.by_role",
}
"""Settings that earlier versions had, and what has become of them."""


def without_retired(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Take the settings that earlier versions of tdlab had out of a nested mapping.

    Args:
        values: Section -> setting -> value, as in a YAML file or a run directory.

    Returns:
        The mapping without them, and a sentence for each that was there.

    Example:
        >>> without_retired({"seed": 1, "blueprints": {"distractors": 2}})[0]
        {'seed': 1, 'blueprints': {}}
    """
    kept, notes = copy.deepcopy(dict(values)), []
    for name, fate in _RETIRED.items():
        section, _, key = name.partition(".")
        if isinstance(kept.get(section), dict) and key in kept[section]:
            value = kept[section].pop(key)
            if name == "teacher.models":
                if not value:
                    continue
                kept[section]["by_role"] = _models_by_role(value, kept[section].get("by_role") or {})
            notes.append(f"{name} {fate}")
    roles = kept["teacher"].get("roles") if isinstance(kept.get("teacher"), dict) else None
    if isinstance(roles, (list, tuple)) and set(roles) & _RENAMED_ROLES.keys():
        renamed = [_RENAMED_ROLES.get(role, role) for role in roles if isinstance(role, str)]
        kept["teacher"]["roles"] = list(dict.fromkeys(role for role in renamed if role))
        if list(roles) == _EARLIER_ROLES:
            del kept["teacher"]["roles"]  # the default then, and so the default now
            return kept, notes
        notes.append("teacher.roles has new names: writer is proposer, judge is committee, and there is no inspector")
    return kept, notes


_RENAMED_ROLES = {"writer": "proposer", "judge": "committee", "inspector": ""}
"""Roles of earlier versions and their names now; empty for one that is gone."""
_EARLIER_ROLES = ["writer", "user", "assistant"]


def _models_by_role(models: Any, by_role: Any) -> Any:
    """Move the models of an earlier ``teacher.models`` to ``teacher.by_role``."""
    if not isinstance(models, dict) or not isinstance(by_role, dict):
        return by_role or models  # the validation says what is wrong with it
    renamed = {_RENAMED_ROLES.get(role, role): model for role, model in models.items()}
    own = {role: {"model": model, **(by_role.get(role) or {})} for role, model in renamed.items() if role}
    return {**by_role, **own}


def _explain(error: ErrorDetails) -> str:
    place = tuple(str(part) for part in error["loc"])
    message = error["msg"]
    if error["type"] == "unknown_key":
        names = flattened(error["input"], error["ctx"]["unknown"], place)
        return "; ".join(unknown_key(name, RunConfig) for name in names)
    if error["type"] == "value_error":  # of a section as a whole: the message names it; its values may hold a secret
        return message.removeprefix("Value error, ")
    return f"{'.'.join(place) or 'config'} is {error['input']!r}: {message[0].lower()}{message[1:]}"
