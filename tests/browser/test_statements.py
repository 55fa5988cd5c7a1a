"""docs/browser.md says what is there."""

import scripted
import statements


def test_the_page_is_what_the_statements_make_of_it():
    assert statements.PAGE.read_text() == statements.text(), "run `.venv/bin/python tests/browser/statements.py`"


def test_every_test_and_scenario_that_is_named_exists():
    assert list(statements.missing()) == []


def test_every_scenario_shows_something():
    shown = {name for area in statements.AREAS.values() for statement in area for name in statement.get("scenarios", [])}
    assert set(scripted.SCENARIOS) == shown


def test_every_statement_has_a_test_in_python_and_one_in_cpp_or_a_reason():
    for area in statements.AREAS.values():
        for statement in area:
            python, cpp = statements.cells(statement)
            assert python and cpp, statement["says"]
            assert cpp.startswith("none: ") == ("not in C++" in statement), statement["says"]
