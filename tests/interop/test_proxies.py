"""Our clients through proxies: ours is the request, theirs the way."""

import programs
import proxies
import pytest
from programs import Talk, talk

SAY = ["text hello", "wait message", "binary 70000", "wait message"]
SAID = [{"event": "text", "data": "hello"}, {"event": "binary", "len": 70000, "pattern": True}]
KINDS = ["tinyproxy", "squid-basic", "squid-digest", "https", "socks5", "socks5h"]
if (refusal := proxies.no_view_of_its_own()) is None:
    KINDS.append("dante")
else:
    KINDS.append(pytest.param("dante", marks=pytest.mark.skip(reason=refusal)))


@pytest.fixture(scope="session")
def running(tmp_path_factory, certificates):
    """The URL of each kind of proxy, with a place for the log-in."""
    proxies.require("tinyproxy", "microsocks", "squid", "stunnel", "danted")
    folder = tmp_path_factory.mktemp
    tiny = proxies.tinyproxy(folder("tinyproxy"))
    basic = proxies.squid(digest=False)
    digest = proxies.squid(digest=True)
    socks = proxies.microsocks(folder("microsocks"))
    dante = proxies.dante(folder("dante")) if "dante" in KINDS else None
    secured = proxies.with_tls(folder("stunnel"), basic.port, certificates)
    yield {
        "tinyproxy": f"http://{{}}@127.0.0.1:{tiny.port}",
        "squid-basic": f"http://{{}}@127.0.0.1:{basic.port}",
        "squid-digest": f"http://{{}}@127.0.0.1:{digest.port}",
        "https": f"https://{{}}@localhost:{secured.port}",
        "socks5": f"socks5://{{}}@127.0.0.1:{socks.port}",
        "socks5h": f"socks5h://{{}}@127.0.0.1:{socks.port}",
        "dante": dante and f"socks5h://{{}}@127.0.0.1:{dante.port}",
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


def login(kind):
    return "me:secret" if kind == "tinyproxy" else proxies.LOGIN


@pytest.mark.parametrize("kind", KINDS)
def test_a_proxy_leads_to_the_server(client, running, target, kind):
    url, flags = target
    events = talk(client, url, *flags, "--proxy", running[kind].format(login(kind)), say=SAY)
    assert events.messages == SAID
    assert (events.close["code"], events.close["clean"]) == (1000, True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_environment_names_a_proxy(client, running, target, kind, monkeypatch, certificates):
    url, flags = target
    # In Python whom the platform trusts decides about the environment's proxy.
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy" if url.startswith("wss") else "http_proxy", running[kind].format(login(kind)))
    assert talk(client, url, *flags, "--proxy-from-env", say=SAY).messages == SAID
    monkeypatch.setenv("no_proxy", "localhost")
    monkeypatch.setenv("https_proxy" if url.startswith("wss") else "http_proxy", "http://127.0.0.1:1")
    assert talk(client, url, *flags, "--proxy-from-env", say=SAY).messages == SAID


@pytest.mark.parametrize("way", ["option", "environment"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_password_is_told_and_not_shown(client, running, target, kind, way, monkeypatch, certificates):
    url, flags = target
    wrong = running[kind].format(proxies.WRONG)
    chosen = ["--proxy", wrong]
    if way == "environment":
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("https_proxy" if url.startswith("wss") else "http_proxy", wrong)
        chosen = ["--proxy-from-env"]
    events = Talk(client, url, *flags, *chosen).end()
    text = events.error["text"]
    assert text.startswith("proxy: ") and "option: proxy" in text
    assert "wrong" not in text and "p@ss" not in text
    assert events.close["code"] == 1006


def test_a_proxy_that_nobody_trusts_is_refused(client, running, target):
    url, _ = target
    events = Talk(client, url, "--proxy", running["https"].format(proxies.LOGIN)).end()
    assert events.error["text"].startswith("proxy: ")
    assert "trust" in events.error["text"] or "issuer" in events.error["text"], events.error
