"""An import of 1,500 images from a folder of the machine: found by clicking, nothing typed but the cohort's name; the sidebar follows."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from dpmed_core.cohort.intake.importer import import_manifest
from dpmed_core.installation import Installation
from tests.browser.waiting import settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONGEST = 120_000
"""Milliseconds that a loaded machine may take; nothing here measures speed."""
N_IMAGES = 1500


def write_ward(folder: Path, n_images: int) -> Path:
    """A folder with `n_images` images, every tenth of them of 12 bits, in a folder of their own, and their table; its path."""
    (folder / "images").mkdir(parents=True)
    lines = ["File,Patient ID,Age,Gender,Effusion"]
    for i in range(n_images):
        rng = np.random.default_rng(i)
        pixels = rng.integers(0, 4096, (32, 32), dtype=np.uint16) if i % 10 == 0 else rng.integers(0, 256, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{i:04d}.png")
        lines.append(f"images\\{i:04d}.png,P{i // 2},{20 + i % 60},{'FM'[i // 2 % 2]},{i % 2}")
    table = folder / "list.csv"
    table.write_text("\n".join(lines))
    return table


def test_a_folder_of_1500_images_is_imported_by_clicking_and_the_sidebar_follows(dashboard, page, tmp_path):
    root = tmp_path / "disk"
    write_ward(root / "archive" / "ward 7", N_IMAGES)
    settings = dashboard.settings.model_copy(update={"demo": False, "import_dir": root})
    dashboard.settings = settings
    (tmp_path / "earlier").mkdir()
    small = write_ward(tmp_path / "earlier" / "w", 12)
    small.write_text(small.read_text().replace("File,Patient ID", "image,patient_id").replace("Gender", "sex").replace("Effusion", "mass"))
    import_manifest(Installation.open(settings).cohorts, "a-first-one", manifest=small, images_dir=None, findings=("mass",))
    dashboard.start()
    page.goto(f"{dashboard.url}/import")
    chosen = page.get_by_test_id("stSidebar").get_by_role("combobox", name=re.compile("Cohort"))
    expect(chosen).to_have_value("a-first-one", timeout=LONGEST)
    for name in ("archive", "ward 7"):
        settle(page)
        page.get_by_role("combobox", name="Open a folder").click()
        page.get_by_role("option", name=name).click()
        expect(page.get_by_text("/ archive" + (" / ward 7" if name == "ward 7" else ""))).to_be_visible(timeout=LONGEST)
    expect(page.get_by_text("1 table: list.csv here")).to_be_visible(timeout=LONGEST)
    shoot(page, "folder")
    settle(page)
    page.get_by_role("button", name="Use this folder").click()
    expect(page.get_by_text("1,500 rows.")).to_be_visible(timeout=LONGEST)
    settle(page)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("1,500 of 1,500 rows")).to_be_visible(timeout=LONGEST)
    expect(page.get_by_text("What will be read")).to_be_visible(timeout=LONGEST)
    page.wait_for_timeout(3000 if os.environ.get("DPMED_SCREENSHOTS") else 0)
    shoot(page, "preview")
    settle(page)
    page.get_by_label("Name of the new cohort").fill("ward-7")
    settle(page)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("is imported: 1,500 images of 750 patients")).to_be_visible(timeout=LONGEST)
    # The cohort just imported is chosen in the sidebar, in the address, and on the next page.
    expect(chosen).to_have_value("ward-7", timeout=LONGEST)
    shoot(page, "finished")
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="What privacy costs, and whom")).to_be_visible(timeout=LONGEST)
    expect(chosen).to_have_value("ward-7", timeout=LONGEST)
    assert len(Installation.open(settings).cohorts.load("ward-7").cases) == N_IMAGES


def shoot(page, name: str) -> None:
    """A picture of the page, where DPMED_SCREENSHOTS names a folder."""
    if folder := os.environ.get("DPMED_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"import-{name}.png", full_page=True)
