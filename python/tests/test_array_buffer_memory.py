"""What becomes of an ArrayBuffer for which there is no memory, or that is written to meanwhile."""

import subprocess
import sys
import textwrap

from conftest import SECONDS

from tightwire import ArrayBuffer

LIMITED = """
import mmap, resource, sys
import tightwire

_, hard = resource.getrlimit(resource.RLIMIT_AS)
large = mmap.mmap(-1, 1 << 30)
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * mmap.PAGESIZE
resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20), hard))
for given in (4294967295, large):
    try:
        tightwire.ArrayBuffer(given)
    except MemoryError as error:
        print(error)
buffer = tightwire.ArrayBuffer(128 << 20)
try:
    [buffer.slice() for _ in range(3)]
except MemoryError as error:
    print(error)
"""


def test_want_of_memory_is_an_exception():
    command = [sys.executable, "-c", textwrap.dedent(LIMITED)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    sizes = (4294967295, 1 << 30, 128 << 20)
    expected = "".join(f"no memory for an ArrayBuffer of {size} bytes\n" for size in sizes)
    assert (done.returncode, done.stdout) == (0, expected), done.stderr


def test_zeros_take_no_memory_before_they_are_written_to():
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1])

    before = resident()
    buffer = ArrayBuffer(1 << 28)
    assert resident() - before < (1 << 26) / 4096
    assert buffer.byteLength == 1 << 28 and memoryview(buffer)[-1] == 0
