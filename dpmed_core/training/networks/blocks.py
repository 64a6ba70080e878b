"""Building blocks of the public encoders' networks, in two and three dimensions; plain PyTorch, since no unit's gradient is needed here."""

from torch import Tensor, nn

CONVOLUTIONS: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}


class Layer(nn.Sequential):
    """Convolution 3 x 3 (x 3), group normalisation over groups of eight channels, Mish."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1, *, dims: int = 2) -> None:
        super().__init__(CONVOLUTIONS[dims](n_in, n_out, 3, stride, 1, bias=False), nn.GroupNorm(n_out // 8, n_out), nn.Mish())


class Stage(nn.Module):
    """Half the resolution, then two layers with a skip connection."""

    def __init__(self, n_in: int, n_out: int, *, dims: int = 2) -> None:
        super().__init__()
        self.halve = Layer(n_in, n_out, 2, dims=dims)
        self.inner = nn.Sequential(Layer(n_out, n_out, dims=dims), Layer(n_out, n_out, dims=dims))

    def forward(self, x: Tensor) -> Tensor:
        """`[n, n_out, ...]` for `x` `[n, n_in, ...]`, each side halved."""
        x = self.halve(x)
        return x + self.inner(x)  # type: ignore[no-any-return]
