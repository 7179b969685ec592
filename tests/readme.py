"""Write the generated parts of README.md: ``python -m tests.readme`` the reference of commands, ``--outputs`` the rest.

``--outputs`` runs the commands of the README in a temporary folder, in order, and replaces the output printed below
them; an output that ends in ``...`` keeps its number of lines. The reference of settings is written by ``tdlab config
--markdown README.md``.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from tdlab.cli import app
from tests.jobs import ROOT, environment

README = ROOT / "README.md"
START, END = "<!-- commands: written by `python -m tests.readme` -->", "<!-- end of commands -->"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

NEEDS = {
    ".venv/bin/pip": "the network",
    "source ": "the environment that the first command makes",
    "tdlab mock-server": "a terminal of its own",
    "tdlab run --servers": "live servers",
    "tdlab run --out runs/mock": "the mock server",
    "tdlab run --code": "a sandbox",
    "tdlab check runs/code": "a sandbox",
    "tdlab run --config llm.yaml": "a paid model",
}
"""Beginnings of commands that are printed and not run here -> what they need."""


def blocks(text: str) -> list[tuple[str, str]]:
    """Return the fenced blocks of a Markdown text: language and content."""
    return [(match[1], match[2]) for match in BLOCK.finditer(text)]


def commands(block: str) -> list[str]:
    """Return the commands of a shell block, one per line; a backslash continues a line."""
    return [line for line in block.replace("\\\n", "").splitlines() if line.strip()]


def here(command: str) -> str:
    """Return the part of a command that can run here, without the installation; empty if none."""
    own = command.rpartition(".venv/bin/")[2] if ".venv/bin/tdlab" in command else command
    return "" if own.startswith(tuple(NEEDS)) else own


def command_reference() -> str:
    """Render every command with its arguments and options as Markdown."""
    root: Any = typer.main.get_command(app)
    lines = ["Options of `tdlab` itself:", "", *_table(root), ""]
    for name, command in _commands(root, "tdlab"):
        summary, _, more = str(command.help or "").partition("\n\n")
        lines += [f"<details><summary><code>{name}</code>: {summary}</summary>", ""]
        lines += [" ".join(more.split()), ""] if more else []
        lines += [*_table(command), ""] if _rows(command) else []
        lines += ["</details>", ""]
    return "\n".join(lines)


def _commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    for own, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, f"{name} {own}")
        else:
            yield f"{name} {own}", command


def _table(command: Any) -> list[str]:
    return ["| argument or option | default | |", "|---|---|---|", *_rows(command)]


def _rows(command: Any) -> list[str]:
    rows = []
    for parameter in command.params:
        if parameter.hidden or parameter.name == "help":
            continue
        option = parameter.opts[0].startswith("-")
        names = sorted([*parameter.opts, *parameter.secondary_opts], key=len, reverse=True)
        shown = ", ".join(f"`{name}`" for name in names) if option else f"`{parameter.name.upper()}`"
        default = "" if parameter.default in (None, False, "") or not parameter.show_default else parameter.default
        on = parameter.secondary_opts and parameter.default is True
        value = parameter.opts[0] if on else "required" if parameter.required else str(default)
        rows.append(f"| {shown} | {value} | {parameter.help.replace('|', chr(92) + '|')} |")
    return rows


def with_reference(text: str) -> str:
    """Return the text with the current reference of commands."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{command_reference()}{END}{after}"


def with_outputs(text: str) -> str:
    """Return the text with the current output of its commands; takes minutes."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "data").symlink_to(ROOT / "data")
        shim = place / "bin" / "tdlab"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from tdlab.cli import main; main()" "$@"\n')
        shim.chmod(0o755)
        printed = ""

        def replaced(match: re.Match[str]) -> str:
            nonlocal printed
            language, block = match[1], match[2]
            if language == "bash":
                printed = "".join(_output(own, place) for command in commands(block) if (own := here(command)))
            elif language == "yaml" and block.startswith("# "):
                (place / block.splitlines()[0].removeprefix("# ")).write_text(block, encoding="utf-8")
            elif language == "text" and printed:
                kept = block.splitlines()
                lines = [line.rstrip() for line in printed.splitlines()]
                cut = [*lines[: len(kept) - 1], "..."] if kept[-1] == "..." else lines
                printed = ""
                return "```text\n" + "\n".join(cut).strip("\n") + "\n```"
            return match[0]

        return BLOCK.sub(replaced, text)


def _output(command: str, folder: Path) -> str:
    print(command, file=sys.stderr)  # noqa: T201
    path = f"{folder / 'bin'}:{environment()['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment(PATH=path, COLUMNS="80"), text=True, check=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outputs", action="store_true")
    text = README.read_text(encoding="utf-8")
    README.write_text(with_outputs(text) if parser.parse_args().outputs else with_reference(text), encoding="utf-8")


if __name__ == "__main__":
    main()
