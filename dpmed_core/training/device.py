"""Where networks train: a CUDA device where there is one, else the CPU."""

import torch


def training_device() -> torch.device:
    """The device of this process, set to exact single precision.

    TF32 is switched off: a unit's norm may come from a Gram matrix and its sum from a convolution, and where these round differently the
    norm is not that of what is summed, so the bound would not hold.
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
