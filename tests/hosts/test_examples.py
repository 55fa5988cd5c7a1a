"""Every example is run with a real peer: ours, or the package `websockets`."""

import fcntl
import os
import pty
import re
import select
import signal
import ssl
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path

import pytest
import trustme
from websockets.sync.client import connect
from websockets.sync.server import serve

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = Path(os.environ.get("EXAMPLES_DIR", ROOT / "target" / "c" / "examples"))
ECHO = Path(os.environ.get("ECHO_SERVER", ROOT / "target" / "release" / "echo-server-c"))
PATIENCE = 40


def built(path):
    """Skips the test where an example was left out."""
    if not Path(path).exists():
        assert "CI" not in os.environ, f"{path} was not built"
        pytest.skip(f"{path} was left out: its library is not installed")


class Running:
    """A program whose lines are waited for. One that hangs is ended, so that no wait is for ever."""

    def __init__(self, *command):
        built(command[0])
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(list(map(str, command)), stdin=pipe, stdout=pipe, text=True)
        self.patience = threading.Timer(PATIENCE, self.process.kill)

    def __enter__(self):
        self.be_patient()
        return self

    def be_patient(self):
        self.patience.cancel()
        self.patience = threading.Timer(PATIENCE, self.process.kill)
        self.patience.start()

    def __exit__(self, *_):
        self.patience.cancel()
        self.process.kill()
        self.process.wait()

    def line(self):
        self.be_patient()
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
        assert [line.strip() for line in client.rest()] == ["< one", "< two", "closed: 1000"]


def test_the_client_with_a_thread_reads_no_more_than_its_queue_holds():
    """Many times as many messages as it has places, in as few packets as may be: none is lost."""
    count = 2000

    def flood(ws):
        for number in range(count):
            ws.send(str(number))
        for message in ws:
            ws.send(message)

    with serve(flood, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        with Running(EXAMPLES / "thread_host", f"ws://127.0.0.1:{port}") as client:
            lines = [line.strip() for line in client.rest()]
        server.shutdown()
        thread.join()
    assert lines == [*(f"< {number}" for number in range(count)), "< one", "< two", "closed: 1000"]


def test_the_client_like_a_browsers_says_hello(echo):
    with Running(EXAMPLES / "browser_client-cpp", echo) as client:
        lines = client.rest()
    assert lines == ["readyState: 0", f"open: {echo}", "message: Hello, server!", "close: 1000, clean"]


def test_lines_of_the_terminal_go_through_select(echo):
    with Running(EXAMPLES / "select_host", echo) as client:
        client.write("hello\nagain\n")
        assert [client.line() for _ in range(2)] == ["< hello", "< again"]
        assert [line.strip() for line in client.rest()] == ["closed: 1000"]


def test_lines_of_the_terminal_go_to_all_clients_of_the_poll_server():
    with Running(EXAMPLES / "poll_host", "ws://127.0.0.1:0") as server:
        url = f"ws://127.0.0.1:{server.port()}"
        with connect(url) as one, connect(url) as two:
            assert [server.line()[:2] for _ in range(2)] == ["+ ", "+ "]
            one.send("from one")
            assert server.line() == "< from one"
            server.write("to all\nonce more\n")
            for said in ("to all", "once more"):
                assert [ws.recv(timeout=PATIENCE) for ws in (one, two)] == [said, said]
                assert server.line() == "> 2"
            assert server.rest() == []


def serial(port, trust):
    """The number of the certificate that is shown at this port, and an echo."""
    with connect(f"wss://localhost:{port}", ssl=trust, proxy=None) as ws:
        ws.send("hello")
        assert ws.recv(timeout=PATIENCE) == "hello"
        return ws.socket.getpeercert()["serialNumber"]


class Identity:
    """A certificate and its key in files, which may be issued anew."""

    def __init__(self, folder):
        self.authority = trustme.CA()
        self.trust = ssl.create_default_context()
        self.authority.configure_trust(self.trust)
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.issue()

    def issue(self):
        issued = self.authority.issue_cert("localhost", "127.0.0.1")
        self.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(self.key)


def test_the_tls_server_reads_its_certificate_anew(tmp_path):
    identity = Identity(tmp_path)
    with Running(EXAMPLES / "tls_echo_server", "wss://127.0.0.1:0", identity.cert, identity.key) as server:
        port = server.port()
        first = serial(port, identity.trust)
        with connect(f"wss://localhost:{port}", ssl=identity.trust, proxy=None) as before:
            identity.issue()
            server.process.send_signal(signal.SIGHUP)
            assert server.line() == "certificate read"
            assert serial(port, identity.trust) != first
            before.send("still here")
            assert before.recv(timeout=PATIENCE) == "still here"
        server.process.send_signal(signal.SIGTERM)
        assert server.rest() == []


def test_a_hang_up_while_the_tls_server_reads_is_not_forgotten(tmp_path):
    identity = Identity(tmp_path)
    with Running(EXAMPLES / "tls_echo_server", "wss://127.0.0.1:0", identity.cert, identity.key) as server:
        port = server.port()
        old = identity.cert.read_bytes()
        identity.cert.unlink()
        os.mkfifo(identity.cert)
        server.process.send_signal(signal.SIGHUP)
        # Opens as soon as the server does, which then waits for the text.
        with identity.cert.open("wb") as pipe:
            server.process.send_signal(signal.SIGHUP)
            identity.cert.unlink()
            identity.cert.write_bytes(old)
            pipe.write(old)
        assert [server.line() for _ in range(2)] == ["certificate read"] * 2
        assert serial(port, identity.trust)
        server.process.send_signal(signal.SIGTERM)
        assert server.rest() == []


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, *command):
        built(command[0])
        main, terminal = pty.openpty()
        self.fd = main
        self.resize(24, 80)
        # A size that the environment names would count for more than that of the terminal.
        environment = {name: value for name, value in os.environ.items() if name not in ("LINES", "COLUMNS")}
        environment |= {"TERM": "xterm", "LC_ALL": "C.UTF-8"}
        streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
        self.process = subprocess.Popen(
            list(map(str, command)), env=environment, start_new_session=True, preexec_fn=self.take_over, **streams
        )
        os.close(terminal)
        self.output = b""

    @staticmethod
    def take_over():
        """Signals of the terminal go to who has it."""
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def seen(self):
        return self.output.decode(errors="replace")

    def until(self, pattern):
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.seen):
            assert time.monotonic() < end, f"waited in vain for {pattern!r} in {self.seen!r}"
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    self.output += os.read(self.fd, 4096)
                except OSError:  # the program has ended
                    assert re.search(pattern, self.seen), self.seen

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        return self.process.wait(PATIENCE)


@pytest.fixture
def chat():
    with Running(EXAMPLES / "chat_server", "ws://127.0.0.1:0") as server:
        yield f"ws://127.0.0.1:{server.port()}"


@pytest.fixture
def ann(chat):
    with Terminal(EXAMPLES / "chat_ncurses", f"{chat}/ann") as terminal:
        terminal.until("ann: is here")
        yield terminal


def test_two_people_chat(chat, ann):
    with connect(f"{chat}/bob") as bob:
        ann.until("bob: is here")
        bob.send("grüß dich, ann")
        ann.until("bob: grüß dich, ann")
        ann.type("hellö\x7fo bob\n")
        while (said := bob.recv(timeout=PATIENCE)) != "ann: hello bob":
            assert said.startswith(("bob: ", "ann: "))
    ann.until("bob: is gone")
    ann.type("\x04")
    ann.until("closed: 1000")
    assert ann.end() == 0


def test_a_nickname_is_taken_once(chat, ann):
    with Terminal(EXAMPLES / "chat_ncurses", f"{chat}/ann") as other:
        other.until("409")
        assert other.end() == 0
    assert ann.process.poll() is None


def test_the_chat_fills_a_terminal_of_another_size(chat, ann):
    row = r"\x1b\[{}(;\d+)?[Hd]"  # the cursor goes there
    with connect(f"{chat}/bob", max_queue=None) as bob:
        for number in range(30):
            bob.send(f"line {number}")
        ann.until("line 29")
        assert not re.search(row.format(40), ann.seen)
        # At once with a message, and alone.
        bob.send("QXZVK")
        ann.resize(40, 100)
        ann.until("QXZVK")
        ann.until(row.format(40))
        ann.resize(50, 100)
        ann.until(row.format(50))
        # Of a row only the cells that change are sent, so the words have no letter in common.
        ann.resize(3, 30)
        bob.send("UWJYH")
        ann.until("UWJYH")
        ann.output = b""
        ann.resize(40, 100)
        bob.send("GDMPF")
        # What had left the screen has room again.
        ann.until("line 0")
        ann.until("GDMPF")
