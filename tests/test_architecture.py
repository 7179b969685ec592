"""Check the structure: imports go downward, each library has one importer, ``__all__`` is exact, importing is fast."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tdlab"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "_gc"),
    ("registry",),
    ("records", "_files"),
    ("config",),
    ("tools",),
    ("formats",),
    ("store",),
    ("pool",),
    ("clusters",),
    ("sandbox",),
    ("worlds",),
    ("speech",),
    ("tasks",),
    ("blueprints",),
    ("rollout",),
    ("verify",),
    ("diversity",),
    ("quality", "contamination"),
    ("evolution",),
    ("evaluation", "embedding"),
    ("plots",),
    ("jobs",),
    ("panels", "cli"),
)
"""Low to high, as in the design. A package imports from lower layers and from itself."""

RANK = {package: rank for rank, packages in enumerate(LAYERS) for package in packages}

IMPORTERS: dict[str, str | tuple[str, ...]] = {
    "datasketch": "tdlab.verify",
    "detect_secrets": "tdlab.jobs.scan",
    "docker": "tdlab.sandbox",
    "dotenv": "tdlab.pool.live",
    "faker": "tdlab.tools",
    "ipywidgets": "tdlab.panels",
    "jsonschema_rs": "tdlab.tools.schema",
    "jupyterlab": "tdlab.cli",
    "matplotlib": "tdlab.plots",
    "mcp": ("tdlab.pool.live", "tdlab.sandbox.server"),
    "mcp_types": ("tdlab.pool.live", "tdlab.sandbox.server"),
    "httpx2": ("tdlab.rollout.llm", "tdlab.pool.live.http"),
    "phonenumbers": ("tdlab.speech", "tdlab.jobs.scan"),
    "openai": ("tdlab.rollout.llm.client", "tdlab.embedding"),
    "pyarrow": "tdlab.formats",
    "pyjson5": "tdlab.tools.json_text",
    "rstr": "tdlab.tools",
    "seaborn": "tdlab.plots",
    "sentence_transformers": "tdlab.embedding",
    "stdnum": "tdlab.jobs.scan",
    "sqlite3": ("tdlab.store", "tdlab.sandbox._inside", "tdlab.worlds"),
    "typer": "tdlab.cli",
    "umap": "tdlab.embedding",
    "yaml": ("tdlab.config", "tdlab.worlds", "tdlab.pool"),
}
"""The one module or package that may import each library. Some have two: one for the client and one for the server or
the sandbox, one for chat and one for embeddings, or one for speech and one for the scan."""

FREE = {"IPython", "anyio", "networkx", "numpy", "pandas", "pydantic", "pydantic_core", "rich", "scipy"}
"""Libraries that any package may import: packages pass their types to each other."""

HEAVY = (
    "IPython datasketch detect_secrets docker faker ipywidgets jupyterlab matplotlib mcp networkx numba numpy openai "
    "pandas pyarrow scipy seaborn sklearn torch umap"
).split()
"""What ``import tdlab`` must not load."""

DISTRIBUTION = {
    "IPython": "ipywidgets",
    "dotenv": "python-dotenv",
    "mcp_types": "mcp",
    "pydantic_core": "pydantic",
    "stdnum": "python-stdnum",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}
"""The declared dependency that brings an import name, where the two differ."""

RUN_AS_PROGRAMS = {"jupyterlab"}
"""Dependencies that tdlab starts and does not import."""

MOST_LINES = 600


@dataclass(frozen=True)
class Import:
    module: str
    names: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Module:
    name: str
    file: Path
    tree: ast.Module

    @property
    def package(self) -> str:
        return self.name.split(".")[1] if "." in self.name else ""

    @property
    def is_public(self) -> bool:
        return not any(part.startswith("_") and part != "__init__" for part in self.name.split("."))

    def imports(self) -> Iterator[Import]:
        """Yield every import of the module: at the top, in functions, and for type checkers."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(alias.name, (), node.lineno)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    package = self.name.split(".") if self.file.name == "__init__.py" else self.name.split(".")[:-1]
                    base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
                yield Import(base, tuple(alias.name for alias in node.names), node.lineno)

    def at(self, line: int) -> str:
        return f"{self.file.relative_to(ROOT)}:{line}"


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, file, ast.parse(file.read_text(encoding="utf-8"), str(file))))
    return tuple(found)


def packages_of(found: Import) -> list[str]:
    """Return the packages of tdlab that an import reaches; an empty string is ``tdlab`` itself."""
    if found.module == "tdlab":
        return [name if name in RANK else "" for name in found.names] or [""]
    return [found.module.split(".")[1]] if found.module.startswith("tdlab.") else []


def fail(title: str, faults: list[str]) -> None:
    if faults:
        pytest.fail(f"{title}:\n  " + "\n  ".join(faults), pytrace=False)


def test_every_package_has_a_layer() -> None:
    fail(
        "modules of a package that LAYERS does not name (put it where it belongs)",
        [
            f"{m.at(1)} is in {m.package!r}"
            for m in modules()
            if m.package and m.package != "__main__" and m.package not in RANK
        ],
    )


def test_imports_go_downward_only() -> None:
    faults = []
    for module in modules():
        if module.package not in RANK:
            continue
        for found in module.imports():
            for package in packages_of(found):
                if package == "":
                    faults.append(f"{module.at(found.line)} imports the face of tdlab: name the package instead")
                elif package != module.package and package in RANK and RANK[package] >= RANK[module.package]:
                    faults.append(
                        f"{module.at(found.line)} is in {module.package} and imports {package}, which is not lower"
                    )
    fail("imports that do not go downward", faults)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions count, too."""
    names = {module.name for module in modules()}
    needs: dict[str, set[str]] = {}
    for module in modules():
        if module.file.name == "__init__.py":
            continue
        reached = (f"{found.module}.{name}" for found in module.imports() for name in found.names)
        targets = {found.module for found in module.imports()} | set(reached)
        needs[module.name] = (targets & names) - {module.name}
    try:
        tuple(TopologicalSorter(needs).static_order())
    except CycleError as error:
        fail("modules that import each other in a circle", [" -> ".join(error.args[1])])


def test_other_packages_are_imported_by_their_face() -> None:
    """``from tdlab.tools import nature``, never ``from tdlab.tools.names import nature``, so that modules can move."""
    packages = {module.name for module in modules() if module.file.name == "__init__.py" and module.name != "tdlab"}
    faults = [
        f"{module.at(found.line)} imports {found.module}: import it from tdlab.{packages_of(found)[0]}"
        for module in modules()
        for found in module.imports()
        if found.module.count(".") > 1
        and found.module.startswith("tdlab.")
        and f"tdlab.{packages_of(found)[0]}" in packages
        and packages_of(found) != [module.package]
    ]
    fail("imports that go around the face of a package", faults)


def test_private_modules_stay_in_their_package() -> None:
    faults = []
    for module in modules():
        for found in module.imports():
            inner = found.module.split(".")[2:] if found.module.startswith("tdlab.") else []
            names = list(found.names) if found.module.startswith("tdlab.") else []
            private = [part for part in [*inner, *names] if part.startswith("_") and not part.startswith("__")]
            if private and packages_of(found) != [module.package]:
                faults.append(f"{module.at(found.line)} imports {private[0]} of {found.module}")
    fail("private names used by another package", faults)


def test_each_library_has_one_importer() -> None:
    faults = []
    for module in modules():
        for found in module.imports():
            library = found.module.split(".")[0]
            if library in IMPORTERS:
                importers = IMPORTERS[library] if isinstance(IMPORTERS[library], tuple) else (IMPORTERS[library],)
                if not any(module.name == importer or module.name.startswith(f"{importer}.") for importer in importers):
                    faults.append(
                        f"{module.at(found.line)} imports {library}; its importer is {' or '.join(importers)}"
                    )
            elif library not in FREE and library != "tdlab" and library not in sys.stdlib_module_names:
                faults.append(
                    f"{module.at(found.line)} imports {library}: give it an importer in IMPORTERS, or name it in FREE"
                )
    fail("libraries imported elsewhere than by their importer", faults)


def declared(*, extras: Sequence[str] = ()) -> set[str]:
    """Return the distributions in pyproject.toml, with normalised names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return {re.split(r"[<>=!~\[; ]", line)[0].lower().replace("_", "-") for line in lines}


def distribution(found: Import) -> str:
    """Return the distribution of an imported library; empty for tdlab and the standard library."""
    library = found.module.split(".")[0]
    if library == "tdlab" or library in sys.stdlib_module_names:
        return ""
    return DISTRIBUTION.get(library, library).lower().replace("_", "-")


def test_every_imported_library_is_a_declared_dependency() -> None:
    names = declared(extras=["embedding"])
    faults = [
        f"{module.at(found.line)} imports {found.module}, which pyproject.toml does not name"
        for module in modules()
        for found in module.imports()
        if distribution(found) not in {"", *names}
    ]
    fail("imports without a dependency", faults)


def test_every_declared_dependency_is_used() -> None:
    imported = {distribution(found) for module in modules() for found in module.imports()}
    fail("dependencies that nothing imports", sorted(declared() - imported - RUN_AS_PROGRAMS))


def test_nothing_imports_the_panels() -> None:
    faults = [
        f"{module.at(found.line)} imports panels"
        for module in modules()
        if module.package not in ("panels", "")
        for found in module.imports()
        if "panels" in packages_of(found)
    ]
    fail("panels are for notebooks", faults)


def test_no_library_call_starts_an_event_loop() -> None:
    """It would fail in Jupyter, where a loop is running. Only the command line may start one."""
    faults = []
    for module in modules():
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            called = f"{owner}.{node.func.attr}"
            never = called == "asyncio.run" or node.func.attr in ("run_until_complete", "run_forever")
            if never or (called == "anyio.run" and module.package != "cli"):
                faults.append(f"{module.at(node.lineno)} calls {called}")
    fail("event loops started in library code", faults)


def test_modules_are_short() -> None:
    long = [(len(m.file.read_text(encoding="utf-8").splitlines()), m.at(1)) for m in modules()]
    fail(f"modules of {MOST_LINES} lines or more", [f"{place} has {n}" for n, place in long if n >= MOST_LINES])


def test_every_module_says_what_it_is() -> None:
    fail("modules without a docstring", [m.at(1) for m in modules() if not ast.get_docstring(m.tree)])


def names_of(module: Module) -> tuple[list[str] | None, set[str], set[str]]:
    """Return ``__all__`` (None if it is not literal), all top-level names, and the public names defined here."""
    exported: list[str] | None = None
    bound: set[str] = set()
    defined: set[str] = set()
    for node in top_level(module.tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
            defined.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            bound |= names
            source = module.name if isinstance(node, ast.ImportFrom) and node.level else getattr(node, "module", "")
            if module.file.name == "__init__.py" and (source or "").startswith(module.name):
                defined |= names
        else:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            names = {
                n.id for target in targets if target is not None for n in ast.walk(target) if isinstance(n, ast.Name)
            }
            bound |= names
            if "__all__" in names:
                try:
                    exported = list(ast.literal_eval(node.value))
                except ValueError:
                    exported = None
    return exported, bound, {name for name in defined if not name.startswith("_")}


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, also under ``if`` and ``try``, but not those for type checkers."""
    for node in body:
        if isinstance(node, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(node.test):
                yield from top_level([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from top_level([*node.body, *node.orelse, *node.finalbody])
        elif isinstance(
            node,
            ast.FunctionDef
            | ast.AsyncFunctionDef
            | ast.ClassDef
            | ast.Import
            | ast.ImportFrom
            | ast.Assign
            | ast.AnnAssign,
        ):
            yield node


def test_every_public_module_says_exactly_what_it_offers() -> None:
    faults = []
    for module in modules():
        if not module.is_public:
            continue
        exported, bound, defined = names_of(module)
        if exported is None:
            faults.append(f"{module.at(1)} has no literal __all__")
            continue
        lazy = "__getattr__" in bound  # names of another module, imported on first use; the next test gets each of them
        if len(set(exported)) != len(exported):
            faults.append(f"{module.at(1)}: __all__ names something twice")
        faults += [
            f"{module.at(1)}: __all__ names {n!r}, which is not there" for n in exported if n not in bound and not lazy
        ]
        faults += [f"{module.at(1)}: {n!r} is public and not in __all__" for n in sorted(defined - set(exported))]
    fail("__all__ is not exact", faults)


def test_every_offered_name_can_be_had() -> None:
    script = (
        "import importlib, json, sys\n"
        "missing = []\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    module = importlib.import_module(name)\n"
        "    missing += [f'{name}.{n}' for n in module.__all__ if not hasattr(module, n)]\n"
        "print(json.dumps(missing))\n"
    )
    public = [m.name for m in modules() if m.is_public and names_of(m)[0] is not None]
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(public)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_importing_tdlab_is_light_and_quick(record_property: pytest.RecordProperty) -> None:
    script = (
        "import time; start = time.process_time(); import tdlab; took = time.process_time() - start\n"
        "import json, sys; print(json.dumps([took, sorted({name.split('.')[0] for name in sys.modules})]))"
    )
    seconds = []
    loaded: set[str] = set()
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
        took, names = json.loads(done.stdout)
        seconds.append(took)
        loaded |= set(names)
    record_property("import_seconds", min(seconds))
    heavy = sorted(loaded & set(HEAVY))
    assert not heavy, f"`import tdlab` loads {', '.join(heavy)}: import them inside the functions that use them"
    assert min(seconds) < 1.0, f"`import tdlab` takes {min(seconds):.2f} s at best of {len(seconds)}"
