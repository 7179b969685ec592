"""Trajectory files of every known format, read into `Trajectory` records, and the formats that tdlab writes.

`read_trajectories` finds the format out by content, whether the file is packed with gzip or not:

==============  ====================================================================================================
``openai``      one ``{"id"?, "messages", "tools"?}`` a line, or a list of them; tools a list or JSON text
``tau-bench``   ``[{"task_id", "trial", "traj", ...}]``
``tau2-bench``  ``results.json``: ``{"info", "simulations", ...}``, flat calls with object arguments
``mcp-bench``   ``{"task_run_results": {model: [{"execution_results", "solution", ...}]}}``
``toolbench``   ``{query id: {"query", "available_tools", "answer": {"answer_details": tree}}}``
==============  ====================================================================================================

Broken lines and broken conversations are reported as `LineProblem` and the rest is read; a file may mix formats. In
each recording the ids of calls are made unique, results are joined to their calls, and an error that carries no flag is
told by its text. A tool's key is ``service/name``: the service comes from the file (an environment's domain, a server,
an API, the front part of ``service__name``) and is empty where the file names none. Nothing here knows a taxonomy: hand
in ``classify`` to map services to business domains, else a service is its own.

`write_openai_jsonl` and `write_parquet` write whole files with the same bytes for the same trajectories.
"""

from __future__ import annotations

from tdlab.store.formats._build import LineProblem, Recording
from tdlab.store.formats._json import looks_like_error
from tdlab.store.formats._parquet import write_parquet
from tdlab.store.formats._read import FORMATS, TrajectorySet, iter_trajectories, read_trajectories
from tdlab.store.formats._write import openai_record, write_openai_jsonl

__all__ = [
    "FORMATS",
    "LineProblem",
    "Recording",
    "TrajectorySet",
    "iter_trajectories",
    "looks_like_error",
    "openai_record",
    "read_trajectories",
    "write_openai_jsonl",
    "write_parquet",
]
