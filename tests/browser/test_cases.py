"""The page Cases in a real browser: the screen shows the stored values, and browsing an image needs no request to the server.

Then its other views, each once from start to end: an explanation, a reader study, an uploaded image.
"""

import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from dpmed_core.cohort.case_links import case_links
from dpmed_core.cohort.report import ImportReport
from dpmed_core.engine.training_task import work_on
from dpmed_core.imaging.image import read_image
from dpmed_core.imaging.modality import Modality
from dpmed_core.installation import Installation
from dpmed_core.reader_study.multi_reader.ratings import ratings_of
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.spec import PrivacyUnit
from tests.browser.waiting import settle

pytestmark = pytest.mark.browser
LONGEST = 120_000
"""Milliseconds that a loaded machine may take; nothing here measures speed."""
SENDING = """() => {
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (...all) { window.sent = true; send.apply(this, all); };
}"""
"""Notes whether anything is sent to the server."""
N_TEST = 10
PARTS = ["test"] * N_TEST + ["validation"] * 4 + ["train"] * 12
"""Of the radiographs; scans are test cases alone."""
SLICES, ROWS, COLUMNS = 12, 20, 24
TALL = {"width": 1440, "height": 1600}
PUT_STYLE = (
    "(canvas, css) => { const style = document.createElement('style'); style.textContent = css; canvas.getRootNode().append(style); }"
)
BARE = ".mark, .corner, .line { visibility: hidden; }"
"""Hides what is drawn over the picture, so that only the picture is compared."""


def radiographs() -> np.ndarray:
    """Test patterns of 64 x 64: every grey of 0 to 255 sixteen times, in another order in each; a bright mark at the upper left."""
    rng = np.random.default_rng(0)
    patterns = np.stack([rng.permutation(np.repeat(np.arange(256, dtype=np.uint8), 16)).reshape(64, 64) for _ in PARTS])
    patterns[:, :4, :4] = 255
    return patterns


def scans() -> np.ndarray:
    """Volumes whose slice k holds k Hounsfield units; bright on the patient's right, dark in front, brighter still at the head."""
    volume = np.broadcast_to(np.arange(SLICES, dtype=np.int16)[:, None, None], (SLICES, ROWS, COLUMNS)).copy()
    volume[:, 8:12, :4] = 1000
    volume[:, :3, 10:14] = -1000
    volume[-2:, 8:12, 10:14] = 2000
    return np.stack([volume, volume + 5, volume, volume])


@pytest.fixture(scope="module")
def served(own_dashboard):
    installation = Installation.open(own_dashboard.settings)
    for name, modality, images in (("patterns", Modality.RADIOGRAPH, radiographs()), ("scans", Modality.CT, scans())):
        n = len(images)
        cases = pd.DataFrame(
            {
                "case_id": [f"{i:016x}" for i in range(n)],
                "patient_id": [f"{i:016x}" for i in range(n)],
                "age": 50.0,
                "sex": "female",
                "split": PARTS[:n],
                "mass": [1.0, 0.0] * (n // 2),
            }
        )
        report = ImportReport(n, n, n, 0, 0)
        installation.cohorts.write(
            name, modality=modality, synthetic=True, findings=("mass",), comorbidities=(), cases=cases, images=images, report=report
        )
    patterns = installation.cohorts.load("patterns")
    for spec in plan_runs(patterns, key=installation.key, recipe="probe", epsilons=[8.0], n_seeds=1, delta=1e-5, unit=PrivacyUnit.PATIENT):
        work_on(own_dashboard.settings, installation.runs.ask(spec, cohort_name="patterns").run_id)
    own_dashboard.start()
    return own_dashboard


@pytest.fixture(autouse=True)
def no_other_host(served, page):
    """Whatever a test here does, the page contacts no host but its own."""
    asked = []

    def note(request):
        asked.append(request.url)

    page.on("request", note)
    yield
    page.remove_listener("request", note)
    assert asked and [url for url in asked if not url.startswith((served.url, "data:", "blob:"))] == []


def link(served, cohort: str, row: int) -> str:
    installation = Installation.open(served.settings)
    return case_links(installation.cohorts.load(cohort), installation.key).links[row]


def open_case(page, served, cohort: str, row: int) -> str:
    """Open the case and wait for its picture; its link."""
    named = link(served, cohort, row)
    page.goto(f"{served.url}/cases?cohort={cohort}&finding=mass&sort=none&case={named}")
    page.locator(f'.viewer[data-shown="{named}"]').wait_for(timeout=LONGEST)
    return named


def on_screen(page, plane: str) -> np.ndarray:
    """What the screen shows of a plane, as grey levels; every pixel must be grey."""
    page.set_viewport_size(TALL)
    canvas = page.locator(f'.pane[data-plane="{plane}"] canvas')
    canvas.evaluate(PUT_STYLE, BARE)
    page.mouse.move(0, 0)
    # A picture of the screen has the browser draw a frame. A script that waits for its next frame may wait for ever: a headless browser
    # need not draw one by itself, and no time limit holds for scripts.
    screens = [page.screenshot(), page.screenshot()]
    while screens[-1] != screens[-2]:
        screens.append(page.screenshot())
        assert len(screens) < 100, "the page does not come to rest"
    left, top, width, height = canvas.evaluate(
        "(c) => { const box = c.getBoundingClientRect(); return [Math.round(box.left), Math.round(box.top), c.width, c.height]; }"
    )
    shown = np.asarray(Image.open(io.BytesIO(screens[-1])).convert("RGB")).astype(int)
    colours = shown[top : top + height, left : left + width]
    assert (colours == colours[..., :1]).all()
    return colours[..., 0]


def expected(stored: np.ndarray, shape: tuple[int, int], grey) -> np.ndarray:
    """`stored` on a black ground of `shape`, as large as it fits without distortion, each value with its `grey`."""
    scale = min(shape[1] / stored.shape[1], shape[0] / stored.shape[0])
    places = []
    for axis in (0, 1):
        begin = (shape[axis] - stored.shape[axis] * scale) / 2
        places.append(np.floor((np.arange(shape[axis]) + 0.5 - begin) / scale).astype(int))
    inside = [(at >= 0) & (at < n) for at, n in zip(places, stored.shape, strict=True)]
    picture = np.zeros(shape, dtype=int)
    picture[np.ix_(*inside)] = grey(stored.astype(float))[np.ix_(places[0][inside[0]], places[1][inside[1]])]
    return picture


def window(level: float, width: float):
    """DICOM's linear window (PS3.3, C.11.2.1.2.1)."""
    return lambda x: np.round(np.clip(((x - (level - 0.5)) / (width - 1) + 0.5) * 255, 0, 255)).astype(int)


def press(page, name: str) -> None:
    page.locator(f'.viewer button[data-name="{name}"]').click()


def test_a_stored_pattern_has_its_true_grey_levels_on_the_screen(served, page):
    open_case(page, served, "patterns", 2)
    press(page, "smooth")
    stored = radiographs()[2]
    plain = on_screen(page, "radiograph")
    np.testing.assert_array_equal(plain, expected(stored, plain.shape, lambda x: x.astype(int)))
    press(page, "preset-1")
    np.testing.assert_array_equal(on_screen(page, "radiograph"), expected(stored, plain.shape, window(85, 150)))
    press(page, "inverted")
    np.testing.assert_array_equal(on_screen(page, "radiograph"), expected(stored, plain.shape, lambda x: 255 - window(85, 150)(x)))


def test_planes_show_hounsfield_units_and_sides_where_they_belong(served, page):
    open_case(page, served, "scans", 0)
    press(page, "smooth")
    press(page, "lines")
    stored = scans()[0]
    axial, coronal, sagittal = (on_screen(page, plane) for plane in ("axial", "coronal", "sagittal"))
    grey = window(40, 400)
    np.testing.assert_array_equal(axial, expected(stored[SLICES // 2], axial.shape, grey))
    np.testing.assert_array_equal(coronal, expected(stored[::-1, ROWS // 2], coronal.shape, grey))
    np.testing.assert_array_equal(sagittal, expected(stored[::-1, :, COLUMNS // 2], sagittal.shape, grey))
    bright = np.argwhere(axial == 255)
    assert bright[:, 1].max() < axial.shape[1] / 2, "what lies on the patient's right is on the reader's left"
    assert np.argwhere(coronal == 255)[:, 0].min() < coronal.shape[0] / 2, "the head is up"
    for plane, marks in (("axial", "RLAP"), ("coronal", "RLSI"), ("sagittal", "APSI")):
        assert "".join(page.locator(f'.pane[data-plane="{plane}"] .mark').all_text_contents()) == marks


def test_slices_windows_and_values_need_no_request_to_the_server(served, page):
    open_case(page, served, "scans", 0)
    page.set_viewport_size(TALL)
    settle(page)
    page.wait_for_load_state("networkidle")
    asked, sent = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: sent.append(socket.url))
    page.evaluate(SENDING)
    canvas = page.locator('.pane[data-plane="axial"] canvas')
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.7)
    for _ in range(SLICES):
        page.mouse.wheel(0, -100)
    for at in range(SLICES - 1, -1, -1):
        expect(page.locator('.pane[data-plane="axial"] .above')).to_have_text(f"Axial {at + 1} of {SLICES}")
        page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.7 + at % 2)
        expect(page.locator(".viewer .value")).to_contain_text(f"{at} HU")
        page.keyboard.press("ArrowDown")
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7 + 60, box["y"] + box["height"] * 0.7 + 30, steps=5)
    page.mouse.up()
    expect(page.locator('.pane[data-plane="axial"] .below')).not_to_contain_text("W 400")
    page.keyboard.press("4")
    expect(page.locator('.pane[data-plane="axial"] .below')).to_contain_text("W 250  L 50")
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.5)
    expect(page.locator('.pane[data-plane="sagittal"] .below')).not_to_contain_text(f"Sagittal {COLUMNS // 2 + 1}")
    assert asked == [] and sent == [] and not page.evaluate("window.sent")


def test_keys_step_through_the_list_and_the_window_stays(served, page):
    first = open_case(page, served, "patterns", 1)
    fetched = []
    page.on("request", lambda request: fetched.append(request) if "/api/pixels/" in request.url else None)
    press(page, "preset-2")
    page.keyboard.press("n")
    following = link(served, "patterns", 2)
    page.locator(f'.viewer[data-shown="{following}"]').wait_for(timeout=LONGEST)
    expect(page.get_by_text(f"Case 3 of {N_TEST}")).to_be_visible()
    page.wait_for_url(re.compile(f"case={following}(&|$)"))
    assert "sort=none" in page.url
    press(page, "smooth")
    shown = on_screen(page, "radiograph")
    np.testing.assert_array_equal(shown, expected(radiographs()[2], shown.shape, window(185, 140)))
    page.keyboard.press("p")
    page.locator(f'.viewer[data-shown="{first}"]').wait_for(timeout=LONGEST)
    assert fetched
    for request in fetched:
        assert request.url.rsplit("/", 1)[0] == f"{served.url}/api/pixels" and "?" not in request.url


def test_a_row_of_the_list_is_picked_by_a_click_or_by_keys(served, page):
    page.set_viewport_size({"width": 1440, "height": 2000})
    open_case(page, served, "patterns", row=0)
    rows = page.locator(".dpmed-cases tbody tr")
    expect(rows).to_have_count(N_TEST)
    links = [row.get_attribute("data-link") for row in rows.all()]
    shown = page.locator('.dpmed-cases tr[aria-current="true"]')
    expect(shown).to_have_count(1)
    to = next(i for i, name in enumerate(links) if name != shown.get_attribute("data-link"))
    rows.nth(to).get_by_role("cell").first.click()
    expect(page).to_have_url(re.compile(f"case={links[to]}"))
    expect(page.get_by_text(f"Case {to + 1} of {N_TEST}", exact=True)).to_be_visible()
    settle(page)
    key, after = ("ArrowDown", to + 1) if to + 1 < N_TEST else ("ArrowUp", to - 1)
    shown.get_by_role("button").focus()
    page.keyboard.press(key)
    expect(page).to_have_url(re.compile(f"case={links[to]}"))  # a row that is only reached is not picked
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"case={links[after]}"))
    expect(rows.nth(after)).to_have_attribute("aria-current", "true")
    assert page.locator(".dpmed-cases").get_by_role("button").evaluate_all("all => all.filter(one => one.tabIndex === 0).length") == 1
    assert rows.nth(after).get_by_role("button").evaluate("button => button === button.getRootNode().activeElement")


def test_the_log_names_no_case(served, page):
    named = open_case(page, served, "patterns", 3)
    log = (served.settings.data_dir / "server.log").read_text()
    assert named not in log and "Traceback" not in log


def wrapped(sentence: str) -> re.Pattern[str]:
    """Finds the sentence in a figure, which may break it into lines anywhere between words."""
    return re.compile(r"\s*".join(map(re.escape, sentence.split())))


def test_an_explanation_is_drawn_for_both_models_and_for_an_untrained_one(served, page):
    open_case(page, served, "patterns", 0)
    page.get_by_role("button", name="Explain: Mass").click()
    expect(page.get_by_text("Explanation maps can mislead")).to_be_visible(timeout=LONGEST)
    figure = page.locator(".js-plotly-plot", has_text="Occlusion: Mass")
    expect(figure.locator(".annotation-text")).to_contain_text(
        [re.compile(r"ε = 8: score [01]\.\d\d"), "Without privacy: score", "Random weights"]
    )
    expect(figure).to_contain_text(wrapped("δ = 1e-05 for each patient (analytic-gaussian accountant"))
    expect(page.get_by_role("button", name="Explain: Mass")).to_have_count(0)


def test_a_reading_of_the_reader_study_is_completed_over_a_reload(served, page):
    page.goto(f"{served.url}/cases?cohort=patterns&finding=mass&mode=reader-study")
    page.get_by_role("textbox", name="Your name or a pseudonym").fill("Blue")
    page.get_by_role("combobox", name="Cases").click()
    page.get_by_role("option", name="20: a study").click()
    page.get_by_role("button", name="Start or continue").click()
    for place in range(N_TEST):
        expect(page.get_by_text(f"{place} of {N_TEST} cases answered")).to_be_visible(timeout=LONGEST)
        expect(page.get_by_role("region", name=f"Case {place + 1} of {N_TEST}")).to_be_visible(timeout=LONGEST)
        assert not re.search(r"Truth|label says|score|ε", page.get_by_test_id("stMain").inner_text())
        if place == 2:
            page.reload()
        record = page.get_by_role("button", name=f"Record answer {place + 1} of {N_TEST}")
        asked = page.get_by_test_id("stForm").filter(has=record)
        said = asked.get_by_text(["Present", "Absent"][place % 2], exact=True)
        expect(said).to_have_count(1, timeout=LONGEST)  # parts of the last answer's form may stay a moment
        said.click()
        asked.get_by_text("Moderate", exact=True).click()
        record.click()
    expect(page.get_by_text("You and one model of each kind on the cases you read")).to_be_visible(timeout=LONGEST)
    expect(page.locator(".js-plotly-plot")).to_contain_text(
        wrapped(f"{N_TEST} test patients, one image each, {N_TEST // 2} with the finding")
    )
    expect(page.locator(".js-plotly-plot")).to_contain_text(wrapped("ε = 8 at δ = 1e-05 for each patient"))
    with page.expect_download() as saved:
        page.get_by_role("button", name="Answers (CSV)").click()
    assert len(pd.read_csv(saved.value.path())) == N_TEST


def test_an_uploaded_image_is_shown_scored_and_removed(served, page, tmp_path):
    radiograph = tmp_path / "PLANTEDNAME-19500101.png"
    Image.fromarray(np.random.default_rng(8).integers(0, 256, (128, 128), dtype=np.uint8)).save(radiograph)
    page.goto(f"{served.url}/cases?cohort=patterns&finding=mass&mode=upload")
    page.locator("input[type=file]").set_input_files(radiograph)
    expect(page.get_by_role("button", name="Remove this case")).to_be_visible(timeout=LONGEST)
    expect(page.get_by_role("table")).to_contain_text(re.compile(r"Mass.*Unknown.*0\.\d{3}.*0\.\d{3}"), timeout=LONGEST)
    expect(page.locator(".viewer")).to_have_count(1, timeout=LONGEST)  # the viewer shown while waiting may stay a moment
    press(page, "smooth")
    shown = on_screen(page, "radiograph")
    np.testing.assert_array_equal(
        shown, expected(read_image(radiograph, side=radiographs().shape[-1]).pixels, shown.shape, lambda x: x.astype(int))
    )
    expect(page.get_by_text(f"too few held-out cases ({N_TEST + PARTS.count('validation')})")).to_be_visible()
    page.get_by_role("button", name="Remove this case").click()
    expect(page.get_by_text("One radiograph as DICOM, PNG or JPEG")).to_be_visible()
    data_dir = served.settings.data_dir
    kept = [path for folder in (served.settings.inference_dir, served.settings.uploaded_cases_dir) for path in folder.iterdir()]
    assert (
        kept == [] and b"PLANTEDNAME" not in b"".join(path.read_bytes() for path in data_dir.rglob("*.log")) and "PLANTED" not in page.url
    )


def read_by(page, reader: str, session: int) -> None:
    """Begin the reader's session and answer every case in it; the browser is left once, and whoever comes back goes on."""
    begin = page.get_by_role("button", name=f"Begin session {session}")
    begin.click()
    # What the study is about stands beside the button, and both stay until the page is drawn to its end.
    expect(begin).to_have_count(0, timeout=LONGEST)
    for place in range(1, N_TEST + 1):
        record = page.get_by_role("button", name=f"Record answer {place} of {N_TEST}")
        asked = page.get_by_test_id("stForm").filter(has=record)
        expect(page.get_by_text(f"{place - 1} of {N_TEST} cases answered")).to_be_visible(timeout=LONGEST)
        expect(page.get_by_role("region", name=f"Case {place} of {N_TEST}")).to_be_visible(timeout=LONGEST)
        shown = page.get_by_test_id("stMain").inner_text()
        assert not re.search(r"Truth|label says|rivate|ithout privacy|ε", shown)
        said = asked.get_by_text(["Present", "Absent"][(place + len(reader)) % 2], exact=True)
        expect(said).to_have_count(1, timeout=LONGEST)
        said.click()
        asked.get_by_text("Moderate", exact=True).click()
        record.click()
        if place == 4:
            expect(page.get_by_text(f"4 of {N_TEST} cases answered")).to_be_visible(timeout=LONGEST)
            page.reload()
            join(page, reader)
    # Whoever leaves the page before the last answer has arrived has not given it.
    expect(page.get_by_text(f"{N_TEST - 1} of {N_TEST} cases answered")).to_have_count(0, timeout=LONGEST)


def join(page, reader: str) -> None:
    page.get_by_role("combobox", name="Who are you?").click()
    page.get_by_role("option", name=reader, exact=True).click()
    settle(page)
    page.get_by_role("button", name="Join", exact=True).click()


def test_a_study_of_two_readers_and_arms_is_planned_read_over_reloads_and_compared(served, page):
    page.goto(f"{served.url}/cases?cohort=patterns&finding=mass&mode=readers&epsilon=8")
    page.get_by_role("textbox", name="Title").fill("Patterns")
    page.get_by_role("textbox", name="Readers, one a line").fill("Ada\nBoris")
    page.get_by_role("textbox", name="Planned by").fill("Dr Blue")
    page.get_by_test_id("stNumberInputField").fill("0")
    page.get_by_role("button", name="Delete Model without privacy").or_(page.get_by_label("Remove Model without privacy")).first.click()
    page.get_by_role("button", name="Plan the study").click()
    expect(page.get_by_text("2 readers, 10 test patients")).to_be_visible(timeout=LONGEST)
    settle(page)
    address = page.url
    for reader in ("Ada", "Boris"):
        page.goto(address)
        join(page, reader)
        read_by(page, reader, 1)
        read_by(page, reader, 2)
    expect(page.get_by_role("button", name="Ratings for iMRMC")).to_be_visible(timeout=LONGEST)
    expect(page.locator(".js-plotly-plot")).to_contain_text(wrapped("2 readers, 10 test patients, 5 with the finding"))
    with page.expect_download() as saved:
        page.get_by_role("button", name="Ratings (CSV)").click()
    table = pd.read_csv(saved.value.path())
    assert len(table) == 2 * 2 * N_TEST and not table.duplicated(["reader", "case", "arm"]).any()
    assert ratings_of(table).readers == ("Ada", "Boris")  # as `readers compare` takes it
    with page.expect_download() as saved:
        page.get_by_role("button", name="Ratings for iMRMC").click()
    assert "NR: 2" in saved.value.path().read_text().splitlines()
    [study] = Installation.open(served.settings).arm_studies.of(Installation.open(served.settings).cohorts.fingerprint("patterns"))
    assert set(table["arm"]) == set(study.arms) == {"private", "unaided"}
