"""ViT-B/16: a transformer over patches of 16 x 16 pixels; its features are those of the class token.

Source: Dosovitskiy et al. 2021, "An image is worth 16x16 words", arXiv 2010.11929, table 1.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

PATCH, WIDTH, DEPTH, HEADS, INNER = 16, 768, 12, 12, 3072
EPSILON = 1e-6
"""Of layer normalisation, as in the published weights."""


class TransformerBlock(nn.Module):
    """Attention over all tokens, then two layers for each token; both are normalised before and added."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_attention, self.norm_tokens = nn.LayerNorm(WIDTH, EPSILON), nn.LayerNorm(WIDTH, EPSILON)
        self.queries_keys_values, self.attended = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.widen, self.narrow = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output for tokens `x` `[n, n_tokens, WIDTH]`."""
        n, n_tokens, _ = x.shape
        mixed = self.queries_keys_values(self.norm_attention(x)).reshape(n, n_tokens, 3, HEADS, WIDTH // HEADS)
        queries, keys, values = mixed.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(queries, keys, values).transpose(1, 2).reshape(n, n_tokens, WIDTH)
        x = x + self.attended(attended)
        added: Tensor = x + self.narrow(functional.gelu(self.widen(self.norm_tokens(x))))
        return added


class VisionTransformerB16(nn.Module):
    """The network up to the class token.

    Args:
        channels: of the images.
        side: of the images, in pixels; every patch has a position of its own.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, WIDTH, PATCH, PATCH)
        self.class_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.positions = nn.Parameter(torch.zeros(1, (side // PATCH) ** 2 + 1, WIDTH))
        self.blocks = nn.Sequential(*(TransformerBlock() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH, EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Features `[n, WIDTH]` of images `x` `[n, channels, side, side]`."""
        patches = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), patches], dim=1) + self.positions
        features: Tensor = self.norm(self.blocks(tokens))[:, 0]
        return features
