"""Worlds: services that can be executed. See `load_pack` and `World`."""

from __future__ import annotations

from tdlab.worlds._documents import Document
from tdlab.worlds._functions import Clock
from tdlab.worlds._statements import parameters_in
from tdlab.worlds.folders import PackFolder, bundled_packs, find_packs, packs_digest
from tdlab.worlds.pack import FILES, ServicePack, load_pack, read_pack_tools
from tdlab.worlds.world import Outcome, World, start_of

__all__ = [
    "FILES",
    "Clock",
    "Document",
    "Outcome",
    "PackFolder",
    "ServicePack",
    "World",
    "bundled_packs",
    "find_packs",
    "load_pack",
    "packs_digest",
    "parameters_in",
    "read_pack_tools",
    "start_of",
]
