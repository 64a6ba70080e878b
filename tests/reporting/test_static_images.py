import struct
import time

import plotly.graph_objects as go
import psutil
import pytest

from dpmed_core.child_environment import KEPT
from dpmed_core.errors import ExportError
from dpmed_core.reporting.figures.style import LIGHT, lay_out, paper_column
from dpmed_core.reporting.static_images import PNG_SCALE, REPEATED_SHIFT, browser, picture


@pytest.fixture
def figure():
    drawn = go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))
    lay_out(drawn, "A title", ["ε = 1 at δ = 1e-05", "a second line"], paper_column("single"), plot_height=120)
    return drawn


@pytest.mark.browser
def test_pictures_have_the_width_of_a_papers_column_and_keep_their_words(figure):
    if browser() is None:
        pytest.skip("no Chrome or Chromium is installed")
    png, svg = (picture(figure, kind) for kind in ("png", "svg"))
    width, height = struct.unpack(">II", png[16:24])
    assert (png[:8], width) == (b"\x89PNG\r\n\x1a\n", round(89 / 25.4 * 96) * PNG_SCALE)
    assert height / width == pytest.approx(figure.layout.height / figure.layout.width, abs=0.01)
    assert svg.startswith(b"<svg") and "ε = 1 at δ = 1e-05".encode() in svg
    assert b"a second line" in svg and REPEATED_SHIFT.search(svg) is None


@pytest.mark.browser
def test_the_browser_gets_the_listed_variables_and_no_other(figure, monkeypatch, tmp_path):
    if (real := browser()) is None:
        pytest.skip("no Chrome or Chromium is installed")
    monkeypatch.setenv("DPMED_DATABASE_URL", "postgresql://dpmed:secret@db/dpmed")
    named = tmp_path / "chromium"
    named.write_text(f'#!/bin/sh\nenv > {tmp_path}/variables\nexec {real} "$@"\n')
    named.chmod(0o755)
    monkeypatch.setenv("BROWSER_PATH", str(named))
    assert picture(figure, "svg").startswith(b"<svg")
    given = {line.split("=")[0] for line in (tmp_path / "variables").read_text().splitlines()}
    assert given - {"PWD", "SHLVL", "_", "OLDPWD"} <= set(KEPT), "those of a shell are its own"


def test_without_a_browser_one_sentence_says_what_to_do(figure, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    assert browser() is None
    with pytest.raises(ExportError, match=r"Chrome or Chromium.*\*\.html.*camera") as raised:
        picture(figure, "pdf")
    assert "\n" not in str(raised.value)


def test_a_browser_that_cannot_draw_is_an_error_not_a_hang(figure, monkeypatch, tmp_path):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("BROWSER_PATH", str(broken))
    with pytest.raises(ExportError, match="chromium could not draw"):
        picture(figure, "png")


def test_a_browser_that_hangs_is_ended_and_said_to_have_hung(figure, monkeypatch, tmp_path):
    hung, pid = tmp_path / "chromium", tmp_path / "pid"
    hung.write_text(f"#!/bin/sh\necho $$ > {pid}\nexec sleep 600\n")
    hung.chmod(0o755)
    monkeypatch.setenv("BROWSER_PATH", str(hung))
    monkeypatch.setattr("dpmed_core.reporting.static_images.LONGEST_SECONDS", 1)
    monkeypatch.setattr("dpmed_core.reporting.static_images.STARTING_SECONDS", 4)
    with pytest.raises(ExportError, match=r"chromium could not draw the picture \(TimeoutError\)"):
        picture(figure, "png")
    if pid.exists():
        deadline = time.monotonic() + 10
        while psutil.pid_exists(int(pid.read_text())):
            assert time.monotonic() < deadline, "the browser goes on"
            time.sleep(0.05)


def test_a_figure_on_a_page_is_as_wide_as_the_page():
    drawn = go.Figure()
    lay_out(drawn, "t", [], LIGHT, plot_height=100)
    assert drawn.layout.width is None
