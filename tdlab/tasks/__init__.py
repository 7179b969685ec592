"""Tasks: what people want of a service, planned goal first on a world, and written as conversations.

`read_frames` reads the task frames of a service pack, `plan_task` makes a `TaskScript` from one of them, and
`check_pack` is what a pack's author works against. The guide for authors is ``.github/PACKS.md``.

Modules, low to high: `frames` (what ``tasks.yaml`` states), `programs` (what takes code), `search` (how the assistant
can find out what it needs), `targets` (what a task can be about), `conversation` (saying and calling), `scene` (how it
goes), `planner`, `stage` (all packs with their worlds), `check`,
`checking` (the same for a folder, in a process of its own if need be).
"""

from __future__ import annotations

from tdlab.tasks.check import PackReport, check_pack
from tdlab.tasks.checking import check_apart, check_folder
from tdlab.tasks.conversation import Person
from tdlab.tasks.frames import Computation, Frame, TaskPack, Twist, meeting_of, read_frames
from tdlab.tasks.planner import plan_task
from tdlab.tasks.programs import program_for, worked_out
from tdlab.tasks.stage import Stage, keep_worlds, playing_packs, stage_here
from tdlab.tasks.targets import targets_of

__all__ = [
    "Computation",
    "Frame",
    "PackReport",
    "Person",
    "Stage",
    "TaskPack",
    "Twist",
    "check_apart",
    "check_folder",
    "check_pack",
    "keep_worlds",
    "meeting_of",
    "plan_task",
    "playing_packs",
    "program_for",
    "read_frames",
    "stage_here",
    "targets_of",
    "worked_out",
]
