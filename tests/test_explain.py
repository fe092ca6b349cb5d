"""Explain: golden pages and JSON values, and what they promise."""

from __future__ import annotations

import json

import pytest
from cases import Case, cases, check
from compiling import plan


@pytest.mark.parametrize("case", cases("explain"), ids=str)
def test_explain(case: Case) -> None:
    found = plan(case)
    if "--json" in case.args:
        check(case, json.dumps(found.explain_json(), indent=2, ensure_ascii=False))
    else:
        check(case, found.explain())
