"""Requests that nobody sends by mistake, and what each must get: data, and no more.

An answer of `()` is a connection that is closed without a word. Whatever is sent, the server closes
the connection in the end; where it waits for more, that is after TRAINSHED_CLIENT_SECONDS.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class End(Enum):
    """What the attacker does when all is sent."""

    WAIT = "wait for the server to close"
    HALF_CLOSE = "close its own side, and read"
    RESET = "reset the connection"


class Attack(NamedTuple):
    name: str
    sent: bytes
    answers: tuple[int, ...]
    end: End = End.WAIT


HOST = b"Host: test\r\n"
POST = b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Type: text/plain\r\n"
GET = b"GET /livez HTTP/1.1\r\n" + HOST
SMUGGLED = b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
CLOSE = b"Connection: close\r\n"


def lengths(*values: bytes) -> bytes:
    """A request with these Content-Lengths, and three bytes of body before a smuggled request."""
    lines = b"".join(b"Content-Length: " + value + b"\r\n" for value in values)
    return POST + lines + b"\r\nyou" + SMUGGLED


def coded(header: bytes) -> bytes:
    """A request that is chunked if `header` says so, and else three bytes long."""
    return POST + b"Content-Length: 3\r\n" + header + b"\r\n\r\n3\r\nyou\r\n0\r\n\r\n" + SMUGGLED


def only_coded(header: bytes) -> bytes:
    return POST + header + b"\r\n\r\n3\r\nyou\r\n0\r\n\r\n" + SMUGGLED


def chunks(body: bytes) -> bytes:
    return CHUNKED + b"\r\n" + body + SMUGGLED


def get(target: bytes, rest: bytes = CLOSE) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + rest + b"\r\n"


def header(line: bytes) -> bytes:
    return GET + CLOSE + line + b"\r\n\r\n"


SMUGGLING = [
    Attack("CL.TE", coded(b"Transfer-Encoding: chunked"), (400,)),
    Attack(
        "TE.CL",
        CHUNKED + b"Content-Length: 4\r\n\r\n2d\r\n" + SMUGGLED + b"\r\n0\r\n\r\n",
        (400,),
    ),
    Attack(
        "TE.TE, the second unknown",
        only_coded(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow"),
        (400,),
    ),
    Attack(
        "TE.TE, the first unknown",
        only_coded(b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked"),
        (400,),
    ),
    Attack("chunked twice", only_coded(b"Transfer-Encoding: chunked, chunked"), (400,)),
    Attack(
        "chunked, and then identity", only_coded(b"Transfer-Encoding: chunked, identity"), (400,)
    ),
    Attack("a coding that is nothing", only_coded(b"Transfer-Encoding: xchunked"), (400,)),
    Attack("a coding in quotes", only_coded(b'Transfer-Encoding: "chunked"'), (400,)),
    Attack("gzip, and then chunked", only_coded(b"Transfer-Encoding: gzip, chunked"), (400,)),
    Attack("an empty coding and a length", coded(b"Transfer-Encoding: "), (400,)),
    Attack("an empty coding", only_coded(b"Transfer-Encoding: "), (400,)),
    Attack("space before the coding's colon", coded(b"Transfer-Encoding : chunked"), (400,)),
    Attack("space before the coding's name", coded(b" Transfer-Encoding: chunked"), (400,)),
    Attack("tab before the coding", coded(b"Transfer-Encoding:\tchunked"), (400,)),
    Attack("vertical tab before the coding", coded(b"Transfer-Encoding: \x0bchunked"), (400,)),
    Attack("folded coding", coded(b"Transfer-Encoding:\r\n chunked"), (400,)),
    Attack("coding after a bare CR", coded(b"X: y\rTransfer-Encoding: chunked"), (400,)),
    Attack("coding after a bare LF", coded(b"X: y\nTransfer-Encoding: chunked"), (400,)),
    Attack("coding with a NUL", coded(b"Transfer-Encoding: chunked\x00"), (400,)),
    Attack(
        "coding with an underscore",
        POST + b"Transfer_Encoding: chunked\r\nContent-Length: 3\r\n" + CLOSE + b"\r\nyou",
        (200,),
    ),
    Attack(
        "chunked in HTTP/1.0",
        only_coded(b"Transfer-Encoding: chunked").replace(b"1.1", b"1.0", 1),
        (400,),
    ),
    Attack(
        "a GET with a smuggled body",
        GET + b"Content-Length: %d\r\n" % len(SMUGGLED) + CLOSE + b"\r\n" + SMUGGLED,
        (200,),
    ),
]
LENGTHS = [
    Attack("two lengths", lengths(b"3", b"30"), (400,)),
    Attack("the same length twice", lengths(b"3", b"3"), (400,)),
    Attack("a list of lengths", lengths(b"3, 3"), (400,)),
    Attack("a negative length", lengths(b"-3"), (400,)),
    Attack("a length with a plus", lengths(b"+3"), (400,)),
    Attack("a length of words", lengths(b"three"), (400,)),
    Attack("a hexadecimal length", lengths(b"0x3"), (400,)),
    Attack("an octal length", lengths(b"0o3"), (400,)),
    Attack("a length with a dot", lengths(b"3.0"), (400,)),
    Attack("a length with an exponent", lengths(b"3e0"), (400,)),
    Attack("a length with an underscore", lengths(b"0_3"), (400,)),
    Attack("a length with a space inside", lengths(b"3 3"), (400,)),
    Attack("a length in Arabic digits", lengths("٣".encode()), (400,)),
    Attack("an empty length", lengths(b""), (400,)),
    Attack("a length of 2^64", lengths(b"18446744073709551616"), (400,)),
    Attack("a length of 2^64 and 3", lengths(b"18446744073709551619"), (400,)),
    Attack("a length of 2^63", POST + b"Content-Length: 9223372036854775808\r\n\r\nyou", (413,)),
    Attack("a length of 10,000 digits", lengths(b"1" * 10_000), (400,)),
    Attack("a length that is over the limit", POST + b"Content-Length: 1001\r\n\r\nyou", (413,)),
    Attack("a body that is too short", POST + b"Content-Length: 30\r\n\r\nyou", (408,)),
    Attack(
        "a body that is too long",
        POST + b"Content-Length: 3\r\n\r\nyou and what is no request",
        (400,),
    ),
    Attack("no length", POST + CLOSE + b"\r\n", (422,)),
]
CHUNKS = [
    Attack("a chunk of words", chunks(b"three\r\nyou\r\n0\r\n\r\n"), (400,)),
    Attack("a chunk of -1", chunks(b"-1\r\nyou\r\n0\r\n\r\n"), (400,)),
    Attack("a chunk of +3", chunks(b"+3\r\nyou\r\n0\r\n\r\n"), (400,)),
    Attack("a chunk of 0x3", chunks(b"0x3\r\nyou\r\n0\r\n\r\n"), (400,)),
    Attack("a chunk without a size", chunks(b"\r\nyou\r\n0\r\n\r\n"), (400,)),
    Attack("a chunk of 2^64", chunks(b"10000000000000000\r\nyou\r\n0\r\n\r\n"), (400,)),
    Attack("a chunk of 2^64 - 1", CHUNKED + b"\r\nffffffffffffffff\r\nyou", (408,)),
    Attack("a chunk that is longer than its size", chunks(b"3\r\nyou and me\r\n0\r\n\r\n"), (400,)),
    Attack("a chunk that is shorter than its size", chunks(b"5\r\nyou\r\n0\r\n\r\n"), (400,)),
    Attack("chunks that end in a bare LF", chunks(b"3\nyou\n0\n\n"), (400,)),
    Attack("a size that ends in a bare CR", chunks(b"3\ryou\r\n0\r\n\r\n"), (400,)),
    Attack("a space before a size", chunks(b" 3\r\nyou\r\n0\r\n\r\n"), (400,)),
    Attack("a space after a size", chunks(b"3 \r\nyou\r\n0\r\n\r\n"), (400,)),
    Attack("a bare LF in an extension", chunks(b"3;a\nb\r\nyou\r\n0\r\n\r\n"), (400,)),
    Attack("an extension with a NUL", chunks(b"3;a=\x00\r\nyou\r\n0\r\n\r\n"), (400,)),
    Attack("an endless extension", CHUNKED + b"\r\n3;" + b"x" * 200_000, (400,)),
    Attack(
        "a smuggled length as a trailer",
        CHUNKED + CLOSE + b"\r\n3\r\nyou\r\n0\r\nContent-Length: 30\r\n\r\n",
        (400,),
    ),
    Attack("endless trailers", CHUNKED + b"\r\n3\r\nyou\r\n0\r\n" + b"A: b\r\n" * 50_000, (400,)),
    Attack(
        "a body that is mostly framing",
        CHUNKED + b"\r\n" + (b"0" * 200 + b"1\r\nx\r\n") * 2000,
        (400,),
    ),
    Attack("a trailer that is no header", chunks(b"3\r\nyou\r\n0\r\n\x00\r\n\r\n"), (400,)),
    Attack("chunks without end", CHUNKED + b"\r\n3\r\nyou\r\n", (408,)),
    Attack(
        "chunks over the limit",
        CHUNKED
        + CLOSE
        + b"\r\n"
        + b"64\r\n"
        + b"x" * 100
        + b"\r\n"
        + b"3e8\r\n"
        + b"x" * 1000
        + b"\r\n0\r\n\r\n",
        (413,),
    ),
]
HEADERS = [
    Attack("a header of 1 MB", header(b"X: " + b"y" * 1_000_000), (431,)),
    Attack("100,000 headers", header(b"\r\n".join([b"X: y"] * 100_000)), (431,)),
    Attack("a name of 1 MB", header(b"x" * 1_000_000 + b": y"), (431,)),
    Attack("1,000 cookies", header(b"\r\n".join([b"Cookie: a=b"] * 1000)), (200,)),
    Attack("a NUL in a value", header(b"X: a\x00b"), (400,)),
    Attack("a NUL in a name", header(b"X\x00: a"), (400,)),
    Attack("a control byte in a value", header(b"X: a\x01b"), (400,)),
    Attack("a DEL in a value", header(b"X: a\x7fb"), (400,)),
    Attack("a space in a name", header(b"X Y: a"), (400,)),
    Attack("a header without a name", header(b": a"), (400,)),
    Attack("a header without a colon", header(b"X"), (400,)),
    Attack("a name in brackets", header(b"(X): a"), (400,)),
    Attack("a name that is not ASCII", header("Ж: a".encode()), (400,)),
    Attack("a value that is not UTF-8", header(b"X: \xff\xfe"), (200,)),
    Attack("a bare LF after a header", header(b"X: a\nY: b"), (400,)),
    Attack("a bare CR in a value", header(b"X: a\rY: b"), (400,)),
    Attack(
        "LF alone everywhere", b"GET /livez HTTP/1.1\nHost: test\nConnection: close\n\n", (400,)
    ),
    Attack("a folded header", header(b"X: a\r\n b"), (400,)),
    Attack(
        "a space before the first header",
        b"GET /livez HTTP/1.1\r\n " + HOST + CLOSE + b"\r\n",
        (400,),
    ),
    Attack("no host", b"GET /livez HTTP/1.1\r\n" + CLOSE + b"\r\n", (400,)),
    Attack("two hosts", GET + b"Host: other\r\n" + CLOSE + b"\r\n", (400,)),
    Attack(
        "a host that is no host",
        b"GET /livez HTTP/1.1\r\nHost: a b/<c>\r\n" + CLOSE + b"\r\n",
        (400,),
    ),
    Attack(
        "a split answer in a type",
        POST.replace(b"text/plain", b"text/plain%0d%0aX: y")
        + CLOSE
        + b"Content-Length: 3\r\n\r\nyou",
        (415,),
    ),
    Attack(
        "a type that is not ASCII",
        POST.replace(b"text/plain", b"text/\xff\xfe") + CLOSE + b"Content-Length: 3\r\n\r\nyou",
        (415,),
    ),
    Attack(
        "a charset of 5,000 letters",
        POST.replace(b"plain", b"plain; charset=" + b"x" * 5000)
        + CLOSE
        + b"Content-Length: 3\r\n\r\nyou",
        (415,),
    ),
    Attack(
        "an expectation that is none",
        POST + CLOSE + b"Expect: a miracle\r\nContent-Length: 3\r\n\r\nyou",
        (200,),
    ),
    Attack(
        "a body that is not asked for",
        POST + b"Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n" + SMUGGLED,
        (413,),
    ),
    Attack(
        "an upgrade to websocket",
        GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + SMUGGLED,
        (200,),
    ),
    Attack(
        "an upgrade to HTTP/2",
        GET
        + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        + SMUGGLED,
        (200,),
    ),
]
LINES = [
    Attack("a version that is none", b"GET /livez HTTP/x\r\n" + HOST + b"\r\n", (400,)),
    Attack("HTTP/0.9", b"GET /livez\r\n\r\n", (400,)),
    Attack("HTTP/1.2", b"GET /livez HTTP/1.2\r\n" + HOST + b"\r\n", (400,)),
    Attack("HTTP/2.0", b"GET /livez HTTP/2.0\r\n" + HOST + b"\r\n", (400,)),
    Attack("HTTP/11", b"GET /livez HTTP/11\r\n" + HOST + b"\r\n", (400,)),
    Attack("http in small letters", b"GET /livez http/1.1\r\n" + HOST + b"\r\n", (400,)),
    Attack(
        "the preface of HTTP/2",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        (400,),
    ),
    Attack("TLS", bytes.fromhex("16030100c8010000c40303") + bytes(190), (400,)),
    Attack("SSH", b"SSH-2.0-OpenSSH_9.2\r\n", (400,)),
    Attack("SOCKS", b"\x05\x01\x00", (400,)),
    Attack("random bytes", bytes(range(255, 0, -1)), (400,)),
    Attack("an unknown method", b"STEAL /livez HTTP/1.1\r\n" + HOST + b"\r\n", (400,)),
    Attack("a method in small letters", b"get /livez HTTP/1.1\r\n" + HOST + b"\r\n", (400,)),
    Attack("a method of 1 MB", b"G" * 1_000_000, (400,)),
    Attack("CONNECT", b"CONNECT example.org:443 HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", (400,)),
    Attack(
        "CONNECT and a tunnelled request",
        b"CONNECT /livez HTTP/1.1\r\n" + HOST + b"\r\n" + SMUGGLED,
        (405,),
    ),
    Attack("TRACE", b"TRACE /livez HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", (405,)),
    Attack("a method of WebDAV", b"PROPFIND / HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", (405,)),
    Attack("OPTIONS *", b"OPTIONS * HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", (404,)),
    Attack("two spaces", b"GET  /livez HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", (200,)),
    Attack("a tab for a space", b"GET\t/livez\tHTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", (400,)),
    Attack("no target", b"GET HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", (400,)),
    Attack("a bare CR in the request line", b"GET /livez HTTP/1.1\rHost: test\r\n\r\n", (400,)),
]
TARGETS = [
    Attack("an absolute target", get(b"http://test/livez"), (200,)),
    Attack("an absolute target elsewhere", get(b"http://169.254.169.254/latest/meta-data"), (404,)),
    Attack("a target of another protocol", get(b"file:///etc/passwd"), (400,)),
    Attack("a target that is no path", get(b"livez"), (400,)),
    Attack("a path upwards", get(b"/../../../etc/passwd"), (404,)),
    Attack("an encoded path upwards", get(b"/%2e%2e/%2e%2e/etc/passwd"), (404,)),
    Attack("a path that is encoded twice", get(b"/%252e%252e/etc/passwd"), (404,)),
    Attack("a path with backslashes", get(b"/..\\..\\etc\\passwd"), (404,)),
    Attack("a path with two slashes", get(b"//livez"), (200,)),
    Attack("an encoded slash", get(b"/%2flivez"), (200,)),
    Attack("an encoded NUL", get(b"/livez%00"), (404,)),
    Attack("an encoded line break", get(b"/livez%0d%0aX:%20y"), (404,)),
    Attack("a percent sign without digits", get(b"/livez%"), (404,)),
    Attack("a percent sign with letters", get(b"/livez%zz"), (404,)),
    Attack("percent signs that are not UTF-8", get(b"/%ff%fe"), (404,)),
    Attack("overlong UTF-8", get(b"/%c0%af"), (404,)),
    Attack("a lone surrogate", get(b"/%ed%a0%80"), (404,)),
    Attack("bytes that are not ASCII", get(b"/\xff\xfe"), (400,)),
    Attack("a NUL in the target", get(b"/livez\x00"), (400,)),
    Attack("a control byte in the target", get(b"/livez\x01"), (400,)),
    Attack("a query that is no query", get(b"/livez?%zz&&==&%ff=%00"), (200,)),
    Attack("a query of 100,000 fields", get(b"/livez?" + b"&".join([b"a=b"] * 12_000)), (200,)),
    Attack("a fragment", get(b"/livez#x"), (200,)),
    Attack("a target of 1 MB", get(b"/" + b"x" * 1_000_000), (431,)),
    Attack("a port that is none", get(b"http://test:99999/livez"), (400,)),
]
ENDS = [
    Attack("nothing", b"", ()),
    Attack("nothing, half closed", b"", (), End.HALF_CLOSE),
    Attack("empty lines", b"\r\n" * 1000, ()),
    Attack("a slow head", GET, (408,)),
    Attack("half a request line", b"GET /li", (408,)),
    Attack("half a head, half closed", GET, (), End.HALF_CLOSE),
    Attack("half a body, half closed", POST + b"Content-Length: 30\r\n\r\nyou", (), End.HALF_CLOSE),
    Attack("half a head, reset", GET, (), End.RESET),
    Attack("half a body, reset", POST + b"Content-Length: 30\r\n\r\nyou", (), End.RESET),
    Attack("half a chunk, reset", CHUNKED + b"\r\n30\r\nyou", (), End.RESET),
    Attack("a whole request, reset", POST + b"Content-Length: 3\r\n\r\nyou", (), End.RESET),
    Attack("two requests at once", GET + b"\r\n" + GET + CLOSE + b"\r\n", (200, 200)),
    Attack("a request and what is none", GET + b"\r\nEHLO there\r\n\r\n", (400,)),
    Attack("a request after the last one", GET + CLOSE + b"\r\n" + SMUGGLED, (200,)),
    Attack("10,000 requests at once", (GET + b"\r\n") * 10_000, (400,)),
    Attack("a request and half of another", GET + b"\r\n" + GET, (200, 408)),
]
CORPUS = [*SMUGGLING, *LENGTHS, *CHUNKS, *HEADERS, *LINES, *TARGETS, *ENDS]
