"""Manifests in few bytes: what nobody looks at is kept packed, and read anew when somebody does.

Objects of one kind are nearly alike, so each is packed by what it has otherwise than the first one that was seen: a
tenth of its JSON is left of it, and less than a twentieth of what Python makes of that.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

import orjson

from serinus.core.model.kinds import Json

_RAW: Final = -zlib.MAX_WBITS
"""Deflate without header and checksum (RFC 1951): these bytes leave no process."""
_LEVEL: Final = 6
_LONGEST_DICTIONARY: Final = 32_768 - 262
"""What deflate looks back upon, less its longest look ahead (zlib.h, deflateSetDictionary)."""


class Packing:
    """Packs manifests of one kind. The first one is the dictionary of all the others, for as long as this lives."""

    __slots__ = ("_dictionary",)

    def __init__(self) -> None:
        self._dictionary = b""

    def pack(self, manifest: Json) -> bytes:
        """Pack a manifest as it is on the wire; only `unpack` of this very object reads it."""
        text = orjson.dumps(manifest)
        if not self._dictionary:
            self._dictionary = text[-_LONGEST_DICTIONARY:]
        deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW, zdict=self._dictionary)
        return deflate.compress(text) + deflate.flush()

    def unpack(self, packed: bytes) -> Json:
        """Give the manifest, each time as an object of its own."""
        inflate = zlib.decompressobj(_RAW, zdict=self._dictionary)
        manifest: Json = orjson.loads(inflate.decompress(packed))
        return manifest


@dataclass(frozen=True, slots=True)
class Packed:
    """A manifest as it was when it was packed, whatever becomes of the object."""

    packing: Packing
    content: bytes

    def manifest(self) -> Json:
        """Read it."""
        return self.packing.unpack(self.content)
