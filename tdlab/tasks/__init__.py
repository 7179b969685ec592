"""Tasks: what people want of a service, planned goal first on a world, and written as conversations.

`read_frames` reads the task frames of a service pack, `plan_task` makes a `TaskScript` from one of them, and
`check_pack` is what a pack's author works against. The guide for authors is ``.github/PACKS.md``.

Modules, low to high: `frames` (what ``tasks.yaml`` states), `script` (what a plan is), `search` (how the assistant can
find out what it needs), `planner`, `check`.
"""

from __future__ import annotations

from tdlab.tasks.check import PackReport, check_pack
from tdlab.tasks.frames import Frame, TaskPack, Twist, read_frames
from tdlab.tasks.planner import Person, plan_task, targets_of
from tdlab.tasks.script import Beat, ScriptCall, Source, TaskPart, TaskScript

__all__ = [
    "Beat",
    "Frame",
    "PackReport",
    "Person",
    "ScriptCall",
    "Source",
    "TaskPack",
    "TaskPart",
    "TaskScript",
    "Twist",
    "check_pack",
    "plan_task",
    "read_frames",
    "targets_of",
]
