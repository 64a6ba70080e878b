"""The training device computes products of float32 in float32, whatever else of the process has asked for."""

import pytest
import torch

from dpmed_core.training.device import training_device


def precisions():
    parts = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.mkldnn.matmul, torch.backends.mkldnn.conv)
    return {part.fp32_precision for part in parts}


def by_one_number(value):
    torch.set_float32_matmul_precision(value)


def by_convolutions(value):
    torch.backends.cudnn.allow_tf32 = value


def by_everything(value):
    torch.backends.fp32_precision = value


@pytest.mark.parametrize(
    ("switch", "on", "off"), [(by_one_number, "medium", "highest"), (by_convolutions, True, False), (by_everything, "tf32", "none")]
)
def test_shorter_products_that_other_code_switched_on_are_switched_off(switch, on, off):
    for backend in (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.mkldnn.matmul, torch.backends.mkldnn.conv):
        backend.fp32_precision = "none"
    switch(on)
    try:
        assert precisions() & {"tf32", "bf16"}
        assert training_device().type in ("cpu", "cuda")
        assert precisions() == {"ieee"}
        assert torch.backends.cudnn.allow_tf32 is False, "the older switches can still be read"
        assert torch.get_float32_matmul_precision() == "highest"
    finally:
        switch(off)
        training_device()


def test_convolutions_on_a_gpu_give_the_same_bits_each_time():
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = False, True
    training_device()
    assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark
