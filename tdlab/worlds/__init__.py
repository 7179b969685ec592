"""Worlds: services that can be executed. See `load_pack` and `World`."""

from __future__ import annotations

from tdlab.worlds._documents import Document
from tdlab.worlds._functions import Clock
from tdlab.worlds._statements import parameters_in
from tdlab.worlds.pack import ServicePack, bundled_packs, load_pack, packs_digest
from tdlab.worlds.world import Outcome, World, start_of

__all__ = [
    "Clock",
    "Document",
    "Outcome",
    "ServicePack",
    "World",
    "bundled_packs",
    "load_pack",
    "packs_digest",
    "parameters_in",
    "start_of",
]
