"""Every example is run with a real peer: ours, or the package `websockets`."""

import os
import pty
import re
import select
import signal
import ssl
import subprocess
import time
from pathlib import Path

import pytest
import trustme
from websockets.sync.client import connect

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "target" / "c" / "examples"
ECHO = ROOT / "target" / "release" / "echo-server-c"
PATIENCE = 40


def built(path):
    """Skips the test where an example was left out."""
    if not Path(path).exists():
        assert "CI" not in os.environ, f"{path} was not built"
        pytest.skip(f"{path} was left out: its library is not installed")


class Running:
    """A program whose lines are waited for."""

    def __init__(self, *command):
        built(command[0])
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(list(map(str, command)), stdin=pipe, stdout=pipe, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def line(self):
        return self.process.stdout.readline().rstrip("\n")

    def port(self):
        return int(self.line().removeprefix("port "))

    def write(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def rest(self):
        """What else it prints until it ends by itself, with exit code 0."""
        self.process.stdin.close()
        self.process.stdin = None
        text = self.process.communicate(timeout=PATIENCE)[0]
        assert self.process.returncode == 0, text
        return text.splitlines()


@pytest.fixture(scope="module")
def echo():
    with Running(ECHO, "--port", "0") as server:
        yield f"ws://127.0.0.1:{server.port()}/"


@pytest.mark.parametrize("name", ["glib_host", "libuv_host", "qt_host-cpp", "asio_host-cpp"])
def test_a_client_in_another_loop_gets_three_answers(name, echo):
    with Running(EXAMPLES / name, echo) as client:
        *answers, closed = client.rest()
    assert len(answers) == 3 and all(answer.startswith("< ") for answer in answers)
    assert closed.strip() == "closed: 1000"


def test_the_client_with_a_thread_sends_from_both(echo):
    with Running(EXAMPLES / "thread_host", echo) as client:
        lines = client.rest()
    assert sorted(line.strip() for line in lines) == ["< one", "< two", "closed: 1000"]


def test_the_client_like_a_browsers_says_hello(echo):
    with Running(EXAMPLES / "browser_client-cpp", echo) as client:
        lines = client.rest()
    assert lines == ["readyState: 0", f"open: {echo}", "message: Hello, server!", "close: 1000, clean"]


def test_lines_of_the_terminal_go_through_select(echo):
    with Running(EXAMPLES / "select_host", echo) as client:
        client.write("hello\n")
        assert client.line() == "< hello"
        assert [line.strip() for line in client.rest()] == ["closed: 1000"]


def test_lines_of_the_terminal_go_to_all_clients_of_the_poll_server():
    with Running(EXAMPLES / "poll_host", "ws://127.0.0.1:0") as server:
        url = f"ws://127.0.0.1:{server.port()}"
        with connect(url) as one, connect(url) as two:
            assert [server.line()[:2] for _ in range(2)] == ["+ ", "+ "]
            one.send("from one")
            assert server.line() == "< from one"
            server.write("to all\n")
            assert [ws.recv(timeout=PATIENCE) for ws in (one, two)] == ["to all", "to all"]
            assert server.line() == "> 2"
            assert server.rest() == []


def serial(port, trust):
    """The number of the certificate that is shown at this port, and an echo."""
    with connect(f"wss://localhost:{port}", ssl=trust, proxy=None) as ws:
        ws.send("hello")
        assert ws.recv(timeout=PATIENCE) == "hello"
        return ws.socket.getpeercert()["serialNumber"]


def test_the_tls_server_reads_its_certificate_anew(tmp_path):
    authority = trustme.CA()
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def issue():
        issued = authority.issue_cert("localhost", "127.0.0.1")
        cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)

    issue()
    with Running(EXAMPLES / "tls_echo_server", "wss://127.0.0.1:0", cert, key) as server:
        port = server.port()
        first = serial(port, trust)
        issue()
        server.process.send_signal(signal.SIGHUP)
        assert server.line() == "certificate read"
        assert serial(port, trust) != first
        server.process.send_signal(signal.SIGTERM)
        assert server.rest() == []


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, *command):
        built(command[0])
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.execv(command[0], list(map(str, command)))
        self.seen = ""

    def until(self, pattern):
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.seen):
            assert time.monotonic() < end, f"waited in vain for {pattern!r} in {self.seen!r}"
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    self.seen += os.read(self.fd, 4096).decode(errors="replace")
                except OSError:  # the program has ended
                    assert re.search(pattern, self.seen), self.seen

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return code


def test_two_people_chat():
    with Running(EXAMPLES / "chat_server", "ws://127.0.0.1:0") as server:
        url = f"ws://127.0.0.1:{server.port()}"
        ann = Terminal(EXAMPLES / "chat_ncurses", f"{url}/ann")
        ann.until("ann: is here")
        with connect(f"{url}/bob") as bob:
            ann.until("bob: is here")
            bob.send("hello ann")
            ann.until("bob: hello ann")
            ann.type("hello bob\n")
            while (said := bob.recv(timeout=PATIENCE)) != "ann: hello bob":
                assert said.startswith(("bob: ", "ann: "))
        ann.until("bob: is gone")
        other = Terminal(EXAMPLES / "chat_ncurses", f"{url}/ann")
        other.until("409")
        assert other.end() == 0
        ann.type("\x04")
        ann.until("closed: 1000")
        assert ann.end() == 0
