"""TLS by an `ssl.SSLContext`, over memory: OpenSSL does it, and every setting of the context counts."""

from __future__ import annotations

import ssl

# How much one read may give; a record has at most 16 KiB.
_READ = 1 << 16
# Codes of OpenSSL's verification, as the core calls what they say.
_CERTIFICATES = {
    9: "certificate_not_yet_valid",
    10: "certificate_expired",
    18: "certificate_unknown_issuer",
    19: "certificate_unknown_issuer",
    20: "certificate_unknown_issuer",
    21: "certificate_unknown_issuer",
    23: "certificate_revoked",
    26: "certificate_wrong_purpose",
    62: "certificate_wrong_name",
    64: "certificate_wrong_name",
}
_NOT_TLS = frozenset(("HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL"))


class Engine:
    """TLS of one connection."""

    def __init__(self, context: ssl.SSLContext, server_side: bool, server_name: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_side,
            server_hostname=None if server_side else server_name,
        )
        self.handshaking = True

    def receive(self, cipher: bytes) -> tuple[list[bytes], bool, ssl.SSLError | None]:
        """Takes ciphertext: what it decrypts to, whether the peer closed, and what went wrong."""
        if cipher:
            self._incoming.write(cipher)
        plain: list[bytes] = []
        try:
            if self.handshaking:
                self._tls.do_handshake()
                self.handshaking = False
            while data := self._tls.read(_READ):
                plain.append(data)
        except ssl.SSLWantReadError:
            return plain, False, None
        except ssl.SSLZeroReturnError:
            pass
        except ssl.SSLError as error:
            return plain, False, error
        return plain, True, None

    def encrypt(self, plain: bytes) -> int:
        """Takes plaintext, and says how much."""
        try:
            return self._tls.write(plain)
        except ssl.SSLWantReadError:  # the peer asked for new keys
            return 0

    def output(self) -> bytes:
        """The ciphertext for the peer."""
        return self._outgoing.read()

    def close_notify(self) -> None:
        """Says that nothing more is sent."""
        try:
            self._tls.unwrap()
        except ssl.SSLError:  # the peer has not answered yet
            pass


def describe(error: BaseException) -> tuple[str, str, bool]:
    """Kind and text of an error, and whether a certificate is to blame."""
    if isinstance(error, ssl.SSLCertVerificationError):
        kind = _CERTIFICATES.get(error.verify_code, "certificate_not_accepted")
        return kind, f"certificate is not accepted: {error.verify_message}", True
    reason = getattr(error, "reason", None)
    if not isinstance(reason, str):
        return "tls", str(error), False
    if reason in _NOT_TLS:
        return "not_tls", f"peer does not speak TLS ({reason})", False
    _, alert, name = reason.partition("_ALERT_")
    if alert:
        certificate = "CERTIFICATE" in name or name == "UNKNOWN_CA"
        return f"alert_{name.lower()}", f"peer refused the TLS handshake ({reason})", certificate
    return "tls", reason.replace("_", " ").lower(), False
