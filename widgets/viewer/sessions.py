"""The tokens of this server, and which sessions run on it."""

from functools import lru_cache

from streamlit.runtime import Runtime

from widgets.viewer.access import PixelGrants


@lru_cache(maxsize=1)
def pixel_grants() -> PixelGrants:
    """The tokens of this server."""
    return PixelGrants(is_active=is_active)


def is_active(session_id: str) -> bool:
    """Whether a page is open in the session."""
    return Runtime.exists() and Runtime.instance().is_active_session(session_id)
