"""What a page does not pass on: secrets, and places on the machine that it was made on.

A page is mailed, kept by a CI server and looked at by strangers. A secret is known by the name that it is given, by its
place in an address, or by the words before it; and it may lie anywhere within a longer value: an option of a command, a
list of servers, a JSON object. Whoever is in doubt hides: a setting that is shown by mistake cannot be taken back.
"""

import re
from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any

import msgspec

HIDDEN = "(not shown)"
_NAMED = (
    r"pass(?:wo?r?d|phrase)|passwd|\bpass\b|_pass\b|\bpwd\b|secret|token|credential|api[-_.]?key|private|"
    r"(?:access|signing|encryption|account|shared)[-_.]?key|sasl[-_.]jaas"
)
_NAME = re.compile(_NAMED, re.IGNORECASE)
# A name that says so, whatever follows it in the name, and its value: after = or :, or as the next word of an option.
_GIVEN = re.compile(
    rf"((?:{_NAMED})[\w.-]{{0,40}}[\"']?(?:\s{{0,3}}[=:]\s{{0,3}}|(?<=[\w\"'])\s+(?=[^\s=:])))"
    r"(\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s,;&\"'}]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE)
_BLOCK = re.compile(r"-----BEGIN [^-]*PRIVATE[^-]*-----.*?(?:-----END [^-]*-----|\Z)", re.DOTALL)
# Up to the last @ before a blank, a quote or another address: a password may hold any of the signs between.
_ADDRESS = re.compile(r"://((?:(?!://)[^\s\"'<>])*)@")
# In these a user alone is one; in front of a web address it is somebody's key.
_WEB = ("http", "https")
_PLACE = re.compile(
    r"(?:(?<![\w./\\…~-])|(?<=\bfile://)|(?<=\bunix://)|(?<=\bsqlite:///)|(?<=-[ILD]))"
    r"(?:[A-Za-z]:)?[/\\](?:[^\s/\\:;,\"'=<>|]+[/\\]+)+[^\s/\\:;,\"'=<>|]*"
)


def names_a_secret(name: str) -> bool:
    """Whether a setting of this name is one."""
    return bool(_NAME.search(name))


def masked(value: Any) -> Any:
    """A value without its secrets and without places on this machine, however deep they lie in it."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {
            _text(str(name)): HIDDEN if names_a_secret(str(name)) else masked(part)
            for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(part) for part in value]
    return value


def _text(text: str) -> str:
    if text.lstrip().startswith(("{", "[")):
        try:
            return msgspec.json.encode(masked(msgspec.json.decode(text))).decode()
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            pass
    text = _BLOCK.sub(HIDDEN, text)
    text = _ADDRESS.sub(_without_password, text)
    text = _BEARER.sub(r"\1 …", _GIVEN.sub(r"\1…", text))
    return _PLACE.sub(_last_name, text)


def _last_name(found: re.Match[str]) -> str:
    # Of a Windows path, because that is parted by signs of both kinds.
    return f"…/{PureWindowsPath(found[0]).name}"


def _without_password(found: re.Match[str]) -> str:
    user, colon, _ = found[1].partition(":")
    if colon:
        return f"://{user}:…@"
    of_web = found.string[max(0, found.start() - 5) : found.start()].lower().endswith(_WEB)
    return "://…@" if of_web and "/" not in user else found[0]
