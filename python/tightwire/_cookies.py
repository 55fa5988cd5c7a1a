"""Cookies of the opening handshake (RFC 6265): `http.cookiejar` decides, this translates."""

from __future__ import annotations

from email.message import Message
from typing import TYPE_CHECKING, cast
from urllib.request import Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPResponse
    from http.cookiejar import CookieJar

# What would end a pair in the header or the header itself.
_FORBIDDEN = frozenset("\r\n\0;,")


class _Response:
    """As much of a response as a jar looks at."""

    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self._headers = Message()
        for name, value in headers:
            self._headers[name] = value

    def info(self) -> Message:
        return self._headers


def _request(url: str) -> Request:
    """The request as a jar knows it: `ws` is `http`, `wss` is `https`."""
    return Request("http" + url[2:] if url.startswith("ws") else url)


def header(cookies: CookieJar | Mapping[str, str], url: str) -> str | None:
    """The value of `Cookie` for a request to `url`; None for no field."""
    add = getattr(cookies, "add_cookie_header", None)
    if add is not None:
        request = _request(url)
        add(request)
        return request.get_header("Cookie")
    pairs = []
    for name, value in cast("Mapping[str, str]", cookies).items():
        if not name or "=" in name or _FORBIDDEN.intersection(name + value):
            raise ValueError(f"cookies: {name!r} or its value has a character that no cookie can have")
        pairs.append(f"{name}={value}")
    return "; ".join(pairs) or None


def store(jar: CookieJar, url: str, headers: list[tuple[str, str]]) -> None:
    """Has the jar keep what the server's answer sets."""
    jar.extract_cookies(cast("HTTPResponse", _Response(headers)), _request(url))
