#!/usr/bin/env python3
"""Writes the docstrings of the compiled module into its stubs, or checks that they are there (--check).

The text is kept once, in python/src; signatures are kept in the stubs, and stubtest compares them.
"""

import ast
import inspect
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from tightwire import _native  # noqa: E402

STUB = ROOT / "python" / "tightwire" / "_native.pyi"


def runtime_doc(owner, name):
    """The docstring of a member, unless it has none of its own."""
    value = inspect.getattr_static(owner, name, None)
    if value is None or isinstance(value, (int, str)):
        return None
    return inspect.getdoc(value.__func__ if isinstance(value, (classmethod, staticmethod)) else value)


def documented(tree):
    """Pairs of a body whose first statement may be a docstring, and the text that belongs there."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            owner = getattr(_native, node.name)
            yield node, None, inspect.getdoc(owner)
            for index, member in enumerate(node.body):
                if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)) and not member.name.startswith("_"):
                    yield member, None, runtime_doc(owner, member.name)
                elif isinstance(member, ast.AnnAssign) and not member.target.id.startswith("_"):
                    follower = node.body[index + 1] if index + 1 < len(node.body) else None
                    yield member, follower, runtime_doc(owner, member.target.id)
        elif isinstance(node, ast.FunctionDef):
            yield node, None, runtime_doc(_native, node.name)


def is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def literal(text, indent):
    lines = [indent + line if line else "" for line in text.splitlines()]
    lines[0] = f'{indent}"""{lines[0].strip()}'
    if len(lines) == 1:
        return [lines[0] + '"""']
    return [*lines, f'{indent}"""']


def edits(source):
    """(first line, last line, new lines): what the stub needs, from its end to its beginning."""
    found = []
    for node, follower, text in documented(ast.parse(source)):
        if text is None:
            continue
        place = follower if isinstance(node, ast.AnnAssign) else node.body[0]
        indent = " " * (node.col_offset if isinstance(node, ast.AnnAssign) else node.col_offset + 4)
        new = literal(text, indent)
        if place is not None and is_docstring(place):
            if inspect.cleandoc(place.value.value) != text:
                found.append((place.lineno, place.end_lineno, new))
        elif isinstance(node, ast.ClassDef):
            found.append((node.body[0].lineno, node.body[0].lineno - 1, [*new, ""]))
        elif not isinstance(node, ast.AnnAssign) and isinstance(node.body[0], ast.Expr):
            # `def f(): ...` in one line.
            line = source.splitlines()[node.body[0].lineno - 1]
            found.append((node.body[0].lineno, node.body[0].lineno, [line.removesuffix(" ..."), *new]))
    return sorted(found, reverse=True)


def main():
    source = STUB.read_text()
    wanted = edits(source)
    if "--check" in sys.argv:
        for first, _, new in reversed(wanted):
            print(f"{STUB.name}:{first}: is not what the module says: {new[0].strip()}")
        return bool(wanted) and print("run: make stubs") is None
    lines = source.splitlines()
    for first, last, new in wanted:
        lines[first - 1 : last] = new
    STUB.write_text("\n".join(lines) + "\n")
    return 0


sys.exit(main())
