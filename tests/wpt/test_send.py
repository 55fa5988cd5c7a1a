"""Sending, bufferedAmount and binaryType."""

import array

import numpy
import pytest

import tightwire

CLOSED = ("close", 1000, "", True)


def echoed(page, data, **options):
    """What comes back, when exactly that did."""

    def begin():
        ws = page.socket("/echo", **options)
        ws.onopen = lambda event: ws.send(data)
        ws.onmessage = lambda event: ws.close(1000)
        return ws

    ws = page.play(begin)
    assert [entry[0] for entry in ws.log] == ["open", "message", "close"] and ws.log[-1] == CLOSED
    return ws.messages[0]


@pytest.mark.wpt(
    {
        "Send-0byte-data": "",
        "Send-65K-data": "a" * 65000,
        "Send-data": "Message to send",
        "Send-unicode-data": "¥¥¥¥¥¥ ßå日本 \U0001f30d",
        "Send-paired-surrogates": "\U0001d11e\U0010ffff",
    }
)
def test_text_comes_back(page, given):
    assert echoed(page, given) == given


@pytest.mark.wpt({"extended-payload-length": [125, 126, 65535, 65536, 100000]})
def test_messages_on_both_sides_of_each_kind_of_length_come_back(page, given):
    for size in given:
        for data in "x" * size, bytes(i % 251 for i in range(size)):
            assert echoed(page, data) == data


@pytest.mark.wpt({"Send-unpaired-surrogates": "\ud807", "interfaces/WebSocket/send/006": "a\udc00b\ud800c\udfff\ud834"})
def test_lone_surrogates_become_replacement_characters(page, given):
    assert echoed(page, given) == "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in given)


def view(kind, values):
    return memoryview(array.array(kind, values))


OCTETS = bytes(range(256))


@pytest.mark.wpt(
    {
        "Send-binary-arraybuffer": lambda: tightwire.ArrayBuffer(OCTETS[:15]),
        "Send-binary-65K-arraybuffer": lambda: tightwire.ArrayBuffer(OCTETS * 256),
        "Send-binary-arraybufferview-float16": lambda: numpy.array([1.5, -2.25, 0.0, numpy.inf], dtype=numpy.float16),
        "Send-binary-arraybufferview-float32": lambda: view("f", [1.5, -2.25, 0.0, float("inf")]),
        "Send-binary-arraybufferview-float64": lambda: view("d", [1.5, -2.25, 0.0, float("inf")]),
        "Send-binary-arraybufferview-int8": lambda: view("b", [-128, -1, 0, 127]),
        "Send-binary-arraybufferview-int16-offset": lambda: view("h", [7, -1, 32767, -32768])[2:],
        "Send-binary-arraybufferview-int32": lambda: view("i", [-(2**31), -1, 2**31 - 1]),
        "Send-binary-arraybufferview-uint8-offset": lambda: view("B", range(10))[2:],
        "Send-binary-arraybufferview-uint8-offset-length": lambda: view("B", range(10))[2:6],
        "Send-binary-arraybufferview-uint16-offset-length": lambda: view("H", range(10))[2:4],
        "Send-binary-arraybufferview-uint32-offset": lambda: view("I", range(10))[2:],
    }
)
def test_exactly_the_bytes_of_a_view_come_back(page, given):
    data = given()

    def begin():
        ws = page.socket()
        ws.binaryType = "arraybuffer"
        ws.onopen = lambda event: ws.send(data)
        ws.onmessage = lambda event: ws.close(1000)
        return ws

    (back,) = page.play(begin).messages
    assert type(back) is tightwire.ArrayBuffer and back == memoryview(data).tobytes()


@pytest.mark.wpt(
    {
        "Send-binary-blob": OCTETS[:15],
        "binary/001": OCTETS,
        "binary/002": OCTETS,
        "binary/004": b"",
        "binary/005": b"",
    }
)
@pytest.mark.parametrize("kind", ["blob", "arraybuffer"])
def test_a_blob_comes_back_as_what_binary_type_says(page, given, kind):
    def begin():
        ws = page.socket()
        ws.binaryType = kind
        ws.onopen = lambda event: ws.send(tightwire.Blob([given]))
        ws.onmessage = lambda event: ws.close(1000)
        return ws

    (back,) = page.play(begin).messages
    assert type(back) is {"blob": tightwire.Blob, "arraybuffer": tightwire.ArrayBuffer}[kind]
    assert back == given and bytes(back) == given


@pytest.mark.wpt("binaryType-wrong-value", "Create-valid-url-binaryType-blob")
def test_binary_type_is_blob_until_another_legal_one_is_set(page):
    def begin():
        ws = page.socket()
        seen = [ws.binaryType]
        for kind in ("notBlobOrArrayBuffer", "arraybuffer", "Blob", "ArrayBuffer", "", "blob"):
            ws.binaryType = kind
            seen.append(ws.binaryType)
        assert seen == ["blob", "blob", *["arraybuffer"] * 4, "blob"]
        ws.onopen = lambda event: ws.close(1000)
        return ws

    assert page.play(begin).log[-1] == CLOSED


@pytest.mark.wpt(
    {
        "Send-before-open": "Message to send",
        "interfaces/WebSocket/send/003": "a",
        "interfaces/WebSocket/send/004": "a\udc00",
    }
)
def test_sending_before_open_is_an_invalid_state(page, given):
    def begin():
        ws = page.socket()
        with pytest.raises(tightwire.InvalidStateError):
            ws.send(given)
        assert (ws.readyState, ws.bufferedAmount) == (0, 0)
        ws.onopen = lambda event: ws.close(1000)
        return ws

    assert page.play(begin).log == [("open", 1), CLOSED]


@pytest.mark.wpt("interfaces/WebSocket/send/001")
def test_sending_nothing_is_a_type_error_in_every_state(page):
    def attempt(ws):
        with pytest.raises(TypeError):
            ws.send()

    def begin():
        ws = page.socket()
        attempt(ws)
        ws.onopen = lambda event: (attempt(ws), ws.close(1000), attempt(ws))
        ws.onclose = lambda event: attempt(ws)
        return ws

    assert page.play(begin).log == [("open", 1), CLOSED]


@pytest.mark.wpt("interfaces/WebSocket/send/005")
def test_send_returns_none(page):
    returned = []

    def begin():
        ws = page.socket()
        ws.onopen = lambda event: returned.extend([ws.send("x"), ws.send(b"x"), ws.close(1000), ws.send("x")])

    page.play(begin)
    assert returned == [None] * 4


@pytest.mark.wpt("interfaces/WebSocket/send/007")
def test_what_is_sent_while_closing_is_dropped_in_silence(page):
    def begin():
        ws = page.socket()
        ws.onopen = lambda event: (ws.close(1000), ws.send("test"), ws.send(b"test"))
        return ws

    assert page.play(begin).log == [("open", 1), CLOSED]


@pytest.mark.wpt("interfaces/WebSocket/send/008")
def test_what_is_sent_after_the_end_is_dropped_in_silence(page):
    def begin():
        ws = page.socket()
        ws.onopen = lambda event: ws.close(1000)
        ws.onclose = lambda event: (ws.send("test"), ws.send(b"test"))
        return ws

    assert page.play(begin).log == [("open", 1), CLOSED]


@pytest.mark.wpt("send-many-64K-messages-with-backpressure")
def test_many_long_messages_to_a_slow_reader_all_arrive(page):
    def begin():
        ws = page.socket("/slow_reader")
        ws.onopen = lambda event: ([ws.send(bytes(65536)) for _ in range(50)], ws.send("how many?"))
        ws.onmessage = lambda event: ws.close(1000)
        return ws

    assert page.play(begin).log == [("open", 1), ("message", "50"), CLOSED]
