"""From stored values to the image that a radiologist sees: modality and VOI transformation, inversion, padding.

Source: DICOM PS3.3 C.11.1 (modality LUT), C.11.2 (VOI LUT and window), C.7.6.3.1.2 (photometric interpretation).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.dicom.frames import fits, used_bits
from dpmed_core.imaging.dicom.header import DAMAGED, TABLE_BITS, DicomHeader
from dpmed_core.imaging.dicom.palette import is_big_endian, palette_rgb, words
from dpmed_core.imaging.reading import bits_words, values_words
from dpmed_core.imaging.stored_format import CONSTANT
from dpmed_core.imaging.value_range import FLAT, NOT_NUMBERS, TAILS_WORDS, between, is_coloured, tails

GREY = ("MONOCHROME1", "MONOCHROME2")
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of red, green, blue. Source: ITU-R BT.601, 2.5.1."""
BLOCK_ROWS = 32
DARK = 0.25
"""Colours of more than 8 bits none of which is brighter use only the lower bits."""

WINDOW_SHOWS_NOTHING = f"its window shows hardly anything of the image, so {TAILS_WORDS}"
COLOUR = "it is a colour image, perhaps a screenshot; its luminance is stored"
OWN_COLOUR_RANGE = "its colours use only the lower bits of their values; the brightest one is displayed as white"

Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Displayed:
    """An image as displayed.

    Attributes:
        pixels: float32 `[rows, columns]` in [0, 1], 0 black and 1 white, padding black.
        bits: of a value, in words.
        values: the least and the greatest value as stored, in words.
        assumed: what the file does not say, or says of no use.
        warnings: what the user should check.
    """

    pixels: NDArray[np.float32]
    bits: str
    values: str
    assumed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def displayed(stored: NDArray[Any], header: DicomHeader, *, negative: bool = False) -> Displayed:
    """The displayed image.

    The first VOI LUT is used, else the first window, else the range between the percentiles `TAILS_PERCENT`,
    which also replaces a window in which the image would be constant, or nearly so.

    Args:
        stored: values as stored, `[rows, columns]`, or `[rows, columns, 3]` for RGB.
        header: of their file.
        negative: display the negative of what the photometric interpretation says.

    Raises:
        ImageError: the image has one value everywhere, or an unknown colour model.
    """
    photometric = header.photometric
    if photometric in GREY and stored.ndim == 2:
        return _grey(stored, header, inverted=(photometric == "MONOCHROME1") != negative)
    rgb = _rgb(stored, header, photometric)
    warnings = [COLOUR] if is_coloured(rgb, white=1) else []
    grey = _luminance(rgb)
    if stored.dtype.itemsize > 1 and photometric != "PALETTE COLOR" and (brightest := float(grey.max())) < DARK:
        grey /= brightest
        warnings.append(OWN_COLOUR_RANGE)
    values = values_words(float(stored.min()), float(stored.max()))
    return Displayed(1 - grey if negative else grey, _bits(stored, header), values, warnings=tuple(warnings))


def negative_of(image: Displayed, stored: NDArray[Any], header: DicomHeader) -> Displayed:
    """The negative of `image`, which `displayed` made of `stored`; padding stays black."""
    if header.value("PixelPaddingValue") is None:
        return replace(image, pixels=1 - image.pixels)
    return displayed(stored, header, negative=True)


def _bits(stored: NDArray[Any], header: DicomHeader) -> str:
    allocated = stored.dtype.itemsize * 8
    return f"{allocated} bits, floating point" if stored.dtype.kind == "f" else bits_words(header.bits_stored, allocated)


def _grey(stored: NDArray[Any], header: DicomHeader, *, inverted: bool) -> Displayed:
    """The displayed image of grey pixels; each distinct value is transformed once, not each pixel."""
    pixels = _Pixels.of(stored, header)
    if not np.isfinite(pixels.values).all():
        raise ImageError(NOT_NUMBERS)
    measured = _modality(header)(pixels.values)
    # Padding counts neither for the range of values nor as image, unless the header declares all pixels padding.
    is_image = ~_padding(pixels.values, header)
    if not is_image.all():
        is_image &= pixels.present
        is_image = is_image if is_image.any() else pixels.present
    if _is_constant(measured[is_image]):
        raise ImageError(CONSTANT)
    shown, assumed, warnings = _shown(measured, is_image, pixels, header)
    if inverted:
        shown = 1 - shown
    shown[~is_image] = 0
    used = pixels.values[is_image]  # without padding, the table begins and ends with values that occur; else `is_image` says which do
    values = values_words(float(used.min()), float(used.max()))
    return Displayed(pixels.mapped(shown.astype(np.float32)), _bits(stored, header), values, assumed, warnings)


def _shown(
    measured: NDArray[np.float64], is_image: NDArray[np.bool_], pixels: "_Pixels", header: DicomHeader
) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[str, ...]]:
    """The measured values in [0, 1], what was assumed for them, and warnings."""
    voi = _voi(header)
    if voi is not None:
        shown = voi(measured)
        if np.ptp(shown[is_image]) >= FLAT:
            return shown, (), ()
    counts = None if pixels.counts is None else pixels.counts[is_image]
    shown = between(measured, *tails(measured[is_image], counts))
    return (shown, (f"no window or lookup table: {TAILS_WORDS}",), ()) if voi is None else (shown, (), (WINDOW_SHOWS_NOTHING,))


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Pixels of at most `TABLE_BITS` as indices into a table of values; wider ones and floating-point ones without a table.

    A radiograph has some ten million pixels and at most 65,536 distinct values: the transformations are computed for the table.

    Attributes:
        values: every value from the lowest to the highest, or the pixels themselves if there is no table.
        codes: the pixels as stored, `[rows, columns]`, whose index in `values` is their value less `first`; None without a table.
        first: the stored value at index 0.
    """

    values: NDArray[np.float64]
    codes: NDArray[Any] | None = None
    first: int = 0

    @classmethod
    def of(cls, stored: NDArray[Any], header: DicomHeader) -> "_Pixels":
        """The pixels `stored`, without the overlays that some files keep in unused bits."""
        low, high = stored.min(), stored.max()
        if stored.dtype.kind != "f" and not fits(low, high, stored.dtype.kind, header.bits_stored):
            stored = used_bits(stored, header.bits_stored, header.integer("HighBit", header.bits_stored - 1))
            low, high = stored.min(), stored.max()
        if stored.dtype.kind == "f" or stored.dtype.itemsize * 8 > TABLE_BITS:
            return cls(stored.astype(np.float64))
        return cls(np.arange(int(low), int(high) + 1, dtype=np.float64), stored, int(low))

    @cached_property
    def counts(self) -> NDArray[np.int64] | None:
        """How many pixels have each of `values`; None without a table."""
        if self.codes is None:
            return None
        return sum((np.bincount(block.ravel(), minlength=len(self.values)) for block in self._blocks()), np.zeros(1, dtype=np.int64))

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which of the values occur."""
        return np.ones(self.values.shape, dtype=bool) if self.counts is None else self.counts > 0

    def mapped(self, shown: NDArray[np.float32]) -> NDArray[np.float32]:
        """The image in which each of `values` is replaced by the element of `shown` at the same index."""
        if self.codes is None:
            return shown
        image = np.empty(self.codes.shape, dtype=np.float32)
        for start, block in zip(range(0, len(image), BLOCK_ROWS), self._blocks(), strict=True):
            np.take(shown, block, out=image[start : start + BLOCK_ROWS], mode="clip")
        return image

    def _blocks(self) -> Iterator[NDArray[np.intp]]:
        """The pixels' indices in `values`, some rows at a time, so that they stay in the processor's cache."""
        assert self.codes is not None
        for start in range(0, len(self.codes), BLOCK_ROWS):
            yield np.subtract(self.codes[start : start + BLOCK_ROWS], self.first, dtype=np.intp)


def _modality(header: DicomHeader) -> Curve:
    """The modality transformation, from stored values to measured ones: a lookup table, else slope and intercept."""
    if (table := _table(header, "ModalityLUTSequence")) is not None:
        return table
    slope, intercept = _number(header, "RescaleSlope", 1.0), _number(header, "RescaleIntercept", 0.0)
    return lambda values: values * (slope or 1.0) + intercept  # a slope of 0, which some exports write, would erase the image


def _voi(header: DicomHeader) -> Curve | None:
    """The VOI transformation, from measured values to [0, 1]; None if the file names no usable table or window.

    Source: DICOM PS3.3 C.11.2.1.2 (window) and C.11.2.1.3 (functions LINEAR_EXACT, SIGMOID).
    """
    if (table := _table(header, "VOILUTSequence", scaled=True)) is not None:
        return table
    centre, width = _number(header, "WindowCenter", np.nan), _number(header, "WindowWidth", np.nan)
    function = header.text("VOILUTFunction").upper() or "LINEAR"
    if not np.isfinite([centre, width]).all() or width < (1 if function == "LINEAR" else 1e-12):
        return None
    if function == "SIGMOID":  # clipped: beyond 700, exp overflows
        return lambda values: 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
    if function == "LINEAR_EXACT":
        return lambda values: np.clip((values - centre) / width + 0.5, 0, 1)
    if width == 1:  # the linear formula would divide by width - 1 = 0; the standard defines a threshold instead
        return lambda values: (values > centre - 0.5).astype(np.float64)
    return lambda values: np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def _table(header: DicomHeader, keyword: str, *, scaled: bool = False) -> Curve | None:
    """The first lookup table of the sequence `keyword`, with its entries `scaled` to [0, 1]; None if there is no usable one."""
    sequence = header.value(keyword)
    try:
        item = sequence[0]
        n_entries, first, bits = (int(number) for number in item.LUTDescriptor)
        entries = words(item.LUTData, n_entries or 2**TABLE_BITS, big_endian=is_big_endian(header)).astype(np.float64)
    except DAMAGED:
        return None
    # The first mapped value is signed where the pixels are, but is often encoded as an unsigned number.
    if header.integer("PixelRepresentation", 0) == 1 and first >= 2 ** (TABLE_BITS - 1):
        first -= 2**TABLE_BITS
    # White is the largest value of the declared bits, unless the entries exceed it or the declaration is absurd.
    top = max(2**bits - 1, float(entries.max())) if scaled and 1 <= bits <= TABLE_BITS else float(max(entries.max(), 1)) if scaled else 1.0

    def looked_up(values: NDArray[np.float64]) -> NDArray[np.float64]:
        indices = np.clip(np.rint(values) - first, 0, len(entries) - 1).astype(np.intp)
        return np.asarray(entries[indices] / top, dtype=np.float64)

    return looked_up


def _padding(values: NDArray[np.float64], header: DicomHeader) -> NDArray[np.bool_]:
    """Which stored values are padding rather than image. Source: DICOM PS3.3 C.7.5.1.1.2."""
    start = _number(header, "PixelPaddingValue", np.nan)
    end = _number(header, "PixelPaddingRangeLimit", start)
    return (values >= min(start, end)) & (values <= max(start, end))


def _rgb(stored: NDArray[Any], header: DicomHeader, photometric: str) -> NDArray[np.float32]:
    """Red, green and blue in [0, 1], `[rows, columns, 3]`.

    Raises:
        ImageError: the palette is unusable, or the colour model unknown.
    """
    if photometric == "PALETTE COLOR" and stored.ndim == 2:
        try:
            return palette_rgb(stored, header)
        except DAMAGED:
            raise ImageError("has a palette that is missing or damaged: export it as a grey image.") from None
    if stored.ndim != 3 or stored.shape[2] != 3 or stored.dtype.kind == "f":
        raise ImageError("has a colour model that cannot be read: export it as a grey image.")
    return stored.astype(np.float32) / float(2**header.bits_stored - 1)


def _luminance(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    grey = np.asarray(np.clip(rgb @ LUMINANCE, 0, 1), dtype=np.float32)
    if _is_constant(grey):
        raise ImageError(CONSTANT)
    return grey


def _is_constant(values: NDArray[Any]) -> bool:
    return not values.max() > values.min()


def _number(header: DicomHeader, keyword: str, default: float) -> float:
    """The first value of the attribute as a number; `default` if it is missing or not a finite number."""
    value = header.value(keyword)
    try:
        first = value[0] if isinstance(value, list) or (hasattr(value, "__getitem__") and not isinstance(value, str)) else value
        number = float(first)
    except DAMAGED:
        return default
    return number if np.isfinite(number) else default
