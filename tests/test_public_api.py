"""Check that every public function documents its arguments, result and errors, and that every example runs.

A package's face is the ``__all__`` of ``tdlab.<package>``; ``tdlab.config``, ``tdlab.errors`` and ``tdlab.records``
count as packages, and a function that several faces export is checked where it is defined. Docstrings have Google's
sections. In an example, the names of the package's face are imported already, ``runs/first`` is a small finished run
and the working directory is temporary.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

import tdlab
from tdlab.errors import TdlabError

INNER = "tdlab.rollout.llm"
"""A face below another one."""

COMMANDS = "tdlab.cli"
"""Its functions are commands: their docstrings are the text of ``--help``, as are their parameters' descriptions."""

SECTION = re.compile(r"^(Args|Returns|Yields|Raises|Example):$", re.MULTILINE)
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+\.(\d+)(?:[eE][-+]?\d+)?")
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def faces() -> list[str]:
    """The names of all packages and public modules directly below tdlab but for the command line, and of `INNER`."""
    folder = Path(tdlab.__file__).parent
    files = (path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file())
    return sorted({INNER, *(f"tdlab.{stem}" for stem in files if stem[0] != "_")} - {COMMANDS})


def owner(value: object) -> str:
    """The face of the package that defines a function or class; empty for modules without a face."""
    return max((face for face in faces() if f"{value.__module__}.".startswith(f"{face}.")), key=len, default="")


def exported(face: str) -> dict[str, object]:
    module = importlib.import_module(face)
    return {name: getattr(module, name) for name in module.__all__}


@cache
def functions(face: str) -> dict[str, Callable[..., Any]]:
    """The functions that a face exports, without decorators, except those that another face defines."""
    plain = {name: inspect.unwrap(value) for name, value in exported(face).items() if callable(value)}
    return {name: value for name, value in plain.items() if inspect.isfunction(value) and owner(value) in (face, "")}


def sections(text: str) -> dict[str, str]:
    """The text below each section's title, by title; what stands before the first is under an empty title."""
    pieces = SECTION.split(text)
    return {"": pieces[0]} | dict(zip(pieces[1::2], pieces[2::2], strict=True))


def raised(function: Callable[..., Any], *, follow: bool = True) -> Iterator[type[TdlabError]]:
    """The errors of tdlab that a function's own ``raise`` statements name, or those of the one function it wraps."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            maker = named(function, node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
            if inspect.isfunction(maker):
                maker = maker.__globals__.get(maker.__annotations__.get("return"))
            if isinstance(maker, type) and issubclass(maker, TdlabError):
                yield maker
    statements = [node for node in tree.body if not isinstance(node, ast.Expr)]
    if follow and len(statements) == 1 and isinstance(statements[0], ast.Return):
        inner = statements[0].value
        wrapped = named(function, inner.func) if isinstance(inner, ast.Call) else None
        if inspect.isfunction(wrapped) and wrapped.__module__.startswith("tdlab."):
            yield from raised(inspect.unwrap(wrapped), follow=False)


def named(function: Callable[..., Any], node: ast.expr) -> object:
    return inspect.unwrap(function).__globals__.get(node.id) if isinstance(node, ast.Name) else None


def shortcomings(function: Callable[..., Any]) -> Iterator[str]:
    """What a function's docstring lacks."""
    text = inspect.getdoc(function) or ""
    by_title = sections(text)
    signature = inspect.signature(function)
    parameters = [name for name in signature.parameters if name not in ("self", "cls")]
    arguments = by_title.get("Args", "")
    missing = [name for name in parameters if not re.search(rf"^ +\**{name}(?: \(.*\))?: ", arguments, re.MULTILINE)]
    if missing:
        yield f"Args: lacks {', '.join(missing)}"
    if str(signature.return_annotation) not in ("None", "NoReturn") and not {"Returns", "Yields"} & set(by_title):
        yield "no Returns:"
    for error in dict.fromkeys(raised(function)):
        if not any(base.__name__ in by_title.get("Raises", "") for base in error.__mro__[:-3]):
            yield f"Raises: lacks {error.__name__}"
    if ">>> " not in by_title.get("Example", ""):
        yield "no Example: with a line that starts with >>>"


class NearEnough(doctest.OutputChecker):
    """Decimal numbers need to agree only to the places that the example writes."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        wanted, given = list(NUMBER.finditer(want)), list(NUMBER.finditer(got))
        if len(wanted) == len(given):
            for expected, number in reversed(list(zip(wanted, given, strict=True))):
                if abs(float(expected[0]) - float(number[0])) <= 10.0 ** -len(expected[1]):
                    got = got[: number.start()] + expected[0] + got[number.end() :]
        return super().check_output(want, got, optionflags)


def docstrings(face: str) -> Iterator[tuple[str, str]]:
    """Yield the name and docstring of a face, of each of its functions, and of its classes and their methods."""
    yield "__doc__", importlib.import_module(face).__doc__ or ""
    for name, value in functions(face).items():
        yield name, inspect.getdoc(value) or ""
    for name, value in exported(face).items():
        if inspect.isclass(value) and owner(value) == face:
            yield name, inspect.cleandoc(value.__doc__ or "")
            for method, function in vars(value).items():
                if inspect.isroutine(function) or isinstance(function, property):
                    yield f"{name}.{method}", inspect.getdoc(function) or ""


def failures(face: str, name: str, text: str) -> str:
    """Return what the examples of a docstring printed that was not expected."""
    test = doctest.DocTestParser().get_doctest(text, dict(exported(face)), f"{face}.{name}", None, 0)
    lines: list[str] = []
    doctest.DocTestRunner(NearEnough(), verbose=False, optionflags=OPTIONS).run(test, out=lines.append)
    plt.close("all")
    return "".join(lines)


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    tdlab.run(tdlab.RunConfig(target=12), out=folder / "runs" / "first", progress=False, workers=1)
    return folder


@pytest.mark.parametrize("face", faces())
def test_every_function_says_what_it_takes_gives_and_raises(face: str) -> None:
    faults = [f"{face}.{name}: {fault}" for name, value in functions(face).items() for fault in shortcomings(value)]
    faults += [
        f"{face}.{name}: a class without a docstring"
        for name, value in exported(face).items()
        if inspect.isclass(value) and not (value.__doc__ or "").strip()
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("face", faces())
def test_the_examples_run(face: str, finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished_run)
    faults = [failures(face, name, text) for name, text in docstrings(face) if ">>> " in text]
    assert not any(faults), "\n".join(filter(None, faults))
