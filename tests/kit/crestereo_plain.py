"""CREStereo once more, slow and literal: every step as the paper and the published port order it.

Nothing is hoisted, fused, batched or shared: four groups are sampled one by one with a gather,
the cross attention and the mask run in every iteration, every gate is one convolution. It shares
no code with ``depth_ros.models.crestereo`` but the names in the state dict.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


class PlainCreStereo:
    """Takes the weights as a plain dict, in any floating-point type."""

    def __init__(self, state):
        self.w = state

    def two_stage(self, left, right, iterations):
        size = (left.shape[2] // 2, left.shape[3] // 2)
        small = [
            F.interpolate(x, size, mode='bilinear', align_corners=True) for x in (left, right)
        ]
        return self.run(left, right, iterations, self.run(*small, iterations))

    def run(self, left, right, iterations, initial_flow=None):
        fmap1, fmap2 = self.encode(2 * (left / 255) - 1), self.encode(2 * (right / 255) - 1)
        net, inp = torch.tanh(fmap1[:, :128]), torch.relu(fmap1[:, 128:])
        if initial_flow is None:
            up = self.level_16(fmap1, fmap2, net, inp, iterations // 2)
            up = self.level_8(fmap1, fmap2, net, inp, up, iterations // 2)
        else:
            up = initial_flow
        flow = self.hand_over(up, fmap1.shape[2:])
        for i in range(iterations):
            corr = self.local(fmap1, fmap2, flow, i)
            net, mask, delta = self.update(net, inp, corr, flow)
            flow = flow + delta
            up = self.upsample(flow, mask)
        return -up

    def level_16(self, fmap1, fmap2, net, inp, iterations):
        fmap1, fmap2, net, inp = (pool(x, 4) for x in (fmap1, fmap2, net, inp))
        offset = 2 * (torch.sigmoid(self.conv('conv_offset_16', fmap1, 1)) - 0.5)
        fmap1, fmap2 = (self.attend_self(x + positions(x)) for x in (fmap1, fmap2))
        flow = torch.zeros_like(fmap1[:, :2])
        for i in range(iterations):
            seen1 = self.layer('cross_att_fn.layers.0.', tokens(fmap1), tokens(fmap2))
            seen2 = self.layer('cross_att_fn.layers.0.', tokens(fmap2), seen1)
            maps = (as_map(seen1, fmap1), as_map(seen2, fmap2))
            net, mask, delta = self.update(net, inp, self.spread(*maps, flow, offset, i), flow)
            flow = flow + delta
            up = self.upsample(flow, mask)
        return up

    def level_8(self, fmap1, fmap2, net, inp, up, iterations):
        fmap1, fmap2, net, inp = (pool(x, 2) for x in (fmap1, fmap2, net, inp))
        offset = 2 * (torch.sigmoid(self.conv('conv_offset_8', fmap1, 1)) - 0.5)
        flow = self.hand_over(up, fmap1.shape[2:])
        for i in range(iterations):
            corr = self.spread(fmap1, fmap2, flow, offset, i)
            net, mask, delta = self.update(net, inp, corr, flow)
            flow = flow + delta
            up = self.upsample(flow, mask)
        return up

    @staticmethod
    def hand_over(up, size):
        resized = F.interpolate(up, tuple(size), mode='bilinear', align_corners=True)
        return -(size[0] / up.shape[2]) * resized

    def conv(self, name, x, padding, stride=1):
        return F.conv2d(
            x, self.w[name + '.weight'], self.w[name + '.bias'], padding=padding, stride=stride
        )

    def encode(self, image):
        x = torch.relu(norm(self.conv('fnet.conv1', image, 3, 2)))
        for stage, stride in ((1, 1), (2, 2), (3, 1)):
            x = self.block(f'fnet.layer{stage}.0.', x, stride)
            x = self.block(f'fnet.layer{stage}.1.', x, 1)
        return self.conv('fnet.conv2', x, 0)

    def block(self, name, x, stride):
        y = torch.relu(norm(self.conv(name + 'conv1', x, 1, stride)))
        y = torch.relu(norm(self.conv(name + 'conv2', y, 1)))
        return torch.relu(norm(self.conv(name + 'downsample.0', x, 0, stride)) + y)

    def attend_self(self, fmap):
        return as_map(self.layer('self_att_fn.layers.0.', tokens(fmap), tokens(fmap)), fmap)

    def layer(self, name, x, source):
        n, length, c = x.shape
        heads = (n, -1, 8, c // 8)
        q = F.elu((x @ self.w[name + 'q_proj.weight'].t()).view(heads)) + 1
        k = F.elu((source @ self.w[name + 'k_proj.weight'].t()).view(heads)) + 1
        v = (source @ self.w[name + 'v_proj.weight'].t()).view(heads)
        scores = torch.einsum('nlhd,nshd->nlsh', q, k)
        weights = scores / (scores.sum(2, keepdim=True) + 1e-6)
        message = torch.einsum('nlsh,nshd->nlhd', weights, v).reshape(n, length, c)
        message = self.layer_norm(name + 'norm1', message @ self.w[name + 'merge.weight'].t())
        hidden = torch.cat([x, message], 2) @ self.w[name + 'mlp.0.weight'].t()
        message = torch.relu(hidden) @ self.w[name + 'mlp.2.weight'].t()
        return x + self.layer_norm(name + 'norm2', message)

    def layer_norm(self, name, x):
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-5)
        return scaled * self.w[name + '.weight'] + self.w[name + '.bias']

    def spread(self, fmap1, fmap2, flow, offset, i):
        h, w = flow.shape[2:]
        y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij')
        correlations = []
        for group in range(4):
            part = slice(64 * group, 64 * group + 64)
            for index, (dx, dy) in enumerate(window(i)):
                at_x = x + flow[:, 0] + dx + offset[:, 2 * index]
                at_y = y + flow[:, 1] + dy + offset[:, 2 * index + 1]
                correlations.append((fmap1[:, part] * gather(fmap2[:, part], at_x, at_y)).mean(1))
        return torch.stack(correlations, 1)

    def local(self, fmap1, fmap2, flow, i):
        h, w = flow.shape[2:]
        y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij')
        warped = gather(fmap2, x + flow[:, 0], y + flow[:, 1])
        correlations = []
        for group in range(4):
            part = slice(64 * group, 64 * group + 64)
            for dx, dy in window(i):
                rows, columns = (y + dy).clamp(0, h - 1), (x + dx).clamp(0, w - 1)
                correlations.append(
                    (fmap1[:, part] * warped[:, part][:, :, rows, columns]).mean(1)
                )
        return torch.stack(correlations, 1)

    def update(self, net, inp, corr, flow):
        block = 'update_block.'
        cor = torch.relu(self.conv(block + 'encoder.convc1', corr, 0))
        cor = torch.relu(self.conv(block + 'encoder.convc2', cor, 1))
        flo = torch.relu(self.conv(block + 'encoder.convf1', flow, 3))
        flo = torch.relu(self.conv(block + 'encoder.convf2', flo, 1))
        out = torch.relu(self.conv(block + 'encoder.conv', torch.cat([cor, flo], 1), 1))
        x = torch.cat([inp, out, flow], 1)
        for number, padding in ((1, (0, 2)), (2, (2, 0))):
            both = torch.cat([net, x], 1)
            z = torch.sigmoid(self.conv(f'{block}gru.convz{number}', both, padding))
            r = torch.sigmoid(self.conv(f'{block}gru.convr{number}', both, padding))
            q = self.conv(f'{block}gru.convq{number}', torch.cat([r * net, x], 1), padding)
            net = (1 - z) * net + z * torch.tanh(q)
        delta = torch.relu(self.conv(block + 'flow_head.conv1', net, 1))
        mask = torch.relu(self.conv(block + 'mask.0', net, 1))
        mask = 0.25 * self.conv(block + 'mask.2', mask, 0)
        return net, mask, self.conv(block + 'flow_head.conv2', delta, 1)

    @staticmethod
    def upsample(flow, mask):
        n, _, h, w = flow.shape
        weights = torch.softmax(mask.view(n, 1, 9, 4, 4, h, w), 2)
        patches = F.unfold(4 * flow, 3, padding=1).view(n, 2, 9, 1, 1, h, w)
        fine = (weights * patches).sum(2)
        return fine.permute(0, 1, 4, 2, 5, 3).reshape(n, 2, 4 * h, 4 * w)


def window(i):
    if i % 2 == 0:
        return [(dx, 0) for dx in range(-4, 5)]
    return [(dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


def gather(features, x, y):
    """Bilinear, pixel by pixel; a neighbour outside the map counts as zero."""
    n, c, h, w = features.shape
    total = torch.zeros(n, c, *x.shape[1:], dtype=features.dtype)
    x0, y0 = torch.floor(x), torch.floor(y)
    for column, row in ((x0, y0), (x0 + 1, y0), (x0, y0 + 1), (x0 + 1, y0 + 1)):
        weight = (1 - (x - column).abs()) * (1 - (y - row).abs())
        inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
        flat = row.clamp(0, h - 1).long() * w + column.clamp(0, w - 1).long()
        picked = features.flatten(2).gather(2, flat.flatten(1)[:, None].expand(-1, c, -1))
        total = total + picked.view_as(total) * (weight * inside)[:, None]
    return total


def pool(x, factor):
    """Mean over factor x factor cells; left-over rows and columns are dropped."""
    n, c, h, w = x.shape
    h, w = h // factor, w // factor
    cells = x[:, :, : h * factor, : w * factor].reshape(n, c, h, factor, w, factor)
    return cells.mean((3, 5))


def norm(x):
    centred = x - x.mean((2, 3), keepdim=True)
    return centred / torch.sqrt((centred**2).mean((2, 3), keepdim=True) + 1e-5)


def positions(x):
    table = torch.zeros_like(x[:1])
    for row in range(x.shape[2]):
        for column in range(x.shape[3]):
            for index in range(64):
                scale = math.exp(-2 * index)
                at = (column + 1) * scale, (row + 1) * scale
                values = [math.sin(at[0]), math.cos(at[0]), math.sin(at[1]), math.cos(at[1])]
                table[0, 4 * index : 4 * index + 4, row, column] = torch.tensor(
                    values, dtype=table.dtype
                )
    return table


def tokens(x):
    return x.flatten(2).permute(0, 2, 1)


def as_map(x, like):
    return x.permute(0, 2, 1).reshape(like.shape)
