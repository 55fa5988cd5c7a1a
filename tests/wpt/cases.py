"""The cases of Web Platform Tests' folder websockets/, as cases.json groups them.

A group has `cases`, a `mark` and perhaps one of
    why    why the cases do not apply (mark -)
    note   what is otherwise in Python, where the case itself passes
    fails  why the cases fail: their tests have to
"""

import json
from pathlib import Path

AREAS = json.loads((Path(__file__).resolve().parent / "cases.json").read_text())
GROUPS = {name: group for groups in AREAS.values() for group in groups for name in group["cases"]}
FAILS = {name: group["fails"] for name, group in GROUPS.items() if "fails" in group}
# These need a test.
OURS = [name for name, group in GROUPS.items() if group["mark"] != "-"]
