"""Checking the folder of a pack: in this process, or in one of its own with limits for packs that a model wrote.

Statements of a pack are guarded and limited one by one wherever they run (`tdlab.worlds`). A pack whose every statement
takes as long as it may, whose schema has a pattern without end, or whose templates never end would still keep a check
busy for hours; `check_apart` ends it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tdlab.errors import PackError, TdlabError
from tdlab.tasks.check import PackReport, check_pack
from tdlab.worlds import load_pack

__all__ = ["check_apart", "check_folder"]

_MOST_ERRORS = 500  # that come back from the other process
_MOST_CHARACTERS = 2_000  # of one error
_MEMORY = 8 << 30  # bytes of address space
_SECRETS = ("_KEY", "_TOKEN", "_SECRET")  # ends of names of environment variables
_PROGRAM = "from tdlab.tasks import checking; checking._main()"


def check_folder(folder: Path, *, seeds: int = 20) -> PackReport | PackError:
    """Load and check a pack.

    Args:
        folder: The folder of the pack.
        seeds: How many worlds frames are solved on.

    Returns:
        The report; or why there is none, where the pack cannot be loaded.

    Example:
        >>> from pathlib import Path
        >>> print(check_folder(Path("nowhere")))
        nowhere/tools.json: the file is missing [files]
          expected: tools.json, world.sql, tasks.yaml
          to do: change nowhere/tools.json, then: tdlab packs check nowhere
    """
    try:
        return check_pack(load_pack(folder), seeds=seeds)
    except PackError as error:
        return error
    except TdlabError as error:
        found, expected = error.found, error.expected
    except OSError as error:
        found, expected = f"a file cannot be read: {error}", "three files that can be read"
    except RecursionError:
        found, expected = "it is nested too deeply", "fewer brackets within brackets"
    except MemoryError:
        found, expected = "it takes too much memory", "100 to 600 rows in all"
    return PackError(found, file=str(folder / "tools.json"), rule="files", expected=expected)


def check_apart(folder: Path, *, seeds: int = 20, seconds: float = 300.0) -> tuple[PackError, ...]:
    """Load and check a pack in a process of its own, which ends after some seconds and without a key of the user's.

    Args:
        folder: The folder of the pack.
        seeds: How many worlds frames are solved on.
        seconds: How long the check may take.

    Returns:
        What is wrong; empty for a sound pack.

    Example:
        >>> from pathlib import Path
        >>> [error.rule for error in check_apart(Path("nowhere"))]
        ['files']
    """
    ours = str(Path(__file__).resolve().parents[2])
    environment = {name: value for name, value in os.environ.items() if not name.endswith(_SECRETS)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (ours, environment.get("PYTHONPATH"))))
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments, no shell: this interpreter with our own program
            [sys.executable, "-P", "-c", _PROGRAM, str(folder), str(seeds), str(seconds)],
            capture_output=True, env=environment, timeout=seconds, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return (_slow(folder, seconds),)
    try:
        return tuple(PackError(found, file=file, line=line, rule=rule, expected=expected)
                     for found, file, line, rule, expected in json.loads(done.stdout))  # fmt: skip
    except ValueError:
        return (
            PackError(
                f"the check was ended with status {done.returncode}: it takes too long or too much memory",
                file=str(folder / "world.sql"), rule="size", expected="100 to 600 rows, and statements of milliseconds",
            ),
        )  # fmt: skip


def _slow(folder: Path, seconds: float) -> PackError:
    return PackError(
        f"the check takes longer than {seconds:g} s", file=str(folder / "world.sql"), rule="time",
        expected="a world that is populated in 30 ms, and statements and targets of milliseconds",
    )  # fmt: skip


def _main() -> None:
    """Check the folder in the arguments and print its errors as JSON; what `check_apart` runs."""
    folder, seeds, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    try:
        import resource
    except ImportError:  # a system without limits: the time limit of the other process holds
        pass
    else:
        for limit, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, int(seconds) + 1)):
            hard = resource.getrlimit(limit)[1]
            resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    checked = check_folder(folder, seeds=seeds)
    errors = (checked,) if isinstance(checked, PackError) else checked.errors
    parts = [
        (error.message[:_MOST_CHARACTERS], error.file, error.line, error.rule, error.expected[:_MOST_CHARACTERS])
        for error in errors[:_MOST_ERRORS]
    ]
    sys.stdout.write(json.dumps(parts))
