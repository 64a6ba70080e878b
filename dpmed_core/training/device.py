"""Where networks train: a CUDA device where there is one, else the CPU."""

import torch


def training_device() -> torch.device:
    """The device of this process: CUDA where there is one, else the CPU; products of float32 are rounded in float32 alone on either.

    A unit's norm may come from a Gram matrix and its share of the sum from a convolution. TF32 rounds both at about 1e-3: the norm would
    not be that of what is summed, and the clipping bound would not hold. Of cuDNN's algorithms those are used that give the same bits
    each time.
    """
    exact_products()
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def exact_products() -> None:
    """Switch TF32 and bfloat16 off inside products of float32, however they were switched on."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    # What these two leave undecided would follow `torch.backends.fp32_precision`, which other code of the process may have changed.
    backends = torch.backends
    for backend, parts in ((backends.cuda, ("matmul",)), (backends.cudnn, ("conv", "rnn")), (backends.mkldnn, ("matmul", "conv", "rnn"))):
        for part in parts:
            getattr(backend, part).fp32_precision = "ieee"
