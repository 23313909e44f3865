"""Why an RTSP stream does not open. The decoder only says that it does not; here the camera itself is asked.

RFC 2326 and, for its passwords, RFC 7616.
"""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from hw.errors import DeviceDenied, DeviceError, DeviceMissing, DeviceTimeout

PORT: Final = 554
PATIENCE: Final = 1.0
"""Seconds for all of it: the lane waits."""
LARGEST: Final = 65_536


@dataclass(frozen=True, slots=True)
class Address:
    """Where a stream is."""

    host: str
    port: int
    url: str
    """Without who asks for it."""


def address_of(source: str) -> Address:
    """The address in an rtsp:// source, which may name a user."""
    parts = urlsplit(source)
    host, port = parts.hostname or "", parts.port or PORT
    return Address(host, port, parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())


def diagnose(source: str, user: str | None, password: str | None) -> DeviceError:
    """What is wrong with a stream that did not open, as an error that says what to do."""
    where = address_of(source)
    deadline = time.monotonic() + PATIENCE
    try:
        with socket.create_connection((where.host, where.port), PATIENCE) as line:
            status, headers = _describe(line, where.url, None, 1, deadline)
            if status == 401 and user is not None and password is not None:
                answer = _authorization(headers, where.url, user, password)
                status, headers = _describe(line, where.url, answer, 2, deadline)
    except TimeoutError:
        return DeviceTimeout(f"{where.url}: {where.host} does not answer on port {where.port}")
    except socket.gaierror as error:
        return DeviceMissing(f"{where.url}: the name {where.host} is not known: {error.strerror}")
    except (OSError, ValueError) as error:
        return DeviceMissing(f"{where.url}: no RTSP camera on {where.host} port {where.port}: {error}")
    return _judged(status, where.url, user, password)


def _judged(status: int, url: str, user: str | None, password: str | None) -> DeviceError:
    if status == 401 and (user is None or password is None):
        return DeviceDenied(
            f"{url}: the camera asks for a password: name its user (rtsp://user@host/path) and its password_file"
        )
    if status == 401:
        return DeviceDenied(f"{url}: the camera refuses user {user!r} with this password")
    if status == 404:
        return DeviceMissing(f"{url}: the camera is there, but not this stream; its manual tells the path")
    if status != 200:
        return DeviceError(f"{url}: the camera answers {status}")
    return DeviceError(f"{url}: the camera is there, but its stream cannot be decoded; H.264 is sure to be")


def _describe(
    line: socket.socket, url: str, authorization: str | None, number: int, deadline: float
) -> tuple[int, list[tuple[str, str]]]:
    """Ask for the stream's description: (status, headers). Raises OSError, or ValueError for what is not RTSP."""
    request = f"DESCRIBE {url} RTSP/1.0\r\nCSeq: {number}\r\nAccept: application/sdp\r\nUser-Agent: thermogate\r\n"
    if authorization is not None:
        request += f"Authorization: {authorization}\r\n"
    line.sendall(f"{request}\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        line.settimeout(left)
        more = line.recv(4096)
        if not more or len(data) > LARGEST:
            raise ValueError("it does not speak RTSP")
        data += more
    first, *rest = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    found = re.match(r"RTSP/1\.\d (\d{3})", first)
    if found is None:
        raise ValueError("it does not speak RTSP")
    headers = [(name.strip().lower(), value.strip()) for name, _, value in (header.partition(":") for header in rest)]
    return int(found.group(1)), headers


def _authorization(headers: list[tuple[str, str]], url: str, user: str, password: str) -> str:
    """The answer to a challenge: Digest where it is offered, else Basic."""
    challenges = [value for name, value in headers if name == "www-authenticate"]
    for challenge in challenges:
        if challenge.lower().startswith("digest"):
            return _digest(challenge, url, user, password)
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _digest(challenge: str, url: str, user: str, password: str) -> str:
    given = {key.lower(): value.strip('"') for key, value in re.findall(r'(\w+)=("[^"]*"|[^",\s]+)', challenge)}
    algorithm = given.get("algorithm", "MD5")
    hashed = hashlib.sha256 if algorithm.upper() == "SHA-256" else hashlib.md5

    def digest(text: str) -> str:
        return hashed(text.encode()).hexdigest()

    realm, nonce = given.get("realm", ""), given.get("nonce", "")
    first, second = digest(f"{user}:{realm}:{password}"), digest(f"DESCRIBE:{url}")
    parts = [f'username="{user}"', f'realm="{realm}"', f'nonce="{nonce}"', f'uri="{url}"']
    if "auth" in given.get("qop", "").split(","):
        count, mine = "00000001", digest(f"{nonce}:{time.monotonic_ns()}")[:16]
        answer = digest(f"{first}:{nonce}:{count}:{mine}:auth:{second}")
        parts += [f'cnonce="{mine}"', f"nc={count}", "qop=auth"]
    else:
        answer = digest(f"{first}:{nonce}:{second}")
    parts.append(f'response="{answer}"')
    if "algorithm" in given:
        parts.append(f"algorithm={algorithm}")
    if "opaque" in given:
        parts.append(f'opaque="{given["opaque"]}"')
    return f"Digest {', '.join(parts)}"
