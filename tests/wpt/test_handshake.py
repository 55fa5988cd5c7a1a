"""What comes of the opening handshake."""

import contextlib
import socket
import time

import pytest
from conftest import FOREIGN_HOST

FAILED = [("error", 3), ("close", 1006, "", False)]
CLOSED = ("close", 1005, "", True)


def close_on_open(ws):
    ws.onopen = lambda event: ws.close()
    return ws


def play(page, path=None, protocols=None, **options):
    return page.play(lambda: close_on_open(page.socket(path, protocols, **options)))


@pytest.mark.wpt(
    {
        "Create-valid-url-array-protocols": (["super", "chat"], "super"),
        "Create-valid-url-protocol": ("chat", "chat"),
        "Create-valid-url-protocol-empty": ([], ""),
        "Create-valid-url-protocol-setCorrectly": (["chat"], "chat"),
        "Create-valid-url-protocol-string": ("echo", "echo"),
        "constructor/009": ("foobar", "foobar"),
        "interfaces/WebSocket/protocol/protocol-initial": ("foobar", "foobar"),
    }
)
def test_the_protocol_is_what_the_server_chose_and_empty_before(page, given):
    protocols, chosen = given

    def begin():
        ws = page.socket("/echo", protocols)
        assert ws.protocol == ""
        ws.onopen = lambda event: (ws.log.append(ws.protocol), ws.close())
        return ws

    ws = page.play(begin)
    assert ws.log == [("open", 1), chosen, CLOSED] and ws.protocol == chosen


@pytest.mark.wpt({"constructor/022": ["one", "two", "three"], "Create-valid-url-array-protocols": ["super", "chat"]})
def test_protocols_are_asked_for_in_their_order(page, given, request_of):
    fields = request_of(page, lambda: page.socket("/request", given))["fields"]
    assert [value for name, value in fields if name == "sec-websocket-protocol"] == [", ".join(given)]


@pytest.mark.wpt(
    {
        "constructor/010": ("/handshake_protocol", []),
        "constructor/011": ("/handshake_protocol", ["FOOBAR"]),
        "constructor/012": ("/handshake_no_protocol", ["foobar"]),
        "security/001": ("/wrong_accept_key", []),
        "opening-handshake/001": ("/invalid", []),
        "opening-handshake/received-301": ("/redirect", []),
    }
)
def test_an_answer_that_is_not_the_one_fails_the_connection(page, given):
    ws = play(page, *given)
    assert ws.log == FAILED and ws.protocol == ""


@pytest.mark.wpt("constructor/011")
def test_the_protocol_that_was_asked_for_would_have_been_taken(page):
    """The control of the above: the answer is good but for the case of the letters."""
    assert play(page, "/handshake_protocol", ["foobar"]).log[0] == ("open", 1)


@pytest.mark.wpt("constructor/012")
def test_an_answer_without_a_protocol_is_taken_if_none_was_asked_for(page):
    assert play(page, "/handshake_no_protocol").log[0] == ("open", 1)


@pytest.mark.wpt("opening-handshake/005")
def test_a_close_in_one_piece_with_the_answer_comes_after_open(page):
    assert play(page, "/simple_handshake").log == [("open", 1), ("close", 1001, "PASS", True)]


@pytest.mark.wpt("opening-handshake/006")
def test_after_attempts_that_failed_one_succeeds(page):
    def begin():
        failing = [page.socket(path) for path in ("/invalid", "/nonexistent", "/wrong_accept_key") * 3]
        failing[-1].onclose = lambda event: close_on_open(page.socket("/echo"))
        return failing

    failing = page.play(begin)
    assert [ws.log for ws in failing] == [FAILED] * len(failing)
    assert page.sockets[-1].log == [("open", 1), CLOSED]


@pytest.mark.wpt("constructor/014")
def test_connections_to_one_host_are_made_one_after_the_other(page):
    opened = []

    def begin():
        for _ in range(2):
            ws = close_on_open(page.socket("/handshake_sleep", serialize_connects=True))
            ws.addEventListener("open", lambda event: opened.append(time.monotonic()))

    page.play(begin)
    # The server takes a second for each.
    assert opened[1] - opened[0] > 0.9


@pytest.mark.wpt("basic-auth")
def test_user_and_password_of_the_url_are_told_to_the_server(page):
    host = f"localhost:{page.port}"
    assert play(page, url=f"{page.scheme}://foo:bar@{host}/basic_auth").log == [("open", 1), CLOSED]
    assert play(page, url=f"{page.scheme}://foo:no@{host}/basic_auth").log == FAILED
    assert play(page, "/basic_auth").log == FAILED


@pytest.mark.wpt("referrer")
def test_no_referrer_is_sent(page, request_of):
    names = [name for name, _ in request_of(page, lambda: page.socket("/request"))["fields"]]
    assert "host" in names and not {"referer", "referrer"} & set(names)


@pytest.mark.wpt("opening-handshake/003")
def test_a_host_that_is_not_ascii_is_sent_as_punycode_and_is_the_origin(page, request_of):
    plain = f"{FOREIGN_HOST.encode('idna').decode()}:{page.port}"
    origins = []

    def begin():
        with socket.create_connection(("127.0.0.1", page.port)) as sock:
            ws = page.socket(url=f"{page.scheme}://{FOREIGN_HOST}:{page.port}/request", sock=sock)
        ws.addEventListener("message", lambda event: origins.append(event.origin))
        assert ws.url == f"{page.scheme}://{plain}/request"
        return ws

    assert ["host", plain] in request_of(page, begin)["fields"]
    assert origins == [f"{page.scheme}://{plain}"]


@pytest.mark.wpt("Create-extensions-empty", "interfaces/WebSocket/extensions/001")
def test_extensions_are_empty_before_the_connection_is_open_and_if_there_are_none(page):
    def begin():
        ws = page.socket("/handshake_no_extensions")
        assert ws.extensions == ""
        ws.onopen = lambda event: (ws.log.append(ws.extensions), ws.close())
        return ws

    assert page.play(begin).log == [("open", 1), "", CLOSED]


@pytest.mark.wpt("Create-extensions-empty")
def test_extensions_are_those_that_the_server_took(page):
    """The control of the above: pywebsocket3 takes compression if it is let."""

    def begin():
        ws = page.socket("/echo")
        ws.onopen = lambda event: (ws.log.append(ws.extensions.split(";")[0]), ws.close())
        return ws

    assert page.play(begin).log == [("open", 1), "permessage-deflate", CLOSED]


# "Bad ports" of the Fetch standard (section "Port blocking").
BLOCKED = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
    111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540,
    548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566,
    6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
]  # fmt: skip


@pytest.mark.wpt("Create-blocked-port")
def test_every_blocked_port_fails_and_no_other(page):
    """Nobody listens on most of them: what tells is the error, and that its cause is no answer of the system's."""

    def begin():
        url = page.scheme + "://127.0.0.1:{}/"
        return {port: page.socket(url=url.format(port), timeout=5, block_bad_ports=True) for port in [*BLOCKED, *neighbours]}

    neighbours = [port for port in (2, 24, 26, 442, 444, 1721, 4191, 5062, 6001, 6664, 6670, 10081) if port not in BLOCKED]
    sockets = page.play(begin)
    assert all(ws.log == FAILED for ws in sockets.values())
    assert [port for port, ws in sockets.items() if "blocked" in str(ws.error)] == BLOCKED


def listening_on_a_blocked_port():
    """Of those that anybody may listen on, one that is free."""
    for port in (port for port in reversed(BLOCKED) if port >= 1024):
        with contextlib.suppress(OSError):
            return socket.create_server(("127.0.0.1", port))
    raise RuntimeError("all blocked ports are taken")


@pytest.mark.wpt("Create-blocked-port")
def test_a_blocked_port_fails_without_a_connection(page):
    def begin():
        # Who does connect waits for an answer that does not come.
        url = f"{page.scheme}://127.0.0.1:{listener.getsockname()[1]}/"
        ws = page.socket(url=url, timeout=0.2, block_bad_ports=True)
        assert ws.readyState == 0 and ws.log == []
        return ws

    with listening_on_a_blocked_port() as listener:
        ws = page.play(begin)
        assert ws.log == FAILED
        listener.setblocking(False)
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return
        raise AssertionError("there was a connection")
