"""Every example in the docstrings of these packages runs, those of classes and methods too."""

from __future__ import annotations

import doctest
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_public_api import OPTIONS, NearEnough, exported, shortcomings

FACES = ("tdlab.blueprints", "tdlab.clusters", "tdlab.rollout", "tdlab.rollout.llm", "tdlab.sandbox")


def owner(value: object) -> str:
    """The face of the package that defines a class or function."""
    return max((face for face in FACES if f"{value.__module__}.".startswith(f"{face}.")), key=len, default="")


def examples(face: str) -> Iterator[doctest.DocTest]:
    """The examples of a package's docstring and of the classes and functions that it exports."""
    names = exported(face)
    yield doctest.DocTestParser().get_doctest(importlib.import_module(face).__doc__ or "", dict(names), face, None, 0)
    finder = doctest.DocTestFinder()
    for name, value in names.items():
        if (inspect.isclass(value) or inspect.isfunction(value)) and owner(value) == face:
            yield from finder.find(value, name, module=False, globs=dict(names))


@pytest.mark.parametrize("face", FACES)
def test_the_examples_of_classes_run(face: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines: list[str] = []
    for test in examples(face):
        doctest.DocTestRunner(NearEnough(), verbose=False, optionflags=OPTIONS).run(test, out=lines.append)
    assert not lines, "".join(lines)


def test_the_functions_of_the_llm_package_explain_themselves() -> None:
    """Its face is below another one, so the test of all faces does not see it."""
    faults = [
        f"{name}: {fault}"
        for name, value in exported("tdlab.rollout.llm").items()
        if inspect.isfunction(inspect.unwrap(value))
        for fault in shortcomings(inspect.unwrap(value))
    ]
    assert faults == []
