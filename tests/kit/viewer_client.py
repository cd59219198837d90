"""Bare clients of the view, speaking viser's protocol without a browser."""

from __future__ import annotations

import threading
from typing import Any

import cv2
import msgspec
import numpy as np
import viser
import zstandard
from viser import _messages
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect


def open_client(address: str, *, origin: str | None = '', max_queue: int = 1) -> ClientConnection:
    """Connect as the page does; ``origin`` '' means the page's own, None leaves it out."""
    connection = connect(
        address.replace('http', 'ws', 1),
        origin=address if origin == '' else origin,  # type: ignore[arg-type]
        subprotocols=[f'viser-v{viser.__version__}'],  # type: ignore[list-item]
        compression=None,
        max_size=None,
        max_queue=max_queue,
        ping_interval=None,
        proxy=None,
    )
    send(connection, camera_message())
    return connection


def send(connection: ClientConnection, message: _messages.Message) -> None:
    buffers: list[memoryview] = []
    connection.send(msgspec.msgpack.encode(message.as_serializable_dict(buffers)))


def camera_message() -> _messages.Message:
    """What a page sends first; only then does viser count it as a client."""
    return _messages.ViewerCameraMessage(
        wxyz=(1.0, 0.0, 0.0, 0.0),
        position=(0.0, 0.0, 0.0),
        fov=1.0,
        near=0.1,
        far=100.0,
        image_height=480,
        image_width=640,
        look_at=(0.0, 0.0, 1.0),
        up_direction=(0.0, -1.0, 0.0),
    )


class PageModel:
    """A client that reads all the time and keeps what a page would show."""

    def __init__(self, address: str) -> None:
        self.elements: dict[str, dict[str, Any]] = {}
        self.num_bytes = 0
        self._connection = open_client(address, max_queue=16)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def texts(self) -> list[str]:
        """HTML of the text panels, top to bottom."""
        return [str(props['content']) for props in self._ordered('content')]

    @property
    def labels(self) -> list[str]:
        """Labels of the pictures, top to bottom."""
        return [str(props['label']) for props in self._ordered('_format')]

    def picture(self, index: int) -> np.ndarray:
        """Give a picture as RGB."""
        data = np.frombuffer(self._ordered('_format')[index]['_data'], np.uint8)
        return cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1]

    @property
    def cloud(self) -> dict[str, Any]:
        """Properties of the cloud; points and colours are ``(N, 3)``."""
        cloud = dict(self.elements.get('/cloud', {}))
        for name in ('points', 'colors'):
            if name in cloud:
                cloud[name] = cloud[name].reshape(-1, 3)
        return cloud

    @property
    def plot(self) -> dict[str, Any]:
        """Properties of the plot."""
        return next(iter(self._ordered('series')), {})

    def send(self, message: _messages.Message) -> None:
        send(self._connection, message)

    def close(self) -> None:
        self._connection.close()
        self._thread.join(5.0)

    def _ordered(self, key: str) -> list[dict[str, Any]]:
        chosen = [
            props for props in list(self.elements.values()) if key in props and 'order' in props
        ]
        return sorted(chosen, key=lambda props: props['order'])

    def _read(self) -> None:
        try:
            for raw in self._connection:
                self.num_bytes += len(raw)
                for message in decode_messages(bytes(raw)):  # type: ignore[arg-type]
                    self._apply(message)
        except ConnectionClosed:
            return

    def _apply(self, message: dict[str, Any]) -> None:
        key = str(message.get('uuid') or message.get('name') or message['type'])
        if 'props' in message:
            self.elements[key] = dict(message['props'])
        elif 'updates' in message:
            self.elements[key].update(message['updates'])
        elif message['type'] == 'GuiRemoveMessage':
            self.elements.pop(key, None)
        else:
            self.elements.setdefault(key, {}).update(message)


def decode_messages(raw: bytes) -> list[dict[str, Any]]:
    """Undo viser 1.1's wire format: sizes, zstd msgpack, then arrays aligned to 8 bytes."""
    packed_size = int.from_bytes(raw[8:16], 'little')
    text = zstandard.ZstdDecompressor().decompress(
        raw[16 : 16 + packed_size], max_output_size=int.from_bytes(raw[:8], 'little')
    )
    window = msgspec.msgpack.decode(text)
    arrays, offset = [], 16 + packed_size
    for length in window['binaryBufferLengths']:
        offset += -offset % 8
        arrays.append(raw[offset : offset + length])
        offset += length
    return [dict(_with_arrays(message, arrays)) for message in window['messages']]


def _with_arrays(value: Any, arrays: list[bytes]) -> Any:
    if isinstance(value, dict) and '__binary_index' in value:
        return np.frombuffer(arrays[value['__binary_index']], value['dtype'])
    if isinstance(value, dict):
        return {key: _with_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, arrays) for item in value]
    return value
