"""Makes the secrets of a config unreadable in any text: logs, errors, a connector's own words.

Masking goes by value. A secret is found as it is, and as JSON, a URL, Python's `repr`, HTML and base64 write it: also
where only some of its characters are written in such a way, each in its own, and in base64 also inside a longer text
(`user:password` of an HTTP header). A value of fewer than `MIN_LENGTH` characters is
not masked: it would be found in every second word.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from airbyte_exec.secrets.base import SecretString
from airbyte_exec.secrets.marks import leaves, looks_secret, secret_leaves

MASK = "****"
MIN_LENGTH = 4
_MIN_LINE = 8
"""Characters of one line of a secret of many lines, such as a private key, that is masked for itself."""
_MIN_BASE64 = 8
_LONGEST_CHARACTER = 16
"""Bytes that one byte of a secret may be written with."""
_WRITTEN_OTHERWISE = r"(?:%(?:25)?|\\u00|\\x|\\U000000)(?:3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa])|&#[xX]?[0-9]"
"""A letter or a digit that is written in another way than by itself: looking for these takes its time."""
_IN_URL = re.compile(r"://[^/?#\s@:]*:([^/?#\s@]+)@|(?i:password|passwd|pwd|sig|token|secret)=([^;&\s]+)")
_LONGEST_MIXED = 4096
"""Characters of a value of which each may be written in its own way: longer ones are found in their whole forms."""
_NO_SECRETS = frozenset({"true", "false", "none", "null"})


class Masker:
    """Masks a fixed set of values.

    Parameters:
        values: the secrets; those shorter than `MIN_LENGTH` are left out.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        texts = {str(value) for value in values}
        self._values = frozenset(text for text in texts if _is_maskable(text))

    @classmethod
    def for_config(
        cls, config: Mapping[str, Any], schema: Mapping[str, Any] | None = None, *, secrets: Iterable[str] = ()
    ) -> Masker:
        """Return a masker for the secrets of a config.

        Secret is what the schema marks, what is a `SecretString`, what stands under the name of a credential, and the
        password in a URL or a connection string.

        Parameters:
            config: the config, its references resolved.
            schema: the connector's `connectionSpecification`, where it is known.
            secrets: further values, such as those that references led to.
        """
        found = [value for path, value in leaves(config, ()) if _is_secret(path, value)]

        if schema is not None:
            found += [value for _, value in secret_leaves(config, schema)]

        found += [part for _, value in leaves(config, ()) if isinstance(value, str) for part in _in_url(value)]
        texts = [_text(value) for value in [*found, *secrets]]
        return cls([part for text in texts for part in _parts(text)])

    def __bool__(self) -> bool:
        return bool(self._values)

    def __or__(self, other: Masker) -> Masker:
        return Masker(self._values | other._values)

    def __repr__(self) -> str:
        return f"Masker(<{len(self._values)} secrets>)"

    def mask(self, text: str) -> str:
        """Return a text with every secret in it replaced."""
        if not self._values:
            return text

        pattern = self._full_pattern if re.search(_WRITTEN_OTHERWISE, text) else self._pattern
        return pattern.sub(MASK, text)

    def mask_bytes(self, data: bytes) -> bytes:
        """Return bytes (text in UTF-8) with every secret in them replaced."""
        if not self._values:
            return data

        is_full = re.search(_WRITTEN_OTHERWISE.encode(), data)
        return (self._full_pattern_of_bytes if is_full else self._pattern_of_bytes).sub(MASK.encode(), data)

    def mask_values(self, value: Any) -> Any:
        """Return a JSON-like value with every secret in its strings replaced."""
        if isinstance(value, str):
            return self.mask(value)

        if isinstance(value, Mapping):
            return {self.mask_values(key): self.mask_values(inner) for key, inner in value.items()}

        return [self.mask_values(inner) for inner in value] if isinstance(value, list | tuple) else value

    @cached_property
    def _forms(self) -> list[str]:
        forms = {form for value in self._values for form in _forms(value)}
        # The longest first: `a"b` must not be taken for the `a` of another secret.
        return sorted(forms, key=lambda form: (-len(form), form))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(self._patterns(every=False)))

    @cached_property
    def _full_pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(self._patterns(every=True)))

    @cached_property
    def _pattern_of_bytes(self) -> re.Pattern[bytes]:
        return re.compile(b"|".join(_encoded(self._patterns(every=False))))

    @cached_property
    def _full_pattern_of_bytes(self) -> re.Pattern[bytes]:
        return re.compile(b"|".join(_encoded(self._patterns(every=True))))

    def _patterns(self, *, every: bool) -> list[str]:
        """Return the patterns of all values: character by character, the longest first, then the whole forms.

        Parameters:
            every: letters and digits may be written otherwise, too.
        """
        values = sorted(self._values, key=lambda value: (-len(value), value))
        mixed = [_mixed(value, every=every) for value in values if _may_mix(value, every=every)]
        return [*mixed, *map(re.escape, self._forms)]

    @property
    def spans_lines(self) -> bool:
        """Whether there is a secret of several lines."""
        return any("\n" in value for value in self._values)

    def held(self, data: bytes) -> int:
        """Return how many bytes at the end of a piece may be the beginning of a secret.

        Parameters:
            data: the piece.
        """
        return min(len(data), self._longest)

    @cached_property
    def _longest(self) -> int:
        """The bytes of the longest form in which a secret is found."""
        mixed = max(
            (len(value.encode(errors="surrogatepass")) * _LONGEST_CHARACTER for value in self._values), default=0
        )
        return max([mixed, *(len(form.encode(errors="surrogatepass")) for form in self._forms)])


def _is_maskable(text: str) -> bool:
    return len(text.strip()) >= MIN_LENGTH and text.lower() not in _NO_SECRETS


def _is_secret(path: tuple[str | int, ...], value: Any) -> bool:
    return isinstance(value, SecretString) or any(looks_secret(key) for key in path)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parts(text: str) -> Iterator[str]:
    """Yield a secret and what of it may be seen alone: its long lines, and the credentials in a JSON document."""
    yield text
    stripped = text.strip()

    if stripped != text:
        yield stripped

    lines = [line.strip() for line in text.splitlines()]
    shortest = MIN_LENGTH if stripped.startswith("-----") else _MIN_LINE  # of a key all is secret, also its last line

    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= shortest and not line.startswith("-----"))

    if stripped.startswith("{"):
        try:
            document = json.loads(stripped)
        except (ValueError, RecursionError):
            return

        for path, value in leaves(document, ()):
            if isinstance(value, str) and any(looks_secret(key) for key in path):
                yield from _parts(value)


def _encoded(texts: Iterable[str]) -> Iterator[bytes]:
    return (text.encode(errors="surrogatepass") for text in texts)


def _in_url(text: str) -> Iterator[str]:
    """Yield the passwords in a URL or a connection string, as they stand there and as they are."""
    for found in _IN_URL.findall(text):
        for password in filter(None, found):
            yield password
            yield unquote(password)


def _may_mix(value: str, *, every: bool) -> bool:
    return len(value) <= _LONGEST_MIXED and (every or not (value.isascii() and value.isalnum()))


def _mixed(value: str, *, every: bool) -> str:
    return "".join(_mixed_character(character, every=every) for character in value)


def _mixed_character(character: str, *, every: bool) -> str:
    """Return a pattern for one character: itself, or as JSON, a URL, HTML or Python write it, also twice over."""
    is_word = character.isascii() and character.isalnum()
    if is_word and not every:
        return character

    data, code = character.encode(errors="surrogatepass"), ord(character)
    units = character.encode("utf-16-be", errors="surrogatepass")
    itself = r"\\{1,16}" if character == "\\" else rf"\\{{0,8}}{re.escape(character)}"
    ways = [
        character if is_word else itself,
        "".join(rf"%(?:25)?{_any_case(f'{byte:02x}')}" for byte in data),
        "".join(rf"\\{{1,8}}u{_any_case(units[at : at + 2].hex())}" for at in range(0, len(units), 2)),
        "".join(rf"\\{{1,8}}x{_any_case(f'{byte:02x}')}" for byte in data),
        rf"\\{{1,8}}U{_any_case(f'{code:08x}')}",
        rf"&#(?:0*{code}|[xX]0*{_any_case(f'{code:x}')});",
    ]
    if 127 < code < 256:
        ways.append(rf"\\{{1,8}}x{_any_case(f'{code:02x}')}")

    if short := _SHORT.get(character):
        ways.append(short)

    return f"(?:{'|'.join(ways)})"


_SHORT = {
    "\b": r"\\{1,8}b",
    "\f": r"\\{1,8}f",
    "\n": r"\\{1,8}n",
    "\r": r"\\{1,8}r",
    "\t": r"\\{1,8}t",
    " ": r"\+",
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&apos;",
}


def _any_case(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def _forms(value: str) -> Iterator[str]:
    yield value
    yield value.strip()

    for written in (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
        yield written
        # JSON in a string of JSON: a message in a log line.
        yield json.dumps(written)[1:-1]
        yield written.replace("/", "\\/")

    yield repr(str(value))[1:-1]
    yield html.escape(value)
    data = value.encode(errors="surrogatepass")

    for coded in (quote(data), quote(data, safe=""), quote_plus(data)):
        yield coded
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), coded)

    for text in {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}:
        for form in _base64_forms(text.encode(errors="surrogatepass")):
            yield form
            yield quote(form, safe="")


def _base64_forms(data: bytes) -> Iterator[str]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(data).decode()

        # The same bytes look different at each of the three offsets, save for the ends that the neighbours touch.
        for offset in range(3):
            coded = encode(b"\0" * offset + data).decode().rstrip("=")
            whole = (offset + len(data)) * 8 // 6
            inner = coded[(offset * 8 + 5) // 6 : whole]

            if len(inner) >= _MIN_BASE64:
                yield inner
