"""The pool cases of the recorded folder: small inputs with the traits of public reports, each with its right value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tdlab.pool import ToolPool

RIGHT: dict[str, dict[str, dict[str, Any]]] = {
    "P01_openapi.json": {
        "Weir keeper": {
            "listWeirs": {"page": "integer"},
            "createWeir": {"name": "string", "height_cm": ["integer", "null"]},
            "get_weirs_weir_id": {"weir_id": "string"},
        }
    },
    "P08_list_of_servers.json": {
        "weirs": {"list": {"river": "string"}, "open": {"weir_id": "string"}},
        "ledger": {"list": {"customer": "string"}, "pay": {"invoice_id": "string"}},
    },
    "P08b_nested_map.json": {
        "weirs": {"list_weirs": {"river": "string"}},
        "ledger": {"list_invoices": {"customer": "string"}},
    },
    "P08c_servers_array.json": {
        "weirs": {"list_weirs": {"river": "string"}},
        "ledger": {"list_invoices": {"customer": "string"}},
    },
    "P09_parameter_list.json": {
        "weirs": {"OpenWeir": {"weir_id": "string", "mode": "string", "gates": "array", "extra": "object"}}
    },
    "P12_entity_cjk.json": {"P12_entity_cjk": {"save_svg": {"code": "string"}, "save_xml": {"code": "string"}}},
    "P13_nan_default.json": {"P13_nan_default": {"set_level": {"level": "number"}, "get_level": {}}},
    "P14_bfcl_repeats.json": {
        "weather": {
            "weather.get": {"city": "string"},
            "weather.get#2": {"station_id": "string", "day": "string"},
        },
        "loan": {"loan.rate": {"bank": "string"}},
    },
    "P18_builtin.json": {"P18_builtin": {"open_weir": {"weir_id": "string"}, "list_weirs": {"river": "string"}}},
    "P21_tool_a_file": {
        "P21_tool_a_file": {
            "close_weir": {"weir_id": "string"},
            "get_weir": {"weir_id": "string"},
            "list_weirs": {"river": "string"},
            "open_weir": {"weir_id": "string"},
        }
    },
}
SET_ASIDE = {"P18_builtin.json": ["built_in_tool", "built_in_tool"]}


@pytest.fixture(scope="module")
def cases(shared: Path) -> Path:
    folder = shared / "cases"
    if not folder.is_dir():
        pytest.skip(f"no cases at {folder}")
    return folder


@pytest.mark.parametrize("name", RIGHT)
def test_a_case_is_read_right(name: str, cases: Path) -> None:
    if not (cases / name).exists():
        pytest.skip(f"the case {name} is not there")
    pool = ToolPool.load(cases / name)
    assert {
        service.name: {
            tool.name: {key: schema.get("type") for key, schema in tool.parameters.items()} for tool in service.tools
        }
        for service in pool.services
    } == RIGHT[name]
    assert [issue.code for issue in pool.issues if issue.severity == "error"] == SET_ASIDE.get(name, [])


def test_details_of_the_cases(cases: Path) -> None:
    weir = ToolPool.load(cases / "P01_openapi.json").tool("Weir keeper/get_weirs_weir_id")
    assert weir.required == ("weir_id",)
    listed = ToolPool.load(cases / "P09_parameter_list.json").tool("weirs/OpenWeir")
    assert listed.required == ("weir_id",)
    assert listed.parameters["mode"]["enum"] == ["slow", "fast"]
    assert listed.parameters["gates"]["items"] == {"type": "integer"}
    for tool in ToolPool.load(cases / "P12_entity_cjk.json").tools.values():
        assert "&amp;" in tool.description, f"the description of {tool.name} is another: {tool.description}"
    level = ToolPool.load(cases / "P13_nan_default.json").tool("P13_nan_default/set_level")
    assert level.parameters == {"level": {"type": "number"}}
