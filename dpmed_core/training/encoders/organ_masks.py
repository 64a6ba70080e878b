"""What the networks of the public encoder for CT mark, what they tell of the marked places, and what is seen through the marks."""

import torch
from torch import Tensor

MARKS = ("pancreas", "tumour", "duct")
"""What a network marks."""
DISEASE = ("tumour", "radius_mm", "duct_mm", "atrophy", "cyst_mm", "inflammation_mm", "chronic_pancreatitis")
"""What it tells from the marked places; the first as log-odds."""
RARE_AT_FIRST = -4.0
"""Log-odds of every mark before training."""
FOCUS = 2.0
"""How sharply the place most like a tumour is looked at."""


def through_marks(seen: Tensor, marks: Tensor) -> Tensor:
    """Means of `seen` over the gland and at the place most like a tumour, and how strong and how large each mark is, `[n, n_raw]`."""
    flat, logits = seen.flatten(2), marks.flatten(2)
    likely = torch.sigmoid(logits)
    gland = likely[:, 0] / (likely[:, 0].sum(dim=1, keepdim=True) + 1e-3)
    place = torch.softmax(FOCUS * logits[:, 1], dim=1)
    means = [torch.einsum("ncv,nv->nc", flat, weights) for weights in (gland, place)]
    return torch.cat([*means, logits.amax(dim=2), torch.log1p(likely.sum(dim=2))], dim=1)
