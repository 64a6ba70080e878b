"""Texts that people copy."""

from widgets.copied_text import copied_text_as_html


def test_a_text_is_shown_as_it_is_line_by_line():
    assert "<code>a &lt;b&gt; &amp; c\n  d</code>" in copied_text_as_html("a <b> & c\n  d", "Rows")
    assert 'aria-label="&quot;&gt;"' in copied_text_as_html("", '">')


def test_nothing_in_it_is_unseen():
    assert "\u202e" not in copied_text_as_html("python \u202e-m", "Command")
