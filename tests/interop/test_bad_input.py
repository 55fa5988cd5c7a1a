"""Wrong arguments: an error at once that names the argument, and not a byte on the wire."""

import subprocess

import programs
import pytest
from peers import Recorder
from programs import Talk


def rejection(client, url, *flags, say=()):
    """What a talk says of a call that fails at once."""
    talking = Talk(client, url, *flags).say(*say)
    events = talking.end()
    rejected = events.of("rejected")
    assert len(rejected) == 1, f"{events} {''.join(talking.complaints)}"
    return rejected[0], talking


@pytest.mark.parametrize(
    "url, named",
    [
        ("ftp://localhost/", "ftp"),
        ("ws://localhost:99999/", "port"),
        ("ws://localhost/#part", "fragment"),
        ("ws://", "host"),
        ("not a url", "URL"),
    ],
)
def test_a_bad_url_is_named(client, url, named):
    rejected, talking = rejection(client, url)
    assert rejected["command"] == "connect"
    assert named.lower() in rejected["text"].lower()
    assert talking.status == 2


@pytest.mark.parametrize(
    "flags, named",
    [
        (["--header", "X-Test: a\r\nInjected: b"], "header"),
        (["--header", "Bad Name: a"], "header"),
        (["--protocol", "with space"], "protocol"),
        (["--protocol", "twice", "--protocol", "twice"], "protocol"),
    ],
)
def test_a_bad_argument_is_named_and_nothing_is_sent(client, flags, named):
    with Recorder() as server:
        rejected, talking = rejection(client, f"ws://127.0.0.1:{server.port}/", *flags)
        assert server.received == b""
    assert rejected["command"] == "connect"
    assert named in rejected["text"].lower()
    assert talking.status == 2


def test_a_ca_file_that_holds_no_certificate_is_named(client, tmp_path):
    path = tmp_path / "not-a-certificate.pem"
    path.write_text("hello")
    rejected, talking = rejection(client, "wss://localhost:1/", "--ca", path)
    assert "not-a-certificate.pem" in rejected["text"]
    assert talking.status == 2


@pytest.mark.parametrize("command", ["close 1005", "close 999", "close 70000", f"close 1000 {'x' * 124}", f"ping {'x' * 126}"])
def test_a_bad_call_is_rejected_and_the_connection_goes_on(client, their_server, command):
    url, flags = their_server["ws"]
    rejected, talking = rejection(client, url + "/echo", *flags, say=[command, "text after", "wait message"])
    assert rejected["command"] == command.split()[0]
    assert [e["data"] for e in talking.events.messages] == ["after"]
    assert (talking.events.close["code"], talking.events.close["clean"]) == (1000, True)
    assert talking.status == 0


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["--port", "99999"], "port"),
        (["--port", "0", "--mode", "loud"], "mode"),
        (["--port", "0", "--tls", "missing.pem", "missing.key"], "missing.pem"),
        (["--port", "0", "--tls", "{junk}", "{junk}"], "junk.pem"),
    ],
)
def test_bad_arguments_of_the_server_are_named(server_command, tmp_path, arguments, named):
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    command = [str(part).format(junk=junk) for part in (*server_command, *arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=programs.PATIENCE, check=False)
    assert done.returncode == 2, done
    assert named in done.stderr
