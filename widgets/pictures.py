"""Small pictures with a description for those who do not see them, which Streamlit's own pictures do not have."""

import base64
import io
from collections.abc import Iterable
from html import escape

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image


def show_picture(pixels: NDArray[np.uint8], description: str, *, width: str = "100%") -> None:
    """Show a picture, its grey levels unchanged.

    Args:
        pixels: `[rows, columns]`, 8-bit grey.
        description: what it shows, as text, for screen readers.
        width: on the page, in CSS.
    """
    st.html(picture_element(pixels, description, width=width))


def show_pictures(pictures: Iterable[tuple[NDArray[np.uint8], str]], *, width: str) -> None:
    """Show pictures side by side, each with its description, in as many rows as they need."""
    st.html(pictures_as_html(pictures, width=width))


def pictures_as_html(pictures: Iterable[tuple[NDArray[np.uint8], str]], *, width: str) -> str:
    """Pictures side by side as one element: each element of a page takes longer to draw than a small picture."""
    elements = "".join(picture_element(pixels, description, width=width) for pixels, description in pictures)
    return f'<div style="display: flex; flex-wrap: wrap; gap: 1rem">{elements}</div>'


def picture_element(pixels: NDArray[np.uint8], description: str, *, width: str) -> str:
    """The HTML of a picture that lies in the page itself: no copy of it is kept under an address of its own."""
    png = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(png, "PNG")
    source = base64.b64encode(png.getvalue()).decode()
    return f'<img src="data:image/png;base64,{source}" alt="{escape(description)}" style="width: {escape(width)}">'
