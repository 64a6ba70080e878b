"""The image viewer as a Streamlit component."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st
from numpy.typing import NDArray
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.imaging.modality import Modality
from dpmed_core.people.roles import Action
from widgets.browser_programs import LOADER, VIEWER
from widgets.cached import links_of, split_of
from widgets.lookup import installation, reported
from widgets.viewer.access import Images, InMemoryImages
from widgets.viewer.cohort_images import CohortImages
from widgets.viewer.routes import PIXEL_PATH, TOKEN_HEADER
from widgets.viewer.sessions import pixel_tokens


def show_case_image(
    cohort: Cohort,
    part: Part,
    link: str,
    *,
    around: Sequence[str] = (),
    caption: str = "",
    key: str = "viewer",
    on_step: Callable[[int], None] | None = None,
) -> None:
    """The image of a case, in the viewer.

    Args:
        cohort: the case's cohort.
        part: the part that the case is in; images of other parts cannot be fetched.
        link: names the case.
        around: links of cases whose images are fetched in advance.
        caption: describes the image to screen readers.
        key: of the viewer on the page.
        on_step: called with 1 or -1 when the reader asks for the next or the previous case.
    """
    installation().actor.require(Action.SEE_CASES, f"{cohort.name}, case {link}")
    images = CohortImages(cohort, links_of(cohort), split_of(cohort), part, installation())
    facts = _facts(cohort.images.shape[1:], str(cohort.images.dtype), cohort.modality, cohort.spacing_mm)
    _mount(images, {**facts, "link": link, "around": list(around), "caption": caption}, key, on_step)


def show_array(
    image: NDArray[Any], modality: Modality, *, link: str, key: str, spacing_mm: tuple[float, float, float] | None = None, caption: str = ""
) -> None:
    """An image that is only in memory, in the viewer; another one under the same key takes its place.

    Args:
        image: uint8 `[rows, columns]` or int16 `[slices, rows, columns]`, as a cohort stores it.
        modality: of the image.
        link: sixteen letters or digits that name the image and say nothing about the patient.
        key: of the viewer on the page.
        spacing_mm: between slices, rows and columns; None for a radiograph.
        caption: describes the image to screen readers.
    """
    facts = _facts(image.shape, str(image.dtype), modality, spacing_mm)
    _mount(InMemoryImages(f"memory-{key}", {link: image}), {**facts, "link": link, "around": [], "caption": caption}, key, None)


def _facts(shape: Sequence[int], dtype: str, modality: Modality, spacing_mm: Sequence[float] | None) -> dict[str, Any]:
    """What the viewer needs to read and draw an image; a radiograph is one slice of square pixels."""
    return {
        "shape": [*([1] if len(shape) == 2 else []), *map(int, shape)],
        "dtype": dtype,
        "modality": modality.value,
        "spacing": list(spacing_mm or (1.0, 1.0, 1.0)),
    }


def _mount(images: Images, data: dict[str, Any], key: str, on_step: Callable[[int], None] | None) -> None:
    """Show the component with its data, and a token for `images` that this session alone is given."""
    context = get_script_run_ctx()
    token = pixel_tokens().token(context.session_id if context else "", images)
    # As the program's, an address without a leading slash: it works behind a proxy under any path.
    reach = {"program": VIEWER.address, "pixels": PIXEL_PATH, "header": TOKEN_HEADER, "token": token}

    def stepped() -> None:
        by = reported(key, "step")  # comes from the browser: only its sign is used
        if by and on_step is not None:
            on_step(1 if by > 0 else -1)

    _component()(key=key, data={**data, **reach, "steps": on_step is not None}, on_step_change=stepped)


@st.cache_resource
def _component() -> Callable[..., object]:
    return st.components.v2.component("dpmed-viewer", html="<div></div>", js=LOADER)
