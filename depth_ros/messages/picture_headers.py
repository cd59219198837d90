"""What the first bytes of a picture say, read without decoding it.

Sources: JPEG, ITU-T T.81 annex B; PNG, ISO/IEC 15948 clause 11.2; BMP, the BITMAPINFOHEADER of
Windows; PNM, netpbm's pbm/pgm/ppm manuals; TIFF 6.0 section 2.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from depth_ros.errors import ImageError

MAX_PIXELS = 1 << 27
"""134 megapixels: above every camera, and 400 MB once decoded."""

MAX_SIDE = 32766
"""Longest side that OpenCV's ``remap`` takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureHeader:
    """What a picture says about itself.

    Attributes:
        kind: ``'JPEG'``, ``'PNG'``, ``'BMP'``, ``'PNM'`` or ``'TIFF'``.
        height: Rows.
        width: Columns.
        num_channels: 1 for grey, 0 where the header does not say.
    """

    kind: str
    height: int
    width: int
    num_channels: int = 0


def picture_header(data: bytes, *, kinds: tuple[str, ...]) -> PictureHeader:
    """Read the header of a picture, whatever follows it.

    Args:
        data: The whole picture; bytes after its end do not matter.
        kinds: Kinds that are wanted.

    Raises:
        ImageError: With reason ``'compressed'`` if it is empty, cut short or of another kind,
            ``'too_large'`` if it claims more than ``MAX_PIXELS`` or a side above ``MAX_SIDE``.
    """
    kind = _kind_of(data)
    if kind not in kinds:
        raise ImageError('compressed', _not_wanted(data, kind, kinds))
    try:
        header = _READERS[kind](data)
    except (struct.error, IndexError, ValueError) as error:
        words = str(error) if type(error) is ValueError else f'the {kind} is truncated'
        raise ImageError('compressed', words) from None
    check_pixels(header)
    return header


def check_pixels(header: PictureHeader) -> None:
    """Refuse a picture that takes too much memory once it is decoded.

    Raises:
        ImageError: With reason ``'too_large'``, or ``'compressed'`` without any pixel.
    """
    width, height = header.width, header.height
    if not (width > 0 and height > 0):
        raise ImageError('compressed', f'the {header.kind} claims {width}x{height} pixels')
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageError(
            'too_large',
            f'the {header.kind} claims {width}x{height} pixels, at most {MAX_SIDE} a side and '
            f'{MAX_PIXELS >> 20} Mi pixels are decoded',
        )


def _kind_of(data: bytes) -> str:
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), '')


def _listed(kinds: tuple[str, ...]) -> str:
    *first, last = kinds
    return f'{", ".join(first)} and {last}' if first else last


def _not_wanted(data: bytes, kind: str, kinds: tuple[str, ...]) -> str:
    if not data:
        return 'it is empty'
    if kind in _READERS:
        return f'it is a {kind}, only {_listed(kinds)} are decoded'
    if b'\xff\xd8\xff'.startswith(data[:3]) or b'\x89PNG\r\n\x1a\n'.startswith(data[:8]):
        return 'it is truncated'
    return f'it is {kind or "no picture"}, only {_listed(kinds)} are decoded'


_MAGIC = (
    (b'\xff\xd8\xff', 'JPEG'),
    (b'\x89PNG\r\n\x1a\n', 'PNG'),
    (b'BM', 'BMP'),
    (b'II*\x00', 'TIFF'),
    (b'MM\x00*', 'TIFF'),
    (b'P1', 'PNM'),
    (b'P2', 'PNM'),
    (b'P3', 'PNM'),
    (b'P4', 'PNM'),
    (b'P5', 'PNM'),
    (b'P6', 'PNM'),
    (b'GIF8', 'a GIF'),
    (b'RIFF', 'a WebP or AVI'),
    (b'II+\x00', 'a BigTIFF'),
    (b'MM\x00+', 'a BigTIFF'),
    (b'\x00\x00\x00\x0cjP', 'a JPEG 2000'),
    (b'v/1\x01', 'an OpenEXR'),
    (b'#?RADIANCE', 'a Radiance HDR'),
    (b'\x00\x00\x00\x01', 'a piece of an H.264 or H.265 video'),
)
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start of frame; the others of the range are tables (T.81, table B.1)."""

_WITHOUT_LENGTH = frozenset([0x01, *range(0xD0, 0xD8)])
_END, _SCAN = 0xD9, 0xDA
_NEXT_MARKER = re.compile(rb'\xff([^\x00\xff\xd0-\xd7])')
"""In entropy-coded data FF is followed by 00 or a restart marker (T.81, F.1.2.3)."""


def _jpeg(data: bytes) -> PictureHeader:
    """Walk through the segments up to the end of the picture; later bytes are not looked at."""
    header, at, has_scan = None, 2, False
    while True:
        found = _NEXT_MARKER.search(data, at)
        if found is None:
            raise ValueError('the JPEG is truncated')
        marker, at = found[1][0], found.end()
        if marker == _END:
            break
        if marker in _WITHOUT_LENGTH:
            continue
        if marker in _FRAME_MARKERS:
            header = _jpeg_frame(data, at)
        at += int(struct.unpack_from('>H', data, at)[0])
        has_scan = has_scan or marker == _SCAN
        if has_scan and header is not None and data.endswith(b'\xff\xd9'):
            break
    if header is None or not has_scan:
        raise ValueError('the JPEG has no picture in it')
    return header


def _jpeg_frame(data: bytes, at: int) -> PictureHeader:
    height, width, num_channels = struct.unpack_from('>HHB', data, at + 3)
    return PictureHeader(kind='JPEG', height=height, width=width, num_channels=num_channels)


def _png(data: bytes) -> PictureHeader:
    """Walk through the chunks up to IEND."""
    width, height, _, color = struct.unpack_from('>IIBB', data, 16)
    at, kind = 8, b''
    while kind != b'IEND':
        length, kind = struct.unpack_from('>I4s', data, at)
        at += length + 12
    if data[12:16] != b'IHDR' or at > len(data):
        raise ValueError('the PNG is truncated')
    return PictureHeader(
        kind='PNG', height=height, width=width, num_channels=1 if color == 0 else 3
    )


def _bmp(data: bytes) -> PictureHeader:
    width, height = struct.unpack_from('<ii', data, 18)
    return PictureHeader(kind='BMP', height=abs(height), width=width)


def _pnm(data: bytes) -> PictureHeader:
    found = re.match(rb'P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s', data)
    if found is None:
        raise ValueError('its PNM header is damaged')
    return PictureHeader(kind='PNM', height=int(found[2]), width=int(found[1]))


def _tiff(data: bytes) -> PictureHeader:
    """Find ImageWidth (256) and ImageLength (257) in the first directory."""
    order = '<' if data.startswith(b'II') else '>'
    (start,) = struct.unpack_from(order + 'I', data, 4)
    (count,) = struct.unpack_from(order + 'H', data, start)
    sizes = {}
    for index in range(count):
        at = start + 2 + 12 * index
        tag, kind = struct.unpack_from(order + 'HH', data, at)
        if tag in (256, 257):
            (sizes[tag],) = struct.unpack_from(order + ('H' if kind == 3 else 'I'), data, at + 8)
    if len(sizes) != 2:
        raise ValueError('the TIFF does not say its size')
    return PictureHeader(kind='TIFF', height=sizes[257], width=sizes[256])


_READERS: dict[str, Callable[[bytes], PictureHeader]] = {
    'JPEG': _jpeg,
    'PNG': _png,
    'BMP': _bmp,
    'PNM': _pnm,
    'TIFF': _tiff,
}
