"""What a fixed camera sees over a day, drawn from a seed: the normal footage that raises no alarm.

Four places: a yard with trees and infrared light at night, a street with lamps and cars, a room whose lamps go on and
off, a lot of plain ground that is nearly dark at night. Over all of them daylight comes and goes, clouds pass, it
rains, haze thins the contrast, people walk by and now and then stand right before the lens, cars show their
headlights, leaves sway, the wind shakes the mast, the camera's exposure follows in steps, its sensor has noise that
grows with the gain, and a clock is burnt in.

A picture is a function of place, day and time: asked for twice it is the same but for its noise. Times are seconds from
midnight. It knows nothing of codecs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

Place = Literal["yard", "street", "room", "lot"]
PLACES: tuple[Place, ...] = ("yard", "street", "room", "lot")

WIDTH, HEIGHT = 320, 180
RIM = 64
"""Pixels around the picture that are drawn too: what comes into view when the camera is turned."""

DAY_S = 86_400

Floats = npt.NDArray[np.float32]
Yuv = npt.NDArray[np.uint8]
"""Shape (HEIGHT * 3 / 2, WIDTH): the planes Y, U, V of 4:2:0 one below the other."""

_EXPOSURE_TARGET = 0.42
_EXPOSURE_STEP = 2 ** (1 / 3)
"""Cameras change exposure and gain in thirds of a stop."""

_GAIN_MAX = {"yard": 24.0, "street": 48.0, "room": 48.0, "lot": 32.0}
_NOISE = {"yard": 1.0, "street": 1.4, "room": 0.7, "lot": 0.4}
"""Sensors and their noise reduction differ."""

_BLACK, _WHITE = 16.0, 235.0


@dataclass(frozen=True, slots=True)
class View:
    """What is wrong with the camera when the picture is taken: what it sees, then what is before its lens."""

    shift: tuple[int, int] = (0, 0)
    blur_sigma: float = 0.0
    cover: float | None = None
    is_black: bool = False


NORMAL = View()


@dataclass(frozen=True, slots=True)
class _Passing:
    """A person or car that crosses between two times, at a size relative to the picture's height."""

    begins_s: float
    ends_s: float
    size: float
    height: float
    leftward: bool
    shade: float
    is_car: bool


@dataclass
class ReplayedDay:
    """One place on one day."""

    place: Place
    seed: int
    _noise: list[Floats] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        random = np.random.default_rng([self.seed, PLACES.index(self.place)])
        size = (HEIGHT + 2 * RIM, WIDTH + 2 * RIM)
        self._surface = _surface(random, size, self.place)
        self._tint = tuple(_soft(random, size, 7, -14.0, 14.0) for _ in range(2))
        self._leaves = _soft(random, size, 9, 0.0, 1.0) > (0.62 if self.place != "room" else 2.0)
        self._near = np.clip(_soft(random, size, 4, -0.2, 1.2), 0.03, 1.0)
        self._lamps = _lamps(random, size, {"yard": 2, "street": 5, "room": 2, "lot": 1}[self.place])
        self._relief = _soft(random, size, 30, -1.0, 1.0)
        self._noise = [random.standard_normal((HEIGHT, WIDTH)).astype(np.float32) for _ in range(12)]
        self._clouds = random.uniform(0.35, 1.0, DAY_S // 60 + 2)
        self._rain = [(float(at), float(at + random.uniform(600, 5_400))) for at in random.uniform(0, DAY_S, 3)]
        self._haze = random.uniform(0.55, 1.0, 26)
        self._passing = _passing(random, self.place)
        self._switches = np.sort(random.uniform(6 * 3600, 23 * 3600, 14))

    def picture(self, time_s: float, view: View = NORMAL) -> Yuv:
        """The picture at that time of the day."""
        random = np.random.default_rng([self.seed, int(time_s * 10)])
        light, is_colour = self._light(time_s)
        seen = self._surface * light
        seen = self._sway(seen, random, time_s)
        seen = self._weather(seen, random, time_s, is_colour)
        top, left = RIM + view.shift[1], RIM + view.shift[0]
        if random.random() < 0.15:
            top, left = top + int(random.integers(-1, 2)), left + int(random.integers(-1, 2))
        seen = np.ascontiguousarray(seen[top : top + HEIGHT, left : left + WIDTH])
        self._draw_passing(seen, time_s, float(light.mean()))
        if view.blur_sigma:
            seen = cv2.GaussianBlur(seen, (0, 0), view.blur_sigma).astype(np.float32)
        if view.cover is not None:
            ramp = np.linspace(0.8, 1.2, WIDTH, dtype=np.float32)[None, :]
            seen = np.broadcast_to(ramp * np.float32(view.cover * max(0.002, float(light.mean()))), seen.shape).copy()
        luma, gain = self._expose(seen, view)
        sigma = _NOISE[self.place] * (0.7 + 0.22 * min(gain, 40.0))
        noise = self._noise[int(random.integers(len(self._noise)))]
        noise = np.roll(noise, (int(random.integers(HEIGHT)), int(random.integers(WIDTH))), (0, 1))
        luma = np.clip(luma + noise * sigma, _BLACK, _WHITE).astype(np.uint8)
        hours, minutes, seconds = int(time_s // 3600) % 24, int(time_s // 60) % 60, int(time_s) % 60
        clock = f"{hours:02}:{minutes:02}:{seconds:02}"
        cv2.putText(luma, clock, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 230, 1, cv2.LINE_8)
        is_colour = is_colour and not view.is_black and view.cover is None
        chroma = [self._chroma(tint, top, left, is_colour).reshape(-1) for tint in self._tint]
        return np.concatenate([luma.reshape(-1), *chroma]).reshape(HEIGHT * 3 // 2, WIDTH)

    def _chroma(self, tint: Floats, top: int, left: int, is_colour: bool) -> Yuv:
        if not is_colour:
            return np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
        seen = tint[top : top + HEIGHT : 2, left : left + WIDTH : 2]
        return np.clip(seen + 128, 16, 240).astype(np.uint8)

    def _light(self, time_s: float) -> tuple[Floats, bool]:
        """How much light falls where, of 1 at noon, and whether the camera shows colours."""
        sun = _sun(time_s) * self._cloud(time_s)
        if self.place == "room":
            is_lit = bool(np.searchsorted(self._switches, time_s) % 2)
            window = self._near * np.float32(0.35 * sun)
            lamp = np.float32(0.30) * self._lamps if is_lit else np.float32(0.0)
            if not is_lit and sun < 0.004:
                return self._near * np.float32(0.05), False
            return (window + lamp + np.float32(0.0005)).astype(np.float32), True
        angle = (time_s / DAY_S - 0.5) * 2 * np.pi
        shade = 1.0 + 0.3 * sun * np.sin(angle) * self._relief
        day = shade * np.float32(sun)
        if self.place == "yard":
            if sun < 0.004:
                return (self._near * np.float32(0.05) + day).astype(np.float32), False
            return day.astype(np.float32), True
        lamps = self._lamps * np.float32(0.03 if sun < 0.02 else 0.0)
        return (day + lamps + np.float32(0.0006 if self.place == "street" else 0.0)).astype(np.float32), True

    def _cloud(self, time_s: float) -> float:
        place = time_s / 60
        return float(np.interp(place, np.arange(len(self._clouds)), self._clouds))

    def _sway(self, seen: Floats, random: np.random.Generator, time_s: float) -> Floats:
        wind = 0.5 + 0.5 * np.sin(time_s / 700)
        shift = round(random.normal(0, 1.6 * wind))
        if not shift or not self._leaves.any():
            return seen
        return np.where(self._leaves, np.roll(seen, shift, axis=1), seen)

    def _weather(self, seen: Floats, random: np.random.Generator, time_s: float, is_colour: bool) -> Floats:
        if self.place == "room":
            return seen
        haze = float(np.interp(time_s / 3600, np.arange(len(self._haze)), self._haze))
        seen = seen * np.float32(haze) + np.float32((1 - haze) * float(seen.mean()))
        if any(begins <= time_s < ends for begins, ends in self._rain):
            streaks = np.zeros(seen.shape, np.float32)
            brightness = float(seen.mean()) * (0.5 if is_colour else 2.0)
            for _ in range(70):
                x, y = int(random.integers(seen.shape[1])), int(random.integers(seen.shape[0]))
                cv2.line(streaks, (x, y), (x + 2, y + int(random.integers(6, 22))), brightness, 1)
            seen = seen * np.float32(0.85) + streaks + np.float32(0.1 * float(seen.mean()))
        return seen

    def _draw_passing(self, seen: Floats, time_s: float, light: float) -> None:
        for body in self._passing:
            if not body.begins_s <= time_s < body.ends_s:
                continue
            share = (time_s - body.begins_s) / (body.ends_s - body.begins_s)
            tall = int(body.size * HEIGHT)
            wide = int(tall * (2.0 if body.is_car else 0.45))
            way = WIDTH + 2 * wide
            x = int(way * (1 - share if body.leftward else share)) - wide
            y = int(body.height * HEIGHT)
            shade = body.shade * light
            cv2.ellipse(seen, (x, y), (max(2, wide // 2), max(2, tall // 2)), 0, 0, 360, shade, -1)
            cv2.ellipse(seen, (x, y - tall // 5), (max(1, wide // 5), max(1, tall // 6)), 0, 0, 360, shade * 0.4, -1)
            cv2.line(seen, (x - wide // 3, y), (x + wide // 3, y + tall // 6), shade * 1.7, max(1, tall // 12))
            if body.is_car and light < 0.05:
                _headlight(seen, x + (-wide // 2 if body.leftward else wide // 2), y, tall, light)

    def _expose(self, seen: Floats, view: View) -> tuple[Floats, float]:
        """The picture as the sensor gives it, exposed in steps of a third of a stop, and the gain that took."""
        mean = max(1e-6, float(np.minimum(seen, 8 * float(np.median(seen)) + 1e-6).mean()))
        steps = round(np.log(_EXPOSURE_TARGET / mean) / np.log(_EXPOSURE_STEP))
        gain = min(_EXPOSURE_STEP**steps, _GAIN_MAX[self.place])
        if view.is_black:
            return np.full(seen.shape, _BLACK, np.float32), 1.0
        exposed = np.clip(seen * np.float32(gain), 0, 1) ** np.float32(0.6)
        return (_BLACK + exposed * (_WHITE - _BLACK)).astype(np.float32), gain


def _sun(time_s: float) -> float:
    """Daylight of 0 to 1: dusk lasts half an hour and falls by a factor of a thousand."""
    height = np.sin((time_s / DAY_S - 0.25) * 2 * np.pi)
    return float(1 / (1 + np.exp(-height * 55 + 4)) * (0.4 + 0.6 * max(0.0, height)))


def _soft(random: np.random.Generator, size: tuple[int, int], cells: int, low: float, high: float) -> Floats:
    grid = random.uniform(low, high, (cells, cells)).astype(np.float32)
    return cv2.resize(grid, (size[1], size[0]), interpolation=cv2.INTER_CUBIC).astype(np.float32)


def _surface(random: np.random.Generator, size: tuple[int, int], place: Place) -> Floats:
    """What the light falls on: soft ground, texture of many sizes, and walls, windows and poles with hard edges."""
    surface = _soft(random, size, 6, 0.25, 0.7)
    for cells, strength in ((24, 0.10), (60, 0.08), (140, 0.07)):
        rough = strength * (0.1 if place == "lot" else 1.0)
        surface += _soft(random, size, cells, -rough, rough)
    for _ in range({"yard": 26, "street": 26, "room": 40, "lot": 7}[place]):
        wide, tall = int(size[1] * random.uniform(0.02, 0.16)), int(size[0] * random.uniform(0.03, 0.22))
        left, top = int(random.integers(size[1] - wide)), int(random.integers(size[0] - tall))
        cv2.rectangle(surface, (left, top), (left + wide, top + tall), float(random.uniform(0.08, 0.9)), -1)
        if random.random() < 0.5:
            cv2.rectangle(surface, (left, top), (left + wide, top + tall), float(random.uniform(0.05, 1.0)), 2)
    for _ in range(2 if place == "lot" else 10):
        x = int(random.integers(size[1]))
        cv2.line(surface, (x, 0), (x + int(random.integers(-20, 20)), size[0]), float(random.uniform(0.1, 0.9)), 2)
    return np.clip(surface, 0.04, 1.0).astype(np.float32)


def _lamps(random: np.random.Generator, size: tuple[int, int], count: int) -> Floats:
    """Pools of light, each falling off with the square of the distance."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    light = np.zeros(size, np.float32)
    for number in range(count):
        cx = (number + random.uniform(0.2, 0.8)) * size[1] / count
        cy = size[0] * random.uniform(0.3, 0.8)
        light += 1 / (1 + ((x - cx) ** 2 + (y - cy) ** 2) / 45.0**2)
    return light


def _passing(random: np.random.Generator, place: Place) -> list[_Passing]:
    """Who and what passes: people, cars on the street, and some who come right before the lens."""
    found = []
    for _ in range(300 if place == "street" else 160):
        begins = random.uniform(0, DAY_S)
        is_car = place == "street" and random.random() < 0.6
        lasts = random.uniform(3, 9) if is_car else random.uniform(8, 40)
        if is_car and random.random() < 0.06:
            lasts = random.uniform(40, 120)  # it waits, its headlights on
        size, height = random.uniform(0.2, 0.5), random.uniform(0.45, 0.85)
        found.append(
            _Passing(begins, begins + lasts, size, height, bool(random.integers(2)), random.uniform(0.1, 0.9), is_car)
        )
    for _ in range(24):
        begins = random.uniform(0, DAY_S)
        size = random.uniform(1.6, 3.0)
        found.append(
            _Passing(begins, begins + random.uniform(4, 12), size, 0.55, True, random.uniform(0.1, 0.9), False)
        )
    return found


def _headlight(seen: Floats, x: int, y: int, tall: int, light: float) -> None:
    """A glaring lamp and the halo that the lens makes of it."""
    glow = np.zeros(seen.shape, np.float32)
    cv2.circle(glow, (x, y), max(2, tall // 8), 1.0, -1)
    halo = cv2.GaussianBlur(glow, (0, 0), max(2.0, tall / 3))
    peak = float(halo.max())
    if peak > 0:
        seen += glow * np.float32(20 * light) + halo / np.float32(peak) * np.float32(3 * light)
