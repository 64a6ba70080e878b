"""A patient's body measures and a scan's parameters, from which the anatomy is drawn.

The means, spreads and ranges are plausible adult values chosen for the demo, not estimates from data.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dpmed_core.phantoms.abdomen.canvas import PatientPosition
from dpmed_core.phantoms.abdomen.population import Variant


@dataclass(frozen=True)
class BodyMeasures:
    """The measures of one patient; lengths in mm. The volume encoder's pretraining reads some of them by name.

    Attributes:
        half_width: of the abdominal cavity.
        front: distance of the anterior abdominal wall from the anatomical origin.
        skin_fat: thickness of the subcutaneous fat.
        muscle: thickness of the muscular wall.
        bone: Hounsfield units of cancellous bone.
        liver: scale of the liver.
        liver_fat: Hounsfield units that fat takes from the liver.
        spleen: scale of the spleen.
        kidneys: scale of the kidneys.
        aorta: radius of the aorta.
        calcified: how much of the aortic wall is calcified, 0 to 1.
        pancreas: scale of the thickness of the pancreas.
        bend: how far the pancreatic tail rises and the body of the pancreas arches forward.
        gallbladder: scale; 0 after cholecystectomy.
    """

    half_width: float
    front: float
    skin_fat: float
    muscle: float
    bone: float
    liver: float
    liver_fat: float
    spleen: float
    kidneys: float
    aorta: float
    calcified: float
    pancreas: float
    bend: tuple[float, float]
    gallbladder: float


@dataclass(frozen=True)
class Enhancement:
    """Hounsfield units of the enhancing tissues in one scan."""

    artery: float
    portal_vein: float
    cava: float
    liver: float
    spleen: float
    cortex: float
    medulla: float
    pancreas: float
    bowel_wall: float
    muscle: float

    @classmethod
    def at(cls, portal: float, dose: float) -> "Enhancement":
        """The enhancement between the pancreatic phase (`portal` 0) and the portal venous phase (1).

        Args:
            portal: phase of the scan, 0 to 1.
            dose: scale of the enhancement, 1 = usual; smaller in large bodies, which dilute the contrast medium.
        """

        def mixed(early: float, late: float, plain: float = 40.0) -> float:
            # Linear between the phases; the dose scales what is added to the unenhanced value.
            return plain + dose * ((1 - portal) * early + portal * late - plain)

        return cls(
            artery=mixed(290, 155),
            portal_vein=mixed(140, 175),
            cava=mixed(80, 145),
            liver=mixed(78, 112, 55),
            spleen=mixed(135, 122),
            cortex=mixed(190, 185),
            medulla=mixed(90, 160),
            pancreas=mixed(112, 92),
            bowel_wall=mixed(95, 85),
            muscle=mixed(62, 66, 52),
        )


@dataclass(frozen=True)
class ScanParameters:
    """What differs between the scans of a patient.

    Attributes:
        position: of the patient in the field of view.
        breath: displacement of the upper organs below full expiration, mm.
        enhancement: by contrast medium.
        noise: standard deviation of a voxel's noise, Hounsfield units.
        filling: scale of the stomach.
        fluid: Hounsfield units of the content of stomach and bowel.
        gas: amount of gas in the bowel, 1 = usual.
    """

    position: PatientPosition
    breath: float
    enhancement: Enhancement
    noise: float
    filling: float
    fluid: float
    gas: float


def draw_body_measures(case: pd.Series, variant: Variant, generator: np.random.Generator) -> BodyMeasures:
    """The body measures of a case's patient; those of the encoder's patients vary more."""
    # Every draw consumes random numbers: their order is part of what makes the demo reproducible.
    wide = 1.4 if variant == "encoder" else 1.0
    age, female, obese = float(case["age"]), case["sex"] == "F", float(case["obesity"])

    def around(mean: float, spread: float, low: float, high: float) -> float:
        return float(np.clip(generator.normal(mean, spread * wide), low, high))

    # Visceral fat widens the cavity and moves the anterior wall forward.
    visceral = around(0.35 + 0.45 * obese + 0.15 * (not female) + 0.003 * (age - 60), 0.18, 0.0, 1.2)
    return BodyMeasures(
        half_width=around(116 + 14 * visceral, 4, 105, 140),
        front=around(64 + 42 * visceral, 6, 52, 118),
        skin_fat=around(13 + 15 * obese + 5 * female, 5, 4, 38),
        muscle=around(11 - 1.5 * female - 0.03 * (age - 60), 1.5, 6, 15),
        bone=around(185 - 1.9 * (age - 55), 30, 60, 290),
        liver=around(1.0 + 0.05 * obese, 0.06, 0.8, 1.2),
        liver_fat=around(8 + 26 * obese + 8 * case["diabetes"], 14, 0, 75),
        spleen=around(1.0, 0.12, 0.65, 1.45),
        kidneys=around(1.0 - 0.002 * (age - 60), 0.08, 0.75, 1.2),
        aorta=around(9.0 + 0.06 * (age - 50) - 0.8 * female, 1.0, 7, 17),
        calcified=around(0.015 * (age - 50) + 0.1 * case["diabetes"], 0.2, 0, 0.8),
        pancreas=around(1.0, 0.09, 0.75, 1.25),
        bend=(around(0, 12, -28, 30), around(0, 4, -9, 9)),
        gallbladder=0.0 if generator.random() < 0.12 else around(1.0, 0.2, 0.55, 1.6),
    )


def draw_scan_parameters(case: pd.Series, body: BodyMeasures, variant: Variant, generator: np.random.Generator) -> ScanParameters:
    """The parameters of a scan of a patient with these body measures; those of the encoder's scans vary more."""
    wide = 1.5 if variant == "encoder" else 1.0
    size = float(np.clip(generator.normal(1.0 - 0.055 * (case["sex"] == "F"), 0.03), 0.86, 1.1))
    middle = (105 + body.skin_fat / 2 - body.front) / 2
    shift = (generator.normal(0, 6 * wide), generator.normal(0, 6 * wide) - middle, generator.normal(-4, 9 * wide))
    # Noise grows and contrast medium dilutes with the girth, relative to a usual 220 mm.
    girth = (body.half_width + body.front + 2 * body.skin_fat) / 220
    dose = float(np.clip(generator.normal(1.0 / girth**0.5, 0.08 * wide), 0.6, 1.3))
    return ScanParameters(
        position=PatientPosition((size, size * generator.uniform(0.97, 1.03), size * generator.uniform(0.97, 1.03)), shift, warp=4.0),
        breath=float(generator.uniform(-4, 14)),
        enhancement=Enhancement.at(float(case["portal"]), dose),
        noise=float(generator.uniform(7, 13 + 5 * (wide - 1)) * girth),
        filling=float(generator.uniform(0.6, 1.05)),
        fluid=float(generator.uniform(5, 40) + 180 * (generator.random() < 0.08)),
        gas=float(generator.uniform(0.4, 1.4)),
    )
