"""Web Platform Tests' cases for WebSocket, in our words, against pywebsocket3.

A test names the cases that it shows with `@pytest.mark.wpt(NAME...)`, or `@pytest.mark.wpt({NAME: GIVEN})` and the
fixture `given`; it runs once for each. `page` runs it with `ws` and `wss` and with each way to drive a socket.
"""

import asyncio
import json
import ssl
import sys
from pathlib import Path

import pytest
import trio
import trustme
import uvloop

import tightwire
from tightwire import _loops

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "interop")]

import cases  # noqa: E402
import programs  # noqa: E402

# A name that is not ASCII, which the certificate is for, too.
FOREIGN_HOST = "blåbær.example"


def pytest_addoption(parser):
    parser.addoption("--results", help="file for the result of each case, as JSON")


def pytest_configure(config):
    config.addinivalue_line("markers", "wpt(cases): the cases of Web Platform Tests that this test shows")
    if config.getoption("--results") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Results(Path(config.getoption("--results"))))


class Results:
    """For each case the outcomes of its tests, and the schemes that it ran with."""

    def __init__(self, path):
        self.path, self.cases = path, {}

    def pytest_runtest_logreport(self, report):
        properties = dict(report.user_properties)
        if "case" not in properties or (report.when != "call" and report.passed):
            return
        outcomes, schemes = self.cases.setdefault(properties["case"], (set(), set()))
        outcomes.add("failed" if report.failed else "expected" if report.skipped else "passed")
        schemes.update(properties["schemes"])

    def pytest_sessionfinish(self):
        told = {case: [sorted(part) for part in parts] for case, parts in sorted(self.cases.items())}
        self.path.write_text(json.dumps(told))


def named(item):
    """The cases of a test with what each is given."""
    for name in item.get_closest_marker("wpt").args:
        yield from name.items() if isinstance(name, dict) else [(name, None)]


def pytest_generate_tests(metafunc):
    if metafunc.definition.get_closest_marker("wpt"):
        pairs = list(named(metafunc.definition))
        metafunc.parametrize("case", pairs, ids=[name for name, _ in pairs], indirect=True)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("wpt"):
            name = item.callspec.params["case"][0]
            if why := cases.FAILS.get(name):
                item.add_marker(pytest.mark.xfail(reason=why, strict=True, raises=AssertionError))


@pytest.fixture(autouse=True)
def case(request, record_property):
    """The name of the case."""
    if not hasattr(request, "param"):
        return None
    record_property("case", request.param[0])
    record_property("schemes", [])
    return request.param[0]


@pytest.fixture
def given(request):
    return request.getfixturevalue("case") and request.node.callspec.params["case"][1]


class Socket(tightwire.WebSocket):
    """Keeps its events in `log`."""

    def __init__(self, url, protocols=None, **options):
        super().__init__(url, protocols, **options)
        self.log = []
        for kind in ("open", "message", "error", "close"):
            self.addEventListener(kind, self._note)

    def _note(self, event):
        if event.type == "message":
            self.log.append(("message", event.data))
        elif event.type == "close":
            self.log.append(("close", event.code, event.reason, event.wasClean))
        else:
            self.log.append((event.type, self.readyState))

    @property
    def messages(self):
        return [entry[1] for entry in self.log if entry[0] == "message"]


def own_loop(begin, page):
    begin()
    tightwire.run()


async def until_closed(begin, page):
    begin()
    # The handlers of one may have made another.
    for ws in page.sockets:
        await ws.closed()


async def reporting(begin, page):
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: page.give_up(context["exception"]))
    await until_closed(begin, page)


def in_asyncio(begin, page):
    asyncio.run(reporting(begin, page))


def in_uvloop(begin, page):
    uvloop.run(reporting(begin, page))


def in_trio(begin, page):
    trio.run(until_closed, begin, page)


DRIVERS = {"own loop": own_loop, "asyncio": in_asyncio, "uvloop": in_uvloop, "trio": in_trio}


class Page:
    """Makes sockets, and drives them until all are closed."""

    def __init__(self, scheme, server, drive):
        self.scheme, self.port, self.drive = scheme, server.port, drive
        self.base, self.options = f"{scheme}://localhost:{server.port}", {"tls": server.tls}
        self.context = server.context
        self.sockets, self.raised = [], []

    def socket(self, path="/echo", protocols=None, *, url=None, **options):
        ws = Socket(url or self.base + path, protocols, **{**self.options, **options})
        self.sockets.append(ws)
        return ws

    def give_up(self, error):
        """A handler raised, so nobody may be left who would close the sockets."""
        self.raised.append(error)
        for ws in self.sockets:
            ws.abort()

    def play(self, begin):
        """Calls `begin` where sockets can be made; what it returned, when all sockets are closed."""
        result, hook = [], sys.unraisablehook
        sys.unraisablehook = lambda told: self.give_up(told.exc_value)
        try:
            self.drive(lambda: result.append(begin()), self)
        finally:
            sys.unraisablehook = hook
        if self.raised:
            raise self.raised[0]
        return result[0]


class Server:
    def __init__(self, files=(), ca=None):
        self.tls = tightwire.TLS(ca=ca) if ca else None
        # For clients that are not ours.
        self.context = ssl.create_default_context(cafile=ca) if ca else None
        self.program = programs.Program([sys.executable, HERE / "server.py", *files])
        self.port = self.program.port


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """pywebsocket3 in a process of its own for each scheme."""
    folder, authority = tmp_path_factory.mktemp("certificates"), trustme.CA()
    certificate, key, ca = folder / "certificate.pem", folder / "key.pem", folder / "ca.pem"
    leaf = authority.issue_cert("localhost", "127.0.0.1", FOREIGN_HOST)
    leaf.private_key_pem.write_to_path(key)
    leaf.cert_chain_pems[0].write_to_path(certificate)
    authority.cert_pem.write_to_path(ca)
    started = {"ws": Server(), "wss": Server([certificate, key], ca)}
    yield started
    for server in started.values():
        server.program.stop()


@pytest.fixture(params=["ws", "wss"])
def scheme(request):
    return request.param


@pytest.fixture(params=DRIVERS.values(), ids=DRIVERS)
def page(request, servers, scheme):
    request.node.user_properties.append(("schemes", [scheme]))
    yield Page(scheme, servers[scheme], request.param)
    # A test that failed must not leave sockets to the next one.
    if loop := getattr(_loops._own, "loop", None):
        loop._abandon()
        del _loops._own.loop


@pytest.fixture
def request_of():
    """What the server tells of the request of a socket to /request, which is closed then."""

    def ask(page, begin):
        def watched():
            ws = begin()
            ws.onmessage = lambda event: ws.close(1000)
            return ws

        (text,) = page.play(watched).messages
        return json.loads(text)

    return ask
