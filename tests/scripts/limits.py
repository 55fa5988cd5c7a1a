"""No file over 500 lines without its tests, no function over 60 (Rust, Python, C and C++)."""

import ast
import re
import subprocess
import sys
from pathlib import Path

MAX_FILE, MAX_FUNCTION = 500, 60
ROOT = Path(__file__).resolve().parents[2]

# What may contain braces without meaning any: comments, strings, characters (but not lifetimes).
SILENT = re.compile(
    r"""//[^\n]*|/\*.*?\*/|b?r(\#*)".*?"\1|[bc]?"(?:\\.|[^"\\])*"|b?'(?:\\.[^']*|[^'\\])'""", re.DOTALL
)
RUST_FN = re.compile(r'^[ \t]*(?:(?:pub(?:\([^)]*\))?|const|async|unsafe|extern(?: +"[^"]*")?) +)*fn +(\w+)', re.M)
C_FN = re.compile(r"^[A-Za-z_][^;{}()=]*?(\w+)\([^;{}]*\)\s*\{", re.M)
TEST_ITEM = re.compile(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))?\s+)?mod +\w+\s*\{")


def blank(match):
    """The same lines, without their text."""
    return re.sub(r"[^\n]", " ", match.group())


def end_of_block(text, start):
    """The offset behind the block whose `{` is the first at or after `start`."""
    depth = 0
    for brace in re.finditer(r"[{};]", text[start:]):
        if brace.group() == ";":
            if depth == 0:
                return start + brace.end()
            continue
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return start + brace.end()
    return len(text)


def without_tests(text):
    while found := TEST_ITEM.search(text):
        text = text[: found.start()] + text[end_of_block(text, found.end() - 1) :]
    return text


def braces(path, text):
    """The lines of a file in a language with braces, and its functions with theirs."""
    rust = path.suffix == ".rs"
    text = SILENT.sub(blank, text)
    if rust:
        text = without_tests(text)
    functions = []
    for found in (RUST_FN if rust else C_FN).finditer(text):
        start = found.start(1)
        # A signature can hold `;` only in an array type: skip its parentheses.
        body = text.find("{", start) if not rust else start + skip_signature(text[start:])
        end = end_of_block(text, body)
        functions.append((found.group(1), text.count("\n", start, end) + 1))
    return text.count("\n"), functions


def skip_signature(text):
    depth = 0
    for at, char in enumerate(text):
        if char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char in "{;" and depth == 0:
            return at
    return len(text)


def python(text):
    functions = [
        (node.name, node.end_lineno - node.lineno + 1)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    return text.count("\n"), functions


def findings(path, text):
    lines, functions = python(text) if path.suffix == ".py" else braces(path, text)
    if lines > MAX_FILE:
        yield f"{path}: {lines} lines without tests, at most {MAX_FILE}"
    for name, length in functions:
        if length > MAX_FUNCTION:
            yield f"{path}: fn {name} has {length} lines, at most {MAX_FUNCTION}"


def self_test():
    """The counting itself, on a file that has one finding of each kind."""
    long_fn = "fn long<'a>(x: [u8; 4]) {\n" + "    // } '\n    f('}', \"{\");\n" * 30 + "}\n"
    tests = "#[cfg(test)]\nmod tests {\n" + "    fn f() {}\n" * 600 + "}\n"
    found = list(findings(Path("x.rs"), "fn short() {}\n" + long_fn + tests))
    assert found == ["x.rs: fn long has 62 lines, at most 60"], found
    assert list(findings(Path("y.py"), "x = 1\n" * 501)) == ["y.py: 501 lines without tests, at most 500"]
    assert list(findings(Path("z.c"), "int main(void)\n{\n" + "  ;\n" * 60 + "}\n")) != []


def is_test(path):
    """Files that are nothing but tests are judged no more than tests inside other files."""
    if path.parts[:2] == ("tests", "c"):
        return path.stem not in ("echo_client", "echo_server", "talk")
    in_rust = path.suffix == ".rs" and ("tests" in path.parts[1:] or path.stem in ("tests", "test"))
    return in_rust or path.parts[:2] == ("tests", "rust")


def main():
    self_test()
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    # Not `.pyi`: the stubs are one file because the compiled module is one, and repeat its documentation.
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    paths = [Path(n) for n in names if n.endswith((".rs", ".py", ".c", ".cpp", ".hpp"))]
    bad = []
    for path in paths:
        if (ROOT / path).exists() and not is_test(path):
            bad += findings(path, (ROOT / path).read_text())
    print("\n".join(bad) if bad else f"ok: {len(paths)} files")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
