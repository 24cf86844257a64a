"""f_sRNN: response maps to one label map, its points' centres, and squares around them for the next pass."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from red_align.contract import CROP_SIZE


class SpatialRecurrence(nn.Module):
    """f_sRNN (paper, section 3): argmax over the L+1 maps, squares of 7, 5, 3 px at each point's centre.

    Ours, where the paper leaves it open: a centre is the mean of the pixels that the point wins; a square is
    drawn around the centre rounded to a pixel (halves go right and down) and cut at the crop's edge; point l of
    1..L is drawn with the value l/L on a background of 0; where squares overlap, later points cover earlier
    ones. A point that wins no pixel has its centre where f_REG puts it.
    """

    pixels: Tensor
    classes: Tensor

    def __init__(self, num_points: int) -> None:
        super().__init__()
        self.num_points = num_points
        self.register_buffer("pixels", torch.arange(CROP_SIZE, dtype=torch.float32), persistent=False)
        self.register_buffer("classes", torch.arange(1, num_points + 1).reshape(1, -1, 1, 1), persistent=False)

    @torch.no_grad()
    def draw(self, points: Tensor, square_px: Tensor) -> Tensor:
        """Points [N, L, 2] (crop pixels) and sides [N, 1] (odd) to the label map [N, 1, 128, 128]."""
        middle = torch.floor(points + 0.5)
        reach = ((square_px - 1.0) / 2.0).unsqueeze(-1)  # [N, 1, 1]: 3, 2, 1 px to each side
        in_column = (self.pixels - middle[:, :, 0:1]).abs() <= reach  # [N, L, 128]
        in_row = (self.pixels - middle[:, :, 1:2]).abs() <= reach
        value = self.classes.reshape(1, -1, 1) / self.num_points
        squares = in_row.float().unsqueeze(-1) * (in_column.float() * value).unsqueeze(-2)
        # Values grow with the number of the point, so the largest one is the latest.
        return squares.amax(dim=1, keepdim=True)

    @torch.no_grad()
    def centres(self, maps: Tensor, otherwise: Tensor) -> Tensor:
        """Map logits [N, L+1, 128, 128] to centres [N, L, 2]; points [N, L, 2] stand in where no pixel is won."""
        won = (maps.argmax(dim=1, keepdim=True) == self.classes).float()  # [N, L, 128, 128]
        columns, rows = won.sum(dim=2), won.sum(dim=3)  # [N, L, 128]
        number = columns.sum(dim=-1, keepdim=True)
        # Sums of whole numbers below 2^24: exact, in whatever order they are added.
        total = torch.stack([(columns * self.pixels).sum(-1), (rows * self.pixels).sum(-1)], dim=-1)
        return torch.where(number > 0.5, total / number.clamp(min=1.0), otherwise.float())
