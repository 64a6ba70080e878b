"""Some of the units of a head's training data, without computing anything of them again: for many trainings on parts of the same data."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dpmed_core.training.recipes.linear_head import HeadData


def subset(data: HeadData, chosen: NDArray[np.bool_]) -> HeadData:
    """The data of the units that are `chosen` `[n_units]`, in their order; exactly what `head_data` makes of them alone.

    >>> from dpmed_core.training.recipes.linear_head import head_data
    >>> two = head_data(np.eye(3), np.eye(3), [np.array([0, 1]), np.array([2])])
    >>> subset(two, np.array([False, True])).features.tolist()
    [[0.0, 0.0, 1.0]]
    """
    kept = chosen[data.unit_of_image]
    image, unit = np.cumsum(kept) - 1, np.cumsum(chosen) - 1  # the new number of each image and unit that is kept
    first, second = data.pairs
    pairs = kept[first]  # a pair's images are of one unit, so that both are kept or neither
    large = [(u, images) for u, images in data.large_units if chosen[u]]
    return replace(
        data,
        features=data.features[kept],
        labels=data.labels[kept],
        weights=data.weights[kept],
        unit_of_image=unit[data.unit_of_image[kept]],
        first_images=image[data.first_images[chosen]],
        pairs=(image[first[pairs]], image[second[pairs]]),
        products=data.products[pairs],
        own=None if data.own is None else data.own[kept],
        large_units=tuple((int(unit[u]), slice(int(image[i.start]), int(image[i.stop - 1]) + 1)) for u, i in large),
    )
