"""A device that is not the CPU, for machines without one: its tensors compute on the CPU, but mix with the CPU's no more than a GPU's do.

`DEVICE` is the device's name (PyTorch's "meta", which holds no data of its own). Within `other_device()` a tensor reaches it by
`.to(DEVICE)` or `device=DEVICE` and leaves it by `.cpu()` alone. As on CUDA, an operation on tensors of both devices is refused, unless
what comes from the CPU is a single number; so is NumPy's view of a tensor there.
"""

from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

DEVICE = torch.device("meta")
CPU = torch.device("cpu")
COPIES = (torch.ops.aten.copy_.default,)


class Elsewhere(torch.Tensor):
    """A tensor of the other device; `values_here` holds its numbers, on the CPU."""

    @staticmethod
    def __new__(cls, values):
        made = torch.Tensor._make_wrapper_subclass(cls, values.shape, strides=values.stride(), dtype=values.dtype, device=DEVICE)
        made.values_here = values
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})

    def numpy(self, *args, **kwargs):
        raise TypeError("can't convert a tensor of another device to numpy; use .cpu() first")

    def tolist(self):
        return self.values_here.tolist()

    def __array__(self, *args, **kwargs):
        return self.numpy()


def run(func, args, kwargs):
    """The result of an operation, on the device that its tensors or its argument `device` name."""
    tensors = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, torch.Tensor)]
    elsewhere = any(isinstance(tensor, Elsewhere) for tensor in tensors)
    if elsewhere and func not in COPIES:
        strangers = [tuple(tensor.shape) for tensor in tensors if not isinstance(tensor, Elsewhere) and tensor.ndim > 0]
        if strangers:
            raise RuntimeError(f"{func}: expected all tensors to be on the same device, but found some of {strangers} on the CPU")
    to = kwargs.get("device")
    if to is not None:
        elsewhere, kwargs = torch.device(to) == DEVICE, {**kwargs, "device": CPU}
    if "pin_memory" in kwargs:
        kwargs = {**kwargs, "pin_memory": False}
    own = tree_map_only(Elsewhere, lambda tensor: tensor.values_here, (args, kwargs))
    result = func(*own[0], **own[1])
    if func._schema.is_mutable:  # in place, or into `out`: what was given is what comes back
        given = {id(values): tensor for values, tensor in zip(tree_flatten(own)[0], tree_flatten((args, kwargs))[0], strict=True)}
        return tree_map_only(torch.Tensor, lambda tensor: given.get(id(tensor), tensor), result)
    return tree_map_only(torch.Tensor, Elsewhere, result) if elsewhere else result


class _Factories(TorchDispatchMode):
    """Sends what makes or moves tensors on `DEVICE` through `run` too."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


@contextmanager
def other_device():
    """Within it `DEVICE` is a device of its own."""
    with _Factories():
        yield DEVICE
