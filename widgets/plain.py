"""Foreign text as text: what somebody typed must not become a link, an image or a formula on a page."""

import re


def plain(text: str) -> str:
    r"""`text` in one line, with the characters escaped that Markdown, as Streamlit reads it, would act upon.

    >>> plain("see ![x](http://host/x.png)\n# now")
    'see !\\[x\\](http://host/x.png) \\# now'
    """
    return re.sub(r"([\\`*_\[\]<>$~#|])", r"\\\1", " ".join(text.split()))
