import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

import namespaces  # noqa: E402
import programs  # noqa: E402
import talks  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def rights():
    """A machine that makes no namespaces for us can prove nothing here: a container may have no right to any."""
    reason = namespaces.why_not()
    if reason:
        pytest.skip(f"no network namespaces here: {reason}")


def pytest_collection_modifyitems(items):
    """The tests that take a minute are the first ones of a worker each, so that none has to wait for another."""
    long = [item for item in items if item.path.stem == "test_silence"]
    if long:
        short = [item for item in items if item not in long]
        share = -(-len(short) // len(long))
        items[:] = [each for n, item in enumerate(long) for each in (item, *short[n * share : (n + 1) * share])]


def pytest_terminal_summary(terminalreporter):
    """One line for all that was skipped, as `tests/scripts/step` looks for it."""
    for report in terminalreporter.stats.get("skipped", [])[:1]:
        terminalreporter.write_line(f"SKIPPED test: network: {report.longrepr[2].removeprefix('Skipped: ')}")


class Stage(namespaces.Network):
    """A network with programs on it."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def serve(self, *flags, host="0.0.0.0"):
        """A server on the server's host, and its port."""
        server = self.start(talks.Timed, self.server, talks.SERVE, host, *flags)
        return server, server.until("listening")["port"]

    def talk(self, name, url, program=talks.Timed):
        return self.start(program, self.client, programs.OURS[name], url)

    def talks(self, url, program=talks.Timed):
        """A talk in each language, all at the same time: what takes long is waited for once."""
        return {name: self.talk(name, url, program) for name in programs.OURS}

    def configure(self, file, text):
        """Another text in place of a file of /etc, for clients."""
        ours = self.folder / file
        ours.write_text(text)
        self.client.replace(Path("/etc") / file, ours)


@pytest.fixture
def network(tmp_path):
    stage = Stage(tmp_path)
    yield stage
    stage.close()


@pytest.fixture(params=list(programs.OURS))
def client(request):
    """The language of our scripted client."""
    return request.param
