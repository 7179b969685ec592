"""Registries: the named entries of an extension point, those of tdlab and those of other installed packages.

Each extension point of tdlab is one `Registry`:

============================  ==========================  =====================================
entry-point group             registry                    an entry takes part in a run if
============================  ==========================  =====================================
``tdlab.environments``        `tdlab.rollout`             ``rollout.environment`` names it
``tdlab.teachers``            `tdlab.rollout`             ``rollout.teacher`` names it
``tdlab.sandboxes``           `tdlab.sandbox`             ``sandbox.backend`` names it, or auto
``tdlab.checks``              `tdlab.verify`              ``verify.checks`` names it
``tdlab.mutations``           `tdlab.blueprints`          ``blueprints.mutations`` names it
``tdlab.strategies``          `tdlab.evolution`           ``evolution.strategy`` names it
``tdlab.gauges``              `tdlab.evolution`           ``evolution.gauges`` names it
``tdlab.trajectory_formats``  `tdlab.formats`             (found by content)
``tdlab.export_formats``      `tdlab.formats`             ``tdlab export --format`` names it
``tdlab.pool_formats``        `tdlab.pool`                (found by content)
============================  ==========================  =====================================

A package adds an entry in its ``pyproject.toml``, without a change to tdlab::

    [project.entry-points."tdlab.checks"]
    polite = "my_package:polite"

An entry changes datasets only where the config names it: installing a package changes no run, and a run directory
records what made it. Plug-ins are looked up when a name is not tdlab's own or when all entries are listed, and each is
imported when it is used, in worker processes too.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from tdlab.errors import ConfigError, TdlabError

__all__ = ["Registry", "did_you_mean", "reference"]

T = TypeVar("T")


class Registry(Generic[T]):
    """The entries of one extension point by name: tdlab's own in the order of their definition, then plug-ins by name.

    Subscripts, ``in``, ``len`` and iteration over names work as they do for a dict.

    Args:
        group: The entry-point group in which other packages add entries.
        noun: What one entry is called in messages.
        setting: The config key that names an entry; empty where none does.
        also: Other words that the setting takes.
        valid: Takes a plug-in's name and value; returns what it should be, or an empty string if it can be used.
        error: The error for a name that is not there.

    Example:
        >>> greetings = Registry("tdlab.example_greetings", "greeting")
        >>> @greetings.register("plain")
        ... def plain(name: str) -> str:
        ...     return f"Hello, {name}."
        >>> list(greetings), greetings["plain"]("Ada")
        (['plain'], 'Hello, Ada.')
        >>> greetings["plan"]
        Traceback (most recent call last):
        ...
        tdlab.errors.ConfigError: there is no greeting 'plan'
          expected: one of plain
          to do: did you mean 'plain'?
    """

    def __init__(
        self,
        group: str,
        noun: str,
        *,
        setting: str = "",
        also: tuple[str, ...] = (),
        valid: Callable[[str, Any], str] = lambda name, value: "" if callable(value) else "a function or class",
        error: type[TdlabError] = ConfigError,
    ) -> None:
        self.group = group
        self._noun = noun
        self._setting = setting
        self._also = also
        self._valid = valid
        self._error = error
        self._own: dict[str, T] = {}
        self._loaded: dict[EntryPoint, T] = {}
        self._path: tuple[str, ...] | None = None
        self._found: dict[str, EntryPoint] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that adds an entry of tdlab's own; other packages use the entry-point group.

        Args:
            name: The name of the entry, not yet taken.
        """
        if name in self._own:
            raise ValueError(f"{self.group}: {name!r} is registered twice in tdlab")

        def add(value: T) -> T:
            self._own[name] = value
            return value

        return add

    @property
    def own(self) -> tuple[str, ...]:
        """The names of tdlab's own entries, in the order of their definition."""
        return tuple(self._own)

    def __getitem__(self, name: str) -> T:
        """Return an entry; a plug-in is imported now.

        Raises:
            TdlabError: If there is no such entry (the registry's own kind of error).
            ConfigError: If a plug-in cannot be imported or used, or has a name that is taken.
        """
        if name in self._own:
            return self._own[name]
        entry = self._plugins().get(name)
        if entry is None:
            raise self.unknown(name)
        if entry not in self._loaded:
            self._loaded[entry] = self._load(entry)
        return self._loaded[entry]

    def __iter__(self) -> Iterator[str]:
        return iter((*self._own, *self._plugins()))

    def __len__(self) -> int:
        return len(self._own) + len(self._plugins())

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._plugins()

    def get(self, name: str) -> T | None:
        """Return an entry, or None if there is none of that name.

        Args:
            name: The name.

        Raises:
            ConfigError: If a plug-in cannot be imported or used, or has a name that is taken.
        """
        if name not in self:
            return None
        return self[name]

    def items(self) -> Iterator[tuple[str, T]]:
        """Yield every name with its entry."""
        return ((name, self[name]) for name in self)

    def check(self, name: str) -> None:
        """Raise what a look-up raises, unless the setting takes the word or the entry can be had.

        Args:
            name: The value of the setting.
        """
        if name not in self._also:
            _ = self[name]

    def expected(self, name: str, value: object) -> str:
        """Return what an object should be to be an entry; empty if it can be one.

        Args:
            name: The name that it is to have.
            value: The object.
        """
        return self._valid(name, value)

    def unknown(self, name: str) -> TdlabError:
        """Return the error for a name that is not there, with the closest one and all that are.

        Args:
            name: The name that was asked for.
        """
        found = f"there is no {self._noun} {name!r}"
        known = (*self._also, *self)
        advice = did_you_mean(name, known) or f"install the package that has it in the entry-point group {self.group}"
        if ":" in name:
            advice = "pass it to tdlab.run again: the name is that of an object which was passed there"
        return self._error(
            f"{self._setting}: {found}" if self._setting else found, expected="one of " + ", ".join(known), do=advice
        )

    def versions(self, names: Iterable[str]) -> dict[str, str]:
        """Return the packages behind the plug-ins among some names, with their versions.

        Args:
            names: Names of entries.

        Raises:
            ConfigError: If any plug-in has a name that is taken.
        """
        wanted = set(names)
        sources = [entry.dist for name, entry in self._plugins().items() if name in wanted]
        return {source.name: source.version for source in sources if source is not None}

    def _plugins(self) -> dict[str, EntryPoint]:
        """What installed packages add, sorted by name; read again when the import path has changed."""
        path = tuple(sys.path)
        if self._path != path:
            found: dict[str, EntryPoint] = {}
            for entry in sorted(entry_points(group=self.group), key=lambda entry: (entry.name, _package(entry))):
                if entry.name in self._own:
                    raise self._broken(
                        entry,
                        "has the name of one of tdlab's own entries",
                        do="give the entry point another name",
                    )
                if entry.name in found:
                    raise self._broken(
                        entry, f"is registered by {_package(found[entry.name])} too", do="uninstall one of the two"
                    )
                found[entry.name] = entry
            self._path, self._found = path, found
        return self._found

    def _load(self, entry: EntryPoint) -> T:
        try:
            value = entry.load()
        except Exception as error:
            raise self._broken(
                entry, f"cannot be imported: {type(error).__name__}: {error}", do="repair or uninstall the package"
            ) from error
        if expected := self.expected(entry.name, value):
            raise self._broken(entry, f"is {value!r:.80}", expected=expected, do="repair or uninstall the package")
        loaded: T = value
        return loaded

    def _broken(self, entry: EntryPoint, problem: str, *, expected: str = "", do: str) -> ConfigError:
        expected = expected or f"one {self._noun} that can be imported, with a name of its own"
        return ConfigError(
            f"the {self._noun} {entry.name!r} ({entry.value}) of the package {_package(entry)} {problem}",
            expected=f"in the entry-point group {self.group}, {expected}",
            do=do,
        )


def reference(value: object, *, what: str, workers: int = 1) -> str:
    """Return the name under which any process can import a function or class: ``module:name``.

    An object that is passed to `tdlab.run` is sent to worker processes by this name, and the run directory records it.

    Args:
        value: A function or class, defined at the top level of a module.
        what: What the object is, in messages.
        workers: The number of processes that have to import it.

    Returns:
        The module and the qualified name, joined by a colon.

    Raises:
        ConfigError: If it cannot be imported by that name, or not by worker processes.

    Example:
        >>> from tdlab.errors import TdlabError
        >>> reference(TdlabError, what="the environment")
        'tdlab.errors:TdlabError'
        >>> reference(lambda: None, what="the environment")
        Traceback (most recent call last):
        ...
        tdlab.errors.ConfigError: the environment is <lambda>, which no other process can import
          expected: a function or class that is defined at the top level of a module, under its own name
          to do: move it there (a class can hold its settings), or pass a class instead of an instance
    """
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if (
        not isinstance(module, str)
        or not isinstance(name, str)
        or getattr(sys.modules.get(module), name, None) is not value
    ):
        raise ConfigError(
            f"{what} is {name or repr(value)[:80]}, which no other process can import",
            expected="a function or class that is defined at the top level of a module, under its own name",
            do="move it there (a class can hold its settings), or pass a class instead of an instance",
        )
    main = sys.modules["__main__"]
    if workers > 1 and module == "__main__" and not (getattr(main, "__spec__", None) or hasattr(main, "__file__")):
        raise ConfigError(
            f"{what} is {name}, which is defined in this session alone, where worker processes cannot import it",
            expected="a function or class in a file, for workers=2 and more",
            do="move it to a module and import it, or pass workers=1",
        )
    return f"{module}:{name}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return advice that names the closest of the known names.

    Args:
        name: A name that is not known.
        known: The names that are.

    Returns:
        A question, or an empty string where none is close.

    Example:
        >>> did_you_mean("evolvd", ["evolved", "random"])
        "did you mean 'evolved'?"
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else ""


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "(unknown)"
