"""ResNet-18 and ResNet-50 as feature encoders.

Written from He et al. 2016, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385),
table 1; parameter names are those of the published weights. Bottlenecks have their stride in the
3x3 convolution, where the paper has it in the first 1x1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.errors import ShapeError, WeightsError

BRIGHTNESS, CONTRAST = 0.45, 0.225
"""Mean and deviation the images are normalised with, the same for every colour."""

SIZE_MULTIPLE = 32


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    expansion = 1

    def __init__(self, num_inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(num_inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, width, H / stride, W / stride)."""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1 to few channels, 3x3 there, 1x1 to four times as many, with a shortcut."""

    expansion = 4

    def __init__(self, num_inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _shortcut(num_inputs, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 4 width, H / stride, W / stride)."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def _shortcut(num_inputs: int, num_outputs: int, stride: int) -> nn.Module:
    """Pass by unchanged where shapes agree, else through a 1x1 convolution."""
    if num_inputs == num_outputs and stride == 1:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(num_inputs, num_outputs, 1, stride, bias=False), nn.BatchNorm2d(num_outputs)
    )


_WIDTHS = (64, 128, 256, 512)


@dataclass(frozen=True, slots=True)
class Layout:
    """A column of the paper's table 1.

    Attributes:
        block: Residual block.
        counts: Blocks per stage.
        widths: Channels per stage, of which the first is the stem's too; the paper's unless the
            network is a slimmer one of this project.
    """

    block: type[BasicBlock | Bottleneck]
    counts: tuple[int, int, int, int]
    widths: tuple[int, int, int, int] = _WIDTHS

    @property
    def channels(self) -> tuple[int, int, int, int, int]:
        """Channels of the five features, from 1/2 to 1/32."""
        one, two, three, four = (width * self.block.expansion for width in self.widths)
        return self.widths[0], one, two, three, four


LAYOUTS = {
    18: Layout(BasicBlock, (2, 2, 2, 2)),
    50: Layout(Bottleneck, (3, 4, 6, 3)),
}


class ResNet(nn.Module):
    """Convolutions of a ResNet, without its classifier."""

    def __init__(self, layout: Layout, *, num_images: int) -> None:
        super().__init__()
        num_inputs = layout.widths[0]
        self.conv1 = nn.Conv2d(3 * num_images, num_inputs, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(num_inputs)
        for index, (width, count) in enumerate(zip(layout.widths, layout.counts, strict=True)):
            stride = 1 if index == 0 else 2
            blocks = []
            for number in range(count):
                blocks.append(layout.block(num_inputs, width, stride if number == 0 else 1))
                num_inputs = width * layout.block.expansion
            setattr(self, f'layer{index + 1}', nn.Sequential(*blocks))


class ResnetEncoder(nn.Module):
    """Features of one image, or of several stacked on the channel axis."""

    def __init__(self, layout: Layout, *, num_images: int = 1) -> None:
        super().__init__()
        self.encoder = ResNet(layout, num_images=num_images)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3 num_images, H, W) RGB in 0..1 -> five maps, at 1/2, 1/4 ... 1/32."""
        net = self.encoder
        x = (images - BRIGHTNESS) / CONTRAST
        features = [F.relu(net.bn1(net.conv1(x)))]
        x = F.max_pool2d(features[0], 3, stride=2, padding=1)
        for layer in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = layer(x)
            features.append(x)
        return features


def layout_of(state: Mapping[str, Tensor], prefix: str) -> Layout:
    """Tell from the weights of an encoder which ResNet it is; only bottlenecks have a third layer.

    The widths are read from the weights too, which slimmer networks of this project have.

    Args:
        state: State dict.
        prefix: What stands before ``conv1`` in the names, e.g. ``'encoder.encoder.'``.

    Raises:
        WeightsError: If it is no ResNet at all; other depths fail on strict loading.
    """
    if f'{prefix}layer1.0.conv3.weight' in state:
        return replace(LAYOUTS[50], widths=_widths(state, prefix))
    if f'{prefix}layer1.0.conv2.weight' in state:
        return replace(LAYOUTS[18], widths=_widths(state, prefix))
    found = ', '.join(sorted(state)[:5]) or 'nothing'
    raise WeightsError(
        f'Monodepth2 needs a ResNet-18 or ResNet-50 under {prefix!r}, the weights have '
        f'{len(state)} names ({found} ...); pass the folder of encoder.pth and depth.pth'
    )


def _widths(state: Mapping[str, Tensor], prefix: str) -> tuple[int, int, int, int]:
    """Read the channels of each stage; those of the paper where they are unknown."""
    names = [f'{prefix}layer{stage}.0.conv1.weight' for stage in range(1, 5)]
    shapes = [tuple(state[name].shape) for name in names if name in state]
    if len(shapes) < len(names) or any(len(shape) != 4 or shape[0] == 0 for shape in shapes):
        return _WIDTHS
    one, two, three, four = (shape[0] for shape in shapes)
    return one, two, three, four


def check_images(images: Tensor) -> None:
    """Refuse other shapes than (N, 3, H, W) with H and W multiples of 32.

    Raises:
        ShapeError: Saying what came.
    """
    channels, height, width = images.shape[1:]
    if channels != 3 or height % SIZE_MULTIPLE or width % SIZE_MULTIPLE or not height * width:
        raise ShapeError(
            f'Monodepth2 needs (N, 3, H, W) images, H and W multiples of {SIZE_MULTIPLE}, got '
            f'{tuple(images.shape)}; resize them'
        )
