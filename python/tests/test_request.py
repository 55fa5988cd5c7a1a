"""What goes with a request, and what becomes of an answer that is not 101: login, cookies, redirects."""

import http.cookiejar
import socket
import threading
from contextlib import contextmanager, suppress

import pytest
from conftest import SECONDS, accept_upgrade, read_head, wait_for_end

import tightwire
from tightwire import Auth, WebSocket

CHALLENGE = b'WWW-Authenticate: Digest realm="r", qop="auth", algorithm=SHA-256, nonce="n"\r\n'


@contextmanager
def answers(*replies):
    """A server that gives each connection the next reply; None is a 101. Yields URL and requests."""
    requests = []
    listener = socket.create_server(("127.0.0.1", 0))

    def work():
        for reply in replies:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(SECONDS)
                if reply is None:
                    requests.append(accept_upgrade(connection))
                else:
                    requests.append(read_head(connection))
                    connection.sendall(b"HTTP/1.1 " + reply + b"Content-Length: 2\r\n\r\nno")
                with suppress(ConnectionResetError):
                    wait_for_end(connection)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/", requests
    finally:
        listener.close()
        thread.join(SECONDS)


@pytest.fixture
def visit(play):
    """Opens a socket and closes it again, on every loop."""

    def visit(url, **options):
        def setup():
            ws = WebSocket(url, **options)
            ws.onopen = lambda event: ws.abort()
            return ws

        return play(setup)

    return visit


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (Auth.basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (Auth.bearer("a.b-c"), "Bearer a.b-c"),
    ],
)
def test_a_login_goes_with_the_request(visit, auth, header):
    with answers(None) as (url, requests):
        visit(url, auth=auth)
    assert f"Authorization: {header}\r\n" in requests[0]


def test_a_challenge_is_answered(visit):
    with answers(b"401 Who\r\n" + CHALLENGE, None) as (url, requests):
        visit(url, auth=Auth.digest("me", "secret"))
    assert "Authorization" not in requests[0]
    assert 'Authorization: Digest username="me"' in requests[1] and "secret" not in requests[1]


def test_a_refused_login_is_told_and_not_shown(visit):
    with answers(b"401 Who\r\n" + CHALLENGE) as (url, _):
        ws = visit(url, auth=("me", "secret"))
    assert type(ws.error) is tightwire.InvalidStatus and ws.error.response.status == 401
    assert ws.error.kind == "status" and "option: auth" in str(ws.error)
    for shown in (str(ws.error), repr(ws.error), repr(Auth.bearer("secret")), repr(ws)):
        assert "secret" not in shown
    assert repr(Auth.basic("me", "secret")) == "Auth.basic(...)"


@pytest.mark.parametrize("auth", ["me:secret", 7, ("a",)])
def test_a_login_of_another_type_is_refused(auth):
    with pytest.raises(TypeError, match="auth"):
        WebSocket("ws://127.0.0.1:1/", auth=auth)
    with pytest.raises(tightwire.InvalidArgument, match="auth"):
        WebSocket("ws://127.0.0.1:1/", auth=("a:b", "c"))


def test_a_jar_gives_and_takes_cookies(visit):
    jar = http.cookiejar.CookieJar()
    login = b"401 Who\r\nSet-Cookie: early=1; Path=/\r\n"
    with answers(login, None) as (url, requests):
        visit(url, cookies=jar)
        visit(url, cookies=jar)
    assert "Cookie" not in requests[0]
    assert "Cookie: early=1\r\n" in requests[1]
    assert [cookie.name for cookie in jar] == ["early"]
    with answers(None) as (url, requests):
        visit(url.replace("127.0.0.1", "localhost"), cookies=jar)
    assert "Cookie" not in requests[0]


def test_a_mapping_of_cookies(visit):
    with answers(None) as (url, requests):
        visit(url, cookies={"a": "1", "b": "2"})
    assert "Cookie: a=1; b=2\r\n" in requests[0]
    for cookies in ({"a": "1;2"}, {"a\r\n": "1"}, {"": "1"}):
        with pytest.raises(ValueError, match="cookies"):
            WebSocket("ws://127.0.0.1:1/", cookies=cookies)
    with pytest.raises(TypeError, match="cookies"):
        WebSocket("ws://127.0.0.1:1/", cookies=7)


def test_redirects_are_followed_when_asked_for(visit):
    with answers(None) as (there, requests):
        moved = b"302 Found\r\nLocation: " + there.replace("ws:", "http:").encode() + b"x\r\n"
        with answers(moved) as (url, _):
            ws = visit(url, max_redirects=1, auth=("me", "pw"), cookies={"a": "1"}, headers={"X": "y"})
    assert requests[0].startswith("GET /x ") and "X: y" in requests[0]
    assert "Authorization" not in requests[0] and "Cookie" not in requests[0]
    assert ws.url == url
    with answers(moved) as (url, _):
        error = visit(url).error
    assert type(error) is tightwire.InvalidStatus and error.response.status == 302
    assert "max_redirects" in str(error)
    again = b"301 Moved\r\nLocation: /\r\n"
    with answers(again, again) as (url, _):
        error = visit(url, max_redirects=1).error
    assert type(error) is tightwire.TooManyRedirects and error.kind == "too_many_redirects"
    assert dict(error.response.headers)["Location"] == "/"


def test_failures_have_their_own_classes_and_causes(visit):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = visit(f"ws://127.0.0.1:{port}/").error
    assert type(error) is tightwire.ConnectError and error.kind == "refused"
    assert error.attempts == ((f"127.0.0.1:{port}", error.attempts[0].cause, error.errno),)
    assert isinstance(error.__cause__, ConnectionRefusedError)
    error = visit("ws://h/", proxy=f"http://127.0.0.1:{port}").error
    assert type(error) is tightwire.ProxyError and isinstance(error, ConnectionError)
    with answers(b"407 No\r\n") as (url, _):
        error = visit("ws://h/", proxy=url.replace("ws:", "http:")).error
    assert type(error) is tightwire.ProxyStatus and error.response.status == 407
    for fields, cls in [
        (b"Upgrade: no\r\nConnection: Upgrade\r\n", tightwire.InvalidUpgrade),
        (b"Upgrade: websocket\r\nConnection: Upgrade\r\n", tightwire.InvalidHeader),
    ]:
        with answers(b"101 Yes\r\n" + fields) as (url, _):
            assert type(visit(url).error) is cls


def test_a_ping_tells_how_long_it_took(play, url):
    def setup():
        ws = WebSocket(url)
        assert ws.latency is None
        ws.onopen = lambda event: (ws.ping(b"?"), ws.send("after it"))
        ws.onmessage = lambda event: ws.close()
        return ws

    assert 0 < play(setup).latency < SECONDS
