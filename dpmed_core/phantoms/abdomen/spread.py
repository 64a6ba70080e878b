"""What the encoder's phantoms never show: metastases in the liver, ascites, and organs of another texture; of the variant "advanced"."""

import numpy as np
import pandas as pd

from dpmed_core.phantoms.abdomen.build import BodyMeasures, ScanParameters
from dpmed_core.phantoms.abdomen.canvas import Canvas, Shape, smooth_field
from dpmed_core.phantoms.abdomen.trunk import WHOLE, Cavity

ASCITES_FLUID = 8.0
LIVER = ((-95.0, -30.0), (-40.0, 45.0), (20.0, 85.0))
"""Where metastases lie: ranges of x, y and z, mm, within the right lobe."""
METASTASIS_MM, METASTASIS_DARKER = (6.0, 14.0), (35.0, 70.0)
"""Radius, and Hounsfield units below the liver."""
TEXTURE_NODES, LARGEST_TEXTURE = (32, 48, 48), 12.0
"""Control points of the organs' texture, which is finer than any of the encoder's phantoms, and its largest standard deviation, HU."""
SOFT_TISSUE = (20.0, 160.0)
FAT = (-140.0, -40.0)


def paint_spread(
    canvas: Canvas, case: pd.Series, body: BodyMeasures, cavity: Cavity, scan: ScanParameters, of_patient: np.random.Generator
) -> None:
    """Paint the texture of all organs, then metastases, then ascites.

    Args:
        canvas: with all else painted.
        case: a row of `population.draw_scans` of the variant "advanced".
        body: the patient's measures.
        cavity: the abdomen.
        scan: the scan's parameters.
        of_patient: the patient's, so that all scans of a patient show the same lesions.
    """
    _paint_texture(canvas, of_patient)
    hu = scan.enhancement.liver - body.liver_fat
    for _ in range(int(case["metastases"])):
        x, y, z = (float(of_patient.uniform(*reach)) for reach in LIVER)
        radius, darker = float(of_patient.uniform(*METASTASIS_MM)), float(of_patient.uniform(*METASTASIS_DARKER))
        lesion = canvas.ellipsoid((x, y, z - scan.breath), (radius, radius, radius), rough=0.15 * radius)
        canvas.paint(lesion.cut(cavity.abdomen - 4), hu - darker, edge=6)
    if case["ascites_mm"]:
        _paint_ascites(canvas, float(case["ascites_mm"]), cavity)


def _paint_texture(canvas: Canvas, of_patient: np.random.Generator) -> None:
    """Add a fine texture to all soft tissue, more of it in some patients than in others."""
    strength = np.float32(of_patient.uniform(0, LARGEST_TEXTURE))
    texture = smooth_field(of_patient, TEXTURE_NODES)
    soft = (canvas.hu > SOFT_TISSUE[0]) & (canvas.hu < SOFT_TISSUE[1])
    canvas.hu[soft] += strength * texture[soft]


def _paint_ascites(canvas: Canvas, thickness: float, cavity: Cavity) -> None:
    """Fill the fat along the wall of the cavity with fluid, the thicker the further back: the patient lies supine."""
    layer = np.float32(thickness) * np.clip(np.float32(0.5) + cavity.backward, 0, np.float32(1.3)) - cavity.depth
    depth = np.minimum(np.minimum(cavity.depth, layer), cavity.below_diaphragm)
    fat = np.clip((FAT[1] - canvas.hu) / 40, 0, 1) * (canvas.hu > FAT[0])
    canvas.paint(Shape(WHOLE, depth.astype(np.float32)), ASCITES_FLUID, strength=fat.astype(np.float32))
