"""Our clients through proxies: ours is the request, theirs the way."""

import os

import programs
import proxies
import pytest
from programs import Talk, talk

os.environ["PATH"] += ":/usr/sbin"
SAY = ["text hello", "wait message", "binary 70000", "wait message"]
SAID = [{"event": "text", "data": "hello"}, {"event": "binary", "len": 70000, "pattern": True}]
KINDS = ["tinyproxy", "squid-basic", "squid-digest", "https", "socks5", "socks5h"]
IS_ROOT = os.geteuid() == 0
KINDS.append(pytest.param("dante", marks=pytest.mark.skipif(not IS_ROOT, reason="its users are those of the machine")))
RIGHT, WRONG = 0, 1


@pytest.fixture(scope="session")
def running(tmp_path_factory, certificates):
    """The URLs of each kind of proxy: with the right password, and with a wrong one."""
    if absent := proxies.missing():
        pytest.fail(f"install them with: sudo apt-get install {' '.join(absent)}")
    folder = tmp_path_factory.mktemp
    tiny = proxies.tinyproxy(folder("tinyproxy"))
    basic = proxies.squid(digest=False)
    digest = proxies.squid(digest=True)
    socks = proxies.microsocks(folder("microsocks"))
    dante = proxies.Dante(folder("dante")) if IS_ROOT else None
    secured = proxies.with_tls(folder("stunnel"), basic.port, certificates)
    plain, usual = ("me:secret", proxies.WRONG), (proxies.LOGIN, proxies.WRONG)
    yield {
        "tinyproxy": [f"http://{login}@127.0.0.1:{tiny.port}" for login in plain],
        "squid-basic": [f"http://{login}@127.0.0.1:{basic.port}" for login in usual],
        "squid-digest": [f"http://{login}@127.0.0.1:{digest.port}" for login in usual],
        "https": [f"https://{login}@localhost:{secured.port}" for login in usual],
        "socks5": [f"socks5://{login}@127.0.0.1:{socks.port}" for login in usual],
        "socks5h": [f"socks5h://{login}@127.0.0.1:{socks.port}" for login in usual],
        "dante": dante and [f"socks5h://{login}@127.0.0.1:{dante.port}" for login in dante.logins],
    }
    for process in (secured, tiny, basic, digest, socks, dante):
        if process:
            process.stop()


@pytest.fixture(scope="session", params=["ws", "wss"])
def target(request, certificates):
    tls = ["--tls", *certificates.good] if request.param == "wss" else []
    server = programs.Program([*programs.SERVERS["rust"], "--port", "0", *tls])
    # An address would be looked up by nobody.
    yield f"{request.param}://localhost:{server.port}/", ["--ca", certificates.ca]
    assert server.stop() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_proxy_leads_to_the_server(client, running, target, kind):
    url, flags = target
    events = talk(client, url, *flags, "--proxy", running[kind][RIGHT], say=SAY)
    assert events.messages == SAID
    assert (events.close["code"], events.close["clean"]) == (1000, True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_environment_names_a_proxy(client, running, target, kind, monkeypatch, certificates):
    url, flags = target
    # In Python whom the platform trusts decides about the environment's proxy.
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy" if url.startswith("wss") else "http_proxy", running[kind][RIGHT])
    assert talk(client, url, *flags, "--proxy-from-env", say=SAY).messages == SAID
    monkeypatch.setenv("no_proxy", "localhost")
    monkeypatch.setenv("https_proxy" if url.startswith("wss") else "http_proxy", "http://127.0.0.1:1")
    assert talk(client, url, *flags, "--proxy-from-env", say=SAY).messages == SAID


@pytest.mark.parametrize("way", ["option", "environment"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_password_is_told_and_not_shown(client, running, target, kind, way, monkeypatch, certificates):
    url, flags = target
    if way == "environment":
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("https_proxy" if url.startswith("wss") else "http_proxy", running[kind][WRONG])
        chosen = ["--proxy-from-env"]
    else:
        chosen = ["--proxy", running[kind][WRONG]]
    events = Talk(client, url, *flags, *chosen).end()
    text = events.error["text"]
    assert text.startswith("proxy: ") and "option: proxy" in text
    assert "wrong" not in text and "p@ss" not in text
    assert events.close["code"] == 1006


def test_a_proxy_that_nobody_trusts_is_refused(client, running, target):
    url, _ = target
    events = Talk(client, url, "--proxy", running["https"][RIGHT]).end()
    assert events.error["text"].startswith("proxy: ")
    assert "trust" in events.error["text"] or "issuer" in events.error["text"], events.error
