"""Compiles and runs what the documentation shows."""

import subprocess

WARN = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
COMPILERS = {".c": ["gcc", "-std=c99"], ".cpp": ["g++", "-std=c++20"]}
TIMEOUT = 60


class Compiler:
    def __init__(self, include, library, folder):
        self.include, self.library, self.folder = include, library, folder

    def check(self, source, *flags):
        """That a file compiles without a warning."""
        self._compile(source, "-fsyntax-only", *flags)

    def build(self, source, *flags):
        """The program that a file makes with the shared library."""
        program = self.folder / source.stem
        search = f"-Wl,-rpath,{self.library.resolve()}"
        self._compile(source, *flags, self.library / "libtightwire.so", search, "-lpthread", "-o", program)
        return program

    def _compile(self, source, *arguments):
        command = [*COMPILERS[source.suffix], *WARN, f"-I{self.include}", source, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        assert done.returncode == 0, f"{source.name} does not compile:\n{done.stderr}\n{source.read_text()}"


def run(program, *arguments, cwd=None, **how):
    """What a program prints; it has to exit with 0."""
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=TIMEOUT, cwd=cwd, check=False, **how
    )
    assert done.returncode == 0, f"{program.name} exits with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout
