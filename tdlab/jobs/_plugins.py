"""What a run takes from registries by name, and from the call as objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tdlab.blueprints import MUTATIONS
from tdlab.config import RunConfig
from tdlab.errors import ConfigError
from tdlab.evolution import GAUGES, STRATEGIES
from tdlab.registry import Registry, reference
from tdlab.rollout import ENVIRONMENTS, TEACHERS, EnvironmentFactory, TeacherFactory
from tdlab.sandbox import BACKENDS
from tdlab.verify import CHECKS, CheckFunction

__all__: list[str] = []


class Objects(NamedTuple):
    """Objects that a run uses in place of registered ones. The config has their references where names stand."""

    environment: EnvironmentFactory | None = None
    teacher: TeacherFactory | None = None
    checks: Mapping[str, CheckFunction] = {}


def with_objects(
    config: RunConfig,
    *,
    environment: str | EnvironmentFactory | None,
    teacher: str | TeacherFactory | None,
    checks: Sequence[str | CheckFunction],
    workers: int,
) -> tuple[RunConfig, Objects]:
    """Return the config that names what the arguments of `tdlab.run` say, and the objects among them."""

    def name_of(value: Any, what: str, registry: Registry[Any], own: str = "") -> str:
        if isinstance(value, str):
            return value
        name = reference(value, what=what, workers=workers)
        expected = "a name that is not taken" if own in registry else registry.expected(own or name, value)
        if expected:
            raise ConfigError(
                f"{what} is {name}" + f", whose name is {own!r}" * bool(own),
                expected=expected,
                do=f"change it, or pass the name of a registered one: {', '.join(registry)}",
            )
        return name

    changes: dict[str, Any] = {}
    if environment is not None:
        own = getattr(environment, "name", "")
        changes["rollout__environment"] = name_of(environment, "the environment", ENVIRONMENTS, own)
    if teacher is not None:
        changes["rollout__teacher"] = name_of(teacher, "the teacher", TEACHERS)
    names = [name_of(check, "the check", CHECKS) for check in checks]
    if names:
        changes["verify__checks"] = list(dict.fromkeys([*config.verify.checks, *names]))
    objects = Objects(
        None if isinstance(environment, str) else environment,
        None if isinstance(teacher, str) else teacher,
        {name: check for name, check in zip(names, checks, strict=True) if not isinstance(check, str)},
    )
    return config.with_values(**changes) if changes else config, objects


def plugin_versions(config: RunConfig, objects: Objects) -> dict[str, str]:
    """Return the packages of the plug-ins that a config names, with their versions.

    Raises:
        ConfigError: A name is unknown, or a plug-in cannot be used.
    """
    named: list[tuple[Registry[Any], Sequence[str]]] = [
        (ENVIRONMENTS, [] if objects.environment else [config.rollout.environment]),
        (TEACHERS, [] if objects.teacher else [config.rollout.teacher]),
        (CHECKS, [name for name in config.verify.checks if name not in objects.checks]),
        (MUTATIONS, config.blueprints.mutations),
        (STRATEGIES, [config.evolution.strategy]),
        (GAUGES, list(config.evolution.gauges)),
        (BACKENDS, [config.sandbox.backend]),
    ]
    versions: dict[str, str] = {}
    for registry, names in named:
        for name in names:
            registry.check(name)
        versions |= registry.versions(names)
    return versions
