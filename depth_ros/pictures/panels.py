"""Panels: left image, disparity and depth side by side, with scales in px and m."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_ros.errors import InputError
from depth_ros.geometry.postprocess import colorize_depth, colorize_disparity

MAX_TILE_WIDTH = 640
"""Wider maps are drawn smaller, so that a panel fits a screen and a README."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PAPER, _INK, _FAINT = (250, 250, 250), (30, 30, 30), (110, 110, 110)
_HATCH = (np.array((70, 70, 70), np.uint8), np.array((110, 110, 110), np.uint8))
_MARGIN, _BAR_WIDTH, _LABEL_WIDTH, _TITLE_HEIGHT, _LINE_HEIGHT = 12, 16, 58, 30, 26


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """Ends of a colour scale.

    Attributes:
        low: Smallest value with a colour of its own.
        high: Largest one, above ``low``.
    """

    low: float
    high: float

    def ticks(self) -> list[float]:
        """Return three to seven round numbers within the scale (steps of 1, 2 or 5)."""
        rough = (self.high - self.low) / 5.0
        power = 10.0 ** math.floor(math.log10(rough))
        step = power * next(s for s in (1.0, 2.0, 5.0, 10.0) if s * power >= rough)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(index * step, 10) for index in range(first, last + 1)]


def value_scale(values: np.ndarray, *, high_percent: float = 99.0) -> Scale:
    """Find a scale from the first percentile up that is robust to outliers.

    Args:
        values: Any shape; only finite ones count.
        high_percent: Percentile at the upper end.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Scale(low=0.0, high=1.0)
    low, high = (float(v) for v in np.percentile(finite, (1.0, high_percent)))
    if high - low < 1e-3 * max(abs(low), abs(high), 1e-3):
        middle, half = (low + high) / 2.0, 0.05 * max(abs(low), abs(high), 1.0)
        return Scale(low=middle - half, high=middle + half)
    return Scale(low=low, high=high)


def find_depth_scale(depth: np.ndarray) -> Scale:
    """Find a scale for depth in metres, whose outliers are far away.

    It ends at the 95th percentile, but at 1.5 times the 80th if that is nearer: a window or a
    few wrong disparities near 0 would else paint a whole room in one colour.
    """
    scale = value_scale(depth, high_percent=95.0)
    finite = depth[np.isfinite(depth)]
    if finite.size == 0:
        return scale
    limit = 1.5 * float(np.percentile(finite, 80.0))
    return Scale(low=scale.low, high=max(min(scale.high, limit), 1.01 * scale.low))


def stereo_panel(
    *,
    left: np.ndarray,
    disparity: np.ndarray,
    depth: np.ndarray | None,
    title: str = '',
    depth_scale: Scale | None = None,
) -> np.ndarray:
    """Draw left image, disparity and depth side by side.

    Unknown pixels are hatched grey; depth beyond range has the far colour.

    Args:
        left: ``(H, W, 3)`` uint8 RGB, rectified.
        disparity: ``(H, W)`` float32 px, NaN unknown.
        depth: ``(H, W)`` float32 m, NaN unknown, ``+Inf`` beyond range, ``-Inf`` too close;
            None where metres are not known, and then there is no such tile.
        title: One line below the tiles, e.g. model, engine and size; split at ``' | '`` where
            it does not fit.
        depth_scale: Metres at the ends of the depth colours; None takes ``find_depth_scale``.

    Returns:
        ``(H', W', 3)`` uint8 RGB.

    Raises:
        InputError: If the three are not of one size, reason ``'size_mismatch'``.
    """
    maps = [disparity] if depth is None else [disparity, depth]
    if any(values.shape != left.shape[:2] for values in maps):
        raise InputError(
            'size_mismatch',
            f'left {left.shape[:2]}, disparity and depth {[v.shape for v in maps]} must be of '
            'one size; pass maps of the same frame',
        )
    px = value_scale(disparity)
    disparity_rgb = colorize_disparity(disparity, min=px.low, max=px.high)
    columns = [
        _column(left, 'left (rectified)'),
        _column(hatch_unknown(disparity_rgb, disparity), 'disparity, px', scale=px),
    ]
    if depth is not None:
        columns.append(_depth_column(depth, 'depth, m', depth_scale))
    return _with_lines(np.hstack(columns), title)


def depth_panel(
    *,
    image: np.ndarray,
    depth: np.ndarray,
    confidence: np.ndarray | None = None,
    title: str = '',
    caption: str = 'depth, m',
    depth_scale: Scale | None = None,
) -> np.ndarray:
    """Draw an image, its depth and, where there is one, the confidence side by side.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        depth: ``(H, W)`` float32; NaN unknown, ``+Inf`` beyond range, ``-Inf`` too close.
        confidence: ``(H, W)`` float32 in 0..1, or None.
        title: Below the tiles, as for ``stereo_panel``.
        caption: Above the depth; say so if it is not in metres.
        depth_scale: Depths at the ends of the colours; None takes ``find_depth_scale``.

    Returns:
        ``(H', W', 3)`` uint8 RGB.

    Raises:
        InputError: If they are not of one size, reason ``'size_mismatch'``.
    """
    maps = [depth] if confidence is None else [depth, confidence]
    if any(values.shape != image.shape[:2] for values in maps):
        raise InputError(
            'size_mismatch',
            f'image {image.shape[:2]}, depth and confidence {[v.shape for v in maps]} must be of '
            'one size; pass maps of the same frame',
        )
    columns = [_column(image, 'image'), _depth_column(depth, caption, depth_scale)]
    if confidence is not None:
        whole = Scale(low=0.0, high=1.0)
        painted = colorize_disparity(confidence, min=whole.low, max=whole.high)
        columns.append(_column(painted, 'confidence', scale=whole))
    return _with_lines(np.hstack(columns), title)


def hatch_unknown(rgb: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return a copy of a picture with grey stripes where ``values`` is NaN."""
    height, width = values.shape
    rows, columns = np.ogrid[:height, :width]
    stripe = ((rows + columns) // 4 % 2)[..., np.newaxis]
    hatched = np.where(stripe == 0, _HATCH[0], _HATCH[1])
    return np.where(np.isnan(values)[..., np.newaxis], hatched, rgb).astype(np.uint8)


def write_picture(path: Path, rgb: np.ndarray) -> None:
    """Write ``(H, W, 3)`` uint8 RGB to a file of the format that its ending names, e.g. PNG.

    Raises:
        InputError: If the file cannot be written, reason ``'picture'``.
    """
    encoded, data = cv2.imencode(path.suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    if not encoded:
        raise InputError('picture', f'cannot encode {path}; the picture is {rgb.shape}')
    path.write_bytes(data.tobytes())


def _depth_column(depth: np.ndarray, caption: str, scale: Scale | None) -> np.ndarray:
    scale = scale or find_depth_scale(depth)
    rgb = colorize_depth(depth, min=scale.low, max=scale.high)
    return _column(hatch_unknown(rgb, depth), caption, scale=scale, is_depth=True)


def _column(
    tile: np.ndarray, caption: str, *, scale: Scale | None = None, is_depth: bool = False
) -> np.ndarray:
    """Draw one tile with its caption above and, if it has one, its scale to the right."""
    tile = _fitted(tile)
    height, width = tile.shape[:2]
    legend = _BAR_WIDTH + _LABEL_WIDTH if scale else 0
    paper = _blank(height + _TITLE_HEIGHT + _MARGIN, width + legend + 2 * _MARGIN)
    paper[_TITLE_HEIGHT : _TITLE_HEIGHT + height, _MARGIN : _MARGIN + width] = tile
    _text(paper, caption, (_MARGIN, _TITLE_HEIGHT - 9), size=0.55)
    if scale:
        bar_x = 2 * _MARGIN + width - 6
        area = paper[_TITLE_HEIGHT : _TITLE_HEIGHT + height, bar_x : bar_x + legend]
        _draw_scale(area, scale, is_depth=is_depth)
    return paper


def _draw_scale(area: np.ndarray, scale: Scale, *, is_depth: bool) -> None:
    """Draw a colour bar with round numbers, low at the bottom, into a view of the panel."""
    height = area.shape[0]
    ramp = np.linspace(scale.high, scale.low, height, dtype=np.float32)
    values = np.repeat(ramp[:, np.newaxis], _BAR_WIDTH, axis=1)
    paint = colorize_depth if is_depth else colorize_disparity
    area[:, :_BAR_WIDTH] = paint(values, min=scale.low, max=scale.high)
    for tick in scale.ticks():
        y = round((scale.high - tick) / (scale.high - scale.low) * (height - 1))
        area[y : y + 1, _BAR_WIDTH - 5 : _BAR_WIDTH + 4] = _INK
        label_y = min(max(y + 5, 11), height - 2)
        _text(area, f'{tick:g}', (_BAR_WIDTH + 7, label_y), size=0.45)


def _with_lines(panel: np.ndarray, title: str) -> np.ndarray:
    """Put the title below, on as many lines as it needs."""
    lines = _wrapped(title, panel.shape[1] - 2 * _MARGIN)
    footer = _blank(_LINE_HEIGHT * len(lines), panel.shape[1])
    for index, line in enumerate(lines):
        _text(footer, line, (_MARGIN, _LINE_HEIGHT * index + 15), size=0.5, color=_FAINT)
    return np.vstack([panel, footer])


def _wrapped(title: str, width: int) -> list[str]:
    """Split at ``' | '`` so that each line fits into ``width`` pixels."""
    lines: list[str] = []
    for part in title.split(' | ') if title else []:
        longer = f'{lines[-1]} | {part}' if lines else part
        if lines and cv2.getTextSize(longer, _FONT, 0.5, 1)[0][0] <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def _fitted(tile: np.ndarray) -> np.ndarray:
    """Shrink a tile to the widest a panel takes; never enlarge it."""
    height, width = tile.shape[:2]
    if width <= MAX_TILE_WIDTH:
        return tile
    size = (MAX_TILE_WIDTH, max(1, round(height * MAX_TILE_WIDTH / width)))
    return np.asarray(cv2.resize(tile, size, interpolation=cv2.INTER_AREA))


def _blank(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), _PAPER, np.uint8)


def _text(
    image: np.ndarray,
    text: str,
    origin: tuple[int, int],
    *,
    size: float,
    color: tuple[int, int, int] = _INK,
) -> None:
    """Write text into ``image``, which may be a view; ``origin`` is the baseline's left end."""
    drawn = np.ascontiguousarray(image)
    cv2.putText(drawn, text, origin, _FONT, size, color, 1, cv2.LINE_AA)
    image[...] = drawn
