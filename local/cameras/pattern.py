"""A frame's number as black and white blocks in the top left corner of the picture, drawn and read back.

The strip is one row of 64 square blocks: 32 bits (16 of the number, 16 of its CRC), each bit a pair of
blocks, white-black for 1 and black-white for 0. Reading compares the two halves of a pair, so that
brightness and contrast do not matter, and the checksum refuses what a codec has washed out. The strip is
thin: at a quarter of the scale it is 2 pixels high in 720p, which the opening of a motion detector removes.

It knows nothing of codecs, files or laps.
"""

import binascii
from typing import Any

import numpy as np
import numpy.typing as npt

NUMBER_MAX = 0xFFFF
_BITS = 32
_BLOCKS = 2 * _BITS
_BLACK, _WHITE = 16, 235  # the ends of the video range (ITU-R BT.601)
_CONTRAST_MIN = 24.0  # of 219: below that the two halves of a pair cannot be told apart from codec noise


def block_pixels(width: int) -> int:
    """The side of a block in a picture of that width: 4 pixels, 8 in 1280, 12 in 1920."""
    return 4 * max(1, width // 640)


def strip_size(width: int) -> tuple[int, int]:
    """Width and height in pixels of the strip, which begins at (0, 0): what a motion mask should cover."""
    side = block_pixels(width)
    return _BLOCKS * side, side


def draw_number(luma: npt.NDArray[np.uint8], number: int) -> None:
    """Draw `number` (0 to 65535) into the luma plane `[height, width]`, in place."""
    if not 0 <= number <= NUMBER_MAX:
        raise ValueError(f"frame number {number} is not from 0 to {NUMBER_MAX}")
    code = number << 16 | _checksum(number)
    side = block_pixels(luma.shape[1])
    bits = [code >> (_BITS - 1 - place) & 1 for place in range(_BITS)]
    blocks = np.array([half for bit in bits for half in (bit, 1 - bit)], dtype=np.uint8)
    row = np.where(blocks == 1, _WHITE, _BLACK).astype(np.uint8).repeat(side)
    luma[:side, : row.size] = row


def read_number(image: npt.NDArray[Any]) -> int | None:
    """The number in a decoded frame (grey or planar YUV `[height, width]`, or RGB `[height, width, 3]`), or
    None when there is none or it cannot be read without doubt.
    """
    side = block_pixels(image.shape[1])
    if image.shape[0] < side or image.shape[1] < _BLOCKS * side:
        return None
    strip = image[:side, : _BLOCKS * side].astype(np.float64)
    if strip.ndim == 3:
        strip = strip.mean(axis=2)
    inner = slice(side // 4, side - side // 4)  # the rim of a block takes ringing from its neighbours
    levels = strip.reshape(side, _BLOCKS, side)[inner, :, inner].mean(axis=(0, 2))
    differences = levels[0::2] - levels[1::2]
    if np.abs(differences).min() < _CONTRAST_MIN:
        return None
    code = 0
    for difference in differences:
        code = code << 1 | int(difference > 0)
    number = code >> 16
    return number if code & 0xFFFF == _checksum(number) else None


def _checksum(number: int) -> int:
    return binascii.crc_hqx(number.to_bytes(2, "big"), 0xFFFF)
