"""The frame number in the picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cameras.pattern import NUMBER_MAX, block_pixels, draw_number, read_number, strip_size


@settings(max_examples=40)
@given(number=st.integers(0, NUMBER_MAX), width=st.sampled_from([256, 320, 640, 1280, 1920, 3840]))
def test_a_drawn_number_is_read(number: int, width: int) -> None:
    """Every number comes back from a picture of any width, in grey and in colour."""
    luma = np.full((64, width), 128, dtype=np.uint8)
    draw_number(luma, number)
    assert read_number(luma) == number
    assert read_number(np.stack([luma, luma, luma], axis=2)) == number


@settings(max_examples=40)
@given(number=st.integers(0, NUMBER_MAX), low=st.integers(0, 60), high=st.integers(110, 255), seed=st.integers(0, 99))
def test_contrast_brightness_and_noise_do_not_matter(number: int, low: int, high: int, seed: int) -> None:
    """A picture that is darker, flatter or noisy reads the same."""
    luma = np.full((16, 320), 128, dtype=np.uint8)
    draw_number(luma, number)
    noise = np.random.default_rng(seed).normal(0, 6, luma.shape)
    worn = np.clip(np.where(luma > 128, high, low) + noise, 0, 255).astype(np.uint8)
    assert read_number(worn) == number


def test_without_a_number_there_is_none() -> None:
    """A flat, a random and a too small picture have no number, and neither has one with a single bit turned."""
    assert read_number(np.full((64, 320), 128, dtype=np.uint8)) is None
    random = np.random.default_rng(1)
    assert all(read_number(random.integers(0, 256, (64, 320))) is None for _ in range(200))
    assert read_number(np.zeros((64, 200), dtype=np.uint8)) is None
    assert read_number(np.zeros((2, 320), dtype=np.uint8)) is None
    luma = np.full((64, 320), 128, dtype=np.uint8)
    draw_number(luma, 77)
    luma[:4, :8] = 251 - luma[:4, :8]
    assert read_number(luma) is None


def test_the_largest_number_is_the_limit() -> None:
    """65535 is drawn, 65536 and -1 are refused."""
    luma = np.zeros((64, 320), dtype=np.uint8)
    draw_number(luma, NUMBER_MAX)
    for number in (NUMBER_MAX + 1, -1):
        with pytest.raises(ValueError, match="not from 0 to 65535"):
            draw_number(luma, number)


def test_the_strip_is_thin() -> None:
    """The strip takes less than 1.5 % of any picture, and its size is known to whoever masks it."""
    assert strip_size(1280) == (512, 8)
    assert block_pixels(1919) == 8
    for width, height in ((320, 240), (1280, 720), (1920, 1080)):
        wide, high = strip_size(width)
        assert wide * high / (width * height) < 0.015
