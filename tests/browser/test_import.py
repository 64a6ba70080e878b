"""An import in a real browser: upload, columns, preview, import, report."""

import re
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from dpmed_core.installation import Installation
from tests.browser.waiting import settle

pytestmark = [pytest.mark.browser]
LONGEST = 120_000
"""Milliseconds that a loaded machine may take; nothing here measures speed."""
N_IMAGES = 30


@pytest.fixture
def archive(tmp_path):
    """Thirty pictures and a table that calls its columns its own way."""
    path = tmp_path / "ward.zip"
    lines = ["File,Patient ID,Years,Gender,Effusion"]
    with zipfile.ZipFile(path, "w") as packed:
        for i in range(N_IMAGES):
            picture = tmp_path / f"{i}.png"
            Image.fromarray(np.random.default_rng(i).integers(0, 256, (40, 40), dtype=np.uint8)).save(picture)
            packed.write(picture, f"images/{i}.png")
            lines.append(f"images/{i}.png,P{i // 2},{40 + i // 2},{'FM'[i // 2 % 2]},{i % 2}")
        packed.writestr("list.csv", "\n".join(lines))
    return path


def test_a_hostile_archive_is_refused_and_a_good_one_becomes_a_cohort_though_the_browser_is_closed(dashboard, page, archive, tmp_path):
    dashboard.settings = dashboard.settings.model_copy(update={"demo": False})
    dashboard.start()
    page.goto(f"{dashboard.url}/import")
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as packed:
        packed.writestr("../../x.png", b"1")
    page.locator("input[type=file]").set_input_files(tmp_path / "bad.zip")
    settle(page)
    page.get_by_role("button", name="Use this archive").click()
    expect(page.get_by_text("leads out of it")).to_be_visible(timeout=LONGEST)
    settle(page)
    page.get_by_role("button", name="Start over").click()

    page.locator("input[type=file]").set_input_files(archive)
    settle(page)
    page.get_by_role("button", name="Use this archive").click()
    expect(page.get_by_text("What do the table's columns mean?")).to_be_visible(timeout=LONGEST)
    expect(page.get_by_text("30 rows.")).to_be_visible(timeout=LONGEST)
    age = page.get_by_role("combobox", name=re.compile("Age"))
    settle(page)
    age.click()
    page.get_by_role("option", name="Years").click()
    settle(page)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("What would be imported")).to_be_visible(timeout=LONGEST)
    expect(page.get_by_text("30 of 30 rows")).to_be_visible(timeout=LONGEST)
    expect(page.locator('img[alt^="Preview: "]')).to_have_count(24, timeout=LONGEST)
    page.get_by_label("Name of the new cohort").fill("ward")
    settle(page)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text(re.compile("You may close this page|is imported"))).to_be_visible(timeout=LONGEST)
    settle(page)
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    expect(page.get_by_text("is imported")).to_be_visible(timeout=LONGEST)
    cohort = Installation.open(dashboard.settings).cohorts.load("ward")
    assert len(cohort.cases) == N_IMAGES and cohort.cases["age"].notna().all()
    assert "ward.zip" not in address and "list.csv" not in address
    left = [path.name for path in dashboard.settings.imports_dir.rglob("*") if path.is_file()]
    assert sorted(left) == ["job.lock", "plan.json", "state.json"]
    page.get_by_role("link", name="Train models on this cohort").click()
    expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible(timeout=LONGEST)
    expect(page.get_by_text("Plan:", exact=True)).to_be_visible(timeout=LONGEST)
