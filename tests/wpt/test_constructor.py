"""What the constructor takes and refuses."""

import pytest

import tightwire

# RFC 2616 section 2.2, but for space and tab.
SEPARATORS = '()<>@,;:\\"/[]?={}'


def refused(url, *protocols):
    with pytest.raises(tightwire.SyntaxError) as caught:
        tightwire.WebSocket(url, *protocols)
    assert type(caught.value).__name__ == "SyntaxError" and isinstance(caught.value, tightwire.DOMException)


@pytest.mark.wpt("Create-invalid-urls")
@pytest.mark.parametrize(
    "url",
    [
        "ws://foo bar.com/", "wss://foo bar.com/", "ftp://localhost/", "mailto:someone@localhost", "about:blank",
        "http://localhost/#", "https://localhost/#", "ws://localhost/#", "ws://localhost/#test", "wss://localhost/#test",
        "http://localhost/#test", "#test", "",
    ],
)
def test_an_url_that_is_none_or_leads_elsewhere_is_refused(url):
    refused(url)


@pytest.mark.wpt("Create-url-with-space")
@pytest.mark.parametrize("scheme", ["ws", "wss", "http", "https"])
def test_a_host_with_a_space_is_refused(scheme):
    refused(f"{scheme}://local host/echo")


@pytest.mark.wpt("Create-non-absolute-url")
@pytest.mark.parametrize("url", ["test", "/test", "//localhost/test", "?", "?a=b", "localhost", "null", "123"])
def test_without_a_page_there_is_nothing_to_resolve_an_url_against(url):
    refused(url)


@pytest.mark.wpt("Create-http-urls")
def test_http_and_https_mean_ws_and_wss(page):
    def begin():
        ws = page.socket(url=page.base.replace("ws", "http", 1) + "/echo")
        assert ws.url == page.base + "/echo"
        ws.onopen = lambda event: ws.close()
        return ws

    assert page.play(begin).log == [("open", 1), ("close", 1005, "", True)]


@pytest.mark.wpt("constructor/001")
def test_without_arguments_it_is_a_type_error():
    with pytest.raises(TypeError):
        tightwire.WebSocket()


@pytest.mark.wpt({"constructor/004": lambda name: name, "constructor/007": lambda name: [name]})
def test_a_protocol_with_a_character_that_is_no_printable_ascii_is_refused(given):
    for code in (*range(0x21), *range(0x7F, 0x100)):
        for name in (chr(code), f"a{chr(code)}b"):
            refused("ws://localhost/", given(name))


@pytest.mark.wpt({"constructor/004": "", "constructor/007": [""]})
def test_an_empty_protocol_is_refused(given):
    refused("ws://localhost/", given)


@pytest.mark.wpt(
    {
        "Create-protocol-with-space": ["ex ample", " example", "example "],
        "Create-asciiSep-protocol-string": [f"/echo{separator}" for separator in SEPARATORS] + ["/echo"],
        "Create-nonAscii-protocol-string": ["\u0080echo", "échø", "日本"],
    }
)
def test_a_protocol_that_is_no_token_is_refused(given):
    for name in given:
        refused("ws://localhost/", name)
        refused("ws://localhost/", ["good", name])


@pytest.mark.wpt(
    {
        "Create-protocols-repeated": ["echo", "echo"],
        "Create-protocols-repeated-case-insensitive": ["echo", "eCho"],
        "constructor/021": ["foobar", "other", "foobar"],
    }
)
def test_a_protocol_twice_is_refused(given):
    refused("ws://localhost/", given)


@pytest.mark.wpt("constructor/021")
def test_one_string_is_no_list_of_protocols():
    refused("ws://localhost/", "foobar, foobar")


@pytest.mark.wpt("constructor/006")
def test_what_is_no_string_is_no_url():
    for other in (None, 5, object(), b"ws://localhost/"):
        with pytest.raises(TypeError):
            tightwire.WebSocket(other)


@pytest.mark.wpt("constructor/008")
@pytest.mark.parametrize("port", [80, 443])
def test_the_ports_of_http_can_be_named_with_either_scheme(page, port):
    def begin():
        ws = page.socket(url=f"{page.scheme}://127.0.0.1:{port}/")
        ws.close()
        return ws

    assert page.play(begin).log[-1] == ("close", 1006, "", False)


@pytest.mark.wpt("constructor/017")
@pytest.mark.parametrize("slashes", ["", "/", "///", "\\\\"])
def test_the_slashes_of_the_url_are_not_counted(page, slashes):
    def begin():
        ws = page.socket(url=f"{page.scheme}:{slashes}localhost:{page.port}/echo")
        assert ws.url == page.base + "/echo"
        ws.onopen = lambda event: ws.close(1000)
        return ws

    assert page.play(begin).log == [("open", 1), ("close", 1000, "", True)]


@pytest.mark.wpt(
    {
        "constructor/018": ("/request?x\0y\0", "/request?x%00y"),
        "constructor/016": ("/request?å=日", "/request?%C3%A5=%E6%97%A5"),
        "Create-url-with-windows-1252-encoding": ("/request?\u20acå", "/request?%E2%82%AC%C3%A5"),
        "interfaces/WebSocket/url/resolve": ("/request?a b", "/request?a%20b"),
    }
)
def test_the_query_is_escaped_as_utf_8_in_the_url_and_on_the_wire(page, given, request_of):
    written, meant = given

    def begin():
        ws = page.socket(written)
        assert ws.url == page.base + meant
        return ws

    assert request_of(page, begin)["uri"] == meant


@pytest.mark.wpt(
    {
        "constructor/019": lambda page: page.base.replace(page.scheme, page.scheme.upper()),
        "constructor/020": lambda page: page.base.replace("localhost", "LocalHOST"),
    }
)
def test_scheme_and_host_are_made_small(page, given):
    def begin():
        ws = page.socket(url=given(page) + "/echo")
        assert ws.url == page.base + "/echo"
        ws.onopen = lambda event: ws.close(1000)
        return ws

    assert page.play(begin).log == [("open", 1), ("close", 1000, "", True)]


@pytest.mark.wpt("interfaces/WebSocket/url/001")
def test_the_url_gets_its_path(page):
    def begin():
        ws = page.socket(url=page.base)
        assert ws.url == page.base + "/"
        ws.close()

    page.play(begin)


@pytest.mark.wpt("interfaces/WebSocket/url/resolve")
def test_the_port_of_the_scheme_is_dropped(page):
    port = {"ws": 80, "wss": 443}[page.scheme]

    def begin():
        ws = page.socket(url=f"{page.scheme}://127.0.0.1:{port}/x")
        assert ws.url == f"{page.scheme}://127.0.0.1/x"
        ws.close()

    page.play(begin)
