"""Where networks train: a CUDA device where there is one, else the CPU."""

import torch


def training_device() -> torch.device:
    """The device of this process: CUDA where there is one, else the CPU; TF32 is switched off in either case.

    A unit's norm may come from a Gram matrix and its share of the sum from a convolution. TF32 rounds both at about 1e-3: the norm would
    not be that of what is summed, and the clipping bound would not hold.
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
