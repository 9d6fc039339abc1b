"""Parameter sets of H.264 and H.265 in an access unit: which they are, and the picture size they say.

A camera may change its picture at any keyframe, and tells so only by the parameter sets before it. It reads the few
NAL units before the first slice, nothing else, and decodes no picture. A damaged set says nothing: None, not an error.

Sources: ITU-T H.264 7.3.2.1.1 and Annex B; ITU-T H.265 7.3.2.2 and Annex B.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.capture.core.packets import VideoCodec

_START = b"\x00\x00\x01"
_START_CODE = b"\x00\x00\x00\x01"

_H264_SPS, _H264_PPS = 7, 8
_H264_SLICES = range(1, 6)
_H265_VPS, _H265_SPS, _H265_PPS = 32, 33, 34
_H265_SLICES = range(32)

_H264_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""The profiles whose sequence parameter set tells the chroma format (7.3.2.1.1)."""

_H264_BASELINE = 66
_EXTENDED_ASPECT = 255

_SIDE_MAX = 16_384
"""Pixels; no level of either codec allows a longer side. Above it the set is damaged."""


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """The sets of one access unit, in its order: `sequence` those that say how pictures are made, `units` all."""

    sequence: tuple[bytes, ...]
    units: tuple[bytes, ...]

    @property
    def annex_b(self) -> bytes:
        """All sets with start codes."""
        return b"".join(_START_CODE + unit for unit in self.units)


def find_parameter_sets(codec: VideoCodec, access_unit: bytes) -> ParameterSets | None:
    """The parameter sets before the first slice of an access unit, or in extradata; None without a sequence set."""
    sequence = []
    units = []
    for unit in nal_units(access_unit):
        if codec == "h264":
            kind = unit[0] & 0x1F
            is_slice, is_sequence, is_other = kind in _H264_SLICES, kind == _H264_SPS, kind == _H264_PPS
        else:
            kind = unit[0] >> 1 & 0x3F
            is_slice, is_sequence, is_other = kind in _H265_SLICES, kind == _H265_SPS, kind in (_H265_VPS, _H265_PPS)
        if is_slice:
            break
        if is_sequence:
            sequence.append(unit)
        if is_sequence or is_other:
            units.append(unit)
    return ParameterSets(tuple(sequence), tuple(units)) if sequence else None


def nal_units(access_unit: bytes) -> Iterator[bytes]:
    """The NAL units of a byte stream with start codes; empty ones are left out."""
    start = access_unit.find(_START)
    while start >= 0:
        start += len(_START)
        end = access_unit.find(_START, start)
        # Zero bytes before a start code belong to it (trailing_zero_8bits): a NAL unit never ends with one.
        unit = access_unit[start : end if end >= 0 else None].rstrip(b"\x00")
        if unit:
            yield unit
        start = end


def picture_size(codec: VideoCodec, sequence_set: bytes) -> tuple[int, int] | None:
    """Width and height in pixels that a sequence parameter set says; None when it cannot be read."""
    try:
        if codec == "h264":
            width, height = _h264_size(_Bits(_unescape(sequence_set[1:])))
        else:
            width, height = _h265_size(_Bits(_unescape(sequence_set[2:])))
    except IndexError:
        return None
    return (width, height) if 0 < width <= _SIDE_MAX and 0 < height <= _SIDE_MAX else None


def reorder_depth(codec: VideoCodec, sequence_set: bytes) -> int | None:
    """How many pictures may be decoded before one that is shown first, as a sequence parameter set says; else None.

    Sources: H.264 E.1.1 `max_num_reorder_frames` (pictures of type 2 order, and the baseline profile, have none);
    H.265 7.3.2.2.1 `sps_max_num_reorder_pics`.
    """
    try:
        if codec == "h264":
            return _h264_depth(_Bits(_unescape(sequence_set[1:])))
        return _h265_depth(_Bits(_unescape(sequence_set[2:])))
    except IndexError:
        return None


class _Bits:
    """Reads fixed-length and Exp-Golomb numbers; IndexError at the end of the bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | (self._data[self._at >> 3] >> (7 - (self._at & 7)) & 1)
            self._at += 1
        return value

    def skip(self, count: int) -> None:
        self._at += count

    def unsigned(self) -> int:
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)

    def signed(self) -> int:
        value = self.unsigned()
        return (value + 1) // 2 if value & 1 else -(value // 2)


@dataclass(frozen=True, slots=True)
class _H264Set:
    """What stands in an H.264 sequence parameter set before its usability information."""

    profile: int
    order_count_type: int
    size: tuple[int, int]


def _h264_size(bits: _Bits) -> tuple[int, int]:
    return _h264_set(bits).size


def _h264_set(bits: _Bits) -> _H264Set:
    profile = bits.read(8)
    bits.skip(16)  # constraint flags and level
    bits.unsigned()  # seq_parameter_set_id
    chroma = 1
    is_separate = 0
    if profile in _H264_WITH_CHROMA:
        chroma, is_separate = _h264_chroma(bits)
    bits.unsigned()  # log2_max_frame_num_minus4
    order_count_type = _skip_h264_order_count(bits)
    bits.unsigned()  # max_num_ref_frames
    bits.skip(1)  # gaps_in_frame_num_value_allowed_flag
    macroblocks_across = bits.unsigned() + 1
    map_units_down = bits.unsigned() + 1
    is_frames_only = bits.read(1)
    if not is_frames_only:
        bits.skip(1)  # mb_adaptive_frame_field_flag
    bits.skip(1)  # direct_8x8_inference_flag
    left, right, top, bottom = _crop(bits)
    has_planes = chroma and not is_separate
    across = 2 if has_planes and chroma in (1, 2) else 1
    down = (2 if has_planes and chroma == 1 else 1) * (2 - is_frames_only)
    width = 16 * macroblocks_across - across * (left + right)
    height = 16 * map_units_down * (2 - is_frames_only) - down * (top + bottom)
    return _H264Set(profile, order_count_type, (width, height))


def _h264_depth(bits: _Bits) -> int | None:
    found = _h264_set(bits)
    if found.profile == _H264_BASELINE or found.order_count_type == 2:
        return 0
    if not bits.read(1):  # vui_parameters_present_flag
        return None
    _skip_h264_appearance(bits)
    has_hrd = [_skip_h264_hrd(bits) for _ in range(2)]
    if any(has_hrd):
        bits.skip(1)  # low_delay_hrd_flag
    bits.skip(1)  # pic_struct_present_flag
    if not bits.read(1):  # bitstream_restriction_flag
        return None
    bits.skip(1)  # motion_vectors_over_pic_boundaries_flag
    for _ in range(4):  # the largest picture, macroblock and motion vectors
        bits.unsigned()
    return bits.unsigned()


def _skip_h264_appearance(bits: _Bits) -> None:
    """The usability information up to the buffering (E.1.1)."""
    if bits.read(1) and bits.read(8) == _EXTENDED_ASPECT:  # aspect_ratio_info_present_flag
        bits.skip(32)
    if bits.read(1):  # overscan_info_present_flag
        bits.skip(1)
    if bits.read(1):  # video_signal_type_present_flag
        bits.skip(4)
        if bits.read(1):  # colour_description_present_flag
            bits.skip(24)
    if bits.read(1):  # chroma_loc_info_present_flag
        bits.unsigned()
        bits.unsigned()
    if bits.read(1):  # timing_info_present_flag
        bits.skip(65)


def _skip_h264_hrd(bits: _Bits) -> bool:
    """A hypothetical reference decoder's parameters, if they are there (the answer)."""
    if not bits.read(1):
        return False
    count = min(bits.unsigned(), 31) + 1
    bits.skip(8)
    for _ in range(count):
        bits.unsigned()
        bits.unsigned()
        bits.skip(1)
    bits.skip(20)
    return True


def _h264_chroma(bits: _Bits) -> tuple[int, int]:
    chroma = bits.unsigned()
    is_separate = bits.read(1) if chroma == 3 else 0
    bits.unsigned()  # bit_depth_luma_minus8
    bits.unsigned()  # bit_depth_chroma_minus8
    bits.skip(1)  # qpprime_y_zero_transform_bypass_flag
    if bits.read(1):  # seq_scaling_matrix_present_flag
        for index in range(12 if chroma == 3 else 8):
            if bits.read(1):
                _skip_h264_scaling_list(bits, 16 if index < 6 else 64)
    return chroma, is_separate


def _skip_h264_scaling_list(bits: _Bits, count: int) -> None:
    last = next_scale = 8
    for _ in range(count):
        if next_scale:
            next_scale = (last + bits.signed()) % 256
        last = next_scale or last


def _skip_h264_order_count(bits: _Bits) -> int:
    """Skip how pictures are ordered; gives the type."""
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits.skip(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.unsigned(), 255)):
            bits.signed()
    return kind


def _h265_size(bits: _Bits) -> tuple[int, int]:
    return _h265_set(bits)[0]


def _h265_depth(bits: _Bits) -> int:
    _size, sub_layers = _h265_set(bits)
    for _ in range(3):  # bit depths, log2_max_pic_order_cnt_lsb
        bits.unsigned()
    depth = 0
    # Told for every sub-layer or, without sub_layer_ordering_info_present_flag, for the highest: its word counts.
    for _ in range(sub_layers + 1 if bits.read(1) else 1):
        bits.unsigned()
        depth = bits.unsigned()
        bits.unsigned()
    return depth


def _h265_set(bits: _Bits) -> tuple[tuple[int, int], int]:
    """The picture's size, and how many sub-layers there are above the first."""
    bits.skip(4)  # sps_video_parameter_set_id
    sub_layers = bits.read(3)
    bits.skip(1)  # sps_temporal_id_nesting_flag
    bits.skip(96)  # general profile, tier and level
    present = [(bits.read(1), bits.read(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.skip(2 * (8 - sub_layers))
    for has_profile, has_level in present:
        bits.skip(88 * has_profile + 8 * has_level)
    bits.unsigned()  # sps_seq_parameter_set_id
    chroma = bits.unsigned()
    is_separate = bits.read(1) if chroma == 3 else 0
    width, height = bits.unsigned(), bits.unsigned()
    left, right, top, bottom = _crop(bits)
    has_planes = chroma and not is_separate
    across = 2 if has_planes and chroma in (1, 2) else 1
    down = 2 if has_planes and chroma == 1 else 1
    return (width - across * (left + right), height - down * (top + bottom)), sub_layers


def _crop(bits: _Bits) -> tuple[int, int, int, int]:
    """Left, right, top and bottom of the part that is not shown, in chroma units."""
    if not bits.read(1):
        return 0, 0, 0, 0
    return bits.unsigned(), bits.unsigned(), bits.unsigned(), bits.unsigned()


def _unescape(payload: bytes) -> bytes:
    """Without the emulation prevention bytes: 00 00 03 stands for 00 00."""
    return payload.replace(b"\x00\x00\x03", b"\x00\x00")
